"""The durable record of a run: one SQLite file, written by one process."""

import contextlib
import json
import os
import socket
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

from filelock import FileLock, Timeout

from recovery.errors import NotAStore, OutputError, StoreBusy, StoreDamaged, StoreWriteError
from recovery.record import Record
from recovery.schema import APPLICATION_ID, SCHEMA, SCHEMA_VERSION, Parameter, insert, registered

FILE_NAME: Final = "results.sqlite"


class Store:
    """Where finished replicates live.

    Promises
    --------
    1. `append` returns only once its records survive the end of the process and of the machine.
    2. A record is never changed; a key has at most one record.
    3. Readers see whole records or nothing, also while a run is writing.
    4. One process writes; a second learns who holds the store. A dead holder blocks nobody.
    5. What is read is data only: numbers, text and JSON, never code.

    Use `Store.create_or_open` to write (as a context manager) and `Store.read` to read.
    """

    def __init__(self, folder: Path, connection: sqlite3.Connection, lock: FileLock | None) -> None:
        self.folder = folder
        self._connection = connection
        self._lock = lock
        self._parameter_ids: dict[Parameter, int] = {}
        self._session = 0

    # --- opening and closing -------------------------------------------------------------------

    @classmethod
    def read(cls, folder: str | os.PathLike[str]) -> Self:
        """Open the store of a folder for reading.

        Raises
        ------
        NotAStore
            If the folder holds no store.
        StoreDamaged
            If the store cannot be read.
        """
        folder = Path(folder)
        file = folder / FILE_NAME
        if not file.is_file():
            raise NotAStore(
                f"{folder}: no results.sqlite here; give the folder of a run, or make one with "
                "recovery run SCENARIO --out FOLDER"
            )
        # A folder that cannot be written has no room for the files that share a live journal.
        mode = "mode=ro" if os.access(folder, os.W_OK) else "mode=ro&immutable=1"
        with _translated(folder):
            connection = sqlite3.connect(
                f"{file.resolve().as_uri()}?{mode}", uri=True, check_same_thread=False, timeout=30
            )
        store = cls(folder, connection, None)
        try:
            store._check_file()
        except BaseException:
            connection.close()
            raise
        return store

    @classmethod
    def create_or_open(cls, folder: str | os.PathLike[str], *, fresh: bool = False) -> Self:
        """Open the store of a folder for writing, creating both where they are missing.

        Parameters
        ----------
        folder : path
        fresh : bool
            Begin again: an earlier store is kept beside the new one as
            ``results.sqlite.previous-1``, and so on.

        Raises
        ------
        OutputError
            If the folder is a file or cannot be written.
        StoreBusy
            If another process holds the store.
        NotAStore, StoreDamaged
            If the file in the store's place cannot be used.
        """
        folder = Path(folder)
        writable_folder(folder)
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise StoreBusy(
                f"{folder}: {_holder(folder)} is writing this store; wait for it to end, or use "
                "another --out"
            ) from None
        except OSError as error:
            raise OutputError(
                f"{folder}: cannot be locked ({error.strerror}); give another --out"
            ) from None
        try:
            file = folder / FILE_NAME
            if fresh and file.exists():
                _set_aside(folder)
            with _translated(folder):
                connection = sqlite3.connect(
                    file, isolation_level=None, check_same_thread=False, timeout=30
                )
            store = cls(folder, connection, lock)
            store._prepare()
            # A courtesy to whoever comes second; the lock alone decides.
            with contextlib.suppress(OSError):
                holder = f"process {os.getpid()} on {socket.gethostname()}"
                (folder / ".holder").write_text(holder, encoding="utf-8")
        except BaseException:
            lock.release()
            raise
        return store

    def _prepare(self) -> None:
        try:
            # Nothing at all in the file: it is new, or was killed before it held anything.
            new = self._is_blank()
            if not new:
                self._check_file()
            with _translated(self.folder):
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = FULL")
                if new:
                    self._connection.executescript(
                        f"BEGIN; PRAGMA application_id = {APPLICATION_ID}; "
                        f"PRAGMA user_version = {SCHEMA_VERSION}; {SCHEMA} COMMIT;"
                    )
        except BaseException:
            self._connection.close()
            raise

    def _is_blank(self) -> bool:
        with _translated(self.folder):
            pragmas = ("PRAGMA application_id", "PRAGMA user_version")
            counts = (*pragmas, "SELECT count(*) FROM sqlite_schema")
            return not any(self._connection.execute(query).fetchone()[0] for query in counts)

    def _check_file(self) -> None:
        file = self.folder / FILE_NAME
        with _translated(self.folder):
            (application,) = self._connection.execute("PRAGMA application_id").fetchone()
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            (tables,) = self._connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if application != APPLICATION_ID and (tables or file.stat().st_size):
            raise NotAStore(
                f"{file}: a database, but not one of this program; use another --out, or move "
                "the file away"
            )
        if application != APPLICATION_ID:
            raise StoreDamaged(
                f"{file}: an empty file stands in the store's place; move it away, or run again "
                "with --fresh"
            )
        if version > SCHEMA_VERSION:
            raise NotAStore(
                f"{file}: written by a newer version of recovery (format {version}, this one "
                f"reads {SCHEMA_VERSION}); upgrade with pip install --upgrade recovery"
            )

    def close(self) -> None:
        """Fold the journal into the one file and let go of the store."""
        if self._lock is not None:
            # Without a live journal, readers leave no files of their own beside the store. A
            # reader at this very moment prevents it, which does no harm.
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("PRAGMA journal_mode = DELETE")
        self._connection.close()
        if self._lock is not None:
            (self.folder / ".holder").unlink(missing_ok=True)
            self._lock.release()
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
        with _translated(self.folder, writing=True):
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
    ) -> None:
        """Write the design of a session: who runs what, in one transaction.

        Parameters
        ----------
        identity : mapping
            What must stay the same in every session, by field.
        cells : sequence of mapping
            ``digest``, ``levels``, ``truth_mode``, ``settings``, ``problem`` and ``priors``;
            cells that are there already are left as they are.
        planned : iterable of (cell digest, seed, index)
        provenance : mapping
            Versions, machine and command of this session.
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
                    (cell["digest"], position, values[0], cell["truth_mode"], *values[1:]),
                )
                position += inserted.rowcount
            connection.executemany("INSERT OR IGNORE INTO planned VALUES (?, ?, ?)", planned)
            session = connection.execute(
                "INSERT INTO sessions (provenance) VALUES (?)", (json.dumps(provenance),)
            )
            self._session = session.lastrowid or 0

    def append(self, records: Sequence[Record]) -> None:
        """Write records in one transaction; they are safe once this returns.

        Raises
        ------
        StoreWriteError
            If the commit failed; then none of the records was written.
        """
        with self._transaction() as connection:
            parameters = registered(connection, records, self._parameter_ids)
            for record in records:
                insert(connection, record, self._session, parameters)
        # Remembered only once committed: an id that was rolled back must not be used again.
        self._parameter_ids = parameters

    # --- reading -------------------------------------------------------------------------------

    def rows(self, query: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query written in this program.

        Raises
        ------
        StoreDamaged
            If the file cannot be read.
        """
        with _translated(self.folder):
            return self._connection.execute(query, parameters).fetchall()

    def identity(self) -> dict[str, Any]:
        """Return what must stay the same in every session, by field; empty for a new store."""
        return {field: json.loads(v) for field, v in self.rows("SELECT * FROM design")}

    def cells(self) -> list[dict[str, Any]]:
        """Return the cells in the order of the design, as plain values."""
        rows = self.rows(
            "SELECT digest, truth_mode, levels, settings, problem, priors FROM cells "
            "ORDER BY position"
        )
        names = ("levels", "settings", "problem", "priors")
        return [
            {
                "digest": digest,
                "truth_mode": mode,
                **dict(zip(names, map(json.loads, texts), strict=True)),
            }
            for digest, mode, *texts in rows
        ]

    def done(self) -> set[str]:
        """Return the keys of all replicates that have a record."""
        return {key for (key,) in self.rows("SELECT key FROM replicates")}

    def sessions(self) -> list[dict[str, Any]]:
        """Return the provenance of every session, oldest first."""
        return [json.loads(p) for (p,) in self.rows("SELECT provenance FROM sessions ORDER BY id")]


