"""What fits cost, beside the times of pytest-benchmark."""

import json
from collections.abc import Callable

import numpy as np
import pytest

from recovery.benchmarking import RecoveryBenchmark, describe_fits
from recovery.design import Design, Replicate, Settings
from recovery.engine.replicate import run_replicate, simulate
from recovery.engine.samplers import Fit
from recovery.engine.workshop import Workshop
from recovery.errors import SettingsError
from recovery.record import Record
from recovery.results import Results
from recovery.testing import ExactSampler, line

SETTINGS = Settings("exact", draws=100)
TEST = """
    import pytest
    from recovery import Sweep
    from recovery.testing import ExactSampler, line

    def fit(out, replicates=5):
        sweep = Sweep(line, replicates=replicates, sampler=ExactSampler(), draws=50)
        return sweep.run(out, workers=1, progress=False, report=False)

    def test_call(recovery_benchmark, tmp_path):
        recovery_benchmark.group = "sweeps"
        results = recovery_benchmark(fit, tmp_path / "run", replicates=3)
        assert len(results.replicates) == 3

    def test_pedantic(recovery_benchmark, tmp_path):
        recovery_benchmark.extra_info |= {"mine": 1}
        recovery_benchmark.pedantic(fit, args=(tmp_path / "run",), rounds=2, warmup_rounds=1)
        assert recovery_benchmark.extra_info["fits"] == 5 * (2 if recovery_benchmark.enabled else 1)

    def test_no_fit(recovery_benchmark):
        recovery_benchmark.pedantic(lambda: 3)
"""


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """An inner pytest is no worker of the outer one, in which nothing would be benchmarked."""
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_XDIST_TESTRUNUID"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def workshop() -> Workshop:
    return Workshop(line, {"exact": ExactSampler()})


@pytest.fixture(scope="module")
def replicates() -> list[Replicate]:
    return list(Design(line, {}, ("prior",), replicates=3, settings=SETTINGS))


@pytest.fixture(scope="module")
def fits(workshop: Workshop, replicates: list[Replicate]) -> list[Fit]:
    prepared = workshop.prepare(replicates[0].cell)
    data = [simulate(r, prepared) for r in replicates]
    density = workshop.density(prepared, workshop.sampler("exact"), data[0])
    return [density.fit(d, SETTINGS, r.sampler_seed) for r, d in zip(replicates, data, strict=True)]


@pytest.fixture(scope="module")
def records(workshop: Workshop, replicates: list[Replicate]) -> list[Record]:
    return [run_replicate(r, workshop) for r in replicates]


def test_fits_records_and_results_of_the_same_replicates_cost_the_same(
    fits: list[Fit], records: list[Record], run_line: Callable[..., Results]
) -> None:
    results = run_line(truth="prior", replicates=3)
    described = [describe_fits(given) for given in (fits, records, results)]
    for found in described:
        assert (found["fits"], found["fits_failed"]) == (3, 0)
        assert found["gradient_evaluations"] == 400.0
        assert found["divergences"] == 0.0
    ess = [found["ess_bulk_per_gradient"] for found in described]
    assert ess == pytest.approx([ess[0]] * 3)
    assert ess[0] == pytest.approx(results.cost()["ess_bulk_per_gradient"][0])
    assert described[0]["ess_bulk_per_s"] == pytest.approx(ess[0] * 400 / 1e-6)


def test_versions_and_machine_are_told(fits: list[Fit]) -> None:
    found = describe_fits(fits[0])
    assert {"pymc", "numpy", "recovery"} <= set(found["versions"])
    assert found["machine"]["cores"] >= 1
    json.dumps(found, allow_nan=False)


def test_failed_fits_are_counted_and_have_no_cost(replicates: list[Replicate]) -> None:
    from recovery.testing import PairSampler

    wrong = Workshop(line, {"exact": ExactSampler(), "pymc": PairSampler()})
    wrong.sampler("exact").cannot = lambda problem: "no"  # type: ignore[method-assign]
    failed = run_replicate(replicates[0], wrong)
    assert failed.failure is not None
    found = describe_fits(failed)
    assert (found["fits"], found["fits_failed"], found["ess_bulk_per_s"]) == (0, 1, None)
    json.dumps(found, allow_nan=False)


def test_what_is_no_fit_is_refused_with_what_is_taken() -> None:
    with pytest.raises(SettingsError, match=r"a int is no fit; .* Results, a Fit or a Record"):
        describe_fits([3])  # type: ignore[list-item]


class Recorder:
    """Stands for the fixture of pytest-benchmark, with a great many rounds."""

    def __init__(self) -> None:
        self.extra_info: dict[str, object] = {}

    def __call__(self, function: Callable[[], Fit]) -> Fit:
        for _ in range(1_000):
            function()
        return function()


def test_many_rounds_are_described_by_some_that_are_spread_evenly(fits: list[Fit]) -> None:
    benchmark = Recorder()
    calls = iter(range(2_000))
    seen: list[int] = []

    def fit() -> Fit:
        seen.append(next(calls))
        return fits[seen[-1] % 3]

    RecoveryBenchmark(benchmark)(fit)
    assert len(seen) == 1_001
    assert 100 <= int(str(benchmark.extra_info["fits"])) <= 201


@pytest.mark.parametrize("enabled", [True, False])
def test_the_fixture_runs_through_pytest_benchmark_and_fills_extra_info(
    enabled: bool, pytester: pytest.Pytester, plugin: list[str]
) -> None:
    pytester.makepyfile(TEST)
    file = pytester.path / "bench.json"
    words = ["--benchmark-max-time=0.01", f"--benchmark-json={file}"] if enabled else []
    switch = "--benchmark-enable" if enabled else "--benchmark-disable"
    done = pytester.runpytest_inprocess(*plugin, "-p", "no:xdist", switch, *words)
    done.assert_outcomes(passed=2, failed=1)
    done.stdout.fnmatch_lines(["*SettingsError: a int is no fit*"])
    if not enabled:
        return
    by_name = {b["name"]: b for b in json.loads(file.read_text())["benchmarks"]}
    assert by_name["test_call"]["group"] == "sweeps"
    info = by_name["test_pedantic"]["extra_info"]
    assert info["mine"] == 1
    assert info["fits"] == 10
    assert info["gradient_evaluations"] == 200.0
    assert np.isfinite(info["ess_bulk_per_s"])
    assert by_name["test_pedantic"]["stats"]["rounds"] == 2


def test_only_benchmarks_are_run_where_only_they_are_asked_for(
    pytester: pytest.Pytester, plugin: list[str]
) -> None:
    pytester.makepyfile(
        """
        def test_other():
            pass

        def test_one(recovery_benchmark):
            recovery_benchmark.benchmark(int)
        """
    )
    done = pytester.runpytest_inprocess(*plugin, "-p", "no:xdist", "--benchmark-only")
    done.assert_outcomes(passed=1, skipped=1)


def test_without_pytest_benchmark_a_test_is_skipped_and_says_what_is_missing(
    pytester: pytest.Pytester, plugin: list[str]
) -> None:
    pytester.makepyfile("def test_one(recovery_benchmark): pass")
    done = pytester.runpytest_inprocess(*plugin, "-p", "no:benchmark", "-rs")
    done.assert_outcomes(skipped=1)
    done.stdout.fnmatch_lines(["*pip install pytest-benchmark*"])
