"""Threads, processes of threads, and processes give the same; work goes where it pays."""

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from recovery import Sweep
from recovery.engine.samplers import Fit, Target
from recovery.engine.structure import Simulated
from recovery.execution import intake, local
from recovery.results import Results
from recovery.store import Store
from recovery.testing import ExactDensity, ExactSampler, line

# Other processes cannot import this module by its name.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


@dataclass
class Slow(ExactSampler):
    """Takes its time, with the interpreter or beside it."""

    sleep_s: float = 0.0
    work_s: float = 0.0

    def compile(self, target: Target, simulated: Simulated) -> "SlowDensity":
        return SlowDensity(self, target)


class SlowDensity(ExactDensity):
    def fit(self, *args: Any) -> Fit:
        sampler: Slow = self._sampler  # type: ignore[assignment]  # made by it
        until = time.thread_time() + sampler.work_s
        while time.thread_time() < until:
            pass
        time.sleep(sampler.sleep_s)
        fit = super().fit(*args)
        return Fit(fit.draws, fit.sampling, sample_s=max(sampler.sleep_s, 1e-6))


def run(out: Path, sampler: ExactSampler, **options: Any) -> Results:
    replicates = options.pop("replicates", 12)
    sweep = Sweep(line, {"trials": [5, 9]}, sampler=sampler, draws=50, replicates=replicates)
    return sweep.run(out, **{"workers": 2, "progress": False, "report": False, **options})


def execution(results: Results) -> dict[str, Any]:
    found: dict[str, Any] = results.sessions[-1]["execution"]
    return found


@pytest.mark.parametrize(
    ("threads", "workers", "processes"),
    [(True, 1, None), (True, 4, None), (True, 2, 2), (True, 4, 2), (False, 1, None), (False, 3, 3)],
)
def test_every_way_to_run_gives_the_same_numbers(
    tmp_path: Path, threads: bool, workers: int, processes: int | None
) -> None:
    expected = run(tmp_path / "plain", ExactSampler(), workers=1)
    sampler = ExactSampler(threads=threads)
    found = run(tmp_path / "other", sampler, workers=workers, processes=processes)
    assert found.estimates.equals(expected.estimates)
    digests = [results.replicates["data_digest"].tolist() for results in (expected, found)]
    assert digests[0] == digests[1]


def test_a_fit_that_holds_the_interpreter_gets_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "_IMPORT_S", 0.0)
    results = run(tmp_path, Slow(work_s=0.01), replicates=300)
    assert execution(results)["processes"] == 2
    assert execution(results)["python_share"] > 0.9
    assert execution(results)["fits"] == len(results.replicates) == 600


def test_a_fit_that_leaves_the_interpreter_alone_stays_in_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "_IMPORT_S", 0.0)
    results = run(tmp_path, Slow(sleep_s=0.2), replicates=10)
    assert execution(results)["processes"] == 1
    assert execution(results)["python_share"] < 0.2


@dataclass
class Meeting(ExactSampler):
    """Fits of the runner wait until another process has come to fit."""

    flag: str = ""
    runner: int = 0

    def compile(self, target: Target, simulated: Simulated) -> "MeetingDensity":
        return MeetingDensity(self, target)


class MeetingDensity(ExactDensity):
    def fit(self, *args: Any) -> Fit:
        sampler: Meeting = self._sampler  # type: ignore[assignment]  # made by it
        if os.getpid() != sampler.runner:
            Path(sampler.flag).touch()
        for _ in range(3000):
            if Path(sampler.flag).exists():
                break
            time.sleep(0.1)
        return super().fit(*args)


def test_other_processes_take_over_threads_and_compile_once_each(tmp_path: Path) -> None:
    sampler = Meeting(flag=str(tmp_path / "flag"), runner=os.getpid())
    results = run(tmp_path / "run", sampler, replicates=150, processes=2)
    densities = results.compilations.query("kind == 'density'")
    assert len(densities) == densities["process"].nunique() == 2
    assert os.getpid() in set(densities["process"])


def test_processes_without_threads_compile_once_each(tmp_path: Path) -> None:
    results = run(tmp_path, Slow(threads=False, sleep_s=0.02), replicates=50)
    densities = results.compilations.query("kind == 'density'")
    assert len(densities) == densities["process"].nunique() == 2
    assert os.getpid() not in set(densities["process"])


def test_records_that_come_together_share_a_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []
    append = Store.append

    def counted(self: Store, records: Any, **options: Any) -> None:
        batches.append(len(records))
        append(self, records, **options)

    monkeypatch.setattr(Store, "append", counted)
    run(tmp_path, ExactSampler(), replicates=200)
    assert sum(batches) == 400
    # One commit each 0.2 s at most: 100 of them would be 20 s for what takes a few.
    assert len(batches) < 100


def test_the_first_record_of_all_does_not_wait_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "_GATHER_S", 3600.0)
    gathering = intake.Intake()
    gathering.expect(1)
    record: Any = object()
    gathering.outbox.put(record)
    assert next(gathering.batches()) == [record]  # or in an hour
