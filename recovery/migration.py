"""Stores of earlier formats brought up to this one.

All steps are one transaction: if it is interrupted, the format is left that was there. A store that
is only read is never changed; a private copy of it is.
"""

import sqlite3
from collections.abc import Callable
from types import MappingProxyType
from typing import Final

from recovery.schema import SCHEMA_VERSION, SECOND_TRIES

STEPS: Final = MappingProxyType(
    {
        3: "ALTER TABLE replicates ADD COLUMN checksum BLOB; "
        f"ALTER TABLE supplements ADD COLUMN checksum BLOB; {SECOND_TRIES}",
        4: "ALTER TABLE compilations ADD COLUMN structure TEXT NOT NULL DEFAULT '';",
    }
)
"""What brings each format to the next; formats before the first of these were never released."""


def migrate(connection: sqlite3.Connection, version: int, check: Callable[[], None]) -> None:
    """Bring a store up to the present format, in place.

    Parameters
    ----------
    connection : sqlite3.Connection
        Open for writing, with no transaction under way.
    version : int
        One of `STEPS`, or the present format, for which there is nothing to do.
    check : callable
        Called before the steps are committed; what it raises leaves the store as it was.
    """
    if version == SCHEMA_VERSION:
        return
    steps = " ".join(STEPS[step] for step in range(version, SCHEMA_VERSION))
    try:
        connection.executescript(
            f"BEGIN IMMEDIATE; {steps} PRAGMA user_version = {SCHEMA_VERSION};"
        )
        check()
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.rollback()
        raise
