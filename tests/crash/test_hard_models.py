"""Models that samplers cannot cope with: a failed record or a flag, and never silence."""

from pathlib import Path

import pymc as pm
import pytensor.tensor as pt
import pytest

from recovery import Problem, Scenario, Sweep, scenario
from recovery.cli.told import told


@scenario
def undefined() -> Problem:
    """The density is not a number anywhere."""
    with pm.Model() as model:
        b = pm.Normal("b")
        pm.Potential("lost", pt.log(-pt.exp(b)))
        pm.Normal("y", b, 1, shape=3)
    return Problem(model, observed="y", truth={"b": 0.5})


@scenario
def walled() -> Problem:
    """Steps that are as long as they may be all end in a wall."""
    with pm.Model() as model:
        b = pm.Normal("b", shape=20)
        farthest = pt.abs(b).max()
        pm.Potential("wall", pt.switch(farthest < 2, 0, -1e6 * farthest))
        pm.Normal("y", b, 1)
    return Problem(model, observed="y", truth={"b": [0.1] * 20})


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["nutpie", "pymc"])
@pytest.mark.parametrize("of", [undefined, walled], ids=lambda of: of.name)
def test_a_fit_that_went_wrong_is_failed_or_flagged(
    of: Scenario, sampler: str, tmp_path: Path
) -> None:
    settings = {"draws": 60, "tune": 60, "chains": 2, "replicates": 2, "target_accept": 0.05}
    results = Sweep(of, sampler=sampler, **settings).run(tmp_path, workers=1, progress=False)
    replicates = results.replicates
    failed = replicates["status"] == "failed"
    assert (failed | (replicates["flags"] != "")).all(), replicates["flags"]
    assert (replicates.loc[failed, "stage"] == "sample").all()
    assert (replicates.loc[failed, "error"] != "").all()
    if of is walled:
        assert (replicates["divergences"] > 100).all()  # of 120
    assert told(results) == int(failed.any())
    (cell,) = results.diagnostics().to_dict("records")
    assert cell["n_failed"] + cell["n_flagged"] == cell["n"] == 2
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert f"{failed.sum()} failed" in text
