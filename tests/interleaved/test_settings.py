"""Base is sampled with the settings of its own policy; what makes pairs is head's."""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from crash.waiting import until
from interleaved.conftest import POLICY, Project

from recovery import Results
from recovery.comparison import compare
from recovery.interleaved.settings import OfBase, options_of_base
from recovery.policy import read_policy

GATES = "[gates]\nfailed_below = 0.5\n"
BORROWED = "line: base runs with the sampler settings of head"


def of_base(tmp_path: Path, head: str, base: str | None) -> OfBase:
    """Return how base runs the one scenario of two policies, each the text of its section."""
    for side, text in (("head", head), ("base", base)):
        folder = tmp_path / side / "checks"
        folder.mkdir(parents=True)
        if text is not None:
            (folder / "recovery.toml").write_text(GATES + text)
    policy = read_policy(tmp_path / "head" / "checks" / "recovery.toml")
    return options_of_base(policy, (tmp_path / "head").resolve(), tmp_path / "base")["line"]


def settings(project: Project, side: str) -> dict[str, Any]:
    """Return the settings of a run, which are those of every cell."""
    (found,) = {json.dumps(one, sort_keys=True) for one in Results(project.store(side)).settings}
    return dict(json.loads(found))


def test_settings_are_those_of_base_and_what_makes_pairs_is_of_head(tmp_path: Path) -> None:
    found = of_base(
        tmp_path,
        "[scenarios.line]\nseed = 7\nreplicates = 9\ntruth = 'prior'\ntune = 10\nchains = 2\n",
        "[scenarios.line]\nseed = 8\nreplicates = 5\ndraws = 500\nchains = 2\n",
    )
    assert found.options == {
        "seed": 7, "replicates": 9, "truth": "prior", "draws": 500, "chains": 2
    }  # fmt: skip
    assert found.notes == (
        "line: each side has the sampler settings of its policy: draws 500 → 1000, tune 1000 → 10.",
    )


def test_a_setting_that_is_written_out_is_no_other_than_the_default(tmp_path: Path) -> None:
    found = of_base(
        tmp_path,
        "[scenarios.line]\ndraws = 1000\ness = 100\ntune = 400\n",
        "[scenarios.line]\ness = 100\n",
    )
    assert found == OfBase({"ess": 100})


@pytest.mark.parametrize(
    ("base", "why"),
    [
        (None, "it has no checks/recovery.toml."),
        ("[scenarios.curve]\n", "its policy has no [scenarios.line]."),
        ("[scenarios.line]\nwarm_up = 5\n",
         "its policy cannot be used (checks/recovery.toml, line 4: warm_up: no key is called so; "),
        ("[scenarios.line\n", "its policy cannot be used (checks/recovery.toml: not valid TOML"),
    ],
)  # fmt: skip
def test_without_settings_of_its_own_base_has_those_of_head_and_that_is_told(
    tmp_path: Path, base: str | None, why: str
) -> None:
    found = of_base(tmp_path, "[scenarios.line]\ntune = 10\n", base)
    assert found.options == {"tune": 10}
    (note,) = found.notes
    assert note.startswith(f"{BORROWED}: {why}")
    assert str(tmp_path) not in note


def test_settings_that_head_sweeps_are_levels_of_both(tmp_path: Path) -> None:
    found = of_base(
        tmp_path,
        "[scenarios.line]\naxes = { draws = [10, 20] }\ntune = 10\n",
        "[scenarios.line]\ndraws = 500\ntune = 20\n",
    )
    assert found.notes == (
        "line: base runs with the levels of draws of head.",
        "line: each side has the sampler settings of its policy: tune 20 → 10.",
    )
    same = "[scenarios.line]\naxes = { draws = [10, 20] }\n"
    assert not of_base(tmp_path / "same", same, same).notes


def test_a_setting_that_base_alone_sweeps_is_that_of_head(tmp_path: Path) -> None:
    found = of_base(
        tmp_path, "[scenarios.line]\ndraws = 50\n",
        "[scenarios.line]\naxes = { draws = [10, 500] }\n",
    )  # fmt: skip
    assert found == OfBase(
        {"draws": 50}, (f"{BORROWED} for draws: it is an axis of base's policy.",)
    )


def test_what_cannot_be_is_left_to_the_side_that_has_it(tmp_path: Path) -> None:
    found = of_base(tmp_path, "[scenarios.line]\n", "[scenarios.line]\ntune = 0\n")
    assert found == OfBase({"tune": 0})


def test_both_sides_of_one_state_of_the_code_have_one_policy(tmp_path: Path) -> None:
    (tmp_path / "recovery.toml").write_text(POLICY)
    policy = read_policy(tmp_path / "recovery.toml")
    found = options_of_base(policy, tmp_path, None)
    assert found == {"line": OfBase(policy.scenarios[0].options)}


