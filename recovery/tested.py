"""What one check of a test came to: as text of a failure, line of a summary, property of a test."""

import contextlib
import dataclasses
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from recovery.inert import plain

if TYPE_CHECKING:
    from recovery.gates import Verdict

PROPERTY: Final = "recovery"
"""Name of the property of a test that tells of a check, which JUnit files show too."""
_ORDER: Final = ("fail", "error", "inconclusive", "pass")


@dataclass(frozen=True, slots=True)
class Checked:
    """What is told of one check.

    Attributes
    ----------
    scenario : str
    replicates : int
    fitted : int or None
        How many of them were fitted in this session; None where that is not known.
    counts : dict of str to int
        Number of verdicts by outcome.
    reasons : list of str
        Of every verdict that is no pass, worst first.
    """

    scenario: str
    replicates: int
    fitted: int | None
    counts: dict[str, int]
    reasons: list[str]

    @classmethod
    def of(cls, verdicts: "Sequence[Verdict]", replicates: int, fitted: int | None) -> Self:
        """Sum up verdicts of one run."""
        counts = {o: sum(v.outcome == o for v in verdicts) for o in _ORDER}
        reasons = [
            plain(f"{v.outcome} {_gate(v)}: {v.reason}")
            for outcome in _ORDER[:-1]
            for v in verdicts
            if v.outcome == outcome
        ]
        scenario = verdicts[0].scenario if verdicts else ""
        counts = {outcome: n for outcome, n in counts.items() if n}
        return cls(plain(scenario), replicates, fitted, counts, reasons)

    @classmethod
    def all_of(cls, properties: Iterable[Any]) -> list[Self]:
        """Read the checks among a test's properties."""
        found = []
        for name, text in properties:
            if name == PROPERTY:
                # Another plugin, or a test, may have chosen the same name.
                with contextlib.suppress(TypeError, ValueError):
                    found.append(cls(**json.loads(text)))
        return found

    def to_json(self) -> str:
        """Return it as a property holds it."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False)

    @property
    def failed(self) -> bool:
        """Whether a gate failed, or nothing was measured for it."""
        return bool(self.counts.get("fail", 0) + self.counts.get("error", 0))

    @property
    def undecided(self) -> str:
        """What is inconclusive, with how many replicates would decide; empty if nothing is."""
        return "; ".join(r for r in self.reasons if r.startswith("inconclusive "))

    def summary(self, nodeid: str) -> Iterator[str]:
        """Give the lines of a terminal's summary."""
        outcomes = ", ".join(f"{n} {outcome}" for outcome, n in self.counts.items())
        yield plain(f"{nodeid}: {self.scenario}, {self._replicates()}: {outcomes}")
        for reason in self.reasons:
            yield f"  {reason}"

    def text(self, verdicts: "Sequence[Verdict]", folder: Path, report: str) -> str:
        """Say why a test fails.

        Parameters
        ----------
        verdicts : sequence of Verdict
        folder : Path
            Of the run.
        report : str
            Where its report is.
        """
        bad = [v for outcome in _ORDER[:-1] for v in verdicts if v.outcome == outcome]
        names = ", ".join(v.gate for v in bad)
        lines = [f"{self.scenario}: {names} did not pass ({self._replicates()})"]
        for v in bad:
            lines += ["", f"{v.outcome.upper()}  {_gate(v)}"]
            if v.where:
                lines.append(f"  where     {v.where}")
            if math.isfinite(v.estimate):
                within = f", {v.lower:.4g} to {v.upper:.4g}" if math.isfinite(v.lower) else ""
                lines.append(f"  estimate  {v.estimate:.4g}{within}, n = {v.n}")
            lines.append(f"  reason    {v.reason}")
            if v.figure:
                lines.append(f"  figure    {folder / 'plots' / v.figure}.png")
        passed = ", ".join(_gate(v) for v in verdicts if v.outcome == "pass")
        lines += ["", f"passed: {passed or 'none'}", f"report: {report}"]
        return "\n".join(plain(line) for line in lines)

    def _replicates(self) -> str:
        if self.fitted is None:
            return f"{self.replicates} replicates"
        if self.fitted == 0:
            return f"{self.replicates} replicates from cache"
        some = "" if self.fitted == self.replicates else f", {self.fitted} of them"
        return f"{self.replicates} replicates{some} run now"


def _gate(verdict: "Verdict") -> str:
    return verdict.gate if verdict.limit is True else f"{verdict.gate} = {verdict.limit:g}"
