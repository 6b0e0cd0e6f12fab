"""The frames: one row per what they say, and numbers that follow from the draws."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from recovery import Results
from recovery.errors import SettingsError, StoreConflict
from recovery.record import QUANTILE_GRID
from recovery.shares import binomial_interval
from recovery.testing import ExactSampler

Run = Callable[..., Results]
AGREEMENT = ["recovery_correlation", "concordance", "self_consistency_slope"]


@pytest.fixture
def results(run_line: Run) -> Results:
    return run_line({"trials": [5, 10]}, truth="both", replicates=30, draws=250)


def test_measures_are_one_tidy_row_per_cell_parameter_and_measure(results: Results) -> None:
    measures = results.measures()
    columns = ["trials", "noise", "slope", "truth", "parameter", "measure"]
    assert measures.columns.tolist() == [*columns, "estimate", "mcse", "n", "mcmc_share"]
    assert not measures.duplicated(columns).any()
    assert set(measures["truth"]) == {"fixed", "prior"}
    names = set(measures["measure"])
    assert {"bias", "rmse", "contraction", "coverage_90", "miss_left_95", "z_sd"} <= names
    # Some are undefined, and n says 0: relative bias unless there is one truth that is not 0,
    # agreement where there is one, signs where it is 0. Of the others, signs are of a choice.
    measures = measures[~measures["parameter"].str.startswith("log_")]  # truths vary with data
    one, zero = measures["truth"].eq("fixed"), measures["parameter"].eq("total")
    undefined = measures["measure"].eq("relative_bias") & (~one | zero)
    undefined |= measures["measure"].isin(AGREEMENT) & one
    chosen = measures["measure"].str.startswith(("sign_error", "exaggeration"))
    assert (measures["n"] == np.where(undefined, 0, 30))[~chosen].all()
    assert measures["n"][chosen & one & zero].eq(0).all()
    assert measures["n"][chosen & ~one].between(1, 30).all()


def test_measures_are_what_the_estimates_give_by_hand(results: Results) -> None:
    measures = (
        results.measures((0.9,)).set_index(["trials", "truth", "parameter", "measure"]).sort_index()
    )
    for (trials, mode, parameter), group in results.estimates.groupby(
        ["trials", "truth_mode", "parameter"]
    ):
        row = measures.loc[(trials, mode, parameter)]
        inside = group["eti_90_lower"].le(group["truth"]) & group["eti_90_upper"].ge(group["truth"])
        error = group["mean"] - group["truth"]
        assert row.loc["coverage_90", "estimate"] == pytest.approx(inside.mean())
        assert row.loc["bias", "estimate"] == pytest.approx(error.mean())
        assert row.loc["empirical_se", "estimate"] == pytest.approx(error.std(ddof=1))
        assert row.loc["bias", "mcse"] == pytest.approx(error.std(ddof=1) / np.sqrt(30))


def test_the_share_of_mcmc_error_is_that_of_the_draws(run_line: Run) -> None:
    """Independent draws: bias by hand, and four times as many draws make a quarter of the share."""
    share = {}
    for draws in (100, 400):
        results = run_line(replicates=60, draws=draws, fresh=True)
        measures = results.measures().set_index(["parameter", "measure"])
        found = measures.loc[("betas[left]", "bias")]
        estimates = results.estimates.query("parameter == 'betas[left]'")
        error = estimates["mean"] - estimates["truth"]
        expected = (estimates["mcse_mean"] ** 2).mean() / error.var(ddof=1)
        assert found["mcmc_share"] == pytest.approx(expected)
        share[draws] = found["mcmc_share"]
        known = measures["mcmc_share"].dropna()
        assert known.between(0, 1).all()
        assert {"coverage_90", "rmse", "z_sd"} <= set(known.index.get_level_values("measure"))
    # mcse_mean itself is known to a tenth or so of so few draws.
    assert share[100] / share[400] == pytest.approx(4, rel=0.3)


def test_any_interval_level_comes_from_the_store_without_a_refit(results: Results) -> None:
    fitted = results.estimates["kind"].isin(["parameter", "deterministic"]).to_numpy()
    width = {}
    for level in (0.5, 0.873, 0.9, 0.94, 0.998):
        lower, upper = results.intervals(level)
        width[level] = float(np.mean((upper - lower)[fitted]))
    assert list(width.values()) == sorted(width.values())
    # 1,000 exact normal draws: mean width of 94 % is 2 * 1.881 sd, within 5 %.
    mean_sd = results.estimates["sd"][fitted].mean()
    assert width[0.94] == pytest.approx(2 * 1.881 * mean_sd, rel=0.05)
    for level in (0, 1, 0.9999, -0.5):
        with pytest.raises(SettingsError, match="ci_prob"):
            results.intervals(level)


def test_kept_quantiles_are_numpys_own(results: Results) -> None:
    from recovery.engine.estimate import quantiles

    rng = np.random.default_rng(3)
    for draws in (rng.normal(size=(1000, 3)), rng.integers(0, 4, size=(7, 2)).astype(float)):
        assert np.allclose(quantiles(draws).T, np.quantile(draws, QUANTILE_GRID, axis=0))
    for level in (0.5, 0.8, 0.89, 0.9, 0.94, 0.95, 0.99, 0.998):
        assert np.isclose(QUANTILE_GRID, (1 - level) / 2).any()


def test_prior_mode_is_calibrated_with_the_exact_sampler(run_line: Run) -> None:
    """Coverage within 5 standard errors of nominal at each level: false alarm 1e-5 in all."""
    results = run_line({"trials": [4]}, truth="prior", replicates=400, draws=500)
    measures = results.measures().set_index(["parameter", "measure"])["estimate"]
    for parameter in ("betas[left]", "betas[right]", "total"):
        for level in (50, 80, 90, 95):
            share = level / 100
            standard_error = np.sqrt(share * (1 - share) / 400)
            assert abs(measures[parameter, f"coverage_{level}"] - share) < 5 * standard_error
        assert abs(measures[parameter, "z_sd"] - 1) < 5 / np.sqrt(800)


def test_a_sampler_with_half_the_spread_covers_as_the_closed_form_says(run_line: Run) -> None:
    """90 % intervals of half the width cover .589 (normal): within 5 se, false alarm 6e-7."""
    flawed = ExactSampler(sd_factor=0.5, name="narrow")
    results = run_line({"trials": [50]}, truth="prior", replicates=300, draws=500, sampler=flawed)
    measures = results.measures().set_index(["parameter", "measure"])["estimate"]
    standard_error = np.sqrt(0.589 * 0.411 / 300)
    assert abs(measures["betas[left]", "coverage_90"] - 0.589) < 5 * standard_error


def test_fixed_truth_far_from_its_prior_is_covered_as_the_closed_form_says(run_line: Run) -> None:
    """At slope b the posterior is shifted by b P^-1/2 of its sds; here by about one.

    With the posterior sd s, shrinkage w = 1 - s^2 and x random, the closed form is averaged over
    the drawn covariates. Within 5 standard errors, false alarm 6e-7.
    """
    from scipy.special import ndtr

    results = run_line({"trials": [100], "slope": [10.0]}, replicates=300, draws=500)
    measures = results.measures().set_index(["parameter", "measure"])
    sd = results.estimates.query("parameter == 'betas[left]'")["sd"].to_numpy()
    # (m - b)/s is normal with mean -b s and variance 1 - s^2 (independent columns, nearly).
    spread = np.sqrt(1 - sd**2)
    expected = np.mean(ndtr((1.6449 + 10 * sd) / spread) - ndtr((-1.6449 + 10 * sd) / spread))
    found = measures.loc[("betas[left]", "coverage_90")]
    lower, upper = binomial_interval(found["estimate"], 300, prob=1 - 6e-7)
    assert lower < expected < upper
    assert expected < 0.8


def test_priors_say_where_a_given_truth_lies(run_line: Run) -> None:
    """4,000 prior draws: their mean and sd are within 5 standard errors (false alarm 6e-7 each)."""
    results = run_line({"slope": [0.0, 20.0]}, truth="both")
    priors = results.priors.set_index(["slope", "truth_mode", "parameter"])
    for _, row in priors.iterrows():
        assert abs(row["mean"]) < 5 / np.sqrt(4000)
        assert abs(row["sd"] - 1) < 5 / np.sqrt(8000)
    far = priors.loc[(20.0, "fixed", "betas[left]")]
    assert far["tail_probability"] == 0
    assert far["z_score"] == pytest.approx(20, rel=0.06)
    assert priors.loc[(0.0, "fixed", "betas[left]"), "tail_probability"] > 0.9
    assert np.isnan(priors.loc[(0.0, "prior", "betas[left]"), "truth"])


def test_contraction_uses_the_prior_variance(results: Results) -> None:
    measures = results.measures().set_index(["trials", "truth", "parameter", "measure"])
    estimates = results.estimates.query("trials == 10 and truth_mode == 'fixed'")
    sd = estimates.query("parameter == 'betas[left]'")["sd"]
    found = measures.loc[(10, "fixed", "betas[left]", "contraction")]
    assert found["estimate"] == pytest.approx(1 - (sd**2).mean(), rel=0.1)
    assert found["mcse"] > 0


def test_xarray_has_the_axes_as_dims(results: Results) -> None:
    data = results.to_xarray()
    assert set(data.dims) == {
        "trials", "noise", "slope", "truth_mode", "seed", "replicate", "parameter",
    }  # fmt: skip
    one = data.sel(trials=5, truth_mode="prior", replicate=3, parameter="total").squeeze()
    row = results.estimates.query(
        "trials == 5 and truth_mode == 'prior' and replicate == 3 and parameter == 'total'"
    )
    assert float(one["mean"]) == row["mean"].item()


def test_clean_measures_leave_out_flagged_fits_and_say_how_many_remain(run_line: Run) -> None:
    results = run_line(replicates=40, draws=100)
    flagged = int(results.replicates["flagged"].sum())
    assert flagged == (results.replicates["flags"] != "").sum()
    # Four chains of 100 independent draws: the smallest ESS is often below 400.
    assert 0 < flagged < 40
    of_bias = "measure == 'bias'"
    assert set(results.measures(fits="all").query(of_bias)["n"]) == {40}
    assert set(results.measures(fits="clean").query(of_bias)["n"]) == {40 - flagged}


@pytest.mark.parametrize("truth", ["fixed", "prior"])
def test_the_arrays_of_a_cell_are_the_rows_of_the_wide_frames(results: Results, truth: str) -> None:
    where = {"trials": 10, "truth_mode": truth}
    rows = results.estimates.query(f"trials == 10 and truth_mode == {truth!r}")
    cells = results.estimates_by_cell
    for name in ("betas[left]", "total"):
        of_name = rows[rows["parameter"] == name]
        (cell,) = cells[
            (cells[list(where)] == pd.Series(where)).all(axis=1) & (cells["parameter"] == name)
        ].to_dict("records")
        for column in ("truth", "mean", "sd", "eti_90_lower", "eti_90_upper", "rank"):
            assert np.array_equal(cell[column], of_name[column].to_numpy(float))
    fits = results.replicates.query(f"trials == 10 and truth_mode == {truth!r}")
    (cell,) = results.fits_by_cell.query(f"trials == 10 and truth_mode == {truth!r}").to_dict(
        "records"
    )
    for column in ("r_hat_max", "ess_bulk_min", "ess_tail_min", "wall_s", "ess_bulk_per_s"):
        assert np.array_equal(cell[column], fits[column].to_numpy())


def test_a_frame_of_measures_is_the_readers_own(results: Results) -> None:
    first = results.measures()
    first["estimate"] = 0.0
    assert (results.measures()["estimate"] != 0).any()


def test_what_is_read_later_is_never_of_another_run(run_line: Run) -> None:
    results = run_line()
    run_line(fresh=True)
    with pytest.raises(StoreConflict, match="read it again"):
        _ = results.replicates
    with pytest.raises(StoreConflict, match="read it again"):
        results.intervals(0.42)
