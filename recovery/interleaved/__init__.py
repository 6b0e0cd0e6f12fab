"""Two states of the code, run on one machine in turns, so that their times can be compared.

Each side is a process of its own, which compiles once and then runs the same replicates as the
other, round by round, while the other waits.
"""

from recovery.interleaved.job import Asked, Ran, interleave
from recovery.interleaved.judged import judge, write_reports

__all__ = ["Asked", "Ran", "interleave", "judge", "write_reports"]
