"""P values of many tests, adjusted so that an error rate holds over all of them."""

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p values so that rejecting those up to alpha errs anywhere with at most alpha.

    Whatever the dependence between the tests. Holm (1979), Scandinavian Journal of Statistics 6,
    65-70. For gates and verdicts.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    steps = (len(p) - np.arange(len(p))) * p[order]
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(value) for value in adjusted]


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjust p values so that a share of at most alpha of those up to alpha is false, on average.

    For independent tests and many kinds of positive dependence. Benjamini & Hochberg (1995),
    doi:10.1111/j.2517-6161.1995.tb02031.x. For looking where something may be wrong.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    steps = len(p) / np.arange(1, len(p) + 1) * p[order]
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.minimum.accumulate(steps[::-1])[::-1], 1.0)
    return [float(value) for value in adjusted]
