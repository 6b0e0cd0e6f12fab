"""The promises of the store."""

import dataclasses
import os
import sqlite3
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recovery.columns import Columns
from recovery.database import FILE_NAME
from recovery.errors import (
    NotAStore,
    OutputError,
    StoreBusy,
    StoreDamaged,
    StoreWriteError,
)
from recovery.record import (
    QUANTILE_GRID,
    Compilation,
    Estimates,
    Failure,
    Record,
    Sampling,
    Stage,
    Status,
    Times,
)
from recovery.store import Store

CELL = {
    "digest": "c" * 16,
    "levels": {"trials": 5},
    "truth_mode": "fixed",
    "settings": {"draws": 10},
    "problem": {},
    "priors": [],
}


def record(index: int, names: tuple[str, ...] = ("b", "a")) -> Record:
    rng = np.random.default_rng(index)
    n = len(names)
    columns = {
        f.name: rng.normal(size=n)
        for f in dataclasses.fields(Estimates)
        if f.name not in ("names", "kinds", "rank", "ranked_among", "quantiles", "kept_draws")
    }
    return Record(
        key=f"{CELL['digest']}-1-{index}",
        cell=CELL["digest"],
        seed=1,
        index=index,
        status=Status.OK,
        times=Times(0.1, 0.2, 0.3),
        data_digest="0d" * 16,
        sampling=Sampling("exact", 4, 100, 0, 1, 2, 3, 0.9, 400),
        estimates=Estimates(
            names=names,
            kinds=("parameter",) * n,
            rank=np.arange(n),
            ranked_among=np.full(n, 99),
            quantiles=rng.normal(size=(n, len(QUANTILE_GRID))),
            kept_draws=rng.normal(size=(99, n)),
            **columns,
        ),
        compilations=(Compilation("density", 1.5, 7),),
    )


FAILED: dict[str, Any] = {
    "status": Status.FAILED,
    "sampling": None,
    "estimates": None,
    "failure": Failure(Stage.SAMPLE, "ValueError: no", "Traceback ..."),
}


def failed(index: int) -> Record:
    return dataclasses.replace(record(index), **FAILED)


def begin(store: Store) -> Store:
    store.begin({"scenario": "s"}, [CELL], [(CELL["digest"], 1, 3)], {"v": 1})
    return store


def done(store: Store) -> set[int]:
    """Numbers of the replicates that are there, all of one cell and seed."""
    return store.done()[CELL["digest"], 1]


def test_what_is_appended_is_read_back_to_the_bit(out: Path) -> None:
    given = record(0)
    with begin(Store.create_or_open(out)) as store:
        store.append([given, failed(1)])
    store = Store.read(out)
    columns = Columns(store)
    assert given.estimates is not None
    (block,) = columns.blocks
    assert block.names == ["b", "a"]
    for name in (
        "truth",
        "mean",
        "sd",
        "r_hat",
        "ess_bulk",
        "ess_tail",
        "mcse_mean",
        "crps",
        "pit",
    ):
        assert np.array_equal(block.column(name)[:, 0], getattr(given.estimates, name))
    for name in ("rank", "ranked_among"):
        assert np.array_equal(block.column(name)[:, 0], getattr(given.estimates, name))
    for prob in (0.001, 0.05, 0.5, 0.975, 0.89):
        place = int(np.argmin(np.abs(QUANTILE_GRID - prob)))
        (found,) = columns.quantiles(store, prob)
        assert np.array_equal(found[:, 0], given.estimates.quantiles[:, place])
    ((kept,),) = store.rows("SELECT kept_draws FROM posteriors")
    assert np.array_equal(np.frombuffer(kept).reshape(99, 2), given.estimates.kept_draws)
    assert columns.ok.tolist() == [True, False]
    assert columns.failures == {1: ("sample", "ValueError: no", "Traceback ...")}
    assert store.done() == {(CELL["digest"], 1): {0, 1}}
    store.close()


def test_nan_and_infinity_survive(out: Path) -> None:
    given = record(0)
    assert given.estimates is not None
    given.estimates.r_hat[:] = [np.nan, np.inf]
    with begin(Store.create_or_open(out)) as store:
        store.append([given])
        (block,) = Columns(store).blocks
    assert np.array_equal(block.column("r_hat")[:, 0], [np.nan, np.inf], equal_nan=True)
    assert block.worst("r_hat").tolist() == [np.inf]


