"""Promises of recovery.autocorrelation, with sums over one lag after the other as the oracle."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import lfilter

from recovery.autocorrelation import centre, ess, room_for

Floats = NDArray[np.float64]


def lag_by_lag(chains: Floats) -> float:
    """Compute the ESS of one parameter, chains of shape (chain, draw), by Geyer's sequences."""
    size, n = chains.size, chains.shape[1]
    centred = chains - chains.mean(axis=1, keepdims=True)
    within = (centred**2).sum() / size
    total = within + chains.mean(axis=1).var(ddof=1)

    def rho(lag: int) -> float:
        acov = (centred[:, : n - lag] * centred[:, lag:]).sum() / size
        return float(1 - (within * n / (n - 1) - acov) / total) if lag else 1.0

    tau, pair, lag, smallest = -1.0, rho(0) + rho(1), 0, math.inf
    while pair > 0 and lag + 1 < n - 3:
        smallest = min(smallest, pair)
        tau += 2 * smallest
        lag += 2
        pair = rho(lag) + rho(lag + 1)
    tau += rho(lag) if pair >= 0 else max(rho(lag), 0.0)
    return size / max(tau, 1 / math.log10(size))


def found(chains: Floats) -> Floats:
    """Compute the ESS of draws of shape (parameter, chain, draw)."""
    n = chains.shape[2]
    series = room_for(1, *chains.shape[:2], n)
    series[0, ..., :n] = chains
    between = centre(series, n)
    np.testing.assert_allclose(between[0], chains.mean(axis=2).var(axis=1, ddof=1), rtol=1e-10)
    return ess(series, n, between)[0]


@pytest.mark.parametrize("n", [2, 3, 4, 5, 15, 16, 17, 18, 19, 31, 32, 33, 67, 68, 200, 513])
@pytest.mark.parametrize("n_chains", [2, 6])
def test_ess_is_that_of_a_sum_lag_by_lag(n: int, n_chains: int) -> None:
    """Series that forget within the first lags, within the next, and hardly ever."""
    phis = np.array([-0.9, -0.3, 0.0, 0.5, 0.8, 0.9, 0.97, 0.999])
    z = np.random.default_rng([5, n, n_chains]).normal(size=(len(phis), n_chains, n))
    chains = np.stack([lfilter([1], [1, -phi], x, axis=1) for phi, x in zip(phis, z, strict=True)])
    expected = [lag_by_lag(c) for c in chains]
    np.testing.assert_allclose(found(chains), expected, rtol=1e-10)


def test_a_series_that_never_settles_is_summed_to_its_last_pair() -> None:
    """Chains that drift apart: all autocorrelations are positive."""
    chains = np.linspace(0, 0.1, 300) + 5.0 * np.arange(4)[:, None]
    np.testing.assert_allclose(found(chains[None]), lag_by_lag(chains), rtol=1e-10)


def test_each_series_is_judged_alone() -> None:
    z = np.random.default_rng(6).normal(size=(12, 4, 150))
    chains = np.stack([lfilter([1], [1, -i / 12], x, axis=1) for i, x in enumerate(z)])
    together = found(chains)
    alone = [found(chains[[i]])[0] for i in range(12)]
    np.testing.assert_allclose(together, alone, rtol=1e-12)


def test_a_constant_series_has_as_many_effective_draws_as_draws() -> None:
    with np.errstate(invalid="ignore"):  # 0 / 0, which `diagnose` ignores too
        assert found(np.full((3, 4, 20), 2.5)).tolist() == [80.0] * 3
