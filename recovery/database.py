"""The file under a store: locked, opened, checked, its errors put into this program's words."""

import contextlib
import os
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from recovery.errors import NotAStore, OutputError, StoreBusy, StoreDamaged, StoreWriteError
from recovery.migration import STEPS, migrate
from recovery.schema import APPLICATION_ID, SCHEMA, SCHEMA_VERSION

_PATIENCE_S: Final = 1.0
FILE_NAME: Final = "results.sqlite"
_LONGEST: Final = 256 * 2**20  # bytes of one value: a thousand times what a fit of 60 leaves
_STATISTICS: Final = (
    "table",
    "sqlite_stat1",
    "sqlite_stat1",
    "CREATE TABLE sqlite_stat1(tbl,idx,stat)",
)  # what ANALYZE leaves: of use to SQLite, and no harm
_PAGE: Final = 8192  # bytes: of the sizes tried, rows of a few parameters waste the least of it


def open_to_read(folder: Path) -> sqlite3.Connection:
    """Open the store of a folder for reading.

    Raises
    ------
    NotAStore
        If the folder holds no store.
    StoreDamaged
        If the store cannot be read.
    """
    file = folder / FILE_NAME
    try:
        there = file.is_file()
    except OSError:  # a name that is too long, or a folder that may not be entered
        there = False
    if not there:
        raise NotAStore(
            f"{folder}: no results.sqlite here; give the folder of a run, or make one with "
            "recovery run SCENARIO --out FOLDER"
        )
    _roll_back(folder)
    # A folder that cannot be written has no room for the files that share a live journal.
    mode = "mode=ro" if os.access(folder, os.W_OK) else "mode=ro&immutable=1"
    with translated(folder):
        connection = sqlite3.connect(
            f"{file.resolve().as_uri()}?{mode}", uri=True, check_same_thread=False, timeout=30
        )
    with _closed_on_error(connection):
        version = _check(folder, connection)
        if version == SCHEMA_VERSION:
            _check_tables(folder, connection)
        else:
            connection = _migrated_copy(folder, connection, version)
    return connection


def _roll_back(folder: Path) -> None:
    """Undo what a runner had begun when it was killed outside its write-ahead log.

    Whoever may only read could not, and would take the store for damaged.
    """
    file = folder / FILE_NAME
    if file.with_name(f"{FILE_NAME}-journal").is_file() and os.access(folder, os.W_OK):
        with translated(folder), closing(sqlite3.connect(file, timeout=30)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()


def _migrated_copy(folder: Path, old: sqlite3.Connection, version: int) -> sqlite3.Connection:
    """Return a private copy brought up to the present format; it has no file name."""
    copy = sqlite3.connect("", check_same_thread=False, isolation_level=None)
    with _closed_on_error(copy):
        with translated(folder), closing(old):
            _restrain(copy)
            old.backup(copy)
        with translated(folder):
            migrate(copy, version, lambda: _check_tables(folder, copy))
    return copy


def open_to_write(folder: Path, *, fresh: bool = False) -> tuple[sqlite3.Connection, FileLock]:
    """Open the store of a folder for writing, creating both where they are missing.

    Parameters
    ----------
    folder : Path
    fresh : bool
        Begin again: an earlier store is kept beside the new one as ``results.sqlite.previous-1``,
        and so on.

    Raises
    ------
    OutputError
        If the folder is a file or cannot be written.
    StoreBusy
        If another process holds the store.
    NotAStore, StoreDamaged
        If the file in the store's place cannot be used.
    """
    writable_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    lock = locked(folder)
    try:
        file = folder / FILE_NAME
        if fresh and file.exists():
            _set_aside(folder)
        with translated(folder):
            connection = sqlite3.connect(
                file, isolation_level=None, check_same_thread=False, timeout=30
            )
        with _closed_on_error(connection):
            _prepare(folder, connection)
        # A courtesy to whoever comes second; the lock alone decides.
        with contextlib.suppress(OSError):
            (folder / ".holder").unlink(missing_ok=True)  # never what a link in its place names
            holder = f"process {os.getpid()} on {socket.gethostname()}"
            (folder / ".holder").write_text(holder, encoding="utf-8")
    except BaseException:
        lock.release()
        raise
    return connection, lock


def close_written(folder: Path, connection: sqlite3.Connection, lock: FileLock) -> None:
    """Fold the journal into the one file and let go of the store."""
    # Without a live journal, readers leave no files of their own beside the store. A reader at
    # this very moment prevents it, which does no harm.
    with contextlib.suppress(sqlite3.Error):
        connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    (folder / ".holder").unlink(missing_ok=True)
    lock.release()


def set_aside(folder: Path) -> None:
    """Keep the store of a folder, if there is one, beside the place of a new one.

    Raises
    ------
    OutputError, StoreBusy
        If it cannot be moved, or another process holds it.
    """
    if (folder / FILE_NAME).exists():
        lock = locked(folder)
        try:
            _set_aside(folder)
        finally:
            lock.release()


def locked(folder: Path) -> FileLock:
    """Hold a folder that is there against other processes.

    Raises
    ------
    OutputError, StoreBusy
        If it cannot be locked, or another process holds it.
    """
    lock = FileLock(folder / ".lock")
    try:
        # Of a process that was just killed the system may need a moment to let go.
        lock.acquire(timeout=_PATIENCE_S)
    except Timeout:
        raise StoreBusy(
            f"{folder}: {_holder(folder)} is writing this store; wait for it to end, or use "
            "another --out"
        ) from None
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be locked ({error.strerror}); give another --out"
        ) from None
    return lock


