"""NUTS by nutpie: compiled once per structure, data swapped, fits in threads."""

import math
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import nutpie
import pyarrow
from numpy.typing import NDArray

from recovery.design import Settings
from recovery.engine.problem import CheckedProblem
from recovery.engine.samplers.base import Fit, Target
from recovery.engine.samplers.own_code import OwnCode
from recovery.engine.structure import Simulated
from recovery.record import Floats, Sampling
from recovery.stopping import BLOCK, first_look, look

_STATISTICS: Final = MappingProxyType(
    {
        "diverging": "diverging",
        "maxdepth_reached": "reached_max_treedepth",
        "depth": "tree_depth",
        "n_steps": "n_steps",
        "mean_tree_accept": "acceptance_rate",
        "energy": "energy",
        "logp": "lp",
        "step_size": "step_size",
    }
)
"""Nutpie's names of what it knows of a draw, and ArviZ's."""


class NutpieSampler:
    """The default sampler. One core per fit: replicates, not chains, run in parallel."""

    name = "nutpie"
    threads = True
    counts_compilation = True

    def cannot(self, problem: CheckedProblem) -> str:
        """Return why not: nutpie samples continuous variables only."""
        if problem.discrete:
            return f"{problem.discrete[0]!r} is discrete"
        return ""

    def compile(self, target: Target, simulated: Simulated) -> "NutpieDensity":
        """Compile the density with numba (seconds)."""
        model = target.conditioned(simulated.observed)
        recorded = list(target.problem.recorded)
        compiled = nutpie.compile_pymc_model(model, var_names=recorded, pipeline_class=OwnCode)
        return NutpieDensity(compiled, target)


class NutpieDensity:
    """One compiled density; `fit` is safe in several threads and gives the same draws there."""

    def __init__(self, compiled: Any, target: Target) -> None:
        self._compiled = compiled
        self._shapes = target.shapes
        keys = getattr(compiled, "shared_var_keys", None)
        # Older versions know their variables by name, newer ones by key.
        self._names = {v.name for v in keys} if keys is not None else set(compiled.shared_data)
        self._foresight: dict[Settings, Foresight] = {}

    def fit(self, simulated: Simulated, settings: Settings, seed: int) -> Fit:
        """Sample with the data swapped in.

        Raises
        ------
        KeyboardInterrupt
            If sampling was interrupted.
        """
        values: dict[str, Any] = {**simulated.lengths, **simulated.data}
        observed = simulated.observed.items()
        values |= {Target.observed_name(name): value for name, value in observed}
        swapped = {name: np.asarray(value) for name, value in values.items() if name in self._names}
        compiled = self._compiled.with_data(**swapped)
        # The clock starts where any user of nutpie would start it.
        started = time.perf_counter()
        if settings.ess:
            trace, kept = self._until_enough(compiled, settings, seed)
        else:
            trace, kept = _Trace(compiled, settings, settings.draws, seed), settings.draws
        sample_s = time.perf_counter() - started
        draws, sampling = trace.draws(self._shapes, kept), trace.sampling(kept)
        return Fit(draws, sampling, sample_s, stats=lambda: trace.stats(kept))

    def _until_enough(self, compiled: Any, settings: Settings, seed: int) -> tuple["_Trace", int]:
        """Draw until there are enough; return the trace, and how many draws of it to keep.

        A chain that has ended cannot be resumed, and chains watched while they run are stopped
        late: they share cores with those of other fits and drift apart by hundreds of draws. But
        the first draws are the same however many are asked for. So ask for as many as this fit
        will probably need, look at them where the rule says, and cut off the rest; if they are
        too few, draw again, all of them. The guess changes the cost and nothing else.
        """
        foresight = self._foresight.setdefault(settings, Foresight(settings))
        place = first_look(settings.ess, settings.chains, settings.draws)
        asked = foresight.draws()
        while True:
            trace = _Trace(compiled, settings, asked, seed)
            joint = trace.joint(self._shapes)
            while place <= asked:
                found = look(joint[:, :place], settings.ess, settings.draws)
                if found.enough:
                    foresight.remember(place)
                    return trace, place
                place = found.next_draws
            asked = settings.draws


