"""The tables of the store, and how a record becomes their rows."""

import dataclasses
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from recovery.record import Estimates, Record

APPLICATION_ID: Final = 0x7265636F  # "reco"
SCHEMA_VERSION: Final = 1

SCHEMA: Final = """
CREATE TABLE design (field TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE cells (
    digest TEXT PRIMARY KEY, position INTEGER NOT NULL, levels TEXT NOT NULL,
    truth_mode TEXT NOT NULL, settings TEXT NOT NULL, problem TEXT NOT NULL,
    priors TEXT NOT NULL) STRICT;
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY, provenance TEXT NOT NULL) STRICT;
CREATE TABLE planned (cell TEXT NOT NULL, seed INTEGER NOT NULL, "index" INTEGER NOT NULL,
    PRIMARY KEY (cell, seed, "index")) STRICT, WITHOUT ROWID;
CREATE TABLE replicates (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, cell TEXT NOT NULL REFERENCES cells (digest),
    seed INTEGER NOT NULL, "index" INTEGER NOT NULL, status TEXT NOT NULL,
    simulate_s REAL NOT NULL, sample_s REAL NOT NULL, rest_s REAL NOT NULL,
    data_digest TEXT NOT NULL, sampler TEXT, chains INTEGER, draws INTEGER, tune INTEGER,
    divergences INTEGER, reached_max_treedepth INTEGER, tree_depth_max INTEGER,
    acceptance_rate REAL, gradient_evaluations INTEGER,
    stage TEXT, error TEXT, traceback TEXT, session INTEGER NOT NULL, kept_draws BLOB) STRICT;
CREATE INDEX replicates_by_cell ON replicates (cell, seed, "index");
CREATE TABLE parameters (id INTEGER PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL,
    UNIQUE (name, kind)) STRICT;
CREATE TABLE estimates (
    replicate INTEGER NOT NULL, parameter INTEGER NOT NULL,
    truth REAL, mean REAL, sd REAL, r_hat REAL, ess_bulk REAL, ess_tail REAL, mcse_mean REAL,
    rank INTEGER NOT NULL, pit REAL, quantiles BLOB NOT NULL,
    PRIMARY KEY (replicate, parameter)) STRICT, WITHOUT ROWID;
CREATE TABLE compilations (
    session INTEGER NOT NULL, kind TEXT NOT NULL, seconds REAL NOT NULL,
    process INTEGER NOT NULL) STRICT;
"""
Parameter = tuple[str, str]  # name, kind
_ESTIMATE_COLUMNS: Final = ("truth", "mean", "sd", "r_hat", "ess_bulk", "ess_tail", "mcse_mean")


def insert(
    connection: sqlite3.Connection,
    record: Record,
    session: int,
    parameters: Mapping[Parameter, int],
) -> None:
    """Insert all rows of a record, inside the caller's transaction."""
    sampling = dataclasses.asdict(record.sampling) if record.sampling else {}
    failure = record.failure
    estimates = record.estimates
    columns = {
        "key": record.key,
        "cell": record.cell,
        "seed": record.seed,
        "index": record.index,
        "status": str(record.status),
        "simulate_s": record.times.simulate_s,
        "sample_s": record.times.sample_s,
        "rest_s": record.times.rest_s,
        "data_digest": record.data_digest,
        **sampling,
        "stage": str(failure.stage) if failure else None,
        "error": failure.error if failure else None,
        "traceback": failure.traceback if failure else None,
        "session": session,
        "kept_draws": estimates.kept_draws.tobytes() if estimates else None,
    }
    names = ", ".join(f'"{name}"' for name in columns)
    marks = ", ".join("?" * len(columns))
    # The names are this module's own; every value is a parameter.
    inserted = connection.execute(
        f"INSERT INTO replicates ({names}) VALUES ({marks})",  # noqa: S608  (see above)
        tuple(columns.values()),
    )
    if estimates:
        ids = [parameters[p] for p in zip(estimates.names, estimates.kinds, strict=True)]
        _insert_estimates(connection, inserted.lastrowid or 0, ids, estimates)
    connection.executemany(
        "INSERT INTO compilations VALUES (?, ?, ?, ?)",
        [(session, c.kind, c.seconds, c.process) for c in record.compilations],
    )


def _insert_estimates(
    connection: sqlite3.Connection,
    replicate: int,
    parameters: Sequence[int],
    estimates: Estimates,
) -> None:
    columns = [getattr(estimates, name).tolist() for name in _ESTIMATE_COLUMNS]
    columns += [estimates.rank.tolist(), estimates.pit.tolist()]
    quantiles = np.ascontiguousarray(estimates.quantiles, dtype="<f8")
    connection.executemany(
        "INSERT INTO estimates VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (replicate, parameter, *(column[i] for column in columns), quantiles[i].tobytes())
            for i, parameter in enumerate(parameters)
        ],
    )


def registered(
    connection: sqlite3.Connection, records: Sequence[Record], known: dict[Parameter, int]
) -> dict[Parameter, int]:
    """Return the numbers of all parameters, giving new ones to those not known yet."""
    # Numbered in the order of the model, which is the order of every table.
    needed = dict.fromkeys(
        parameter
        for record in records
        if record.estimates
        for parameter in zip(record.estimates.names, record.estimates.kinds, strict=True)
    )
    if needed.keys() <= known.keys():
        return known
    connection.executemany(
        "INSERT OR IGNORE INTO parameters (name, kind) VALUES (?, ?)", list(needed)
    )
    rows = connection.execute("SELECT name, kind, id FROM parameters")
    return {(name, kind): number for name, kind, number in rows}