def test_a_key_has_at_most_one_record_and_a_failed_commit_writes_none_of_its_batch(
    out: Path,
) -> None:
    with begin(Store.create_or_open(out)) as store:
        store.append([record(0)])
        with pytest.raises(StoreWriteError, match="nothing of its commit was written"):
            store.append([record(1, ("new",)), record(0)])
        assert done(store) == {0}
        # The layout registered in the failed batch gets a valid number the next time.
        store.append([record(2, ("new",))])
        blocks = Columns(store).blocks
    assert [(block.names, block.rows.tolist()) for block in blocks] == [
        (["b", "a"], [0]),
        (["new"], [1]),
    ]


def test_replicates_stand_in_the_order_of_their_numbers_whatever_the_order_of_commits(
    out: Path,
) -> None:
    with begin(Store.create_or_open(out)) as store:
        store.append([record(2), record(0)])
        store.append([failed(3), record(1, ("other",)), record(4)])
        columns = Columns(store)
        quantiles = columns.quantiles(store, 0.3)
    assert columns.index.tolist() == [0, 1, 2, 3, 4]
    both, other = columns.blocks
    assert both.rows.tolist() == [0, 2, 4]
    assert other.rows.tolist() == [1]
    place = int(np.argmin(np.abs(QUANTILE_GRID - 0.3)))
    for column, index in enumerate((0, 2, 4)):
        estimates = record(index).estimates
        assert estimates is not None
        assert np.array_equal(both.column("mean")[:, column], estimates.mean)
        assert np.array_equal(quantiles[0][:, column], estimates.quantiles[:, place])


def test_a_batch_is_one_commit(out: Path) -> None:
    with begin(Store.create_or_open(out)) as store:
        (before,) = store.rows("PRAGMA data_version")
        watcher = sqlite3.connect(out / FILE_NAME)
        watcher.execute("PRAGMA data_version").fetchone()
        versions = set()
        for batch in ([record(i) for i in range(10)], [record(10)]):
            store.append(batch)
            versions.add(watcher.execute("PRAGMA data_version").fetchone())
        watcher.close()
        assert store.rows("PRAGMA data_version") == [before]  # its own commits do not count
    assert len(versions) == 2


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE replicates SET estimates = x'00' WHERE \"index\" = 0",
        "UPDATE replicates SET layout = 77",
        'UPDATE replicates SET estimates = NULL WHERE "index" = 1',
        "INSERT INTO failures VALUES (9, 'sample', 'e', 't')",
    ],
)
def test_tables_that_contradict_each_other_are_damage(out: Path, damage: str) -> None:
    with begin(Store.create_or_open(out)) as store:
        store.append([record(0), record(1)])
    raw = sqlite3.connect(out / FILE_NAME)
    raw.execute(damage)
    raw.commit()
    raw.close()
    store = Store.read(out)
    with pytest.raises(StoreDamaged, match=r"contradict each other .*--fresh"):
        Columns(store)
    store.close()


def test_a_second_writer_learns_who_holds_the_store_and_a_dead_one_blocks_nobody(
    out: Path,
) -> None:
    code = textwrap.dedent(f"""
        import sys, time
        from recovery.store import Store
        store = Store.create_or_open({str(out)!r})
        print("held", flush=True)
        time.sleep(60)
    """)
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StoreBusy, match=f"process {holder.pid} on "):
            Store.create_or_open(out)
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()  # type: ignore[union-attr]  # it was opened above
    Store.create_or_open(out).close()


def test_readers_see_what_is_committed_while_a_run_is_writing(out: Path) -> None:
    with begin(Store.create_or_open(out)) as store:
        store.append([record(0)])
        reader = Store.read(out)
        assert done(reader) == {0}
        store.append([record(1)])
        assert done(reader) == {0, 1}
        reader.close()


def test_a_closed_store_is_one_file(out: Path) -> None:
    with begin(Store.create_or_open(out)) as store:
        store.append([record(0)])
    assert {p.name for p in out.iterdir()} - {".lock"} == {FILE_NAME}
    Store.read(out).close()
    assert {p.name for p in out.iterdir()} - {".lock"} == {FILE_NAME}


