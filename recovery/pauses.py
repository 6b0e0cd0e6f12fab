"""Cells whose first replicates all fail the same way: paused, rather than failing to the end."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Final, TypeAlias

from recovery.record import Record

Failing: TypeAlias = "tuple[int, Counter[tuple[str, str]]]"
"""Complete replicates of a cell, and its failures by stage and error."""
AFTER: Final = 10
"""Failures of one kind, and not one success, after which a cell is paused."""
_NUMBER: Final = re.compile(r"[-+]?\d[\d.,e+-]*")


class Pauses:
    """Which cells are paused.

    Parameters
    ----------
    failing : mapping of str to Failing
        What is in the store, by cell digest.
    """

    def __init__(self, failing: Mapping[str, Failing]) -> None:
        self._ok = {cell: ok for cell, (ok, _) in failing.items()}
        self._kinds = {
            cell: _kinds(failures) for cell, (_, failures) in failing.items() if failures
        }

    def reason(self, cell: str) -> str:
        """Return how all replicates of a paused cell failed; empty if it is not paused."""
        kinds = self._kinds.get(cell)
        if self._ok.get(cell) or not kinds or len(kinds) > 1:
            return ""
        ((stage, error), count) = next(iter(kinds.items()))
        return f"{error} (at stage {stage}, {count} times)" if count >= AFTER else ""

    def add(self, record: Record) -> None:
        """Take note of a record."""
        if record.refit:
            return
        if record.failure is None:
            self._ok[record.cell] = self._ok.get(record.cell, 0) + 1
        else:
            failure = str(record.failure.stage), record.failure.error
            self._kinds.setdefault(record.cell, Counter()).update(_kinds({failure: 1}))


def _kinds(failures: Mapping[tuple[str, str], int]) -> "Counter[tuple[str, str]]":
    """Count failures that differ in their numbers only as one kind."""
    kinds: Counter[tuple[str, str]] = Counter()
    for (stage, error), count in failures.items():
        kinds[stage, _NUMBER.sub("#", error)] += count
    return kinds
