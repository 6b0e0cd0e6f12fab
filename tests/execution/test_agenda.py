"""What is left to run is handed out once, grows on demand, and can be stopped."""

import threading
import time
from types import SimpleNamespace
from typing import Any, cast

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


def test_suspects_are_handed_out_apart_and_all_else_in_its_order() -> None:
    replicates = numbered(6)
    suspects = {replicates[0].key, replicates[4].key}
    agenda = Agenda(replicates, suspects=suspects)
    apart: list[Replicate] = []

    def take_apart() -> None:
        while (suspect := agenda.take_suspect()) is not None:
            apart.append(suspect)

    taker = threading.Thread(target=take_apart)
    taker.start()
    others = [agenda.take() for _ in range(5)]
    taker.join(10)
    assert not taker.is_alive()
    assert apart == [replicates[0], replicates[4]]
    assert others == [replicates[1], replicates[2], replicates[3], replicates[5], None]


def test_suspects_that_are_not_to_be_run_keep_nobody_waiting() -> None:
    agenda = Agenda(numbered(2), suspects={"f" * 16 + "-1-1"})
    assert agenda.has_suspects
    assert [agenda.take() is None for _ in range(3)] == [False, False, True]
    assert agenda.take_suspect() is None


def test_a_suspect_that_more_depends_on_is_waited_for() -> None:
    first, second = numbered(2)
    agenda = Agenda([first], lambda record: [second], suspects={first.key})
    got: list[Replicate | None] = []
    taker = threading.Thread(target=lambda: got.append(agenda.take()))
    suspect = agenda.take_suspect()
    taker.start()
    time.sleep(0.05)
    assert suspect == first
    assert not got
    agenda.finish(cast(Any, SimpleNamespace()))
    taker.join(10)
    assert got == [second]


def test_nothing_more_is_handed_out_of_a_dropped_cell() -> None:
    replicates = numbered(4)
    agenda = Agenda(replicates)
    assert agenda.take() == replicates[0]
    agenda.drop(replicates[0].cell.digest)
    assert agenda.take() is None
