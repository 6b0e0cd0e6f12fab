"""A worker that dies or hangs costs no other replicate anything, and itself a bounded time."""

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from crash.hazards import Hazardous

from recovery import Results, Sweep
from recovery.design import Replicate
from recovery.execution import interpreter, seat
from recovery.testing import ExactSampler, line

REPLICATES = 12


def sweep(sampler: ExactSampler, replicates: int = REPLICATES) -> Sweep:
    return Sweep(line, sampler=sampler, draws=50, replicates=replicates)


def sampler_seeds(*numbers: int) -> tuple[int, ...]:
    cell = sweep(ExactSampler()).design.cells[0]
    return tuple(Replicate(cell, 42, number).sampler_seed for number in numbers)


def run(out: Path, sampler: ExactSampler, **options: Any) -> Results:
    options = {"workers": 2, "progress": False, "report": False, **options}
    return sweep(sampler, options.pop("replicates", REPLICATES)).run(out, **options)


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return run(tmp_path_factory.mktemp("sound"), ExactSampler()).estimates


def others_equal(found: Results, sound: pd.DataFrame, *numbers: int) -> bool:
    left = ~sound["replicate"].isin(numbers)
    return found.estimates.equals(sound[left].reset_index(drop=True))


@pytest.mark.parametrize("threads", [True, False])
def test_a_killed_worker_is_replaced_and_its_replicates_run_again(
    tmp_path: Path, sound: pd.DataFrame, threads: bool
) -> None:
    seeds = sampler_seeds(2, 5, 9)
    flags = tmp_path / "flags"
    flags.mkdir()
    # Where there are threads, the runner waits until another process has met a hazard.
    sampler = Hazardous(
        hazard="kill", seeds=seeds, once=str(flags), spared=os.getpid(), threads=threads
    )
    results = run(tmp_path / "run", sampler, workers=4, processes=2 if threads else None)
    assert (results.replicates["status"] == "ok").all()
    assert results.estimates.equals(sound)
    if not threads:
        assert len(list(flags.iterdir())) == 3


@pytest.mark.parametrize("hazard", ["segfault", "overflow", "kill", "exit"])
def test_a_replicate_that_always_ends_its_process_is_recorded_as_crashed(
    tmp_path: Path, sound: pd.DataFrame, hazard: str
) -> None:
    counted = tmp_path / "counted"
    sampler = Hazardous(hazard=hazard, seeds=sampler_seeds(3), threads=False, counted=str(counted))
    results = run(tmp_path / "run", sampler)
    (crashed,) = results.replicates.query("status != 'ok'").to_dict("records")
    assert (crashed["replicate"], crashed["status"], crashed["stage"]) == (3, "crashed", "sample")
    how = {"segfault": "SIGSEGV", "overflow": "SIGSEGV", "kill": "SIGKILL", "exit": "exit code 3"}
    assert f"died in each of {seat.TRIES} tries ({how[hazard]}" in crashed["error"].replace(
        "signal 11, ", ""
    ).replace("signal 9, ", "")
    if hazard == "segfault":
        assert "in segfault" in crashed["traceback"]
    assert others_equal(results, sound, 3)
    tries = [line.split()[1] for line in counted.read_text().splitlines()]
    assert tries.count(str(sampler.seeds[0])) == seat.TRIES
    assert len(tries) == REPLICATES - 1 + seat.TRIES


@pytest.mark.parametrize("hazard", ["sleep", "hang"])
@pytest.mark.parametrize("threads", [True, False])
def test_a_fit_that_does_not_return_is_ended_when_its_time_is_up(
    tmp_path: Path, sound: pd.DataFrame, hazard: str, threads: bool
) -> None:
    sampler = Hazardous(hazard=hazard, seeds=sampler_seeds(0, 7), threads=threads)
    began = time.monotonic()
    results = run(tmp_path, sampler, timeout=1.5)
    assert time.monotonic() - began < 120  # not the ten minutes that they would sleep
    late = results.replicates.query("status != 'ok'")
    assert late["replicate"].tolist() == [0, 7]
    assert set(late["status"]) == {"timed out"}
    assert set(late["error"]) == {"TimedOut: no end within 1.5 s at stage sample"}
    assert late["traceback"].str.contains("hazards.py|in sleep|in hang").all()
    assert ((late["wall_s"] > 1.4) & (late["wall_s"] < 30)).all()
    assert others_equal(results, sound, 0, 7)


def test_building_and_compiling_do_not_count_against_the_timeout() -> None:
    watch = seat._Watch(5.0)
    watch._since -= 100.0  # a hundred seconds of building
    watch.enter(seat.Stage.SAMPLE)
    assert watch.left_s is not None
    assert 4.0 < watch.left_s <= 5.0
    watch._since -= 3.0
    watch.enter(seat.Stage.COMPILE)
    watch._since -= seat.COMPILE_S - 1
    assert watch.left_s > 0.0
    watch._since -= 2.0
    assert watch.left_s == 0.0


def test_a_run_killed_by_a_replicate_isolates_it_in_the_next_run(
    tmp_path: Path, sound: pd.DataFrame
) -> None:
    out, counted = tmp_path / "run", tmp_path / "counted"
    code = textwrap.dedent(f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parents[1])!r})
        from crash.test_workers import Hazardous, run
        from pathlib import Path
        sampler = Hazardous(hazard="segfault", seeds={sampler_seeds(4)}, counted={str(counted)!r})
        run(Path({str(out)!r}), sampler)
        print("lived")
    """)
    died = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
        for _ in range(2)
    ]
    assert died[0].returncode == -11, died[0].stderr
    assert died[1].stdout == "lived\n", died[1].stderr
    results = Results(out)
    assert results.replicates.query("status == 'crashed'")["replicate"].tolist() == [4]
    assert others_equal(results, sound, 4)
    # Once in the runner, and then alone.
    fits = [line.split() for line in counted.read_text().splitlines()]
    assert len([pid for pid, seed in fits if seed == str(sampler_seeds(4)[0])]) == 1 + seat.TRIES
    assert not (out / ".under-way").exists()


def test_a_process_that_cannot_load_the_sampler_ends_the_run_with_the_reason(
    tmp_path: Path,
) -> None:
    class Unloadable(ExactSampler):
        def __setstate__(self, state: Any) -> None:
            raise RuntimeError("not in this process")

    with pytest.raises(interpreter.WorkerDied, match="RuntimeError: not in this process"):
        run(tmp_path, Unloadable(threads=False))
