"""What was decided of each cell, at which replicate, on what evidence: made anew from the store."""

import math
from dataclasses import dataclass
from itertools import compress
from typing import cast

import numpy as np

from recovery.decided import ALPHA, Claim, Decision, judge
from recovery.design import TruthMode
from recovery.report.document import Block, Cell, Column, Section, Table, Text, Tone, row
from recovery.report.measured import PERCENT, axis_columns
from recovery.report.text import MISSING, count, level, number, plain, share
from recovery.report.view import MODES, View
from recovery.seen import Seen, in_every_replicate, see_all

_TONES: dict[Claim, Tone] = {
    Claim.MISCALIBRATED: "bad",
    Claim.WITHIN: "",
    Claim.DIFFERS: "note",
    Claim.UNDECIDED: "warn",
    Claim.NOTHING: "warn",
}


@dataclass(frozen=True, slots=True)
class _Judged:
    """A cell and what can be said of it.

    Attributes
    ----------
    names : tuple of str
        The parameters, as the arrays of the decision have them.
    used : int
        Replicates in the store.
    """

    position: int
    decision: Decision
    names: tuple[str, ...]
    used: int

    @property
    def tested(self) -> tuple[str, str]:
        """The cell's e-value, and the parameter that has the largest one; as text."""
        log_e = self.decision.log_e_values
        if not np.isfinite(log_e).any():
            return MISSING, MISSING
        return _e_value(self.decision.log_e_value), plain(self.names[int(np.nanargmax(log_e))])

    @property
    def widest(self) -> tuple[str, str]:
        """The widest confidence sequence of coverage, and its parameter; as text."""
        width = self.decision.upper - self.decision.lower
        if not np.isfinite(width).any():
            return MISSING, MISSING
        at = int(np.nanargmax(width))
        ends = share(self.decision.lower[at], 3), share(self.decision.upper[at], 3)
        return " to ".join(ends), plain(self.names[at])


def decided_section(view: View) -> Section | None:
    """Return the section on what was decided, if a session was to stop there."""
    wanted = [e for s in view.results.sessions if (e := s.get("execution") or {}).get("stop_when")]
    if not wanted:
        return None
    margin, most = float(wanted[-1]["margin"]), int(wanted[-1]["max_replicates"])
    judged = _judged(view, margin)
    blocks: list[Block] = [_claims(judged, view, margin), _saved(judged, most)]
    blocks.append(_table(judged, view, most))
    return Section("decided", "What was decided", tuple(blocks), brief=tuple(blocks))


def _judged(view: View, margin: float) -> list[_Judged]:
    columns, n_cells = view.results.columns, len(view.cells)
    seed = view.results.identity.get("seed")
    every = see_all(columns, seed if isinstance(seed, int) else -1)
    used = np.bincount(view.replicate_positions, minlength=n_cells).tolist()
    found = []
    for position in range(n_cells):
        # Up to the first replicate that is not there yet, if the run was interrupted.
        seen: list[Seen | None] = []
        while (position, len(seen)) in every:
            seen.append(every[position, len(seen)])
        decision = judge(seen, cast(TruthMode, view.modes[position]), n_cells, margin)
        names = _names(view, position)
        found.append(_Judged(position, decision, names, used[position]))
    return found


def _names(view: View, position: int) -> tuple[str, ...]:
    names = [name for cell, name in view.groups if cell == position]
    kinds = [view.groups[position, name].kind for name in names]
    return tuple(compress(names, in_every_replicate(names, kinds)))


