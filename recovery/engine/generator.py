"""Data from one model, fits with another: whether the two belong together, and what is shown.

A problem with a generator is two checked problems: the fitted one, and one of the generator, which
is simulated from. A fit is shown the observations and the ``pm.Data`` that both have.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from recovery.engine.problem import Array, CheckedProblem
from recovery.engine.structure import Simulated
from recovery.errors import ProblemError


def check_generator(problem: CheckedProblem) -> None:
    """Check that a generator's variables can stand for those of the fitted model.

    Raises
    ------
    ProblemError
        Naming the variable.
    """
    generator = problem.generator
    if generator is None:
        return
    if problem.predict:
        raise ProblemError(
            f"{problem.where}: predict and generator do not go together; leave out one of them"
        )
    for name in problem.observed:
        fitted, generated = problem.model[name], generator.model[name]
        kinds = [np.dtype(variable.dtype).kind for variable in (fitted, generated)]
        if fitted.ndim != generated.ndim or kinds[0] != kinds[1]:
            raise ProblemError(
                f"{problem.where}: {name!r} is {generated.dtype} with {generated.ndim} "
                f"dimension(s) in the generator and {fitted.dtype} with {fitted.ndim} in the "
                "model; give both the same kind and number of dimensions"
            )
    for name in sorted(set(problem.data) & set(generator.data)):
        shapes = problem.data[name].shape, generator.data[name].shape
        if shapes[0] != shapes[1]:
            raise ProblemError(
                f"{problem.where}: pm.Data {name!r} has shape {shapes[1]} in the generator and "
                f"{shapes[0]} in the model; give both one shape, or different names"
            )


def shown(
    problem: CheckedProblem,
    generated: Simulated,
    covariates: Mapping[str, Array],
    shapes: Mapping[str, tuple[int, ...]],
) -> Simulated:
    """Return a generated data set as the fitted model sees it.

    Parameters
    ----------
    problem : CheckedProblem
        The fitted one.
    generated : Simulated
        From the generator.
    covariates : mapping of str to array
        All that were redrawn, those of the generator alone too.
    shapes : mapping of str to tuple of int
        Of the recorded and observed variables of the fitted model, given these data.

    Returns
    -------
    Simulated
        Its truth is the generator's value of the variable or ``pm.Data`` of the same name and
        shape, and nan where there is none.

    Raises
    ------
    ProblemError
        If observations have another shape than the model gives them.
    """
    for name, values in generated.observed.items():
        if values.shape != shapes[name]:
            raise ProblemError(
                f"{problem.where}: {name!r} has shape {values.shape} in the generator and "
                f"{shapes[name]} in the model; make them equal"
            )
    known = {**generated.data, **generated.truth}
    return Simulated(
        truth=dict(_truth(problem, known, shapes)),
        data={**problem.data, **problem.own({**generated.data, **covariates})},
        observed={
            name: values.astype(problem.model[name].dtype)
            for name, values in generated.observed.items()
        },
        lengths=problem.lengths,
    )


def _truth(
    problem: CheckedProblem, known: Mapping[str, Array], shapes: Mapping[str, tuple[int, ...]]
) -> Iterator[tuple[str, Array]]:
    for name in problem.recorded:
        value = known.get(name)
        if value is None or value.shape != shapes[name]:
            value = np.full(shapes[name], np.nan)
        yield name, value
