"""Runs side by side, by the exact sampler, and sessions that say what a test needs."""

import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from recovery import Scenario, Sweep
from recovery.results import Results
from recovery.testing import ExactSampler, line


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Results]:
    """Run a sweep into a folder of its own, by name; more replicates make another session."""

    def run_one(
        name: str,
        levels: dict[str, list[Any]] | None = None,
        *,
        scenario: Scenario = line,
        **options: Any,
    ) -> Results:
        chosen: dict[str, Any] = {"sampler": ExactSampler(), "draws": 100, "replicates": 20}
        sweep = Sweep(scenario, levels, **(chosen | options))
        return sweep.run(tmp_path / name, workers=2, progress=False, report=False)

    return run_one


@pytest.fixture
def say() -> Callable[..., Results]:
    """Change what the sessions of a store say of themselves, by their place."""

    def change(results: Results, told: Mapping[int, Mapping[str, Any]]) -> Results:
        path = results.folder / "results.sqlite"
        with closing(sqlite3.connect(path)) as connection, connection:
            rows = connection.execute("SELECT id, provenance FROM sessions ORDER BY id").fetchall()
            for place, (number, text) in enumerate(rows):
                provenance = json.dumps(json.loads(text) | dict(told.get(place, {})))
                connection.execute(
                    "UPDATE sessions SET provenance = ? WHERE id = ?", (provenance, number)
                )
        return Results(results.folder)

    return change
