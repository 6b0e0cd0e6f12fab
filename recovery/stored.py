"""Texts of a store as plain values: JSON of the shape that this program writes, or damage.

A store may come from elsewhere. Its texts are data only: never run, bounded in size and depth, and
of the types that who reads them counts on.
"""

import contextlib
import json
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias

_LONGEST: Final = 16 * 2**20  # characters: the description of a model of ten thousand variables
_DEEPEST: Final = 40

Shape: TypeAlias = Callable[[Any], bool]


def scalar(value: Any) -> bool:
    """Say whether a value may be a level or a setting."""
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, str | int | bool)


def name(value: Any) -> bool:
    """Say whether a value is a text."""
    return isinstance(value, str)


def figure(value: Any) -> bool:
    """Say whether a value is a number, which may be infinite or unknown, or is missing."""
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def whole(value: Any) -> bool:
    """Say whether a value is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def tree(value: Any, depth: int = 0) -> bool:
    """Say whether a value is made of scalars, numbers, lists and mappings, not too deep."""
    if depth > _DEEPEST:
        return False
    if isinstance(value, dict):
        return all(tree(inner, depth + 1) for inner in value.values())
    if isinstance(value, list):
        return all(tree(inner, depth + 1) for inner in value)
    return scalar(value) or figure(value)


def listed(shape: Shape) -> Shape:
    """Return the shape of a list of values of a shape."""
    return lambda value: isinstance(value, list) and all(map(shape, value))


def mapped(shape: Shape, **known: Shape) -> Shape:
    """Return the shape of a mapping: of known names where they are there, and of other values."""

    def fits(value: Any) -> bool:
        return isinstance(value, dict) and all(
            known.get(key, shape)(inner) for key, inner in value.items()
        )

    return fits


def complete(**known: Shape) -> Shape:
    """Return the shape of a mapping that has all these names, and perhaps others."""
    of_known = mapped(tree, **known)
    return lambda value: of_known(value) and set(known) <= set(value)


IDENTITY: Final[Mapping[str, Shape]] = MappingProxyType(
    {"scenario": name, "axes": listed(name), "seed": scalar}
)
"""Shapes of fields of the design; others are trees."""
LEVELS: Final = mapped(scalar)
PROBLEM: Final = mapped(
    tree,
    model=mapped(name),
    covariates=mapped(tree),
    data=mapped(tree),
    truth=mapped(tree),
    generator=mapped(tree),
)
PRIORS: Final = listed(
    complete(
        parameter=name,
        mean=figure,
        sd=figure,
        variance_relative_se=figure,
        truth=figure,
        tail_probability=figure,
    )
)
NAMES: Final = listed(name)
PROVENANCE: Final = mapped(
    tree,
    started=name,
    command=name,
    python=name,
    packages=mapped(name),
    machine=mapped(scalar),
    scenario=mapped(name),
    model=mapped(complete(role=name, distribution=name, dims=listed(name), parents=listed(name))),
    workers=figure,
    interleaved=mapped(scalar),
)
SETTINGS: Final = complete(
    sampler=name, draws=whole, tune=whole, chains=whole, target_accept=figure, ess=whole
)
EXECUTION: Final = mapped(
    scalar,
    stop_when=name,
    **dict.fromkeys(
        (
            "fits",
            "fitting_s",
            "workers",
            "processes",
            "threads",
            "python_share",
            "precision",
            "margin",
            "max_replicates",
        ),
        figure,
    ),
)


def parsed(text: Any, shape: Shape) -> Any:
    """Return the value of a JSON text of a shape.

    Raises
    ------
    ValueError
        If it is no such text.
    """
    if not isinstance(text, str) or len(text) > _LONGEST:
        raise ValueError("a text is missing, or longer than any this program writes")
    with contextlib.suppress(RecursionError, ValueError):
        value = json.loads(text)
        if shape(value):
            return value
    raise ValueError(f"a text is not what this program writes ({text[:60]!r})")
