"""What must be found, from closed forms where there are any.

Elsewhere the rates were counted over 800,000 simulated data sets each, by an independent
computation on the normal distributions themselves, cut into runs of 20, 50, 100 and 200. Ranks that
a flaw leaves uniform are rejected at the exact size of the test.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import binom

from recovery.record import KEPT_DRAWS
from recovery.selfcheck.finding import Rate

MEANS: Final = ("mu[left]", "mu[right]")
QUANTITIES: Final = (
    *MEANS, "sum", "difference", "product", "log_likelihood", "log_prior", "log_posterior",
    "log_likelihood[y, 0]",
)  # fmt: skip
SIZES: Final = (20, 50, 100, 200)
SIMULATED: Final = 800_000
"""Data sets that each rate below was counted over."""
REJECTED: Final[Mapping[str, Mapping[str, tuple[float, float, float, float]]]] = {
    "posterior is the prior": {
        "log_likelihood": (1.0000, 1.0000, 1.0000, 1.0000),
        "log_posterior": (1.0000, 1.0000, 1.0000, 1.0000),
        "log_likelihood[y, 0]": (0.9957, 1.0000, 1.0000, 1.0000),
    },
    "one of 3 points dropped": {
        "log_likelihood": (0.4107, 0.8104, 0.9824, 1.0000),
        "log_posterior": (0.3876, 0.8064, 0.9859, 1.0000),
        "log_likelihood[y, 0]": (0.7581, 0.9926, 1.0000, 1.0000),
    },
    "one of 20 points dropped": {
        "log_likelihood": (0.0556, 0.0732, 0.0988, 0.1485),
        "log_posterior": (0.0552, 0.0715, 0.0994, 0.1550),
        "log_likelihood[y, 0]": (0.1805, 0.3733, 0.6494, 0.9165),
    },
    "correlation lost": {
        "log_likelihood": (0.6739, 0.9952, 1.0000, 1.0000),
        "log_prior": (0.2975, 0.8517, 0.9982, 1.0000),
        "log_posterior": (0.8208, 0.9999, 1.0000, 1.0000),
        "sum": (0.2711, 0.5019, 0.7834, 0.9778),
        "difference": (0.4796, 0.9979, 1.0000, 1.0000),
        "product": (0.2672, 0.5556, 0.8588, 0.9922),
        "log_likelihood[y, 0]": (0.3011, 0.8546, 0.9985, 1.0000),
    },
    "random bias": {
        "mu[left]": (0.1179, 0.1734, 0.2757, 0.5100),
        "mu[right]": (0.1182, 0.1717, 0.2780, 0.5112),
        "log_likelihood": (0.5013, 0.8536, 0.9911, 1.0000),
        "log_prior": (0.3540, 0.6587, 0.9125, 0.9975),
        "log_posterior": (0.5958, 0.9278, 0.9979, 1.0000),
        "sum": (0.0803, 0.0940, 0.1251, 0.1925),
        "difference": (0.6304, 0.9404, 0.9992, 1.0000),
        "product": (0.0781, 0.1019, 0.1280, 0.2147),
        "log_likelihood[y, 0]": (0.3561, 0.6606, 0.9170, 0.9972),
    },
    "sd x 0.5": {
        "mu[left]": (0.8601, 0.9974, 1.0000, 1.0000),
        "mu[right]": (0.8591, 0.9974, 1.0000, 1.0000),
        "log_likelihood": (0.9675, 0.9999, 1.0000, 1.0000),
        "log_prior": (0.8663, 0.9977, 1.0000, 1.0000),
        "log_posterior": (0.9992, 1.0000, 1.0000, 1.0000),
        "sum": (0.8596, 0.9975, 1.0000, 1.0000),
        "difference": (0.8617, 0.9976, 1.0000, 1.0000),
        "product": (0.8097, 0.9927, 1.0000, 1.0000),
        "log_likelihood[y, 0]": (0.8641, 0.9966, 1.0000, 1.0000),
    },
    "sd x 0.8": {
        "mu[left]": (0.1864, 0.3111, 0.5266, 0.8452),
        "mu[right]": (0.1851, 0.3157, 0.5339, 0.8488),
        "log_likelihood": (0.2862, 0.5552, 0.8370, 0.9868),
        "log_prior": (0.1863, 0.3367, 0.5705, 0.8662),
        "log_posterior": (0.4180, 0.7644, 0.9673, 0.9998),
        "sum": (0.1839, 0.3130, 0.5298, 0.8448),
        "difference": (0.1812, 0.3153, 0.5365, 0.8405),
        "product": (0.1609, 0.2780, 0.4671, 0.7768),
        "log_likelihood[y, 0]": (0.1899, 0.3407, 0.5823, 0.8740),
    },
    "sd x 1.25": {
        "mu[left]": (0.0486, 0.1427, 0.3446, 0.7198),
        "mu[right]": (0.0483, 0.1434, 0.3421, 0.7258),
        "log_likelihood": (0.2060, 0.5174, 0.8461, 0.9932),
        "log_prior": (0.0837, 0.2221, 0.4900, 0.8522),
        "log_posterior": (0.3070, 0.7005, 0.9593, 1.0000),
        "sum": (0.0493, 0.1452, 0.3476, 0.7272),
        "difference": (0.0491, 0.1400, 0.3424, 0.7103),
        "product": (0.0511, 0.1307, 0.2899, 0.6205),
        "log_likelihood[y, 0]": (0.0833, 0.2308, 0.4995, 0.8538),
    },
    "shift 1 sd": {
        "mu[left]": (0.9736, 1.0000, 1.0000, 1.0000),
        "mu[right]": (0.9748, 0.9999, 1.0000, 1.0000),
        "log_likelihood": (0.2633, 0.5456, 0.8344, 0.9882),
        "log_prior": (0.1862, 0.3409, 0.5845, 0.8792),
        "log_posterior": (0.3664, 0.7723, 0.9764, 0.9998),
        "sum": (0.9847, 1.0000, 1.0000, 1.0000),
        "difference": (0.0502, 0.0495, 0.0508, 0.0540),
        "product": (0.3072, 0.5825, 0.8669, 0.9952),
        "log_likelihood[y, 0]": (0.1888, 0.3417, 0.5919, 0.8742),
    },
}
"""How often the band is left in runs of `SIZES` simulations, by case and quantity."""


SIZE: Final = {20: 0.0498, 50: 0.0500, 100: 0.0495, 200: 0.0495}
"""How often the band is left by uniform ranks over 100 cells. Numbers, not calls of what is being
checked; a test has them from a recursion of its own."""


def rejection(case: str, quantity: str, size: int) -> Rate:
    """Return how often the ranks of a quantity leave their band in runs of `size` simulations.

    One of `SIZES`, or of `SIZE` for quantities whose ranks are uniform.
    """
    rates = REJECTED.get(case, {}).get(quantity)
    if rates is None:
        return Rate(SIZE[size])
    return Rate(rates[SIZES.index(size)], SIMULATED // size)


def coverage(sd_factor: float, shift: float, n_draws: int, prob: float) -> float:
    """Return how often a central interval of a normal posterior covers the truth.

    Parameters
    ----------
    sd_factor : float
        Sd of the posterior over that of the right one.
    shift : float
        Of the posterior, in right sds.
    n_draws : int
        From how many independent draws the ends are interpolated: between order statistics, of
        which the k-th has k / (n_draws + 1) of the distribution below it, on average.
    prob : float
        Level of the interval.
    """
    level = ((n_draws - 1) * (1 - prob) / 2 + 1) / (n_draws + 1)
    reach = -sd_factor * ndtri(level)
    return float(ndtr(shift + reach) - ndtr(shift - reach))


def low_ranks(sd_factor: float, shift: float, below: int) -> float:
    """Return how often a truth has a rank below `below` among the kept draws.

    A truth z right sds from the right centre has a binomial rank; z is averaged over.
    """
    z, weight = np.polynomial.hermite_e.hermegauss(120)
    low = binom.cdf(below - 1, KEPT_DRAWS, ndtr((z - shift) / sd_factor))
    return float(low @ weight / weight.sum())
