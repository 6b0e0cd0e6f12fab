"""What a person sees while a run goes on."""

import dataclasses
import io

import numpy as np
import pytest
from rich.console import Console

from recovery import progress
from recovery.progress import Bar, Lines, Tally, reporter
from recovery.record import QUANTILE_GRID, Estimates, Failure, Record, Stage, Status, Times


def record(truths: list[float]) -> Record:
    """One fit of standard normal posteriors with these truths."""
    n = len(truths)
    columns = {
        f.name: np.zeros(n)
        for f in dataclasses.fields(Estimates)
        if f.name
        not in ("names", "kinds", "truth", "quantiles", "kept_draws", "rank", "ranked_among")
    }
    from scipy.special import ndtri

    estimates = Estimates(
        names=tuple("abcdefgh"[:n]),
        kinds=("parameter",) * n,
        truth=np.array(truths),
        quantiles=np.tile(ndtri(QUANTILE_GRID), (n, 1)),
        kept_draws=np.zeros((99, n)),
        rank=np.zeros(n, dtype=np.int64),
        ranked_among=np.full(n, 99),
        **columns,
    )
    return Record("k", "c", 1, 0, Status.OK, Times(), estimates=estimates)


FAILED = Record(
    "k", "c", 1, 0, Status.FAILED, Times(), failure=Failure(Stage.SAMPLE, "E: no", "...")
)


def test_coverage_so_far_is_the_share_of_90_percent_intervals_by_truth_mode() -> None:
    tally = Tally(10)
    # The 90 % interval of a standard normal ends at 1.645.
    tally.add(record([0.0, 1.6, 1.7, -1.7]), "prior")
    tally.add(record([0.0]), "fixed")
    tally.add(FAILED, "fixed")
    assert tally.coverage == "fixed 1.000 prior 0.500"
    assert (tally.done, tally.failed) == (3, 1)


def test_the_rate_leaves_out_the_time_before_the_first_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    tally = Tally(11)
    assert tally.left_s is None
    now[0] = 60.0  # compiling
    tally.add(record([0.0]), "fixed")
    now[0] = 62.0
    for _ in range(4):
        tally.add(record([0.0]), "fixed")
    assert tally.fits_per_s == pytest.approx(2.0)
    assert tally.left_s == pytest.approx(3.0)


def test_without_a_terminal_there_is_a_plain_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    stream = io.StringIO()
    shown = reporter(100, stream)
    assert isinstance(shown, Lines)
    with shown:
        for _ in range(100):
            now[0] += 0.25
            shown.add(record([0.0]), "fixed")
    lines = stream.getvalue().splitlines()
    assert lines[0] == "100 fits to do; compiling first"
    assert len(lines) == 4  # at 10 s, at 20 s, and the end
    assert lines[1].startswith("40/100 fits, 4.0 fits/s, 15 s left, 0 failed, 90 % coverage: fixed")
    assert lines[-1].startswith("100/100 fits")
    assert "\x1b" not in stream.getvalue()


def test_a_closed_stream_ends_no_run() -> None:
    stream = io.StringIO()
    shown = Lines(1, stream)
    stream.close()
    with shown:
        shown.add(record([0.0]), "fixed")


def test_a_terminal_shows_fits_rate_time_left_failures_and_coverage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(
        progress, "Console", lambda file: Console(file=file, force_terminal=True, width=140)
    )
    with Bar(2, screen) as bar:
        bar.add(record([0.0]), "prior")
        bar.add(FAILED, "prior")
    text = screen.getvalue()
    for word in ("compiling", "2/2", "fits/s", "1 failed", "90 % coverage: prior 1.000"):
        assert word in text


def test_a_terminal_that_takes_nothing_more_ends_no_run() -> None:
    class Gone(io.StringIO):
        def isatty(self) -> bool:
            return True

        def write(self, text: str) -> int:
            raise OSError(5, "Input/output error")

    shown = reporter(2, Gone())
    assert isinstance(shown, Bar)
    with shown:
        shown.add(record([0.0]), "prior")
        shown.add(FAILED, "prior")
