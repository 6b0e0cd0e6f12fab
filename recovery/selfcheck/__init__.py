"""The harness tested on posteriors whose flaws are known, through the same code as any run."""

from recovery.selfcheck.cases import FULL, QUICK, Case
from recovery.selfcheck.check import Outcome, selfcheck
from recovery.selfcheck.finding import Finding
from recovery.selfcheck.table import print_outcome

__all__ = ["Case", "FULL", "Finding", "Outcome", "QUICK", "print_outcome", "selfcheck"]
