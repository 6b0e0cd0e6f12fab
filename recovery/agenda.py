"""What is left to run, handed out to whoever has time."""

import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence

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
    suspects : collection of str
        Keys of replicates that are handed out only to who takes them alone.
    """

    def __init__(
        self,
        replicates: Iterable[Replicate],
        more: More | None = None,
        suspects: Collection[str] = (),
    ) -> None:
        self._replicates = iter(replicates)
        self._added: deque[Replicate] = deque()
        self._more = more
        self._suspect_keys = frozenset(suspects)
        self._suspects: deque[Replicate] = deque()
        self._dropped: set[str] = set()
        self._under_way = 0
        self._stopped = False
        self._changed = threading.Condition()

    def take(self, *, wait: bool = True, alone: bool = False) -> Replicate | None:
        """Return what to run next; None if there is nothing, or nothing yet and no time to wait.

        Parameters
        ----------
        wait : bool
            Wait for what may still come.
        alone : bool
            Whether it will have a process of its own: suspects go to such takers, and first.
        """
        with self._changed:
            while not self._stopped:
                replicate = self._suspects.popleft() if alone and self._suspects else None
                replicate = replicate or self._next(alone=alone)
                if replicate is not None:
                    self._under_way += 1
                    return replicate
                if not (wait and self._may_grow):
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

    def drop(self, cell: str) -> None:
        """Hand out nothing more of a cell, given its digest."""
        with self._changed:
            self._dropped.add(cell)
            self._changed.notify_all()

    def stop(self) -> None:
        """Hand out nothing more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    @property
    def has_suspects(self) -> bool:
        """Whether anything may have to be taken alone."""
        return bool(self._suspect_keys)

    @property
    def _may_grow(self) -> bool:
        return self._more is not None and (self._under_way > 0 or bool(self._suspects))

    def _next(self, *, alone: bool) -> Replicate | None:
        """Return the next replicate, setting suspects aside for others; hold the lock."""
        while (
            replicate := self._added.popleft() if self._added else next(self._replicates, None)
        ) is not None:
            if self._dropped and replicate.cell.digest in self._dropped:
                continue
            if self._suspect_keys and replicate.key in self._suspect_keys and not alone:
                self._suspects.append(replicate)
                self._changed.notify_all()
                continue
            return replicate
        return None
