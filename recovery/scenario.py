"""What a user writes: a scenario, and the problem it returns for each combination of levels."""

import functools
import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from recovery.errors import LevelError, ScenarioError

if TYPE_CHECKING:
    import pymc as pm

Level = int | float | str | bool | None
Quantity = Callable[[Mapping[str, Any], Mapping[str, Any]], Any] | str
"""A test quantity: a function of parameters and data, or the name of a known one."""
LOG_LIKELIHOOD, LOG_PRIOR, LOG_POSTERIOR = "log_likelihood", "log_prior", "log_posterior"
"""Names of the test quantities that every problem has."""

# These name columns of the tables, so an axis of the same name could not be told apart.
RESERVED_AXES = frozenset(
    # identity
    "scenario truth truth_mode cell seed replicate key n n_planned n_ok n_failed n_flagged "
    # fits
    "status stage error traceback sampler draws tune chains target_accept ess simulate_s sample_s "
    "rest_s wall_s divergences reached_max_treedepth tree_depth_max acceptance_rate "
    "gradient_evaluations data_digest r_hat_max ess_bulk_min ess_tail_min ess_bulk_per_s "
    "ess_bulk_per_gradient flags flagged wall_s_mcse gradient_evaluations_mcse "
    "ess_bulk_per_s_mcse ess_bulk_per_gradient_mcse "
    # estimates and measures
    "parameter kind mean sd median eti_90_lower eti_90_upper r_hat ess_bulk ess_tail mcse_mean "
    "rank pit variance_relative_se tail_probability z_score measure estimate mcse ranked_among "
    "contraction prior_sd position ok crps mcmc_share "
    # tests and comparisons
    "gamma threshold p_value p_holm p_bh rejected quantity "
    "all clean difference n_clean lowest highest setting against other_parameter".split()
)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True, eq=False)
class Problem:
    """A PyMC model with what is observed, what is true, and which covariates are redrawn.

    Parameters
    ----------
    model : pymc.Model
        Any model. It needs no observed data; data it has already are replaced by simulated data.
    observed : str or sequence of str
        Names of the random variables that are simulated and then conditioned on.
    truth : mapping of str to array_like, optional
        True values of free variables, for truth mode ``fixed``, in the units of the variable and
        of its shape. Free variables left out are drawn, given the ones named, for each replicate.
        Without it only truth mode ``prior`` is possible.
    covariates : mapping of str to distribution or callable, optional
        For names of ``pm.Data``: an unnamed distribution (``pm.Normal.dist(shape=...)``), or a
        function from a ``numpy.random.Generator`` to an array. Redrawn for each replicate. Other
        ``pm.Data`` stay as they are.
    predict : mapping of str to array, distribution or callable, optional
        New values of ``pm.Data`` for out-of-sample prediction: swapped in after each fit, with
        new observations simulated at the truth to compare the predictions with.
    quantities : mapping of str to callable or str, optional
        Test quantities by name, ranked like parameters, besides the joint log-likelihood, the log
        prior and the log posterior density, which are always there. A function takes the
        parameters, each of shape (n_draws, *shape), and the data (observations and ``pm.Data``,
        of their own shapes) and returns an array of shape (n_draws,):
        ``{"ratio": lambda p, d: p["betas"][..., 0] / p["betas"][..., 1]}``. A text is one of
        ``"log_likelihood[y]"`` (of one observed variable), ``"log_likelihood[y, 0]"`` (of one
        observation), ``"sums(betas)"`` and ``"differences(betas)"`` (of all pairs of elements).
    generator : pymc.Model, optional
        Another model that the data come from, to see what becomes of the fits where `model` is
        wrong. It has the variables in `observed` too. `truth` names free variables of the
        generator, and in truth mode ``prior`` its priors are drawn from; `covariates` are
        ``pm.Data`` of either, and those of both get the same values. The true value of a parameter
        is the generator's value of the same name and shape; one that the generator has not is
        estimated without being judged.
    """

    model: "pm.Model"
    observed: str | Sequence[str]
    truth: Mapping[str, Any] | None = None
    covariates: Mapping[str, Any] = field(default_factory=dict)
    predict: Mapping[str, Any] = field(default_factory=dict)
    quantities: Mapping[str, Quantity] = field(default_factory=dict)
    generator: "pm.Model | None" = None


