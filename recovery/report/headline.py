"""The box on top: the few numbers that matter, and sentences that claim no more than they show."""

import math

import pandas as pd

from recovery.measures import binomial_interval
from recovery.report.document import Text, Tile, Tone
from recovery.report.fits import flag_counts
from recovery.report.measured import PERCENT, cells_in_conflict, conflicts, departure
from recovery.report.soundness import ALPHA, RankTest, verdict_text
from recovery.report.text import count, listed, plain, seconds, share
from recovery.report.view import MODES, Measures, View
from recovery.thresholds import THRESHOLDS


def tiles(view: View, tests: list[RankTest]) -> tuple[Tile, ...]:
    """Return the numbers of the headline box."""
    lowest = [_coverage_tile(view, mode) for mode in ("prior", "fixed")]
    found = [_fits_tile(view), _ranks_tile(tests), *lowest, _r_hat_tile(view), _cost_tile(view)]
    return tuple(tile for tile in found if tile)


def sentences(view: View, tests: list[RankTest]) -> tuple[Text, ...]:
    """Return what the numbers say, in words."""
    found = [_done_text(view), _flags_text(view), verdict_text(view, tests)]
    found += [_coverage_text(view, mode) for mode in ("prior", "fixed")]
    return tuple(text for text in found if text)


def _counts(view: View) -> tuple[int, int, int, int, int]:
    status = view.replicates("status")
    ok, failed = int((status == "ok").sum()), int((status == "failed").sum())
    flagged = int(view.replicates("flagged").sum())
    return int(view.cells["n_planned"].sum()), len(status), ok, failed, flagged


def _fits_tile(view: View) -> Tile:
    planned, done, ok, failed, flagged = _counts(view)
    left = max(planned - done, 0)
    detail = f"{failed} failed, {flagged} flagged" + (f", {left} left to run" if left else "")
    tone: Tone = "bad" if failed or not ok else "warn" if flagged or left else ""
    return Tile("Complete fits", f"{ok:,} of {max(planned, done):,}", detail, tone)


def _done_text(view: View) -> Text:
    planned, done, ok, failed, _ = _counts(view)
    left = max(planned - done, 0)
    text = f"{done:,} of {count(max(planned, done), 'planned replicate')} were run: "
    text += f"{count(ok, 'complete fit')}, {failed:,} failed."
    if left:
        text += f" {left:,} are still to be run, so every number here is preliminary."
    if not ok:
        text += " Without a complete fit there is nothing to measure."
    return Text(text, "bad" if failed or not ok else "warn" if left else "")


def _flags_text(view: View) -> Text | None:
    _, _, ok, _, flagged = _counts(view)
    if not ok:
        return None
    if not flagged:
        return Text(f"None of {count(ok, 'complete fit')} crossed a threshold of the diagnostics.")
    kinds = [f"{label} in {n:,}" for label, n in flag_counts(view).items() if n]
    return Text(
        f"{flagged:,} of {count(ok, 'complete fit')} crossed a threshold of the diagnostics "
        f"({listed(kinds)}). They are in the measures; a table shows the measures without them.",
        "warn",
    )


def _ranks_tile(tests: list[RankTest]) -> Tile | None:
    if not tests:
        return None
    rejected = sum(test.rejected for test in tests)
    return Tile(
        "Ranks not uniform",
        f"{rejected} of {count(len(tests), 'test')}",
        f"truth drawn from the prior; {100 * ALPHA:g} % error rate over all tests",
        "bad" if rejected else "",
    )


def _lowest(view: View, mode: str) -> tuple[Measures, int, str] | None:
    """Return the row of lowest coverage, how many rows there are, and words on equal ones."""
    rows = [m for m in view.fitted(mode) if m.coverage.n and not math.isnan(m.coverage.estimate)]
    if not rows:
        return None
    lowest = min(rows, key=lambda m: (m.coverage.estimate, -m.coverage.n))
    others = sum(m.coverage.estimate == lowest.coverage.estimate for m in rows) - 1
    return lowest, len(rows), f" and {count(others, 'other row')}" if others else ""


