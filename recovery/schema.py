"""The tables of the store, and how a record becomes their rows.

One row of `replicates` holds all that measures are made of, its estimates as one block of numbers,
so that a million replicates are read in seconds; what only a new question needs (the whole grid of
quantiles, the kept draws) lies apart in `posteriors`. Test quantities that were asked for once a
replicate was done are rows of `supplements`; `quantities` says which each cell has, and whether
some replicates may have been run without them (`later`). A failed replicate that is run again
leaves its row in `retried`; a second fit of the data of a flagged one is a row of `refits`.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from recovery.checksum import checksum
from recovery.record import (
    QUANTILE_GRID,
    Estimates,
    Failure,
    Floats,
    QuantityFailure,
    Record,
    Stage,
    Status,
)

APPLICATION_ID: Final = 0x7265636F  # "reco"
SCHEMA_VERSION: Final = 5

_TABLES: Final = """
CREATE TABLE design (field TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE cells (
    position INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, levels TEXT NOT NULL,
    truth_mode TEXT NOT NULL, settings TEXT NOT NULL, problem TEXT NOT NULL,
    priors TEXT NOT NULL) STRICT;
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY, provenance TEXT NOT NULL, execution TEXT) STRICT;
CREATE TABLE planned (cell INTEGER NOT NULL REFERENCES cells, seed INTEGER NOT NULL,
    replicates INTEGER NOT NULL, PRIMARY KEY (cell, seed)) STRICT, WITHOUT ROWID;
CREATE TABLE layouts (id INTEGER PRIMARY KEY, names TEXT NOT NULL, kinds TEXT NOT NULL,
    UNIQUE (names, kinds)) STRICT;
CREATE TABLE replicates (
    id INTEGER PRIMARY KEY, cell INTEGER NOT NULL REFERENCES cells,
    seed INTEGER NOT NULL, "index" INTEGER NOT NULL, status TEXT NOT NULL,
    simulate_s REAL NOT NULL, sample_s REAL NOT NULL, rest_s REAL NOT NULL,
    data_digest BLOB NOT NULL, sampler TEXT, chains INTEGER, draws INTEGER, tune INTEGER,
    divergences INTEGER, reached_max_treedepth INTEGER, tree_depth_max INTEGER,
    acceptance_rate REAL, gradient_evaluations INTEGER,
    session INTEGER NOT NULL, layout INTEGER REFERENCES layouts, estimates BLOB, checksum BLOB,
    UNIQUE (cell, seed, "index")) STRICT;
CREATE TABLE posteriors (
    replicate INTEGER PRIMARY KEY REFERENCES replicates,
    quantiles BLOB NOT NULL, kept_draws BLOB NOT NULL) STRICT;
CREATE TABLE quantities (
    cell INTEGER NOT NULL REFERENCES cells, name TEXT NOT NULL, digest TEXT NOT NULL,
    later INTEGER NOT NULL, PRIMARY KEY (cell, name)) STRICT, WITHOUT ROWID;
CREATE TABLE supplements (
    replicate INTEGER NOT NULL REFERENCES replicates, layout INTEGER NOT NULL REFERENCES layouts,
    estimates BLOB NOT NULL, quantiles BLOB NOT NULL, checksum BLOB,
    PRIMARY KEY (layout, replicate)) STRICT;
CREATE TABLE quantity_failures (
    replicate INTEGER NOT NULL REFERENCES replicates, quantity TEXT NOT NULL, error TEXT NOT NULL,
    PRIMARY KEY (replicate, quantity)) STRICT, WITHOUT ROWID;
CREATE TABLE failures (
    replicate INTEGER PRIMARY KEY REFERENCES replicates,
    stage TEXT NOT NULL, error TEXT NOT NULL, traceback TEXT NOT NULL) STRICT;
CREATE TABLE compilations (
    session INTEGER NOT NULL, kind TEXT NOT NULL, seconds REAL NOT NULL,
    process INTEGER NOT NULL, structure TEXT NOT NULL DEFAULT '') STRICT;
"""
SECOND_TRIES: Final = """
CREATE TABLE retried (
    id INTEGER PRIMARY KEY, cell INTEGER NOT NULL REFERENCES cells,
    seed INTEGER NOT NULL, "index" INTEGER NOT NULL, status TEXT NOT NULL,
    simulate_s REAL NOT NULL, sample_s REAL NOT NULL, rest_s REAL NOT NULL,
    data_digest BLOB NOT NULL, session INTEGER NOT NULL,
    stage TEXT NOT NULL, error TEXT NOT NULL, traceback TEXT NOT NULL,
    refit INTEGER NOT NULL) STRICT;
