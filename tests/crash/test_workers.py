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
from crash.waiting import counted

from recovery import Results, Sweep
from recovery.design import Replicate
from recovery.execution import Equipment, interpreter, seat
from recovery.record import Status
from recovery.testing import ExactSampler, line

REPLICATES = 12


def sweep(sampler: ExactSampler, replicates: int = REPLICATES) -> Sweep:
    return Sweep(line, sampler=sampler, draws=50, replicates=replicates)


def meeting(hazards: dict[int, str]) -> dict[int, str]:
    """Hazards by sampler seed, given those by the number of the replicate."""
    cell = sweep(ExactSampler()).design.cells[0]
    return {Replicate(cell, 42, number).sampler_seed: hazards[number] for number in hazards}


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
    flags = tmp_path / "flags"
    flags.mkdir()
    sampler = Hazardous(
        hazards=meeting({2: "kill", 9: "kill"}),
        once=str(flags),
        spared=os.getpid(),
        threads=threads,
        sleep_s=1.0 if threads else 0.0,  # so that the other process comes to fit, too
    )
    results = run(tmp_path / "run", sampler, workers=2, processes=2 if threads else None)
    assert (results.replicates["status"] == "ok").all()
    assert results.estimates.equals(sound)
    if not threads:
        assert len(list(flags.iterdir())) == 2


def test_a_replicate_that_always_ends_its_process_is_recorded_as_crashed(
    tmp_path: Path, sound: pd.DataFrame
) -> None:
    begun = tmp_path / "begun"
    sampler = Hazardous(hazards=meeting({3: "segfault"}), threads=False, counted=str(begun))
    results = run(tmp_path / "run", sampler)
    (crashed,) = results.replicates.query("status != 'ok'").to_dict("records")
    assert (crashed["replicate"], crashed["status"], crashed["stage"]) == (3, "crashed", "sample")
    assert crashed["error"] == "Crashed: its process died in each of 3 tries (signal 11, SIGSEGV)"
    assert "in segfault" in crashed["traceback"]
    assert others_equal(results, sound, 3)
    (seed,) = sampler.hazards
    tries = [tried for _, tried in counted(begun)]
    assert tries.count(seed) == seat.TRIES == 3
    assert len(tries) == REPLICATES + seat.TRIES - 1


@pytest.mark.parametrize(
    ("hazard", "how"),
    [
        ("overflow", "signal 11, SIGSEGV"),
        ("exit", "exit code 3"),
        ("kill", "signal 9, SIGKILL, often for want of memory"),
    ],
)
def test_however_a_process_ends_it_is_told_and_the_seat_goes_on(hazard: str, how: str) -> None:
    sampler = Hazardous(hazards=meeting({0: hazard}))
    cell = sweep(sampler).design.cells[0]
    package = interpreter.Package(Equipment(line, {"exact": sampler}, [cell]))
    one = seat.Seat(package, seat.Limits(tries=1))
    crashed = one.run(Replicate(cell, 42, 0))
    one.end()
    assert crashed.status is Status.CRASHED
    assert crashed.failure is not None
    assert crashed.failure.error == f"Crashed: its process died in each of 1 tries ({how})"


def test_fits_that_do_not_return_are_ended_when_their_time_is_up(
    tmp_path: Path, sound: pd.DataFrame
) -> None:
    sampler = Hazardous(hazards=meeting({0: "sleep", 7: "hang"}))
    began = time.monotonic()
    results = run(tmp_path, sampler, timeout=1.5)
    assert time.monotonic() - began < 120  # not the ten minutes that they would sleep
    late = results.replicates.query("status != 'ok'").set_index("replicate")
    assert late.index.tolist() == [0, 7]
    assert set(late["status"]) == {"timed out"}
    assert set(late["error"]) == {"TimedOut: no end within 1.5 s at stage sample"}
    assert "in sleep" in late["traceback"][0]
    assert "in hang_in_compiled_code" in late["traceback"][7]
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
    out, begun = tmp_path / "run", tmp_path / "begun"
    hazards = meeting({4: "segfault"})
    code = textwrap.dedent(f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parents[1])!r})
        from crash.test_workers import Hazardous, run
        from pathlib import Path
        sampler = Hazardous(hazards={hazards!r}, counted={str(begun)!r})
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
    (seed,) = hazards
    fits = [tried for _, tried in counted(begun)]
    assert fits.count(seed) == 1 + seat.TRIES
    assert not (out / ".under-way").exists()


def test_a_process_that_cannot_load_the_sampler_ends_the_run_with_the_reason(
    tmp_path: Path,
) -> None:
    class Unloadable(ExactSampler):
        def __setstate__(self, state: Any) -> None:
            raise RuntimeError("not in this process")

    with pytest.raises(interpreter.WorkerDied, match="RuntimeError: not in this process"):
        run(tmp_path, Unloadable(threads=False))
