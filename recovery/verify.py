"""Is a store whole: the file, its tables, the checksum of every replicate, and its keys."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from recovery.checksum import checksum
from recovery.errors import StoreDamaged
from recovery.inert import plain
from recovery.record import QUANTILE_GRID, Stage, Status
from recovery.restored import cell_of
from recovery.schema import CHECKED, CHECKED_REFIT, ESTIMATE_COLUMNS, IN_GRID
from recovery.store import Store

_TOGETHER: Final = 200  # replicates held at a time: a few MB
_SHOWN: Final = 20  # findings of a kind that are told one by one


@dataclass
class Verified:
    """What was looked at, and what is wrong.

    Attributes
    ----------
    replicates, supplements, refits, retried, cells : int
        How many there are.
    left : int
        Planned and not done: a run that is not finished, not a damage.
    unsummed : int
        Replicates and supplements that have no checksum, being older than checksums.
    findings : list of str
        One line each.
    """

    replicates: int = 0
    supplements: int = 0
    refits: int = 0
    retried: int = 0
    cells: int = 0
    left: int = 0
    unsummed: int = 0
    findings: list[str] = field(default_factory=list)


def verify(folder: Path) -> Verified:
    """Look at everything in the store of a folder.

    Raises
    ------
    NotAStore, StoreDamaged
        If it cannot even be opened.
    """
    store = Store.read(folder)
    try:
        with store.snapshot():
            return _Verification(store).run()
    finally:
        store.close()


class _Verification:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._digests = dict(store.rows("SELECT position, digest FROM cells"))
        self.found = Verified()

    def run(self) -> Verified:
        """Go from the file to what the numbers say; each look assumes that those before passed."""
        looks = (
            self._file,
            self._sessions,
            self._cells,
            self._keys,
            self._companions,
            self._replicates,
            self._supplements,
            self._refits,
            self._failures,
        )
        for look in looks:
            try:
                self._tell(look())
            except (StoreDamaged, LookupError, OverflowError, TypeError, ValueError) as error:
                self.found.findings.append(str(error))
        self.found.findings = [" ".join(plain(text).split())[:300] for text in self.found.findings]
        return self.found

    def _tell(self, findings: Iterable[str]) -> None:
        number = 0
        for number, finding in enumerate(findings, start=1):
            if number <= _SHOWN:
                self.found.findings.append(finding)
        if number > _SHOWN:
            self.found.findings.append(f"... and {number - _SHOWN} more of this kind")

    def _file(self) -> Iterator[str]:
        for (text,) in self._store.rows("PRAGMA integrity_check"):
            if text != "ok":
                yield f"the file: {text}"
        for table, row, parent, _ in self._store.rows("PRAGMA foreign_key_check"):
            yield f"table {table}, row {row}: what it refers to in {parent} is not there"

    def _sessions(self) -> Iterator[str]:
        if not self._store.sessions() and self._store.rows("SELECT 1 FROM replicates LIMIT 1"):
            yield "the sessions that its replicates are of are not there"

    def _cells(self) -> Iterator[str]:
        identity = self._store.identity()
        for stored in self._store.cells():
            self.found.cells += 1
            cell = cell_of(identity, stored)
            if cell.digest != stored["digest"]:
                yield f"cell {stored['digest']}: its levels are those of cell {cell.digest}"

    def _keys(self) -> Iterator[str]:
        doubled = self._store.rows(
            'SELECT cell, seed, "index", count(*) FROM replicates NOT INDEXED '
            "GROUP BY 1, 2, 3 HAVING count(*) > 1"
        )
        for cell, seed, index, count in doubled:
            yield f"{self._key(cell, seed, index)}: is there {count} times"
        ((self.found.left,),) = self._store.rows(
            "SELECT coalesce(sum(max(0, p.replicates - (SELECT count(*) FROM replicates r "
            'WHERE r.cell = p.cell AND r.seed = p.seed AND r."index" < p.replicates))), 0) '
            "FROM planned p"
        )

    def _companions(self) -> Iterator[str]:
        """Find complete replicates without a posterior, and failed ones without a failure."""
        wrong = self._store.rows(
            'SELECT r.cell, r.seed, r."index", r.status FROM replicates r '
            "LEFT JOIN posteriors p ON p.replicate = r.id "
            "LEFT JOIN failures f ON f.replicate = r.id "
            "WHERE (r.status = 'ok') != (p.replicate IS NOT NULL AND r.estimates IS NOT NULL) "
            "OR (r.status = 'ok') = (f.replicate IS NOT NULL)"
        )
        for cell, seed, index, status in wrong:
            yield f"{self._key(cell, seed, index)}: is {status}, but its rows say otherwise"
        odd = self._store.rows(
            'SELECT cell, seed, "index", status FROM replicates '
            "WHERE status NOT IN (?1, ?2, ?3, ?4) "
            'UNION ALL SELECT cell, seed, "index", status FROM retried '
            "WHERE status NOT IN (?2, ?3, ?4)",
            tuple(Status),
        )
        for cell, seed, index, status in odd:
            yield f"{self._key(cell, seed, index)}: no replicate ends so: {status!r}"

    def _replicates(self) -> Iterator[str]:
        columns = ", ".join(f'r."{name}"' for name in CHECKED)
        # Names of columns are this program's own.
        query = f"""
