"""Recovery tests in any project's test suite: the fixtures ``recovery`` and ``recovery_benchmark``.

::

    def test_plants_recovers(recovery):
        results = recovery.sweep(plants, {"trials": [100]}, replicates=100, truth="prior")
        recovery.check(results, calibrated=True, coverage_within=0.05)

pytest imports this wherever it runs, so what is large is imported when a test asks for it.
"""

import os
import warnings
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from recovery.errors import GateError, RecoveryError
from recovery.inert import plain
from recovery.tested import PROPERTY, Checked

if TYPE_CHECKING:
    from recovery.benchmarking import RecoveryBenchmark
    from recovery.gates import Verdict
    from recovery.results import Results
    from recovery.scenario import Scenario

__all__ = ["RecoveryFixture"]

_INCONCLUSIVE: Final = ("tell", "fail", "skip")
_UNDECIDED: Final = pytest.StashKey[list[str]]()
_FOLDER: Final = pytest.StashKey[Path]()


class RecoveryFixture:
    """What a test asks for by the name ``recovery``.

    Parameters
    ----------
    request : pytest.FixtureRequest
        Of the test.
    """

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._item: pytest.Item = request.node
        self._config = request.config
        self._folder = _folder(request)
        self._fitted: dict[Path, int] = {}

    def sweep(
        self,
        scenario: "Scenario",
        levels: Mapping[str, Sequence[Any]] | None = None,
        *,
        workers: int | None = None,
        **options: Any,
    ) -> "Results":
        """Run a sweep, or read it from pytest's cache where nothing has changed since.

        A changed model, level, seed, setting or version of a package is another sweep. Warnings
        are never errors while it runs, whatever the filters: they would be failed fits.

        Parameters
        ----------
        scenario : Scenario
        levels : mapping of str to sequence, optional
            Levels by axis.
        workers : int, optional
            Fits at a time; by default one for each core, divided by the processes of pytest-xdist.
        **options
            Keywords of `recovery.Sweep`: ``replicates``, ``truth``, ``seed``, ``sampler``, ...

        Returns
        -------
        Results
        """
        from recovery.cached import cached_sweep

        workers = _workers() if workers is None else workers
        with _no_errors_of_warnings():
            done = cached_sweep(scenario, levels, options, self._folder, workers=workers)
        self._fitted[done.results.folder] = done.fitted
        return done.results

    def check(
        self,
        results: "Results",
        *,
        baseline: "Results | None" = None,
        error_rate: float = 0.05,
        **gates: Any,
    ) -> "list[Verdict]":
        """Fail the test unless the results pass these gates.

        Parameters
        ----------
        results : Results
        baseline : Results, optional
            What gates that compare are to compare with.
        error_rate : float
            Chance of a false alarm over all gates of this call.
        **gates
            Gates with their limits, and their options, as in a policy: ``coverage_within=0.05``.

        Returns
        -------
        list of Verdict
            If none is a failure. What becomes of inconclusive ones is the ini option
            ``recovery_inconclusive``: ``tell`` (the test passes, and the summary tells of them),
            ``fail`` or ``skip`` (if the rest of the test passes).
        """
        from recovery.gates import check

        try:
            with _no_errors_of_warnings():
                verdicts: list[Verdict] = check(
                    results, gates, baseline=baseline, error_rate=error_rate
                )
        except GateError as error:
            pytest.fail(f"{self._item.nodeid}: {plain(error)}", pytrace=False)
        fitted = self._fitted.get(results.folder)
        checked = Checked.of(verdicts, len(results.columns), fitted)
        self._item.user_properties.append((PROPERTY, checked.to_json()))
        mode = _mode(self._config)
        if checked.failed or (mode == "fail" and checked.undecided):
            pytest.fail(checked.text(verdicts, results.folder, _report(results)), pytrace=False)
        if mode == "skip" and checked.undecided:
            # At the end of the test, for what comes after this may still fail.
            self._item.stash.setdefault(_UNDECIDED, []).append(checked.undecided)
        return verdicts


@pytest.fixture
def recovery(request: pytest.FixtureRequest) -> RecoveryFixture:
    """Sweeps that are kept between runs of pytest, and gates that they have to pass."""
    return RecoveryFixture(request)


