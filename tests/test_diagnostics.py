"""Promises of recovery.diagnostics, with arviz-stats and exact arithmetic as oracles."""

import math
import warnings
from fractions import Fraction

import numpy as np
import pytest
from arviz_stats.base import array_stats
from numpy.typing import NDArray
from scipy.signal import lfilter

from recovery.diagnostics import (
    Diagnostics,
    diagnose,
    ess_bulk,
    ess_mean,
    ess_tail,
    mcse_mean,
    r_hat,
)
from recovery.record import QUANTILE_GRID
from recovery.thresholds import THRESHOLDS, flags

Floats = NDArray[np.float64]

FIELDS = ("mean", "sd", "r_hat", "ess_bulk", "ess_tail", "ess_mean", "mcse_mean")
SHAPES = [
    *((4, n) for n in (4, 5, 6, 7, 8, 9, 10)),
    (4, 1000),
    (4, 999),
    (2, 131),
    (3, 50),
    (1, 400),
    (1, 7),
    (8, 257),
]


def autoregressive(z: Floats, phi: float) -> Floats:
    """Turn white noise into AR(1) series along the draws, started in their stationary law."""
    z = z.copy()
    z[:, 0] /= math.sqrt(1 - phi**2)
    return np.asarray(lfilter([1.0], [1.0, -phi], z, axis=1))


def make(kind: str, shape: tuple[int, int], seed: int = 20211) -> Floats:
    """Draws of five parameters of one kind, shape (chain, draw, 5)."""
    rng = np.random.default_rng([seed, *shape])
    z = rng.normal(size=(*shape, 5))
    match kind:
        case "normal":
            return z
        case "sticky":
            return autoregressive(z, 0.97)
        case "antithetic":
            return autoregressive(z, -0.7)
        case "cauchy":
            return rng.standard_cauchy(size=z.shape)
        case "ties":
            return np.round(3 * z)
        case "binary":
            return (z > 0.3).astype(float)
        case "repeated draws":  # as after rejected proposals
            return np.repeat(z, 2, axis=1)[:, : shape[1]]
        case "tiny scale":
            return z * 1e-8
        case "huge scale":
            return z * 1e12
        case "chains apart":
            return z + np.arange(shape[0])[:, None, None]
        case "one chain constant":
            z[0] = 0.25
            return z
        case "constant":
            return np.full_like(z, 3.7)
        case "integers":
            return rng.poisson(400.0, size=z.shape).astype(float)
    raise ValueError(kind)


KINDS = (
    "normal",
    "sticky",
    "antithetic",
    "cauchy",
    "ties",
    "binary",
    "repeated draws",
    "tiny scale",
    "huge scale",
    "chains apart",
    "one chain constant",
    "constant",
    "integers",
)


def oracle(draws: Floats) -> dict[str, Floats]:
    """Compute the same quantities one by one with arviz-stats, and exactly rounded moments."""
    columns = np.ascontiguousarray(np.moveaxis(draws, 2, 0))
    mean = np.array([math.fsum(c.flat) / c.size for c in columns])
    squares = (columns - mean[:, None, None]) ** 2
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # it divides by zero for constant parameters
        rhat = array_stats.rhat(columns, method="rank")
        return {
            "mean": mean,
            "sd": np.sqrt([math.fsum(s.flat) / (s.size - 1) for s in squares]),
            "r_hat": np.where(rhat > 1e6, np.inf, rhat),  # chains that each stand still
            "ess_bulk": array_stats.ess(columns, method="bulk"),
            "ess_tail": array_stats.ess(columns, method="tail", prob=(0.05, 0.95)),
            "ess_mean": array_stats.ess(columns, method="mean"),
            "mcse_mean": array_stats.mcse(columns, method="mean"),
        }


def assert_equals_oracle(draws: Floats) -> None:
    result, expected = diagnose(draws), oracle(draws)
    rounding = 1e-14 * np.abs(draws).max(axis=(0, 1))  # a mean near 0, the sd of a constant
    for field in ("mean", "sd", "mcse_mean"):
        error = np.abs(getattr(result, field) - expected[field])
        assert (error <= 1e-10 * np.abs(expected[field]) + rounding).all(), field
    for field in ("r_hat", "ess_bulk", "ess_tail"):
        np.testing.assert_allclose(
            getattr(result, field), expected[field], rtol=1e-10, err_msg=field
        )
    np.testing.assert_allclose(ess_mean(draws), expected["ess_mean"], rtol=1e-10)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_every_field_equals_arviz(kind: str, shape: tuple[int, int]) -> None:
    assert_equals_oracle(make(kind, shape))


