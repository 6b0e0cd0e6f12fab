"""The pair of means: its exact posterior, its flaws and its test quantities are what they say."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from recovery import Sweep
from recovery.design import Design, Purpose, Replicate, Settings
from recovery.engine.estimate import Joint
from recovery.engine.replicate import simulate
from recovery.engine.workshop import Workshop
from recovery.record import Floats
from recovery.testing import ExactSampler, Flaw, PairSampler, line, pair
from recovery.testing.pair import BIAS_SD, COVARIANCE

SETTINGS = Settings("exact", draws=5000, tune=0)


class Drawn:
    """One data set, and draws from it by samplers of any flaw."""

    def __init__(self, points: int = 3, index: int = 0) -> None:
        design = Design(pair, {"points": [points]}, ("prior",), index + 1, settings=SETTINGS)
        self.replicate: Replicate = list(design)[index]
        self.workshop = Workshop(pair, {"exact": PairSampler()})
        self.prepared = self.workshop.prepare(self.replicate.cell)
        self.simulated = simulate(self.replicate, self.prepared)
        self.y: Floats = self.simulated.observed["y"]

    def draws(self, **flaws: Any) -> Any:
        workshop = Workshop(pair, {"exact": PairSampler(**flaws)})
        prepared = workshop.prepare(self.replicate.cell)
        sampler = workshop.sampler("exact")
        density = workshop.density(prepared, sampler, self.simulated)
        seed = self.replicate.integer_seed(Purpose.SAMPLER)
        return density.fit(self.simulated, SETTINGS, seed).draws["mu"].reshape(-1, 2)


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    return Drawn()


def test_the_sound_posterior_is_bayes_rule_on_a_grid(drawn: Drawn) -> None:
    """Means, sds and correlation of 20,000 draws within 5 standard errors: false alarm 3e-6."""
    axis = np.linspace(-6, 6, 481)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1)
    log_density = multivariate_normal([0, 0], COVARIANCE).logpdf(grid)
    for row in drawn.y:
        log_density += multivariate_normal(row, COVARIANCE).logpdf(grid)
    weight = np.exp(log_density - log_density.max())
    weight /= weight.sum()
    mean = np.einsum("ij,ijk->k", weight, grid)
    covariance = np.einsum("ij,ijk,ijl->kl", weight, grid - mean, grid - mean)
    draws = drawn.draws()
    sd = np.sqrt(np.diag(covariance))
    assert (np.abs(draws.mean(axis=0) - mean) < 5 * sd / np.sqrt(20_000)).all()
    assert draws.std(axis=0) == pytest.approx(sd, rel=5 / np.sqrt(40_000))
    correlation = covariance[0, 1] / sd.prod()
    standard_error = (1 - correlation**2) / np.sqrt(20_000)
    assert np.corrcoef(draws.T)[0, 1] == pytest.approx(correlation, abs=5 * standard_error)


@pytest.mark.parametrize("flaw", list(Flaw))
def test_each_flaw_has_the_moments_it_is_known_by(drawn: Drawn, flaw: Flaw) -> None:
    """Within 5 standard errors of 20,000 draws: false alarm 3e-6 each."""
    total = drawn.y.sum(axis=0)
    mean, covariance = {
        Flaw.NONE: (total / 4, COVARIANCE / 4),
        Flaw.PRIOR: (np.zeros(2), COVARIANCE),
        Flaw.DROPPED: ((total - drawn.y[0]) / 3, COVARIANCE / 3),
        Flaw.UNCORRELATED: (total / 4, np.eye(2) / 4),
        Flaw.BIASED: (None, COVARIANCE / 4),
    }[flaw]
    draws = drawn.draws(flaw=flaw)
    if mean is not None:
        error = np.sqrt(np.diag(covariance) / 20_000)
        assert (np.abs(draws.mean(axis=0) - mean) < 5 * error).all()
    assert np.cov(draws.T) == pytest.approx(covariance, abs=5 * np.sqrt(2 / 20_000))


def test_the_bias_of_a_biased_posterior_differs_from_fit_to_fit() -> None:
    """40 biases of sd .3: their sd within 5 standard errors, false alarm 6e-7."""
    sampler = PairSampler(Flaw.BIASED)
    drawn = Drawn()
    workshop = Workshop(pair, {"exact": sampler})
    density = workshop.density(drawn.prepared, sampler, drawn.simulated)
    sound = Workshop(pair, {"exact": PairSampler()}).density(
        drawn.prepared, PairSampler(), drawn.simulated
    )
    biases = [
        (
            density.fit(drawn.simulated, SETTINGS, seed).draws["mu"]
            - sound.fit(drawn.simulated, SETTINGS, seed).draws["mu"]
        ).reshape(-1, 2)
        for seed in range(20)
    ]
    for bias in biases:
        assert np.ptp(bias, axis=0) == pytest.approx([0, 0], abs=1e-12)
    found = np.std([bias[0] for bias in biases])
    assert found == pytest.approx(BIAS_SD, rel=5 / np.sqrt(80))


def test_a_shift_is_in_posterior_sds_and_a_factor_scales_them(drawn: Drawn) -> None:
    sound, shifted, narrow = (
        drawn.draws(), drawn.draws(shift=0.5), drawn.draws(sd_factor=0.5),
    )  # fmt: skip
    assert shifted - sound == pytest.approx(np.full_like(sound, 0.25))
    centre = drawn.y.sum(axis=0) / 4
    assert narrow - centre == pytest.approx((sound - centre) / 2)


@pytest.mark.parametrize("points", [3, 20])
def test_quantities_are_what_scipy_and_arithmetic_give(points: int) -> None:
    drawn = Drawn(points)
    draws = drawn.draws()[:99]
    joint = Joint.of(
        drawn.prepared.problem,
        {"mu": draws.reshape(1, 99, 2), "correlation": np.full((1, 99), 0.8)},
    )
    quantities = drawn.workshop.quantities(drawn.prepared)
    found = {q.name: q for q in quantities.evaluate(drawn.simulated, joint.kept)}
    truth = drawn.simulated.truth["mu"]
    for rows, of in ((draws, "draws"), (truth[None], "truth")):
        first, *rest = ([multivariate_normal(m, COVARIANCE).logpdf(y) for m in rows]
                        for y in drawn.y)  # fmt: skip
        prior = multivariate_normal([0, 0], COVARIANCE).logpdf(rows)
        likelihood = np.sum([first, *rest], axis=0)
        expected = {
            "log_likelihood": likelihood,
            "log_prior": prior,
            "log_posterior": prior + likelihood,
            "sum": rows.sum(axis=1),
            "difference": rows[:, 0] - rows[:, 1],
            "product": rows[:, 0] * rows[:, 1],
            "log_likelihood[y, 0]": first,
        }
        assert set(found) == set(expected)
        for name, values in expected.items():
            assert getattr(found[name], of) == pytest.approx(np.squeeze(values)), name


def test_a_known_correlation_has_a_rank_by_random_ties_and_no_r_hat(tmp_path: Path) -> None:
    sweep = Sweep(pair, replicates=40, truth="both", sampler=PairSampler(), draws=100)
    results = sweep.run(tmp_path, progress=False, report=False)
    known = results.estimates.query("parameter == 'correlation'")
    assert known["r_hat"].isna().all()
    assert known["sd"].eq(0).all()
    assert known["rank"].nunique() > 10
    assert "correlation" not in set(results.calibration()["parameter"])


def test_samplers_refuse_each_others_models() -> None:
    workshops = {scenario: Workshop(scenario, {}) for scenario in (line, pair)}
    problems = {
        scenario: workshop.checked({a.name: a.default for a in scenario.axes.values()})
        for scenario, workshop in workshops.items()
    }
    assert not PairSampler().cannot(problems[pair])
    assert "no pair of means" in PairSampler().cannot(problems[line])
    assert "no regression" in ExactSampler().cannot(problems[pair])
