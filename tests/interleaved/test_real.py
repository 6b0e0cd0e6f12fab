"""With real NUTS: no change passes, and a model or settings that became worse to sample fail."""

import json
from typing import Any

import pandas as pd
import pytest
from interleaved.conftest import Project

from recovery import Results

MODEL = """
import numpy as np
import pymc as pm
from recovery import Problem, scenario

@scenario
def model(trials: int = 20) -> Problem:
    with pm.Model() as model:
        x = pm.Data("x", np.zeros(trials))
        b = pm.Normal("b")
        {more}
        pm.Normal("y", b * x, 1.0)
    return Problem(model, observed="y", covariates={{"x": pm.Normal.dist(shape=trials)}})
"""
# Nearly one parameter: NUTS takes many small steps.
HARD = 'pm.Normal("c", b, 0.02)'
POLICY = """
[gates]
compilations_at_most = 1
gradients_ratio_below = 1.5

[scenarios.model]
replicates = 61
truth = "prior"
draws = 200
tune = 300
chains = 2
"""


def verdicts(project: Project) -> dict[str, Any]:
    found = json.loads((project.folder / "verdicts.json").read_text())
    return {verdict["gate"]: verdict for verdict in found["verdicts"]}


@pytest.mark.slow
def test_a_change_that_makes_sampling_harder_fails_and_no_change_passes(project: Project) -> None:
    words = ("--base", "main", "--json", "verdicts.json", "--rounds", "3")
    project.write("model.py", MODEL.format(more=""))
    project.write("recovery.toml", POLICY)
    project.commit()
    # Code that is compiled anew may differ in its last bits from the same code out of a cache.
    project.ci(*words)
    code, err = project.ci(*words)
    assert code == 0, err
    assert verdicts(project)["gradients_ratio_below"]["estimate"] == 1
    there, here = (Results(project.store(side, "model")) for side in ("base", "head"))
    pd.testing.assert_frame_equal(there.estimates, here.estimates, check_exact=True)
    project.write("model.py", MODEL.format(more=HARD))
    code, err = project.ci(*words)
    assert code == 1, err
    found = verdicts(project)
    assert found["gradients_ratio_below"]["outcome"] == "fail"
    # Each side compiled once, before its first round.
    assert found["compilations_at_most"]["outcome"] == "pass"
    for side in ("base", "head"):
        sessions = Results(project.store(side, "model")).sessions
        assert [session["interleaved"]["round"] for session in sessions] == [-1, 0, 1, 2]


@pytest.mark.slow
@pytest.mark.parametrize("worse", ["target_accept = 0.99", "tune = 2000"])
def test_sampler_settings_made_worse_in_head_fail(project: Project, worse: str) -> None:
    gates = "coverage_drop_below = 0.2\ntime_ratio_below = 3\n\n[scenarios.model]"
    project.write("model.py", MODEL.format(more=""))
    project.write("recovery.toml", POLICY.replace("\n[scenarios.model]", gates))
    project.commit()
    kept = [line for line in POLICY.splitlines() if not line.startswith(worse.partition(" ")[0])]
    text = "\n".join([*kept, worse, ""])
    project.write("recovery.toml", text.replace("\n[scenarios.model]", gates))
    code, err = project.ci("--base", "main", "--json", "verdicts.json", "--rounds", "6")
    assert code == 1, err
    found = verdicts(project)
    assert found["gradients_ratio_below"]["outcome"] == "fail"
    # Other settings leave pairs that the other gates judge.
    assert found["coverage_drop_below"]["n"] == 61
    assert found["coverage_drop_below"]["outcome"] == "pass"
    assert found["time_ratio_below"]["n"] == 6