def test_a_job_runs_each_side_with_its_own_settings_and_tells_it(project: Project) -> None:
    project.write("recovery.toml", POLICY.replace("draws = 50", "draws = 40\nchains = 2\nseed = 3"))
    code, err = project.ci("--base", "main", "--rounds", "2", "--markdown", "verdicts.md")
    assert code == 0, err
    said = "line: each side has the sampler settings of its policy: draws 50 → 40, chains 4 → 2."
    assert said in err.splitlines()
    assert said.partition(":")[2] in (project.folder / "verdicts.md").read_text()
    base, head = settings(project, "base"), settings(project, "head")
    assert {k: (base[k], head[k]) for k in base if base[k] != head[k]} == {
        "draws": (50, 40), "chains": (4, 2)
    }  # fmt: skip
    there, here = (Results(project.store(side)).replicates for side in ("base", "head"))
    assert set(there["seed"]) == set(here["seed"]) == {3}
    assert (there["data_digest"] == here["data_digest"]).all()
    told = compare(project.store("base"), project.store("head")).differences
    assert {"draws: 50 → 40", "chains: 4 → 2"} <= {one.sentence for one in told}


def test_a_job_whose_base_has_a_policy_of_older_keys_runs_and_tells_it(project: Project) -> None:
    project.write("recovery.toml", POLICY.replace("failed_below", "failures_below"))
    project.commit()
    project.write("recovery.toml", POLICY)
    code, err = project.ci("--base", "main", "--rounds", "1", "--markdown", "verdicts.md")
    assert code == 0, err
    said = "its policy cannot be used (checks/recovery.toml, line 3: failures_below: no gate is"
    assert f"{BORROWED}: {said}" in err
    assert "its policy cannot be used" in (project.folder / "verdicts.md").read_text()
    assert settings(project, "base") == settings(project, "head")


@pytest.mark.slow
def test_settings_of_base_that_there_are_not_leave_head_alone(project: Project) -> None:
    text = (project.folder / "line.py").read_text()
    by_name = 'lambda name: Sampler() if name == "nutpie" else sampler_by_name(name)'
    text = text.replace("lambda name: Sampler()", by_name)
    text = "from recovery.engine.samplers import sampler_by_name\n" + text
    project.write("line.py", text)
    project.write("recovery.toml", POLICY + 'sampler = "nobody"\n')
    project.commit()
    project.write("recovery.toml", POLICY)
    code, err = project.ci("--base", "main")
    assert code == 0, err
    assert "head alone, without the gates that need a base: base: sampler: 'nobody'" in err


@pytest.mark.slow
def test_a_package_that_base_lacks_is_an_error_whatever_its_settings(project: Project) -> None:
    """Only what its policy says may be impossible there; an environment must work."""
    text = (project.folder / "line.py").read_text()
    text = text.replace("lambda name: Sampler()", "sampler_by_name")
    text = "from recovery.engine.samplers import sampler_by_name\n" + text
    project.write("line.py", "import sys\nsys.modules['nutpie'] = None\n" + text)
    project.write("recovery.toml", POLICY.replace("draws = 50", "draws = 40"))
    project.commit()
    project.write("line.py", (project.folder / "line.py").read_text().partition("None\n")[2])
    project.write("recovery.toml", POLICY)
    code, err = project.ci("--base", "main")
    assert code == 2, err
    assert "base: sampler: 'nutpie' needs the package nutpie" in err.splitlines()[-1]


@pytest.mark.slow
def test_one_state_of_the_code_in_two_environments_has_one_policy(project: Project) -> None:
    project.write("recovery.toml", POLICY.replace("draws = 50", "draws = 40"))
    code, err = project.ci("--base-python", sys.executable, "--rounds", "1")
    assert code == 0, err
    assert settings(project, "base") == settings(project, "head")
    assert "sampler settings" not in err


def test_a_job_goes_on_only_where_the_settings_of_base_are_the_same(
    project: Project, tmp_path: Path
) -> None:
    for name, draws in (("a.toml", 50), ("b.toml", 50), ("c.toml", 30)):
        project.write(name, POLICY.replace("draws = 50", f"draws = {draws}"))
    project.commit()
    for name in ("b.toml", "c.toml"):
        project.write(name, POLICY)
    counted = tmp_path / "counted"
    project.variables |= {"TEST_COUNTED": str(counted), "TEST_SLEEP": "0.2"}
    with project.started("--base", "main", "--workers", "1", "--policy", "a.toml") as process:
        assert until(lambda: counted.exists() and len(counted.read_text().splitlines()) > 6)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    project.variables["TEST_SLEEP"] = "0"
    # Another file that says the same of both sides, and one that says another thing of base.
    for name, goes_on in (("b.toml", True), ("c.toml", False)):
        job = project.folder / "reports/ci/job.json"
        before = json.loads(job.read_text())
        job.write_text(json.dumps(before | {"finished": False}))
        code, err = project.ci("--base", "main", "--rounds", "1", "--policy", name)
        assert code == 0, err
        assert ("goes on with what is in" in err) == goes_on
    assert settings(project, "base")["draws"] == 30
