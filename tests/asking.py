"""A scenario that asks for test quantities, for the tests of several rooms."""

from collections.abc import Mapping
from typing import Any

from recovery import Problem, Scenario, scenario
from recovery.testing import line


def asking(quantities: Mapping[str, Any], trials: int = 20) -> Scenario:
    """Return `line` with test quantities."""
    usual = trials

    @scenario
    def asked(trials: int = usual) -> Problem:
        given = line(trials)
        return Problem(given.model, given.observed, given.truth, given.covariates,
                       quantities=quantities)  # fmt: skip

    return asked
