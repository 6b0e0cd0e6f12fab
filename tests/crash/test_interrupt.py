"""Ctrl-C and SIGTERM: the first ends the run cleanly, the second at once, and resuming goes on."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from crash.driver import TESTS, Nursery, Order, Whole
from crash.stores import FILE, acknowledged_keys, findings, same, stored_keys
from crash.waiting import counted, marked, until

from recovery import Results
from recovery.cli import INTERRUPTED

SOON_S = 20.0  # for a process to end that has nothing to wait for

WAYS: dict[str, dict[str, Any]] = {
    "threads": {"workers": 2, "processes": 1},
    "processes of threads": {"workers": 3, "processes": 2},
    "processes": {"workers": 2, "sampler": {"threads": False}},
}


def order(tmp_path: Path, way: str, seconds: float) -> Order:
    options = dict(WAYS[way])
    sampler = {"least_s": seconds, "most_s": seconds, "counted": str(tmp_path / "counted")}
    sampler |= options.pop("sampler", {})
    if way == "processes of threads":
        # Or the fits of the runner would be done before another process has begun.
        sampler["company"] = str(tmp_path / "company")
    return Order(
        out=str(tmp_path / "run"),
        replicates=25,
        sampler=sampler,
        acknowledged=str(tmp_path / "acknowledged"),
        mark=f"RECOVERY_TEST_{os.getpid()}_{time.monotonic_ns()}",
        **options,
    )


def in_mid_fit(tmp_path: Path, way: str) -> bool:
    """Say whether all that are to fit have begun to."""
    processes = {"threads": 1, "processes of threads": 2, "processes": 2}[way]
    return len({pid for pid, _ in counted(tmp_path / "counted")}) == processes


def resumed(nursery: Nursery, order: Order, whole: Whole) -> None:
    """Assert that a run goes on to where it would have ended."""
    with nursery.run(replace(order, sampler={}, workers=2, processes=None)) as run:
        assert run.wait() == 0
    same(Results(order.out), whole(order))


@pytest.mark.parametrize(
    ("way", "number"),
    [
        *((way, signal.SIGINT) for way in WAYS),
        ("threads", signal.SIGTERM),
        ("processes", signal.SIGTERM),
    ],
)
def test_one_signal_ends_a_run_with_all_that_was_under_way_and_it_can_be_resumed(
    tmp_path: Path, nursery: Nursery, whole: Whole, way: str, number: signal.Signals
) -> None:
    what = order(tmp_path, way, seconds=0.2)
    with nursery.run(what) as run:
        assert until(lambda: in_mid_fit(tmp_path, way))
        run.kill(number)  # as a terminal does, to the whole group
        assert run.wait() == INTERRUPTED
    assert until(lambda: not marked(what.mark), SOON_S)
    stored = stored_keys(Path(what.out))
    assert sorted(stored) == sorted(acknowledged_keys(Path(what.acknowledged)))
    # Each fit that was begun is there, and none was begun again because a signal had ended it.
    assert len(counted(tmp_path / "counted")) == len(stored) < 100
    assert findings(Path(what.out)) == []
    resumed(nursery, what, whole)


@pytest.mark.parametrize("way", WAYS)
def test_a_second_signal_ends_a_run_at_once_and_it_can_be_resumed(
    tmp_path: Path, nursery: Nursery, whole: Whole, way: str
) -> None:
    what = order(tmp_path, way, seconds=120.0)
    with nursery.run(what) as run:
        assert until(lambda: in_mid_fit(tmp_path, way))
        began = time.monotonic()
        run.kill(signal.SIGINT)
        time.sleep(0.5)
        run.kill(signal.SIGINT)
        assert run.wait() == INTERRUPTED
        assert time.monotonic() - began < SOON_S
    assert until(lambda: not marked(what.mark), SOON_S)
    assert stored_keys(Path(what.out)) == []
    assert findings(Path(what.out)) == []
    resumed(nursery, what, whole)


def test_a_signal_while_other_processes_start_ends_a_run_as_any_other(
    tmp_path: Path, nursery: Nursery, whole: Whole
) -> None:
    what = order(tmp_path, "processes", seconds=0.0)
    with nursery.run(what) as run:
        assert until(lambda: bool(marked(what.mark)))
        time.sleep(0.5)  # they import for seconds
        assert counted(tmp_path / "counted") == []
        run.kill(signal.SIGINT)
        assert run.wait() == INTERRUPTED
    assert findings(Path(what.out)) == []
    resumed(nursery, what, whole)


SCENARIO = """
from recovery import scenario
from recovery.testing import line as with_levels

@scenario
def line():
    return with_levels.function()
