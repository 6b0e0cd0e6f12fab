"""One process that runs to be killed are forked of, for all tests here."""

from collections.abc import Iterator

import pytest
from crash.driver import Nursery


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    with Nursery() as nursery:
        yield nursery
