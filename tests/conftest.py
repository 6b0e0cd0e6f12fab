"""Fixtures shared by all tests: sweeps with the exact sampler, which compile nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest

from recovery import Sweep
from recovery.results import Results
from recovery.testing import ExactSampler, line


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def run_line(out: Path) -> Callable[..., Results]:
    """Run a small sweep of `line` with the exact sampler into `out`."""

    def run(
        levels: dict[str, list[object]] | None = None, *, workers: int = 2, **options: object
    ) -> Results:
        fresh = bool(options.pop("fresh", False))
        chosen = {"sampler": ExactSampler(), "draws": 100, "replicates": 3} | options
        sweep = Sweep(line, levels, **chosen)
        return sweep.run(out, workers=workers, fresh=fresh, progress=False)

    return run
