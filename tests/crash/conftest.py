"""What all tests here share: where runs to be killed are born, and what should become of them."""

from collections.abc import Iterator

import pytest
from crash.driver import Nursery, Whole


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    with Nursery() as nursery:
        yield nursery


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    return Whole(tmp_path_factory.mktemp("whole"))
