"""Whatever a store's file holds, reading it ends in results or in one line, and is verified."""

import contextlib
import dataclasses
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asking import asking

from recovery import Sweep
from recovery.cli import main
from recovery.database import FILE_NAME
from recovery.design import Settings
from recovery.engine.samplers import Fit, Target
from recovery.engine.structure import Simulated
from recovery.errors import NotAStore, RecoveryError, StoreDamaged
from recovery.results import Results
from recovery.schema import ESTIMATE_COLUMNS
from recovery.store import Store
from recovery.testing import ExactDensity, ExactSampler
from recovery.verify import verify


@dataclasses.dataclass
class Uneven(ExactSampler):
    """Fails for some seeds, and has divergences for others."""

    fails: tuple[int, ...] = ()

    def identity(self) -> dict[str, float]:
        return {}

    def compile(self, target: Target, simulated: Simulated) -> "UnevenDensity":
        return UnevenDensity(self, target)


class UnevenDensity(ExactDensity):
    def fit(self, simulated: Simulated, settings: Settings, seed: int) -> Fit:
        sampler: Uneven = self._sampler  # type: ignore[assignment]  # made by it
        if seed % 5 in sampler.fails:
            raise ValueError("not this seed")
        fit = super().fit(simulated, settings, seed)
        return Fit(fit.draws, dataclasses.replace(fit.sampling, divergences=seed % 2), fit.sample_s)


def unknown(parameters: Any, data: Any) -> Any:
    raise KeyError("nothing here")


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with rows in every table: failures run again, second fits, later quantities."""
    folder = tmp_path_factory.mktemp("rich") / "run"
    later = {"gap": "differences(betas)", "unknown": unknown}
    for quantities, fails, how in (
        ({}, (0, 1, 2), {}),
        (later, (0,), {"retry_failed": True}),
        (later, (0,), {"refit_flagged": True}),
    ):
        sweep = Sweep(asking(quantities, trials=5), {"trials": [5, 9]}, sampler=Uneven(fails=fails),
                      truth="both", replicates=4, draws=60)  # fmt: skip
        sweep.run(folder, workers=1, progress=False, report=False, **how)
    store = Store.read(folder)
    for (table,) in store.rows("SELECT name FROM sqlite_schema WHERE type = 'table'"):
        assert store.rows(f"SELECT count(*) > 0 FROM {table}") == [(1,)], table
    store.close()
    return folder


@pytest.fixture
def damaged(rich: Path, out: Path) -> Path:
    return Path(shutil.copytree(rich, out))


def change(folder: Path, statement: str, *values: object) -> int:
    """Change rows as damage does: no constraint prevents it, and the tables' words stay."""
    strict = "SELECT name, sql FROM sqlite_schema WHERE type = 'table'"
    with closing(sqlite3.connect(folder / FILE_NAME)) as raw:
        words = raw.execute(strict).fetchall()
    replaced = (("STRICT, WITHOUT", "WITHOUT"), (") STRICT", ")"), (" NOT NULL", ""))
    loose = dict(words)
    for old, new in replaced:
        loose = {name: sql.replace(old, new) for name, sql in loose.items()}
    _rewrite(folder, loose)
    try:
        with closing(sqlite3.connect(folder / FILE_NAME)) as raw, raw:
            return raw.execute(statement, values).rowcount
    finally:
        _rewrite(folder, dict(words))


def _rewrite(folder: Path, words: Mapping[str, str]) -> None:
    with closing(sqlite3.connect(folder / FILE_NAME)) as raw, raw:
        raw.execute("PRAGMA writable_schema = ON")
        for name, sql in words.items():
            raw.execute("UPDATE sqlite_schema SET sql = ? WHERE name = ?", (sql, name))


def every_frame(folder: Path) -> None:
    results = Results(folder)
    for name in ("cells", "fits", "replicates", "estimates", "refits", "refit_estimates",
                 "retried", "quantity_failures", "priors", "estimates_by_cell"):  # fmt: skip
        getattr(results, name)
    results.measures(ci_probs=(0.87,))
    results.calibration()
    results.pairs()


def begin_to_write(folder: Path) -> None:
    with Store.create_or_open(folder) as store:
        store.done()
        store.failing()
        store.quantities(later=True)


LOOKS: tuple[Callable[[Path], object], ...] = (every_frame, begin_to_write, verify)


def refusals(folder: Path) -> int:
    """Look at a store in every way; anything but a RecoveryError passes through."""
    refused = 0
    content = (folder / FILE_NAME).read_bytes()
    for look in LOOKS:
        (folder / FILE_NAME).write_bytes(content)
        try:
            look(folder)
        except RecoveryError as error:
            refused += 1
            told = str(error)
            assert "\n" not in told
    (folder / FILE_NAME).write_bytes(content)
    return refused


