"""What is left to run is handed out once, grows on demand, and can be stopped."""

import threading
import time
from types import SimpleNamespace
from typing import Any, cast

from recovery.agenda import Agenda


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
