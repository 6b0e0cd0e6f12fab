"""A real Dask cluster: the same numbers, whatever dies in it."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from crash.hazards import Hazardous
from crash.test_workers import REPLICATES, meeting, others_equal, run, sweep

from recovery import Results
from recovery.cli import main
from recovery.errors import SettingsError, WorkerDied
from recovery.execution import cluster
from recovery.testing import ExactSampler

distributed = pytest.importorskip("distributed")
dask_config = pytest.importorskip("dask.config")


@pytest.fixture(scope="module")
def dask() -> Iterator[Any]:
    """Two workers of two threads in all, in processes of their own."""
    # A cluster closes a worker that is not there so long after a death of it; one that has died
    # once more in the meantime would be closed while it has new work.
    patience = dask_config.set({"distributed.deploy.lost-worker-timeout": "1 hour"})
    with (
        patience,
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            memory_limit=0,
            silence_logs=50,
        ) as cluster,
    ):
        yield cluster


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return run(tmp_path_factory.mktemp("sound"), ExactSampler()).estimates


def on(dask: Any, out: Path, sampler: ExactSampler, **options: Any) -> Results:
    return run(out, sampler, scheduler=dask.scheduler_address, **options)


def test_a_cluster_gives_the_numbers_of_one_machine_and_ends_what_hangs(
    dask: Any, tmp_path: Path, sound: pd.DataFrame
) -> None:
    sampler = Hazardous(hazards=meeting({6: "hang"}))
    results = on(dask, tmp_path, sampler, timeout=1.5)
    ends = results.replicates.query("status != 'ok'").set_index("replicate")["status"].to_dict()
    assert ends == {6: "timed out"}
    assert others_equal(results, sound, 6)
    execution = results.sessions[-1]["execution"]
    assert (execution["executor"], execution["workers"], execution["fits"]) == ("dask", 2, 12)
    densities = results.compilations.query("kind == 'density'")
    assert densities["process"].is_unique
    assert len(densities) <= 3  # once in each worker, and in the one that was ended again


def test_a_worker_that_is_killed_while_it_fits_loses_nothing(
    dask: Any, tmp_path: Path, sound: pd.DataFrame
) -> None:
    started = tmp_path / "started"

    def kill() -> None:
        for _ in range(1200):
            time.sleep(0.05)
            if started.exists() and (lines := started.read_text().splitlines()):
                process = int(lines[-1].split()[0])
                # The process that fits, and the worker above it.
                parent = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1]
                os.kill(int(parent), signal.SIGKILL)
                return

    killer = threading.Thread(target=kill)
    killer.start()
    sampler = Hazardous(counted=str(started), sleep_s=0.5)
    results = on(dask, tmp_path / "run", sampler)
    killer.join()
    assert (results.replicates["status"] == "ok").all()
    assert results.estimates.equals(sound)
    fits = [line.split()[1] for line in started.read_text().splitlines()]
    assert len(fits) > REPLICATES  # something was under way, and has been run again


def test_a_replicate_whose_every_worker_dies_ends_as_crashed_and_nothing_hangs(
    dask: Any, tmp_path: Path, sound: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    (seed,) = meeting({5: "kill the worker"})
    sampler = Hazardous(hazards={seed: "kill the worker"})
    with distributed.Client(dask, set_as_default=False) as client:
        client.run_on_scheduler(_fail_soon)
    results = on(dask, tmp_path, sampler)
    assert results.replicates.query("status != 'ok'")["replicate"].tolist() == [5]
    (crashed,) = results.replicates.query("status != 'ok'").to_dict("records")
    assert crashed["status"] == "crashed"
    assert "every Dask worker that ran it died" in crashed["error"]
    assert others_equal(results, sound, 5)


def _fail_soon(dask_scheduler: Any) -> None:
    dask_scheduler.allowed_failures = 0  # a worker is not to die three times over in a test


def test_a_cluster_without_workers_is_told_and_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_DESERTED_S", 0.5)
    with (
        distributed.LocalCluster(
            n_workers=0,
            processes=True,
            host="127.0.0.1",
            dashboard_address=":0",
            silence_logs=50,
        ) as empty,
        pytest.raises(WorkerDied, match="no Dask worker has been there"),
    ):
        on(empty, tmp_path, ExactSampler())


def test_an_address_where_nobody_answers_and_impossible_options_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cluster, "_CONNECT_S", 0.5)
    with pytest.raises(SettingsError, match="no Dask scheduler answers at 'tcp://127.0.0.1:1'"):
        sweep(ExactSampler()).run(tmp_path, scheduler="tcp://127.0.0.1:1", progress=False)
    for address in ("nonsense", "", "tcp://localhost", "http://127.0.0.1:9", "tcp://a b:1"):
        with pytest.raises(SettingsError, match="is no address; give it as tcp://host:8786"):
            sweep(ExactSampler()).run(tmp_path / "x", scheduler=address, progress=False)
    assert not (tmp_path / "x").exists()
    for options, told in (
        ({"executor": "slurm"}, "give local or dask"),
        ({"executor": "dask", "processes": 2}, "processes"),
        ({"timeout": -1.0}, "timeout: -1.0"),
    ):
        with pytest.raises(SettingsError, match=told):
            sweep(ExactSampler()).run(tmp_path, progress=False, **options)
    assert main(["run", "plants", "--executor", "slurm"]) == 2
    assert "slurm" in capsys.readouterr().err
