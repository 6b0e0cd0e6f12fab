"""The columns of a store: blocks, groups, and reading ahead."""

import sqlite3
from collections.abc import Callable
from contextlib import closing

import numpy as np
import pytest

from recovery import Results, ahead
from recovery.columns import Columns
from recovery.errors import StoreDamaged
from recovery.store import Store

Run = Callable[..., Results]


@pytest.fixture
def results(run_line: Run) -> Results:
    return run_line({"trials": [5, 10]}, truth="both", replicates=12, draws=60)


NAMES = ("betas[left]", "betas[right]", "total", "log_likelihood", "log_prior", "log_posterior")


def test_a_group_is_one_parameter_of_one_cell_in_the_order_of_its_replicates(
    results: Results,
) -> None:
    columns = results.columns
    assert list(columns.groups) == [(position, name) for position in range(4) for name in NAMES]
    for (position, name), group in columns.groups.items():
        rows = results.estimates[results.estimates["parameter"] == name]
        assert np.array_equal(columns.position[group.places], np.full(12, position))
        assert np.array_equal(columns.index[group.places], np.arange(12))
        mean = group.of(columns.column("mean"))
        assert np.array_equal(mean, rows["mean"].to_numpy()[12 * position : 12 * position + 12])


def test_a_group_keeps_the_replicates_it_is_told_to(results: Results) -> None:
    columns = results.columns
    keep = columns.index % 3 == 0
    group = columns.groups[2, "total"].where(keep)
    assert columns.index[group.places].tolist() == [0, 3, 6, 9]
    whole = columns.groups[2, "total"].of(columns.column("sd"))
    assert np.array_equal(group.of(columns.column("sd")), whole[::3])


def test_reading_ahead_changes_nothing_that_is_read(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "_FROM", 1)
    monkeypatch.setattr(ahead, "_PIECE", 7)
    with closing(Store.read(results.folder)) as store:
        found = Columns(store)
    for one, other in zip(found.blocks, results.columns.blocks, strict=True):
        assert np.array_equal(one.values, other.values, equal_nan=True)
        assert np.array_equal(one.rows, other.rows)
    assert found.numbers.keys() == results.columns.numbers.keys()


def test_threads_that_read_ahead_end_with_the_reader_whatever_happens(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "_FROM", 1)
    threads = []
    started = ahead.threading.Thread.start

    def start(thread: "ahead.threading.Thread") -> None:
        threads.append(thread)
        started(thread)

    monkeypatch.setattr(ahead.threading.Thread, "start", start)
    with closing(Store.read(results.folder)) as store:
        lines = ahead.ahead(store, iter([[1], [2]]))
        assert next(lines) == [1]
        lines.close()
        assert len(threads) > 1
        assert not any(thread.is_alive() for thread in threads)


def test_estimates_of_another_shape_than_their_layout_are_damage(results: Results) -> None:
    with closing(sqlite3.connect(results.folder / "results.sqlite")) as raw:
        raw.execute("UPDATE layouts SET names = '[\"a\"]', kinds = '[\"parameter\"]'")
        raw.commit()
    with pytest.raises(StoreDamaged, match="contradict each other"):
        Results(results.folder)
