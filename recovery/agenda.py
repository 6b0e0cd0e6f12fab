"""What is left to run, handed out to whoever has time."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from recovery.design import Replicate
from recovery.record import Record

More = Callable[[Record], Sequence[Replicate]]


class Agenda:
    """Replicates to run, for any number of takers in threads of this process.

    Parameters
    ----------
    replicates : iterable of Replicate
        Gone through as they are taken.
    more : callable, optional
        Given a record, what is to be run because of it. Where there is one, takers wait for what
        may still come while fits are under way.
    """

    def __init__(self, replicates: Iterable[Replicate], more: More | None = None) -> None:
        self._replicates = iter(replicates)
        self._added: deque[Replicate] = deque()
        self._more = more
        self._under_way = 0
        self._stopped = False
        self._changed = threading.Condition()

    def take(self, *, wait: bool = True) -> Replicate | None:
        """Return what to run next; None if there is nothing, or nothing yet and no time to wait."""
        with self._changed:
            while not self._stopped:
                replicate = self._added.popleft() if self._added else None
                replicate = replicate or next(self._replicates, None)
                if replicate is not None:
                    self._under_way += 1
                    return replicate
                if not (wait and self._more and self._under_way):
                    break
                self._changed.wait()
            return None

    def finish(self, record: Record) -> int:
        """Take note of a stored record, and return how many more are to be run because of it."""
        more = self._more(record) if self._more and not self._stopped else ()
        with self._changed:
            self._added.extend(more)
            self._under_way -= 1
            self._changed.notify_all()
        return len(more)

    def stop(self) -> None:
        """Hand out nothing more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
