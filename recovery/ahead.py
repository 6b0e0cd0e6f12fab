"""Reading ahead: the replicates of a large store lie scattered over its file."""

import threading
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

from recovery.errors import RecoveryError
from recovery.store import Store

_T = TypeVar("_T")
_FROM: Final = 50_000  # replicates; fewer are read in a moment
_THREADS: Final = 6
_PIECE: Final = 20_000
# Reads the page of every row, but no number of it.
_TOUCH: Final = "SELECT max(length(estimates)) FROM replicates WHERE id BETWEEN ? AND ?"


def ahead(store: Store, read: Iterable[_T]) -> Iterator[_T]:
    """Go through what is read of `replicates`, while threads touch what comes next.

    Between the pages of `replicates` lie ten times as many of `posteriors`. Read one after another
    from a disk they keep the reader waiting; a disk serves several readers in about the time of
    one. What is in memory already costs next to nothing.
    """
    (newest,) = store.rows("SELECT coalesce(max(id), 0) FROM replicates")[0]
    (_, _, file) = store.rows("PRAGMA database_list")[0]
    # A private copy has no file, and each thread would make its own.
    if newest < _FROM or not file:
        yield from read
        return
    done = threading.Event()
    pieces = iter(range(1, newest + 1, _PIECE))
    readers = [
        threading.Thread(target=_touch, args=(store, pieces, done), daemon=True)
        for _ in range(_THREADS)
    ]
    for reader in readers:
        reader.start()
    try:
        yield from read
    finally:
        done.set()
        for reader in readers:
            reader.join()


def _touch(store: Store, pieces: Iterator[int], done: threading.Event) -> None:
    try:
        own = Store.read(store.folder)
    except RecoveryError:
        return  # whoever needs the numbers tells what is wrong
    try:
        for start in pieces:  # shared: each piece is taken by one thread
            if done.is_set():
                break
            own.rows(_TOUCH, (start, start + _PIECE - 1))
    except RecoveryError:
        pass
    finally:
        own.close()