FIRST_OK = "id = (SELECT min(id) FROM replicates WHERE status = 'ok')"
OK_OVER_PRIOR = (
    "id = (SELECT max(id) FROM replicates JOIN cells ON cell = position "
    "WHERE truth_mode = 'prior' AND status = 'ok')"
)
FIRST_POSTERIOR = "replicate = (SELECT min(replicate) FROM posteriors)"
HOSTILE = ("NULL", "'text'", "x'ff00aa'", "x''", "9e999", "9223372036854775807",
           "CAST(x'ff41' AS TEXT)")  # fmt: skip
PLACES = (
    f"replicates SET data_digest = {{}} WHERE {FIRST_OK}",
    f"replicates SET cell = {{}} WHERE {FIRST_OK}",
    f"replicates SET status = {{}} WHERE {OK_OVER_PRIOR}",
    f"replicates SET estimates = {{}} WHERE {FIRST_OK}",
    f"replicates SET layout = {{}} WHERE {FIRST_OK}",
    f"replicates SET sample_s = {{}} WHERE {FIRST_OK}",
    f"posteriors SET quantiles = {{}} WHERE {FIRST_POSTERIOR}",
    f"posteriors SET kept_draws = {{}} WHERE {FIRST_POSTERIOR}",
    "failures SET error = {}",
    "failures SET replicate = {} WHERE replicate = (SELECT max(replicate) FROM failures)",
    "supplements SET quantiles = {}",
    "refits SET divergences = {}",
    "refits SET estimates = {}",
    "retried SET cell = {}",
    "retried SET stage = {}",
    "cells SET position = {} WHERE position = 1",
)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: " ".join(place.split()[:3:2]))
def test_a_value_of_the_wrong_type_ends_in_one_line_and_is_found(damaged: Path, place: str) -> None:
    whole = (damaged / FILE_NAME).read_bytes()
    tried = 0
    for value in HOSTILE:
        (damaged / FILE_NAME).write_bytes(whole)
        with contextlib.suppress(sqlite3.IntegrityError):  # row numbers are kept as nothing else
            assert change(damaged, f"UPDATE {place.format(value)}")
            tried += 1
            refusals(damaged)
            with contextlib.suppress(StoreDamaged):
                assert verify(damaged).findings, value
    assert tried


def test_a_rank_that_is_no_whole_number_is_damage_even_without_a_checksum(damaged: Path) -> None:
    store = Store.read(damaged)
    ((number, block),) = store.rows(f"SELECT id, estimates FROM replicates WHERE {FIRST_OK}")
    store.close()
    values = np.frombuffer(block, dtype="<f8").reshape(len(ESTIMATE_COLUMNS), -1).copy()
    values[ESTIMATE_COLUMNS.index("rank"), 0] = 1.5
    change(damaged, "UPDATE replicates SET estimates = ?, checksum = NULL WHERE id = ?",
           values.tobytes(), number)  # fmt: skip
    with pytest.raises(StoreDamaged, match="status .* --verify"):
        _ = Results(damaged).estimates
    assert any("ranks that are no whole" in finding for finding in verify(damaged).findings)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE supplements SET quantiles = zeroblob(length(quantiles))",
        "UPDATE supplements SET estimates = zeroblob(16), checksum = NULL",
        "UPDATE supplements SET checksum = zeroblob(8)",
    ],
)
def test_test_quantities_that_were_added_later_are_verified_too(
    damaged: Path, statement: str
) -> None:
    whole = verify(damaged)
    assert (whole.findings, whole.supplements > 0) == ([], True)
    change(damaged, statement)
    found = verify(damaged).findings
    assert len(found) == whole.supplements
    assert all("added later" in finding for finding in found)


def test_cells_that_are_not_numbered_one_after_another_are_not_taken_for_one_another(
    damaged: Path,
) -> None:
    change(damaged, "DELETE FROM cells WHERE position = 1")
    change(damaged, "DELETE FROM replicates WHERE cell IN (1, 3)")
    with pytest.raises(StoreDamaged, match="not numbered one after another"):
        Results(damaged)


