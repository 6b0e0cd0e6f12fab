"""Fixtures shared by all tests: sweeps with the exact sampler, which compile nothing."""

import functools
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from recovery import Scenario, Sweep
from recovery.results import Results
from recovery.testing import ExactSampler, line

pytest_plugins = ["pytester"]


@pytest.fixture(scope="session")
def plugin() -> list[str]:
    """Arguments of an inner pytest that has our plugin, also where the package is no wheel."""
    known = entry_points(group="pytest11", name="recovery")
    return [] if known else ["-p", "recovery.pytest_plugin"]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def run_sweep(out: Path) -> Callable[..., Results]:
    """Run a small sweep of a scenario with the exact sampler into `out`."""

    def run(
        scenario: Scenario,
        levels: dict[str, list[object]] | None = None,
        *,
        workers: int = 2,
        fresh: bool = False,
        **options: Any,
    ) -> Results:
        chosen: dict[str, Any] = {"sampler": ExactSampler(), "draws": 100, "replicates": 3}
        sweep = Sweep(scenario, levels, **(chosen | options))
        return sweep.run(out, workers=workers, fresh=fresh, progress=False, report=False)

    return run


@pytest.fixture
def run_line(run_sweep: Callable[..., Results]) -> Callable[..., Results]:
    """Run a small sweep of `line`."""
    return functools.partial(run_sweep, line)
