"""Keys and seeds come from content: nothing there already ever changes."""

import subprocess
import sys

import numpy as np
import pytest

from recovery.design import Design, Purpose, Settings
from recovery.errors import LevelError, SettingsError
from recovery.testing import line


def keys(design: Design) -> dict[str, tuple[int, ...]]:
    return {r.key: tuple(r.integer_seed(p) for p in Purpose) for r in design}


def test_cells_are_every_combination_in_the_order_given() -> None:
    design = Design(line, {"trials": [9, 3], "noise": [1.0, 2.0]}, ("fixed", "prior"))
    levels = [(c.levels["trials"], c.levels["noise"], c.truth_mode) for c in design.cells]
    assert levels[:4] == [(9, 1, "fixed"), (9, 2, "fixed"), (3, 1, "fixed"), (3, 2, "fixed")]
    assert len(levels) == 8
    assert all(c.levels["slope"] == 1.0 for c in design.cells)


@pytest.mark.parametrize(
    "larger",
    [
        {"levels": {"trials": [5, 10, 20]}},
        {"levels": {"trials": [5, 10], "noise": [1.0, 3.0]}},
        {"truth_modes": ("fixed", "prior")},
        {"replicates": 7},
        {"settings": Settings(draws=50)},
    ],
)
def test_adding_levels_axes_modes_or_replicates_changes_no_key_and_no_seed(larger: dict) -> None:
    base = {"levels": {"trials": [5, 10]}, "replicates": 4}
    before, after = keys(Design(line, **base)), keys(Design(line, **(base | larger)))
    assert before.items() <= after.items()


def test_the_same_level_in_another_type_is_the_same_cell() -> None:
    one = Design(line, {"noise": [1], "trials": [np.int64(5)]}, replicates=1)
    two = Design(line, {"trials": [5], "noise": [1.0]}, replicates=1)
    assert keys(one) == keys(two)


def test_data_do_not_depend_on_the_sampler() -> None:
    design = Design(line, {"draws": [100, 200]}, replicates=1)
    first, second = design
    assert first.key != second.key
    for purpose in Purpose:
        assert first.integer_seed(purpose) == second.integer_seed(purpose)


def test_streams_of_all_replicates_and_purposes_differ() -> None:
    design = Design(line, {"trials": [5, 10], "noise": [1.0, 2.0]}, ("fixed", "prior"), 2000)
    seeds = [seed for row in keys(design).values() for seed in row]
    assert len(set(seeds)) == len(seeds) == 8 * 2000 * len(Purpose)
    assert min(seeds) >= 0
    assert max(seeds) < 2**63


def test_explicit_seeds_are_one_replicate_each_and_may_be_added_to() -> None:
    few, more = Design(line, {}, seeds=(3, 1)), Design(line, {}, seeds=(1, 2, 3))
    assert len(few) == 2
    assert keys(few).items() <= keys(more).items()


def test_seeds_are_the_same_in_every_process_whatever_its_hash_seed() -> None:
    code = (
        "from recovery.design import Design, Purpose;from recovery.testing import line;"
        "r=next(iter(Design(line,{'trials':[5]})));print(r.key,r.integer_seed(Purpose.DATA))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            env={**__import__("os").environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }
    # Pinned: a change of this line means that every store made before is orphaned.
    assert outputs == {"7a9f2046658e4b59-42-0 513760930830479521\n"}


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ({"trails": [1]}, "no axis 'trails'; its axes: trials, noise, slope, sampler"),
        ({"trials": []}, "no level given"),
        ({"trials": [5, 5]}, "level 5 is given twice"),
        ({"trials": [5, 5.0]}, "level 5 is given twice"),
        ({"noise": ["loud"]}, "'loud' is no level; it takes float"),
    ],
)
def test_impossible_levels_are_refused(levels: dict, message: str) -> None:
    with pytest.raises(LevelError, match=message):
        Design(line, levels)


@pytest.mark.parametrize(
    "options",
    [
        {"replicates": 0},
        {"seed": -1},
        {"seed": 2**63},
        {"seeds": ()},
        {"seeds": (1, 1)},
        {"truth_modes": ("true",)},
    ],
)
def test_impossible_numbers_are_refused(options: dict) -> None:
    with pytest.raises(SettingsError, match="allowed|each seed once"):
        Design(line, {}, **options)


@pytest.mark.parametrize(
    "settings",
    [{"draws": 3}, {"draws": 1.5}, {"tune": -1}, {"chains": 0}, {"target_accept": 1.0}],
)
def test_impossible_sampler_settings_are_refused(settings: dict) -> None:
    with pytest.raises(SettingsError, match="is not allowed; give"):
        Settings(**settings)