def test_acknowledged_records_survive_kill_9(out: Path) -> None:
    code = textwrap.dedent(f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_store import begin, record
        from recovery.store import Store
        store = begin(Store.create_or_open({str(out)!r}))
        for index in range(100_000):
            store.append([record(index)])
            print(index, flush=True)
    """)
    for moment in (0.0, 0.05, 0.3):
        writer = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", code], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        acknowledged = {int(writer.stdout.readline())}
        time.sleep(moment)
        writer.kill()
        acknowledged |= {int(text) for text in writer.stdout if text.endswith("\n")}
        writer.wait()
        writer.stdout.close()
        with Store.create_or_open(out) as store:
            assert acknowledged <= done(store)
            assert store.rows("PRAGMA integrity_check") == [("ok",)]
        for file in out.iterdir():
            file.unlink()


def test_fresh_keeps_the_old_store_beside_the_new_one(out: Path) -> None:
    with begin(Store.create_or_open(out)) as store:
        store.append([record(0)])
    with Store.create_or_open(out, fresh=True) as store:
        assert store.done() == {}
    Store.create_or_open(out, fresh=True).close()
    for number, replicates in ((1, 1), (2, 0)):
        old = sqlite3.connect(out / f"{FILE_NAME}.previous-{number}")
        assert old.execute("SELECT count(*) FROM replicates").fetchone() == (replicates,)
        old.close()


@pytest.mark.parametrize("content", [b"not a database at all, but text\n" * 99, b"\x00" * 4096])
def test_a_foreign_file_in_the_stores_place_is_refused_and_left_alone(
    out: Path, content: bytes
) -> None:
    out.mkdir()
    file = out / FILE_NAME
    file.write_bytes(content)
    for opening in (Store.read, Store.create_or_open):
        with pytest.raises((NotAStore, StoreDamaged), match=r"move it away|move the file away"):
            opening(out)
    assert file.read_bytes() == content


def test_a_run_killed_before_its_store_held_anything_blocks_nobody(out: Path) -> None:
    out.mkdir()
    (out / FILE_NAME).touch()
    with pytest.raises(StoreDamaged, match="an empty file"):
        Store.read(out)
    raw = sqlite3.connect(out / FILE_NAME)
    raw.execute("PRAGMA journal_mode = WAL")
    raw.close()
    with begin(Store.create_or_open(out)) as store:
        store.append([record(0)])


def test_another_programs_database_is_refused(out: Path) -> None:
    out.mkdir()
    other = sqlite3.connect(out / FILE_NAME)
    other.execute("CREATE TABLE mine (x)")
    other.close()
    with pytest.raises(NotAStore, match="not one of this program"):
        Store.create_or_open(out)


def test_a_store_of_a_newer_format_asks_for_an_upgrade(out: Path) -> None:
    Store.create_or_open(out).close()
    raw = sqlite3.connect(out / FILE_NAME)
    raw.execute("PRAGMA user_version = 99")
    raw.close()
    with pytest.raises(NotAStore, match="newer version.*upgrade"):
        Store.read(out)


def test_a_store_of_an_earlier_format_is_refused_with_the_way_out(out: Path) -> None:
    Store.create_or_open(out).close()
    raw = sqlite3.connect(out / FILE_NAME)
    raw.execute("PRAGMA user_version = 1")
    raw.close()
    with pytest.raises(NotAStore, match="earlier version.*--fresh"):
        Store.create_or_open(out)
    Store.create_or_open(out, fresh=True).close()


def test_damage_is_named_with_the_way_out_and_never_a_raw_error(out: Path) -> None:
    with begin(Store.create_or_open(out)) as store:
        store.append([record(i) for i in range(20)])
    whole = (out / FILE_NAME).read_bytes()
    told = 0
    for cut in range(100, len(whole), max(1, len(whole) // 25)):
        (out / FILE_NAME).write_bytes(whole[:cut])
        try:
            store = Store.read(out)
            store.rows("SELECT * FROM replicates JOIN posteriors")
            store.close()
        except (NotAStore, StoreDamaged) as error:
            told += FILE_NAME in str(error)
    assert told > 10


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_refused_by_permission(tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(OutputError, match="cannot be written"):
        Store.create_or_open(tmp_path / "run")


def test_an_output_folder_that_is_a_file_or_under_one_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    for place in (file, file / "below"):
        with pytest.raises(OutputError, match="is a file, not a folder; give another --out"):
            Store.create_or_open(place)
    with pytest.raises(NotAStore, match="no results.sqlite here"):
        Store.read(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_stops_the_commit_and_loses_nothing_acknowledged(out: Path) -> None:
    with begin(Store.create_or_open(out)) as store:
        store.append([record(0)])
        (pages,) = store.rows("PRAGMA page_count")[0]
        store.rows(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(StoreWriteError, match="could not be written.*run the same command"):
            store.append([record(i) for i in range(1, 200)])
        assert done(store) == {0}
        store.rows("PRAGMA max_page_count = 1000000")
        store.append([record(1)])
        assert done(store) == {0, 1}


# --- second tries -------------------------------------------------------------------------------


def refit(index: int, **changed: Any) -> Record:
    return dataclasses.replace(
        record(index), **{"key": f"{CELL['digest']}-1-{index}-refit", "refit": True, **changed}
    )


def test_a_failed_record_is_replaced_only_where_that_is_asked_for_and_kept_apart(
    out: Path,
) -> None:
    with begin(Store.create_or_open(out)) as store:
        store.append([failed(0), record(1)])
        with pytest.raises(StoreWriteError, match="contradicts what is there"):
            store.append([record(0)])
        store.append([record(0)], retry=True)
        assert store.rows('SELECT "index", status FROM replicates ORDER BY 1') == [
            (0, "ok"), (1, "ok"),
        ]  # fmt: skip
        query = 'SELECT "index", status, stage, error, traceback FROM retried'
        kept = [(0, "failed", "sample", "ValueError: no", "Traceback ...")]
        assert store.rows(query) == kept
        assert store.rows("SELECT count(*) FROM failures") == [(0,)]
        # A complete one is never replaced, whatever is asked for.
        with pytest.raises(StoreWriteError, match="contradicts what is there"):
            store.append([record(1)], retry=True)
        assert store.rows(query) == kept


def test_a_failure_is_kept_each_time_that_it_is_run_again(out: Path) -> None:
    with begin(Store.create_or_open(out)) as store:
        store.append([failed(0)])
        for _ in range(3):
            store.append([failed(0)], retry=True)
        assert store.rows("SELECT count(*) FROM retried") == [(3,)]
        assert store.rows("SELECT count(*) FROM failures") == [(1,)]


def test_a_failure_is_not_lost_when_the_commit_of_its_replacement_fails(out: Path) -> None:
    with begin(Store.create_or_open(out)) as store:
        store.append([failed(0), record(1)])
        with pytest.raises(StoreWriteError):
            store.append([record(0), record(1)], retry=True)
        assert store.rows('SELECT "index", status FROM replicates ORDER BY 1') == [
            (0, "failed"), (1, "ok"),
        ]  # fmt: skip
        assert store.rows("SELECT error FROM failures") == [("ValueError: no",)]
        assert store.rows("SELECT count(*) FROM retried") == [(0,)]


def test_failed_replicates_count_as_done_unless_they_are_to_be_run_again(out: Path) -> None:
    with begin(Store.create_or_open(out)) as store:
        store.append([failed(0), record(1), failed(2)])
        assert done(store) == {0, 1, 2}
        assert store.done(failed=False)[CELL["digest"], 1] == {1}
        kinds = {("sample", "ValueError: no"): 2}
        assert store.failing() == {CELL["digest"]: (1, kinds)}


def test_a_second_fit_stands_beside_the_first_and_only_with_the_same_data(out: Path) -> None:
    with begin(Store.create_or_open(out)) as store:
        store.append([record(0), failed(1), record(3)])
        for wrong in (refit(2), refit(1)):
            with pytest.raises(StoreWriteError, match="there is no first fit"):
                store.append([wrong])
        assert store.rows("SELECT count(*) FROM refits") == [(0,)]
        store.append([refit(0), refit(3, data_digest="0e" * 16)])
        ((_, *sound), (_, status, error, estimates)) = store.rows(
            "SELECT replicate, status, error, estimates FROM refits"
        )
        assert sound[:2] == ["ok", None]
        assert (status, estimates) == ("failed", None)
        assert "its data come out otherwise" in error
        assert done(store) == {0, 1, 3}
        # Run again where the data are the same, it stands instead, and the failure apart.
        store.append([refit(3)], retry=True)
        assert store.rows("SELECT status FROM refits") == [("ok",), ("ok",)]
        assert store.rows('SELECT "index", status, refit FROM retried') == [(3, "failed", 1)]
        with pytest.raises(StoreWriteError):
            store.append([refit(0)])
