"""Cells and replicates from what a store and a key say of them."""

import re
from collections.abc import Mapping
from typing import Any, Final

from recovery.design import Cell, Replicate, Settings
from recovery.errors import SettingsError, UsageError

_KEY: Final = re.compile(r"([0-9a-f]{16})-([0-9]{1,19})-([0-9]{1,19})(-refit)?")


def cell_of(identity: Mapping[str, Any], stored: Mapping[str, Any]) -> Cell:
    """Return a cell, given the design's identity and the cell as a store has them.

    Raises
    ------
    ValueError
        If they contradict each other.
    """
    levels, settings = stored["levels"], stored["settings"]
    try:
        outer = {axis: settings[axis] for axis in identity["axes"] if axis not in levels}
        scenario, mode = str(identity["scenario"]), stored["truth_mode"]
        return Cell(scenario, levels, mode, outer, Settings(**settings))
    except (KeyError, TypeError, SettingsError) as error:
        raise ValueError(
            f"cell {stored['digest']}: its settings are not of this design ({error})"
        ) from error


def replicate_of(
    key: str, identity: Mapping[str, Any], cells: Mapping[str, Mapping[str, Any]]
) -> Replicate:
    """Return the replicate of a key.

    Parameters
    ----------
    key : str
    identity : mapping
        Of the design.
    cells : mapping of str to mapping
        The cells of the store by digest.

    Raises
    ------
    UsageError
        If it is no key, or of no cell of the store.
    ValueError
        If the cell is not what its digest says.
    """
    match = _KEY.fullmatch(key.strip())
    if match is None:
        raise UsageError(
            f"{key[:80]!r} is no key of a replicate; a key is 16 hexadecimal digits, a seed and a "
            "number (column key of results.replicates, and the report)"
        )
    digest, seed, index, refit = match.groups()
    if digest not in cells:
        raise UsageError(f"{key}: no cell of this store has that key")
    cell = cell_of(identity, cells[digest])
    if cell.digest != digest:
        raise ValueError(f"cell {digest}: its levels are those of cell {cell.digest}")
    return Replicate(cell, int(seed), int(index), refit is not None)
