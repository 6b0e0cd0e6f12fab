"""What a person sees while a run goes on: a bar on a terminal, else a plain line now and then."""

import sys
import time
from typing import Protocol, Self, TextIO

import numpy as np
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from recovery.inert import plain
from recovery.record import FITTED, Record, Status
from recovery.streams import lasting

_LINE_EVERY_S = 10.0


class Tally:
    """Counts over the records seen so far."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self.failed = 0
        self._covered: dict[str, list[int]] = {}
        self._started = time.monotonic()
        self._first: float | None = None

    def add(self, record: Record, truth_mode: str) -> None:
        """Count one record."""
        self.done += 1
        self.failed += record.status is not Status.OK
        if self._first is None:
            self._first = time.monotonic()
        if record.estimates is not None and not record.refit:
            lower, upper = record.estimates.interval(0.9)
            truth = record.estimates.truth
            fitted = np.isin(record.estimates.kinds, FITTED)
            inside = ((lower <= truth) & (truth <= upper))[fitted]
            hits = self._covered.setdefault(truth_mode, [0, 0])
            hits[0] += int(inside.sum())
            hits[1] += len(inside)

    @property
    def fits_per_s(self) -> float:
        """Rate since the first record, so that compilation does not count."""
        elapsed = time.monotonic() - (self._first or self._started)
        return (self.done - 1) / elapsed if self.done > 1 and elapsed > 0 else 0.0

    @property
    def coverage(self) -> str:
        """Share of 90 % intervals that hold the truth, over all parameters, by truth mode."""
        return " ".join(
            f"{mode} {hits / n:.3f}" for mode, (hits, n) in sorted(self._covered.items()) if n
        )

    @property
    def left_s(self) -> float | None:
        """Seconds left at the present rate."""
        return (self.total - self.done) / self.fits_per_s if self.fits_per_s else None


class Reporter(Protocol):
    """Something that is told of each record."""

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def __exit__(self, *_: object) -> None:
        """End."""
        ...

    def add(self, record: Record, truth_mode: str) -> None:
        """Take note of one record."""
        ...

    def expect(self, more: int) -> None:
        """Take note that so many more are to come."""
        ...


class Silent:
    """Says nothing."""

    def __init__(self, total: int = 0) -> None:
        """Take no note of the number of fits."""

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """End."""

    def add(self, record: Record, truth_mode: str) -> None:
        """Take no note."""

    def expect(self, more: int) -> None:
        """Take no note."""


class Bar:
    """A progress bar: fits done, fits per second, time left, failures, coverage so far."""

    def __init__(self, total: int, stream: TextIO) -> None:
        self._tally = Tally(total)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            TextColumn("{task.fields[failures]}"),
            TextColumn("{task.fields[coverage]}"),
            console=Console(file=lasting(stream)),
            expand=True,
        )
        self._task = self._progress.add_task(
            "compiling", total=total, rate="", failures="", coverage=""
        )

    def __enter__(self) -> Self:
        """Show the bar."""
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the last state on the screen."""
        self._progress.stop()

    def add(self, record: Record, truth_mode: str) -> None:
        """Move on by one."""
        tally = self._tally
        tally.add(record, truth_mode)
        self._progress.update(
            self._task,
            advance=1,
            description="fitting" if tally.done < tally.total else "fitted",
            rate=f"{tally.fits_per_s:.1f} fits/s",
            failures=f"[red]{tally.failed} failed[/red]" if tally.failed else "0 failed",
            coverage=f"90 % coverage: {tally.coverage}" if tally.coverage else "",
        )

    def expect(self, more: int) -> None:
        """Make the bar longer."""
        self._tally.total += more
        self._progress.update(self._task, total=self._tally.total)


class Lines:
    """A plain line every ten seconds, for logs."""

    def __init__(self, total: int, stream: TextIO) -> None:
        self._tally = Tally(total)
        self._stream = lasting(stream)
        self._last = time.monotonic()

    def __enter__(self) -> Self:
        """Say what is about to happen."""
        self._say(f"{self._tally.total} fits to do; compiling first")
        return self

    def __exit__(self, *_: object) -> None:
        """Say where it ended."""
        self._say(self._line())

    def add(self, record: Record, truth_mode: str) -> None:
        """Print a line if it is time for one."""
        self._tally.add(record, truth_mode)
        if time.monotonic() - self._last >= _LINE_EVERY_S:
            self._last = time.monotonic()
            self._say(self._line())

    def expect(self, more: int) -> None:
        """Count on more."""
        self._tally.total += more

    def _line(self) -> str:
        tally = self._tally
        parts = [f"{tally.done}/{tally.total} fits", f"{tally.fits_per_s:.1f} fits/s"]
        if tally.left_s and tally.done < tally.total:
            parts.append(f"{tally.left_s:.0f} s left")
        parts.append(f"{tally.failed} failed")
        if tally.coverage:
            parts.append(f"90 % coverage: {tally.coverage}")
        return ", ".join(parts)

    def _say(self, line: str) -> None:
        print(line, file=self._stream, flush=True)


def note(text: str) -> None:
    """Say a line beside the progress, on standard error."""
    print(plain(text), file=lasting(sys.stderr), flush=True)


def reporter(total: int, stream: TextIO | None = None) -> Reporter:
    """Return a bar where the stream is a terminal, plain lines elsewhere."""
    stream = stream or sys.stderr
    return Bar(total, stream) if lasting(stream).isatty() else Lines(total, stream)
