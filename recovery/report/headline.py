"""The box on top: the few numbers that matter, and sentences that claim no more than they show."""

import math
from dataclasses import replace

import numpy as np

from recovery.rank_tests import ALPHA, RankTest
from recovery.record import Floats
from recovery.report.conflict import cells_in_conflict, conflicts
from recovery.report.document import Text, Tile, Tone
from recovery.report.fits import flag_counts
from recovery.report.lowest import Lowest, digits_of, lowest
from recovery.report.measured import PERCENT
from recovery.report.reading import reading_text
from recovery.report.soundness import verdict_text
from recovery.report.text import count, listed, seconds, share
from recovery.report.view import MODES, View
from recovery.thresholds import THRESHOLDS

_CONFLICT = (
    " In that cell truth and prior are in conflict, which can lower coverage even for an exact "
    "posterior. The sampler may also have missed the part of the posterior around the truth, even "
    "where all chains agree. Coverage alone cannot tell the two apart, and truth mode prior does "
    "not visit truths as far out; the density at the truth, cell by cell below, is a hint."
)
_FIXED = (
    " With a fixed truth that alone does not show a fault, nor rule one out; truth mode prior "
    "tests the sampler on truths that the prior makes likely."
)


def tiles(view: View, tests: list[RankTest]) -> tuple[Tile, ...]:
    """Return the numbers of the headline box."""
    found = [t for mode in ("prior", "fixed") if (t := _coverage_tile(view, mode))]
    main = (*found[:1], _r_hat_tile(view), _cost_tile(view))
    others = (_fits_tile(view), _ranks_tile(tests), *found[1:])
    return (
        *(replace(tile, main=True) for tile in main if tile),
        *(tile for tile in others if tile),
    )


def sentences(view: View, tests: list[RankTest]) -> tuple[Text, ...]:
    """Return what the numbers say, in words."""
    found = [_done_text(view), _flags_text(view), verdict_text(view, tests)]
    found += [_prior_text(view, tests), _fixed_text(view), reading_text(view)]
    return tuple(text for text in found if text)


def _counts(view: View) -> tuple[int, int, int, int, int]:
    done, ok = len(view.fits), view.n_ok
    flagged = int(view.fits["flagged"].sum())
    return int(view.cells["n_planned"].sum()), done, ok, done - ok, flagged


def _fits_tile(view: View) -> Tile:
    planned, done, ok, failed, flagged = _counts(view)
    left = max(planned - done, 0)
    detail = f"{failed:,} failed, {flagged:,} flagged" + (f", {left:,} left to run" if left else "")
    tone: Tone = "bad" if failed or not ok else "warn" if flagged or left else ""
    total = f"{ok:,} of {max(planned, done):,}"
    return Tile("Complete fits", total, detail, tone, "table-diagnostics")


def _done_text(view: View) -> Text:
    planned, done, ok, failed, _ = _counts(view)
    left = max(planned - done, 0)
    text = f"{done:,} of {count(max(planned, done), 'planned replicate')} were run: "
    text += f"{count(ok, 'complete fit')}, {failed:,} failed."
    if left:
        text += f" {left:,} are still to be run, so every number here is preliminary."
    if not ok:
        text += " Without a complete fit there is nothing to measure."
    return Text(text, "bad" if failed or not ok else "warn" if left else "", "failures")


def _flags_text(view: View) -> Text | None:
    _, _, ok, _, flagged = _counts(view)
    if not ok:
        return None
    if not flagged:
        text = f"None of {count(ok, 'complete fit')} crossed a threshold of the diagnostics."
        return Text(text + _without_r_hat(view), evidence="table-flags")
    lost = view.n_not_finite
    kinds = [f"{label} in {n:,}" for label, n in flag_counts(view).items() if n]
    return Text(
        f"{flagged:,} of {count(ok, 'complete fit')} crossed a threshold of the diagnostics "
        f"({listed(kinds)}). They are in the measures"
        + (f", but for estimates that are not finite, in {count(lost, 'fit')}" if lost else "")
        + f"; a table shows the measures without them.{_without_r_hat(view)}",
        "warn",
        "flagged",
    )


def _without_r_hat(view: View) -> str:
    values = view.complete("r_hat_max")
    missing = int(np.isnan(values).sum())
    if not missing:
        return ""
    return " r_hat was not available" + (f" for {missing:,}." if missing < len(values) else ".")


def _ranks_tile(tests: list[RankTest]) -> Tile | None:
    if not tests:
        return None
    rejected = sum(test.rejected for test in tests)
    return Tile(
        "Ranks not uniform",
        f"{rejected} of {count(len(tests), 'test')}",
        f"truth drawn from the prior; {100 * ALPHA:g} % error rate over all tests",
        "bad" if rejected else "",
        "calibration",
    )


