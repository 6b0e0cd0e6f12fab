"""A TOML text as plain values, and on which line each key stands.

The parser of the standard library tells no lines of what it has read. A second, coarse look at the
text finds headers of tables and assignments; what stands within an inline table or an array of
several lines is told by the line where that begins.
"""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from recovery.errors import PolicyError

_HEADER: Final = re.compile(r"\s*\[\[?\s*([^\[\]]+?)\s*\]\]?\s*(#.*)?")
_KEY: Final = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_ASSIGNMENT: Final = re.compile(rf"\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*=.*")


@dataclass(frozen=True, slots=True)
class Lines:
    """What a TOML text says, and where.

    Attributes
    ----------
    data : dict
        As `tomllib.loads` gives it.
    places : dict
        Line of each key, counted from 1, by the path of its tables.
    """

    data: dict[str, Any]
    places: dict[tuple[str, ...], int]

    @classmethod
    def of(cls, text: str, name: str | Path) -> Self:
        """Read a text.

        Raises
        ------
        PolicyError
            If it is no TOML, with the line.
        """
        try:
            data = tomllib.loads(text)
        except (ValueError, RecursionError) as error:  # of a number that is too long, too
            raise PolicyError(f"{name}: not valid TOML: {error}") from None
        places: dict[tuple[str, ...], int] = {}
        table: tuple[str, ...] = ()
        for number, line in enumerate(text.splitlines(), 1):
            if header := _HEADER.fullmatch(line):
                table = _path(f"[{header[1]}]")
                places.setdefault(table, number)
            elif assignment := _ASSIGNMENT.fullmatch(line):
                path = table
                for key in _path(f"{assignment[1]} = 0"):
                    path = (*path, key)
                    places.setdefault(path, number)
        return cls(data, places)

    def line(self, *path: str) -> int:
        """Return the line of a key, or of the nearest table around it that has one."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return 1


def _path(text: str) -> tuple[str, ...]:
    """Return the keys of a header or an assignment, whatever their quotes."""
    try:
        found: Any = tomllib.loads(text)
    except ValueError:
        return ()  # a line within a text of several lines that looks like one
    path = []
    while isinstance(found, dict) and found:
        ((key, found),) = found.items()
        path.append(key)
    return tuple(path)
