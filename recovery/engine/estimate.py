"""From draws to estimates: moments, quantiles, diagnostics and ranks of every scalar quantity."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recovery import ordering
from recovery.calibration import Counts
from recovery.diagnostics import diagnose
from recovery.engine.prediction import Prediction
from recovery.engine.problem import Arrays, CheckedProblem
from recovery.engine.quantities import Evaluated
from recovery.ranking import draws_to_rank, rank_truths, spaced
from recovery.record import KEPT_DRAWS, QUANTILE_GRID, QUANTITY, Estimates, Floats, QuantityFailure
from recovery.scores import crps_of_draws


def pooled(draws: NDArray[Any], most: int) -> NDArray[Any]:
    """Pool chains and keep at most `most` evenly spaced draws; shape (n_kept, *shape)."""
    flat = draws.reshape(-1, *draws.shape[2:])
    return flat if len(flat) <= most else flat[spaced(len(flat), most)]


@dataclass(frozen=True)
class Joint:
    """All draws of one fit, those of a scalar parameter together.

    Attributes
    ----------
    columns : array, shape (n_parameters, n_chains, n_draws)
    """

    columns: Floats

    @classmethod
    def of(cls, problem: CheckedProblem, draws: Mapping[str, Floats]) -> "Joint":
        """Lay out the draws of every recorded variable, shape (chain, draw, *shape) each."""
        flat = [draws[name].reshape(*draws[name].shape[:2], -1) for name in problem.recorded]
        columns = np.empty((sum(f.shape[2] for f in flat), *flat[0].shape[:2]))
        np.concatenate([f.transpose(2, 0, 1) for f in flat], out=columns)
        return cls(columns)

    @cached_property
    def kept(self) -> Floats:
        """Evenly spaced draws of all chains, shape (n_kept, n_parameters)."""
        flat = self.columns.reshape(len(self.columns), -1)
        return np.ascontiguousarray(flat[:, spaced(flat.shape[1], KEPT_DRAWS)].T)


def estimate(
    problem: CheckedProblem,
    truth: Arrays,
    joint: Joint,
    predictions: Sequence[Prediction],
    quantities: Sequence[Evaluated],
    entropy: np.random.SeedSequence,
) -> Estimates:
    """Summarise one fit.

    Parameters
    ----------
    problem : CheckedProblem
    truth : mapping of str to array
        True value of every recorded variable.
    joint : Joint
    predictions : sequence of Prediction
    quantities : sequence of Evaluated
        On the kept draws.
    entropy : numpy.random.SeedSequence
        Breaks ties of ranks and randomises the PIT.
    """
    parts = [
        _fitted(problem, truth, joint),
        *(part for prediction in predictions for part in _predicted(prediction)),
    ]
    rng = np.random.default_rng(entropy)
    ranked = [rank_truths(part.kept, part.truth, part.among, rng) for part in parts]
    fitted = parts[0]
    among = among_for_quantities(fitted.sd, fitted.ess_bulk, fitted.ess_tail, len(joint.kept))
    if quantities:
        parts.append(_quantities(quantities, among))
        ranked.append(_rank_quantities(parts[-1], entropy))
    return _estimates(parts, ranked, joint.kept)


def estimate_quantities(
    quantities: Sequence[Evaluated], among: int, entropy: np.random.SeedSequence
) -> Estimates:
    """Summarise test quantities alone, of a fit whose other estimates are there already.

    The numbers are those that `estimate` gives: a quantity has random numbers of its own, made
    from its name.

    Parameters
    ----------
    quantities : sequence of Evaluated
    among : int
        As `among_for_quantities` gives it.
    entropy : numpy.random.SeedSequence
        As for `estimate`.
    """
    part = _quantities(quantities, among)
    return _estimates([part], [_rank_quantities(part, entropy)], np.empty((0, 0)))


def among_for_quantities(sd: Floats, ess_bulk: Floats, ess_tail: Floats, n_kept: int) -> int:
    """Return among how many draws test quantities are ranked.

    Any quantity may follow any parameter, so it is ranked among as many draws as the parameter
    with the least ESS has effective ones; those without a spread or without an ESS aside.
    """
    ess = np.fmin(ess_bulk, ess_tail)[sd > 0]
    return int(draws_to_rank(ess[np.isfinite(ess)].min(initial=np.inf), n_kept))


def failures_of(quantities: Sequence[Evaluated]) -> tuple[QuantityFailure, ...]:
    """Return the quantities that could not be had, with the reason."""
    return tuple(QuantityFailure(q.name, q.failure) for q in quantities if q.failure)


@dataclass(frozen=True)
class _Part:
    """Some scalar quantities of one kind; every array has shape (n, ...), `kept` (n_kept, n)."""

    names: list[str]
    kinds: list[str]
    truth: Floats
    mean: Floats
    sd: Floats
    quantiles: Floats
    crps: Floats
    kept: Floats
    among: Counts
    r_hat: Floats
    ess_bulk: Floats
    ess_tail: Floats
    mcse_mean: Floats


def _fitted(problem: CheckedProblem, truth: Arrays, joint: Joint) -> _Part:
    names: list[str] = []
    kinds: list[str] = []
    for name in problem.recorded:
        labels = problem.labels(name, np.shape(truth[name]))
        names += labels
        kinds += ["parameter" if name in problem.free else "deterministic"] * len(labels)
    true = np.concatenate([np.ravel(truth[n]).astype(np.float64) for n in problem.recorded])
    found = diagnose(joint.columns.transpose(1, 2, 0), QUANTILE_GRID)
    return _Part(
        names=names,
        kinds=kinds,
        truth=true,
        mean=found.mean,
        sd=found.sd,
        quantiles=found.quantiles,
        crps=crps_of_draws(joint.columns.reshape(len(names), -1), true),
        kept=joint.kept,
        among=draws_to_rank(np.fmin(found.ess_bulk, found.ess_tail), len(joint.kept)),
        r_hat=found.r_hat,
        ess_bulk=found.ess_bulk,
        ess_tail=found.ess_tail,
        mcse_mean=found.mcse_mean,
    )


def _predicted(prediction: Prediction) -> list[_Part]:
    name = prediction.name
    found = []
    for kind, prefix, value, drawn in (
        ("predicted", "predicted ", prediction.truth, prediction.draws),
        ("predicted mean", "predicted mean of ", prediction.mean_truth, prediction.mean_draws),
    ):
        if value is None or drawn is None:
            continue
        labels = [f"{prefix}{name}[{', '.join(map(str, i))}]" for i in np.ndindex(value.shape)]
        draws = drawn.reshape(len(drawn), -1).astype(np.float64)
        true = np.ravel(value).astype(np.float64)
        kept = draws[spaced(len(draws), KEPT_DRAWS)]
        found.append(_drawn(labels, kind, true, draws, quantiles(draws), kept, len(kept)))
    return found


def _quantities(evaluated: Sequence[Evaluated], among: int) -> _Part:
    draws = np.column_stack([quantity.draws for quantity in evaluated])
    true = np.array([quantity.truth for quantity in evaluated])
    names = [quantity.name for quantity in evaluated]
    few = ordering.quantiles_of_few(np.ascontiguousarray(draws.T), QUANTILE_GRID)
    return _drawn(names, QUANTITY, true, draws, few, draws, min(among, len(draws)))


def _drawn(
    names: list[str],
    kind: str,
    truth: Floats,
    draws: Floats,
    quantiles: Floats,
    kept: Floats,
    among: int,
) -> _Part:
    """Summarise pooled draws, shape (n_draws, n), of which no chain is known."""
    with np.errstate(all="ignore"):
        # From the first draw, so that equal draws have a spread of exactly 0.
        off = draws - draws[0]
        mean = draws[0] + off.mean(axis=0)
        sd = off.std(axis=0, ddof=1) if len(draws) > 1 else np.full(len(names), np.nan)
    unknown = np.full(len(names), np.nan)
    return _Part(
        names=names,
        kinds=[kind] * len(names),
        truth=truth,
        mean=mean,
        sd=sd,
        quantiles=quantiles,
        crps=crps_of_draws(np.ascontiguousarray(draws.T), truth),
        kept=kept,
        among=np.full(len(names), among),
        r_hat=unknown,
        ess_bulk=unknown,
        ess_tail=unknown,
        mcse_mean=unknown,
    )


def _rank_quantities(part: _Part, entropy: np.random.SeedSequence) -> tuple[Counts, Floats]:
    """Rank each with random numbers of its own, so that the others make no difference."""
    found = []
    for i, name in enumerate(part.names):
        words = np.frombuffer(hashlib.blake2b(name.encode(), digest_size=16).digest(), "<u4")
        own = (*entropy.spawn_key, *words.tolist())
        rng = np.random.default_rng(np.random.SeedSequence(entropy.entropy, spawn_key=own))
        here = slice(i, i + 1)
        found.append(rank_truths(part.kept[:, here], part.truth[here], part.among[here], rng))
    rank, pit = zip(*found, strict=True)
    return np.concatenate(rank), np.concatenate(pit)


def _estimates(
    parts: Sequence[_Part], ranked: Sequence[tuple[Counts, Floats]], kept: Floats
) -> Estimates:
    def joined(name: str) -> Any:
        return np.concatenate([getattr(part, name) for part in parts])

    return Estimates(
        names=tuple(name for part in parts for name in part.names),
        kinds=tuple(kind for part in parts for kind in part.kinds),
        truth=joined("truth"),
        mean=joined("mean"),
        sd=joined("sd"),
        r_hat=joined("r_hat"),
        ess_bulk=joined("ess_bulk"),
        ess_tail=joined("ess_tail"),
        mcse_mean=joined("mcse_mean"),
        crps=joined("crps"),
        quantiles=joined("quantiles"),
        rank=np.concatenate([rank for rank, _ in ranked]),
        ranked_among=joined("among"),
        pit=np.concatenate([pit for _, pit in ranked]),
        kept_draws=kept,
    )


def quantiles(draws: Floats) -> Floats:
    """Return the kept quantiles of pooled draws, interpolated linearly between order statistics.

    Parameters
    ----------
    draws : array, shape (n_draws, n_parameters)

    Returns
    -------
    array, shape (n_parameters, len(QUANTILE_GRID))
        As ``numpy.quantile`` gives them, from one sort for the whole grid.
    """
    return ordering.quantiles(np.ascontiguousarray(draws.T), QUANTILE_GRID)