CREATE TABLE refits (
    replicate INTEGER PRIMARY KEY REFERENCES replicates, status TEXT NOT NULL,
    simulate_s REAL NOT NULL, sample_s REAL NOT NULL, rest_s REAL NOT NULL,
    sampler TEXT, chains INTEGER, draws INTEGER, tune INTEGER,
    divergences INTEGER, reached_max_treedepth INTEGER, tree_depth_max INTEGER,
    acceptance_rate REAL, gradient_evaluations INTEGER,
    session INTEGER NOT NULL, layout INTEGER REFERENCES layouts, estimates BLOB,
    quantiles BLOB, kept_draws BLOB, stage TEXT, error TEXT, traceback TEXT,
    checksum BLOB NOT NULL) STRICT;
"""
"""What came with format 4."""

SCHEMA: Final = _TABLES + SECOND_TRIES

SUMMARY_PROBS: Final = (0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975)
"""Quantiles among the estimates themselves: medians and 50, 80, 90 and 95 % intervals."""
_MOMENTS: Final = (
    "truth", "mean", "sd", "r_hat", "ess_bulk", "ess_tail", "mcse_mean", "crps", "rank",
    "ranked_among", "pit",
)  # fmt: skip
ESTIMATE_COLUMNS: Final = (*_MOMENTS, *(f"q{prob}" for prob in SUMMARY_PROBS))
"""What a block of estimates holds, one row of numbers each: shape (columns, parameters)."""

IN_GRID: Final = [int(np.argmin(np.abs(QUANTILE_GRID - prob))) for prob in SUMMARY_PROBS]
_RUN: Final = (
    "status", "simulate_s", "sample_s", "rest_s", "sampler", "chains", "draws", "tune",
    "divergences", "reached_max_treedepth", "tree_depth_max", "acceptance_rate",
    "gradient_evaluations", "session", "layout", "estimates",
)  # fmt: skip
CHECKED: Final = ("cell", "seed", "index", "data_digest", *_RUN)
"""Columns of `replicates` that its checksum covers, with its posterior and failure after them."""
CHECKED_REFIT: Final = (
    "replicate", *_RUN, "quantiles", "kept_draws", "stage", "error", "traceback",
)  # fmt: skip
"""Columns of `refits` that its checksum covers."""


def _insertion(table: str, columns: Sequence[str]) -> str:
    # Names of tables and columns are this module's own.
    names = ", ".join(f'"{name}"' for name in (*columns, "checksum"))
    places = ", ".join("?" * (len(columns) + 1))
    return f"INSERT INTO {table} ({names}) VALUES ({places})"  # noqa: S608  (see above)


_REPLICATE: Final = _insertion("replicates", CHECKED)
_REFIT: Final = _insertion("refits", CHECKED_REFIT)
_SET_ASIDE: Final = """
INSERT INTO retried (cell, seed, "index", status, simulate_s, sample_s, rest_s, data_digest,
    session, stage, error, traceback, refit)
SELECT cell, seed, "index", status, simulate_s, sample_s, rest_s, data_digest, session, stage,
    error, traceback, 0
FROM replicates JOIN failures ON replicate = id
WHERE cell = ? AND seed = ? AND "index" = ? AND status != 'ok'
"""
_SET_ASIDE_REFIT: Final = """
INSERT INTO retried (cell, seed, "index", status, simulate_s, sample_s, rest_s, data_digest,
    session, stage, error, traceback, refit)
SELECT r.cell, r.seed, r."index", f.status, f.simulate_s, f.sample_s, f.rest_s, r.data_digest,
    f.session, f.stage, f.error, f.traceback, 1
FROM refits f JOIN replicates r ON r.id = f.replicate
WHERE r.cell = ? AND r.seed = ? AND r."index" = ? AND f.status != 'ok'
"""
_OTHER_DATA: Final = "DataDiffer: its data come out otherwise than those of the first fit"

Layout = tuple[str, str]  # names and kinds of all parameters of a replicate, as JSON


def insert(
    connection: sqlite3.Connection,
    record: Record,
    session: int,
    cells: Mapping[str, int],
    layouts: dict[Layout, int],
) -> None:
    """Insert all rows of a record, inside the caller's transaction.

    Parameters
    ----------
    connection : sqlite3.Connection
    record : Record
    session : int
    cells : mapping of str to int
        Position of each cell by its digest.
    layouts : dict
        Numbers of the layouts known; a new one is added.

    Raises
    ------
    sqlite3.IntegrityError
        If the replicate is there already, or a refit has no original with the same data.
    """
    place = cells[record.cell], record.seed, record.index
    first = 0
    if record.refit:
        first, record = _original(connection, place, record)
    identity = bytes.fromhex(record.data_digest)
    run = _run(connection, record, session, layouts)
    posterior: tuple[memoryview, ...] = ()
    if (estimates := record.estimates) is not None:
        posterior = _blob(estimates.quantiles), _blob(estimates.kept_draws)
    f = record.failure
    failure = () if f is None else (str(f.stage), f.error, f.traceback)
    if record.refit:
        row = (first, *run, *(posterior or (None,) * 2), *(failure or (None,) * 3))
        connection.execute(_REFIT, (*row, checksum(row)))
    else:
        row = (*place, identity, *run)
        summed = checksum((*row, *posterior, *failure))
        inserted = connection.execute(_REPLICATE, (*row, summed)).lastrowid
        if posterior:
            connection.execute("INSERT INTO posteriors VALUES (?, ?, ?)", (inserted, *posterior))
        if failure:
            connection.execute("INSERT INTO failures VALUES (?, ?, ?, ?)", (inserted, *failure))
        failed = [(inserted, q.quantity, q.error) for q in record.quantity_failures]
        connection.executemany("INSERT INTO quantity_failures VALUES (?, ?, ?)", failed)
    connection.executemany(
        "INSERT INTO compilations VALUES (?, ?, ?, ?, ?)",
        [(session, c.kind, c.seconds, c.process, c.structure) for c in record.compilations],
    )


def set_aside(connection: sqlite3.Connection, record: Record, cells: Mapping[str, int]) -> None:
    """Move what failed of a replicate or refit to `retried`, inside the caller's transaction."""
    place = cells[record.cell], record.seed, record.index
    moved = connection.execute(_SET_ASIDE_REFIT if record.refit else _SET_ASIDE, place)
    if not moved.rowcount:
        return
    query = 'SELECT id FROM replicates WHERE cell = ? AND seed = ? AND "index" = ?'
    number = connection.execute(query, place).fetchone()
    if record.refit:
        connection.execute("DELETE FROM refits WHERE replicate = ?", number)
    else:
        connection.execute("DELETE FROM failures WHERE replicate = ?", number)
        connection.execute("DELETE FROM replicates WHERE id = ?", number)


