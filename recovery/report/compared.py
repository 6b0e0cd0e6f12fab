"""A comparison of two runs for readers: what differs, what it comes to, the worst rows first."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from recovery.comparison import Comparison
from recovery.comparison.costs import NO_RATIO, TIMES
from recovery.inert import escaped, plain
from recovery.report.tables import to_csv
from recovery.report.text import (
    MISSING,
    count,
    level,
    listed,
    number,
    probability,
    seconds,
    with_error,
)

ALPHA: Final = 0.05
"""Chance, at most, that any row is said to differ when the runs are the same."""
MOST: Final = 20
"""Rows of a table that are shown; the note says how many more there are."""
FORMAT: Final = 1
_NUMBERS: Final = ("base", "head", "difference", "n", "p (Holm)")
_FEWER_IS_BETTER: Final = ("gradient_evaluations", "divergences", "wall_s", "draws")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under a caption; the first columns name the row."""

    caption: str
    columns: tuple[str, ...]
    names: int
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a reader is shown of a comparison, in this order; all of it is plain text."""

    title: str
    setups: tuple[str, ...]
    conclusion: tuple[str, ...]
    tables: tuple[Table, ...]


def shown(comparison: Comparison, most: int = MOST) -> Shown:
    """Put a comparison into words and short tables.

    Parameters
    ----------
    comparison : Comparison
    most : int
        Rows of a table.
    """
    setups = [difference.sentence for difference in comparison.differences]
    return Shown(
        f"{plain(comparison.head)} (head) beside {plain(comparison.base)} (base)",
        tuple(setups or ["nothing that is recorded: versions, settings, model and seeds agree"]),
        (_paired(comparison), _measures_say(comparison), *_cost_says(comparison)),
        tuple(
            table
            for make in (_by_measure, _measures, _costs)
            if (table := make(comparison, most)) is not None
        ),
    )


def to_markdown(comparison: Comparison, most: int = MOST) -> str:
    """Write a comparison as short Markdown (GitHub's kind, for the tables)."""
    what = shown(comparison, most)
    lines = [f"# {escaped(what.title)}", "", "What differs in the set-ups:", ""]
    lines += [f"- {escaped(setup)}" for setup in what.setups]
    lines += ["", *(line for said in what.conclusion for line in (escaped(said), ""))]
    for table in what.tables:
        lines += [f"## {escaped(table.caption)}", ""]
        marks = ["---" if i < table.names else "---:" for i in range(len(table.columns))]
        for row in (table.columns, marks, *table.rows):
            cells = row if row is marks else [escaped(cell) for cell in row]
            lines.append("| " + " | ".join(cells) + " |")
        lines += ["", *([escaped(table.note), ""] if table.note else [])]
    return plain("\n".join(lines), lines=True)


def to_json(comparison: Comparison) -> str:
    """Write all of a comparison as JSON; what is not finite becomes null."""
    what = {
        "format": FORMAT,
        "base": str(comparison.base),
        "head": str(comparison.head),
        "axes": list(comparison.axes),
        "conclusion": list(shown(comparison, 0).conclusion),
        "differences": [
            {"what": d.what, "base": d.base, "head": d.head} for d in comparison.differences
        ],
        "pairs": _records(comparison, comparison.pairs),
        "measures": _records(comparison, comparison.measures),
        "cost": _records(comparison, comparison.cost),
    }
    return json.dumps(what, indent=2, ensure_ascii=True, allow_nan=False) + "\n"


def to_tidy(comparison: Comparison) -> str:
    """Write all rows as one CSV: those of measures, then those of cost, whose ``kind`` says so."""
    names = len(comparison.axes) + 1
    parts = []
    for kind, frame in (("measure", comparison.measures), ("cost", comparison.cost)):
        levels = frame.iloc[:, :names]
        rest = frame.iloc[:, names:].rename(columns={"cost": "measure"})
        parts.append((levels, rest.assign(kind=kind)))
    levels, rest = (pd.concat(side, ignore_index=True) for side in zip(*parts, strict=True))
    rest = rest[["kind", *(name for name in rest.columns if name != "kind")]]
    return to_csv(pd.concat([levels, rest], axis=1))


# --- sentences -----------------------------------------------------------------------------------


def _paired(comparison: Comparison) -> str:
    pairs = comparison.pairs.iloc[:, len(comparison.axes) + 1 :]
    cells = count(len(pairs), "cell")
    if not pairs["n"].sum():
        return f"{cells} in both; the runs share no replicate, so they are independent samples."
    words = {
        "same data": "the same data to the bit",
        "same seeds": "the same seeds, data not equal to the bit in all",
        "other data": "the same numbers only, data of their own",
        "not paired": "no shared replicate",
    }
    kinds = [words[str(kind)] for kind in dict.fromkeys(pairs["data"])]
    return (
        f"{cells} in both, {count(int(pairs['n'].sum()), 'pair')} of replicates: {listed(kinds)}."
    )


def _measures_say(comparison: Comparison) -> str:
    frame = comparison.measures
    tested = frame[frame["p_holm"].notna()]
    if not len(tested):
        return "No measure has two replicates on both sides, so nothing can be said of them."
    rows = count(len(tested), "row")
    if (tested["difference"] == 0).all():
        return f"No measure differs at all: {rows}."
    found = comparison.beyond_chance(ALPHA)
    chance = f"Holm over all {rows}, {100 * ALPHA:g} %"
    if not len(found):
        return f"No measure differs beyond chance ({chance}); nearest: {_row(comparison, tested)}."
    verb = "differs" if len(found) == 1 else "differ"
    return (
        f"{len(found)} of {rows} {verb} beyond chance ({chance}), most clearly "
        f"{_row(comparison, found)}."
    )


def _row(comparison: Comparison, frame: pd.DataFrame) -> str:
    """Name the row that is furthest from no difference, with its numbers."""
    own = _own(comparison, frame)
    place = _clearest(own)[0]
    row, where = own.iloc[place], _where(comparison, frame.iloc[[place]])[0]
    at = f" at {', '.join(where)}" if where else ""
    return (
        f"{row['measure']} of {plain(row['parameter'])}{at}: "
        f"{with_error(float(row['difference']), float(row['mcse']))} (n {row['n']}, p "
        f"{probability(float(row['p_holm']))})"
    )


def _cost_says(comparison: Comparison) -> Iterator[str]:
    own = _own(comparison, comparison.cost)
    for cost, words in (
        ("ess_bulk_per_gradient", "Effective draws per gradient evaluation"),
        ("wall_s", "Wall time per fit"),
    ):
        rows = own[(own["cost"] == cost) & own["ratio"].notna()]
        if len(rows) and (rows["ratio"] == 1).all() and (rows["upper"] == 1).all():
            yield f"{words}: the same in every pair."
        elif len(rows):
            row = rows.iloc[int(np.argmax(_worse(rows)))]
            cells = "" if len(rows) == 1 else " in the worst cell"
            yield f"{words}: head over base {_ratio(row)}{cells}."
    reasons = own[own["cost"].isin(TIMES) & own["ratio"].isna()]["note"]
    if len(reasons):
        yield f"Times are not compared: {listed(list(dict.fromkeys(map(str, reasons))))}."


# --- tables --------------------------------------------------------------------------------------


def _by_measure(comparison: Comparison, most: int) -> Table | None:
    """Return a row per measure: how many of its rows differ, and the clearest of them."""
    own = _own(comparison, comparison.measures)
    if not len(own) or not most:
        return None
    first: dict[str, int] = {}
    for place in _clearest(own):
        first.setdefault(str(own["measure"].iloc[place]), place)
    names, rows = _where(comparison, comparison.measures, named=False), []
    for measure in dict.fromkeys(own["measure"]):
        of = own[own["measure"] == measure]
        beyond = f"{int((of['p_holm'] < ALPHA).sum()):,} of {len(of):,}"
        place = first[measure]
        parameter = plain(own["parameter"].iloc[place])
        rows.append((measure, *names[place], parameter, beyond, *_numbers(own.iloc[place])))
    columns = ("measure", *_axes(comparison), "parameter", "rows beyond chance", *_NUMBERS)
    note = _note(0, 0, "± is one Monte Carlo standard error; that of the difference counts what "
                       "the pairs share")  # fmt: skip
    caption = "Each measure, where it differs most clearly"
    return Table(caption, columns, len(columns) - 1 - len(_NUMBERS), tuple(rows), note)


def _measures(comparison: Comparison, most: int) -> Table | None:
    """Return the rows that differ beyond chance, the clearest first."""
    own = _own(comparison, comparison.measures)
    order = [place for place in _clearest(own) if own["p_holm"].iloc[place] < ALPHA]
    if not order or not most:
        return None
    names = _where(comparison, comparison.measures, named=False)
    rows = [
        (*names[place], plain(row["parameter"]), str(row["measure"]), *_numbers(row))
        for place in order[:most]
        for row in [own.iloc[place]]
    ]
    columns = (*_axes(comparison), "parameter", "measure", *_NUMBERS)
    note = _note(len(order), len(rows), "") if len(order) > len(rows) else ""
    caption = "Rows that differ beyond chance, clearest first"
    return Table(caption, columns, len(columns) - len(_NUMBERS), tuple(rows), note)


def _numbers(row: Any) -> tuple[str, ...]:
    sides = int(row["base_n"]), int(row["head_n"])
    n = f"{sides[0]:,}" if sides[0] == sides[1] else f"{sides[0]:,} / {sides[1]:,}"
    values = [
        with_error(float(row[a]), float(row[b]))
        for a, b in (("base", "base_mcse"), ("head", "head_mcse"), ("difference", "mcse"))
    ]
    return (*values, n, probability(float(row["p_holm"])))


def _costs(comparison: Comparison, most: int) -> Table | None:
    frame = comparison.cost
    own = _own(comparison, frame)
    # What has no ratio says why in a sentence, or cost nothing on both sides.
    kept = (own["ratio"].notna() | (own["note"] == NO_RATIO)).to_numpy()
    frame, own = frame[kept], own[kept]
    if not len(own) or not most:
        return None
    names = _where(comparison, frame, named=False)
    rows = []
    for place in np.argsort(-_worse(own), kind="stable").tolist()[:most]:
        row = own.iloc[place]
        values = [_amount(row, side) for side in ("base", "head")]
        ratio = _ratio(row) if math.isfinite(row["ratio"]) else str(row["note"])
        rows.append((*names[place], str(row["cost"]), *values, ratio))
    columns = (*_axes(comparison), "cost per fit", "base", "head", "head / base")
    return Table(
        "Cost, worst first", columns, len(columns) - 3, tuple(rows),
        _note(len(own), len(rows), "ratios are geometric means with a 95 % interval each"),
    )  # fmt: skip


def _note(rows: int, written: int, more: str) -> str:
    rest = f"{count(rows - written, 'more row')} not shown" if rows > written else ""
    text = "; ".join(filter(None, [rest, more]))
    return f"{text[0].upper()}{text[1:]}."


def _amount(row: Any, side: str) -> str:
    value, error, n = (row[f"{side}{end}"] for end in ("", "_mcse", "_n"))
    if row["cost"] == "wall_s" and math.isfinite(value):
        text = f"{seconds(float(value))} ± {seconds(float(error))}"
    elif error == 0:
        text = f"{number(float(value))} ± 0"
    else:
        text = with_error(float(value), float(error))
    return f"{text} (n {n:,})"


def _ratio(row: Any) -> str:
    ends = [number(float(row[end]), 3) for end in ("lower", "upper")]
    interval = f" [{ends[0]}, {ends[1]}]" if MISSING not in ends else ""
    times = f"× {number(float(row['ratio']), 3)}"  # noqa: RUF001  (a multiplication sign is meant)
    return f"{times}{interval}, {row['n']:,} {row['unit']}"


def _worse(own: pd.DataFrame) -> Any:
    """Return how much worse the head is, as a logarithm; what has no ratio comes last."""
    logs = np.log(own["ratio"].to_numpy(float))
    sign = np.where(own["cost"].isin(_FEWER_IS_BETTER), 1.0, -1.0)
    return np.where(np.isfinite(logs), sign * logs, -np.inf)


def _clearest(own: pd.DataFrame) -> list[int]:
    """Return the rows by p value, then by difference in its own errors; the untested last."""
    p = own["p_value"].to_numpy(float)
    with np.errstate(all="ignore"):
        far = np.abs(own["difference"].to_numpy(float)) / own["mcse"].to_numpy(float)
    order: list[int] = np.lexsort((-np.nan_to_num(far), np.where(np.isnan(p), 2.0, p))).tolist()
    return order


def _own(comparison: Comparison, frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame without the axes, one of which may share its name with a column."""
    return frame.iloc[:, len(comparison.axes) + 1 :]


def _varied(comparison: Comparison) -> list[int]:
    """Return the places of the axes, and the truth mode, that tell cells apart."""
    cells = comparison.pairs.iloc[:, : len(comparison.axes) + 1]
    return [i for i in range(cells.shape[1]) if len(set(map(str, cells.iloc[:, i]))) > 1]


def _axes(comparison: Comparison) -> tuple[str, ...]:
    names = (*comparison.axes, "truth")
    return tuple(plain(names[i]) for i in _varied(comparison))


def _where(
    comparison: Comparison, frame: pd.DataFrame, *, named: bool = True
) -> list[tuple[str, ...]]:
    """Return the levels that tell the cell of each row apart, with the names of their axes."""
    names, places = _axes(comparison), _varied(comparison)
    columns = [frame.iloc[:, i].tolist() for i in places]
    return [
        tuple(
            f"{name} = {level(column[i])}" if named else level(column[i])
            for name, column in zip(names, columns, strict=True)
        )
        for i in range(len(frame))
    ]


def _records(comparison: Comparison, frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows as plain values, the levels by axis under ``levels``."""
    n = len(comparison.axes)
    columns: Sequence[list[Any]] = [frame.iloc[:, i].tolist() for i in range(frame.shape[1])]
    names = list(frame.columns)
    return [
        {
            "levels": {names[j]: _value(columns[j][i]) for j in range(n)},
            **{str(names[j]): _value(columns[j][i]) for j in range(n, len(names))},
        }
        for i in range(len(frame))
    ]


def _value(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
