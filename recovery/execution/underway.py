"""Which replicates the threads of the runner are at, for the next runner if this one dies.

A crash in compiled code takes the runner and all its threads along. What they were at is written
where it outlives the process (not the machine, whose end is no replicate's fault), so that the next
runner gives each of these a process of its own.
"""

import contextlib
import os
import re
import stat
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

FILE_NAME: Final = ".under-way"
_SLOT: Final = 96  # bytes, for the longest key there is
_KEY: Final = re.compile(rb"[0-9a-f]{16}-\d{1,19}-\d{1,19}(?:-refit)?")
_PLAIN: Final = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a folder may come from elsewhere
_MOST: Final = 4096  # slots read of a file


class UnderWay:
    """The replicates under way in threads of this process, on file; a context manager.

    Parameters
    ----------
    folder : Path
        Of the store, which this process holds.

    Attributes
    ----------
    suspects : set of str
        Keys of replicates that were under way when an earlier runner died. They stay on file
        until they are done, so that another death does not acquit them.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE_NAME
        self.suspects = _read(self._file)
        self._fd = -1
        self._free: list[int] = []
        self._slots = 0
        self._places: dict[str, int] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> "UnderWay":
        """Begin, with the suspects on file."""
        with contextlib.suppress(OSError):
            self._fd = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_TRUNC | _PLAIN, 0o600)
        for key in sorted(self.suspects):
            self._mark(key)
        return self

    def __exit__(self, *_: object) -> None:
        """Forget; a runner that ends in good order suspects nobody but who was suspected before."""
        # What threads are still at when a run is stopped at once did not end it.
        for key in set(self._places) - self.suspects:
            self._clear(key)
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1
        if not self.suspects:
            with contextlib.suppress(OSError):
                self._file.unlink(missing_ok=True)

    def done(self, keys: Collection[str]) -> None:
        """Acquit suspects whose records are stored."""
        for key in self.suspects.intersection(keys):
            self.suspects.discard(key)
            self._clear(key)

    @contextmanager
    def at(self, key: str) -> Iterator[None]:
        """Have a replicate on file while it is under way in this process."""
        self._mark(key)
        try:
            yield
        finally:
            self._clear(key)

    def _mark(self, key: str) -> None:
        with self._lock:
            if self._free:
                place = self._free.pop()
            else:
                place = self._slots
                self._slots += 1
            self._places[key] = place
            self._write(place, key.encode())

    def _clear(self, key: str) -> None:
        with self._lock:
            place = self._places.pop(key, None)
            if place is not None:
                self._write(place, b"")
                self._free.append(place)

    def _write(self, place: int, text: bytes) -> None:
        """Write a slot; hold the lock, so that no thread writes to a number that was closed."""
        # Without a place to write it, a crash has no suspects; that must not end a sound run.
        with contextlib.suppress(OSError):
            if self._fd >= 0:
                os.pwrite(self._fd, text.ljust(_SLOT, b"\n"), place * _SLOT)


def _read(file: Path) -> set[str]:
    content = b""
    with contextlib.suppress(OSError):
        fd = os.open(file, os.O_RDONLY | _PLAIN)
        try:
            if stat.S_ISREG(os.fstat(fd).st_mode):
                content = os.read(fd, _SLOT * _MOST)
        finally:
            os.close(fd)
    return {line.decode() for line in content.split(b"\n") if _KEY.fullmatch(line)}