def _run(
    connection: sqlite3.Connection, record: Record, session: int, layouts: dict[Layout, int]
) -> tuple[Any, ...]:
    """Return the values of `_RUN`."""
    estimates, times, s = record.estimates, record.times, record.sampling
    sampled: tuple[object, ...] = (None,) * 9
    if s is not None:
        counts = (
            s.chains, s.draws, s.tune, s.divergences, s.reached_max_treedepth, s.tree_depth_max,
        )  # fmt: skip
        # Of the types that the file has them in: a sampler may count in NumPy's.
        sampled = (
            s.sampler,
            *map(int, counts),
            float(s.acceptance_rate),
            int(s.gradient_evaluations),
        )
    took = float(times.simulate_s), float(times.sample_s), float(times.rest_s)
    layout = None if estimates is None else _layout(connection, estimates, layouts)
    block = None if estimates is None else estimates_block(estimates).tobytes()
    return (str(record.status), *took, *sampled, session, layout, block)


def _original(
    connection: sqlite3.Connection, place: tuple[int, int, int], record: Record
) -> tuple[int, Record]:
    """Return the number of the replicate that a second fit is of, and the record to be kept.

    Data that come out otherwise (other versions, another machine) make the second fit a failure.
    """
    query = """SELECT id, data_digest FROM replicates
        WHERE cell = ? AND seed = ? AND "index" = ? AND status = 'ok'"""
    for number, data_digest in connection.execute(query, place).fetchall():
        if record.failure is None and data_digest.hex() != record.data_digest:
            failure = Failure(Stage.SIMULATE, _OTHER_DATA, _OTHER_DATA)
            record = replace(
                record, status=Status.FAILED, sampling=None, estimates=None, failure=failure
            )
        return int(number), record
    raise sqlite3.IntegrityError(f"{record.key}: there is no first fit")


def _blob(values: Floats) -> memoryview:
    return np.ascontiguousarray(values, dtype="<f8").data.cast("B")


def insert_supplement(
    connection: sqlite3.Connection,
    replicate: int,
    estimates: Estimates,
    failures: Sequence[QuantityFailure],
    layouts: dict[Layout, int],
) -> None:
    """Insert test quantities of a replicate that is there already, by its number in the store."""
    layout = _layout(connection, estimates, layouts)
    row = replicate, layout, estimates_block(estimates).tobytes(), _blob(estimates.quantiles)
    connection.execute("INSERT INTO supplements VALUES (?, ?, ?, ?, ?)", (*row, checksum(row)))
    connection.executemany(
        "INSERT INTO quantity_failures VALUES (?, ?, ?)",
        [(replicate, f.quantity, f.error) for f in failures],
    )


def estimates_block(estimates: Estimates) -> Floats:
    """Return the estimates as one array, shape (len(ESTIMATE_COLUMNS), n_parameters)."""
    moments = [getattr(estimates, name) for name in _MOMENTS]
    return np.array([*moments, *estimates.quantiles[:, IN_GRID].T], dtype="<f8")


def _layout(
    connection: sqlite3.Connection, estimates: Estimates, layouts: dict[Layout, int]
) -> int:
    key = json.dumps(estimates.names), json.dumps(estimates.kinds)
    if key not in layouts:
        connection.execute("INSERT OR IGNORE INTO layouts (names, kinds) VALUES (?, ?)", key)
        query = "SELECT id FROM layouts WHERE names = ? AND kinds = ?"
        (layouts[key],) = connection.execute(query, key).fetchone()
    return layouts[key]
