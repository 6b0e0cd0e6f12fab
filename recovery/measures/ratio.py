"""How many times that of another run a root mean square is, by pairs, on the scale of logarithms.

The estimate is ``log(head / base)`` of two measures over the same pairs, so its exponential is the
quotient of the two numbers that :func:`recovery.measures.paired` has. Its standard error is that of
the jackknife over pairs, to first order the delta method with the influences of `paired`. Of the
two the jackknife keeps its promises with skewed squares: the influence of a pair that carries most
of both sums cancels, while leaving it out shows what the others say.

A few large squares tell as much as few replicates. Student's t has therefore as many degrees of
freedom, less one, as there are values of equal size that carry as much, ``(sum x)^2 / sum x^2``
(Kish, 1965, Survey Sampling), the fewest of three: squares of the one run, of the other, and
squares of what leaving out each pair changes. For independent normal errors that is a ninth of the
pairs. Without it and by influences alone, the claim that a ratio is beyond its limit is made at the
limit, of 30 normal errors, 1.2 times as often as stated at a level of .05 and 2.4 times at .002; of
errors with a Cauchy-distributed scale 6 and 90 times. With both it is made as often or less, where
the two runs are skewed alike.

Nothing that is computed from pairs can tell of what none of them shows. Where one fit in a hundred
goes wrong in one run only, and most of its mean square lies in those, claims on a few hundred pairs
are wrong several times as often as stated.
"""

import math
from typing import NamedTuple

import numpy as np

from recovery.measures.mcmc import Array


class LogRatio(NamedTuple):
    """The logarithm of a ratio of two runs, head over base, by pairs or rounds.

    Attributes
    ----------
    estimate : float
        Infinite where one of the two is.
    mcse : float
        Its Monte Carlo standard error; nan of a single pair, and where the estimate is infinite.
    n : int
        Pairs or rounds.
    effective : float
        As how many of them they count for the degrees of freedom of Student's t; n at most.
    """

    estimate: float
    mcse: float
    n: int
    effective: float


def mean_log_ratio(logs: Array) -> LogRatio:
    """Return the mean of logarithms of ratios, shape (n,); infinite if any of them is.

    Raises
    ------
    ValueError
        If there is none.
    """
    n = logs.size
    if not n:
        raise ValueError("there is no ratio to take the mean of")
    infinite = logs[~np.isfinite(logs)]
    if infinite.size:
        return LogRatio(float(infinite[0]), math.nan, n, n)
    sd = float(logs.std(ddof=1)) if n > 1 else math.nan
    return LogRatio(float(logs.mean()), sd / math.sqrt(n), n, n)


def root_mean_log_ratio(base: Array, head: Array) -> LogRatio:
    """Return the ratio of two root mean squares.

    Parameters
    ----------
    base, head : array, shape (n_pairs,)
        Squares, in one order: of posterior sds, or of errors. Those of the head may be infinite.

    Raises
    ------
    ValueError
        If shapes differ, there is no pair, or the squares of both runs are 0 throughout.
    """
    if base.shape != head.shape or not base.size:
        raise ValueError(f"pairs are needed, got squares of shape {base.shape} and {head.shape}")
    if not (base.any() or head.any()):
        raise ValueError("squares that are all 0 have no ratio")
    n = base.size
    if not np.isfinite(head).all() or not base.any():
        return LogRatio(math.inf, math.nan, n, n)
    if not head.any():
        return LogRatio(-math.inf, math.nan, n, n)
    parts = [squares / squares.max() for squares in (base, head)]  # whose squares do not overflow
    of_base, of_head = (part / part.sum() for part in parts)
    estimate = (math.log(head.max()) - math.log(base.max())) / 2
    estimate += (math.log(parts[1].sum()) - math.log(parts[0].sum())) / 2
    with np.errstate(all="ignore"):
        without = (np.log1p(-of_head) - np.log1p(-of_base)) / 2
        apart = (without - without.mean()) ** 2
        mcse = math.sqrt((n - 1) / n * float(apart.sum()))
    carried = [of_base, of_head]
    if math.isfinite(mcse) and mcse > 0:
        carried.append(apart / apart.sum())
    effective = min(1 / float((share * share).sum()) for share in carried)
    return LogRatio(estimate, mcse, n, effective)
