"""The bundled scenarios: listed, possible in both truth modes, and what they say they are.

Densities are compared with closed forms to rounding, so nothing here is a matter of chance.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pymc as pm
import pytest
from scipy import stats

import recovery.scenarios
from recovery.design import Design
from recovery.engine.replicate import simulate
from recovery.engine.workshop import Workshop
from recovery.loading import bundled_scenarios, load_scenario
from recovery.scenarios.eight_schools import STANDARD_ERRORS, eight_schools
from recovery.scenarios.poisson import COVARIANCE, MEANS, poisson

NAMES = sorted(f.stem for f in Path(recovery.scenarios.__file__).parent.glob("[a-z]*.py"))


def test_every_file_is_listed_with_its_axes_and_a_line_of_what_it_is() -> None:
    listed = {listing.name: listing for listing in bundled_scenarios()}
    assert sorted(listed) == NAMES == ["eight_schools", "logistic", "plants", "poisson"]
    assert all(listing.axes and listing.summary.endswith(".") for listing in listed.values())
    assert listed["eight_schools"].axes.startswith("centred: bool=True")


@pytest.mark.parametrize("name", NAMES)
def test_both_truth_modes_are_possible_and_data_differ_between_replicates(name: str) -> None:
    found = load_scenario(name)
    workshop = Workshop(found)
    levels = {"centred": [True, False]} if name == "eight_schools" else {"trials": [20, 50]}
    design = Design(found, levels, ("fixed", "prior"), replicates=2)
    digests = set()
    for replicate in design:
        prepared = workshop.check(replicate.cell)
        data = simulate(replicate, prepared)
        assert all(np.isfinite(values).all() for values in data.observed.values())
        digests.add(data.digest())
    assert len(digests) == len(design)


def test_both_forms_of_the_eight_schools_are_one_model_with_the_same_parameters() -> None:
    rng = np.random.default_rng(1)
    mu, tau, y = 3.0, 2.5, rng.normal(5, 10, 8)
    theta = rng.normal(mu, tau, 8)
    joint = stats.norm(0, 5).logpdf(mu) + stats.halfcauchy(scale=5).logpdf(tau)
    joint += stats.norm(mu, tau).logpdf(theta).sum()
    joint += stats.norm(theta, STANDARD_ERRORS).logpdf(y).sum()
    points: dict[bool, dict[str, Any]] = {
        True: {"mu": mu, "tau": tau, "theta": theta},
        False: {"mu": mu, "tau": tau, "offset": (theta - mu) / tau},
    }
    # Where an offset moves by 1, its school's effect moves by tau.
    expected = {True: joint, False: joint + 8 * np.log(tau)}
    for centred, point in points.items():
        problem = eight_schools(centred=centred)
        observed = pm.observe(problem.model, {"y": y})
        density = observed.compile_fn(observed.logp(jacobian=False), inputs=observed.value_vars)
        values = {name: np.log(value) if name == "tau" else value for name, value in point.items()}
        named = {observed.rvs_to_values[observed[k]].name: v for k, v in values.items()}
        assert density(named) == pytest.approx(expected[centred])
        assert {"mu", "tau", "theta"} <= set(problem.model.named_vars)


def test_posterior_correlations_of_the_poisson_regression_mislead_a_mean_field() -> None:
    """A mean field has the variances of the conditionals: 1 / the diagonal of the precision."""
    rng = np.random.default_rng(2)
    x = rng.multivariate_normal(MEANS, COVARIANCE, 10_000)
    truth = poisson().truth
    assert truth is not None
    design = np.column_stack([np.ones(len(x)), x])
    rates = np.exp(design @ [truth["alpha"], *truth["betas"]])
    precision = np.diag([1, 4, 4]) + design.T * rates @ design / 100
    marginal = np.sqrt(np.diag(np.linalg.inv(precision)))
    conditional = np.sqrt(1 / np.diag(precision))
    assert (conditional < marginal / 2).all()
