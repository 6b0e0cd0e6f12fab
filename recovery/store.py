"""The durable record of a run: one SQLite file, written by one process."""

import json
import os
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self, TypeAlias

from filelock import FileLock

from recovery.database import (
    FILE_NAME,
    close_written,
    consistent,
    open_to_read,
    open_to_write,
    translated,
)
from recovery.errors import StoreDamaged
from recovery.record import ERROR_LENGTH, Estimates, QuantityFailure, Record
from recovery.schema import Layout, insert, insert_supplement, set_aside
from recovery.stored import (
    EXECUTION,
    IDENTITY,
    LEVELS,
    NAMES,
    PRIORS,
    PROBLEM,
    PROVENANCE,
    SETTINGS,
    parsed,
    tree,
)

Supplement: TypeAlias = tuple[int, Estimates, Sequence[QuantityFailure]]
"""Number of a replicate in the store, and test quantities of it."""
_CHUNK: Final = 20_000  # rows held as Python objects at a time


class Store:
    """Where finished replicates live.

    Promises
    --------
    1. `append` returns only once its records survive the end of the process and of the machine.
    2. A complete record is never changed; a key has at most one record. One that failed is
       replaced only where that is asked for, and kept apart.
    3. Readers see whole records or nothing, also while a run is writing.
    4. One process writes; a second learns who holds the store. A dead holder blocks nobody.
    5. What is read is data only: numbers, text and JSON, never code.

    Use `Store.create_or_open` to write (as a context manager) and `Store.read` to read.
    """

    def __init__(self, folder: Path, connection: sqlite3.Connection, lock: FileLock | None) -> None:
        self.folder = folder
        self._connection = connection
        self._lock = lock
        self._cells: dict[str, int] = {}
        self._layouts: dict[Layout, int] = {}
        self._session = 0

    # --- opening and closing -------------------------------------------------------------------

    @classmethod
    def read(cls, folder: str | os.PathLike[str]) -> Self:
        """Open the store of a folder for reading; raises what `open_to_read` does."""
        return cls(Path(folder), open_to_read(Path(folder)), None)

    @classmethod
    def create_or_open(cls, folder: str | os.PathLike[str], *, fresh: bool = False) -> Self:
        """Open the store of a folder for writing, or create it; see `open_to_write`."""
        return cls(Path(folder), *open_to_write(Path(folder), fresh=fresh))

    def close(self) -> None:
        """Let go of the store."""
        if self._lock is None:
            self._connection.close()
        else:
            close_written(self.folder, self._connection, self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        """Return the store itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    # --- writing -------------------------------------------------------------------------------

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with translated(self.folder, writing=True):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.rollback()
                raise
            self._connection.execute("COMMIT")

    def begin(
        self,
        identity: Mapping[str, Any],
        cells: Sequence[Mapping[str, Any]],
        planned: Iterable[tuple[str, int, int]],
        provenance: Mapping[str, Any],
        quantities: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        """Write the design of a session: who runs what, in one transaction.

        Parameters
        ----------
        identity : mapping
            What must stay the same in every session, by field.
        cells : sequence of mapping
            ``digest``, ``levels``, ``truth_mode``, ``settings``, ``problem`` and ``priors``;
            cells that are there already are left as they are.
        planned : iterable of (cell digest, seed, replicates)
        provenance : mapping
            Versions, machine and command of this session.
        quantities : mapping, optional
            What each test quantity computes, by name, by cell digest; those that are there
            already are left as they are.
        """
        with self._transaction() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO design VALUES (?, ?)",
                [(field, json.dumps(value)) for field, value in identity.items()],
            )
            (position,) = connection.execute("SELECT count(*) FROM cells").fetchone()
            for cell in cells:
                values = [json.dumps(cell[k]) for k in ("levels", "settings", "problem", "priors")]
                inserted = connection.execute(
                    "INSERT OR IGNORE INTO cells VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (position, cell["digest"], values[0], cell["truth_mode"], *values[1:]),
                )
                position += inserted.rowcount
            self._cells = dict(connection.execute("SELECT digest, position FROM cells"))
            self._plan(connection, planned)
            connection.executemany(
                "INSERT OR IGNORE INTO quantities VALUES "
                "(?1, ?2, ?3, EXISTS (SELECT 1 FROM replicates WHERE cell = ?1))",
                [
                    (self._cells[cell], name, what)
                    for cell, named in (quantities or {}).items()
                    for name, what in named.items()
                ],
            )
            # Replicates that are to come will lack what this session does not ask for.
            for digest, named in (quantities or {}).items():
                here = self._cells[digest]
                query = "SELECT name FROM quantities WHERE cell = ?"
                there = [name for (name,) in connection.execute(query, (here,)).fetchall()]
                connection.executemany(
                    "UPDATE quantities SET later = 1 WHERE cell = ? AND name = ?",
                    [(here, name) for name in there if name not in named],
                )
            session = connection.execute(
                "INSERT INTO sessions (provenance) VALUES (?)", (json.dumps(provenance),)
            )
            self._session = session.lastrowid or 0

    def plan(self, planned: Iterable[tuple[str, int, int]]) -> None:
        """Plan more replicates: of each (cell digest, seed) so many in all."""
        with self._transaction() as connection:
            self._plan(connection, planned)

    def _plan(
        self, connection: sqlite3.Connection, planned: Iterable[tuple[str, int, int]]
    ) -> None:
        connection.executemany(
            "INSERT INTO planned VALUES (?, ?, ?) ON CONFLICT DO UPDATE "
            "SET replicates = max(replicates, excluded.replicates)",
            ((self._cells[cell], seed, count) for cell, seed, count in planned),
        )

    def append(self, records: Sequence[Record], *, retry: bool = False) -> None:
        """Write records in one transaction; they are safe once this returns.

        Parameters
        ----------
        records : sequence of Record
        retry : bool
            Whether they may stand instead of failed ones, which are then kept in `retried`.

        Raises
        ------
        StoreWriteError
            If the commit failed; then none of the records was written.
        """
        # Remembered only once committed: a number that was rolled back must not be used again.
        layouts = dict(self._layouts)
        with self._transaction() as connection:
            for record in records:
                if retry:
                    set_aside(connection, record, self._cells)
                insert(connection, record, self._session, self._cells, layouts)
        self._layouts = layouts

    def supplement(self, added: Sequence[Supplement]) -> None:
        """Write test quantities of replicates that are there already, in one transaction.

        Raises
        ------
        StoreWriteError
            If the commit failed; then none of them was written.
        """
        layouts = dict(self._layouts)
        with self._transaction() as connection:
            for number, estimates, failures in added:
                insert_supplement(connection, number, estimates, failures, layouts)
        self._layouts = layouts

    def end(self, execution: Mapping[str, Any]) -> None:
        """Write how the session was carried out: fits, seconds, processes, threads."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE sessions SET execution = ? WHERE id = ?",
                (json.dumps(execution), self._session),
            )

    # --- reading -------------------------------------------------------------------------------

    def rows(self, query: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query written in this program.

        Raises
        ------
        StoreDamaged
            If the file cannot be read.
        """
        with translated(self.folder):
            return self._connection.execute(query, parameters).fetchall()

    @contextmanager
    def snapshot(self) -> Iterator[Self]:
        """Read at one moment: what a run writes meanwhile is not seen."""
        with translated(self.folder):
            self._connection.execute("BEGIN")
            try:
                yield self
            finally:
                self._connection.rollback()

    def chunks(
        self, query: str, parameters: Sequence[object] = (), most: int = _CHUNK
    ) -> Iterator[list[tuple[Any, ...]]]:
        """Go through the rows of a query written in this program, at most so many at a time.

        Raises
        ------
        StoreDamaged
            If the file cannot be read.
        """
        with translated(self.folder):
            cursor = self._connection.execute(query, parameters)
            while rows := cursor.fetchmany(most):
                yield rows

    def identity(self) -> dict[str, Any]:
        """Return what must stay the same in every session, by field; empty for a new store."""
        rows = self.rows("SELECT * FROM design")
        with self._reading():
            return {field: parsed(v, IDENTITY.get(field, tree)) for field, v in rows}

    def cells(self) -> list[dict[str, Any]]:
        """Return the cells in the order of the design, as plain values."""
        rows = self.rows(
            "SELECT digest, truth_mode, levels, settings, problem, priors FROM cells "
            "ORDER BY position"
        )
        shapes = {"levels": LEVELS, "settings": SETTINGS, "problem": PROBLEM, "priors": PRIORS}
        # Who reads cells counts on it that their positions are their places in this list.
        places = [position for (position,) in self.rows("SELECT position FROM cells ORDER BY 1")]
        with self._reading():
            if places != list(range(len(rows))):
                raise ValueError("its cells are not numbered one after another")
            return [
                {
                    "digest": digest,
                    "truth_mode": mode,
                    **{
                        name: parsed(text, shape)
                        for (name, shape), text in zip(shapes.items(), texts, strict=True)
                    },
                }
                for digest, mode, *texts in rows
            ]

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Turn what a store's texts should not be into damage."""
        try:
            yield
        except ValueError as error:
            raise StoreDamaged(
                f"{self.folder / FILE_NAME}: {error}; restore it from a backup or begin again "
                "with --fresh"
            ) from error

    def layouts(self) -> dict[int, tuple[list[str], list[str]]]:
        """Return names and kinds of the parameters of every layout, by its number."""
        rows = self.rows("SELECT id, names, kinds FROM layouts ORDER BY id")
        with consistent(self.folder):
            return {
                number: (parsed(names, NAMES), parsed(kinds, NAMES))
                for number, names, kinds in rows
            }

    def done(self, *, failed: bool = True) -> dict[tuple[str, int], set[int]]:
        """Return the numbers of all replicates that have a record, by cell digest and seed.

        Parameters
        ----------
        failed : bool
            Whether those that failed count.
        """
        digests = dict(self.rows("SELECT position, digest FROM cells"))
        done: dict[tuple[str, int], set[int]] = defaultdict(set)
        # Of columns that an index has: the rows themselves, with their estimates, are not read.
        query = (
            'SELECT cell, seed, "index" FROM replicates '
            "WHERE ? OR id NOT IN (SELECT replicate FROM failures)"
        )
        with consistent(self.folder):
            for rows in self.chunks(query, (failed,)):
                for cell, seed, index in rows:
                    done[digests[cell], seed].add(index)
        return done

    def failing(self) -> dict[str, tuple[int, Counter[tuple[str, str]]]]:
        """Return how many replicates of each cell are complete, and how often it failed how.

        Returns
        -------
        dict
            By cell digest: a number, and a count by (stage, error).
        """
        # Those that this program writes are shorter.
        failed = (
            "SELECT cell, stage, substr(error, 1, ?), count(*) FROM failures "
            "JOIN replicates ON id = replicate GROUP BY 1, 2, 3"
        )
        # Counted in an index, and not from the rows: what has not failed is complete.
        done = dict(self.rows("SELECT cell, count(*) FROM replicates GROUP BY cell"))
        failures: dict[int, Counter[tuple[str, str]]] = defaultdict(Counter)
        for cell, stage, error, count in self.rows(failed, (2 * ERROR_LENGTH,)):
            failures[cell][str(stage), str(error)] += count
        cells = self.rows("SELECT position, digest FROM cells")
        return {
            digest: (done.get(cell, 0) - failures[cell].total(), failures[cell])
            for cell, digest in cells
        }

    def quantities(self, *, later: bool = False) -> dict[str, dict[str, str]]:
        """Return what each test quantity computes, by name, by cell digest.

        Parameters
        ----------
        later : bool
            Only those that some replicates of their cell may lack, being run without them.
        """
        found: dict[str, dict[str, str]] = defaultdict(dict)
        rows = self.rows(
            "SELECT c.digest, q.name, q.digest, q.later FROM quantities q "
            "JOIN cells c ON c.position = q.cell"
        )
        for cell, name, what, was_later in rows:
            if was_later or not later:
                found[cell][name] = what
        return dict(found)

    def sessions(self) -> list[dict[str, Any]]:
        """Return the provenance of every session, oldest first, with how it was carried out."""
        rows = self.rows("SELECT provenance, execution FROM sessions ORDER BY id")
        with self._reading():
            return [
                {
                    **parsed(provenance, PROVENANCE),
                    "execution": parsed(execution or "{}", EXECUTION),
                }
                for provenance, execution in rows
            ]

    def origin(self) -> str:
        """Return how the first session began, which tells this run from any other."""
        rows = self.rows("SELECT provenance FROM sessions ORDER BY id LIMIT 1")
        return str(rows[0][0]) if rows else ""
