"""A fit stops at the first look that finds enough, and only the draws decide."""

import numpy as np
import pytest

from recovery.stopping import BLOCK, first_look, look

CHAINS, DRAWS = 4, 1000


def independent(seed: int = 1, parameters: int = 2, draws: int = DRAWS) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(CHAINS, draws, parameters))


def sticky(memory: float, seed: int = 2) -> np.ndarray:
    draws = independent(seed)
    for i in range(1, DRAWS):
        draws[:, i] = memory * draws[:, i - 1] + np.sqrt(1 - memory**2) * draws[:, i]
    return draws


def stops_at(draws: np.ndarray, ess: float) -> int:
    most = draws.shape[1]
    now = first_look(ess, len(draws), most)
    for _ in range(most):
        found = look(draws[:, :now], ess, most)
        if found.enough:
            return now
        assert now < found.next_draws <= most
        now = found.next_draws
    raise AssertionError("never stopped")


def test_independent_draws_stop_soon_and_sticky_ones_late():
    assert stops_at(independent(), 400) <= 200
    assert 400 <= stops_at(sticky(0.6), 400) <= DRAWS
    assert stops_at(sticky(0.99), 400) == DRAWS


@pytest.mark.parametrize("ess", [100, 400, 1600])
@pytest.mark.parametrize("memory", [0.0, 0.3, 0.8])
def test_looks_fall_on_whole_blocks_or_on_the_last_draw(memory, ess):
    now = stops_at(sticky(memory), ess)
    assert now == DRAWS or now % BLOCK == 0


def test_where_a_fit_stops_depends_on_no_draw_beyond_that_place():
    draws = sticky(0.5)
    place = stops_at(draws, 400)
    draws[:, place:] = 1e6
    assert stops_at(draws, 400) == place < DRAWS


def test_chains_that_disagree_are_never_enough():
    draws = independent()
    draws[0] += 3
    assert stops_at(draws, 400) == DRAWS


def test_draws_that_are_not_finite_are_never_enough():
    draws = independent()
    draws[1, 3, 0] = np.inf
    assert stops_at(draws, 400) == DRAWS


def test_a_constant_parameter_and_a_single_chain_hold_nothing_up():
    draws = independent()
    draws[..., 1] = 7.0
    assert stops_at(draws, 400) <= 200
    assert stops_at(independent()[:1], 100) <= 200


def test_no_look_is_beyond_the_most_or_before_independent_draws_would_do():
    assert first_look(400, 4, 1000) == 100
    assert first_look(401, 4, 1000) == 125
    assert first_look(400, 4, 80) == 80
    assert first_look(1, 4, 1000) == 50