def _coverage_tile(view: View, mode: str) -> Tile | None:
    found = lowest(view, mode)
    if found is None:
        return None
    tone: Tone = "warn" if mode == "prior" and found.low else ""
    detail = f"{found.where(view)}; {found.interval()}"
    if mode == "fixed" and found.measures.position in cells_in_conflict(view):
        detail, tone = f"{detail}; conflict of truth and prior", "warn"
    coverage = share(found.measures.coverage.estimate, digits_of(found.measures.coverage.n))
    label = f"Lowest coverage for its n, {MODES[mode]}"
    return Tile(label, coverage, detail, tone, f"table-{mode}")


def _row_text(view: View, found: Lowest, rows: str = "") -> str:
    """Say which row is the lowest, and whether chance explains it; without the last full stop."""
    coverage = found.measures.coverage
    text = (
        f"the coverage of {PERCENT} intervals that is lowest for its n{rows} is "
        f"{share(coverage.estimate, digits_of(coverage.n))} ({found.interval()}, "
        f"n = {coverage.n:,}), for {found.where(view)}. "
    )
    if not found.low:
        return text + "Monte Carlo error alone can explain a lowest value such as this"
    text += f"That is below {PERCENT} by more than Monte Carlo error explains at a 5 % error rate"
    return text + (f" over the {found.among:,} rows" if found.among > 1 else "")


def _prior_text(view: View, tests: list[RankTest]) -> Text | None:
    found = lowest(view, "prior")
    if found is None:
        return None
    text = _row_text(view, found, f" in {count(found.among, 'row')}")
    text += "; see the ranks." if any(test.rejected for test in tests) else "."
    tone: Tone = "warn" if found.low else ""
    return Text(f"{MODES['prior'].capitalize()}: {text}", tone, "table-prior")


def _fixed_text(view: View) -> Text | None:
    found = lowest(view, "fixed")
    if found is None:
        return None
    touched, far_out = cells_in_conflict(view), conflicts(view)
    text = f"{MODES['fixed'].capitalize()}: "
    text += _row_text(view, found, f" in {count(found.among, 'row')}") + "."
    outside: Lowest | None = found
    if found.measures.position in touched:
        text += _CONFLICT if found.low else ""
        outside = lowest(view, "fixed", touched)
        if outside is not None:
            text += f" Outside the cells in conflict, {_row_text(view, outside)}."
    if outside is not None and outside.low:
        text += _FIXED
    if far_out:
        rows = len(view.fitted("fixed"))
        text += f" Truth and prior are in conflict in {len(far_out):,} of {count(rows, 'row')}."
    return Text(text, "warn" if far_out or found.low else "", "table-fixed")


def _r_hat_tile(view: View) -> Tile | None:
    worst = view.fits["r_hat_max"].dropna()
    if worst.empty:
        return None
    row = int(worst.index[int(worst.to_numpy().argmax())])
    value, position = float(worst.loc[row]), int(view.replicate_positions[row])
    threshold = next(t for t in THRESHOLDS if t.measure == "r_hat_max")
    crossed = int(threshold.crossed(worst.to_numpy()).sum())
    name = view.cell_name(position)
    detail = f"above {threshold.limit:g} in {crossed} of {count(len(worst), 'fit')}"
    return Tile(
        "Worst r_hat",
        f"{value:.3f}" if value < 1000 else f"{value:.3g}",
        f"{name + '; ' if name else ''}{detail}",
        "warn" if crossed else "",
        "table-diagnostics",
    )


def _cost_tile(view: View) -> Tile | None:
    wall = view.complete("wall_s")
    if not len(wall):
        return None
    frame = view.results.compilations
    compiled = f"{count(len(frame), 'compilation')}, {seconds(float(frame['seconds'].sum()))}"
    error = _pooled_error(wall, view.complete("position"))
    spread = "" if math.isnan(error) else f"± {seconds(error)}, "
    return Tile(
        "Mean cost per complete fit",
        seconds(float(wall.mean())),
        f"{spread}{seconds(float(wall.min()))} to "
        f"{seconds(float(wall.max()))}; beside that {compiled}",
        evidence="table-cost",
    )


def _pooled_error(values: Floats, cells: Floats) -> float:
    """Return the Monte Carlo standard error of a mean over cells, whose differences are planned.

    The variance is that within cells alone: sum of n_c s_c^2, over n^2. It is nan where no cell
    has two values.
    """
    within = 0.0
    for cell in np.unique(cells):
        mine = values[cells == cell]
        if len(mine) < 2:
            return math.nan
        within += len(mine) * float(mine.var(ddof=1))
    return math.sqrt(within) / len(values)
