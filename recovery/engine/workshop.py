"""What one process has built and compiled: problems by levels, structures, densities."""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recovery.design import Cell, TruthMode, canonical
from recovery.engine.caches import advice
from recovery.engine.check import (
    check_drawn,
    check_mode,
    check_quantities,
    check_quantity_names,
)
from recovery.engine.covariates import CovariateDrawer, Covariates
from recovery.engine.densities import LogDensities
from recovery.engine.generator import check_generator, shown
from recovery.engine.graph import text_digest
from recovery.engine.prediction import Predictor
from recovery.engine.priors import prior_draws
from recovery.engine.problem import CheckedProblem, check_problem
from recovery.engine.quantities import Quantities
from recovery.engine.samplers import Density, Sampler, Target, sampler_by_name
from recovery.engine.structure import Simulated, Structure, set_values
from recovery.errors import (
    LevelError,
    ProblemError,
    RecoveryError,
    SetUpError,
    UserCodeError,
)
from recovery.inert import said
from recovery.loading import user_traceback
from recovery.record import Compilation
from recovery.scenario import Level, Problem, Scenario

# Share of prior draws that may lie outside the variable's transform: rounding, not a narrowing.
_OUTSIDE = 0.02
_TRIED = 200


@dataclass(frozen=True, eq=False)
class Prepared:
    """A problem with everything that is compiled for it, except its density.

    Attributes
    ----------
    problem, structure
        What is fitted.
    source, source_structure
        What is simulated from: the same, unless the problem has a generator.
    """

    problem: CheckedProblem
    structure: Structure
    source: CheckedProblem
    source_structure: Structure
    covariates: Covariates
    covariate_drawer: CovariateDrawer | None
    new_data: Covariates
    new_data_drawer: CovariateDrawer | None

    def draw_covariates(self, seed: int) -> dict[str, NDArray[Any]]:
        """Draw the covariates of one replicate; hold the structure's lock."""
        return self.covariates.draw(self.covariate_drawer, seed)

    def shown(self, generated: Simulated, covariates: Mapping[str, NDArray[Any]]) -> Simulated:
        """Return a data set of the source as the fitted model sees it."""
        if self.source is self.problem:
            return generated
        data = self.problem.own({**generated.data, **covariates})
        with self.structure.lock:
            shapes = self.structure.shapes(self.problem, data)
        return shown(self.problem, generated, covariates, shapes)

    def draw_new_data(self, seed: int) -> dict[str, NDArray[Any]]:
        """Draw the new data to predict for; hold the structure's lock."""
        return self.new_data.draw(self.new_data_drawer, seed)