@pytest.mark.parametrize("draws", [*range(28, 38), *range(61, 68), *range(124, 134)])
def test_every_field_equals_arviz_at_lengths_around_whole_blocks(draws: int) -> None:
    for kind in ("antithetic", "sticky"):
        assert_equals_oracle(make(kind, (2, draws)))


@pytest.mark.parametrize("seed", range(25))
def test_every_field_equals_arviz_whatever_the_shape(seed: int) -> None:
    """Continuous draws, so no autocorrelations cancel exactly; cannot fail by chance."""
    rng = np.random.default_rng([71, seed])
    chains, draws, parameters = (int(rng.integers(*r)) for r in ((1, 7), (4, 700), (1, 9)))
    phi = float(rng.uniform(-0.9, 0.99))
    z = rng.standard_t(df=3, size=(chains, draws, parameters))
    assert_equals_oracle(autoregressive(z, phi) * np.exp(rng.normal(scale=5, size=parameters)))


def test_slow_and_fast_parameters_of_one_fit_equal_arviz() -> None:
    z = np.random.default_rng(3).normal(size=(4, 1500, 60))  # more than one block of parameters
    phis = np.linspace(-0.95, 0.999, 60)
    assert_equals_oracle(np.dstack([autoregressive(z[..., [i]], p) for i, p in enumerate(phis)]))


def test_draws_that_differ_in_their_last_bits_alone_equal_arviz() -> None:
    """An offset of 2**20 or 2**40 leaves few bits to tell draws apart, and some ties."""
    z = make("sticky", (4, 301))
    for offset in (2.0**20, 2.0**40):
        draws = z + offset
        result, expected = diagnose(draws), oracle(draws)
        for field in ("r_hat", "ess_bulk", "ess_tail"):
            np.testing.assert_allclose(getattr(result, field), expected[field], rtol=1e-10)


def exact_ess(chains: NDArray[np.int64]) -> float:
    """ESS of the mean of integer draws in rational arithmetic, one lag after the other."""
    half = chains.shape[1] // 2
    rows = [[Fraction(int(v)) for v in r] for c in chains for r in (c[:half], c[-half:])]
    size = len(rows) * half
    if len({v for r in rows for v in r}) == 1:
        return float(size)
    means = [sum(r, Fraction(0)) / half for r in rows]
    centred = [[v - m for v in r] for r, m in zip(rows, means, strict=True)]
    grand = sum(means, Fraction(0)) / len(rows)
    between = sum(((m - grand) ** 2 for m in means), Fraction(0)) / (len(rows) - 1)

    def acov(lag: int) -> Fraction:
        return sum((r[i] * r[i + lag] for r in centred for i in range(half - lag)), Fraction(0))

    within = acov(0) / size * Fraction(half, half - 1)

    def rho(lag: int) -> Fraction:
        return 1 - (within - acov(lag) / size) / (acov(0) / size + between) if lag else Fraction(1)

    tau, pair, lag, smallest = Fraction(-1), rho(0) + rho(1), 0, None
    while pair > 0 and lag + 1 < half - 3:
        smallest = pair if smallest is None else min(smallest, pair)
        tau += 2 * smallest
        lag += 2
        pair = rho(lag) + rho(lag + 1)
    tau += rho(lag) if pair >= 0 else max(rho(lag), Fraction(0))
    return float(size / max(float(tau), 1 / math.log10(size)))


def test_ess_of_short_discrete_chains_is_that_of_exact_arithmetic() -> None:
    """Here pairs of autocorrelations often cancel exactly, where rounding must not decide."""
    rng = np.random.default_rng(12)
    for _ in range(60):
        shape = int(rng.integers(1, 6)), int(rng.integers(4, 31)), 8
        draws = rng.integers(0, rng.integers(2, 5), size=shape)
        expected = [exact_ess(draws[..., i]) for i in range(8)]
        np.testing.assert_allclose(ess_mean(draws), expected, rtol=1e-10)


