"""A policy says what it means, or is refused with the line."""

from pathlib import Path

import pytest

from recovery.errors import PolicyError
from recovery.policy import Policy, find_policy, read_policy

WHOLE = """\
# The policy of this repository
error_rate = 0.1

[gates]
calibrated = true
coverage_within = 0.05

[scenarios.plants]
axes = { trials = [50, 100], noise = 0.5 }
replicates = 400
truth = "prior"

[scenarios.mine]
scenario = "models/mine.py:mine"
ess = 400
[scenarios.mine.gates]
coverage_within = 0.1
time_ratio_below = 1.2
"""


def read(folder: Path, text: str, name: str = "recovery.toml") -> Policy:
    (folder / name).write_text(text, encoding="utf-8")
    return read_policy(folder / name)


def test_a_policy_says_what_to_run_and_by_what_to_judge_it(tmp_path: Path) -> None:
    policy = read(tmp_path, WHOLE)
    assert policy.error_rate == 0.1
    plants, mine = policy.scenarios
    assert (plants.name, plants.scenario) == ("plants", "plants")
    assert plants.axes == {"trials": [50, 100], "noise": [0.5]}
    assert plants.options == {"replicates": 400, "truth": "prior"}
    assert plants.gates == {"calibrated": True, "coverage_within": 0.05}
    assert mine.scenario == "models/mine.py:mine"
    assert mine.gates == {"calibrated": True, "coverage_within": 0.1, "time_ratio_below": 1.2}


def test_a_section_means_the_file_of_its_name_where_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "plants.py").touch()
    assert read(tmp_path, WHOLE).scenarios[0].scenario == "plants.py"


def test_pyproject_can_hold_it(tmp_path: Path) -> None:
    text = '[project]\nname = "x"\n' + WHOLE.replace("[gates]", "[tool.recovery.gates]").replace(
        "[scenarios.", "[tool.recovery.scenarios."
    ).replace("error_rate", "[tool.recovery]\nerror_rate")
    assert read(tmp_path, text, "pyproject.toml").error_rate == 0.1
    assert find_policy(tmp_path).name == "pyproject.toml"
    (tmp_path / "recovery.toml").write_text(WHOLE)
    assert find_policy(tmp_path).name == "recovery.toml"


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("calibrated = true", "calibratd = true", 5, "calibratd: .* did you mean calibrated?"),
        ("calibrated = true", "calibrated = 1", 5, "calibrated: 1 is not allowed; give true"),
        ("within = 0.05", "within = 5", 6, "coverage_within: 5 is not allowed; give a margin"),
        ("within = 0.05", "within = true", 6, "coverage_within: True is not allowed"),
        ("within = 0.05", "within = nan", 6, "coverage_within: nan is not allowed"),
        ("error_rate = 0.1", "error_rate = 1.0", 2, "error_rate: 1.0 is not allowed"),
        ("error_rate = 0.1", "eror_rate = 0.1", 2, "eror_rate: .* did you mean error_rate?"),
        ("replicates = 400", "replicates = 0", 10, "replicates: 0 is not allowed"),
        ('truth = "prior"', 'truth = "priors"', 11, "truth: 'priors' is not allowed"),
        ("trials = [50, 100]", "trials = []", 9, r"axes.trials: \[\] is not allowed"),
        ("within = 0.1", "within = 0.9", 17, "coverage_within: 0.9 is not allowed"),
        ("time_ratio_below = 1.2", "time_ratio_below = 1", 18, "time_ratio_below: 1 .* above"),
        ("ess = 400", "es = 400", 15, "es: .* did you mean ess?"),
        ("[scenarios.mine]", '[scenarios."../mine"]', 13, "scenarios.../mine: no name"),
        ("[gates]\ncalibrated = true\ncoverage_within = 0.05", "gates = 3", 4, "gates: 3 is not"),
        ("[gates]", "[gats]", 4, "gats: no key is called so; did you mean gates?"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_with_the_line(
    tmp_path: Path, old: str, new: str, line: int, message: str
) -> None:
    assert old in WHOLE
    with pytest.raises(PolicyError, match=f"recovery.toml, line {line}: {message}"):
        read(tmp_path, WHOLE.replace(old, new, 1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gates = ]", "not valid TOML: .* line 1"),
        ("", "no gate and no scenario"),
        ("[scenarios.mine]\n", "scenarios.mine: no gate judges it"),
        ("a = " + "[" * 5000 + "]" * 5000, "not valid TOML"),
        ("[gates]\nci_prob = 0.9\n", "no gate and no scenario"),
    ],
)
def test_nothing_to_judge_by_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        read(tmp_path, text)


def test_no_policy_is_told_with_the_way_to_one(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="write one with recovery new NAME"):
        find_policy(tmp_path)
    with pytest.raises(PolicyError, match="no such file"):
        read_policy(tmp_path / "recovery.toml")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    with pytest.raises(PolicyError, match="has no table"):
        read_policy(tmp_path / "pyproject.toml")
