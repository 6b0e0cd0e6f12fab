"""Effective sample sizes of several chains, from their autocorrelations.

The sum of the autocorrelations ends where Geyer (1992), "Practical Markov chain Monte Carlo",
Statistical Science 7(4), https://doi.org/10.1214/ss/1177011137, ends it; of chains that mix well
that is within a dozen draws. So the first lags are computed alone, from products of short blocks,
and more lags, by fast Fourier transform, for the few series that need them.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.fft import next_fast_len

Floats: TypeAlias = NDArray[np.float64]

_BLOCK = 16  # draws in a block, and lags that products of blocks give
_MORE_LAGS = 64  # enough for most chains that are sticky
_ROUNDING = 1e-12  # a pair of autocorrelations this small is 0 but for rounding, and ends the sum


def room_for(quantities: int, parameters: int, chains: int, n: int) -> Floats:
    """Return room for series of n draws, each followed by at least as many zeros as a block has.

    Returns
    -------
    ndarray, shape (quantities, parameters, chains, width)
        Its first n draws are not set yet.
    """
    blocks = -(-n // _BLOCK) + 1
    series = np.empty((quantities, parameters, chains, blocks * _BLOCK))
    series[..., n:] = 0.0
    return series


def centre(series: Floats, n: int) -> Floats:
    """Subtract from each chain the mean of its n draws; return the variance of these means.

    Parameters
    ----------
    series : ndarray, shape (quantities, parameters, chains, width)
        As `room_for` lays them out. Changed in place.
    n : int
        Draws per chain.

    Returns
    -------
    ndarray, shape (quantities, parameters)
    """
    chains = series.shape[2]
    means = np.einsum("qpcn->qpc", series) / n
    series[..., :n] -= means[..., None]
    means -= np.einsum("qpc->qp", means)[..., None] / chains
    return np.asarray(np.einsum("qpc,qpc->qp", means, means) / (chains - 1))


def ess(series: Floats, n: int, between: Floats) -> Floats:
    """Compute the effective sample size of the mean of every quantity and parameter.

    Parameters
    ----------
    series : ndarray, shape (quantities, parameters, chains, width)
        Centred; an even number of chains.
    n : int
        Draws per chain.
    between : ndarray, shape (quantities, parameters)
        Variance of the means of the chains.

    Returns
    -------
    ndarray, shape (quantities, parameters)
        In draws: at most S log10(S) of S draws, and S where they do not vary at all.
    """
    rows = series.reshape(-1, *series.shape[2:])
    spread = between.reshape(-1, 1)
    size = rows.shape[1] * n
    lags = 2 * (max(n - 3, 0) // 2 + 1)
    looked = min(lags, _BLOCK)
    acov = _first_lags(rows)[:, :looked] / size
    constant = acov[:, 0] + spread[:, 0] == 0
    tau, settled = _geyer(acov, spread, n)
    for more in (min(lags, _MORE_LAGS), lags):
        if more > looked and not settled.all():
            (rest,) = (~settled).nonzero()
            acov = _transformed(rows[rest, :, :n], more) / size
            tau[rest], settled[rest] = _geyer(acov, spread[rest], n)
            looked = more
    found = size / np.maximum(tau, 1 / np.log10(size))
    found[constant] = size
    return np.asarray(found.reshape(between.shape))


def _first_lags(rows: Floats) -> Floats:
    """Sum the products of draws at lags 0 to _BLOCK - 1 over all chains, giving (rows, _BLOCK).

    With a row cut into blocks x_0, x_1, ..., the matrix sum_i x_i' [x_i x_i+1] has the products at
    lag k on its k-th diagonal. Even and odd blocks are one matrix product each. The zeros at a
    chain's end keep it from the next chain.
    """
    flat = rows.reshape(len(rows), -1)
    even = flat.reshape(len(rows), -1, 2 * _BLOCK)
    odd = flat[:, _BLOCK:-_BLOCK].reshape(len(rows), -1, 2 * _BLOCK)
    # With one number more in each of its rows the diagonals of a matrix are columns.
    skewed = np.zeros((len(rows), _BLOCK * (2 * _BLOCK + 1)))
    products = skewed[:, : 2 * _BLOCK**2].reshape(-1, _BLOCK, 2 * _BLOCK)
    np.matmul(even[..., :_BLOCK].mT, even, out=products)
    products += odd[..., :_BLOCK].mT @ odd
    diagonals = skewed.reshape(-1, _BLOCK, 2 * _BLOCK + 1)[..., :_BLOCK]
    return np.asarray(np.einsum("rik->rk", diagonals))


def _transformed(rows: Floats, lags: int) -> Floats:
    """Sum the products of draws at lags 0 to lags - 1 over all chains, giving (rows, lags)."""
    # Of lengths without large factors those with many factors of 2 are the fastest.
    length = 128 * next_fast_len(-(-(rows.shape[2] + lags) // 128), real=True)
    waves = np.fft.rfft(rows, length).view(np.float64)
    power = np.einsum("rcf,rcf->rf", waves, waves)
    return np.asarray(np.fft.irfft(power[:, ::2] + power[:, 1::2], length)[:, :lags])


def _geyer(acov: Floats, between: Floats, n: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Sum autocorrelations by Geyer's initial positive, then monotone sequence.

    Pairs of autocorrelations are summed up to the first pair that is not positive, or the last
    pair; the even member of that pair still counts, unless both it and the pair are negative.

    Parameters
    ----------
    acov : ndarray, shape (rows, lags)
        Autocovariances, averaged over chains.
    between : ndarray, shape (rows, 1)

    Returns
    -------
    tau : ndarray, shape (rows,)
        Autocorrelation times, in draws.
    settled : ndarray of bool, shape (rows,)
        Whether the sum ended within the lags given.
    """
    total = acov[:, :1] + between
    rho = (acov + (between - acov[:, :1] / (n - 1))) / total
    rho[:, :1] = total / total  # 1, or nan
    even = rho[:, ::2]
    pairs = even + rho[:, 1::2]
    smallest = np.minimum.accumulate(pairs, axis=1)
    positive = (smallest > _ROUNDING).sum(axis=1)
    last = np.arange(len(rho)), np.minimum(positive, pairs.shape[1] - 1)
    tail = even[last]
    tail[np.maximum(pairs[last] + _ROUNDING, tail) < 0] = 0.0
    tau = 2 * np.einsum("rk->r", np.maximum(smallest[:, :-1], 0.0)) + tail - 1
    return tau, np.asarray(positive < pairs.shape[1])