@pytest.mark.parametrize(
    ("chains", "expected"),
    [
        (["000101001100011111"], 12.96),
        (["00000000100000", "10001001100110"], 1666 / 61),
    ],
)
def test_a_pair_of_autocorrelations_that_cancels_exactly_ends_the_sum(
    chains: list[str], expected: float
) -> None:
    """Rounding, different at each scale, would go on to the next pair in some of these."""
    draws = np.array([[int(c) for c in chain] for chain in chains])
    assert exact_ess(draws) == pytest.approx(expected, rel=1e-12)
    for scale in np.random.default_rng(4).uniform(0.1, 10, size=50):
        assert ess_mean(scale * draws[..., None])[0] == pytest.approx(expected, rel=1e-12)


def test_ess_of_an_ar1_chain_is_its_closed_form() -> None:
    """S (1 - phi) / (1 + phi) within 4 %: six standard errors; false alarms below 1e-7."""
    for phi in (-0.4, 0.0, 0.6, 0.9):
        z = np.random.default_rng(8).normal(size=(4, 25_000, 40))
        found = ess_mean(autoregressive(z, phi)).mean() / 100_000
        assert found == pytest.approx((1 - phi) / (1 + phi), rel=0.04)


def test_an_offset_changes_nothing_but_the_mean() -> None:
    """The draws lie on a grid on which adding 2**33 is exact; ArviZ itself loses digits here."""
    draws = np.round(make("sticky", (4, 501)) * 2**16) / 2**16
    near, far = diagnose(draws), diagnose(draws + 2.0**33)
    assert_equals_oracle(draws)
    np.testing.assert_allclose(far.mean - 2.0**33, near.mean, atol=2e-6)  # spacing near 2**33
    for field in FIELDS[1:]:
        np.testing.assert_allclose(getattr(far, field), getattr(near, field), rtol=1e-10)


def test_a_large_offset_agrees_with_arviz_as_far_as_arviz_is_exact() -> None:
    z = make("sticky", (4, 501))
    draws = z + 1e6
    exact = oracle(draws - 1e6)  # this subtraction is exact
    result = diagnose(draws)
    for field in FIELDS[1:]:
        np.testing.assert_allclose(getattr(result, field), exact[field], rtol=1e-10)
    np.testing.assert_allclose(result.ess_bulk, oracle(draws)["ess_bulk"], rtol=1e-10)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", [(0, 0), (2, 50), (3, 100)], ids=["first", "middle", "last"])
def test_one_bad_draw_spoils_its_parameter_and_no_other(bad: float, where: tuple[int, int]) -> None:
    draws = make("normal", (4, 101))
    clean = diagnose(draws)
    draws[(*where, 2)] = bad
    spoiled = diagnose(draws)
    others = [0, 1, 3, 4]
    for field in FIELDS:
        found, kept = getattr(spoiled, field), getattr(clean, field)
        assert np.isnan(found[2]), field
        np.testing.assert_array_equal(found[others], kept[others])


@pytest.mark.parametrize("shape", [(4, 1000), (4, 999), (3, 50), (1, 400), (2, 3), (1, 1)], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_quantiles_are_those_of_numpy(kind: str, shape: tuple[int, int]) -> None:
    draws = make(kind, shape)
    found = diagnose(draws, QUANTILE_GRID).quantiles
    expected = np.quantile(draws.reshape(-1, 5), QUANTILE_GRID, axis=0).T
    assert found.shape == (5, len(QUANTILE_GRID))
    rounding = 1e-15 * np.abs(draws).max()  # a quantile between draws on both sides of 0
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=rounding)


def test_quantiles_are_kept_where_a_draw_is_infinite() -> None:
    draws = make("normal", (4, 101))
    draws[0, 0, 1], draws[1, 5, 1], draws[2, 9, 3] = np.inf, -np.inf, np.inf
    result = diagnose(draws, QUANTILE_GRID)
    assert np.isnan(result.r_hat[[1, 3]]).all()
    with np.errstate(invalid="ignore"):
        expected = np.quantile(draws.reshape(-1, 5), QUANTILE_GRID, axis=0).T
    known = ~np.isnan(expected)  # next to an infinite draw some of NumPy's are nan
    np.testing.assert_allclose(result.quantiles[known], expected[known], rtol=1e-12)
    assert known.sum() >= known.size - 4
    assert result.quantiles[3, -1] == np.inf


