"""Shares of replicates: their interval, and how many replicates a share takes."""

import math

from scipy.special import betaincinv


def binomial_interval(p_hat: float, n: int, prob: float = 0.95) -> tuple[float, float]:
    """Return the Jeffreys interval of a share ``p_hat`` of n, for tables and plots.

    The lower end is exactly 0 where ``p_hat`` is 0 and the upper exactly 1 where it is 1, as in
    Brown, Cai & DasGupta (2001), doi:10.1214/ss/1009213286. Both are nan where n is 0 or
    ``p_hat`` nan. Raises ValueError if ``p_hat`` or ``prob`` is no probability.
    """
    if n == 0 or math.isnan(p_hat):
        return math.nan, math.nan
    if not 0 <= p_hat <= 1:
        raise ValueError(f"p_hat must lie between 0 and 1, got {p_hat}")
    check_probability("prob", prob)
    k, tail = round(p_hat * n), (1 - prob) / 2
    lower = float(betaincinv(k + 0.5, n - k + 0.5, tail)) if k > 0 else 0.0
    upper = float(betaincinv(k + 0.5, n - k + 0.5, 1 - tail)) if k < n else 1.0
    return lower, upper


def replicates_for(mcse: float, ci_prob: float) -> int:
    """Return how many replicates measure a coverage near ``ci_prob`` to within this mcse.

    n = c (1 - c) / mcse^2, rounded up, as Morris, White & Crowther (2019) plan. Raises
    ValueError if ``mcse`` is not positive or ``ci_prob`` not strictly between 0 and 1.
    """
    check_probability("ci_prob", ci_prob)
    if not mcse > 0:
        raise ValueError(f"mcse must be positive, got {mcse}; half a percentage point is 0.005")
    return math.ceil(round(ci_prob * (1 - ci_prob) / mcse**2, 9))


def check_probability(name: str, value: float) -> None:
    """Raise ValueError unless a level lies strictly between 0 and 1."""
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie strictly between 0 and 1, got {value}; 90 % is 0.9")
