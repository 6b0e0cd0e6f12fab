"""Words of the command line as numbers and levels."""

import argparse
from collections.abc import Sequence
from typing import Any

from recovery.errors import LevelError


def whole(text: str) -> int:
    """Read a whole number."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None


def number(text: str) -> float:
    """Read a number."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None


_MOST_SEEDS = 1_000_000


def seeds_of(text: str) -> tuple[int, ...]:
    """Read seeds and ranges of them."""
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise argparse.ArgumentTypeError(
                f"{part!r} is no seed; give whole numbers from 0, as 1,2,3 or 1-100"
            )
        end = int(last) if dash else int(first)
        if end < int(first) or end - int(first) >= _MOST_SEEDS:
            raise argparse.ArgumentTypeError(f"{part!r} is no range of seeds; give it as 1-100")
        seeds.extend(range(int(first), end + 1))
    return tuple(seeds)


def assignments(scenario: Any, words: Sequence[str]) -> dict[str, list[Any]]:
    """Read the levels of each axis, by the scenario's annotations."""
    from recovery.design import SAMPLER_AXES, Settings
    from recovery.scenario import Axis

    levels: dict[str, list[Any]] = {}
    for word in words:
        name, equals, values = word.partition("=")
        if not equals or not name.isidentifier():
            raise LevelError(f"{word!r} is no axis with levels; give AXIS=LEVEL,LEVEL,...")
        if name in levels:
            raise LevelError(f"axis {name} is given twice; give all its levels at once")
        axis = scenario.axes.get(name)
        if axis is None and name in SAMPLER_AXES:
            default = getattr(Settings(), name)
            axis = Axis(name, type(default), default)
        texts = values.split(",") if values else []
        # An unknown axis is named by the design, which knows all of them.
        levels[name] = [axis.parse(text.strip()) for text in texts] if axis else texts
    return levels