def _interval(measures: Measures, prob: float = 0.95) -> str:
    estimate, _, n = measures.coverage
    lower, upper = binomial_interval(estimate, n, prob)
    return f"{share(lower)} to {share(upper)}"


def _beyond_chance(measures: Measures, among: int) -> bool:
    """Whether the lowest of so many rows is too low even for the lowest (Bonferroni)."""
    return departure(measures, 1 - 0.05 / among) == "▼"


def _coverage_tile(view: View, mode: str) -> Tile | None:
    found = _lowest(view, mode)
    if found is None:
        return None
    lowest, among, others = found
    tone: Tone = "bad" if mode == "prior" and _beyond_chance(lowest, among) else ""
    where = f"{plain(lowest.parameter)}{view.at(lowest.position)}{others}"
    detail = f"{where}; 95 % interval {_interval(lowest)}"
    if mode == "fixed" and lowest.position in cells_in_conflict(view):
        detail, tone = f"{detail}; conflict of truth and prior", "warn"
    return Tile(f"Lowest coverage, {MODES[mode]}", share(lowest.coverage.estimate), detail, tone)


def _coverage_text(view: View, mode: str) -> Text | None:
    found = _lowest(view, mode)
    if found is None:
        return None
    lowest, among, others = found
    low = _beyond_chance(lowest, among)
    text = (
        f"{MODES[mode].capitalize()}: the lowest coverage of {PERCENT} intervals in "
        f"{count(among, 'row')} is {share(lowest.coverage.estimate)} (95 % Monte Carlo interval "
        f"{_interval(lowest)}, n = {lowest.coverage.n:,}), for "
        f"{plain(lowest.parameter)}{view.at(lowest.position)}{others}. "
    )
    if low:
        text += f"That is below {PERCENT} by more than Monte Carlo error explains"
        text += f", even for the lowest of {among:,}." if among > 1 else "."
    else:
        text += "Monte Carlo error alone can explain a lowest value such as this."
    if mode == "prior":
        return Text(text, "bad" if low else "")
    far_out = conflicts(view)
    if low and lowest.position in cells_in_conflict(view):
        text += (
            " In that cell truth and prior are in conflict, which lowers coverage even for an "
            "exact posterior: no fault of the sampler follows from it."
        )
    elif low:
        text += " With a fixed truth that alone is no sign of a fault"
        text += ": see the prior mode." if "prior" in view.modes else "."
    if far_out:
        rows = len(view.fitted(mode))
        text += f" Truth and prior are in conflict in {len(far_out):,} of {count(rows, 'row')}."
    return Text(text, "warn" if far_out or low else "")


def _r_hat_tile(view: View) -> Tile | None:
    worst = pd.to_numeric(view.replicates("r_hat_max")).reset_index(drop=True).dropna()
    if worst.empty:
        return None
    place = int(worst.to_numpy().argmax())
    value, row = float(worst.iloc[place]), int(worst.index[place])
    threshold = next(t for t in THRESHOLDS if t.measure == "r_hat_max")
    crossed = sum(threshold.crossed(v) for v in worst.tolist())
    position = int(view.replicate_positions[row])
    name = view.cell_name(position)
    detail = f"above {threshold.limit:g} in {crossed} of {count(len(worst), 'fit')}"
    return Tile(
        "Worst r_hat",
        f"{value:.3f}" if value < 1000 else f"{value:.3g}",
        f"{name + '; ' if name else ''}{detail}",
        "warn" if crossed else "",
    )


def _cost_tile(view: View) -> Tile | None:
    wall = view.replicates("wall_s")[view.replicates("status") == "ok"].to_numpy(float)
    if not len(wall):
        return None
    frame = view.results.compilations
    compiled = f"{count(len(frame), 'compilation')}, {seconds(float(frame['seconds'].sum()))}"
    return Tile(
        "Mean cost per fit",
        seconds(float(wall.mean())),
        f"{seconds(float(wall.min()))} to {seconds(float(wall.max()))}; beside it {compiled}",
    )