def test_quantiles_asked_for_change_no_other_field() -> None:
    draws = make("sticky", (4, 333))
    without, beside = diagnose(draws), diagnose(draws, [0.5])
    assert without.quantiles.shape == (5, 0)
    np.testing.assert_allclose(beside.quantiles[:, 0], np.median(draws, axis=(0, 1)), rtol=1e-12)
    for field in FIELDS:
        np.testing.assert_array_equal(getattr(without, field), getattr(beside, field))


def test_draws_further_apart_than_any_float_are_nan_like_infinite_ones() -> None:
    draws = make("normal", (4, 100))
    draws[0, 0, 2], draws[1, 0, 2] = 1.7e308, -1.7e308
    result = diagnose(draws)
    for field in FIELDS:
        assert np.isnan(getattr(result, field)).tolist() == [False, False, True, False, False]


def test_settings_of_numpy_are_left_as_they_were() -> None:
    before = np.getbufsize(), np.geterr()
    diagnose(make("constant", (4, 100)))
    assert (np.getbufsize(), np.geterr()) == before


def test_parameters_do_not_affect_each_other() -> None:
    kinds = ("normal", "cauchy", "ties", "constant", "huge scale", "tiny scale", "sticky")
    draws = np.dstack([make(kind, (4, 300)) for kind in kinds])
    together = diagnose(draws)
    for i in range(draws.shape[2]):
        alone = diagnose(draws[..., [i]])
        for field in FIELDS:
            np.testing.assert_allclose(
                getattr(together, field)[i], getattr(alone, field)[0], rtol=1e-12
            )


def test_a_constant_parameter_has_full_ess_no_error_and_no_r_hat() -> None:
    result = diagnose(np.full((4, 101, 1), 0.1))
    assert result.mean[0] == 0.1
    assert result.sd[0] == 0.0
    assert result.mcse_mean[0] == 0.0
    assert result.ess_bulk[0] == result.ess_tail[0] == 400.0  # an odd chain loses its middle draw
    assert np.isnan(result.r_hat[0])


@pytest.mark.parametrize("places", [(0.1, 0.2, 0.3, 0.7), (-1.0, 1.0), (0.0, 0.0, 5.0)])
def test_chains_that_stand_still_at_different_places_have_infinite_r_hat(
    places: tuple[float, ...],
) -> None:
    draws = np.broadcast_to(np.array(places)[:, None, None], (len(places), 100, 1))
    assert oracle(draws)["r_hat"][0] == np.inf
    assert diagnose(draws).r_hat[0] == np.inf
    assert flagged({"r_hat_max": np.inf}) == "r_hat above 1.01"


def test_a_single_chain_has_ess_but_no_r_hat() -> None:
    result = diagnose(make("normal", (1, 200)))
    assert np.isnan(result.r_hat).all()
    assert np.isfinite([result.ess_bulk, result.ess_tail, result.mcse_mean]).all()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_fewer_than_four_draws_per_chain_have_moments_only(n: int) -> None:
    draws = make("normal", (4, n))
    result = diagnose(draws)
    np.testing.assert_allclose(result.mean, draws.mean(axis=(0, 1)), rtol=1e-12)
    np.testing.assert_allclose(result.sd, draws.std(axis=(0, 1), ddof=1), rtol=1e-12)
    for field in ("r_hat", "ess_bulk", "ess_tail", "mcse_mean"):
        assert np.isnan(getattr(result, field)).all()
    for single in (r_hat, ess_bulk, ess_tail, ess_mean, mcse_mean):
        assert np.isnan(single(draws)).all()


def test_one_draw_in_all_has_a_mean_and_no_sd() -> None:
    result = diagnose([[[2.5]]])
    assert result.mean[0] == 2.5
    assert np.isnan(result.sd[0])


def test_no_parameters_give_empty_arrays() -> None:
    result = diagnose(np.empty((4, 100, 0)))
    assert all(getattr(result, field).shape == (0,) for field in FIELDS)


@pytest.mark.parametrize("shape", [(100,), (4, 100), (4, 0, 2), (0, 100, 2), (1, 4, 100, 2)])
def test_a_wrong_shape_is_refused_by_name(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"n_chains, n_draws, n_parameters.*not \("):
        diagnose(np.zeros(shape))