def test_damage_without_a_checksum_is_told_of_each_replicate_by_its_key(damaged: Path) -> None:
    change(damaged, "UPDATE replicates SET checksum = NULL")
    change(damaged, "UPDATE posteriors SET quantiles = x'00ff'")
    replicates = Results(damaged).replicates
    keys = set(replicates.query("status == 'ok'")["key"])
    found = verify(damaged)
    assert found.unsummed == len(replicates)
    assert {finding.partition(":")[0] for finding in found.findings} == keys


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE retried SET status = 'ok'",
        "UPDATE retried SET stage = 'lunch'",
        "UPDATE replicates SET status = 'odd', checksum = NULL WHERE status = 'failed'",
        "UPDATE refits SET status = 'failed'",
        "DELETE FROM sessions",
        "UPDATE sessions SET provenance = '{'",
    ],
)
def test_how_a_replicate_ended_is_one_of_the_ways_there_are(damaged: Path, statement: str) -> None:
    change(damaged, statement)
    assert verify(damaged).findings


def test_findings_are_inert_and_the_last_line_of_all_is_on_stderr(
    damaged: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(damaged, "UPDATE cells SET digest = ? WHERE position = 1", "\x1b[2J\nTraceback")
    assert main(["status", str(damaged), "--verify"]) == 1
    said = capsys.readouterr()
    assert "\x1b" not in said.out
    assert not any(row.startswith("Traceback") for row in said.out.splitlines())
    assert said.err.count("\n") == 1
    assert "things are wrong with its store" in said.err


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_bytes_flipped_anywhere_end_in_results_or_in_one_line(damaged: Path, seed: int) -> None:
    content = (damaged / FILE_NAME).read_bytes()
    rng = np.random.default_rng(seed)
    for place in rng.integers(0, len(content), size=100).tolist():
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(rng.integers(8))
        (damaged / FILE_NAME).write_bytes(flipped)
        refusals(damaged)


# --- the file itself ----------------------------------------------------------------------------


def test_a_trigger_that_is_named_like_an_index_of_sqlite_is_refused(damaged: Path) -> None:
    raw = sqlite3.connect(damaged / FILE_NAME)
    raw.execute("CREATE TRIGGER evil AFTER INSERT ON sessions BEGIN DELETE FROM planned; END")
    raw.execute("PRAGMA writable_schema = ON")
    raw.execute(
        "UPDATE sqlite_schema SET name = 'sqlite_autoindex_evil', "
        "sql = replace(sql, 'evil', 'sqlite_autoindex_evil') WHERE name = 'evil'"
    )
    raw.commit()
    raw.close()
    for opening in (Store.read, Store.create_or_open):
        with pytest.raises(StoreDamaged, match="holds other tables"):
            opening(damaged)


@pytest.mark.parametrize("words", [") STRICT", "session INTEGER NOT NULL"])
def test_tables_of_other_words_are_refused_though_their_columns_are_the_same(
    damaged: Path, words: str
) -> None:
    raw = sqlite3.connect(damaged / FILE_NAME)
    raw.execute("PRAGMA writable_schema = ON")
    raw.execute(
        "UPDATE sqlite_schema SET sql = replace(sql, ?, ?) WHERE name = 'replicates'",
        (words, words.replace(" STRICT", "").replace(" NOT NULL", "")),
    )
    raw.commit()
    raw.close()
    with pytest.raises(StoreDamaged, match="holds other tables"):
        Store.read(damaged)


def test_what_analyze_leaves_in_a_store_is_no_damage(damaged: Path) -> None:
    raw = sqlite3.connect(damaged / FILE_NAME)
    raw.execute("ANALYZE")
    raw.close()
    assert verify(damaged).findings == []
    begin_to_write(damaged)


def test_a_file_that_is_cut_or_is_none_of_ours_is_refused_by_name_and_left_alone(
    damaged: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = (damaged / FILE_NAME).read_bytes()
    cuts = [whole[:size] for size in range(0, len(whole), len(whole) // 23)]
    # The end of the last page may hold nothing; then nothing is lost with it.
    cuts = [cut for cut in cuts if cut.ljust(len(whole), b"\0") != whole]
    assert len(cuts) > 20
    for content in (*cuts, b"some text\n" * 999, b"\0" * 9000):
        (damaged / FILE_NAME).write_bytes(content)
        for words in (["status", str(damaged), "--verify"], ["report", str(damaged)]):
            code = main(words)
            told = capsys.readouterr().err
            assert code in (1, 2), (len(content), words)
            assert told.count("\n") == 1
            assert FILE_NAME in told
            assert (damaged / FILE_NAME).read_bytes() == content
    (damaged / FILE_NAME).unlink()
    (damaged / FILE_NAME).mkdir()
    for opening in (Store.read, Store.create_or_open):
        with pytest.raises(NotAStore):
            opening(damaged)
