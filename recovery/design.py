"""The design of a sweep: axes -> cells -> replicates, with the keys and seeds that never change."""

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np

from recovery.errors import LevelError, SettingsError
from recovery.scenario import Axis, Level, Scenario

TruthMode = Literal["fixed", "prior"]
SAMPLER_AXES = ("sampler", "draws", "tune", "chains", "target_accept", "ess")
REPLICATES = 100
"""Replicates of a cell, unless given."""
_TUNE = 1000
_TUNE_FOR_ESS = 400
"""Warm-up draws per chain where fits end by their ESS: nutpie's own default."""


class Purpose(IntEnum):
    """What a stream of random numbers is for; the numbers are part of every seed."""

    TRUTH = 0
    COVARIATES = 1
    DATA = 2
    SAMPLER = 3
    RANKS = 4
    PREDICTION = 5
    REFIT = 6


@dataclass(frozen=True, slots=True)
class Settings:
    """How a fit is sampled.

    Parameters
    ----------
    sampler : str
        ``nutpie`` or ``pymc``, an approximation (``advi``, ``fullrank_advi``, ``laplace``), or the
        name of a sampler object given to `Sweep`.
    draws, tune : int
        Kept and warm-up draws per chain; approximations know no warm-up.
    chains : int
        Number of chains; two or more are needed for r_hat.
    target_accept : float
        Target acceptance rate of NUTS, between 0 and 1.
    ess : int
        A fit ends as soon as every parameter has this bulk and tail ESS and an r_hat below 1.01;
        `draws` is then the most it draws. 0: it draws them all.
    """

    sampler: str = "nutpie"
    draws: int = 1000
    tune: int = 1000
    chains: int = 4
    target_accept: float = 0.8
    ess: int = 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name, least in (("draws", 4), ("tune", 0), ("chains", 1), ("ess", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise SettingsError(f"{name}: {value!r} is not allowed; give {least} or more")
        if self.sampler == "nutpie" and self.tune == 0:
            raise SettingsError("tune: nutpie cannot do without warm-up; give 1 or more")
        if not isinstance(self.target_accept, int | float) or not 0 < self.target_accept < 1:
            raise SettingsError(
                f"target_accept: {self.target_accept!r} is not allowed; give a number between "
                "0 and 1, usually 0.8 to 0.99"
            )

    def escalated(self) -> "Settings":
        """Return the settings of a second try: twice the warm-up, a quarter of the rejections."""
        target = 1 - (1 - self.target_accept) / 4
        return dataclasses.replace(self, tune=2 * self.tune, target_accept=round(target, 6))


def tune_of(given: int | None, ess: int, levels: Iterable[str]) -> int:
    """Return the warm-up draws: where a fit ends by its ESS, a long warm-up would be its cost.

    Parameters
    ----------
    given : int, optional
        What was asked for, if anything.
    ess : int
        See `Settings`.
    levels : iterable of str
        Names of what is swept.
    """
    if given is not None:
        return given
    return _TUNE_FOR_ESS if ess or "ess" in levels else _TUNE


def canonical(value: object) -> str:
    """Return JSON text that is the same for equal values, whatever their order."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def digest(value: object) -> str:
    """Return 32 hexadecimal digits that identify a JSON value."""
    return hashlib.blake2b(canonical(value).encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Cell:
    """One combination of levels and truth mode.

    Parameters
    ----------
    scenario : str
        Name of the scenario.
    levels : mapping of str to level
        The level of every parameter of the scenario function, swept or not.
    truth_mode : {"fixed", "prior"}
    sampler_levels : mapping of str to level
        The levels of swept sampler settings; empty if none is an axis.
    settings : Settings
        How the fits of this cell are sampled.
    """

    scenario: str
    levels: Mapping[str, Level]
    truth_mode: TruthMode
    sampler_levels: Mapping[str, Level]
    settings: Settings

    @cached_property
    def data_digest(self) -> str:
        """Identity of what is simulated; the sampler is no part of it."""
        return digest([self.scenario, dict(self.levels), self.truth_mode])

    @cached_property
    def digest(self) -> str:
        """Identity of the cell, 16 hexadecimal digits."""
        return digest([self.data_digest, dict(self.sampler_levels)])[:16]

    @cached_property
    def words(self) -> tuple[int, ...]:
        """The 32-bit words of the data digest, for `numpy.random.SeedSequence`."""
        return tuple(int(self.data_digest[i : i + 8], 16) for i in range(0, 32, 8))

    @property
    def label(self) -> str:
        """The levels and truth mode in words, for messages."""
        levels = {**self.levels, **self.sampler_levels}
        return " ".join([f"{k}={v}" for k, v in levels.items()] + [f"truth={self.truth_mode}"])


@dataclass(frozen=True)
class Replicate:
    """One simulated data set and its fit.

    Parameters
    ----------
    cell : Cell
    seed : int
        Root of all its random numbers.
    index : int
        Its number under that root.
    refit : bool
        Whether this is a second fit of its data, with escalated settings and other draws.
    """

    cell: Cell
    seed: int
    index: int
    refit: bool = False

    @cached_property
    def key(self) -> str:
        """A name that never changes: cell, seed and index."""
        return f"{self.cell.digest}-{self.seed}-{self.index}" + ("-refit" if self.refit else "")

    @property
    def settings(self) -> Settings:
        """How it is sampled."""
        return self.cell.settings.escalated() if self.refit else self.cell.settings

    @property
    def sampler_seed(self) -> int:
        """The seed of the sampler, 63 bits."""
        return self.integer_seed(Purpose.REFIT if self.refit else Purpose.SAMPLER)

    def entropy(self, purpose: Purpose) -> np.random.SeedSequence:
        """Return the seed sequence of one purpose, made from content alone."""
        spawn_key = (*self.cell.words, self.index, int(purpose))
        return np.random.SeedSequence(self.seed, spawn_key=spawn_key)

    def integer_seed(self, purpose: Purpose) -> int:
        """Return a 63-bit integer seed, for interfaces that take no seed sequence."""
        state = self.entropy(purpose).generate_state(1, np.uint64)
        return int(state[0] >> np.uint64(1))


@dataclass(frozen=True)
class Design:
    """What a sweep consists of, before anything runs.

    Parameters
    ----------
    scenario : Scenario
    levels : mapping of str to sequence
        Levels by axis, as given by the user; axes left out stay at their defaults.
    truth_modes : sequence of {"fixed", "prior"}
    replicates : int
        Number of replicates per cell, derived from `seed`; ignored if `seeds` is given.
    seed : int
        Root seed.
    seeds : sequence of int, optional
        One replicate per cell for each of these root seeds, instead of `replicates` and `seed`.
    settings : Settings

    Raises
    ------
    LevelError
        If an axis is unknown, a level does not fit, or levels repeat.
    SettingsError
        If a seed or a number is impossible.
    """

    scenario: Scenario
    levels: Mapping[str, Sequence[Any]]
    truth_modes: tuple[TruthMode, ...] = ("fixed",)
    replicates: int = REPLICATES
    seed: int = 42
    seeds: tuple[int, ...] | None = None
    settings: Settings = dataclasses.field(default_factory=Settings)

    def __post_init__(self) -> None:
        """Check everything that can be known without building a model."""
        for mode in self.truth_modes:
            if mode not in get_args(TruthMode):
                raise SettingsError(f"truth: {mode!r} is not allowed; give fixed, prior or both")
        if self.seeds is None:
            _check_whole("replicates", self.replicates, 1)
            _check_whole("seed", self.seed, 0)
        else:
            for seed in self.seeds:
                _check_whole("seeds", seed, 0)
            if not self.seeds or len(set(self.seeds)) < len(self.seeds):
                raise SettingsError("seeds: give each seed once, for example 1,2,3 or 1-100")
        object.__setattr__(self, "levels", self._checked_levels())
        missing = [a.name for a in self.scenario.axes.values() if not a.has_default]
        missing = [name for name in missing if name not in self.levels]
        if missing:
            raise LevelError(
                f"scenario {self.scenario.name}: axis {missing[0]} has no default; "
                f"give its levels, as {missing[0]}=..."
            )

    def _checked_levels(self) -> dict[str, tuple[Level, ...]]:
        checked = {}
        defaults = Settings()
        for name, values in self.levels.items():
            if name in self.scenario.axes:
                axis = self.scenario.axes[name]
            elif name in SAMPLER_AXES:
                default = getattr(defaults, name)
                axis = Axis(name, type(default), default)
            else:
                axes = ", ".join([*self.scenario.axes, *SAMPLER_AXES])
                raise LevelError(
                    f"scenario {self.scenario.name} has no axis {name!r}; its axes: {axes}"
                )
            if isinstance(values, str) or not isinstance(values, Iterable):
                values = (values,)
            levels = tuple(axis.check(value) for value in values)
            if not levels:
                raise LevelError(f"axis {name}: no level given; give one or more")
            if len(set(levels)) < len(levels):
                twice = next(level for level in levels if levels.count(level) > 1)
                raise LevelError(f"axis {name}: level {twice!r} is given twice; give each once")
            checked[name] = levels
        return checked

    @property
    def sampler_axes(self) -> tuple[str, ...]:
        """Names of the sampler settings that are swept."""
        axes = self.scenario.axes
        return tuple(name for name in self.levels if name in SAMPLER_AXES and name not in axes)

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """Every combination of levels, in the order given, for each truth mode."""
        names = [*self.scenario.axes, *self.sampler_axes]
        grid = [
            self.levels[name] if name in self.levels else (self.scenario.axes[name].default,)
            for name in names
        ]
        cells = []
        for mode, combination in itertools.product(self.truth_modes, itertools.product(*grid)):
            chosen = dict(zip(names, combination, strict=True))
            sampler_levels = {name: chosen.pop(name) for name in self.sampler_axes}
            settings = dataclasses.replace(self.settings, **sampler_levels)
            levels = {name: self.scenario.axes[name].check(value) for name, value in chosen.items()}
            cells.append(Cell(self.scenario.name, levels, mode, sampler_levels, settings))
        return tuple(cells)

    def plan(self) -> list[tuple[str, int, int]]:
        """Return cell digest, seed and number of replicates, of each cell and seed."""
        seeds = [(self.seed, self.replicates)]
        if self.seeds is not None:
            seeds = [(seed, 1) for seed in self.seeds]
        return [(cell.digest, seed, count) for cell in self.cells for seed, count in seeds]

    def numbering(self) -> list[tuple[int, int]]:
        """Return (seed, index) of the replicates of each cell."""
        if self.seeds is not None:
            return [(seed, 0) for seed in self.seeds]
        return [(self.seed, index) for index in range(self.replicates)]

    def __len__(self) -> int:
        """Return the number of replicates over all cells."""
        return len(self.cells) * len(self.numbering())

    def __iter__(self) -> Iterator[Replicate]:
        """Go through all replicates, one of each cell after another, so that cells grow evenly."""
        for seed, index in self.numbering():
            for cell in self.cells:
                yield Replicate(cell, seed, index)

    def identity(self) -> dict[str, Any]:
        """Return what must stay the same for another command to go on with this run.

        Levels, truth modes and replicates are left out: they may be added to.
        """
        fixed = dataclasses.asdict(self.settings)
        for name in self.sampler_axes:
            fixed[name] = "swept"
        return {
            "scenario": self.scenario.name,
            "axes": [*self.scenario.axes, *self.sampler_axes],
            "seed": "one per replicate" if self.seeds is not None else self.seed,
            **fixed,
        }


def _check_whole(name: str, value: object, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 2**63:
        raise SettingsError(f"{name}: {value!r} is not allowed; give a whole number from {least}")