def writable_folder(folder: Path) -> None:
    """Check that a folder can be created and written, without creating anything.

    Raises
    ------
    OutputError
        If it is a file, lies under one, or is not writable.
    """
    if "\0" in str(folder):
        raise OutputError("a folder's name cannot hold a NUL character; give another --out")
    nearest = folder
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir():
        raise OutputError(f"{nearest}: is a file, not a folder; give another --out")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise OutputError(f"{nearest}: cannot be written; give another --out")
    if (folder / FILE_NAME).is_dir():
        raise NotAStore(f"{folder / FILE_NAME}: is a folder; move it away or give another --out")


def _set_aside(folder: Path) -> None:
    """Move a store and its journal to a name that no earlier one has."""
    number = 1
    while any(folder.glob(f"{FILE_NAME}.previous-{number}*")):
        number += 1
    for suffix in ("-wal", "-shm", ""):
        old = folder / (FILE_NAME + suffix)
        if old.exists():
            old.replace(folder / f"{FILE_NAME}.previous-{number}{suffix}")


def _holder(folder: Path) -> str:
    try:
        return (folder / ".holder").read_text(encoding="utf-8")[:200]
    except OSError:
        return "another process"


@contextmanager
def _translated(folder: Path, *, writing: bool = False) -> Iterator[None]:
    """Turn SQLite's errors into this program's, each naming the way out."""
    file = folder / FILE_NAME
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise StoreWriteError(
            f"{file}: a record contradicts what is there ({error}); nothing of its commit was "
            "written; report this as a fault of recovery"
        ) from error
    except sqlite3.DatabaseError as error:
        text = str(error)
        if "not a database" in text:
            raise NotAStore(
                f"{file}: not a store of this program; use another --out, or move the file away"
            ) from error
        if writing and isinstance(error, sqlite3.OperationalError):
            raise StoreWriteError(
                f"{file}: could not be written ({text}); what was acknowledged is safe; free "
                "the cause and run the same command again"
            ) from error
        raise StoreDamaged(
            f"{file}: cannot be read ({text}); keep a copy, then restore it from a backup or "
            "begin again with --fresh"
        ) from error
