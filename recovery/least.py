"""The least number that is enough, where a larger one nearly always is, too."""

from collections.abc import Callable


def least(enough: Callable[[int], bool], *, start: int, most: int, precision: int) -> int | None:
    """Return about the least number from `start` on that is enough; None beyond `most`.

    Parameters
    ----------
    enough : callable
    start, most : int
    precision : int
        The number is found to within one part of so many.
    """
    high = start
    while not enough(high):
        if high >= most:
            return None
        high = min(2 * high, most)
    low = high // 2
    while high - low > max(1, high // precision):
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
