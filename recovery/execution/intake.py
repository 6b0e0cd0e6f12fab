"""Where records arrive from all that run replicates, gathered into commits."""

import threading
import time
from collections.abc import Generator
from queue import Empty, SimpleQueue
from typing import Final, TypeAlias

from recovery.record import Record

Outbox: TypeAlias = "SimpleQueue[Record | BaseException | None]"
"""Where records arrive, or the exception that ended a source; None once a source is through."""

_GATHER_S: Final = 0.2  # how long a record waits for others to share its commit


class Intake:
    """Gathers what any number of sources put into the outbox, until all of them are through."""

    def __init__(self) -> None:
        self.outbox: Outbox = SimpleQueue()
        self._sources = 0
        self._lock = threading.Lock()
        self._error: BaseException | None = None
        self._gathered = -_GATHER_S  # the first record of all is committed at once

    def expect(self, sources: int) -> None:
        """Take note of so many sources more, before any batch is asked for."""
        self._sources += sources

    def join(self) -> bool:
        """Take note of a source that comes later; False if all was done meanwhile."""
        with self._lock:
            self._sources += bool(self._sources)
            return self._sources > 0

    def batches(self) -> Generator[list[Record], None, None]:
        """Yield what came within a moment, to be committed together.

        An error of a source is raised once what came before it has been yielded.
        """
        while batch := self._gather():
            yield batch
        if self._error is not None:
            raise self._error

    def _gather(self) -> list[Record]:
        batch: list[Record] = []
        while self._sources and self._error is None:
            wait = max(self._gathered + _GATHER_S - time.monotonic(), 0.0) if batch else None
            try:
                item = self.outbox.get(timeout=wait)
            except Empty:
                break
            if item is None:
                with self._lock:
                    self._sources -= 1
            elif isinstance(item, BaseException):
                self._error = item
            else:
                batch.append(item)
        self._gathered = time.monotonic()
        return batch
