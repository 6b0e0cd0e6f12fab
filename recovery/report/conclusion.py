"""What a run comes to in a few words, and never more than it shows."""

from typing import Final

import numpy as np

from recovery.rank_tests import RankTest
from recovery.report.conflict import cells_in_conflict
from recovery.report.document import Conclusion, Text, Tone
from recovery.report.lowest import lowest
from recovery.report.measured import PERCENT, judged
from recovery.report.reading import ENOUGH, Reading, readings, some, where
from recovery.report.soundness import MISSPECIFIED, other_causes, unseen
from recovery.report.text import count, plain, share
from recovery.report.view import CI_PROB, View
from recovery.shares import binomial_interval

_MARGIN: Final = 0.05
"""Distance from nominal coverage that a row should be able to tell."""
_MANY: Final = 0.05  # share of failed fits from which a run is in a bad way
_ORDER: Final[tuple[Tone, ...]] = ("", "note", "warn", "bad")


def conclusion(view: View, tests: list[RankTest]) -> Conclusion:
    """Sum up a run: its words name the state of the sampler, its sentences what to know.

    Parameters
    ----------
    view : View
    tests : list of RankTest
        Of truth mode ``prior``, as `Results.rank_tests` gives them.
    """
    if not view.n_ok:
        return Conclusion("Nothing was measured", (_nothing(view),), "bad")
    words, sampler = _sampler(view, tests)
    low = _low(view)
    if low and tests and sampler.tone != "bad":
        words = "Coverage is low, though ranks show no departure"
    fixed = readings(view)
    lost = sum(bool(reading.lost) for reading in fixed)
    if lost:
        words += (
            f"; the fixed truth is lost in {lost} of {count(view.modes.count('fixed'), 'cell')}"
        )
    found = [sampler, low, _precision(view), _fixed(view, fixed), _lost_fits(view)]
    sentences = tuple(text for text in found if text)
    left = max(int(view.cells["n_planned"].sum()) - len(view.fits), 0)
    if left:
        words = f"{words} (preliminary)"
    tone = max((text.tone for text in sentences), key=_ORDER.index)
    return Conclusion(words, sentences, tone)


def _nothing(view: View) -> Text:
    done = len(view.fits)
    text = f"None of {count(done, 'replicate')} that were run is complete"
    errors = [error for _, error, _ in view.results.columns.failures.values()]
    if errors:
        first = max(dict.fromkeys(errors), key=errors.count)
        text += f"; the most frequent error is {plain(first)[:200]}"
    return Text(f"{text}.", "bad", "failures")


def _sampler(view: View, tests: list[RankTest]) -> tuple[str, Text]:
    """Judge the sampler, by ranks over the prior only."""
    if "prior" not in view.modes:
        text = "Truth mode prior was not run, so whether the posteriors are right is not known."
        return "The sampler was not judged", Text(text, "note", "calibration")
    if not tests:
        text = "No rank over the prior could be tested, so nothing is known of the sampler."
        return "Inconclusive", Text(text, "warn", "calibration")
    rejected = [test for test in tests if test.rejected]
    n = min((test.result.n for test in tests if test.position is not None), default=0)
    if rejected:
        names = list(dict.fromkeys(test.parameter for test in rejected))
        text = (
            f"Over the prior, ranks are not uniform in {len(rejected)} of "
            f"{count(len(tests), 'test')} ({some(names)}): these posteriors are not those of the "
            "model that made the data"
        )
        text += f": {MISSPECIFIED}" if view.generated else "."
        text += other_causes(view)
        return "Posteriors are not calibrated", Text(text, "bad", "calibration")
    cells = sum(mode == "prior" for mode in view.modes)
    tested = len({test.position for test in tests} - {None})
    if tested < cells:
        text = (
            f"Over the prior no departure from uniform ranks was found in {tested} of "
            f"{count(cells, 'cell')}; the others have no rank that could be tested, so nothing is "
            "known of them."
        )
        return "Inconclusive: cells without a test", Text(text, "warn", "table-overview")
    if n < ENOUGH:
        text = (
            f"Over the prior no departure from uniform ranks was found, but {count(n, 'replicate')}"
            " in the smallest test are too few to conclude: a posterior half or twice as wide as "
            f"it should be is found reliably by {ENOUGH} or more."
        )
        return "Inconclusive: too few replicates", Text(text, "warn", "calibration")
    text = (
        f"Over the prior no departure from uniform ranks was found in {count(len(tests), 'test')} "
        f"of {n:,} replicates or more: for truths that the prior makes likely the sampler is sound "
        f"as far as these can tell. {unseen(tests)}"
    )
    return "No departure found over the prior", Text(text, "", "calibration")


