"""Decisions in three ways: on the right side of a limit, on the wrong side, or not known yet.

A quantity is *inside* once the hypothesis that it is not is rejected: for two limits these are two
one-sided tests (TOST: Schuirmann, 1987, doi:10.1007/BF01068419). It is *outside* once the
hypothesis that it lies inside, or on a limit, is rejected. With neither, the replicates are too few
for how near it is to a limit. The two claims have error rates of their own: `inside_alpha` and
`outside_alpha`, each one-sided. Exactly on a limit one claims either with these rates at most, so
a quantity that lies there is never decided.

Shares are judged by exact binomial tails, means by Student's t. A difference of the shares of pairs
is judged by the exact distribution of the discordant ones, in which the share that is free is the
most likely one under the hypothesis, as Tango (1998), Statistics in Medicine 17, 891-908, has it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import bdtr, bdtrc, betaincinv, ndtr, stdtr, stdtrit

from recovery.least import least

POWER: Final = 0.8
"""Chance of a decision that the numbers of replicates which are told are for."""
MOST: Final = 1_000_000
"""Replicates beyond which a quantity counts as lying on its limit."""
_PRECISION: Final = 100
_HALVINGS: Final = 40  # leave an error below 1e-11


@dataclass(frozen=True, slots=True)
class Decision:
    """What a test in three ways says.

    Attributes
    ----------
    estimate, lower, upper : float
        With the interval whose ends are inside the limits if and only if `inside`: of level
        ``1 - 2 * inside_alpha``.
    inside, outside : bool
    p_value : float
        The least `outside_alpha` that would have claimed `outside`.
    """

    estimate: float
    lower: float
    upper: float
    inside: bool
    outside: bool
    p_value: float

    @property
    def decided(self) -> bool:
        """Whether it is known to be inside or outside."""
        return self.inside or self.outside


@dataclass(frozen=True, slots=True)
class Limits:
    """An interval that a quantity is to lie in, and the error rates of saying so or not.

    Parameters
    ----------
    low, high : float
        Infinite where there is no limit.
    inside_alpha, outside_alpha : float
    """

    low: float
    high: float
    inside_alpha: float
    outside_alpha: float

    def __post_init__(self) -> None:
        """Check that there is something to be inside of."""
        if not self.low < self.high:
            raise ValueError(f"the limits {self.low} and {self.high} hold nothing")
        for alpha in (self.inside_alpha, self.outside_alpha):
            if not 0 < alpha < 0.5:
                raise ValueError(f"an error rate must lie between 0 and 0.5, got {alpha}")

    @property
    def sides(self) -> int:
        """How many limits there are."""
        return math.isfinite(self.low) + math.isfinite(self.high)

    def decide(
        self,
        estimate: float,
        at_least: Callable[[float], float],
        at_most: Callable[[float], float],
        ends: tuple[float, float],
    ) -> Decision:
        """Decide, given the chances of what was found, or more, at each limit.

        Parameters
        ----------
        estimate : float
        at_least, at_most : callable
            From a value of the quantity to the chance of so much or more, and of so little or less.
        ends : pair of float
            Of the interval.
        """
        low, high = math.isfinite(self.low), math.isfinite(self.high)
        if not self.sides:
            raise ValueError("no limit is within reach, so there is nothing to decide")
        inside = (not low or at_least(self.low) <= self.inside_alpha) and (
            not high or at_most(self.high) <= self.inside_alpha
        )
        below = at_most(self.low) if low else 1.0
        above = at_least(self.high) if high else 1.0
        p_value = min(1.0, self.sides * min(below, above))
        return Decision(estimate, *ends, inside, p_value <= self.outside_alpha, p_value)


def decide_share(k: int, n: int, limits: Limits) -> Decision:
    """Decide on a share of which k of n replicates are known.

    Limits that no share reaches (below 0, above 1) count as none. The interval is that of Clopper
    and Pearson.

    Raises
    ------
    ValueError
        If k is not in 0..n, or n is 0.
    """
    if not 0 <= k <= n or n < 1:
        raise ValueError(f"k must lie in 0..n and n be at least 1, got {k} of {n}")
    alpha = limits.inside_alpha
    lower = float(betaincinv(k, n - k + 1, alpha)) if k else 0.0
    upper = float(betaincinv(k + 1, n - k, 1 - alpha)) if k < n else 1.0
    return _of_shares(limits).decide(
        k / n,
        lambda p: float(bdtrc(k - 1, n, p)) if k else 1.0,
        lambda p: float(bdtr(k, n, p)),
        (lower, upper),
    )


def decide_mean(mean: float, se: float, n: float, limits: Limits) -> Decision:
    """Decide on the mean of n values, given its standard error.

    Of values that are all alike the mean is known exactly. With fewer than two values nothing is.

    Parameters
    ----------
    mean, se : float
    n : float
        Number of values; or, of values some of which weigh more, as how many of equal weight they
        count: the degrees of freedom are one less.
    limits : Limits
    """
    if n < 2 or not (math.isfinite(mean) and math.isfinite(se)):
        return Decision(mean, -math.inf, math.inf, inside=False, outside=False, p_value=1.0)

    def t(value: float) -> float:
        distance = mean - value
        return distance / se if se else math.copysign(math.inf, distance) if distance else 0.0

    reach = float(stdtrit(n - 1, 1 - limits.inside_alpha)) * se
    return limits.decide(
        mean,
        lambda value: float(stdtr(n - 1, -t(value))),
        lambda value: float(stdtr(n - 1, t(value))),
        (mean - reach, mean + reach),
    )


def decide_drop(lost: int, won: int, n: int, limits: Limits) -> Decision:
    """Decide on by how much a share fell between two looks at the same n replicates.

    Parameters
    ----------
    lost, won : int
        Replicates that counted the first time only, and the second time only.
    n : int
    limits : Limits
        Of the drop, the first share minus the second.
    """
    if lost < 0 or won < 0 or lost + won > n or n < 1:
        raise ValueError(f"lost and won must be counts among n, got {lost}, {won} of {n}")
    drop, alpha = (lost - won) / n, limits.inside_alpha

    def so_much(value: float) -> float:
        return _chance_of_drop(lost, won, n, value)

    def so_little(value: float) -> float:
        return _chance_of_drop(won, lost, n, -value)

    ends = (
        _root(lambda value: so_much(value) <= alpha, -1.0, drop),
        _root(lambda value: so_little(value) <= alpha, 1.0, drop),
    )
    return limits.decide(drop, so_much, so_little, ends)


def _chance_of_drop(lost: int, won: int, n: int, drop: float) -> float:
    """Return the chance that `lost - won` is as found or more, if the share falls by `drop`."""
    won_share = most_likely_won(lost, won, n, drop)
    lost_share = min(1.0, won_share + drop)
    counts = np.arange(n + 1)
    weights = np.diff(bdtr(counts, n, won_share), prepend=0.0)
    weights, counts = weights[weights > 0], counts[weights > 0]
    least = lost - won + counts  # of those lost, given how many were won
    rest = n - counts
    share = min(1.0, lost_share / (1 - won_share)) if won_share < 1 else 1.0
    tails = np.where(least <= 0, 1.0, bdtrc(least - 1, np.maximum(rest, 1), share))
    return float(weights @ np.where(least > rest, 0.0, tails))


def most_likely_won(lost: int, won: int, n: int, drop: float) -> float:
    """Return the most likely share that is won, if the share that is lost is larger by `drop`.

    Tango (1998), equation 10.
    """
    a, c = 2 * n, -won * drop * (1 - drop)
    b = -lost - won + (2 * n - lost + won) * drop
    found = (math.sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
    return min(max(found, 0.0, -drop), (1 - drop) / 2)


def _root(holds: Callable[[float], bool], far: float, near: float) -> float:
    """Return where a claim that holds at `far` ceases to hold on the way to `near`."""
    for _ in range(_HALVINGS):
        middle = (far + near) / 2
        far, near = (middle, near) if holds(middle) else (far, middle)
    return far


def replicates_for_share(p: float, limits: Limits, power: float = POWER) -> int | None:
    """Return how many replicates decide on a share that is p, with this chance.

    The least n from which on, up to the saw teeth of binomial tails, the chance is reached.

    Returns
    -------
    int or None
        None if more than `MOST` would be needed: p is on a limit or nearly so.
    """
    of_shares = _of_shares(limits)

    def enough(n: int) -> bool:
        return _chance_of_share(p, n, of_shares) >= power

    return least(enough, start=1, most=MOST, precision=_PRECISION)


def _chance_of_share(p: float, n: int, limits: Limits) -> float:
    """Return the chance that n replicates decide on a share p, for what it is."""
    if p <= limits.low:
        return _at_most(_most_below(limits.low, n, limits.outside_alpha / limits.sides), n, p)
    if p >= limits.high:
        most_missed = _most_below(1 - limits.high, n, limits.outside_alpha / limits.sides)
        return _at_most(most_missed, n, 1 - p)
    alpha = limits.inside_alpha
    most = n if limits.high == math.inf else _most_below(limits.high, n, alpha)
    least = 0 if limits.low == -math.inf else n - _most_below(1 - limits.low, n, alpha)
    return max(0.0, _at_most(most, n, p) - _at_most(least - 1, n, p))


def _most_below(p: float, n: int, alpha: float) -> int:
    """Return the largest count that shows at this level that a share is less than p; or -1."""
    low, high = -1, n
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _at_most(middle, n, p) <= alpha else (low, middle - 1)
    return low


def _at_most(k: int, n: int, p: float) -> float:
    return float(bdtr(k, n, p)) if k >= 0 else 0.0


def replicates_for_mean(
    mean: float, sd: float, limits: Limits, power: float = POWER, counts: float = 1.0
) -> int | None:
    """Return how many values decide on a mean, given their sd, with this chance; as above.

    Parameters
    ----------
    mean, sd : float
    limits : Limits
    power : float
    counts : float
        Share of the values that counts for the degrees of freedom, see `decide_mean`.
    """
    if not (math.isfinite(mean) and math.isfinite(sd)):
        return None

    def enough(n: int) -> bool:
        se, freedom = sd / math.sqrt(n), n * counts - 1
        if freedom < 1:
            return False
        if limits.low < mean < limits.high:
            reach = float(stdtrit(freedom, 1 - limits.inside_alpha)) * se
            missed = sum(
                float(ndtr(-(gap - reach) / se)) if se else float(gap <= 0)
                for gap in (mean - limits.low, limits.high - mean)
                if math.isfinite(gap)
            )
            return 1 - missed >= power
        reach = float(stdtrit(freedom, 1 - limits.outside_alpha / limits.sides)) * se
        gap = max(limits.low - mean, mean - limits.high)
        return gap > 0 and (se == 0 or float(ndtr((gap - reach) / se)) >= power)

    return least(enough, start=2, most=MOST, precision=_PRECISION)


def pairs_for_drop(lost: int, won: int, n: int, limits: Limits, power: float = POWER) -> int | None:
    """Return how many pairs decide on a drop like the one that was found; as above.

    From the normal approximation, with half a discordant pair more on either side, so that a count
    of none does not claim that none are to be expected.
    """
    lost_share, won_share = (lost + 0.5) / (n + 1), (won + 0.5) / (n + 1)
    drop = lost_share - won_share
    spread = math.sqrt(lost_share + won_share - drop**2)
    return replicates_for_mean(drop, spread, limits, power)


def _of_shares(limits: Limits) -> Limits:
    """Return limits without those that no share can reach."""
    low = limits.low if limits.low > 0 else -math.inf
    high = limits.high if limits.high < 1 else math.inf
    return Limits(low, high, limits.inside_alpha, limits.outside_alpha)
