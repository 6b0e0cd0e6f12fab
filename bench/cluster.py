"""Two Dask workers beside two processes of this machine, on the same replicates, in turns.

    python bench/cluster.py                     # 3 pairs of 120 fits of plants

What is compared is the rate once both are at work: from the moment when a quarter of the records is
committed to the last commit. Starting a cluster and compiling in each worker come before.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recovery import Sweep
from recovery.record import Record
from recovery.scenarios.plants import plants
from recovery.store import Store


def rate(fits: int, **how: Any) -> float:
    """Return fits per second of a sweep, its beginning left out."""
    moments: list[float] = []
    append = Store.append

    def timed(self: Store, records: Sequence[Record], **options: Any) -> None:
        append(self, records, **options)
        moments.extend([time.perf_counter()] * len(records))

    Store.append = timed  # type: ignore[method-assign]  # to see when commits were done
    out = Path(tempfile.mkdtemp())
    try:
        sweep = Sweep(plants, {"trials": [100]}, replicates=fits, truth="prior")
        sweep.run(out, workers=2, progress=False, report=False, **how)
    finally:
        Store.append = append  # type: ignore[method-assign]  # as it was
        shutil.rmtree(out)
    begun = fits // 4
    return (len(moments) - begun) / (moments[-1] - moments[begun - 1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--fits", type=int, default=120)
    options = parser.parse_args()
    ratios = []
    for pair in range(options.pairs):
        ways = {"local": {"processes": 2}, "dask": {"executor": "dask"}}
        order = list(ways) if pair % 2 else list(reversed(ways))
        found = {way: rate(options.fits, **ways[way]) for way in order}
        ratios.append(found["dask"] / found["local"])
        told = ", ".join(f"{way} {found[way]:.2f} fits/s" for way in ways)
        print(f"pair {pair}: {told}, ratio {ratios[-1]:.3f}", flush=True)
    print(f"median ratio {statistics.median(ratios):.3f}")


if __name__ == "__main__":
    main()