def _low(view: View) -> Text | None:
    """Say where coverage over the prior is lower than Monte Carlo error explains."""
    found = lowest(view, "prior")
    if found is None or not found.low:
        return None
    coverage = found.measures.coverage
    text = (
        f"Over the prior, coverage of {PERCENT} intervals is {share(coverage.estimate)} "
        f"({found.interval()}) for {found.where(view)}: lower than "
        "Monte Carlo error explains, at a 5 % error rate over the rows."
    )
    return Text(text, "warn", "table-prior")


def _precision(view: View) -> Text | None:
    """Say how many coverages over the prior are known too loosely to be told from others."""
    rows = [m for m in view.fitted("prior") if m.coverage.n and judged(view, m)]
    loose = 0
    # By the width at nominal coverage: that of an estimate would ask for more of the unlucky.
    needed = int(np.ceil((1.96 / _MARGIN) ** 2 * CI_PROB * (1 - CI_PROB)))
    for m in rows:
        lower, upper = binomial_interval(m.coverage.estimate, m.coverage.n)
        loose += bool(lower <= CI_PROB <= upper and m.coverage.n < needed)
    if not loose:
        return None
    text = (
        f"Coverage over the prior is inconclusive in {loose} of {count(len(rows), 'row')}: its "
        f"Monte Carlo interval holds {PERCENT}, but n is too small to tell that from a coverage "
        f"{share(_MARGIN, 2)} off; {needed} replicates a cell are enough."
    )
    return Text(text, "warn", "table-prior")


def _fixed(view: View, found: list[Reading]) -> Text | None:
    """Say what became of the fixed truth, and call a conflict with the prior that."""
    if not found:
        return None
    lost = [reading for reading in found if reading.lost]
    off = [reading for reading in found if reading.off]
    if not off:
        rows = [m for m in view.fitted("fixed") if judged(view, m)]
        cells = sum(mode == "fixed" for mode in view.modes)
        told = len({m.position for m in rows})
        if not told:
            text = "At the fixed truth no row has a coverage that can be judged."
            return Text(text, "note", "table-readings")
        text = f"At the fixed truth no coverage is told apart from {PERCENT} in any cell"
        if told < cells:
            text = (
                f"At the fixed truth no coverage is told apart from {PERCENT} in {told} of "
                f"{count(cells, 'cell')}; the others have none that can be judged."
            )
            return Text(text, "warn", "table-overview")
        n = min(m.coverage.n for m in rows)
        if n < ENOUGH:
            few = f"{text}, but {count(n, 'replicate')} in the smallest are too few to conclude."
            return Text(few, "warn", "table-readings")
        return Text(f"{text}.", "", "table-readings")
    worst = lost or off
    names = _names(worst, lost=bool(lost))
    alike = all(len(_names([reading], lost=bool(lost))) == len(names) for reading in worst)
    which = some(names) if alike else f"one or more of {some(names)}"
    what = f"recovery of {which} is lost" if lost else f"coverage of {which} is not nominal"
    text = f"At the fixed truth {what}{where(view, worst)}"
    in_conflict = cells_in_conflict(view)
    among = [reading for reading in worst if reading.position in in_conflict]
    if among:
        involved = list(dict.fromkeys(name for reading in among for name in reading.conflicts))
        there = "there" if len(among) == len(worst) else f"in {len(among)} of these cells"
        text += (
            f"; {there} the truth of {some(involved)} is in "
            "conflict with its prior, which alone can do that to an exact posterior"
        )
    text += "."
    elsewhere = [reading for reading in worst if reading.elsewhere]
    if elsewhere:
        text += (
            f" In {count(len(elsewhere), 'cell')} the posterior is denser at the truth than at "
            "every kept draw in most fits: chains may have missed a mode, although they agree."
        )
    return Text(text, "warn", "table-readings")


def _names(found: list[Reading], *, lost: bool) -> list[str]:
    names = [name for reading in found for name in (reading.lost if lost else reading.off)]
    return list(dict.fromkeys(names))


def _lost_fits(view: View) -> Text | None:
    """Say what share of fits failed, or is to be taken with care."""
    done, failed = len(view.fits), len(view.fits) - view.n_ok
    flagged = int(view.fits["flagged"].sum())
    parts = []
    if failed:
        parts.append(f"{failed:,} of {count(done, 'fit')} failed")
    if flagged:
        parts.append(f"{flagged:,} of {count(view.n_ok, 'complete fit')} are flagged")
    if not parts:
        return None
    tone: Tone = "bad" if failed > _MANY * done else "warn"
    return Text(f"{' and '.join(parts)}.", tone, "failures" if failed else "table-flagged")
