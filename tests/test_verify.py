"""Damage is found, and nothing else is called damage; a store from elsewhere is data only."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recovery import Sweep
from recovery.cli import main
from recovery.database import FILE_NAME
from recovery.errors import RecoveryError
from recovery.results import Results
from recovery.store import Store
from recovery.testing import ExactDensity, ExactSampler, line
from recovery.verify import verify

Run = Callable[..., Results]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound") / "run"
    sampler, levels = ExactSampler(), {"trials": [5, 10]}
    sweep = Sweep(line, levels, truth="both", replicates=4, sampler=sampler, draws=100)
    sweep.run(folder, progress=False, report=False)
    return folder


@pytest.fixture
def whole(sound: Path, out: Path) -> Path:
    return Path(shutil.copytree(sound, out))


def damage(folder: Path, *statements: str) -> None:
    raw = sqlite3.connect(folder / FILE_NAME)
    for statement in statements:
        raw.execute(statement)
    raw.commit()
    raw.close()


def test_a_whole_store_has_nothing_wrong_with_it(
    whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = verify(whole)
    assert (found.findings, found.replicates, found.cells, found.left) == ([], 16, 4, 0)
    assert main(["status", str(whole), "--verify"]) == 0
    assert "16 replicates and 0 second fits in 4 cells" in capsys.readouterr().out


def test_what_is_planned_and_not_done_is_no_damage(whole: Path) -> None:
    lost = 'SELECT id FROM replicates WHERE "index" = 2'
    damage(
        whole,
        f"DELETE FROM posteriors WHERE replicate IN ({lost})",
        'DELETE FROM replicates WHERE "index" = 2',
    )
    found = verify(whole)
    assert (found.findings, found.left) == ([], 4)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE replicates SET sample_s = sample_s + 1 WHERE id = 3", "differs from its checksum"),
        ("UPDATE replicates SET estimates = zeroblob(length(estimates)) WHERE id = 3", "checksum"),
        ("UPDATE posteriors SET kept_draws = zeroblob(8) WHERE replicate = 3", "checksum"),
        ("UPDATE replicates SET estimates = zeroblob(length(estimates)), checksum = NULL "
         "WHERE id = 3", "its intervals are not the quantiles"),
        ("UPDATE replicates SET layout = 7, checksum = NULL WHERE id = 3", "is not there"),
        ("DELETE FROM posteriors WHERE replicate = 3", "its rows say otherwise"),
        ("INSERT INTO failures VALUES (3, 'sample', 'e', 't')", "its rows say otherwise"),
        ("UPDATE cells SET levels = replace(levels, '10', '11')", "its levels are those of cell"),
        ("UPDATE cells SET levels = '{' WHERE position = 1", "a text is not"),
    ],
)  # fmt: skip
def test_each_kind_of_damage_is_told_and_ends_with_1(
    whole: Path, statement: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(whole, statement)
    assert main(["status", str(whole), "--verify"]) == 1
    said = "".join(capsys.readouterr())
    assert told in said
    assert "Traceback" not in said


def loosened(folder: Path, table: str, *statements: str) -> None:
    """Change a table as damage does, which no constraint prevents; its words stay as they were."""
    raw = sqlite3.connect(folder / FILE_NAME)
    raw.execute("PRAGMA writable_schema = ON")
    (strict,) = raw.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (table,)).fetchone()
    loose = strict.replace("STRICT, WITHOUT", "WITHOUT").replace(") STRICT", ")")
    loose = loose.replace(" NOT NULL", "").replace(',\n    UNIQUE (cell, seed, "index")', "")
    index = f"sqlite_autoindex_{table}_1"
    kept = raw.execute("SELECT * FROM sqlite_schema WHERE name = ?", (index,)).fetchall()
    if "UNIQUE" in strict:
        raw.execute("DELETE FROM sqlite_schema WHERE name = ?", (index,))
    raw.execute("UPDATE sqlite_schema SET sql = ? WHERE name = ?", (loose, table))
    raw.commit()
    raw.close()
    damage(folder, *statements)
    raw = sqlite3.connect(folder / FILE_NAME)
    raw.execute("PRAGMA writable_schema = ON")
    raw.execute("UPDATE sqlite_schema SET sql = ? WHERE name = ?", (strict, table))
    if "UNIQUE" in strict:
        raw.executemany("INSERT INTO sqlite_schema VALUES (?, ?, ?, ?, ?)", kept)
    raw.commit()
    raw.close()


def test_a_doubled_key_is_found_though_the_index_denies_it(whole: Path) -> None:
    columns = "cell, seed, status, simulate_s, sample_s, rest_s, data_digest, session"
    loosened(
        whole,
        "replicates",
        f'INSERT INTO replicates ("index", {columns}) SELECT "index", {columns} FROM replicates '
        "WHERE id = 1",
    )
    assert any("is there 2 times" in finding for finding in verify(whole).findings)


def test_every_flipped_byte_of_a_posterior_is_found(whole: Path) -> None:
    store = Store.read(whole)
    ((estimates,),) = store.rows("SELECT estimates FROM replicates WHERE id = 5")
    ((kept,),) = store.rows("SELECT kept_draws FROM posteriors WHERE replicate = 5")
    store.close()
    content = (whole / FILE_NAME).read_bytes()
    rng = np.random.default_rng(1)
    found = 0
    for blob in (estimates, kept):
        # Long values are cut into pages: look for what is certainly within one.
        for start in rng.integers(0, len(blob) - 48, size=40):
            piece = blob[start : start + 48]
            if content.count(piece) != 1:
                continue
            place = content.index(piece) + int(rng.integers(48))
            flipped = bytearray(content)
            flipped[place] ^= 1 << int(rng.integers(8))
            (whole / FILE_NAME).write_bytes(flipped)
            assert verify(whole).findings, place
            found += 1
    assert found > 40


def test_a_flipped_byte_anywhere_ends_in_results_or_one_line(whole: Path) -> None:
    content = (whole / FILE_NAME).read_bytes()
    rng = np.random.default_rng(2)
    places = [*range(0, 100, 5), *rng.integers(0, len(content), size=60).tolist()]
    refused = 0
    for place in places:
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(rng.integers(8))
        (whole / FILE_NAME).write_bytes(flipped)
        for look in (verify, lambda folder: Results(folder).measures()):
            try:
                look(whole)
            except RecoveryError:
                refused += 1
    assert refused > 10


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIEW mine AS SELECT 1",
        "CREATE TRIGGER t AFTER INSERT ON replicates BEGIN DELETE FROM cells; END",
        "CREATE TABLE other (x)",
        "DROP TABLE failures",
    ],
)
def test_tables_that_are_not_this_programs_are_refused(whole: Path, statement: str) -> None:
    damage(whole, statement)
    for opening in (Store.read, Store.create_or_open):
        with pytest.raises(RecoveryError, match="holds other tables"):
            opening(whole)


def test_a_view_in_a_tables_place_is_refused(whole: Path) -> None:
    damage(
        whole,
        "ALTER TABLE replicates RENAME TO hidden",
        "CREATE VIEW replicates AS SELECT * FROM hidden",
    )
    with pytest.raises(RecoveryError, match="holds other tables"):
        Results(whole)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE cells SET levels = ?",
        "UPDATE cells SET problem = ?",
        "UPDATE design SET value = ?",
        "UPDATE layouts SET names = ?",
        "UPDATE sessions SET provenance = ?",
        "UPDATE cells SET priors = ?",
        "UPDATE cells SET settings = ?",
    ],
)
@pytest.mark.parametrize(
    "text", ["[" * 200_000, "{", "null", '"text"', "[1, 2]", '{"a": 1e999}', "NaN"],
    ids=["deep", "cut", "null", "text", "list", "huge", "nan"],
)  # fmt: skip
def test_json_that_is_not_what_it_should_be_ends_in_one_line(
    whole: Path, statement: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = sqlite3.connect(whole / FILE_NAME)
    raw.execute(statement, (text,))
    raw.commit()
    raw.close()
    for words in (
        ["status", str(whole)],
        ["status", str(whole), "--verify"],
        ["report", str(whole)],
    ):
        assert main(words) in (0, 1, 2, 3)
        assert "Traceback" not in capsys.readouterr().err


def test_a_huge_traceback_is_cut_where_it_is_read(run_line: Run, out: Path) -> None:
    class Failing(ExactSampler):
        def compile(self, *_: Any) -> Any:
            raise ValueError("no")

    run_line(sampler=Failing(), replicates=2)
    raw = sqlite3.connect(out / FILE_NAME)
    raw.execute("UPDATE failures SET traceback = ?, error = ?", ("t" * 20_000_000, "e" * 9_000_000))
    raw.commit()
    raw.close()
    frame = Results(out).replicates
    assert frame["traceback"].str.len().max() < 50_000
    assert frame["error"].str.len().max() < 5_000
    assert frame["traceback"].str.contains("left out").all()


def test_a_failed_replicate_that_is_run_again_is_kept_beside_what_came_of_it(
    run_line: Run, out: Path
) -> None:
    class Failing(ExactSampler):
        broken = True

        def compile(self, target: Any, simulated: Any) -> Any:
            if self.broken:
                raise ValueError("not today")
            return super().compile(target, simulated)

    sampler = Failing()
    first = run_line(sampler=sampler)
    assert set(first.replicates["status"]) == {"failed"}
    Failing.broken = False
    again = run_line(sampler=Failing())
    assert set(again.replicates["status"]) == {"failed"}  # nothing is run again unasked
    sweep = Sweep(line, sampler=Failing(), draws=100, replicates=3)
    retried = sweep.run(out, progress=False, report=False, retry_failed=True)
    assert set(retried.replicates["status"]) == {"ok"}
    store = Store.read(out)
    kept = store.rows('SELECT "index", status, stage, error FROM retried ORDER BY "index"')
    store.close()
    assert kept == [(i, "failed", "compile", "ValueError: not today") for i in range(3)]
    assert verify(out).findings == []
    expected = retried.estimates
    shutil.rmtree(out)
    sound = Sweep(line, sampler=Failing(), draws=100, replicates=3)
    assert sound.run(out, progress=False, report=False).estimates.equals(expected)


def test_results_read_before_failures_were_run_again_can_still_be_asked(
    run_line: Run, out: Path
) -> None:
    class Failing(ExactSampler):
        broken: tuple[int, ...] = (3,)
        fits = 0

        def compile(self, target: Any, simulated: Any) -> Any:
            return FailingDensity(self, target)

    class FailingDensity(ExactDensity):
        def fit(self, simulated: Any, settings: Any, seed: int) -> Any:
            Failing.fits += 1
            if Failing.fits - 1 in Failing.broken:
                raise ValueError("not today")
            return super().fit(simulated, settings, seed)

    before = run_line(sampler=Failing(), truth="prior", replicates=4, workers=1)
    assert before.replicates["status"].tolist() == ["ok", "ok", "ok", "failed"]
    before = Results(out)
    Failing.broken = ()
    sweep = Sweep(line, sampler=Failing(), truth="prior", draws=100, replicates=4)
    sweep.run(out, workers=1, progress=False, report=False, retry_failed=True)
    assert before.replicates["status"].tolist() == ["ok", "ok", "ok", "failed"]
    assert before.pairs()["n"].max() == 3
    assert Results(out).pairs()["n"].max() == 4
    assert set(before.estimates["replicate"]) == {0, 1, 2}
