"""Resident memory of the runner over a long run: flat, or not.

Run with ``python bench/memory.py [replicates] [exact|nutpie]``. After the first 500 replicates a
straight line is laid through resident memory against replicates done; its slope should be below
5 MB per 1,000. Reads /proc, so Linux only.
"""

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from recovery import Sweep
from recovery.loading import load_scenario
from recovery.record import Record
from recovery.store import Store
from recovery.testing import ExactSampler, line

SETTLED = 500


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    replicates = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    sampler = sys.argv[2] if len(sys.argv) > 2 else "exact"
    seen: list[tuple[int, float]] = []
    append = Store.append

    def watched(self: Store, records: Sequence[Record]) -> None:
        append(self, records)
        done = seen[-1][0] if seen else 0
        seen.append((done + len(records), resident_mb()))

    Store.append = watched
    if sampler == "exact":
        sweep = Sweep(line, replicates=replicates, sampler=ExactSampler())
    else:
        sweep = Sweep(load_scenario("plants"), replicates=replicates)
    with tempfile.TemporaryDirectory() as folder:
        # In threads of this one process, whose memory is watched.
        sweep.run(folder, processes=1, report=False)
    done, resident = np.array([row for row in seen if row[0] > SETTLED]).T
    slope = np.polyfit(done / 1000, resident, 1)[0]
    print(
        f"{sampler}: {replicates} replicates, {resident[0]:.0f} MB after {SETTLED}, "
        f"{resident[-1]:.0f} MB at the end, slope {slope:.2f} MB per 1,000"
    )


if __name__ == "__main__":
    main()
