"""Names from users as text on a figure: inert, on one line, and not too long."""

import textwrap
import unicodedata
from collections.abc import Iterable
from typing import Any

import pandas as pd

NAME_LENGTH = 28


def shorten(name: str, length: int = NAME_LENGTH) -> str:
    """Put a name on one line, and an ellipsis in the middle of one longer than `length`."""
    line = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in name)
    line = " ".join(line.split())
    if len(line) <= length:
        return line
    head = (length - 1) // 2
    return f"{line[:head]}…{line[len(line) - (length - 1 - head) :]}"


def distinct(names: Iterable[str], length: int = NAME_LENGTH) -> list[str]:
    """Shorten names and number those that have become alike."""
    short = [shorten(name, length) for name in names]
    seen: dict[str, int] = {}
    out = []
    for name in short:
        seen[name] = seen.get(name, 0) + 1
        out.append(f"{name} ({seen[name]})" if short.count(name) > 1 else name)
    return out


def inert(text: str) -> str:
    """Escape what matplotlib would typeset as mathematics."""
    return text.replace("$", r"\$")


def shown(name: str, length: int = NAME_LENGTH) -> str:
    """Shorten a name and escape it: what goes on a figure."""
    return inert(shorten(name, length))


def level_text(level: Any) -> str:
    """Write a level of an axis as a user would: 0.5, 100, True, None, or its text."""
    if level is None or (not isinstance(level, str) and pd.isna(level)):
        return "None"
    if isinstance(level, float):
        return f"{level:.12g}"
    return str(level)


def wrapped(lines: Iterable[str], width: int = 112) -> str:
    """Break lines that are wider than a figure."""
    return "\n".join(
        part for line in lines for part in textwrap.wrap(line, width, break_on_hyphens=False)
    )


def count(n: int, noun: str, plural: str | None = None) -> str:
    """Write a number with its noun: 1 fit, 2 fits."""
    return f"{n} {noun if n == 1 else plural or noun + 's'}"
