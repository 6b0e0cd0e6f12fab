"""Test quantities: what they are at draws and truth, and what happens to one that fails."""

from collections.abc import Callable
from contextlib import closing
from typing import Any

import numpy as np
import pymc as pm
import pytest
from asking import asking
from numpy.typing import NDArray
from scipy.stats import norm

from recovery import Problem, Results
from recovery.engine.problem import check_problem
from recovery.engine.quantities import asked as asked_of
from recovery.engine.quantities import expanded_names
from recovery.errors import ProblemError
from recovery.store import Store

Run = Callable[..., Results]


def ratio(parameters: Any, data: Any) -> Any:
    return parameters["betas"][..., 0] / parameters["betas"][..., 1]


def of(results: Results, name: str) -> Any:
    return results.estimates[results.estimates["parameter"] == name].reset_index(drop=True)


def kept(results: Results) -> NDArray[np.float64]:
    """The kept draws of every replicate, shape (n, 99, 3)."""
    with closing(Store.read(results.folder)) as store:
        rows = store.rows(
            "SELECT kept_draws FROM posteriors JOIN replicates r ON r.id = replicate "
            'ORDER BY r."index"'
        )
    return np.stack([np.frombuffer(blob, "<f8").reshape(-1, 3) for (blob,) in rows])


def test_the_users_function_sees_parameters_and_data_and_is_ranked(run_sweep: Run) -> None:
    def with_data(parameters: Any, data: Any) -> Any:
        assert data["y"].shape == (20,)
        assert data["x"].shape == (20, 2)
        return parameters["total"] * data["y"].mean()

    results = run_sweep(asking({"ratio": ratio, "with data": with_data}), truth="prior")
    draws = kept(results)
    found = of(results, "ratio")
    left, right = of(results, "betas[left]"), of(results, "betas[right]")
    np.testing.assert_allclose(found["truth"], left["truth"] / right["truth"])
    np.testing.assert_allclose(found["mean"], (draws[:, :, 0] / draws[:, :, 1]).mean(axis=1))
    assert (found["kind"] == "quantity").all()
    assert ((found["pit"] > 0) & (found["pit"] < 1)).all()
    total, ours = of(results, "total"), of(results, "with data")
    assert np.allclose(ours["mean"] / draws[:, :, 2].mean(axis=1), ours["truth"] / total["truth"])


def test_the_built_in_quantities_are_the_log_densities(run_sweep: Run) -> None:
    results = run_sweep(asking({}), truth="fixed")
    prior = of(results, "log_prior")
    np.testing.assert_allclose(prior["truth"], norm.logpdf([1, -1]).sum(), rtol=1e-7)
    draws = kept(results)[:, :, :2]
    expected = norm.logpdf(draws).sum(axis=2).mean(axis=1)
    np.testing.assert_allclose(prior["mean"], expected, rtol=1e-7)
    joint = of(results, "log_posterior")
    both = prior["mean"] + of(results, "log_likelihood")["mean"]
    np.testing.assert_allclose(joint["mean"], both)


def test_sums_and_differences_of_elements_and_one_observation_are_named_by_text(
    run_sweep: Run,
) -> None:
    asked = {"s": "sums(betas)", "d": "differences(betas)", "y": "log_likelihood[y]",
             "third": "log_likelihood[y, 2]"}  # fmt: skip
    results = run_sweep(asking(asked), truth="prior")
    left, right = of(results, "betas[left]")["truth"], of(results, "betas[right]")["truth"]
    np.testing.assert_allclose(of(results, "s[left + right]")["truth"], left + right)
    np.testing.assert_allclose(of(results, "d[left - right]")["truth"], left - right)
    np.testing.assert_allclose(of(results, "y")["mean"], of(results, "log_likelihood")["mean"])
    assert (of(results, "third")["truth"] > of(results, "y")["truth"]).all()


def raising(parameters: Any, data: Any) -> Any:
    return 1 / 0


def too_wide(parameters: Any, data: Any) -> Any:
    return parameters["betas"]


def sometimes_nan(parameters: Any, data: Any) -> Any:
    return np.log(parameters["betas"][..., 0])


def meddling(parameters: Any, data: Any) -> Any:
    parameters["betas"][:] = 0
    return parameters["total"]