def _claims(judged: list[_Judged], view: View, margin: float) -> Text:
    counts = dict.fromkeys(Claim, 0)
    for one in judged:
        counts[one.decision.claim] += 1
    decided = sum(n for claim, n in counts.items() if claim.decided)
    text = (
        f"Cells were to grow until a claim can be made of each. Of {count(len(judged), 'cell')}, "
        f"{decided} {'is' if decided == 1 else 'are'} decided"
        + (": " if decided else ".")
        + ", ".join(f"{n} {claim}" for claim, n in counts.items() if n and claim.decided)
        + ("." if decided else "")
    )
    if "prior" in view.modes:
        text += (
            " Truth drawn from the prior: miscalibrated says that the PITs are not uniform; within "
            f"the margin, that the coverage of every parameter's {PERCENT} interval is less than "
            f"{margin:g} from nominal, not that the posterior is exact."
        )
    if "fixed" in view.modes:
        text += (
            " Fixed truth: within the margin says the same of coverage; coverage differs, that "
            "some parameter's is not nominal, which need not be a fault there."
        )
    text += (
        f" With probability {100 * (1 - ALPHA):g} % at least no claim is false, over all "
        f"{count(len(judged), 'cell')} together and although every replicate was looked at."
    )
    failed = _failed_over_prior(view)
    if failed:
        text += (
            f" That takes failures to have nothing to do with the truth, and {count(failed, 'fit')}"
            " of truth mode prior failed: if extreme truths made them fail, what is left is not "
            "uniform even for a sound sampler."
        )
    open_ = counts[Claim.UNDECIDED] + counts[Claim.NOTHING]
    tone: Tone = "bad" if counts[Claim.MISCALIBRATED] else "warn" if open_ else ""
    return Text(text, tone)


def _failed_over_prior(view: View) -> int:
    failed = view.replicate_positions[~view.results.columns.ok]
    return sum(view.modes[position] == "prior" for position in failed.tolist())


def _saved(judged: list[_Judged], most: int) -> Text:
    total, whole = sum(one.used for one in judged), len(judged) * most
    text = f"{count(total, 'replicate')} were run; {count(most, 'replicate')} in every cell"
    if total <= whole:
        return Text(f"{text} would have been {whole:,}: {100 * (1 - total / whole):.1f} % saved.")
    return Text(f"{text}, the most to be added to, would have been {whole:,}.")


def _table(judged: list[_Judged], view: View, most: int) -> Table:
    columns = (
        Column("truth mode", numeric=False),
        *axis_columns(view),
        Column("replicates"),
        Column("claim", numeric=False),
        Column("at", hint="replicates looked at when the claim was made, failed ones counted"),
        Column("e-value", hint="mean over the cell's quantities; bets against uniform PITs"),
        Column("largest", numeric=False, hint="the parameter with the largest e-value"),
        Column("coverage", hint=f"the widest confidence sequence of a {PERCENT} interval's"),
        Column("of", numeric=False, hint="the parameter that has it"),
    )
    rows = tuple(
        row(
            MODES.get(view.modes[one.position], ""),
            *view.levels[one.position],
            level(one.used),
            Cell(_claim(one, most), _TONES[one.decision.claim]),
            level(one.decision.looked) if one.decision.claim.decided else MISSING,
            *one.tested,
            *one.widest,
        )
        for one in judged
    )
    limit = (
        f"A cell is miscalibrated from an e-value of {number(len(judged) / ALPHA)} on: the number "
        f"of cells over {ALPHA:g}.",
    )
    notes = (
        *(limit if "prior" in view.modes else ()),
        "Coverage is not judged of predicted, constant and discrete quantities, nor are the ranks "
        "of predicted and constant ones. Evidence and sequences are those at the claim, or after "
        "all replicates where there is none.",
    )
    return Table("What can be said of each cell.", columns, rows, notes)


def _claim(one: _Judged, most: int) -> str:
    if one.decision.claim is Claim.UNDECIDED:
        ended = "at the most replicates" if one.used >= most else "so far; go on with the run"
        return f"{one.decision.claim} {ended}"
    return str(one.decision.claim)


def _e_value(log_e: float) -> str:
    """Write an e-value; what is beyond a million says only that."""
    return ">1,000,000" if log_e > math.log(1e6) else number(math.exp(log_e), 3)