def test_each_function_alone_gives_the_field_of_diagnose() -> None:
    draws = np.dstack([make(kind, (4, 333)) for kind in ("sticky", "ties", "constant")])
    draws[1, 7, 1] = np.nan
    result = diagnose(draws)
    for single in (r_hat, ess_bulk, ess_tail, ess_mean, mcse_mean):
        np.testing.assert_array_equal(single(draws), getattr(result, single.__name__))


def test_memory_layout_and_dtype_do_not_matter_and_draws_are_left_alone() -> None:
    draws = make("integers", (4, 120))
    before = draws.copy()
    expected = diagnose(draws)
    draws.flags.writeable = False
    same = (np.asfortranarray(draws), draws.astype(np.int32), draws.astype(np.float32), before)
    for other in (*same, np.repeat(draws, 2, axis=1)[:, ::2], draws.tolist()):
        found = diagnose(other)
        for field in FIELDS:
            np.testing.assert_array_equal(getattr(found, field), getattr(expected, field))
    np.testing.assert_array_equal(draws, before)


def test_values_too_large_to_square_warn_about_nothing() -> None:
    draws = make("normal", (4, 50)) * 1e300
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = diagnose(draws)
    assert np.isfinite(result.r_hat).all()  # ranks do not overflow


def test_r_hat_is_one_when_chains_agree_and_large_when_they_do_not() -> None:
    """The largest of 1000 values of r_hat at 4 x 1000 independent draws is about 1.004."""
    assert (r_hat(make("normal", (4, 1000))) < 1.01).all()
    assert (r_hat(make("chains apart", (4, 1000))) > 1.2).all()


def test_r_hat_sees_chains_that_differ_in_spread_alone() -> None:
    draws = make("normal", (4, 1000))
    draws[0] *= 3
    assert (r_hat(draws) > 1.05).all()


def test_thresholds_are_unique_and_each_gives_its_reason() -> None:
    assert [(t.measure, t.limit, t.worse) for t in THRESHOLDS] == [
        ("r_hat_max", 1.01, "above"),
        ("ess_bulk_min", 400.0, "below"),
        ("ess_tail_min", 400.0, "below"),
        ("divergences", 0.0, "above"),
    ]
    assert len({t.label for t in THRESHOLDS}) == len(THRESHOLDS)
    assert all("(" in t.reason and "\n" not in t.reason for t in THRESHOLDS)


def flagged(measures: dict[str, float]) -> str:
    (labels,) = flags({name: np.array([value]) for name, value in measures.items()})
    return str(labels)


def test_a_fit_at_every_limit_is_not_flagged_and_just_beyond_is() -> None:
    at = {t.measure: t.limit for t in THRESHOLDS}
    assert flagged(at) == ""
    for t in THRESHOLDS:
        beyond = np.nextafter(t.limit, np.inf if t.worse == "above" else -np.inf)
        assert flagged({**at, t.measure: float(beyond)}) == t.label


def test_flags_come_in_the_order_of_the_thresholds() -> None:
    bad = {"divergences": 3, "ess_tail_min": 1.0, "ess_bulk_min": 1.0, "r_hat_max": 2.0}
    assert flagged(bad) == ", ".join(t.label for t in THRESHOLDS)


def test_a_constant_parameter_alone_flags_nothing() -> None:
    result = diagnose(np.full((4, 200, 1), 2.0))
    assert flagged(worst(result)) == ""


def test_draws_that_are_not_finite_flag_the_fit() -> None:
    draws = np.full((4, 200, 1), np.nan)
    assert flagged(worst(diagnose(draws))) == "bulk ESS too low, tail ESS too low"


def worst(result: Diagnostics) -> dict[str, float]:
    return {
        "r_hat_max": float(result.r_hat.max()),
        "ess_bulk_min": float(result.ess_bulk.min()),
        "ess_tail_min": float(result.ess_tail.min()),
        "divergences": 0.0,
    }


def test_a_measure_that_is_missing_or_unknown_is_not_judged() -> None:
    assert flags({}).size == 0
    assert flagged({"sample_s": 1e9, "r_hat_max": 1.0}) == ""
