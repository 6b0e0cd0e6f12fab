"""A cell that fails the same way again and again is paused, told of once, and no other is."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recovery import Results, Sweep
from recovery.cli import main
from recovery.engine.samplers import Fit
from recovery.pauses import AFTER, Pauses
from recovery.testing import ExactDensity, ExactSampler, line

Run = Callable[..., Results]


class Broken(ExactSampler):
    """Fails at one level, in words that differ in their numbers."""

    fits = 0
    mended = False

    def compile(self, *args: Any) -> Any:
        sampler = self

        class Density(ExactDensity):
            def fit(self, simulated: Any, settings: Any, seed: int) -> Fit:
                sampler.fits += 1
                time.sleep(0.02)
                if len(simulated.data["x"]) == 5 and not sampler.mended:
                    raise ValueError(f"no luck with {seed / 7:.3f} and -1.5e-{seed % 10}")
                return super().fit(simulated, settings, seed)

        return Density(self, *args[:1])


def run(out: Path, sampler: Broken, **options: Any) -> Results:
    sweep = Sweep(line, {"trials": [5, 9]}, sampler=sampler, draws=50, replicates=60)
    return sweep.run(out, workers=2, progress=False, report=False, **options)


def test_a_cell_whose_first_replicates_fail_alike_is_paused_and_the_others_go_on(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = run(out, Broken())
    counts = results.replicates.groupby(["trials", "status"]).size().to_dict()
    assert counts[9, "ok"] == 60
    assert AFTER <= counts[5, "failed"] < 60  # and those that were done before it was paused
    assert "paused" in capsys.readouterr().err
    again = Broken()
    run(out, again)
    assert again.fits == 0
    told = capsys.readouterr().err
    assert told.count("paused") == 1
    assert f"{counts[5, 'failed']} times" in told
    assert "--retry-failed" in told


def test_once_mended_retry_failed_runs_what_failed_and_what_was_left(out: Path) -> None:
    failed = len(run(out, Broken()).replicates.query("status == 'failed'"))
    mended = Broken()
    mended.mended = True
    results = run(out, mended, retry_failed=True)
    assert (results.replicates["status"] == "ok").all()
    assert len(results.replicates) == 120
    assert len(results.retried) == failed
    assert results.retried["error"].str.startswith("ValueError: no luck").all()
    assert set(results.retried["key"]) <= set(results.replicates["key"])


def test_status_tells_of_a_paused_cell_and_of_the_way_on(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(out, Broken())
    assert main(["status", str(out)]) == 0
    told = capsys.readouterr().out
    assert "trials=5 noise=1.0 slope=1.0 truth=fixed: paused" in told
    assert "--retry-failed" in told.splitlines()[-1]


def test_one_success_or_two_kinds_of_failure_pause_nothing() -> None:
    alike = Counter({("sample", f"ValueError: at {i}"): 1 for i in range(AFTER)})
    assert Pauses({"a": (0, alike)}).reason("a") == "ValueError: at # (at stage sample, 10 times)"
    assert Pauses({"a": (1, alike)}).reason("a") == ""
    assert Pauses({"a": (0, alike + Counter({("build", "x"): 1}))}).reason("a") == ""
    assert Pauses({"a": (0, Counter({("sample", "x"): AFTER - 1}))}).reason("a") == ""
    assert Pauses({}).reason("a") == ""
