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
def funnel() -> Problem:
    """Steps that suit the mouth of it diverge in its neck."""
    with pm.Model() as model:
        width = pm.Normal("width", 0, 9)
        b = pm.Normal("b", 0, pt.exp(width), shape=9)
        pm.Normal("y", b.sum(), 1, shape=1)
    return Problem(model, observed="y", truth={"width": -3.0})


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["nutpie", "pymc"])
@pytest.mark.parametrize("of", [undefined, funnel], ids=lambda of: of.name)
def test_a_fit_that_went_wrong_is_failed_or_flagged(
    of: Scenario, sampler: str, tmp_path: Path
) -> None:
    settings = {"draws": 60, "tune": 60, "chains": 2, "replicates": 2}
    results = Sweep(of, sampler=sampler, **settings).run(tmp_path, workers=1, progress=False)
    replicates = results.replicates
    failed = replicates["status"] == "failed"
    assert (failed | (replicates["flags"] != "")).all(), replicates["flags"]
    assert (replicates.loc[failed, "stage"] == "sample").all()
    assert (replicates.loc[failed, "error"] != "").all()
    if of is funnel:
        assert (replicates["divergences"] > 0).any()
    assert told(results) == int(failed.any())
    (cell,) = results.diagnostics().to_dict("records")
    assert cell["n_failed"] + cell["n_flagged"] == cell["n"] == 2
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert f"{failed.sum()} failed" in text