@dataclass(frozen=True, slots=True)
class Axis:
    """A parameter of a scenario function: its name, its annotation, its default level."""

    name: str
    annotation: Any
    default: Any

    @property
    def has_default(self) -> bool:
        """Whether the axis may be left out of a sweep."""
        return self.default is not inspect.Parameter.empty

    @property
    def kind(self) -> str:
        """The annotation in words, for messages."""
        if typing.get_origin(self.annotation) is typing.Literal:
            return "one of " + ", ".join(map(repr, typing.get_args(self.annotation)))
        if isinstance(self.annotation, type) and issubclass(self.annotation, Enum):
            return "one of " + ", ".join(member.name for member in self.annotation)
        return str(getattr(self.annotation, "__name__", self.annotation))

    def parse(self, text: str) -> Level:
        """Read a level from the command line, by the axis's annotation.

        Raises
        ------
        LevelError
            If the text is no level of this axis.
        """
        return _parse(self, self.annotation, text)

    def check(self, value: Any) -> Level:
        """Return `value` as the plain level it stands for (``numpy`` scalars become Python's).

        Raises
        ------
        LevelError
            If the value is no level of this axis.
        """
        value = value.item() if hasattr(value, "item") and not isinstance(value, Enum) else value
        if isinstance(value, Enum):
            value = value.name
        if value is not None and not isinstance(value, int | float | str | bool):
            raise _bad_level(self, value)
        if isinstance(value, str) and self.annotation is not str:
            return self.parse(value)
        if self.annotation is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if self.annotation is int and isinstance(value, float) and value.is_integer():
            value = int(value)
        wrong_type = self.annotation in (int, float, str, bool) and (
            type(value) is not self.annotation
        )
        if wrong_type or (isinstance(value, float) and value - value != 0.0):
            raise _bad_level(self, value)
        if typing.get_origin(self.annotation) is typing.Literal and value not in typing.get_args(
            self.annotation
        ):
            raise _bad_level(self, value)
        return typing.cast(Level, value)

    def argument(self, level: Level) -> Any:
        """Return what the scenario function is called with: the level, or its member of an Enum."""
        if isinstance(self.annotation, type) and issubclass(self.annotation, Enum):
            return self.annotation[str(level)]
        return level


def _bad_level(axis: Axis, value: object) -> LevelError:
    example = f", for example {axis.name}={axis.default}" if axis.has_default else ""
    return LevelError(f"axis {axis.name}: {value!r} is no level; it takes {axis.kind}{example}")


def _parse(axis: Axis, annotation: Any, text: str) -> Level:
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        for member in typing.get_args(annotation):
            try:
                return _parse(axis, member, text)
            except LevelError:
                continue
        raise _bad_level(axis, text)
    if origin is typing.Literal:
        for choice in typing.get_args(annotation):
            if str(choice) == text:
                return typing.cast(Level, choice)
        raise _bad_level(axis, text)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        if text in annotation.__members__:
            return text
        raise _bad_level(axis, text)
    if annotation is bool:
        words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        if text.lower() in words:
            return words[text.lower()]
        raise _bad_level(axis, text)
    if annotation is type(None):
        if text.lower() == "none":
            return None
        raise _bad_level(axis, text)
    if annotation in (int, float):
        try:
            number: int | float = annotation(text)
        except ValueError:
            raise _bad_level(axis, text) from None
        if number - number != 0:
            raise _bad_level(axis, text)
        return number
    return text


class Scenario:
    """A named function from axis levels to a `Problem`; calling it builds the problem.

    Parameters
    ----------
    function : callable
        Its parameters are the axes, their defaults the levels of an axis that is not swept, their
        annotations (``int``, ``float``, ``str``, ``bool``, ``Literal``, an Enum, a union) say what
        a level may be.

    Attributes
    ----------
    name : str
        The function's name.
    axes : dict of str to Axis
        The function's parameters, in order.

    Raises
    ------
    ScenarioError
        If the name is not of the form ``[a-z][a-z0-9_]{0,63}``, or a parameter cannot be an axis.
    """

    def __init__(self, function: Callable[..., Problem]) -> None:
        self.function = function
        self.name = function.__name__
        # Where it came from, for processes that have to load it again: (file, name) or None.
        self.recipe: tuple[str, str] | None = None
        functools.update_wrapper(self, function)
        if not _NAME.fullmatch(self.name):
            raise ScenarioError(
                f"scenario {self.name!r}: the function's name must be lower-case letters, digits "
                "and underscores, at most 64, beginning with a letter; rename the function"
            )
        self.axes = _axes(function)

    def __call__(self, *args: Any, **levels: Any) -> Problem:
        """Build the problem at these levels."""
        return self.function(*args, **levels)

    def __repr__(self) -> str:
        """Name the scenario and its axes."""
        axes = ", ".join(
            f"{axis.name}={axis.default!r}" if axis.has_default else axis.name
            for axis in self.axes.values()
        )
        return f"Scenario {self.name}({axes})"

    @property
    def file(self) -> str | None:
        """The file that its function stands in, if it stands in one."""
        code = getattr(self.function, "__code__", None)
        name: str | None = getattr(code, "co_filename", None)
        return name

    @property
    def target(self) -> str:
        """How a command would name it: a file and a name in it, or the name of a bundled one."""
        return self.name if self.recipe is None else ":".join(self.recipe)

    @property
    def summary(self) -> str:
        """The first line of the function's docstring."""
        lines = (inspect.getdoc(self.function) or "").strip().splitlines()
        return lines[0] if lines else ""


def _axes(function: Callable[..., Problem]) -> dict[str, Axis]:
    name = function.__name__
    hints = typing.get_type_hints(function)
    axes = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise ScenarioError(
                f"scenario {name}: *{parameter.name} cannot be an axis; name each parameter"
            )
        if parameter.name in RESERVED_AXES:
            raise ScenarioError(
                f"scenario {name}: an axis cannot be called {parameter.name!r}, which is a column "
                f"of the tables; rename the parameter, to {parameter.name}_level, say"
            )
        inferred = str if parameter.default is parameter.empty else type(parameter.default)
        axes[parameter.name] = Axis(
            parameter.name, hints.get(parameter.name, inferred), parameter.default
        )
    return axes


def scenario(function: Callable[..., Problem]) -> Scenario:
    """Turn a function from axis levels to a `Problem` into a scenario (a decorator)."""
    return Scenario(function)
