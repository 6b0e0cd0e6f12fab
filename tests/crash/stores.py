"""What a store holds after a run was killed, and whether that is all that it should."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pandas as pd

from recovery import Results
from recovery.errors import NotAStore, StoreDamaged
from recovery.verify import verify

FILE = "results.sqlite"
TIMES = ["simulate_s", "sample_s", "rest_s", "wall_s", "ess_bulk_per_s"]


def stored_keys(out: Path) -> list[str]:
    """Return the keys of a store, without any of the program's own code between."""
    with closing(sqlite3.connect(f"{(out / FILE).as_uri()}?mode=ro", uri=True)) as raw:
        query = (
            "SELECT c.digest || '-' || seed || '-' || \"index\" FROM replicates NOT INDEXED "
            "JOIN cells c ON position = cell WHERE estimates IS NOT NULL "
            "AND id IN (SELECT replicate FROM posteriors)"
        )
        return [key for (key,) in raw.execute(query)]


def acknowledged_keys(file: Path) -> list[str]:
    """Return the keys that were written down whole."""
    if not file.exists():
        return []
    return [line[:-1] for line in file.read_text().splitlines(keepends=True) if line[-1] == "\n"]


def findings(out: Path) -> list[str]:
    """Return what is wrong with a store; that it holds nothing at all yet is not."""
    try:
        return verify(out).findings
    except (NotAStore, StoreDamaged) as error:
        if not (out / FILE).exists():
            return []
        # Open to be written, as the next runner will have it: what was only begun is undone.
        with closing(sqlite3.connect(out / FILE)) as raw:
            (tables,) = raw.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        return [str(error)] if tables else []


def posteriors(out: Path) -> list[tuple[object, ...]]:
    """Return what is kept of each posterior beside its estimates."""
    with closing(sqlite3.connect(f"{(out / FILE).as_uri()}?mode=ro", uri=True)) as raw:
        return raw.execute(
            'SELECT digest, seed, "index", quantiles, kept_draws FROM posteriors '
            "JOIN replicates ON id = replicate JOIN cells c ON position = cell ORDER BY 1, 2, 3"
        ).fetchall()


def same(found: Results, expected: Results) -> None:
    """Assert that two runs differ in their times alone."""
    for one, two in (
        (found.estimates, expected.estimates),
        (found.replicates.drop(columns=TIMES), expected.replicates.drop(columns=TIMES)),
        (found.measures(), expected.measures()),
        (found.priors, expected.priors),
    ):
        pd.testing.assert_frame_equal(one, two, check_exact=True)
    assert posteriors(found.folder) == posteriors(expected.folder)
