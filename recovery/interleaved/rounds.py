"""Which replicates are run in which round, and which side goes first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

ROUNDS: Final = 10
"""Rounds of a job, unless given: enough pairs for an interval, few enough to be long."""
WARM_UP: Final = -1
"""Number of the round in which both sides compile; its times are those of no round."""
_LEAST: Final = 2  # replicates per cell and round

_Side = TypeVar("_Side")


@dataclass(frozen=True, slots=True)
class Step:
    """What both sides do before the next step begins.

    Attributes
    ----------
    round : int
        From 0; `WARM_UP` before them.
    replicates : int
        Per cell, that a store has in all once the step is done.
    """

    round: int
    replicates: int


def steps_of(
    replicates: int, rounds: int = ROUNDS, done: int = 0, begun: int = 0
) -> tuple[Step, ...]:
    """Split replicates into a warm-up and rounds.

    The warm-up is one replicate per cell, in which all is compiled. The others are split into
    rounds of the same length, give or take one; fewer of them where a round would have less than
    two replicates per cell.

    Parameters
    ----------
    replicates : int
        Per cell, in all.
    rounds : int
        At most so many.
    done : int
        Replicates per cell that the store of either side has already. The warm-up brings both
        sides to one more.
    begun : int
        Rounds that were begun before an interrupt; their numbers are not given again.

    Returns
    -------
    tuple of Step
        Empty where nothing is left to do.
    """
    if done >= replicates:
        return ()
    first = done + 1
    left = replicates - first
    count = min(max(rounds - begun, 1), max(left // _LEAST, 1)) if left else 0
    ends = (first + left * (k + 1) // count for k in range(count))
    return (Step(WARM_UP, first), *(Step(begun + k, end) for k, end in enumerate(ends)))


def turns(sides: Sequence[_Side], number: int) -> Iterator[_Side]:
    """Go through the sides in the order of a round: AB, BA, AB.

    What makes a machine slower bit by bit is then shared by both.
    """
    return iter(sides if number % 2 == 0 or number == WARM_UP else sides[::-1])
