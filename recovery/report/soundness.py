"""Whether the sampler is sound, judged by the ranks of truths drawn from the prior."""

import numpy as np

from recovery.rank_tests import ALPHA, RankTest
from recovery.record import QUANTITY
from recovery.report.document import Block, Cell, Column, Section, Table, Text, row
from recovery.report.measured import axis_columns
from recovery.report.text import MISSING, count, level, number, plain, probability
from recovery.report.view import PREDICTED, View

_LOOK = (
    "look at the sampler's diagnostics first (or at what an approximation leaves out), then for a "
    "difference between simulator and fitted model."
)
MISSPECIFIED = (
    "the data come from another model than the one that is fitted, and this is what that does to "
    "its posteriors, if the sampler is sound; fit the model to data of its own to see that."
)
# Ranks up to which a posterior 20 % too narrow or too wide is often not seen, in one test and in
# one of dozens that share an error rate.
_FEW, _FEW_OF_MANY = 200, 500


def soundness_section(view: View, tests: list[RankTest]) -> Section:
    """Return the section on calibration."""
    return Section("calibration", "Is the sampler sound?", tuple(_blocks(view, tests)))


def verdict_text(view: View, tests: list[RankTest]) -> Text:
    """Say in a sentence or two what the ranks show, and no more."""
    if "prior" not in view.modes:
        return Text(
            "Truth mode prior was not run, so this report cannot say whether the posteriors are "
            "right: with a fixed truth, coverage need not be nominal even if they are.",
            "note",
            "calibration",
        )
    if not tests:
        lacking = "rank that could be tested" if view.untested else "complete fit"
        return Text(
            f"There is no {lacking} in truth mode prior, so nothing can be said on whether the "
            "posteriors are right.",
            "warn",
            "calibration",
        )
    rejected = [test for test in tests if test.rejected]
    if not rejected:
        return Text(
            "Truth drawn from the prior: no departure from uniform ranks was found in "
            f"{count(len(tests), 'test')} (exact simultaneous band, Holm over all of them at "
            f"{100 * ALPHA:g} %). That is no proof of soundness. {unseen(tests)}",
            evidence="table-ranks",
        )
    worst = min(rejected, key=lambda test: test.holm)
    where = " over all cells" if worst.position is None else view.at(worst.position)
    return Text(
        f"Truth drawn from the prior: ranks are not uniform in {len(rejected)} of "
        f"{count(len(tests), 'test')} (exact simultaneous band, Holm over all of them at "
        f"{100 * ALPHA:g} %), most clearly for {plain(worst.parameter)}{where}. The posteriors "
        "there are not those of the model that simulated the data: "
        + (MISSPECIFIED if view.generated else _LOOK)
        + other_causes(view),
        "bad",
        "table-ranks",
    )


def unseen(tests: list[RankTest]) -> str:
    """Say what can be wrong although no test rejects."""
    fewest = min(test.result.n for test in tests)
    said = []
    if fewest <= (_FEW if len(tests) == 1 else _FEW_OF_MANY):
        said.append(
            f"With {count(fewest, 'replicate')} in the smallest of {count(len(tests), 'test')}, a "
            "posterior 20 % too narrow or too wide can pass."
        )
    if any(test.kind == QUANTITY for test in tests):
        said.append("Ranks of other quantities may depart.")
    else:
        said.append(
            "Ranks of parameters cannot see a posterior that ignores data (one equal to the prior "
            "passes). Contraction, in the table over the prior, would be near 0 then."
        )
    return " ".join(said)


def other_causes(view: View) -> str:
    """Say what besides wrong posteriors can bend the ranks, where there is any of it."""
    prior = np.array([mode == "prior" for mode in view.modes])[view.replicate_positions]
    failed = int((~view.fits["ok"].to_numpy(bool) & prior).sum())
    flagged = int((view.fits["flagged"].to_numpy(bool) & prior).sum())
    parts = []
    if failed:
        are = "is" if failed == 1 else "are"
        parts.append(f"{count(failed, 'fit')} failed and {are} not in the ranks")
    if flagged:
        are = "is" if flagged == 1 else "are"
        parts.append(f"{count(flagged, 'flagged fit')} {are}" + ("" if failed else " in the ranks"))
    if not parts:
        return ""
    text = f" {', and '.join(parts)}; {'both' if len(parts) > 1 else 'that'} can cause this."
    if flagged:
        clean = view.results.rank_tests("clean")
        rejected = sum(test.rejected for test in clean)
        text += f" Without flagged fits, {rejected} of {count(len(clean), 'test')} reject."
    return text


def _blocks(view: View, tests: list[RankTest]) -> list[Block]:
    blocks: list[Block] = [verdict_text(view, tests)]
    if tests or view.untested:
        blocks.append(
            Text(
                "If the truth is drawn from the prior and the posterior is exact, the rank of the "
                "truth among posterior draws is uniform (Talts et al. 2018, "
                "doi:10.48550/arXiv.1804.06788). The test is the exact simultaneous band of "
                "Säilynoja et al. (2022), doi:10.1007/s11222-022-10090-6. A truth is ranked among "
                "no more draws than its parameter has effective ones. Test quantities are "
                "functions of parameters and data: the ranks of the joint log-likelihood see a "
                "posterior that ignores data or loses correlations, which those of parameters "
                "cannot (Modrák et al. 2025, doi:10.1214/23-BA1404)."
            )
        )
        blocks.append(_table(view, tests))
    return blocks


def _table(view: View, tests: list[RankTest]) -> Table:
    columns = (
        Column("parameter", numeric=False),
        *axis_columns(view),
        Column("n", hint="ranks, one per complete fit whose estimate is finite and has a spread"),
        Column("gamma", hint="the most extreme tail of the rank counts; small is far from uniform"),
        Column("p", hint="exact p value of this one test"),
        Column("p, Holm", hint="adjusted so that no sound row of all is rejected, at 95 %"),
        Column("p, BH", hint="adjusted for the share of false discoveries among all rejected"),
        Column("ranks", numeric=False),
    )
    rows = []
    for test in tests:
        everywhere = ("all cells",) + ("",) * (len(view.swept) - 1)
        levels = everywhere if test.position is None else view.levels[test.position]
        verdict = Cell("not uniform", "bad") if test.rejected else Cell("no departure found")
        rows.append(
            row(
                plain(test.parameter),
                *levels[: len(view.swept)],
                level(test.result.n),
                number(test.result.gamma, 3),
                probability(test.result.p_value),
                probability(test.holm),
                probability(test.benjamini_hochberg),
                verdict,
            )
        )
    for position, parameter, reason in view.untested:
        missing = (level(0), MISSING, MISSING, MISSING, MISSING)
        rows.append(row(plain(parameter), *view.levels[position], *missing, Cell(reason, "warn")))
    left_out = [k for k in PREDICTED if k in view.kinds.values()]
    notes = ("Predicted quantities are not among the tests.",) if left_out else ()
    return Table(
        f"Uniformity of ranks, truth drawn from the prior; error rate {100 * ALPHA:g} % over all "
        "rows together.",
        columns,
        tuple(rows),
        notes,
        slug="table-ranks",
    )
