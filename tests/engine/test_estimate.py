"""What a fit's draws become: each number beside the same from NumPy and `diagnose`."""

from collections.abc import Sequence

import numpy as np
import pymc as pm
import pytest
from numpy.typing import NDArray

from recovery import Problem
from recovery.diagnostics import diagnose
from recovery.engine.estimate import Joint, estimate
from recovery.engine.prediction import Prediction
from recovery.engine.problem import CheckedProblem, check_problem
from recovery.record import KEPT_DRAWS, QUANTILE_GRID, Estimates

Floats = NDArray[np.float64]
NAMES = ("a", "b[left, x]", "b[left, z]", "b[right, x]", "b[right, z]", "k", "total")


TRUTH = {
    "a": np.array(0.0),
    "b": np.array([[0.0, 10.0], [-10.0, 1e6]]),
    "k": np.array(3),
    "total": np.array(1e6),
}


@pytest.fixture(scope="module")
def problem() -> CheckedProblem:
    with pm.Model(coords={"side": ["left", "right"], "axis": ["x", "z"]}) as model:
        a = pm.Normal("a")
        b = pm.Normal("b", dims=("side", "axis"))
        k = pm.Poisson("k", 3)
        pm.Deterministic("total", b.sum() + k)
        pm.Normal("y", a)
    return check_problem(Problem(model, "y"), "here")


def draws_of(chains: int, draws: int) -> dict[str, Floats]:
    rng = np.random.default_rng([chains, draws])
    b = rng.normal(TRUTH["b"], size=(chains, draws, 2, 2))
    k = rng.poisson(3.0, size=(chains, draws)).astype(float)
    total = b.sum(axis=(2, 3)) + k
    return {"total": total, "k": k, "b": b, "a": rng.standard_cauchy((chains, draws))}


def pooled(draws: dict[str, Floats]) -> Floats:
    """All draws of one chain after the other, a column per scalar parameter."""
    size = draws["a"].size
    return np.hstack([draws[name].reshape(size, -1) for name in ("a", "b", "k", "total")])


def summary(
    problem: CheckedProblem, draws: dict[str, Floats], predictions: Sequence[Prediction] = ()
) -> Estimates:
    joint = Joint.of(problem, draws)
    return estimate(problem, TRUTH, joint, predictions, [], np.random.SeedSequence(1))


@pytest.mark.parametrize("shape", [(4, 1000), (3, 333), (1, 50), (2, 3), (4, 25)], ids=str)
def test_every_number_is_that_of_its_own_parameter(
    problem: CheckedProblem, shape: tuple[int, int]
) -> None:
    draws = draws_of(*shape)
    found = summary(problem, draws)
    flat = pooled(draws)
    assert found.names == NAMES
    assert found.kinds == ("parameter",) * 6 + ("deterministic",)
    assert found.truth.tolist() == [0, 0, 10, -10, 1e6, 3, 1e6]
    np.testing.assert_allclose(found.mean, flat.mean(axis=0), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.sd, flat.std(axis=0, ddof=1), rtol=1e-9)
    expected = np.quantile(flat, QUANTILE_GRID, axis=0).T
    np.testing.assert_allclose(found.quantiles, expected, rtol=1e-12, atol=1e-13)
    alone = diagnose(flat.reshape(*shape, 7))
    for name in ("r_hat", "ess_bulk", "ess_tail", "mcse_mean"):
        np.testing.assert_allclose(getattr(found, name), getattr(alone, name), rtol=1e-12)
    kept = np.linspace(0, len(flat) - 1, min(len(flat), KEPT_DRAWS)).astype(int)
    np.testing.assert_array_equal(found.kept_draws, flat[kept])
    for i, among in enumerate(found.ranked_among.tolist()):
        ranked = flat[kept][np.linspace(0, len(kept) - 1, among).astype(int), i]
        below, at_most = (ranked < found.truth[i]).sum(), (ranked <= found.truth[i]).sum()
        assert below <= found.rank[i] <= at_most
    assert np.array_equal(np.floor(found.pit * (found.ranked_among + 1)), found.rank)
    ess = np.fmin(found.ess_bulk, found.ess_tail)
    assert (found.ranked_among <= np.where(np.isnan(ess), 99, np.fmax(ess, 1))).all()


def test_quantiles_of_an_infinite_parameter_are_kept_and_the_others_are_untouched(
    problem: CheckedProblem,
) -> None:
    draws = draws_of(4, 100)
    before = summary(problem, draws)
    draws["b"][2, 7, 0, 1] = np.inf
    after = summary(problem, draws)
    others = [0, 1, 3, 4, 5, 6]
    assert np.isnan([after.mean[2], after.sd[2], after.r_hat[2], after.ess_bulk[2]]).all()
    np.testing.assert_allclose(after.quantiles[2, :190], before.quantiles[2, :190], rtol=0.5)
    assert after.quantiles[2, -1] == np.inf
    for name in ("mean", "sd", "quantiles", "r_hat", "ess_bulk", "ess_tail", "mcse_mean"):
        np.testing.assert_array_equal(getattr(after, name)[others], getattr(before, name)[others])


def test_predicted_quantities_follow_the_parameters_and_have_no_diagnostics(
    problem: CheckedProblem,
) -> None:
    rng = np.random.default_rng(5)
    new, means = rng.normal(size=(400, 2)), rng.normal(size=(400, 2))
    prediction = Prediction("y", np.array([0.5, 1.5]), np.array([0.1, 0.2]), new, means)
    found = summary(problem, draws_of(4, 100), [prediction])
    assert found.names[7:] == (
        *("predicted y[0]", "predicted y[1]"),
        *("predicted mean of y[0]", "predicted mean of y[1]"),
    )
    both = np.hstack([new, means])
    np.testing.assert_allclose(found.mean[7:], both.mean(axis=0), rtol=1e-12)
    expected = np.quantile(both, QUANTILE_GRID, axis=0).T
    np.testing.assert_allclose(found.quantiles[7:], expected, rtol=1e-12, atol=1e-15)
    assert np.isnan(found.r_hat[7:]).all()
    assert found.kept_draws.shape == (KEPT_DRAWS, 7)
