"""A run is judged by the section of the policy that it is of, and by all of it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from recovery.errors import PolicyError
from recovery.planned import lacking, section_of
from recovery.policy import Policy, read_policy
from recovery.results import Results


@pytest.fixture
def results(run_line: Callable[..., Results]) -> Results:
    return run_line({"trials": [5, 10]}, truth="prior", replicates=3)


def policy(folder: Path, text: str) -> Policy:
    (folder / "p.toml").write_text("[gates]\ncalibrated = true\n" + text)
    return read_policy(folder / "p.toml")


@pytest.mark.parametrize("target", ["line", "models/x.py:line", "models/line.py"])
def test_the_section_is_found_by_the_scenario_it_runs(
    results: Results, tmp_path: Path, target: str
) -> None:
    chosen = policy(tmp_path, f'[scenarios.a]\nscenario = "{target}"\n[scenarios.b]\n')
    found = section_of(chosen, results)
    assert found is not None
    assert found.name == "a"


def test_a_policy_without_sections_is_for_every_run(results: Results, tmp_path: Path) -> None:
    assert section_of(policy(tmp_path, ""), results) is None


def test_two_sections_of_one_scenario_are_told_apart_by_name(
    results: Results, tmp_path: Path
) -> None:
    chosen = policy(
        tmp_path, '[scenarios.a]\nscenario = "line"\n[scenarios.b]\nscenario = "line"\n'
    )
    with pytest.raises(PolicyError, match="several sections run the scenario line; name one of a"):
        section_of(chosen, results)
    found = section_of(chosen, results, "b")
    assert found is not None
    assert found.name == "b"


@pytest.mark.parametrize(
    ("section", "missing"),
    [
        ('truth = "prior"\nreplicates = 3\naxes = {trials = [5, 10]}', ""),
        ('truth = "prior"\nreplicates = 3\naxes = {trials = 5}', ""),
        ('truth = "prior"\nreplicates = 4', "3 replicates a cell were run, not 4"),
        ('truth = "prior"\nreplicates = 3\naxes = {trials = [5, 20]}', "trials = 20 was not run"),
        ('truth = "prior"\nreplicates = 3\naxes = {size = 5}', "it has no axis size"),
        ('truth = "both"\nreplicates = 3', "truth mode fixed was not run"),
    ],
)
def test_what_a_run_has_not_got_is_named(
    results: Results, tmp_path: Path, section: str, missing: str
) -> None:
    (planned,) = policy(tmp_path, f"[scenarios.line]\n{section}\n").scenarios
    assert lacking(planned, results) == missing
