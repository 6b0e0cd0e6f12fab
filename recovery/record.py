"""What crosses from a worker to the store: plain values of one replicate, frozen."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from recovery.design import Replicate
from recovery.scenario import LOG_LIKELIHOOD, LOG_POSTERIOR, LOG_PRIOR

Floats = NDArray[np.float64]

# Quantile probabilities kept of every posterior: each half per cent, and the far tails.
# Central intervals of 50, 80, 89, 90, 94, 95, 99 and 99.8 % are among them exactly.
QUANTILE_GRID: Final[Floats] = np.concatenate([[0.001], np.arange(1, 200) / 200, [0.999]])
KEPT_DRAWS: Final = 99
"""Joint draws kept of every posterior, evenly spaced: L + 1 = 100 rank cells."""
FITTED: Final = ("parameter", "deterministic")
"""Kinds of what a fit has draws of."""
QUANTITY: Final = "quantity"
"""Kind of the test quantities, which are known by the kept draws only."""
BUILT_IN: Final = (LOG_LIKELIHOOD, LOG_PRIOR, LOG_POSTERIOR)
JOINT: Final = " (joint)"
"""What is added to the name of a built-in quantity that a variable has already."""


class Status(StrEnum):
    """How a replicate ended."""

    OK = "ok"
    FAILED = "failed"
    CRASHED = "crashed"
    """Its process died, each time that it was tried alone."""
    TIMED_OUT = "timed out"
    """It took longer than it may."""


class Stage(StrEnum):
    """What was being done with a replicate, for failures."""

    BUILD = "build"
    SIMULATE = "simulate"
    COMPILE = "compile"
    SAMPLE = "sample"
    PREDICT = "predict"
    ESTIMATE = "estimate"


@dataclass(frozen=True, slots=True)
class Estimates:
    """What one replicate says of its scalar parameters; every array has shape (n_parameters, ...).

    Parameters
    ----------
    names : tuple of str
        Labels such as ``betas[water amount]``.
    kinds : tuple of str
        ``parameter``, ``deterministic``, ``predicted``, ``predicted mean`` or ``quantity``.
    truth, mean, sd : array
        In the units of the parameter.
    r_hat, ess_bulk, ess_tail, mcse_mean : array
        Convergence diagnostics (Vehtari et al. 2021); NaN for predicted and test quantities.
    crps : array
        Continuous ranked probability score of the posterior at the truth, in units of the
        parameter.
    quantiles : array, shape (n_parameters, len(QUANTILE_GRID))
    rank : array of int
        Rank of the truth among `ranked_among` draws, ties broken at random.
    ranked_among : array of int
        How many of the kept draws the truth was ranked among: no more than the parameter has
        effective draws, so that they are nearly independent.
    pit : array
        Randomised probability integral transform of the truth, in (0, 1); uniform if the rank is,
        whatever `ranked_among`. NaN where there is nothing to rank.
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    truth: Floats
    mean: Floats
    sd: Floats
    r_hat: Floats
    ess_bulk: Floats
    ess_tail: Floats
    mcse_mean: Floats
    crps: Floats
    quantiles: Floats
    rank: NDArray[np.int64]
    ranked_among: NDArray[np.int64]
    pit: Floats
    kept_draws: Floats
    """Joint draws of what was fitted, shape (n_kept, n_fitted), for later test quantities."""

    def interval(self, ci_prob: float) -> tuple[Floats, Floats]:
        """Return the ends of the equal-tailed intervals of a level that the grid has exactly."""
        tail = (1 - ci_prob) / 2
        lower, upper = (int(np.argmin(np.abs(QUANTILE_GRID - p))) for p in (tail, 1 - tail))
        return self.quantiles[:, lower], self.quantiles[:, upper]


@dataclass(frozen=True, slots=True)
class Sampling:
    """What the sampler did; `gradient_evaluations` counts warm-up too.

    Of an approximation, `tune` counts the optimiser's iterations, and all its independent draws
    are one chain.
    """

    sampler: str
    chains: int
    draws: int
    tune: int
    divergences: int
    reached_max_treedepth: int
    tree_depth_max: int
    acceptance_rate: float
    gradient_evaluations: int


@dataclass(frozen=True, slots=True)
class Times:
    """Where the time of a replicate went, in seconds; compilation is counted apart."""

    simulate_s: float = 0.0
    sample_s: float = 0.0
    rest_s: float = 0.0

    @property
    def wall_s(self) -> float:
        """All of it."""
        return self.simulate_s + self.sample_s + self.rest_s


ERROR_LENGTH: Final = 1_000
TRACEBACK_LENGTH: Final = 20_000


def shortened(text: str, most: int) -> str:
    """Return a text whose middle is left out, and says so, if it is longer than that."""
    if len(text) <= most:
        return text
    half = most // 2
    left_out = len(text) - 2 * half
    return f"{text[:half]}\n... {left_out} characters left out ...\n{text[-half:]}"


@dataclass(frozen=True, slots=True)
class Failure:
    """Where and how a replicate failed."""

    stage: Stage
    error: str
    traceback: str


def built_in(name: str, kind: str) -> str:
    """Return which built-in test quantity an estimate is, or an empty string.

    Where a variable of the model has the name of one, the quantity is called ``... (joint)``.
    """
    plain = name.removesuffix(JOINT)
    return plain if kind == QUANTITY and plain in BUILT_IN else ""


@dataclass(frozen=True, slots=True)
class QuantityFailure:
    """Why a test quantity of a complete replicate could not be had."""

    quantity: str
    error: str


@dataclass(frozen=True, slots=True)
class Compilation:
    """One compilation: what kind, in which process, how long, and of which structure.

    What has the same kind and structure need not be compiled twice in one process, but for sizes
    and numbers that a model holds as constants: see `recovery.engine.graph.skeleton`.
    """

    kind: str
    seconds: float
    process: int
    structure: str = ""
    """Empty where it is not known."""


@dataclass(frozen=True, slots=True)
class Record:
    """One replicate, done: complete or failed, never both and never half."""

    key: str
    cell: str
    seed: int
    index: int
    status: Status
    times: Times
    data_digest: str = ""
    sampling: Sampling | None = None
    estimates: Estimates | None = None
    failure: Failure | None = None
    quantity_failures: tuple[QuantityFailure, ...] = ()
    refit: bool = False
    """Whether this is a second fit of the data, with the escalated settings."""
    compilations: tuple[Compilation, ...] = field(default=())

    @classmethod
    def of(cls, replicate: Replicate, status: Status, **values: Any) -> Self:
        """Return the record of a replicate, given how it ended and the other fields."""
        return cls(
            key=replicate.key,
            cell=replicate.cell.digest,
            seed=replicate.seed,
            index=replicate.index,
            refit=replicate.refit,
            status=status,
            **values,
        )