def test_a_quantity_that_fails_is_a_failure_of_its_own_and_not_of_the_fit(run_sweep: Run) -> None:
    bad = {"raises": raising, "too wide": too_wide, "nan": sometimes_nan, "meddles": meddling,
           "out of range": "log_likelihood[y, 99]", "good": ratio}  # fmt: skip
    results = run_sweep(asking(bad), truth="prior", replicates=30)
    assert (results.replicates["status"] == "ok").all()
    for name in ("raises", "too wide", "meddles", "out of range"):
        assert of(results, name)[["truth", "mean", "pit"]].isna().all(axis=None)
    some = of(results, "nan")["pit"].notna()
    assert 0 < some.sum() < 30
    failures = results.quantity_failures
    assert failures.columns.tolist() == ["trials", "truth_mode", "quantity", "error", "n"]
    said = failures.set_index("quantity")["error"].to_dict()
    assert said["raises"] == "ZeroDivisionError: division by zero"
    assert "it must be (99,), one a draw" in said["too wide"]
    assert "read-only" in said["meddles"]
    assert "99" in said["out of range"]
    counts = failures.groupby("quantity")["n"].sum()
    assert counts["raises"] == 30
    assert counts["nan"] == 30 - some.sum()
    measures = results.measures().set_index(["parameter", "measure"])["n"]
    assert measures["good", "coverage_90"] == 30
    assert measures["nan", "coverage_90"] == some.sum()


@pytest.mark.parametrize(
    ("quantities", "message"),
    [
        ({"": ratio}, "'' is no name"),
        ({"log_prior": ratio}, "tested already"),
        ({"betas": ratio}, "tested already"),
        ({"r": 3}, "give a function of parameters and data, or one of log_likelihood"),
        ({"r": "sums(gammas)"}, "'gammas' is none of betas, total"),
        ({"r": "log_likelihood[z]"}, "'z' is not observed"),
        ({"log_posterior (joint)": ratio}, "tested already"),
        ({"betas[left]": ratio}, "'betas[left]' is the name of something else"),
        ({"d[left - right]": ratio, "d": "differences(betas)"}, "'d[left - right]' is the name of"),
        ({"d": "differences(total)"}, "there is only one"),
    ],
)
def test_a_quantity_that_cannot_be_is_refused_before_anything_is_run(
    run_sweep: Run, quantities: dict[str, Any], message: str
) -> None:
    with pytest.raises(ProblemError, match="quantities: ") as raised:
        run_sweep(asking(quantities))
    assert message in str(raised.value)


def test_quantities_that_are_no_mapping_are_refused(run_sweep: Run) -> None:
    with pytest.raises(ProblemError, match="give a mapping of names to functions"):
        run_sweep(asking(["a"]))  # type: ignore[arg-type]  # that is the point


def test_a_variable_of_the_name_of_a_built_in_quantity_stays_what_it_is() -> None:
    with pm.Model() as model:
        b = pm.Normal("b")
        pm.Deterministic("log_prior", 2 * b)
        pm.Normal("y", b)
    names = asked_of(check_problem(Problem(model, "y"), "here"))
    assert list(names) == ["log_likelihood", "log_prior (joint)", "log_posterior"]


def test_more_quantities_than_a_fit_can_bear_are_refused(run_sweep: Run) -> None:
    asked = {f"q{i}": ratio for i in range(498)}
    with pytest.raises(ProblemError, match="501 in all, and 500 are allowed"):
        run_sweep(asking(asked))


def test_brackets_in_coordinates_stay_in_the_names_of_pairs() -> None:
    with pm.Model(coords={"side": ["a[1]", "b[2]"]}) as model:
        pm.Normal("y", pm.Normal("v", dims="side").sum())
    problem = check_problem(Problem(model, "y", quantities={"d": "differences(v)"}), "here")
    assert expanded_names(problem, {"v": (2,)})["d"] == ["d[a[1] - b[2]]"]


def test_what_is_asked_for_changes_no_other_number(run_sweep: Run) -> None:
    with_more = of(run_sweep(asking({"ratio": ratio, "raises": raising}), truth="prior"), "total")
    alone = of(run_sweep(asking({}), truth="prior", fresh=True), "total")
    for column in ("mean", "pit", "rank"):
        assert np.array_equal(alone[column], with_more[column])
