"""A checksum of a row of the store: SQLite itself has none, so a flipped bit would go unnoticed."""

import hashlib
from collections.abc import Iterable

Value = int | float | str | bytes | memoryview | None


def checksum(values: Iterable[Value]) -> bytes:
    """Return 8 bytes that change if any value, its type or its place does.

    Parameters
    ----------
    values : iterable of int, float, str, bytes or None
        NaN counts as None, which is how SQLite keeps it.
    """
    found = hashlib.blake2b(digest_size=8)
    for value in values:
        if isinstance(value, bytes | memoryview):
            found.update(b"b%d:" % len(value))
            found.update(value)
        else:
            text = repr(None if value != value else value).encode()
            found.update(b"v%d:" % len(text) + text)
    return found.digest()