def _prepare(folder: Path, connection: sqlite3.Connection) -> None:
    # Nothing at all in the file: it is new, or was killed before it held anything.
    new = _is_blank(folder, connection)
    version = SCHEMA_VERSION if new else _check(folder, connection)
    if version == SCHEMA_VERSION and not new:
        _check_tables(folder, connection)
    with translated(folder):
        if new:
            connection.execute(f"PRAGMA page_size = {_PAGE}")
        # Before a migration, too: killed within it, only this kind of journal lets readers in.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        if new:
            connection.executescript(
                f"BEGIN; PRAGMA application_id = {APPLICATION_ID}; "
                f"PRAGMA user_version = {SCHEMA_VERSION}; {SCHEMA} COMMIT;"
            )
    with translated(folder, writing=True):
        migrate(connection, version, lambda: _check_tables(folder, connection))


def _is_blank(folder: Path, connection: sqlite3.Connection) -> bool:
    with translated(folder):
        pragmas = ("PRAGMA application_id", "PRAGMA user_version")
        counts = (*pragmas, "SELECT count(*) FROM sqlite_schema")
        return not any(connection.execute(query).fetchone()[0] for query in counts)


def _check(folder: Path, connection: sqlite3.Connection) -> int:
    """Check that this is a store that can be used, and return its format."""
    file = folder / FILE_NAME
    with translated(folder):
        _restrain(connection)
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
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
    if version < SCHEMA_VERSION and version not in STEPS:
        raise NotAStore(
            f"{file}: written by an earlier version of recovery (format {version}, this one "
            f"reads {min(STEPS)} to {SCHEMA_VERSION}); use another --out, or begin again with "
            "--fresh"
        )
    if version > SCHEMA_VERSION:
        raise NotAStore(
            f"{file}: written by a newer version of recovery (format {version}, this one "
            f"reads {SCHEMA_VERSION}); upgrade with pip install --upgrade recovery"
        )
    return int(version)


def _restrain(connection: sqlite3.Connection) -> None:
    """Set bounds to a file that may come from elsewhere; what it brings along is never run."""
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)


def _check_tables(folder: Path, connection: sqlite3.Connection) -> None:
    """Check that there are the tables of this program, and nothing that acts: views, triggers."""
    with closing(sqlite3.connect(":memory:")) as ours:
        ours.executescript(SCHEMA)
        expected = _objects(ours)
    with translated(folder):
        found = _objects(connection) - {_STATISTICS}
    if found != expected:
        odd = sorted({str(name) for _, name, _, _ in found ^ expected})
        raise StoreDamaged(
            f"{folder / FILE_NAME}: holds other tables than a store of this format ("
            f"{', '.join(odd)[:200]}); restore it from a backup or begin again with --fresh"
        )


def _objects(connection: sqlite3.Connection) -> set[tuple[str, str, str, str]]:
    """Return what a file's schema consists of: kind, name, table and words, white space aside."""
    rows = connection.execute("SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema")
    return {
        (str(kind), str(name), str(table), " ".join(str(sql).split()))
        for kind, name, table, sql in rows
    }


@contextmanager
def _closed_on_error(connection: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise


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
    try:
        while not nearest.exists() and nearest != nearest.parent:
            nearest = nearest.parent
    except OSError as error:
        raise OutputError(
            f"a folder's name cannot be used ({error.strerror}); give another --out"
        ) from error
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
def translated(folder: Path, *, writing: bool = False) -> Iterator[None]:
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


@contextmanager
def consistent(folder: Path) -> Iterator[None]:
    """Turn into damage what rows lead to that contradict each other, or are of the wrong type.

    SQLite checks types where it writes, not where it reads: a flipped bit makes a text of a number.
    """
    try:
        yield
    except (LookupError, OverflowError, TypeError, ValueError) as error:
        raise StoreDamaged(
            f"{folder / FILE_NAME}: its tables contradict each other "
            f"({' '.join(str(error).split())[:200]}); see recovery status {folder} --verify, then "
            "restore it from a backup or begin again with --fresh"
        ) from error
