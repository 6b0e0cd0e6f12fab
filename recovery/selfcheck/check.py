"""All posteriors tried, and whether everything agrees with what is known."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from joblib import Parallel, delayed

from recovery.selfcheck.cases import QUICK, Case
from recovery.selfcheck.finding import Finding
from recovery.selfcheck.traps import traps
from recovery.selfcheck.trial import sweep_of, tried

FALSE_ALARM: Final = 0.001
"""Probability, at most, that anything at all fails in a sound harness, over all seeds."""
SEED: Final = 42


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found.

    Attributes
    ----------
    findings : tuple of Finding
    """

    findings: tuple[Finding, ...]

    def level(self, finding: Finding) -> float:
        """Return the p value below which a finding fails (Bonferroni, weighted)."""
        return FALSE_ALARM * finding.weight / sum(each.weight for each in self.findings)

    @property
    def failed(self) -> tuple[Finding, ...]:
        """Findings that are not what is known."""
        return tuple(f for f in self.findings if not self.passed(f))

    def passed(self, finding: Finding) -> bool:
        """Whether a finding agrees with what is known."""
        return finding.p_value >= self.level(finding)


def selfcheck(cases: Sequence[Case] = QUICK, *, seed: int = SEED, workers: int = 1) -> Outcome:
    """Try posteriors whose flaws are known, each by a sweep of its own in a temporary folder.

    Parameters
    ----------
    cases : sequence of Case
    seed : int
        Root of all random numbers; with the same seed the outcome is the same.
    workers : int
        Cases at a time. One: in this process; more: each in a process of its own.

    Raises
    ------
    SettingsError
        If the seed is impossible; before anything runs.
    """
    for case in cases:
        sweep_of(case, seed)
    with tempfile.TemporaryDirectory(prefix="recovery-selfcheck-") as folder:
        each = Parallel(n_jobs=min(workers, len(cases)))(
            delayed(tried)(case, Path(folder) / str(number), seed)
            for number, case in enumerate(cases)
        )
    return Outcome((*(finding for findings in each for finding in findings), *traps()))