class Workshop:
    """All that is compiled in one process for one scenario; safe in several threads.

    Parameters
    ----------
    scenario : Scenario
    samplers : mapping of str to Sampler, optional
        Sampler objects of the user's own, by name.
    """

    def __init__(self, scenario: Scenario, samplers: Mapping[str, Sampler] | None = None) -> None:
        self.scenario = scenario
        self._samplers = dict(samplers or {})
        self._prepared: dict[str, Prepared] = {}
        self._structures: list[Structure] = []
        self._drawers: list[CovariateDrawer] = []
        self._predictors: dict[int, Predictor] = {}
        self._log_densities: dict[int, LogDensities] = {}
        self._densities: dict[tuple[int, str, tuple[Any, ...]], Density] = {}
        self._priors: dict[tuple[int, str], dict[str, NDArray[np.float64]]] = {}
        self._obeyed: set[tuple[int, str]] = set()
        self._failed: dict[tuple[int, str, tuple[Any, ...]], Exception] = {}
        self._compilations: list[Compilation] = []
        self._lock = threading.RLock()

    def sampler(self, name: str) -> Sampler:
        """Return a sampler by name, the user's own first."""
        with self._lock:
            if name not in self._samplers:
                self._samplers[name] = sampler_by_name(name)
            return self._samplers[name]

    def sampler_for(self, cell: Cell, problem: CheckedProblem) -> Sampler:
        """Return the cell's sampler, or ``pymc`` for a problem that it cannot fit.

        Raises
        ------
        ProblemError
            If the sampler is an approximation: ``pymc`` would answer another question.
        """
        sampler = self.sampler(cell.settings.sampler)
        reason = sampler.cannot(problem)
        if reason and getattr(sampler, "approximate", False):
            raise ProblemError(
                f"{problem.where}: sampler {sampler.name!r} cannot fit this problem ({reason}); "
                "use nutpie or pymc"
            )
        return self.sampler("pymc") if reason else sampler

    def prepare(self, cell: Cell) -> Prepared:
        """Build and check the problem of a cell, and find or compile its simulator.

        Raises
        ------
        UserCodeError
            If the scenario function raises.
        ProblemError, LevelError
            If what it returns cannot be used.
        """
        key = canonical(dict(cell.levels))
        with self._lock:
            if key not in self._prepared:
                self._prepared[key] = self._prepare(cell.levels)
            return self._prepared[key]

    def checked(self, levels: Mapping[str, Level]) -> CheckedProblem:
        """Build and check a problem, compiling nothing."""
        where = " ".join([self.scenario.name, *(f"{k}={v}" for k, v in levels.items())])
        problem = check_problem(self._build(levels, where), where)
        check_generator(problem)
        check_quantities(problem)
        return problem

    def _prepare(self, levels: Mapping[str, Level]) -> Prepared:
        problem = self.checked(levels)
        source = problem.generator or problem
        covariates = Covariates({**source.covariates, **problem.covariates})
        new_data = Covariates(problem.predict)
        return Prepared(
            problem,
            self._structure(problem, "model"),
            source,
            self._structure(source, "generator"),
            covariates,
            self._drawer(covariates, "covariates"),
            new_data,
            self._drawer(new_data, "new data"),
        )

    def _structure(self, problem: CheckedProblem, role: str) -> Structure:
        structure = next((s for s in self._structures if s.matches(problem)), None)
        if structure is None:
            counted = self._counted("simulator")
            structure = Structure(problem)
            counted.end(f"{role} {structure.skeleton}")
            self._structures.append(structure)
        return structure

    def _build(self, levels: Mapping[str, Level], where: str) -> Problem:
        axes = self.scenario.axes
        arguments = {name: axes[name].argument(level) for name, level in levels.items()}
        try:
            return self.scenario.function(**arguments)
        except RecoveryError:
            raise
        except (Exception, SystemExit) as error:
            # A size or scale of zero or less is the user's input, not a fault of their code.
            for name, level in levels.items():
                if isinstance(level, int | float) and level <= 0 and _positive(axes[name].default):
                    raise LevelError(
                        f"axis {name}: level {level} gives no model "
                        f"({said(error)}); give levels above 0"
                    ) from error
            raise UserCodeError(
                f"{where}: the scenario raised {said(error)}",
                user_traceback(error, self.scenario.file),
            ) from error

    def _drawer(self, covariates: Covariates, role: str) -> CovariateDrawer | None:
        lifted = covariates.lifted
        if lifted is None:
            return None
        for drawer in self._drawers:
            if drawer.lifted.same_graph(lifted):
                return drawer
        counted = self._counted("covariates")
        self._drawers.append(CovariateDrawer(lifted))
        counted.end(f"{role} {lifted.skeleton}")
        return self._drawers[-1]

    def predictor(self, structure: Structure) -> Predictor:
        """Return the compiled predictive functions of a structure."""
        with self._lock, structure.lock:
            if id(structure) not in self._predictors:
                counted = self._counted("predictor")
                self._predictors[id(structure)] = Predictor(structure)
                counted.end(structure.skeleton)
            return self._predictors[id(structure)]

    def quantities(self, prepared: Prepared) -> Quantities:
        """Return the test quantities of a problem; their log densities are compiled once."""
        structure = prepared.structure
        with self._lock, structure.lock:
            if id(structure) not in self._log_densities:
                counted = self._counted("quantities")
                self._log_densities[id(structure)] = LogDensities(structure)
                counted.end(structure.skeleton)
            return Quantities(prepared.problem, self._log_densities[id(structure)])

    def density(self, prepared: Prepared, sampler: Sampler, simulated: Simulated) -> Density:
        """Return the compiled density of a structure, for variables of these shapes."""
        problem = prepared.problem
        shapes = _shapes(prepared, simulated)
        key = (id(prepared.structure), sampler.name, tuple(shapes.items()))
        with self._lock, prepared.structure.lock:
            if key in self._failed:
                raise self._failed[key]
            if key not in self._densities:
                # The model may be the one that simulates for other cells too, and hold their sizes.
                set_values(problem.model, simulated.data, simulated.lengths)
                target = Target(problem, shapes)
                counted = self._counted("density")
                try:
                    density = sampler.compile(target, simulated)
                except Exception as error:
                    # What does not compile once does not compile for the next replicate.
                    self._failed[key] = error
                    raise
                if sampler.counts_compilation and not getattr(density, "compiles_in_fits", False):
                    counted.end(density_structure(prepared, sampler, simulated))
                self._densities[key] = density
            return self._densities[key]

    def prior_draws(self, prepared: Prepared) -> dict[str, NDArray[np.float64]]:
        """Return draws of the free variables from their prior, drawn once per distinct prior."""
        problem, structure = prepared.problem, prepared.structure
        if structure.no_prior:
            return {}
        with self._lock, structure.lock:
            key = (id(structure), structure.prior_inputs(problem))
            if key not in self._priors:
                self._priors[key] = prior_draws(
                    structure, problem, lambda seed: problem.own(prepared.draw_covariates(seed))
                )
            return self._priors[key]

    def _counted(self, kind: str) -> "_Counted":
        return _Counted(kind, self._compilations.append)

    def collect_compilations(self) -> tuple[Compilation, ...]:
        """Return the compilations since the last call, for the store."""
        with self._lock:
            done = tuple(self._compilations)
            self._compilations.clear()
            return done

    def check(self, cell: Cell) -> Prepared:
        """Prepare a cell and try everything that could be wrong with the user's input.

        Raises
        ------
        ProblemError
            If the truth mode is impossible, the truth lies outside its support, covariates or
            new data do not fit, or an approximate sampler cannot fit the problem.
        """
        try:
            prepared = self.prepare(cell)
            self.sampler_for(cell, prepared.problem)
            self._check(prepared, cell.truth_mode)
        except RecoveryError:
            raise
        except Exception as error:
            if way_out := advice(error):
                raise SetUpError(f"{self.scenario.name}: {said(error)[:300]}{way_out}") from error
            text = said(error).partition("Apply node")[0].strip()
            raise ProblemError(
                f"{self.scenario.name} {cell.label}: cannot be simulated "
                f"({text[:300]}); change the model, or its truth"
            ) from error
        return prepared

    def _check(self, prepared: Prepared, mode: TruthMode) -> None:
        problem, structure = prepared.source, prepared.source_structure
        check_mode(problem, structure, mode)
        given = problem.truth if mode == "fixed" else {}
        with structure.lock:
            drawn, new_data = prepared.draw_covariates(0), prepared.draw_new_data(0)
            covariates = problem.own(drawn)
            check_drawn("covariates", covariates, problem)
            check_drawn("covariates", prepared.problem.own(drawn), prepared.problem)
            check_drawn("predict", new_data, problem)
            free = structure.draw_truth(problem, given, covariates, 0)
            if given:
                structure.check_truth(problem, free, covariates)
            simulated = structure.simulate(problem, free, covariates, 0)
            if new_data:
                structure.simulate(problem, free, new_data, 0)
        fitted = prepared.shown(simulated, drawn)
        shapes = {name: fitted.truth[name].shape for name in prepared.problem.recorded}
        check_quantity_names(prepared.problem, shapes)
        if set(given) < set(problem.free) and problem is prepared.problem:
            # What another model draws may well be what the fitted one excludes.
            self._check_transforms(prepared)
        for name, values in simulated.observed.items():
            if values.size == 0:
                raise ProblemError(
                    f"{problem.where}: no data: {name!r} has shape {values.shape}; give a level "
                    "that leaves some"
                )

    def _check_transforms(self, prepared: Prepared) -> None:
        """Fits obey a transform that narrows a prior (`ordered`, say); prior draws do not."""
        problem, structure = prepared.problem, prepared.structure
        draws = self.prior_draws(prepared)
        with self._lock, structure.lock:
            key = (id(structure), structure.prior_inputs(problem))
            if key in self._obeyed or structure.prior_rests_on(problem.covariates):
                return
            outside = Counter(
                name
                for i in range(_TRIED)
                for name in structure.outside_support(
                    problem, {name: values[i] for name, values in draws.items()}, {}
                )
            )
            for name, count in outside.items():
                if count > _OUTSIDE * _TRIED:
                    raise ProblemError(
                        f"{problem.where}: {name!r} has a transform that draws from its prior do "
                        f"not obey ({count} of {_TRIED}), so they cannot be its truth; use --truth "
                        "fixed with a truth for every free variable, or a prior that obeys it"
                    )
            self._obeyed.add(key)


def _positive(value: object) -> bool:
    return isinstance(value, int | float) and value > 0


def density_structure(prepared: Prepared, sampler: Sampler, simulated: Simulated) -> str:
    """Return what a compilation of a density is of.

    Each sampler compiles its own, and anew for variables of other shapes, which a length that is an
    axis may give them.
    """
    shapes = text_digest([str(sorted(_shapes(prepared, simulated).items()))])
    return f"{sampler.name} {prepared.structure.skeleton} {shapes}"


def _shapes(prepared: Prepared, simulated: Simulated) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the variables that a fit draws."""
    return {name: simulated.truth[name].shape for name in prepared.problem.recorded}


class _Counted:
    """Times one compilation, and hands it on once it has ended well."""

    def __init__(self, kind: str, hand_on: Callable[[Compilation], None]) -> None:
        self._kind = kind
        self._hand_on = hand_on
        self._started = time.perf_counter()

    def end(self, structure: str) -> None:
        """Hand it on."""
        seconds = time.perf_counter() - self._started
        self._hand_on(Compilation(self._kind, seconds, os.getpid(), structure))
