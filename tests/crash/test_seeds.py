"""Seeds are made of content alone: a million replicates share none, and nothing moves them.

The states of seven million streams are computed here for all at once, by the published algorithm
of `numpy.random.SeedSequence`, and compared with those of the program for a sample of them.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from recovery import scenario
from recovery.design import Cell, Design, Purpose, Replicate
from recovery.scenario import Problem

Words = NDArray[np.uint32]


@scenario
def wide(trials: int = 10, noise: float = 1.0) -> Problem:
    raise NotImplementedError  # nothing is built here


def design(**options: object) -> Design:
    levels = {"trials": range(1, 51), "noise": [0.1 * i for i in range(1, 11)]}
    return Design(wide, levels, ("fixed", "prior"), **options)  # type: ignore[arg-type]


class Mixer:
    """The hash of SeedSequence over arrays of words; each call goes on with its constant."""

    def __init__(self, constant: int, multiplier: int) -> None:
        self._constant, self._multiplier = constant, multiplier

    def __call__(self, values: Words) -> Words:
        values = values ^ np.uint32(self._constant)
        self._constant = self._constant * self._multiplier & 0xFFFFFFFF
        values = values * np.uint32(self._constant)
        return values ^ (values >> np.uint32(16))


def mixed(x: Words, y: Words) -> Words:
    result = np.uint32(0xCA01F9DD) * x - np.uint32(0x4973F715) * y
    return result ^ (result >> np.uint32(16))


def integer_seeds(entropy: list[Words]) -> NDArray[np.uint64]:
    """Return the first 64 bits of each state, without the last, given its words of entropy."""
    hashed = Mixer(0x43B0D7E5, 0x931E8875)
    pool = [hashed(words) for words in entropy[:4]]
    for source in range(4):
        for target in range(4):
            if source != target:
                pool[target] = mixed(pool[target], hashed(pool[source]))
    for words in entropy[4:]:
        for target in range(4):
            pool[target] = mixed(pool[target], hashed(words))
    output = Mixer(0x8B51F9DD, 0x58F38DED)
    low, high = (output(words).astype(np.uint64) for words in pool[:2])
    return (low | (high << np.uint64(32))) >> np.uint64(1)


def entropy(cells: tuple[Cell, ...], seed: int, indices: int, purpose: Purpose) -> list[Words]:
    """Return the words of all replicates of these cells: first the root's, padded, then ours."""
    shape = (len(cells), indices)
    words = np.array([cell.words for cell in cells], dtype=np.uint32)
    own = [np.broadcast_to(column[:, None], shape) for column in words.T]
    number = np.broadcast_to(np.arange(indices, dtype=np.uint32), shape)
    constants = [np.full(shape, word, np.uint32) for word in (seed, 0, 0, 0, int(purpose))]
    return [array.reshape(-1) for array in (*constants[:4], *own, number, constants[4])]


def test_no_two_of_seven_million_streams_have_the_same_seed() -> None:
    cells = design().cells
    assert len(cells) == 1000
    found = []
    rng = np.random.default_rng(1)
    for purpose in Purpose:
        seeds = integer_seeds(entropy(cells, 42, 1000, purpose))
        for place in rng.integers(len(seeds), size=100):
            replicate = Replicate(cells[place // 1000], 42, int(place % 1000))
            assert seeds[place] == replicate.integer_seed(purpose)
        found.append(seeds)
    together = np.sort(np.concatenate(found))
    assert len(together) == 7_000_000
    assert (together[1:] != together[:-1]).all()


def streams(replicates: Iterator[Replicate]) -> dict[str, list[int]]:
    """Return the seeds of each replicate for each purpose, by key."""
    return {r.key: [r.integer_seed(purpose) for purpose in Purpose] for r in replicates}


def test_no_two_roots_share_a_seed() -> None:
    cells = design().cells[::100]
    replicates = [
        Replicate(cell, seed, index) for cell in cells for seed in range(200) for index in range(3)
    ]
    seeds = [seed for found in streams(iter(replicates)).values() for seed in found]
    assert len(seeds) == len(set(seeds)) == 10 * 200 * 3 * 7


def test_a_refit_draws_from_another_stream_than_the_fit_of_the_same_data() -> None:
    first = Replicate(design().cells[0], 42, 0)
    second = Replicate(design().cells[0], 42, 0, refit=True)
    assert first.sampler_seed != second.sampler_seed
    for purpose in Purpose:
        assert first.integer_seed(purpose) == second.integer_seed(purpose)


@pytest.mark.parametrize(
    "added",
    [
        {"trials": [5, 7, 20]},
        {"trials": [20, 5]},
        {"trials": [5, 20], "noise": [1.0, 2.0]},
        {"trials": [5, 20], "draws": [100, 200]},
    ],
    ids=["a level between", "another order", "another axis", "a setting as an axis"],
)
def test_what_is_added_to_a_design_leaves_the_seeds_that_were_there(
    added: dict[str, list[object]],
) -> None:
    before = Design(wide, {"trials": [5, 20]}, replicates=20)
    after = Design(wide, added, ("fixed", "prior"), replicates=30)
    old, new = streams(iter(before)), streams(iter(after))
    # A setting is no part of what is simulated, so its cells have other keys and the same seeds.
    if "draws" in added:
        assert {tuple(seeds) for seeds in old.values()} <= {tuple(seeds) for seeds in new.values()}
    else:
        assert {key: new.get(key) for key in old} == old


HASHED = """
import sys
sys.path.insert(0, {folder!r})
from test_seeds import design, streams
print(hash("anything"), streams(iter(design(replicates=1))))
"""


def test_keys_and_seeds_are_the_same_whatever_python_hashes_are() -> None:
    found, hashes = set(), set()
    for seed in ("0", "1", "random"):
        code = HASHED.format(folder=str(Path(__file__).parent))
        printed = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        hashed, _, rest = printed.partition(" ")
        hashes.add(hashed)
        found.add(rest)
    assert len(hashes) == 3  # or nothing was tried
    assert found == {f"{streams(iter(design(replicates=1)))}\n"}
