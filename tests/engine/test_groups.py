"""Groups for ArviZ: dims, coords and names of any model, as a file can have them."""

from pathlib import Path
from typing import Any

import arviz as az
import numpy as np
import pymc as pm
import pytest
import xarray as xr

from recovery import Problem, scenario
from recovery.design import Design, Replicate
from recovery.engine.groups import groups
from recovery.engine.netcdf import write_netcdf
from recovery.engine.replicate import simulate
from recovery.engine.samplers import Fit
from recovery.engine.workshop import Workshop
from recovery.record import Sampling

SAMPLING = Sampling("none", 2, 5, 0, 0, 0, 0, 1.0, 0)


def grouped(
    build: Any, coords: dict[str, Any] | None = None, stats: dict[str, Any] | None = None
) -> dict[str, xr.Dataset]:
    """Return the groups of a model whose draws are all the truth."""

    @scenario
    def made() -> Problem:
        with pm.Model(coords=coords) as model:
            build()
        return Problem(model, observed="y")

    replicate = Replicate(Design(made, {}, ("prior",)).cells[0], 1, 0)
    prepared = Workshop(made).prepare(replicate.cell)
    simulated = simulate(replicate, prepared)
    draws = {
        name: np.broadcast_to(simulated.truth[name], (2, 5, *simulated.truth[name].shape)).astype(
            float
        )
        for name in prepared.problem.recorded
    }
    known = None if stats is None else lambda: stats
    return groups(prepared, simulated, Fit(draws, SAMPLING, 0.0, stats=known))


def through_a_file(found: dict[str, xr.Dataset], folder: Path) -> Any:
    write_netcdf(found, folder / "fit.nc")
    return az.from_netcdf(folder / "fit.nc")


def test_labels_are_kept_where_they_fit_and_numbers_otherwise(tmp_path: Path) -> None:
    def build() -> None:
        level = pm.Normal("level", dims="site")
        pm.Normal("y", level[0] + pm.Normal("other", shape=2)[0], 1.0, shape=3)

    found = through_a_file(grouped(build, {"site": ["east", "west"]}), tmp_path)
    assert found["posterior"]["level"].dims == ("chain", "draw", "site")
    assert found["posterior"]["site"].values.tolist() == ["east", "west"]
    assert found["posterior"]["other_dim_0"].values.tolist() == [0, 1]
    assert found["observed_data"]["y"].shape == (3,)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([(1, 2), (3, 4)], ["(1, 2)", "(3, 4)"]),
        ([1, "a"], ["1", "a"]),
        ([1, 2.5], [1, 2.5]),
        ([True, False], [True, False]),
        (["a\0b", "\ud800"], ["ab", "?"]),
        ([2**70, 1], [str(2**70), "1"]),
        (np.array(["2020-01-01", "2020-01-03"], dtype="datetime64[D]"), None),
    ],
)
def test_labels_of_any_kind_come_back_from_a_file(
    tmp_path: Path, labels: Any, expected: list[Any] | None
) -> None:
    def build() -> None:
        pm.Normal("y", pm.Normal("level", dims="site"), 1.0, dims="site")

    back = through_a_file(grouped(build, {"site": labels}), tmp_path)["posterior"]["site"]
    if expected is None:
        np.testing.assert_array_equal(back.values, labels)
    else:
        assert back.values.tolist() == expected


def test_names_that_a_file_cannot_have_are_changed_and_told(tmp_path: Path) -> None:
    def build() -> None:
        total = pm.Normal("a\0b") + pm.Normal("ab", 50.0) + pm.Normal(".", 90.0)
        pm.Normal("y", total, 1.0)

    back = through_a_file(grouped(build), tmp_path)["posterior"]
    assert set(back.data_vars) == {"ab", "ab_", "_"}
    means = {name: float(back[name].mean()) for name in back.data_vars}
    assert means["_"] > 80
    assert max(means["ab"], means["ab_"]) > 40 > min(means["ab"], means["ab_"])
    assert back["_"].attrs["name"] == "."


def test_dims_whose_names_become_one_stay_two(tmp_path: Path) -> None:
    def build() -> None:
        pm.Normal("y", pm.Normal("u", dims="a/b")[0] + pm.Normal("v", dims="a_b")[0], 1.0)

    back = through_a_file(grouped(build, {"a/b": [7, 8], "a_b": [1, 2, 3]}), tmp_path)["posterior"]
    assert back["u"].sizes["a_b"] == 2
    assert back["v"].shape == (2, 5, 3)
    assert np.isfinite(back["u"].values).all()


def test_a_dim_that_a_variable_has_twice_is_written_as_two(tmp_path: Path) -> None:
    def build() -> None:
        a = pm.Normal("a")
        pm.Deterministic("square", pm.math.stack([[a, 0.0], [0.0, a]]), dims=("f", "f"))
        pm.Normal("y", a, 1.0)

    back = through_a_file(grouped(build, {"f": ["p", "q"]}), tmp_path)["posterior"]["square"]
    assert back.dims == ("chain", "draw", "f", "f_dim")
    assert back["f_dim"].values.tolist() == ["p", "q"]


def test_statistics_keep_their_names_beside_parameters_of_the_same(tmp_path: Path) -> None:
    def build() -> None:
        pm.Normal("y", pm.Normal("energy", shape=3), 1.0, shape=3)

    stats = {"energy": np.ones((2, 5)), "diverging": np.zeros((2, 5), dtype=bool)}
    back = through_a_file(grouped(build, None, stats), tmp_path)
    assert back["sample_stats"]["energy"].dims == ("chain", "draw")
    assert back["posterior"]["energy"].shape == (2, 5, 3)
    assert back["sample_stats"]["diverging"].dtype == bool


def test_a_fit_without_statistics_has_no_group_of_them() -> None:
    found = grouped(lambda: pm.Normal("y", pm.Poisson("k", 3.0), 1.0))
    assert set(found) == {"posterior", "prior", "observed_data"}
    assert found["posterior"]["k"].dtype.kind == "i"
    assert found["prior"]["k"].shape == (1, 1)
