"""What can only be known of a problem once its simulator is compiled."""

from collections.abc import Mapping

import numpy as np

from recovery.design import TruthMode
from recovery.engine.problem import Arrays, CheckedProblem
from recovery.engine.quantities import expanded_names, unknown_source
from recovery.engine.structure import Structure
from recovery.errors import ProblemError
from recovery.inert import encodable
from recovery.record import BUILT_IN, JOINT


def check_mode(problem: CheckedProblem, structure: Structure, mode: TruthMode) -> None:
    """Check that a truth mode is possible for a problem.

    Raises
    ------
    ProblemError
        With the reason, and the mode that is possible.
    """
    potentials = [v.name for v in problem.model.potentials]
    if mode == "fixed" and not problem.truth:
        raise ProblemError(
            f"{problem.where}: no truth is given, so truth mode fixed is impossible; add "
            "truth={...} to the Problem, or use --truth prior"
        )
    if mode == "prior" and potentials:
        raise ProblemError(
            f"{problem.where}: the model has the Potential {potentials[0]!r}, which fits honour "
            "but simulation cannot, so draws from the prior would not be its own truth; use "
            "--truth fixed"
        )
    if structure.no_prior and (mode == "prior" or not set(problem.truth) >= set(problem.free)):
        raise ProblemError(
            f"{problem.where}: the prior cannot be drawn from ({structure.no_prior}); use "
            "--truth fixed with a truth for every free variable, or a proper prior"
        )


def check_quantities(problem: CheckedProblem) -> None:
    """Check that each test quantity has a name of its own and is a function or a known text.

    Raises
    ------
    ProblemError
        Naming the quantity.
    """
    for name, source in problem.quantities.items():
        if not isinstance(name, str) or not name.strip():
            raise ProblemError(f"{problem.where}: quantities: {name!r} is no name; give some text")
        if encodable(name) != name:
            raise ProblemError(
                f"{problem.where}: quantities: {name!r} cannot be written; give whole characters"
            )
        if name.removesuffix(JOINT) in BUILT_IN or name in problem.recorded:
            raise ProblemError(
                f"{problem.where}: quantities: {name!r} is tested already under that name; give "
                "yours another"
            )
        reason = "" if callable(source) else unknown_source(source, problem)
        if reason:
            raise ProblemError(f"{problem.where}: quantities: {name!r} is {source!r}; {reason}")


_MOST_QUANTITIES = 500  # each is ranked in each fit


def check_quantity_names(problem: CheckedProblem, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Check that all that is estimated will have names of its own, now that shapes are known.

    Raises
    ------
    ProblemError
        Naming the quantity.
    """
    labels = {label for name in problem.recorded for label in problem.labels(name, shapes[name])}
    found = expanded_names(problem, shapes)
    for key, names in found.items():
        if not names:
            raise ProblemError(
                f"{problem.where}: quantities: {key!r} is of pairs of elements, and there is only "
                "one; leave it out, or name a variable of two or more"
            )
        for name in names:
            if name in labels or (problem.predict and name.startswith("predicted ")):
                raise ProblemError(
                    f"{problem.where}: quantities: {name!r} is the name of something else that is "
                    "estimated; give yours another"
                )
        labels.update(names)
    count = sum(map(len, found.values()))
    if count > _MOST_QUANTITIES:
        raise ProblemError(
            f"{problem.where}: quantities: {count} in all, and {_MOST_QUANTITIES} are allowed; "
            "name the sums and differences that matter by functions of their own"
        )


def check_drawn(what: str, drawn: Arrays, problem: CheckedProblem) -> None:
    """Check that drawn covariates, or new data to predict for, fit their ``pm.Data``.

    Raises
    ------
    ProblemError
        If a shape or type does not fit, or a value is not finite.
    """
    for name, values in drawn.items():
        current = problem.data[name]
        if what == "covariates" and values.shape != current.shape:
            raise ProblemError(
                f"{problem.where}: covariates of {name!r} have shape {values.shape}, but the "
                f"pm.Data has shape {current.shape}; give the distribution that shape"
            )
        if values.ndim != current.ndim or values.shape[1:] != current.shape[1:]:
            raise ProblemError(
                f"{problem.where}: predict of {name!r} has shape {values.shape}, but the pm.Data "
                f"has shape {current.shape}; only the first length may differ"
            )
        if values.dtype.kind not in "fiub" or not np.all(np.isfinite(values)):
            raise ProblemError(f"{problem.where}: {what} of {name!r} must be finite numbers")
        if not np.can_cast(values.dtype, current.dtype, "same_kind"):
            raise ProblemError(
                f"{problem.where}: {what} of {name!r} are {values.dtype}, but the pm.Data holds "
                f"{current.dtype}, which would cut them; make the pm.Data of floats"
            )
