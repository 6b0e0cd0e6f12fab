"""A report that is being written when its process is killed: each file is whole, old or new."""

import random
import shutil
import signal
import time
from pathlib import Path
from typing import NamedTuple

import pytest
from crash.driver import Nursery, Order

from recovery import Sweep
from recovery.testing import ExactSampler, line

SEED = 20261125
KILLS = 8
LATEST_S = 1.5


class Reports(NamedTuple):
    """A run and its report, both before and after replicates were added."""

    old: Path
    new: Path
    content: dict[str, bytes]


def written(out: Path, replicates: int) -> dict[str, bytes]:
    sweep = Sweep(line, sampler=ExactSampler(), draws=50, replicates=replicates)
    sweep.run(out, progress=False)
    return contents(out)


def contents(out: Path) -> dict[str, bytes]:
    """Return what a reader would take for files of the report."""
    return {
        str(file.relative_to(out)): file.read_bytes()
        for file in sorted(out.rglob("*"))
        if file.is_file() and not file.name.startswith((".", "results.sqlite"))
    }


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Reports:
    folder = tmp_path_factory.mktemp("reports")
    written(folder / "old", 2)
    shutil.copytree(folder / "old", folder / "new")
    return Reports(folder / "old", folder / "new", written(folder / "new", 3))


def ready(reports: Reports, out: Path, *, old: bool) -> None:
    """Lay out the newer store, with or without the report of the older one beside it."""
    if old:
        shutil.copytree(reports.old, out)
    out.mkdir(exist_ok=True)
    shutil.copy(reports.new / "results.sqlite", out)


def half_written(reports: Reports, out: Path) -> list[str]:
    before = contents(reports.old)
    return [
        name
        for name, content in contents(out).items()
        if content not in (before.get(name), reports.content.get(name))
    ]


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("file_size", [3_000, 40_000, 60_000, 150_000])
def test_a_kill_in_the_middle_of_a_file_leaves_the_old_one_or_none(
    tmp_path: Path, reports: Reports, nursery: Nursery, file_size: int, old: bool
) -> None:
    out = tmp_path / "run"
    ready(reports, out, old=old)
    with nursery.run(Order(str(out), report=True, file_size=file_size)) as run:
        assert run.wait() == -signal.SIGXFSZ
    assert half_written(reports, out) == []
    # There is half a file, but none that anyone would take for a whole one.
    (half,) = [file for file in out.rglob(".*") if file.stat().st_size == file_size]
    assert half.suffix == ".part"


def test_a_kill_at_any_moment_leaves_no_half_report_file_and_the_next_writes_them_all(
    tmp_path: Path, reports: Reports, nursery: Nursery
) -> None:
    out = tmp_path / "run"
    ready(reports, out, old=True)
    numbers = random.Random(SEED)
    for kill in range(KILLS):
        wait = LATEST_S * numbers.random()
        with nursery.run(Order(str(out), report=True)) as run:
            time.sleep(wait)
        assert half_written(reports, out) == [], f"seed {SEED}, kill {kill} after {wait:.4f} s"
    with nursery.run(Order(str(out), report=True)) as run:
        assert run.wait() == 0
    assert contents(out) == reports.content