SELECT r.checksum, p.quantiles, p.kept_draws, f.stage, f.error, f.traceback, {columns}
FROM replicates r LEFT JOIN posteriors p ON p.replicate = r.id
LEFT JOIN failures f ON f.replicate = r.id ORDER BY r.id
"""  # noqa: S608  (see above)
        sizes = self._sizes()
        for rows in self._store.chunks(query, most=_TOGETHER):
            for summed, quantiles, kept, *rest in rows:
                failure, row = rest[:3], rest[3:]
                self.found.replicates += 1
                self.found.unsummed += summed is None
                posterior = [] if quantiles is None else [quantiles, kept]
                told = [] if failure[0] is None else failure
                values = dict(zip(CHECKED, row, strict=True))
                wrong = ""
                if summed is not None and summed != checksum((*row, *posterior, *told)):
                    wrong = "differs from its checksum"
                elif posterior:
                    block = values["layout"], values["estimates"]
                    wrong = _contradiction(*block, quantiles, kept, sizes)
                if wrong:
                    yield f"{self._key(*row[:3])}: {wrong}"

    def _supplements(self) -> Iterator[str]:
        query = (
            'SELECT r.cell, r.seed, r."index", s.checksum, s.replicate, s.layout, s.estimates, '
            "s.quantiles FROM supplements s JOIN replicates r ON r.id = s.replicate"
        )
        sizes = self._sizes()
        for rows in self._store.chunks(query, most=_TOGETHER):
            for cell, seed, index, summed, *row in rows:
                self.found.supplements += 1
                self.found.unsummed += summed is None
                wrong = _contradiction(row[1], row[2], row[3], b"", sizes)
                if summed is not None and summed != checksum(row):
                    wrong = "differ from their checksum"
                if wrong:
                    key = self._key(cell, seed, index)
                    yield f"{key}: its test quantities added later: {wrong}"

    def _refits(self) -> Iterator[str]:
        columns = ", ".join(f'f."{name}"' for name in CHECKED_REFIT)
        query = (
            f'SELECT r.cell, r.seed, r."index", f.checksum, {columns} FROM refits f '  # noqa: S608  (as above)
            "JOIN replicates r ON r.id = f.replicate ORDER BY f.replicate"
        )
        sizes = self._sizes()
        for rows in self._store.chunks(query, most=_TOGETHER):
            for cell, seed, index, summed, *row in rows:
                self.found.refits += 1
                values = dict(zip(CHECKED_REFIT, row, strict=True))
                block = values["layout"], values["estimates"]
                parts = values["quantiles"], values["kept_draws"]
                wrong = ""
                if summed != checksum(row):
                    wrong = "differs from its checksum"
                elif (values["status"] == "ok") != (values["stage"] is None):
                    wrong = f"is {values['status']}, but its row says otherwise"
                elif values["status"] == "ok":
                    wrong = _contradiction(*block, *parts, sizes)
                if wrong:
                    yield f"{self._key(cell, seed, index)}-refit: {wrong}"

    def _failures(self) -> Iterator[str]:
        """Look at what has no checksum of its own: failures that were run again."""
        stages = tuple(Stage)
        query = 'SELECT cell, seed, "index", stage, error, traceback FROM retried'
        for rows in self._store.chunks(query, most=_TOGETHER):
            for *place, stage, error, traceback in rows:
                self.found.retried += 1
                texts = isinstance(error, str) and isinstance(traceback, str)
                if stage not in stages or not texts:
                    yield f"{self._key(*place)}: its earlier failure cannot be read"

    def _sizes(self) -> dict[int, int]:
        return {number: len(names) for number, (names, _) in self._store.layouts().items()}

    def _key(self, cell: int, seed: int, index: int) -> str:
        return f"{self._digests.get(cell, f'(cell {cell})')}-{seed}-{index}"


def _contradiction(
    layout: int, estimates: bytes, quantiles: bytes, kept: bytes, sizes: dict[int, int]
) -> str:
    """Say where the numbers of a complete fit do not fit each other; empty if they do."""
    n = sizes.get(layout, 0)
    blobs = all(isinstance(block, bytes) for block in (estimates, quantiles, kept))
    expected = 8 * n * len(ESTIMATE_COLUMNS), 8 * n * len(QUANTILE_GRID)
    if not n or not blobs or (len(estimates), len(quantiles)) != expected or len(kept) % 8:
        return "has not as many numbers as its parameters need"
    values = np.frombuffer(estimates, dtype="<f8").reshape(len(ESTIMATE_COLUMNS), n)
    grid = np.frombuffer(quantiles, dtype="<f8").reshape(n, -1)
    if not np.array_equal(values[-len(IN_GRID) :], grid[:, IN_GRID].T, equal_nan=True):
        return "its intervals are not the quantiles of its posterior"
    ranks = values[[ESTIMATE_COLUMNS.index(name) for name in ("rank", "ranked_among")]]
    if (np.isinf(ranks) | (ranks % 1 > 0)).any():
        return "has ranks that are no whole numbers"
    return ""


def summary(found: Verified, folder: Path) -> Sequence[str]:
    """Return what a person is told, line by line."""
    lines = [
        f"{folder}: {found.replicates} replicates and {found.refits} second fits in "
        f"{found.cells} cells looked at; {found.left} planned are not done yet",
        f"also {found.supplements} sets of test quantities added later, and {found.retried} "
        "failures that were run again",
    ]
    if found.unsummed:
        lines.append(
            f"{found.unsummed} of them were written before there were checksums; of these, only "
            "sizes and the agreement of their numbers could be looked at"
        )
    lines += found.findings
    return [*lines, "damaged" if found.findings else "all whole"]
