"""Every gate by name: what it promises, and which limits it can have.

The names are the keys of a policy and the keywords of a test; what is behind each stands in
`ranks`, `estimates`, `shares`, `counts`, `against` and `costs`.
"""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

from recovery.errors import GateError

Kind: TypeAlias = Literal["statistical", "count", "time"]
Limit: TypeAlias = float | int | bool
CI_PROB: Final = 0.9
"""Level of the intervals whose coverage is judged, unless given."""
TOLERATED: Final = 0.05
"""Share of the fits of a cell that may cross a limit of r_hat or ESS, unless given."""
ERROR_RATE: Final = 0.05
"""Chance of a false alarm over everything that is judged together, unless given."""


@dataclass(frozen=True, slots=True)
class GateInfo:
    """What there is to know of a gate.

    Attributes
    ----------
    name : str
    kind : {"statistical", "count", "time"}
    about : str
        What it promises.
    allowed : str
        Its limits, in words.
    fits : callable
        Whether a value is such a limit.
    example : number or bool
    baseline : bool
        Whether it compares with the run of a baseline.
    """

    name: str
    kind: Kind
    about: str
    allowed: str
    fits: Callable[[Any], bool]
    example: Limit
    baseline: bool = False


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _between(low: float, high: float) -> Callable[[Any], bool]:
    return lambda value: _number(value) and low < value < high


def _whole(least: int) -> Callable[[Any], bool]:
    return lambda value: _number(value) and isinstance(value, int) and value >= least


_SHARE: Final = "a share between 0 and 1, both excluded"
_MANY: Final = 1e9

GATES: Final[Mapping[str, GateInfo]] = MappingProxyType(
    {
        info.name: info
        for info in (
            GateInfo(
                "calibrated", "statistical",
                "ranks of truths drawn from the prior are uniform, and a posterior sd that is 0.8 "
                "of what it should be would have been found",
                "true", lambda value: value is True, True,
            ),
            GateInfo(
                "coverage_within", "statistical",
                "coverage of central intervals is less than this from their level",
                "a margin between 0 and 0.5, such as 0.05", _between(0, 0.5), 0.05,
            ),
            GateInfo(
                "bias_within", "statistical",
                "the mean error is less than this many posterior sds (z_mean)",
                "a number of posterior sds between 0 and 10, such as 0.25", _between(0, 10), 0.25,
            ),
            GateInfo(
                "r_hat_below", "statistical",
                "all but a tolerated share of fits have every r_hat below this",
                "a number between 1 and 2, such as 1.01", _between(1, 2), 1.01,
            ),
            GateInfo(
                "ess_above", "statistical",
                "all but a tolerated share of fits have every bulk and tail ESS above this",
                "a number above 0, such as 400", _between(0, _MANY), 400,
            ),
            GateInfo(
                "flagged_below", "statistical", "less than this share of complete fits is flagged",
                _SHARE, _between(0, 1), 0.05,
            ),
            GateInfo(
                "failed_below", "statistical", "less than this share of fits fails",
                _SHARE, _between(0, 1), 0.02,
            ),
            GateInfo(
                "divergences_below", "count",
                "less than this share of complete fits has a divergent transition",
                _SHARE, _between(0, 1), 0.05,
            ),
            GateInfo(
                "compilations_at_most", "count",
                "no process compiles a simulator or a density of one structure more often than "
                "this in a session",
                "a whole number from 1", _whole(1), 1,
            ),
            GateInfo(
                "draws_at_least", "count",
                "every complete fit keeps at least this many draws, over all its chains",
                "a whole number from 1", _whole(1), 1000,
            ),
            GateInfo(
                "coverage_drop_below", "statistical",
                "coverage of central intervals is not lower than the baseline's by this or more",
                "a margin between 0 and 0.5, such as 0.03", _between(0, 0.5), 0.03, baseline=True,
            ),
            GateInfo(
                "model_se_ratio_below", "statistical",
                "posterior sds, by their root mean square (model_se), are less than this many "
                "times the baseline's",
                "a ratio above 1, such as 1.1", _between(1, _MANY), 1.1, baseline=True,
            ),
            GateInfo(
                "rmse_ratio_below", "statistical",
                "the root mean square error of posterior means over the prior is less than this "
                "many times the baseline's",
                "a ratio above 1, such as 1.2", _between(1, _MANY), 1.2, baseline=True,
            ),
            GateInfo(
                "gradients_ratio_below", "count",
                "gradient evaluations per effective draw are less than this many times the "
                "baseline's",
                "a ratio above 1, such as 1.2", _between(1, _MANY), 1.2, baseline=True,
            ),
            GateInfo(
                "time_ratio_below", "time",
                "a fit takes less than this many times the baseline's wall time",
                "a ratio above 1, such as 1.2", _between(1, _MANY), 1.2, baseline=True,
            ),
            GateInfo(
                "ess_per_s_ratio_above", "time",
                "effective draws per second are more than this many times the baseline's",
                "a ratio between 0 and 1, such as 0.8", _between(0, 1), 0.8, baseline=True,
            ),
        )
    }
)  # fmt: skip

OPTIONS: Final[Mapping[str, tuple[str, Callable[[Any], bool]]]] = MappingProxyType(
    {
        "ci_prob": ("a level between 0.5 and 0.99", lambda v: _number(v) and 0.5 <= v <= 0.99),
        "tolerated": (_SHARE, _between(0, 1)),
        "truth": (
            '"prior", "fixed" or "both"',
            lambda v: isinstance(v, str) and v in ("prior", "fixed", "both"),
        ),
    }
)
"""What stands beside the gates: the level of intervals, the share of fits that may cross a limit,
and the truth mode whose cells `coverage_within` and `bias_within` judge (by default ``prior`` where
the run has it, for a fixed truth may be in conflict with its prior)."""


def checked(gates: Mapping[str, Any]) -> dict[str, Any]:
    """Return gates and options, after a check of their names and limits.

    Raises
    ------
    GateError
        With the key that is wrong, and what is allowed.
    """
    for key, value in gates.items():
        if problem := problem_of(key, value):
            raise GateError(problem)
    if problem := clash_of(gates):
        raise GateError(problem)
    if not set(gates) & set(GATES):
        raise GateError(f"no gate is given; there are: {', '.join(GATES)}")
    return dict(gates)


def problem_of(key: str, value: Any) -> str:
    """Return what is wrong with a gate or option, or an empty string."""
    if key in GATES:
        info = GATES[key]
        fine = info.fits(value)
        allowed = info.allowed
    elif key in OPTIONS:
        allowed, fits = OPTIONS[key]
        fine = fits(value)
    else:
        return f"{key}: no gate is called so; {choices(key, [*GATES, *OPTIONS])}"
    return "" if fine else f"{key}: {value!r} is not allowed; give {allowed}"


def clash_of(gates: Mapping[str, Any]) -> str:
    """Return which gate and option do not go together, or an empty string."""
    ci_prob = gates.get("ci_prob", CI_PROB)
    margin = gates.get("coverage_within", 0)
    if margin >= 1 - ci_prob - 1e-12:
        return (
            f"coverage_within: a margin of {margin:g} lets intervals of {100 * ci_prob:g} % hold "
            f"every truth; give one below {1 - ci_prob:.3g}"
        )
    return ""


def choices(word: str, known: list[str]) -> str:
    """Say which word may have been meant, or all that there are."""
    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}"
