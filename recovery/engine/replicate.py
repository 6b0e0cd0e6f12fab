"""One replicate, from seeds to record; failures are records, never exceptions."""

import contextlib
import os
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recovery.design import Purpose, Replicate
from recovery.engine.caches import advice
from recovery.engine.estimate import Joint, estimate, failures_of, pooled
from recovery.engine.prediction import Prediction
from recovery.engine.samplers import Fit
from recovery.engine.structure import Simulated
from recovery.engine.workshop import Prepared, Workshop, density_structure
from recovery.inert import encodable, said
from recovery.record import (
    ERROR_LENGTH,
    TRACEBACK_LENGTH,
    Compilation,
    Failure,
    Record,
    Stage,
    Status,
    Times,
    shortened,
)

_PREDICTIVE_DRAWS = 4000


class _Clock:
    """Where the time goes, by stage; time waiting for a compilation is nobody's."""

    def __init__(self, tell: Callable[[Stage], None] | None) -> None:
        self.stage = Stage.BUILD
        self.seconds = dict.fromkeys(Stage, 0.0)
        self._tell = tell

    @contextmanager
    def at(self, stage: Stage) -> Iterator[None]:
        self.stage = stage
        if self._tell is not None:
            self._tell(stage)
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - started

    def times(self, sample_s: float | None) -> Times:
        sampling = self.seconds[Stage.SAMPLE] if sample_s is None else sample_s
        rest = self.seconds[Stage.PREDICT] + self.seconds[Stage.ESTIMATE]
        return Times(self.seconds[Stage.SIMULATE], sampling, rest)


Witness: TypeAlias = Callable[[Prepared, Simulated, Fit], None]


def run_replicate(
    replicate: Replicate,
    workshop: Workshop,
    tell: Callable[[Stage], None] | None = None,
    witness: Witness | None = None,
) -> Record:
    """Simulate, fit and estimate one replicate.

    Parameters
    ----------
    replicate : Replicate
    workshop : Workshop
    tell : callable, optional
        Told of each stage before it begins.
    witness : callable, optional
        Shown the fit itself, which the record leaves out.

    Returns
    -------
    Record
        Complete or failed. Only KeyboardInterrupt passes through: an interrupted replicate has
        no record, and is run again.
    """
    clock = _Clock(tell)
    data_digest = ""
    try:
        with clock.at(Stage.BUILD):
            prepared = workshop.prepare(replicate.cell)
            sampler = workshop.sampler_for(replicate.cell, prepared.problem)
        with clock.at(Stage.SIMULATE):
            simulated = simulate(replicate, prepared)
            data_digest = simulated.digest()
        with clock.at(Stage.COMPILE):
            density = workshop.density(prepared, sampler, simulated)
            quantities = workshop.quantities(prepared)
            if prepared.problem.predict:
                workshop.predictor(prepared.structure)
        with clock.at(Stage.SAMPLE):
            fit = density.fit(simulated, replicate.settings, replicate.sampler_seed)
        if witness is not None:
            witness(prepared, simulated, fit)
        with clock.at(Stage.PREDICT):
            predictions = predict(replicate, prepared, workshop, simulated, fit)
        with clock.at(Stage.ESTIMATE):
            joint = Joint.of(prepared.problem, fit.draws)
            evaluated = quantities.evaluate(simulated, joint.kept)
            estimates = estimate(
                prepared.problem,
                simulated.truth,
                joint,
                predictions,
                evaluated,
                replicate.entropy(Purpose.RANKS),
            )
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # BaseException: a panic inside a compiled sampler is not an Exception.
        advised = advice(error)
        text = said(error)[: ERROR_LENGTH - len(advised)] + advised
        failure = Failure(clock.stage, text, _traceback(error))
        return Record.of(
            replicate,
            Status.FAILED,
            times=clock.times(None),
            data_digest=data_digest,
            failure=failure,
            compilations=workshop.collect_compilations(),
        )
    compilations = workshop.collect_compilations()
    if fit.compile_s:
        structure = density_structure(prepared, sampler, simulated)
        compilations += (Compilation("density", fit.compile_s, os.getpid(), structure),)
    return Record.of(
        replicate,
        Status.OK,
        times=clock.times(fit.sample_s),
        data_digest=data_digest,
        sampling=fit.sampling,
        estimates=estimates,
        quantity_failures=failures_of(evaluated),
        compilations=compilations,
    )


def warm_up(replicate: Replicate, workshop: Workshop) -> None:
    """Compile all that a replicate needs, without fitting it; a failure shows when it is run."""
    with contextlib.suppress(BaseException):
        prepared = workshop.prepare(replicate.cell)
        sampler = workshop.sampler_for(replicate.cell, prepared.problem)
        workshop.density(prepared, sampler, simulate(replicate, prepared))
        workshop.quantities(prepared)


def simulate(replicate: Replicate, prepared: Prepared) -> Simulated:
    """Draw covariates, truth and data of a replicate, each from its own seed."""
    source, structure = prepared.source, prepared.source_structure
    given = source.truth if replicate.cell.truth_mode == "fixed" else {}
    with structure.lock:
        drawn = prepared.draw_covariates(replicate.integer_seed(Purpose.COVARIATES))
        covariates = source.own(drawn)
        free = structure.draw_truth(
            source, given, covariates, replicate.integer_seed(Purpose.TRUTH)
        )
        seed = replicate.integer_seed(Purpose.DATA)
        generated = structure.simulate(source, free, covariates, seed)
    return prepared.shown(generated, drawn)


def predict(
    replicate: Replicate,
    prepared: Prepared,
    workshop: Workshop,
    simulated: Simulated,
    fit: Fit,
) -> list[Prediction]:
    """Predict new observations after a fit; nothing where the problem asks for none."""
    problem, structure = prepared.problem, prepared.structure
    if not problem.predict:
        return []
    predictor = workshop.predictor(structure)
    seeds = replicate.entropy(Purpose.PREDICTION).generate_state(3, np.uint32).tolist()
    with structure.lock:
        new_data = prepared.draw_new_data(seeds[2])
        draws: dict[str, NDArray[Any]] = {
            name: pooled(fit.draws[name], _PREDICTIVE_DRAWS) for name in problem.free
        }
        typed = {name: d.astype(problem.model[name].dtype) for name, d in draws.items()}
        free = {name: simulated.truth[name] for name in problem.free}
        return predictor.predict(problem, free, new_data, typed, (seeds[0], seeds[1]))


def _traceback(error: BaseException) -> str:
    try:
        text = "".join(traceback.format_exception(error))
    except KeyboardInterrupt:
        raise
    except BaseException:
        text = f"{type(error).__name__} (its traceback could not be formatted)"
    return shortened(encodable(text), TRACEBACK_LENGTH)
