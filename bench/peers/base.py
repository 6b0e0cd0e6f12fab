"""What a peer is, and what every one of them is given."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Task:
    """The same for every peer: which model, which data sets, how sampled, on how many cores."""

    model: str
    scenario: str
    data: Sequence[Arrays]
    folder: str
    workers: int
    chains: int = 4
    draws: int = 1000
    tune: int = 1000


@dataclass(frozen=True)
class Introduction:
    """What a peer has to say once its first fit is done."""

    first_at: float
    rate: float
    moments: Sequence[Mapping[str, tuple[NDArray[Any], NDArray[Any]]]]
    """Posterior mean and sd by variable, for the first data sets."""


class Peer:
    """A way to fit many data sets. It lives in a process of its own, and imports are on its clock.

    Attributes
    ----------
    batch : int
        Data sets that are fitted at once.
    checked : int
        Data sets whose posterior means are compared.
    """

    batch = 1
    checked = 8

    def __init__(self, task: Task) -> None:
        self.task = task

    def fits(self, numbers: range) -> Iterator[Any]:
        """Fit these data sets, and yield each fit as it is done."""
        raise NotImplementedError

    def draws(self, fit: Any) -> Arrays:
        """Return the draws of a fit by variable, all chains after one another."""
        raise NotImplementedError

    def introduce(self) -> Introduction:
        """Compile, fit the first data set, then a few more."""
        next(iter(self.fits(range(1))))
        first_at = time.time()
        started = time.perf_counter()
        checked = min(self.checked, len(self.task.data))
        moments = [self._moments(fit) for fit in self.fits(range(max(checked, self.batch)))]
        rate = len(moments) / (time.perf_counter() - started)
        return Introduction(first_at, rate, moments[:checked])

    def seconds(self, count: int) -> float:
        """Time so many fits; nothing of them is kept."""
        started = time.perf_counter()
        for _ in self.fits(range(count)):
            pass
        return time.perf_counter() - started

    def _moments(self, fit: Any) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
        return {
            name: (np.mean(draws, axis=0).ravel(), np.std(draws, axis=0).ravel())
            for name, draws in self.draws(fit).items()
        }
