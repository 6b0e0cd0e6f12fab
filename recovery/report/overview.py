"""Every cell in one row: the table that a reader of nothing else should see."""

from recovery.rank_tests import RankTest
from recovery.report.document import Cell, Column, Section, Table, Text, Tone, row
from recovery.report.failures import paused
from recovery.report.fits import worst_r_hat
from recovery.report.lowest import (
    ends,
    hardest,
    judgeable,
    simultaneous,
    too_low,
    with_coverage,
)
from recovery.report.measured import PERCENT, axis_columns
from recovery.report.reading import ENOUGH, Reading, readings
from recovery.report.text import MISSING, level, plain, share, with_error
from recovery.report.view import Measures, View
from recovery.shares import binomial_interval

_PAUSED = Cell("paused: every fit fails alike", "bad")
_FINER = 100  # fits from which a third digit of a share is of use


def overview_section(view: View, tests: list[RankTest]) -> Section:
    """Return the section that gives each cell a row and a word."""
    table = overview_table(view, tests)
    text = Text(
        "Each cell of the sweep in a row. What its word rests on is in the sections below, "
        "parameter by parameter."
    )
    return Section("overview", "Cell by cell", (text, table), brief=(table,))


def overview_table(view: View, tests: list[RankTest]) -> Table:
    """Return a row per cell: fits, lowest coverage, ranks, convergence, cost, and a word."""
    by_cell = {reading.position: reading for reading in readings(view)}
    by_place: dict[int | None, list[RankTest]] = {}
    for test in tests:
        by_place.setdefault(test.position, []).append(test)
    stopped = paused(view)
    diagnostics, cost = view.own(view.diagnostics), view.own(view.cost)
    fitted = {mode: view.fitted(mode) for mode in dict.fromkeys(view.modes)}
    mine: dict[int, list[Measures]] = {}
    for m in (m for found in fitted.values() for m in found):
        mine.setdefault(m.position, []).append(m)
    rows = []
    for position, mode in enumerate(view.modes):
        fits = diagnostics.iloc[position]
        n, n_ok, n_planned = (int(fits[name]) for name in ("n", "n_ok", "n_planned"))
        own_tests = by_place.get(position, [])
        coverage = _lowest(view, mine.get(position, []), len(fitted[mode]))
        low = bool(coverage[0].tone)
        spent = cost.iloc[position]
        rows.append(
            row(
                mode,
                *view.levels[position],
                _PAUSED
                if position in stopped
                else _word(n, n_ok, own_tests, by_cell.get(position), low),
                f"{n_ok:,} of {max(n_planned, n):,}",
                _count(int(fits["n_failed"]), "bad"),
                _count(int(fits["n_flagged"]), "warn"),
                *coverage,
                _ranks(own_tests),
                worst_r_hat(float(fits["r_hat_max"])),
                with_error(float(spent["wall_s"]), float(spent["wall_s_mcse"])),
            )
        )
    columns = (
        Column("truth", numeric=False, hint="given and fixed, or drawn from the prior"),
        *axis_columns(view),
        Column("in a word", numeric=False),
        Column("complete", hint="complete fits, of those planned"),
        Column("failed"),
        Column("flagged"),
        Column(f"lowest coverage {PERCENT}", hint="of the fitted parameters, the one whose "
               "coverage is hardest to explain by chance, with its 95 % interval, simultaneous "
               "over all rows of the truth mode"),
        Column("of", numeric=False, hint="the parameter with that coverage"),
        Column("ranks", numeric=False, hint="tests of ranks in the cell that reject, "
               "of how many, after Holm over all tests; truth mode prior only"),
        Column("r_hat max"),
        Column("wall, s", hint="seconds per complete fit, compilation not counted"),
    )  # fmt: skip
    return Table(
        "Every cell: fits, lowest coverage, ranks, convergence, cost.",
        columns,
        tuple(rows),
        (
            f"Inconclusive: no departure in fewer than {ENOUGH} replicates, which a posterior half "
            "or twice as wide as it should be can pass. Fixed truths are no test of the sampler.",
            f"▼: the coverage is below {PERCENT} by more than Monte Carlo error explains at a 5 % "
            "error rate over all rows of the truth mode; tables below mark each row by itself.",
        ),
        slug="table-overview",
    )


def _count(n: int, tone: Tone) -> Cell:
    return Cell(level(n), tone if n else "")


def _lowest(view: View, mine: list[Measures], among: int) -> tuple[Cell, str]:
    rows = judgeable(view, with_coverage(mine))
    if not rows:
        return Cell(MISSING), MISSING
    worst = hardest(rows)
    low = too_low(view, worst, among)
    estimate, n = worst.coverage.estimate, worst.coverage.n
    lower, upper = binomial_interval(estimate, n, simultaneous(among))
    digits = 2 if n < _FINER else 3
    text = f"{share(estimate, digits)} ({ends(lower, upper, digits)})"
    return Cell(text + (" ▼" if low else ""), "warn" if low else ""), plain(worst.parameter)


def _ranks(mine: list[RankTest]) -> Cell:
    if not mine:
        return Cell(MISSING)
    rejected = sum(test.rejected for test in mine)
    return Cell(f"{rejected} of {len(mine)}", "bad" if rejected else "")


def _word(n: int, n_ok: int, tests: list[RankTest], reading: Reading | None, low: bool) -> Cell:
    """Say what to think of a cell that is not paused, given its replicates and its own tests."""
    if not n_ok:
        return Cell("every fit failed", "bad") if n else Cell("not run yet", "warn")
    few = Cell(f"inconclusive, n = {n_ok}", "warn")
    if reading is not None:
        return Cell(*reading.word) if reading.rejected or reading.off or n_ok >= ENOUGH else few
    if not tests:
        return Cell("no rank could be tested", "warn")
    if any(test.rejected for test in tests):
        return Cell("not calibrated", "bad")
    if low:
        return Cell("coverage low", "warn")
    return few if min(test.result.n for test in tests) < ENOUGH else Cell("no departure found")
