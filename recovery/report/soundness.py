"""Whether the sampler is sound, judged by the ranks of truths drawn from the prior."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recovery.calibration import Uniformity, uniformity
from recovery.report.document import Block, Cell, Column, Section, Table, Text, row
from recovery.report.measured import axis_columns
from recovery.report.text import MISSING, count, level, plain, probability
from recovery.report.view import PREDICTED, View

ALPHA = 0.05
_FEW = 200  # ranks, up to which a posterior 20 % too narrow or too wide is often not seen
_Ranks: TypeAlias = tuple[int | None, str, NDArray[np.int64], int]
"""Cell or None for all, parameter, ranks, and how many draws they are among."""


@dataclass(frozen=True, slots=True)
class RankTest:
    """The test of one parameter in one cell, or over all cells where `position` is None."""

    position: int | None
    parameter: str
    result: Uniformity
    adjusted: float

    @property
    def rejected(self) -> bool:
        """Whether the ranks are not uniform, at an error rate held over all tests together."""
        return self.adjusted <= ALPHA


def rank_tests(view: View, fits: Literal["all", "clean"] = "all") -> list[RankTest]:
    """Test the ranks of every fitted parameter in truth mode ``prior``.

    Besides each cell, all cells together are tested where there are several and their data are
    independent, which they are unless a sampler setting is an axis. P values are adjusted by
    Holm's method over all of these tests. Estimates that are not finite or have no spread have no
    rank to speak of and are left out; see `untested`. So are flagged fits, if only the others
    (``clean``) are asked for.
    """
    found: list[_Ranks] = []
    by_parameter: dict[str, list[_Ranks]] = defaultdict(list)
    for m in view.fitted("prior"):
        key = (m.position, m.parameter)
        finite, spread = view.rankable(key)
        usable = finite & spread
        if fits == "clean":
            usable &= ~view.in_flagged_fit(key)
        if not usable.any():
            continue
        ranks, among = view.results.columns.ranks(*key)
        test = (*key, ranks[usable].astype(np.int64), among)
        by_parameter[m.parameter].append(test)
    swept_settings = "swept" in view.results.identity.values()
    for parameter, tests in by_parameter.items():
        if len(tests) > 1 and not swept_settings and len({test[3] for test in tests}) == 1:
            pooled = np.concatenate([test[2] for test in tests])
            found.append((None, parameter, pooled, tests[0][3]))
    found += [test for tests in by_parameter.values() for test in tests]
    results = [uniformity(values, among, ALPHA) for _, _, values, among in found]
    adjusted = holm([result.p_value for result in results])
    return [
        RankTest(position, parameter, result, p)
        for (position, parameter, _, _), result, p in zip(found, results, adjusted, strict=True)
    ]


def untested(view: View) -> list[tuple[int, str, str]]:
    """Return cell, parameter and reason where no replicate has a rank that could be tested."""
    found = []
    for m in view.fitted("prior"):
        finite, spread = view.rankable((m.position, m.parameter))
        if not (finite & spread).any():
            reason = "constant" if finite.all() else "not finite"
            found.append((m.position, m.parameter, f"not tested: {reason}"))
    return found


def holm(p_values: list[float]) -> list[float]:
    """Adjust p values so that rejecting those below alpha errs anywhere with at most alpha.

    Holm (1979), Scandinavian Journal of Statistics 6, 65-70.
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for passed, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - passed) * p_values[i]))
        adjusted[i] = largest
    return adjusted


def soundness_section(view: View, tests: list[RankTest]) -> Section:
    """Return the section on calibration."""
    return Section("calibration", "Is the sampler sound?", tuple(_blocks(view, tests)), brief=True)


def verdict_text(view: View, tests: list[RankTest]) -> Text:
    """Say in a sentence or two what the ranks show, and no more."""
    if "prior" not in view.modes:
        return Text(
            "Truth mode prior was not run, so this report cannot say whether the posteriors are "
            "right: with a fixed truth, coverage need not be nominal even if they are.",
            "note",
        )
    if not tests:
        lacking = "rank that could be tested" if untested(view) else "complete fit"
        return Text(
            f"There is no {lacking} in truth mode prior, so nothing can be said on whether the "
            "posteriors are right.",
            "warn",
        )
    rejected = [test for test in tests if test.rejected]
    if not rejected:
        return Text(
            "Truth drawn from the prior: no departure from uniform ranks was found in "
            f"{count(len(tests), 'test')} (exact simultaneous band, Holm over all of them at "
            f"{100 * ALPHA:g} %). That is no proof of soundness. {_unseen(tests)} "
            "Contraction, in the table over the prior, would be near 0 then."
        )
    worst = min(rejected, key=lambda test: test.adjusted)
    where = " over all cells" if worst.position is None else view.at(worst.position)
    return Text(
        f"Truth drawn from the prior: ranks are not uniform in {len(rejected)} of "
        f"{count(len(tests), 'test')} (exact simultaneous band, Holm over all of them at "
        f"{100 * ALPHA:g} %), most clearly for {plain(worst.parameter)}{where}. The posteriors "
        "there are not those of the model that simulated the data: look at the sampler's "
        "diagnostics first, then for a difference between simulator and fitted model."
        + _other_causes(view),
        "bad",
    )


def _unseen(tests: list[RankTest]) -> str:
    """Say what can be wrong although no test rejects."""
    fewest = min(test.result.n for test in tests)
    few = (
        f"With {count(fewest, 'replicate')} in the smallest of {count(len(tests), 'test')}, a "
        "posterior 20 % too narrow or too wide can pass, and ranks"
    )
    blind = (
        "of parameters cannot see a posterior that ignores data (one equal to the prior passes)."
    )
    return f"{few if fewest <= _FEW else 'Ranks'} {blind}"


def _other_causes(view: View) -> str:
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
        clean = rank_tests(view, "clean")
        rejected = sum(test.rejected for test in clean)
        text += f" Without flagged fits, {rejected} of {count(len(clean), 'test')} reject."
    return text


def _blocks(view: View, tests: list[RankTest]) -> list[Block]:
    blocks: list[Block] = [verdict_text(view, tests)]
    if tests or untested(view):
        blocks.append(
            Text(
                "If the truth is drawn from the prior and the posterior is exact, the rank of the "
                "truth among posterior draws is uniform (Talts et al. 2018, "
                "doi:10.48550/arXiv.1804.06788). The test is the exact simultaneous band of "
                "Säilynoja et al. (2022), doi:10.1007/s11222-022-10090-6."
            )
        )
        blocks.append(_table(view, tests))
    return blocks


def _table(view: View, tests: list[RankTest]) -> Table:
    columns = (
        Column("parameter", numeric=False),
        *axis_columns(view),
        Column("n", hint="ranks, one per complete fit whose estimate is finite and has a spread"),
        Column("p", hint="exact p value of this one test"),
        Column("p, Holm", hint="adjusted for all tests together"),
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
                probability(test.result.p_value),
                probability(test.adjusted),
                verdict,
            )
        )
    for position, parameter, reason in untested(view):
        missing = (level(0), MISSING, MISSING)
        rows.append(row(plain(parameter), *view.levels[position], *missing, Cell(reason, "warn")))
    left_out = [k for k in PREDICTED if k in view.kinds.values()]
    notes = ("Predicted quantities are not among the tests.",) if left_out else ()
    return Table(
        f"Uniformity of ranks, truth drawn from the prior; error rate {100 * ALPHA:g} % over all "
        "rows together.",
        columns,
        tuple(rows),
        notes,
        long=True,
    )
