"""From draws to estimates: moments, quantiles, diagnostics and ranks of every scalar parameter."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recovery import ordering
from recovery.calibration import randomised_pit, ranks
from recovery.diagnostics import diagnose
from recovery.engine.prediction import Prediction
from recovery.engine.problem import Arrays, CheckedProblem
from recovery.record import KEPT_DRAWS, QUANTILE_GRID, Estimates, Floats


def pooled(draws: NDArray[Any], most: int) -> NDArray[Any]:
    """Pool chains and keep at most `most` evenly spaced draws; shape (n_kept, *shape)."""
    flat = draws.reshape(-1, *draws.shape[2:])
    return flat if len(flat) <= most else flat[_spaced(len(flat), most)]


def estimate(
    problem: CheckedProblem,
    truth: Arrays,
    draws: Mapping[str, Floats],
    predictions: Sequence[Prediction],
    rng: np.random.Generator,
) -> Estimates:
    """Summarise one fit.

    Parameters
    ----------
    problem : CheckedProblem
    truth : mapping of str to array
        True value of every recorded variable.
    draws : mapping of str to array, shape (chain, draw, *shape)
    predictions : sequence of Prediction
    rng : numpy.random.Generator
        Breaks ties of ranks and randomises the PIT.
    """
    names: list[str] = []
    kinds: list[str] = []
    for name in problem.recorded:
        labels = problem.labels(name, draws[name].shape[2:])
        names += labels
        kinds += ["parameter" if name in problem.free else "deterministic"] * len(labels)
    true = np.concatenate([np.ravel(truth[n]).astype(np.float64) for n in problem.recorded])
    joint = _joint([draws[name] for name in problem.recorded])
    diagnostics = diagnose(joint.transpose(1, 2, 0), QUANTILE_GRID)
    flat = joint.reshape(len(joint), -1)
    kept = np.ascontiguousarray(flat[:, _spaced(flat.shape[1], KEPT_DRAWS)].T)
    columns = [_Columns(true, diagnostics.mean, diagnostics.sd, diagnostics.quantiles, kept)]
    for prediction in predictions:
        for kind, prefix, value, drawn in (
            ("predicted", "predicted ", prediction.truth, prediction.draws),
            (
                "predicted mean",
                "predicted mean of ",
                prediction.mean_truth,
                prediction.mean_draws,
            ),
        ):
            if value is None or drawn is None:
                continue
            labels = [
                f"{prefix}{prediction.name}[{', '.join(map(str, i))}]"
                for i in np.ndindex(value.shape)
            ]
            names += labels
            kinds += [kind] * len(labels)
            columns.append(_predicted(value, drawn))
    extra = np.full(len(names) - len(joint), np.nan)
    rank = np.concatenate([ranks(c.kept, c.truth, rng) for c in columns])
    return Estimates(
        names=tuple(names),
        kinds=tuple(kinds),
        truth=np.concatenate([c.truth for c in columns]),
        mean=np.concatenate([c.mean for c in columns]),
        sd=np.concatenate([c.sd for c in columns]),
        r_hat=np.concatenate([diagnostics.r_hat, extra]),
        ess_bulk=np.concatenate([diagnostics.ess_bulk, extra]),
        ess_tail=np.concatenate([diagnostics.ess_tail, extra]),
        mcse_mean=np.concatenate([diagnostics.mcse_mean, extra]),
        quantiles=np.concatenate([c.quantiles for c in columns]),
        rank=rank,
        pit=np.asarray(randomised_pit(rank, len(kept), rng)),
        kept_draws=kept,
    )


class _Columns:
    """Truth, moments, quantiles and kept draws of some scalar quantities."""

    def __init__(self, truth: Floats, mean: Floats, sd: Floats, q: Floats, kept: Floats) -> None:
        self.truth, self.mean, self.sd, self.quantiles, self.kept = truth, mean, sd, q, kept


def _predicted(truth: NDArray[Any], draws: NDArray[Any]) -> _Columns:
    flat = draws.reshape(len(draws), -1).astype(np.float64)
    return _Columns(
        np.ravel(truth).astype(np.float64),
        flat.mean(axis=0),
        flat.std(axis=0, ddof=1),
        quantiles(flat),
        flat[_spaced(len(flat), KEPT_DRAWS)],
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


def _joint(draws: Sequence[Floats]) -> Floats:
    """Lay out draws of several variables so that those of a scalar parameter lie together.

    Returns
    -------
    array, shape (n_parameters, n_chains, n_draws)
    """
    flat = [d.reshape(*d.shape[:2], -1) for d in draws]
    joint = np.empty((sum(f.shape[2] for f in flat), *flat[0].shape[:2]))
    np.concatenate([f.transpose(2, 0, 1) for f in flat], out=joint)
    return joint


@lru_cache(maxsize=16)
def _spaced(length: int, most: int) -> NDArray[np.intp]:
    return np.linspace(0, length - 1, min(length, most)).astype(np.intp)
