"""What a store has of one replicate, and where a record of the same differs from it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from recovery.database import FILE_NAME
from recovery.design import Replicate
from recovery.errors import StoreDamaged, UsageError
from recovery.record import QUANTILE_GRID, Estimates, Floats, Record, Status
from recovery.schema import ESTIMATE_COLUMNS, estimates_block
from recovery.store import Store

ENDED: Final = (Status.CRASHED, Status.TIMED_OUT)
"""How a replicate ends that has no chance to write its own record."""
_WHERE: Final = 'WHERE c.digest = ? AND r.seed = ? AND r."index" = ?'
_FIRST: Final = f"""
SELECT r.id, r.status, r.data_digest, r.session, f.stage, f.error,
    r.layout, r.estimates, p.quantiles, p.kept_draws
FROM replicates r JOIN cells c ON c.position = r.cell
LEFT JOIN posteriors p ON p.replicate = r.id LEFT JOIN failures f ON f.replicate = r.id {_WHERE}
"""  # noqa: S608  (both parts are this module's own)
_REFIT: Final = f"""
SELECT NULL, f.status, r.data_digest, f.session, f.stage, f.error,
    f.layout, f.estimates, f.quantiles, f.kept_draws
FROM refits f JOIN replicates r ON r.id = f.replicate JOIN cells c ON c.position = r.cell {_WHERE}
"""  # noqa: S608  (both parts are this module's own)
_SUPPLEMENTS: Final = "SELECT layout, estimates, quantiles FROM supplements WHERE replicate = ?"
_LOST: Final = "SELECT quantity FROM quantity_failures WHERE replicate = ? ORDER BY quantity"
_LONGEST: Final = 2**63  # numbers of SQLite end there


@dataclass(frozen=True)
class _Block:
    """Estimates of some parameters: shapes (columns, parameters) and (parameters, quantiles)."""

    names: list[str]
    estimates: Floats
    quantiles: Floats


@dataclass(frozen=True)
class Recorded:
    """One replicate as a store has it.

    Attributes
    ----------
    status : str
    data_digest : str
        Empty if it failed before there were data.
    session : int
        Number of the session that ran it, from 1.
    stage, error : str or None
        Of its failure.
    """

    status: str
    data_digest: str
    session: int
    stage: str | None
    error: str | None
    _blocks: tuple[_Block, ...]
    _kept: Floats
    _lost_quantities: tuple[str, ...]

    @classmethod
    def of(cls, store: Store, replicate: Replicate) -> "Recorded":
        """Read a replicate.

        Raises
        ------
        UsageError
            If the store has no such replicate.
        StoreDamaged
            If its rows are not what this program writes.
        """
        place = replicate.cell.digest, replicate.seed, replicate.index
        found = []
        if max(place[1:]) < _LONGEST:
            found = store.rows(_REFIT if replicate.refit else _FIRST, place)
        if not found:
            raise UsageError(
                f"{replicate.key}: this store has no such replicate; take a key from the report"
            )
        number, status, data_digest, session, stage, error, *posterior = found[0]
        try:
            if (Status(status) == Status.OK) != (stage is None and posterior[0] is not None):
                raise ValueError(f"is {status}, but its rows say otherwise")
            complete = stage is None
            numbers = _numbers(store, number, posterior) if complete else ((), np.empty(0))
        except ValueError as damage:
            raise StoreDamaged(
                f"{store.folder / FILE_NAME}: {replicate.key} {damage}; see what else is with "
                "recovery status --verify, and restore the file from a backup"
            ) from damage
        lost = tuple(quantity for (quantity,) in store.rows(_LOST, (number,)))
        return cls(status, data_digest.hex(), session, stage, error, *numbers, lost)

    def differences(self, record: Record) -> Iterator[str]:
        """Compare bit by bit, a line for each thing that differs.

        A parameter that only the record has (a test quantity asked for since) is not compared.
        """
        yield from self._outcome(record)
        both_ok = self.status == record.status == Status.OK
        known = self.data_digest and record.data_digest
        if (both_ok or known) and self.data_digest != record.data_digest:
            yield "data: not those that were fitted"
        if record.estimates is None or self.status != Status.OK:
            return
        lost_now = {failure.quantity for failure in record.quantity_failures}
        for block in self._blocks:
            yield from _compared(block, record.estimates, lost_now)
        for quantity in self._lost_quantities:
            if quantity not in lost_now:
                yield f"{quantity}: failed then, and not now"
        if not _same(self._kept, record.estimates.kept_draws.ravel()):
            yield "draws: not those that were kept"

    def _outcome(self, record: Record) -> Iterator[str]:
        failure = record.failure
        now = (None, None) if failure is None else (str(failure.stage), failure.error)
        # How often a process was tried, and how long it was waited for, may be another number now.
        same = self.status in ENDED or now == (self.stage, self.error)
        if self.status != record.status or not same:
            then = _told(self.status, self.stage, self.error)
            yield f"outcome: {then} then, {_told(record.status, *now)} now"


def _numbers(
    store: Store, number: int | None, posterior: list[Any]
) -> tuple[tuple[_Block, ...], Floats]:
    """Return the estimates, quantities that were added later included, and the kept draws."""
    layouts = store.layouts()
    *first, kept = posterior
    later = store.rows(_SUPPLEMENTS, (number,))
    blocks = []
    for layout, estimates, quantiles in (first, *later):
        names = layouts[layout][0] if layout in layouts else []
        shape = len(ESTIMATE_COLUMNS), len(names)
        grid = len(names), len(QUANTILE_GRID)
        blocks.append(_Block(names, _array(estimates, shape), _array(quantiles, grid)))
    draws = np.frombuffer(kept, dtype="<f8") if _whole(kept) else None
    if draws is None or not blocks[0].names:
        raise ValueError("has estimates or draws that are not of its parameters")
    return tuple(blocks), draws


def _whole(blob: Any) -> bool:
    return isinstance(blob, bytes) and len(blob) % 8 == 0


def _array(blob: Any, shape: tuple[int, int]) -> Floats:
    if not _whole(blob) or len(blob) != 8 * shape[0] * shape[1]:
        raise ValueError("has estimates or draws that are not of its parameters")
    return np.frombuffer(blob, dtype="<f8").reshape(shape)


def _compared(block: _Block, estimates: Estimates, lost_now: set[str]) -> Iterator[str]:
    here = estimates_block(estimates)
    for place, name in enumerate(block.names):
        if name not in estimates.names:
            yield f"{name}: " + ("fails now" if name in lost_now else "is not estimated any more")
            continue
        mine = estimates.names.index(name)
        columns = zip(
            (*ESTIMATE_COLUMNS, "quantiles"),
            (*block.estimates[:, place], block.quantiles[place]),
            (*here[:, mine], estimates.quantiles[mine]),
            strict=True,
        )
        differing = [column for column, old, new in columns if not _same(old, new)]
        if differing:
            yield f"{name}: {', '.join(differing)}"


def _same(old: Any, new: Any) -> bool:
    """Say whether numbers have the same bits; what is not a number is alike, whatever its bits."""
    old, new = (np.ascontiguousarray(values, dtype="<f8") for values in (old, new))
    if old.shape != new.shape:
        return False
    alike = (old.view("<u8") == new.view("<u8")) | (np.isnan(old) & np.isnan(new))
    return bool(alike.all())


def _told(status: str, stage: str | None, error: str | None) -> str:
    return status if error is None else f"{status} at {stage} ({error})"
