"""What a fixed truth shows in each cell, read beside the same cell over the prior."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr, bdtrc

from recovery.rank_tests import RankTest
from recovery.record import KEPT_DRAWS, built_in
from recovery.report.conflict import conflicts
from recovery.report.document import Cell, Column, Table, Text, Tone, row
from recovery.report.measured import PERCENT, axis_columns, judged
from recovery.report.text import MISSING, count, level, listed, plain
from recovery.report.view import CI_PROB, Measures, View
from recovery.scenario import LOG_POSTERIOR
from recovery.shares import binomial_interval
from recovery.thresholds import limit_of

_LOST = 0.5
"""Coverage below which recovery is called lost: intervals miss the truth more often than not."""
ENOUGH = 100
"""Ranks from which a sampler without a departure is called cleared: a posterior half or twice as
wide as it should be is nearly always found by so many (twice as wide: 97 % of times among 125
tests, 93 % among 500). One that lies half an sd beside the truth is found less often."""
_MOST_FITS = 0.5  # share of fits from which a higher density at the truth is worth a word


@dataclass(frozen=True, slots=True)
class Reading:
    """What a cell of truth mode ``fixed`` shows.

    Attributes
    ----------
    position : int
    tests, rejected : int
        Tests of ranks in the same cell of truth mode ``prior``, and how many found a departure;
        no tests if it was not run.
    together : int
        Tests over all cells together that found a departure.
    n_prior : int
        Ranks in the smallest of these tests.
    conflicts : list of str
        Parameters whose truth lies far out in its prior.
    off, lost : list of str
        Parameters whose coverage is not nominal, and whose intervals miss more often than hold,
        by more than Monte Carlo error explains over all rows.
    n, disagree : int
        Complete fits that have an r_hat, and those of them whose chains disagree by it.
    denser, ranked : int
        Fits in which the posterior density at the truth is above that of every kept draw, of so
        many in which it is known.
    """

    position: int
    tests: int
    rejected: int
    together: int
    n_prior: int
    conflicts: list[str]
    off: list[str]
    lost: list[str]
    n: int
    disagree: int
    denser: int
    ranked: int

    @property
    def cleared(self) -> bool:
        """Whether enough replicates were tested over the prior and no departure was found."""
        departed = self.rejected or self.together
        return self.tests > 0 and not departed and self.n_prior >= ENOUGH

    @property
    def elsewhere(self) -> bool:
        """Whether most fits stayed where the posterior is less dense than at the truth.

        Said of fits that lose the truth only: in many dimensions the truth is denser than most
        draws of an exact posterior, if it lies where the prior is dense.
        """
        return bool(self.off) and self.denser > _MOST_FITS * self.ranked

    @property
    def word(self) -> tuple[str, Tone]:
        """Say it as short as can be; `words` says why."""
        if self.rejected:
            return "not calibrated over the prior", "bad"
        why = ", conflict with the prior" if self.conflicts else ""
        if self.lost:
            return f"recovery lost{why}", "warn"
        if self.off:
            return f"coverage not nominal{why}", "warn"
        return f"not told apart from {PERCENT}", ""

    @property
    def words(self) -> tuple[str, Tone]:
        """Say in plain words what the cell shows, and no more."""
        if self.rejected:
            return "not calibrated over the prior either: look there first", "bad"
        parts = []
        tone: Tone = ""
        if self.lost:
            parts.append(f"recovery of {some(self.lost)} is lost")
        elif self.off:
            parts.append(f"coverage of {some(self.off)} is not nominal")
        else:
            parts.append(f"coverage as {PERCENT} or not told apart from it")
        if self.off:
            tone = "warn"
            parts.append(
                "truth and prior are in conflict"
                if self.conflicts
                else "at one truth it need not be"
            )
            if self.together:
                parts.append("over all cells together the sampler is not calibrated")
            elif self.cleared:
                parts.append("the sampler is cleared over the prior")
            elif self.tests:
                parts.append(f"no departure over the prior, in {self.n_prior} replicates only")
            else:
                parts.append("run truth mode prior to test the sampler")
        if self.elsewhere:
            tone = "warn"
            parts.append("chains stayed where the posterior is less dense than at the truth")
        return "; ".join(parts), tone


def readings(view: View) -> list[Reading]:
    """Read every cell of truth mode ``fixed`` that has a complete fit, in their order."""
    rows = view.fitted("fixed")
    far_out = conflicts(view)
    found = []
    for position in dict.fromkeys(sorted(m.position for m in rows)):
        tests = _tests(view, position)
        mine = [m for m in rows if m.position == position and judged(view, m)]
        r_hat = view.complete("r_hat_max")[view.complete("position") == position]
        r_hat = r_hat[~np.isnan(r_hat)]
        denser, ranked = _denser(view, position)
        found.append(
            Reading(
                position=position,
                tests=sum(test.position is not None for test in tests),
                rejected=sum(test.rejected and test.position is not None for test in tests),
                together=sum(test.rejected and test.position is None for test in tests),
                n_prior=min((t.result.n for t in tests if t.position is not None), default=0),
                conflicts=[name for cell, name in far_out if cell == position],
                off=[m.parameter for m in mine if _off(m, len(rows))],
                lost=[m.parameter for m in mine if _lost(m, len(rows))],
                n=len(r_hat),
                disagree=int((r_hat > limit_of("r_hat_max")).sum()),
                denser=denser,
                ranked=ranked,
            )
        )
    return found


def _tests(view: View, position: int) -> list[RankTest]:
    """Return the tests of the same cell over the prior, and those over all cells with it."""
    twin = view.twin(position)
    if twin is None or not any(test.position == twin for test in view.rank_tests):
        return []
    return [test for test in view.rank_tests if test.position in (twin, None)]


def _off(measures: Measures, among: int) -> bool:
    """Whether coverage is not nominal, by exact tails at 5 % over so many rows."""
    estimate, n = measures.coverage.estimate, measures.coverage.n
    k = round(estimate * n)
    low, high = float(bdtr(k, n, CI_PROB)), float(bdtrc(k - 1, n, CI_PROB)) if k else 1.0
    return min(1.0, 2 * min(low, high)) <= 0.05 / among


def _lost(measures: Measures, among: int) -> bool:
    coverage = measures.coverage
    _, upper = binomial_interval(coverage.estimate, coverage.n, 1 - 0.05 / among)
    return bool(upper < _LOST)


def _denser(view: View, position: int) -> tuple[int, int]:
    """Count the fits whose truth has a posterior density above that of every kept draw.

    Those that ranked it among fewer draws, for want of effective ones, are not counted.
    """
    for (cell, name), group in view.groups.items():
        if cell == position and built_in(name, group.kind) == LOG_POSTERIOR:
            columns = ("rank", "ranked_among", "pit")
            rank, among, pit = (view.estimates((cell, name), column) for column in columns)
            known = np.isfinite(pit) & (among == KEPT_DRAWS)
            return int((rank == among)[known].sum()), int(known.sum())
    return 0, 0


def readings_table(view: View) -> Table:
    """Return a row per cell: the sampler over the prior, the truth in its prior, the recovery."""
    columns = (
        *(axis_columns(view) or (Column("cell", numeric=False),)),
        Column("sampler, over the prior", numeric=False, hint="ranks in the cell of mode prior"),
        Column("truth and prior", numeric=False),
        Column("chains disagree", hint="fits whose r_hat crosses its threshold, of all complete"),
        Column("denser at the truth", hint="fits in which the posterior density at the truth is "
               "above that of every kept draw"),
        Column("what the cell shows", numeric=False),
    )  # fmt: skip
    rows = [_row(view, reading) for reading in readings(view)]
    return Table(
        "What the fixed truth shows, cell by cell, beside the same cell over the prior.",
        columns,
        tuple(rows),
        slug="table-readings",
        notes=(
            "The sampler is judged by ranks over the prior, not by coverage at one truth. Cleared: "
            f"no departure in the cell, nor over all cells, in {ENOUGH} replicates or more. That "
            "says nothing of truths that the prior makes unlikely. Lost: intervals of "
            f"{PERCENT} miss the truth more often than they hold it.",
            "A density at the truth above that of all kept draws, in most fits, means that the "
            "chains never were where the posterior is densest. That part may hold little of the "
            "posterior all the same, being narrow; else the chains have missed a mode.",
        ),
    )


def _row(view: View, reading: Reading) -> tuple[Cell, ...]:
    if not reading.tests:
        sampler = Cell("not run", "note")
    elif reading.rejected:
        sampler = Cell(f"not uniform in {reading.rejected} of {count(reading.tests, 'test')}",
                       "bad")  # fmt: skip
    elif reading.together:
        sampler = Cell("not uniform over all cells together", "bad")
    else:
        sampler = Cell(f"no departure found (n = {reading.n_prior:,})")
    conflict = Cell(f"conflict: {some(reading.conflicts)}", "warn") if reading.conflicts else ""
    disagree = Cell(MISSING)
    if reading.n:
        text = f"{reading.disagree} of {level(reading.n)}"
        disagree = Cell(text, "warn" if reading.disagree else "")
    denser = f"{reading.denser} of {level(reading.ranked)}" if reading.ranked else MISSING
    text, tone = reading.words
    return row(
        *(view.levels[reading.position] or ("all",)),
        sampler,
        conflict,
        disagree,
        Cell(denser, "warn" if reading.elsewhere else ""),
        Cell(text, tone),
    )


def reading_text(view: View) -> Text | None:
    """Say in a few sentences where recovery is lost, and what of that the sampler is cleared of."""
    found = readings(view)
    lost = [reading for reading in found if reading.lost]
    if not lost:
        return None
    names = list(dict.fromkeys(name for reading in lost for name in reading.lost))
    text = f"Fixed truth: recovery of {some(names)} is lost{where(view, lost)}: intervals of "
    text += f"{PERCENT} miss that truth more often than they hold it."
    cleared = [reading for reading in lost if reading.cleared]
    if cleared:
        these = "these cells" if len(cleared) == len(lost) else f"{len(cleared)} of these cells"
        text += (
            f" In {these} the ranks over the prior show no departure, so the sampler is cleared "
            "for truths that the prior makes likely, not for this one."
        )
    conflict = [reading for reading in lost if reading.conflicts]
    if conflict:
        involved = list(dict.fromkeys(name for reading in conflict for name in reading.conflicts))
        text += f" The truth of {some(involved)} is in conflict with its prior there."
    elsewhere = [reading for reading in lost if reading.elsewhere]
    if elsewhere:
        text += (
            " The posterior density at the truth is above that of every kept draw in "
            f"{sum(r.denser for r in elsewhere):,} of {sum(r.ranked for r in elsewhere):,} fits"
            f"{where(view, elsewhere)}: chains that agree there have not been where the posterior "
            "is densest."
        )
    disagree = sum(reading.disagree for reading in found)
    if disagree:
        text += (
            f" Chains disagree in {count(disagree, 'fit')} at the fixed truth; they are flagged."
        )
    return Text(text, "warn", "table-readings")


def where(view: View, found: Sequence[Reading]) -> str:
    """Name the cells, by the levels of each axis if they are all combinations of these."""
    if not view.swept or len(found) == sum(mode == "fixed" for mode in view.modes):
        return " in every cell" if view.swept else ""
    levels = [view.levels[reading.position] for reading in found]
    by_axis = [list(dict.fromkeys(column)) for column in zip(*levels, strict=True)]
    if len(levels) == np.prod([len(axis) for axis in by_axis]):
        every = [
            f"{plain(axis)} = {listed(texts)}"
            for axis, texts, whole in zip(
                view.swept, by_axis, zip(*view.levels, strict=True), strict=True
            )
            if len(texts) < len(set(whole))
        ]
        return f" at {', '.join(every)}"
    return f" in {count(len(found), 'cell')}"


def some(names: Sequence[str]) -> str:
    """Name up to four parameters, and how many more there are."""
    shown = [plain(name) for name in names]
    return listed(shown) if len(shown) <= 4 else f"{', '.join(shown[:4])} and {len(shown) - 4} more"