"""
CLI = """
import sys
sys.path.insert(0, {tests!r})
from crash.driver import Sleeping, offer
from recovery.cli import entry
offer(Sleeping(least_s={seconds}, most_s={seconds}, counted={counted!r}))
entry()
"""


@contextmanager
def started(tmp_path: Path, *words: str) -> "Iterator[subprocess.Popen[str]]":
    """Start Python in a group of its own, which is killed at the end of the block."""
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(TESTS.parent)},
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def command(tmp_path: Path, seconds: float) -> "AbstractContextManager[subprocess.Popen[str]]":
    """Start ``recovery run`` with a sleeping sampler."""
    scenario = tmp_path / "scenario.py"
    scenario.write_text(SCENARIO)
    words = "--sampler exact --replicates 50 --draws 50 --workers 2 --processes 1".split()
    code = CLI.format(tests=str(TESTS), seconds=seconds, counted=str(tmp_path / "counted"))
    return started(tmp_path, "-c", code, "run", str(scenario), *words, "--out", "run")


def test_the_command_line_ends_with_130_and_the_same_command_goes_on(tmp_path: Path) -> None:
    with command(tmp_path, 0.2) as process:
        assert until(lambda: len(counted(tmp_path / "counted")) > 4)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=120)
    assert process.returncode == INTERRUPTED, err
    assert "stopping once what is under way is done; again to stop at once" in err
    assert "Traceback" not in err
    assert f"go on with: recovery run {tmp_path}" in err
    kept = len(stored_keys(tmp_path / "run"))
    assert kept == len(counted(tmp_path / "counted"))
    assert 4 < kept < 50
    with command(tmp_path, 0.0) as process:
        _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert len(counted(tmp_path / "counted")) == len(stored_keys(tmp_path / "run")) == 50


def test_a_second_signal_ends_the_command_line_at_once(tmp_path: Path) -> None:
    with command(tmp_path, 120.0) as process:
        assert until(lambda: len(counted(tmp_path / "counted")) == 2)
        for _ in range(2):
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.5)
        _, err = process.communicate(timeout=SOON_S)
    assert process.returncode == INTERRUPTED, err
    assert "Traceback" not in err
    assert findings(tmp_path / "run") == []


DISCRETE = """
import pymc as pm
from recovery import Problem, scenario

@scenario
def discrete():
    with pm.Model() as model:
        count = pm.Poisson("count", 5.0)
        shift = pm.Normal("shift")
        pm.Normal("y", count + shift, 1.0, shape=20)
    return Problem(model, observed="y")
"""


def real_command(
    tmp_path: Path, out: str, *words: str
) -> "AbstractContextManager[subprocess.Popen[str]]":
    (tmp_path / "discrete.py").write_text(DISCRETE)
    options = ("--truth", "prior", "--workers", "2", "--out", out)
    return started(tmp_path, "-m", "recovery", "run", *words, *options)


def done(out: Path) -> int:
    """Return how many replicates a store has, which may not be there yet."""
    try:
        return len(stored_keys(out))
    except sqlite3.Error:
        return 0


def fits_are_whole(results: Results) -> bool:
    """Say whether every complete fit has all the draws that were asked for."""
    (settings,) = results.settings
    ok = results.replicates.query("status == 'ok'")
    sizes = [settings["chains"], settings["draws"]]
    return len(ok) > 0 and bool((ok[["chains", "draws"]] == sizes).all(axis=None))


REAL = {
    "nutpie": ("plants", "--draws", "20000", "--tune", "500", "--replicates", "12"),
    "pymc": ("plants", "--sampler", "pymc", "--draws", "800", "--replicates", "5"),
    # What nutpie cannot sample goes through the public `pm.sample`.
    "pm.sample": ("discrete.py", "--draws", "1000", "--replicates", "5"),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sampler", "number"),
    [*((sampler, signal.SIGINT) for sampler in REAL), ("nutpie", signal.SIGTERM)],
)
def test_no_short_trace_of_an_interrupted_sampler_is_taken_for_a_fit(
    tmp_path: Path, sampler: str, number: signal.Signals
) -> None:
    out, words = tmp_path / "run", REAL[sampler]
    with real_command(tmp_path, "run", *words) as process:
        assert until(lambda: done(out) > 0, 120)
        time.sleep(0.05)
        os.killpg(process.pid, number)
        _, err = process.communicate(timeout=120)
    assert process.returncode == INTERRUPTED, err
    assert findings(out) == []
    results = Results(out)
    assert fits_are_whole(results)
    assert len(results.replicates) < int(words[-1]), "it was over before it was interrupted"
    for folder in ("run", "whole"):
        with real_command(tmp_path, folder, *words) as process:
            _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
    assert fits_are_whole(Results(out))
    same(Results(out), Results(tmp_path / "whole"))


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["nutpie", "pymc"])
def test_a_second_signal_does_not_wait_for_real_samplers(tmp_path: Path, sampler: str) -> None:
    words = ["plants", "--sampler", sampler, "--draws", "200000", "--replicates", "400"]
    out = tmp_path / "run"
    with real_command(tmp_path, "run", *words) as process:
        assert until(lambda: (out / FILE).exists(), 120)
        time.sleep(15)  # to compile, and begin to sample
        began = time.monotonic()
        for _ in range(2):
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.5)
        _, err = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED, err
    assert time.monotonic() - began < SOON_S
    assert findings(out) == []
