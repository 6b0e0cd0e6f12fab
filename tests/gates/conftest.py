"""Runs of exact posteriors to be judged."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recovery import Sweep
from recovery.results import Results
from recovery.testing import ExactSampler, line

Judged = Callable[..., Results]


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
