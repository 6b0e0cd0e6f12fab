"""The tables as CSV files: the same numbers always give the same bytes."""

import csv
import io
import math
from functools import lru_cache
from typing import Final

import numpy as np
import pandas as pd

from recovery.report.text import plain
from recovery.report.view import View

# A spreadsheet takes a cell that begins so for a formula; the wide forms count in some of them.
_FORMULA = tuple("=+-@＝＋－＠")  # noqa: RUF001  (the wide forms are meant)

_SEVERITY: Final = ("r_hat_max", "ess_bulk_min", "divergences")
MOST_FLAGGED: Final = 1000
"""Rows of the table of flagged fits."""
OPTIONAL: Final = ("flagged.csv", "refits.csv")
"""Tables that are there only if they have a row."""


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
        ``flagged.csv``, where there are any, the `MOST_FLAGGED` worst flagged fits, with the key
        that ``recovery replay`` takes; ``refits.csv``, where there are any, the second fits of
        flagged ones.
    """
    flagged = flagged_fits(view)
    return {
        "measures.csv": to_csv(view.table),
        "diagnostics.csv": to_csv(view.diagnostics),
        "cost.csv": to_csv(view.cost),
        "sensitivity.csv": to_csv(view.sensitivity),
        "calibration.csv": to_csv(view.results.calibration()),
        **({"flagged.csv": to_csv(flagged)} if len(flagged) else {}),
        **({"refits.csv": to_csv(view.results.refits)} if len(view.results.refits) else {}),
    }


def flagged_fits(view: View, most: int = MOST_FLAGGED) -> pd.DataFrame:
    """Return one row per flagged fit, the worst first and at most so many.

    A fit is worse the more thresholds it crossed, then the larger its r_hat, the more its
    divergences and the smaller its bulk ESS; what is not finite is worst of all.

    Returns
    -------
    DataFrame
        Columns: axes, ``truth``, ``key``, ``flags``, ``r_hat_max``, ``ess_bulk_min``,
        ``divergences``.
    """
    fits = view.fits
    places = np.flatnonzero(fits["flagged"].to_numpy(bool))
    found = fits.iloc[places]
    crossed = found["flags"].str.count(",").to_numpy(float)
    r_hat, ess, divergences = (found[name].to_numpy(float) for name in _SEVERITY)
    # The last key sorts first.
    order = np.lexsort(
        (
            np.where(np.isnan(ess), -np.inf, ess),
            -np.nan_to_num(divergences),
            -np.where(np.isnan(r_hat), np.inf, r_hat),
            -crossed,
        )
    )[:most]
    places = places[order]
    named = view.cells.iloc[view.replicate_positions[places], : len(view.results.axes) + 1]
    levels = named.rename(columns={"truth_mode": "truth"}).reset_index(drop=True)
    rest = fits.iloc[places][["flags", *_SEVERITY]].reset_index(drop=True)
    rest.insert(0, "key", view.results.keys(places))
    return pd.concat([levels, rest], axis=1)


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
