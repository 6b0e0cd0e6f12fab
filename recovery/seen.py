"""What a rule that adds replicates looks at in each of them: no clock, and no machine.

Test quantities of the user's own are not looked at: they may be added later, and would then have
been in some replicates and not in others when it mattered.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recovery.columns import Columns
from recovery.held import look
from recovery.record import QUANTITY, Floats, Record, built_in

CI_PROB: Final = 0.9
"""Level of the intervals whose coverage is to be known."""


class Seen(NamedTuple):
    """What one replicate says of its parameters; every array has shape (n_parameters,).

    Attributes
    ----------
    kinds : sequence of str
        As in `Estimates`.
    inside : array
        1 where the interval holds the truth, 0 where not, nan where that is unknown or trivial.
    pit : array
        Randomised PIT of the truth; nan for a constant, and where there is none.
    whole : array of bool
        Where the truth and both ends of the interval are integers.
    """

    kinds: Sequence[str]
    inside: Floats
    pit: Floats
    whole: NDArray[np.bool_]


def see(record: Record) -> Seen | None:
    """Look at a record; there is nothing to see in one that failed."""
    found = record.estimates
    if found is None:
        return None
    lower, upper = found.interval(CI_PROB)
    inside, pit, whole = _arrays(found.truth, found.mean, found.sd, lower, upper, found.pit)
    kinds = np.array(found.kinds)
    always = in_every_replicate(found.names, found.kinds)
    return _seen(kinds[always], inside[always], pit[always], whole[always])


def in_every_replicate(names: Sequence[str], kinds: Sequence[str]) -> NDArray[np.bool_]:
    """Say which estimates all replicates of a cell have, whenever they were run."""
    pairs = zip(names, kinds, strict=True)
    return np.array([kind != QUANTITY or bool(built_in(name, kind)) for name, kind in pairs], bool)


def see_all(columns: Columns, seed: int) -> dict[tuple[int, int], Seen | None]:
    """Look at all replicates of a seed, by the position of their cell and their number."""
    chosen = columns.seed == seed
    keys = list(zip(columns.position.tolist(), columns.index.tolist(), strict=True))
    found: dict[tuple[int, int], Seen | None] = dict.fromkeys(
        keys[place] for place in np.flatnonzero(chosen).tolist()
    )
    tail = (1 - CI_PROB) / 2
    names = ("truth", "mean", "sd", f"q{tail:g}", f"q{1 - tail:g}", "pit")
    for block in columns.blocks[: columns.n_main]:
        always = in_every_replicate(block.names, block.kinds)
        kinds = np.array(block.kinds)[always]
        inside, pit, whole = _arrays(*(block.column(name)[always] for name in names))
        for i, place in enumerate(block.rows.tolist()):
            if chosen[place]:
                found[keys[place]] = _seen(kinds, inside[:, i], pit[:, i], whole[:, i])
    return found


def _seen(kinds: NDArray[np.str_], inside: Floats, pit: Floats, whole: NDArray[np.bool_]) -> Seen:
    # The coverage of a test quantity is nobody's aim.
    return Seen(kinds.tolist(), np.where(kinds == QUANTITY, np.nan, inside), pit, whole)


def _arrays(
    truth: Floats, mean: Floats, sd: Floats, lower: Floats, upper: Floats, pit: Floats
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return `inside`, `pit` and `whole`, of the shape of the arguments."""
    inside, whole, constant = look(truth, mean, sd, lower, upper)
    return inside, np.where(constant, np.nan, pit), whole
