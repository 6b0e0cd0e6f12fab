"""Picking what a figure needs from a frame of `Results`, and saying what is missing."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recovery.plots.text import level_text

Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]


def need(frame: pd.DataFrame, what: str, *columns: str) -> None:
    """Raise ValueError if a column is missing; `what` is the argument's name."""
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise ValueError(
            f"{what}: no column {', '.join(missing)}; it has {', '.join(map(str, frame.columns))}; "
            f"pass the frame {what} of Results"
        )


def need_rows(frame: pd.DataFrame, what: str, wanted: str) -> None:
    """Raise ValueError if there is nothing left to draw."""
    if frame.empty:
        raise ValueError(f"{what}: no row {wanted}; there is nothing to draw")


def axes_of(frame: pd.DataFrame) -> list[str]:
    """Return the axes of the sweep: the columns before the truth mode."""
    columns = [str(column) for column in frame.columns]
    for end in ("truth_mode", "truth"):
        if end in columns:
            return columns[: columns.index(end)]
    return []


def is_level(column: "pd.Series[Any]", level: Any) -> "pd.Series[bool]":
    """Say which rows are at a level; None is a level, too."""
    return column.isna() if _nothing(level) else column == level


def _nothing(level: Any) -> bool:
    return level is None or (not isinstance(level, str) and bool(pd.isna(level)))


def numeric(levels: Sequence[Any]) -> bool:
    """Say whether levels are numbers, not truth values, text or None."""
    return all(
        isinstance(level, int | float | np.number)
        and not isinstance(level, bool | np.bool_)
        and bool(np.isfinite(level))
        for level in levels
    )


def levels_of(column: "pd.Series[Any]") -> list[Any]:
    """Return the levels in a column: numbers in ascending order, others as they come."""
    levels = [None if _nothing(level) else level for level in column.unique()]
    levels = list(dict.fromkeys(levels))
    return sorted(levels) if numeric(levels) else levels


def of_parameter(frame: pd.DataFrame, what: str, parameter: str) -> pd.DataFrame:
    """Return the rows of one parameter; ValueError names the parameters there are."""
    need(frame, what, "parameter")
    rows = frame[frame["parameter"] == parameter]
    if rows.empty:
        there = [str(name) for name in frame["parameter"].unique()]
        more = f" and {len(there) - 8} more" if len(there) > 8 else ""
        raise ValueError(
            f"{what}: no parameter {parameter!r}; there are: {', '.join(there[:8]) or 'none'}{more}"
        )
    return rows


def of_mode(
    frame: pd.DataFrame, what: str, column: str, truth: str | None, shown: Sequence[str | None] = ()
) -> pd.DataFrame:
    """Return the rows of one truth mode; ValueError if there are two and none is chosen."""
    need(frame, what, column)
    modes = [str(mode) for mode in frame[column].unique()]
    if truth is None:
        if len(modes) > 1 and column not in shown:
            raise ValueError(f"{what}: two truth modes; give truth='fixed' or truth='prior'")
        return frame
    if truth not in modes:
        raise ValueError(
            f"{what}: no truth mode {truth!r}; there are: {', '.join(modes) or 'none'}"
        )
    return frame[frame[column] == truth]


def by_hue(
    frame: pd.DataFrame, what: str, x: str, hue: str | None
) -> list[tuple[Any, str, pd.DataFrame]]:
    """Return (level, label, rows) for each level of hue, or one without a label."""
    need(frame, what, x, *([hue] if hue is not None else []))
    if hue is None:
        return [(None, "", frame)]
    return [
        (level, f"{hue} = {level_text(level)}", frame[is_level(frame[hue], level)])
        for level in levels_of(frame[hue])
    ]


def one_row_each(rows: pd.DataFrame, what: str, x: str) -> None:
    """Raise ValueError if several cells would be drawn at one place."""
    twice = rows[x].duplicated()
    if twice.any():
        level = rows.loc[twice, x].iloc[0]
        others = [
            axis
            for axis in axes_of(rows)
            if axis != x and rows.loc[is_level(rows[x], level), axis].nunique(dropna=False) > 1
        ]
        raise ValueError(
            f"{what}: several rows at {x}={level_text(level)}; choose one level of: "
            f"{', '.join(others) or 'parameter or measure'}"
        )


def by_cell(frame: pd.DataFrame, *columns: str, keys: Sequence[str] = ()) -> pd.DataFrame:
    """Return one row per cell, with an array over the rows of the cell in each of some columns.

    Cells are told apart by the axes, the truth mode and the columns that are keys.
    """
    named = [*axes_of(frame), *(["truth_mode"] if "truth_mode" in frame.columns else [])]
    by = list(dict.fromkeys([*named, *keys]))
    groups = frame.groupby(by, sort=False, dropna=False) if by else [((), frame)]
    rows = [(key, rows) for key, rows in groups if len(rows)]
    made = pd.DataFrame([key for key, _ in rows], columns=by)
    for axis in by:
        made[axis] = made[axis].astype(frame[axis].dtype)
    for column in columns:
        made[column] = arrays([rows[column].to_numpy(float) for _, rows in rows])
    return made


def arrays(values: Sequence[NDArray[Any]]) -> NDArray[np.object_]:
    """Return a column of arrays."""
    column = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        column[i] = value
    return column


def joined(column: "pd.Series[Any]") -> Floats:
    """Return all values of a column of numbers, or of arrays of numbers."""
    if column.dtype != object:
        return column.to_numpy(float)
    parts: list[Floats] = column.tolist()
    return parts[0] if len(parts) == 1 else np.concatenate([np.empty(0), *parts])


def among(cells: pd.DataFrame, column: str, keep: Callable[[Floats], Flags]) -> pd.DataFrame:
    """Return the cells that have a value to keep, without the others in their arrays."""
    kept = [value[keep(value)] for value in cells[column].tolist()]
    some = [len(value) > 0 for value in kept]
    return cells.assign(**{column: arrays(kept)})[some]


def known(values: Floats) -> Flags:
    """Say which values are no nan."""
    return ~np.isnan(values)


def evenly(n: int, most: int) -> NDArray[np.intp]:
    """Return at most `most` of the places 0 to n - 1, evenly spread, both ends included."""
    if n <= most:
        return np.arange(n)
    return np.unique(np.round(np.linspace(0, n - 1, most)).astype(np.intp))