class Foresight:
    """How many draws to ask for, from where earlier fits with the same settings had enough.

    A draw in warm-up is taken to cost what any other does. Safe in several threads.
    """

    _REMEMBERED = 64

    def __init__(self, settings: Settings) -> None:
        self._tune = settings.tune
        self._most = settings.draws
        self._places: tuple[int, ...] = ()

    def remember(self, place: int) -> None:
        """Take note of where a fit had enough."""
        # A new tuple, never a changed one: another thread may be reading. At worst a note is lost.
        self._places = (*self._places[1 - self._REMEMBERED :], place)

    def draws(self) -> int:
        """Return the draws per chain that are cheapest to ask for; all, until a place is known."""
        places = sorted(self._places)
        # The less is known the wider the margin, and the next fit may need more than any so far.
        fits = len(places) + 1
        whole = self._tune + self._most
        cheapest = (float(whole), self._most)
        for number, place in enumerate(places, start=1):
            draws = int(place * (1 + 1 / fits)) // BLOCK * BLOCK
            if draws < self._most:
                again = (fits - number) / fits
                cheapest = min(cheapest, (self._tune + draws + again * whole, draws))
        return cheapest[1]


class _Trace:
    """All chains of one run of nutpie, warm-up first.

    Raises
    ------
    KeyboardInterrupt
        If chains or draws are missing.
    """

    def __init__(self, compiled: Any, settings: Settings, draws: int, seed: int) -> None:
        trace = nutpie.sample(
            compiled,
            draws=draws,
            tune=settings.tune,
            chains=settings.chains,
            cores=1,
            seed=seed,
            target_accept=settings.target_accept,
            progress_bar=False,
            return_raw_trace=True,
        )
        self._settings = settings
        self._asked = draws
        self._chains, self._stats = trace.get_arrow_trace()
        rows = {batch.num_rows for batch in (*self._chains, *self._stats)}
        if len(self._chains) != settings.chains or rows != {settings.tune + draws}:
            # Interrupted, nutpie returns what it has; that is no fit.
            raise KeyboardInterrupt
        self._joint: Floats | None = None

    def joint(self, shapes: Mapping[str, tuple[int, ...]]) -> Floats:
        """Return all draws after warm-up; shape (chain, draw, parameter).

        The draws of a parameter lie together in memory, which is what diagnostics want.
        """
        if self._joint is None:
            sizes = [math.prod(shape) for shape in shapes.values()]
            columns = np.empty((sum(sizes), len(self._chains), self._asked))
            for i, batch in enumerate(self._chains):
                end = 0
                for name, size in zip(shapes, sizes, strict=True):
                    start, end = end, end + size
                    values = _column(batch, name).reshape(-1, size)
                    columns[start:end, i] = values[self._settings.tune :].T
            self._joint = columns.transpose(1, 2, 0)
        return self._joint

    def draws(self, shapes: Mapping[str, tuple[int, ...]], kept: int) -> dict[str, Floats]:
        """Return views of the first draws after warm-up; shape (chain, draw, *shape) each."""
        joint = self.joint(shapes)[:, :kept]
        found, end = {}, 0
        for name, shape in shapes.items():
            start, end = end, end + math.prod(shape)
            found[name] = joint[..., start:end].reshape(*joint.shape[:2], *shape)
        return found

    def _statistic(self, name: str, begin: int, kept: int) -> NDArray[Any]:
        """Return a statistic of the draws from `begin` to the last one kept."""
        end = self._settings.tune + kept
        return np.stack([_column(batch, name)[begin:end] for batch in self._stats])

    def stats(self, kept: int) -> dict[str, NDArray[Any]]:
        """Return the statistics of the kept draws by ArviZ's names, shape (chain, draw) each."""
        begin, known = self._settings.tune, self._stats[0].schema.names
        return {
            ours: self._statistic(name, begin, kept)
            for name, ours in _STATISTICS.items()
            if name in known
        }

    def sampling(self, kept: int) -> Sampling:
        """Say what it took to draw what is kept, warm-up included in the gradients only."""

        def column(name: str, begin: int = self._settings.tune) -> NDArray[Any]:
            return self._statistic(name, begin, kept)

        return Sampling(
            sampler=NutpieSampler.name,
            chains=self._settings.chains,
            draws=kept,
            tune=self._settings.tune,
            divergences=int(column("diverging").sum()),
            reached_max_treedepth=int(column("maxdepth_reached").sum()),
            tree_depth_max=int(column("depth").max(initial=0)),
            acceptance_rate=float(column("mean_tree_accept").mean()),
            gradient_evaluations=int(column("n_steps", begin=0).sum()),
        )


def _column(batch: Any, name: str) -> NDArray[Any]:
    """Return a column of an Arrow batch, the entries of a list in one row; a view if it can be."""
    column = pyarrow.array(batch.column(name))
    if hasattr(column, "flatten"):
        column = column.flatten()
    return np.asarray(column.to_numpy(zero_copy_only=False))
