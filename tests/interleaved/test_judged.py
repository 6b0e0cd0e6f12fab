"""What a job has found is judged by the gates of head's policy, as one build."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recovery.gates import Outcome
from recovery.interleaved import Ran, judge
from recovery.policy import Policy, read_policy
from recovery.results import Results

POLICY = """
[gates]
failed_below = 0.5
coverage_drop_below = 0.4
[scenarios.line]
replicates = 12
[scenarios.other]
scenario = "line"
replicates = 12
[scenarios.other.gates]
failed_below = 0.6
"""


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    file = tmp_path / "recovery.toml"
    file.write_text(POLICY)
    return read_policy(file)


def test_gates_that_need_a_base_are_left_out_without_one_and_that_is_told(
    policy: Policy, run_line: Callable[..., Results]
) -> None:
    folder = run_line(replicates=12).folder
    line, other = policy.scenarios
    told = "line: base runs with the sampler settings of head: it has no recovery.toml."
    ran = [
        Ran(line, folder, folder, notes=(told,)),
        Ran(other, folder, why="base has no line.py"),
    ]
    verdicts, notes = judge(policy, ran)
    assert [(v.scenario, v.gate) for v in verdicts] == [
        ("line", "failed_below"),
        ("line", "coverage_drop_below"),
        ("other", "failed_below"),
    ]
    assert notes == [told, "other: coverage_drop_below left out: base has no line.py."]


def test_the_error_rate_is_shared_by_the_gates_of_all_scenarios(
    policy: Policy, run_line: Callable[..., Results], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run_line(replicates=12).folder
    shared: list[Any] = []

    def spy(*_: Any, among: int, error_rate: float, **__: Any) -> list[Any]:
        shared.append((among, error_rate))
        return []

    monkeypatch.setattr("recovery.interleaved.judged.check", spy)
    line, other = policy.scenarios
    judge(policy, [Ran(line, folder, folder), Ran(other, folder)])
    assert shared == [(3, 0.05), (3, 0.05)]


def test_a_run_that_is_not_what_the_policy_plans_does_not_pass(
    policy: Policy, run_line: Callable[..., Results]
) -> None:
    folder = run_line(replicates=8).folder
    verdicts, _ = judge(policy, [Ran(policy.scenarios[0], folder)])
    assert [v.outcome for v in verdicts] == [Outcome.INCONCLUSIVE]
    assert "8 replicates a cell were run, not 12" in verdicts[0].reason
