"""Runs of exact posteriors to be judged."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from recovery import Sweep
from recovery.results import Results
from recovery.testing import ExactSampler, line

Judged = Callable[..., Results]
BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture(scope="session")
def run_of(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """Return a run of `line`, or of another study, made once for all tests that ask for it."""
    made: dict[str, Results] = {}

    def run(
        sd_factor: float = 1.0, shift: float = 0.0, *, replicates: int = 400, **options: Any
    ) -> Results:
        levels, study = options.pop("levels", None), options.pop("study", line)
        name = f"{study} {sd_factor} {shift} {replicates} {levels} {sorted(options.items())}"
        if name not in made:
            chosen: dict[str, Any] = {
                "truth": "prior",
                "draws": 250,
                "sampler": ExactSampler(sd_factor, shift),
            }
            sweep = Sweep(study, levels, replicates=replicates, **(chosen | options))
            folder: Path = tmp_path_factory.mktemp("run")
            made[name] = sweep.run(folder, progress=False, report=False)
        return made[name]

    return run


def load(name: str) -> ModuleType:
    """Import a script of bench/, whose studies and rules tests use, too."""
    spec = importlib.util.spec_from_file_location(f"bench_{name}", BENCH / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
