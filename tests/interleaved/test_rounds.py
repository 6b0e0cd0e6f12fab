"""Rounds hold every replicate once, and neither side is always the first."""

import itertools

import pytest

from recovery.interleaved.rounds import WARM_UP, steps_of, turns


@pytest.mark.parametrize(
    ("replicates", "rounds", "done"),
    list(itertools.product((1, 2, 3, 7, 100), (1, 4, 10), (0, 1, 5))),
)
def test_steps_end_with_every_replicate_and_rounds_are_of_one_length(
    replicates: int, rounds: int, done: int
) -> None:
    steps = steps_of(replicates, rounds, done)
    if done >= replicates:
        assert steps == ()
        return
    assert (steps[0].round, steps[0].replicates) == (WARM_UP, done + 1)
    assert steps[-1].replicates == replicates
    assert [step.round for step in steps[1:]] == list(range(len(steps) - 1))
    assert len(steps) - 1 <= rounds
    lengths = {b.replicates - a.replicates for a, b in itertools.pairwise(steps)}
    assert not lengths or (min(lengths) >= 1 and max(lengths) - min(lengths) <= 1)


def test_a_round_has_two_replicates_per_cell_where_there_are_so_many() -> None:
    assert [step.replicates for step in steps_of(7, 10)] == [1, 3, 5, 7]
    assert [step.replicates for step in steps_of(8, 10)] == [1, 3, 5, 8]
    assert [step.replicates for step in steps_of(2, 10)] == [1, 2]


def test_a_job_that_goes_on_gives_no_number_of_a_round_twice() -> None:
    steps = steps_of(20, 5, done=8, begun=2)
    assert [(step.round, step.replicates) for step in steps] == [(-1, 9), (2, 12), (3, 16), (4, 20)]
    assert [step.round for step in steps_of(20, 5, done=17, begun=5)] == [-1, 5]


def test_the_order_turns_with_each_round() -> None:
    order = ["".join(turns("AB", step.round)) for step in steps_of(9, 4)]
    assert order == ["AB", "AB", "BA", "AB", "BA"]