class _Timed:
    """Has the fixture where pytest-benchmark is there, which finds tests of its own fixture."""

    @pytest.fixture
    def recovery_benchmark(self, benchmark: Any) -> "RecoveryBenchmark":
        """Time a function that fits, and tell beside its times what the fits cost."""
        from recovery.benchmarking import RecoveryBenchmark

        return RecoveryBenchmark(benchmark)


class _Untimed:
    """Has the fixture where pytest-benchmark is missing."""

    @pytest.fixture
    def recovery_benchmark(self) -> None:
        """Skip, and say what is missing."""
        pytest.skip("recovery_benchmark needs pytest-benchmark; pip install pytest-benchmark")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what becomes of a test whose gates are inconclusive."""
    about = "what becomes of a test whose gates are inconclusive: tell (it passes), fail or skip"
    parser.addini("recovery_inconclusive", about, default="tell")
    parser.getgroup("recovery").addoption(
        "--recovery-inconclusive", choices=_INCONCLUSIVE, default=None, help=about
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Refuse an unknown setting, have the right fixtures, and clear the cache once only."""
    _mode(config)
    timed = config.pluginmanager.hasplugin("benchmark")
    config.pluginmanager.register(_Timed() if timed else _Untimed(), "recovery_benchmark")
    if hasattr(config, "workerinput"):
        # pytest-xdist has cleared it; a worker that comes later would clear what others made.
        config.option.cacheclear = False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Skip a test whose gates are inconclusive, where that is asked for and it passed."""
    report = yield
    undecided = item.stash.get(_UNDECIDED, [])
    if undecided and report.when == "call" and report.passed:
        file, line, _ = item.location
        report.outcome = "skipped"
        report.longrepr = (file, line or 0, f"Skipped: {'; '.join(undecided)}")
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Tell of every check: its verdicts, and the reasons of those that are no pass."""
    found: dict[str, list[Checked]] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            checks = Checked.all_of(getattr(report, "user_properties", ()))
            # Setup, call and teardown each report all that was found up to then.
            if len(checks) > len(found.get(report.nodeid, ())) if checks else False:
                found[report.nodeid] = checks
    if not found:
        return
    terminalreporter.write_sep("=", "recovery")
    for nodeid, checks in found.items():
        for checked in checks:
            for line in checked.summary(nodeid):
                terminalreporter.write_line(line)


def _mode(config: pytest.Config) -> str:
    mode = config.getoption("recovery_inconclusive") or config.getini("recovery_inconclusive")
    if mode not in _INCONCLUSIVE:
        raise pytest.UsageError(
            f"recovery_inconclusive: {mode!r} is not allowed; give {', '.join(_INCONCLUSIVE)}"
        )
    return str(mode)


def _folder(request: pytest.FixtureRequest) -> Path:
    """Return where sweeps are kept: in pytest's cache, or else for this session."""
    config = request.config
    if _FOLDER not in config.stash:
        cache = getattr(config, "cache", None)
        if cache is not None:
            config.stash[_FOLDER] = cache.mkdir("recovery")
        else:
            factory: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
            base = factory.getbasetemp()
            # The processes of pytest-xdist have folders in one, which they share.
            base = base.parent if hasattr(config, "workerinput") else base
            config.stash[_FOLDER] = base / "recovery"
    return config.stash[_FOLDER]


def _workers() -> int:
    from recovery.execution import default_workers

    return max(1, default_workers() // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


@contextmanager
def _no_errors_of_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filters = [
            ("default", *known[1:]) if known[0] == "error" else known for known in warnings.filters
        ]
        yield


def _report(results: "Results") -> str:
    """Write the report of a run that failed; return where it is, or why it is not."""
    from recovery.report import write_report

    file = results.folder / "report.html"
    try:
        store = [results.folder / f"results.sqlite{end}" for end in ("", "-wal")]
        newest = max(path.stat().st_mtime_ns for path in store if path.is_file())
        if not file.is_file() or file.stat().st_mtime_ns < newest:
            with _no_errors_of_warnings():
                write_report(results)
    except RecoveryError as error:
        return f"none: {plain(error)}"
    return plain(file)
