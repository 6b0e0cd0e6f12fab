"""Stores of every released format are read as they were, and gone on with.

`golden/format-3` was written by the last version that wrote that format, on PyMC 6: the conjugate
scenario `line` at trials=5,10 in both truth modes with exact draws, two replicates of each cell and
then a third with one more test quantity; some fits and some test quantities failed on purpose.
Machine and times were made neutral. `expected.json` has digests of the frames that it read there.
`golden/format-4` likewise: the same scenario with a generator of another structure, two replicates
of each cell and then a third, when those that had failed were run again.
"""

import hashlib
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recovery import Results, ahead, migration
from recovery.database import FILE_NAME
from recovery.errors import NotAStore, StoreDamaged
from recovery.schema import SCHEMA_VERSION
from recovery.store import Store
from recovery.verify import verify

GOLDEN = sorted((Path(__file__).parent / "golden").glob("format-*"))


@pytest.fixture(params=GOLDEN, ids=lambda folder: folder.name)
def golden(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    shutil.copytree(request.param, tmp_path / "golden")
    return tmp_path / "golden"


def digests(frame: pd.DataFrame) -> dict[str, str]:
    return {
        name: hashlib.blake2b(
            np.ascontiguousarray(frame[name].to_numpy(float)).tobytes(), digest_size=8
        ).hexdigest()
        for name in frame
        if frame[name].dtype.kind in "fiu"
    }


def reads_as_expected(folder: Path) -> bool:
    expected = json.loads((folder / "expected.json").read_text())
    results = Results(folder)
    found = digests(results.estimates), digests(results.replicates)
    texts = results.replicates["key"].tolist(), results.replicates["status"].tolist()
    return (
        found == (expected["estimates"], {**found[1], **expected["replicates"]})
        and texts == (expected["keys"], expected["status"])
        and results.estimates["parameter"].tolist() == expected["parameters"]
    )


def dump(folder: Path) -> tuple[list[tuple[int]], list[str]]:
    with closing(sqlite3.connect(folder / FILE_NAME)) as raw:
        return raw.execute("PRAGMA user_version").fetchall(), list(raw.iterdump())


def test_there_is_a_golden_store_for_every_earlier_format() -> None:
    assert [int(folder.name.partition("-")[2]) for folder in GOLDEN] == sorted(migration.STEPS)
    assert list(migration.STEPS) == list(range(min(migration.STEPS), SCHEMA_VERSION))


def test_an_earlier_format_is_read_to_the_bit_and_its_file_left_alone(golden: Path) -> None:
    before = (golden / FILE_NAME).read_bytes()
    assert reads_as_expected(golden)
    assert (golden / FILE_NAME).read_bytes() == before
    assert {path.name for path in golden.iterdir()} == {FILE_NAME, "expected.json"}


def test_opening_it_for_writing_brings_it_up_to_this_format_for_good(golden: Path) -> None:
    Store.create_or_open(golden).close()
    raw = sqlite3.connect(golden / FILE_NAME)
    assert raw.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    raw.close()
    assert reads_as_expected(golden)


def test_a_migration_that_is_interrupted_leaves_the_earlier_format(
    golden: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = dump(golden)
    last = max(migration.STEPS)
    broken = {**migration.STEPS, last: f"{migration.STEPS[last]} SELECT no_such_function();"}
    with monkeypatch.context() as patched:
        patched.setattr(migration, "STEPS", broken)
        with pytest.raises(Exception, match="no_such_function"):
            Store.create_or_open(golden)
    assert dump(golden) == before
    assert reads_as_expected(golden)
    Store.create_or_open(golden).close()
    assert reads_as_expected(golden)


@pytest.mark.parametrize("version", [0, 1, 2])
def test_formats_that_were_never_released_are_refused_with_the_way_out(
    golden: Path, version: int
) -> None:
    raw = sqlite3.connect(golden / FILE_NAME)
    raw.execute(f"PRAGMA user_version = {version}")
    raw.commit()
    raw.close()
    for opening in (Store.read, Store.create_or_open):
        with pytest.raises(NotAStore, match="earlier version.*--fresh"):
            opening(golden)


def test_an_earlier_format_with_a_trigger_is_refused_and_its_file_left_alone(golden: Path) -> None:
    raw = sqlite3.connect(golden / FILE_NAME)
    raw.execute("CREATE TRIGGER t AFTER INSERT ON sessions BEGIN DELETE FROM cells; END")
    raw.commit()
    raw.close()
    before = dump(golden)
    for opening in (Store.read, Store.create_or_open):
        with pytest.raises(StoreDamaged, match="holds other tables"):
            opening(golden)
        assert dump(golden) == before


KILLED = """
import os, signal, sys
from recovery import database
from recovery.store import Store

def die(folder, connection):
    # Out of its memory onto the disk, as in a migration of many pages.
    connection.execute("PRAGMA cache_size = 1")
    connection.execute("CREATE TABLE more AS SELECT * FROM posteriors")
    os.kill(os.getpid(), signal.SIGKILL)

database._check_tables = die
Store.create_or_open(sys.argv[1])
"""


def test_a_kill_within_a_migration_leaves_a_store_that_can_be_read_and_gone_on_with(
    golden: Path,
) -> None:
    words = [sys.executable, "-c", KILLED, str(golden)]
    assert subprocess.run(words, timeout=60, check=False).returncode == -signal.SIGKILL
    assert reads_as_expected(golden)
    Store.create_or_open(golden).close()
    assert reads_as_expected(golden)
    assert verify(golden).findings == []


def test_a_private_copy_is_made_once_and_not_by_each_thread_that_reads_ahead(
    golden: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "_FROM", 0)
    monkeypatch.setattr(ahead, "_touch", lambda *_: pytest.fail("another copy"))
    assert reads_as_expected(golden)


def test_a_store_that_was_migrated_is_whole_and_tells_what_has_no_checksum(golden: Path) -> None:
    with closing(sqlite3.connect(golden / FILE_NAME)) as raw:
        summed = raw.execute("PRAGMA user_version").fetchone()[0] > 3
    for _ in range(2):
        found = verify(golden)
        assert found.findings == []
        assert found.unsummed == (0 if summed else found.replicates + found.supplements)
        assert found.replicates > 0
        Store.create_or_open(golden).close()
