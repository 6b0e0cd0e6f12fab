"""What is left to run is handed out once, grows on demand, and can be stopped."""

import threading
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from recovery import Sweep
from recovery.agenda import Agenda
from recovery.design import Replicate
from recovery.testing import ExactSampler, line


def test_everything_is_handed_out_once_and_lazily() -> None:
    taken: list[int] = []

    def numbers() -> Any:
        for i in range(1, 4):
            taken.append(i)
            yield i

    agenda = Agenda(numbers())
    assert agenda.take() == cast(Any, 1)
    assert taken == [1]
    assert [agenda.take() for _ in range(3)] == cast(Any, [2, 3, None])


def test_takers_wait_for_what_may_still_come() -> None:
    first, second, record = object(), object(), cast(Any, SimpleNamespace())
    more = [[second], []]
    agenda = Agenda(cast(Any, [first]), lambda record: cast(Any, more.pop(0)))
    assert agenda.take() is cast(Any, first)
    got: list[object] = []
    taker = threading.Thread(target=lambda: got.append(agenda.take()))
    taker.start()
    time.sleep(0.05)
    assert not got
    assert agenda.take(wait=False) is None
    assert agenda.finish(record) == 1
    taker.join(10)
    assert got == [second]
    assert agenda.finish(record) == 0
    assert agenda.take() is None


def test_a_stopped_agenda_hands_out_nothing_and_lets_takers_go() -> None:
    agenda = Agenda(cast(Any, [1, 2, 3]), lambda record: [])
    agenda.take()
    agenda.take()
    agenda.take()
    got: list[object] = []
    taker = threading.Thread(target=lambda: got.append(agenda.take()))
    taker.start()
    agenda.stop()
    taker.join(10)
    assert got == [None]


def numbered(count: int) -> list[Replicate]:
    (cell,) = Sweep(line, sampler=ExactSampler()).design.cells
    return [Replicate(cell, 42, index) for index in range(count)]


def test_suspects_go_to_takers_alone_and_all_else_in_its_order() -> None:
    replicates = numbered(6)
    agenda = Agenda(replicates, suspects={replicates[0].key, replicates[4].key})
    assert [agenda.take() for _ in range(3)] == replicates[1:4]
    # A taker alone is given suspects first, and then what there is.
    assert [agenda.take(alone=True) for _ in range(3)] == [
        replicates[0],
        replicates[4],
        replicates[5],
    ]
    assert agenda.take() is None
    assert agenda.take(alone=True) is None


def test_suspects_that_are_not_to_be_run_keep_nobody_waiting() -> None:
    agenda = Agenda(numbered(2), suspects={"f" * 16 + "-1-1"})
    assert agenda.has_suspects
    assert [agenda.take() is None for _ in range(3)] == [False, False, True]
    assert agenda.take(alone=True) is None


@pytest.mark.parametrize("alone", [True, False])
def test_what_a_suspect_brings_along_is_run_though_no_other_was_left(alone: bool) -> None:
    first, second = numbered(2)
    agenda = Agenda([first], lambda record: [second], suspects={first.key})
    got: list[Replicate | None] = []
    # It finds a suspect only, and waits for what may come of it.
    taker = threading.Thread(target=lambda: got.append(agenda.take()))
    taker.start()
    time.sleep(0.05)
    assert agenda.take(alone=True) == first
    agenda.finish(cast(Any, SimpleNamespace()))
    if alone:
        assert agenda.take(alone=True, wait=False) in (second, None)
        agenda.stop()
    taker.join(10)
    assert not taker.is_alive()
    assert alone or got == [second]


def test_nothing_more_is_handed_out_of_a_dropped_cell() -> None:
    replicates = numbered(4)
    agenda = Agenda(replicates)
    assert agenda.take() == replicates[0]
    agenda.drop(replicates[0].cell.digest)
    assert agenda.take() is None
