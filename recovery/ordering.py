"""The draws of each parameter in ascending order: quantiles, ranks and normal scores from one sort.

Sorting numbers is three times as fast in NumPy as finding the order that sorts them. So the numbers
are sorted with their places in their last bits: for 4000 draws 13 of the 52 bits of the mantissa.
Where that makes neighbours alike, the numbers themselves decide on their order and on ties.
"""

from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Floats: TypeAlias = NDArray[np.float64]
Places: TypeAlias = NDArray[np.int64]


class Ordered:
    """The values of several parameters, each parameter's in ascending order.

    Parameters
    ----------
    rows : ndarray, shape (n_parameters, n_rows, width)
        Contiguous. A parameter's values are the first n numbers of each of its rows; finite.
    n : int
    """

    def __init__(self, rows: Floats, n: int) -> None:
        self._rows = rows
        self._order, self._ties = _order(rows, n)

    def at(self, places: Places) -> Floats:
        """Return the values at these places of the order, shape (n_parameters, *places.shape)."""
        return self._rows.take(self._order.take(places, axis=1))

    def write_normal_scores(self, out: Floats) -> None:
        """Write the normal score of each value's average rank where the value stands.

        Parameters
        ----------
        out : ndarray, of the shape of the rows, contiguous
            May be the rows themselves; then this object has had its day.
        """
        parameters, n = self._order.shape
        flat, order, ties = out.reshape(-1), self._order.reshape(-1), self._ties
        table = _score_table(n)
        flat[order] = table[None, ::2].repeat(parameters, axis=0).reshape(-1)
        if ties.size:
            (jumps,) = (ties[1:] - ties[:-1] > 1).nonzero()
            opens = np.concatenate([[0], jumps + 1])
            closes = np.concatenate([jumps, [ties.size - 1]])
            first_plus_last = np.repeat(ties[opens] + ties[closes] + 1, closes - opens + 1)
            averages = table[first_plus_last - 2 * (ties - ties % n)]
            flat[order[ties]] = averages
            flat[order[ties + 1]] = averages


def quantiles(values: Floats, probs: Floats) -> Floats:
    """Compute quantiles, interpolated linearly between the values in ascending order.

    Parameters
    ----------
    values : ndarray, shape (n_parameters, n)
        They may be infinite or nan.
    probs : ndarray, shape (n_probs,)

    Returns
    -------
    ndarray, shape (n_parameters, n_probs)
        As ``numpy.quantile`` gives them, but for nan, which here counts as the largest value.
    """
    places, share = neighbours(probs, values.shape[1])
    return interpolated(np.sort(values, axis=1)[:, places], share)


def quantiles_of_few(values: Floats, probs: Floats) -> Floats:
    """Compute quantiles between which a further value lies as often as their levels say.

    The k-th of n values is the quantile of k / (n + 1), so among 99 draws the 5th and the 95th hold
    90 % of further draws exactly; between the quantiles of `quantiles` it would be 88 %. Takes and
    returns what that does, ``numpy.quantile`` with the method ``weibull``.
    """
    n = values.shape[1]
    position = np.clip(probs * (n + 1) - 1, 0, n - 1)
    below = (position + 1e-9).astype(np.int64)  # a hundredth of 100 is a whole number
    places = np.stack([below, np.minimum(below + 1, n - 1)])
    share = np.maximum(position - below, 0.0)
    return interpolated(np.sort(values, axis=1)[:, places], share)


def neighbours(probs: Floats, n: int) -> tuple[Places, Floats]:
    """Return the two places of n that each quantile lies between, (2, n_probs), and how far."""
    position = probs * (n - 1)
    below = position.astype(np.int64)
    return np.stack([below, np.minimum(below + 1, n - 1)]), position - below


def interpolated(pairs: Floats, share: Floats) -> Floats:
    """Return the quantiles between pairs of values, shape (n_parameters, 2, n_probs)."""
    left, right = pairs[:, 0], pairs[:, 1]
    with np.errstate(invalid="ignore"):  # of infinite values: inf - inf
        return left + np.where(share > 0, (right - left) * share, 0.0)


def _order(rows: Floats, n: int) -> tuple[Places, Places]:
    """Sort the values of each parameter.

    Returns
    -------
    order : ndarray, shape (n_parameters, n_values)
        For each place of the order, where in the flat `rows` its value stands.
    ties : ndarray
        Places in the flat `order` whose value is that of the next place.
    """
    parameters, size = len(rows), rows[:1].size
    room = 1 << size.bit_length()
    keys = (rows[..., :n] + 0.0).reshape(parameters, -1)  # -0.0 becomes 0.0, with which it is tied
    order = keys.view(np.int64)
    order &= -room
    order |= np.arange(size).reshape(rows.shape[1:])[:, :n].reshape(-1)
    keys.sort(axis=1)
    flat, length = order.reshape(-1), order.shape[1]
    (alike,) = ((flat[1:] ^ flat[:-1]).view(np.uint64) < room).nonzero()
    alike = alike[
        (alike + 1) % length > 0
    ]  # not the last of one parameter and the first of another
    order &= room - 1
    order += np.arange(0, rows.size, size)[:, None]
    if not alike.size:
        return order, alike
    left, right = rows.take(flat[alike]), rows.take(flat[alike + 1])
    if (left > right).any():
        unsure = np.union1d(alike, alike + 1)
        mixed = flat[unsure]
        flat[unsure] = mixed[np.lexsort((rows.take(mixed), unsure // length))]
        left, right = rows.take(flat[alike]), rows.take(flat[alike + 1])
    return order, alike[left == right]


@lru_cache(maxsize=16)
def _score_table(n: int) -> Floats:
    """Tabulate the normal scores of the ranks 1, 1.5, 2, ..., n among n (Blom's offset 3/8)."""
    table = np.asarray(ndtri((np.arange(2, 2 * n + 1) / 2 - 0.375) / (n + 0.25)))
    table.flags.writeable = False
    return table
