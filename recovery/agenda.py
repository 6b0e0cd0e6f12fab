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
        Keys of replicates that only `take_suspect` hands out.
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
        self._ended = False
        self._stopped = False
        self._changed = threading.Condition()

    def take(self, *, wait: bool = True) -> Replicate | None:
        """Return what to run next; None if there is nothing, or nothing yet and no time to wait."""
        with self._changed:
            while not self._stopped:
                replicate = self._next()
                if replicate is not None:
                    self._under_way += 1
                    return replicate
                if not (wait and self._may_grow):
                    break
                self._changed.wait()
            return None

    def take_suspect(self) -> Replicate | None:
        """Return the next suspect, waiting while others are handed out; None if there is none."""
        with self._changed:
            while not self._stopped:
                if self._suspects:
                    self._under_way += 1
                    return self._suspects.popleft()
                # Whoever has the time looks for them: they are met on the way through the others.
                replicate = self._next()
                if replicate is not None:
                    self._added.appendleft(replicate)
                    self._changed.wait()
                elif not self._suspects:
                    if not self._may_grow:
                        break
                    self._changed.wait()
            return None

    @property
    def has_suspects(self) -> bool:
        """Whether `take_suspect` may have anything to hand out."""
        return bool(self._suspect_keys)

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
    def _may_grow(self) -> bool:
        return self._more is not None and self._under_way > 0

    def _next(self) -> Replicate | None:
        """Return the next replicate of the others; hold the lock."""
        while (replicate := self._added.popleft() if self._added else self._planned()) is not None:
            if self._dropped and replicate.cell.digest in self._dropped:
                continue
            if self._suspect_keys and replicate.key in self._suspect_keys:
                self._suspects.append(replicate)
                self._changed.notify_all()
                continue
            return replicate
        return None

    def _planned(self) -> Replicate | None:
        replicate = next(self._replicates, None)
        if replicate is None and not self._ended:
            self._ended = True
            self._changed.notify_all()  # whoever waits for suspects need wait no longer
        return replicate
