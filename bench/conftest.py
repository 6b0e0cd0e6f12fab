"""Stores that benchmarks read, made once and gone afterwards."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for big_store, as for a script of this folder

MILLION = 1_000_000


@pytest.fixture(scope="session")
def store_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[int], Path]]:
    """Write a store of so many replicates of four parameters, once; skip a million unless asked."""
    from big_store import write

    folder = tmp_path_factory.mktemp("stores")
    written: dict[int, Path] = {}

    def of(replicates: int) -> Path:
        if replicates >= MILLION:
            wanted = os.environ.get("RECOVERY_BENCH_MILLION")
            if not wanted:
                pytest.skip("takes 11 GB of disk and minutes; set RECOVERY_BENCH_MILLION=1")
            if (Path(wanted) / "results.sqlite").is_file():
                return Path(wanted)
        if replicates not in written:
            written[replicates] = write(folder / str(replicates), replicates)
        return written[replicates]

    yield of
    shutil.rmtree(folder)


# What the kernel tells a parent of a child's peak memory counts the parent's own as well.
_PEAK = """
import re, sys
from pathlib import Path
found = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())
print("peak", found.group(1), file=sys.stderr)
"""


@pytest.fixture
def in_child() -> Callable[..., float]:
    """Run code in a process of its own, and return its peak resident memory in MB; Linux only."""

    def run(code: str, *arguments: object) -> float:
        words = [sys.executable, "-c", code + _PEAK, *map(str, arguments)]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        return int(done.stderr.split()[-1]) / 1000

    return run
