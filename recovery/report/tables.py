"""The tables as CSV files: the same numbers always give the same bytes."""

import csv
import io
import math
from functools import lru_cache

import numpy as np
import pandas as pd

from recovery.report.text import plain
from recovery.report.view import View

# A spreadsheet takes a cell that begins so for a formula; the wide forms count in some of them.
_FORMULA = tuple("=+-@＝＋－＠")  # noqa: RUF001  (the wide forms are meant)


def csv_tables(view: View) -> dict[str, str]:
    """Return the content of each CSV file by its name.

    Parameters
    ----------
    view : View

    Returns
    -------
    dict of str to str
        ``measures.csv`` is tidy: one column per axis, then truth, parameter, measure, estimate,
        mcse, n and mcmc_share. ``diagnostics.csv`` and ``cost.csv`` have one row per cell.
        ``sensitivity.csv`` has what flagged fits change, at the level of the report;
        ``refits.csv``, where there are any, the second fits of flagged ones.
    """
    return {
        "measures.csv": to_csv(view.table),
        "diagnostics.csv": to_csv(view.diagnostics),
        "cost.csv": to_csv(view.cost),
        "sensitivity.csv": to_csv(view.sensitivity),
        "calibration.csv": to_csv(view.results.calibration()),
        **({"refits.csv": to_csv(view.results.refits)} if len(view.results.refits) else {}),
    }


def to_csv(frame: pd.DataFrame) -> str:
    r"""Write a frame as CSV with ``\n`` line ends.

    Numbers have ten significant digits and nan is an empty cell. Text that a spreadsheet would
    take for a formula gets an apostrophe in front, and control characters are left out.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([_text(str(name)) for name in frame.columns])
    columns = [map(_cell, frame.iloc[:, place].tolist()) for place in range(frame.shape[1])]
    writer.writerows(zip(*columns, strict=True))
    return file.getvalue()


def _cell(value: object) -> str:
    if value is None or value is pd.NA:
        return ""
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, float | np.floating):
        return "" if math.isnan(value) else f"{float(value):.10g}"
    return _text(str(value))


@lru_cache(maxsize=10_000)  # a few names stand in very many rows
def _text(text: str) -> str:
    cleaned = plain(text)
    risky = cleaned.lstrip().startswith(_FORMULA) or text.startswith(("\t", "\r"))
    return f"'{cleaned}" if risky else cleaned
