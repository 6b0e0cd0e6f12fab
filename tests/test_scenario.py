"""Axes, levels and scenarios: what a user writes, and what they may type."""

from enum import Enum
from pathlib import Path
from typing import Literal

import pytest

from recovery import Problem, scenario
from recovery.errors import LevelError, ScenarioError, UserCodeError
from recovery.loading import bundled_scenarios, load_scenario


class Shape(Enum):
    ROUND = 1
    SQUARE = 2


@scenario
def wide(
    size: int = 3,
    noise: float = 0.5,
    name: str = "a",
    centred: bool = True,
    link: Literal["log", "logit"] = "log",
    shape: Shape = Shape.ROUND,
    cap: int | None = None,
    guess=2.5,  # type: ignore[no-untyped-def]
) -> Problem:
    """All kinds of axes.

    And more words.
    """
    raise NotImplementedError


@pytest.mark.parametrize(
    ("axis", "text", "level"),
    [
        ("size", "12", 12),
        ("size", "-3", -3),
        ("noise", "1e-3", 0.001),
        ("noise", "1", 1.0),
        ("name", "50", "50"),
        ("centred", "no", False),
        ("centred", "TRUE", True),
        ("link", "logit", "logit"),
        ("shape", "SQUARE", "SQUARE"),
        ("cap", "none", None),
        ("cap", "7", 7),
        ("guess", "0.25", 0.25),
    ],
)
def test_annotations_parse_the_command_line(axis: str, text: str, level: object) -> None:
    parsed = wide.axes[axis].parse(text)
    assert parsed == level
    assert type(parsed) is type(level)


@pytest.mark.parametrize(
    ("axis", "text"),
    [
        ("size", "1.5"),
        ("size", ""),
        ("size", "abc"),
        ("noise", "nan"),
        ("noise", "inf"),
        ("centred", "maybe"),
        ("link", "probit"),
        ("shape", "OVAL"),
        ("cap", "x"),
    ],
)
def test_a_level_that_does_not_parse_is_named_with_its_axis_and_what_is_allowed(
    axis: str, text: str
) -> None:
    with pytest.raises(LevelError, match=f"axis {axis}: .* is no level; it takes"):
        wide.axes[axis].parse(text)


def test_levels_from_python_are_made_plain_so_that_equal_levels_have_equal_keys() -> None:
    import numpy as np

    assert type(wide.axes["size"].check(np.int64(3))) is int
    assert type(wide.axes["noise"].check(1)) is float
    assert wide.axes["shape"].check(Shape.SQUARE) == "SQUARE"
    assert wide.axes["shape"].argument("SQUARE") is Shape.SQUARE
    with pytest.raises(LevelError):
        wide.axes["size"].check(True)
    with pytest.raises(LevelError):
        wide.axes["size"].check([1])
    with pytest.raises(LevelError):
        wide.axes["noise"].check(float("nan"))


def test_a_scenario_knows_its_name_axes_and_summary() -> None:
    assert wide.name == "wide"
    assert list(wide.axes)[:2] == ["size", "noise"]
    assert wide.summary == "All kinds of axes."


def test_a_function_that_cannot_be_a_scenario_is_refused() -> None:
    with pytest.raises(ScenarioError, match="lower-case"):

        @scenario
        def Loud() -> Problem:
            raise NotImplementedError

    with pytest.raises(ScenarioError, match="column of the tables"):

        @scenario
        def clash(truth: int = 1) -> Problem:
            raise NotImplementedError

    with pytest.raises(ScenarioError, match="name each parameter"):

        @scenario
        def loose(**levels: int) -> Problem:
            raise NotImplementedError


BODY = "from recovery import Problem, scenario\n"
ONE = "@scenario\ndef {}(size: int = 1) -> Problem:\n    'Doc.'\n    raise NotImplementedError\n"


def test_a_file_with_one_scenario_loads_it(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(BODY + ONE.format("mine"))
    assert load_scenario(str(file)).name == "mine"


def test_a_file_may_import_its_neighbours_and_their_scenarios_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "neighbour_of_tests.py").write_text(BODY + ONE.format("other"))
    file = tmp_path / "mine.py"
    file.write_text(BODY + "from neighbour_of_tests import other\n" + ONE.format("mine"))
    assert load_scenario(str(file)).name == "mine"


def test_a_file_with_none_or_several_is_refused_with_the_way_out(tmp_path: Path) -> None:
    file = tmp_path / "many.py"
    file.write_text("x = 1\n")
    with pytest.raises(ScenarioError, match="no scenario in this file; put @scenario"):
        load_scenario(str(file))
    file.write_text(BODY + ONE.format("first") + ONE.format("second"))
    with pytest.raises(ScenarioError, match=r"several .*first, second.*many\.py:first"):
        load_scenario(str(file))
    assert load_scenario(f"{file}:second").name == "second"
    with pytest.raises(ScenarioError, match="no scenario 'third'"):
        load_scenario(f"{file}:third")


def test_a_file_that_raises_shows_its_own_traceback_and_not_ours(tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text("def f():\n    return 1 / 0\n\nf()\n")
    with pytest.raises(UserCodeError) as caught:
        load_scenario(str(file))
    text = caught.value.traceback_text
    assert "ZeroDivisionError" in text
    assert str(file) in text
    assert "loading.py" not in text
    assert str(caught.value) == (
        "broken.py: raised ZeroDivisionError when it was loaded: division by zero"
    )
    file.write_text("def f(:\n")
    with pytest.raises(UserCodeError, match="raised SyntaxError") as caught:
        load_scenario(str(file))
    assert "importlib" not in caught.value.traceback_text
    assert "line 1" in caught.value.traceback_text


def test_unknown_names_and_files_are_told_what_there_is() -> None:
    with pytest.raises(ScenarioError, match="bundled scenario: .*plants"):
        load_scenario("plant")
    with pytest.raises(ScenarioError, match="no such file"):
        load_scenario("nowhere/plants.py")


def test_bundled_scenarios_are_listed_without_importing_them() -> None:
    listing = {found.name: found for found in bundled_scenarios()}
    assert "trials: int=100" in listing["plants"].axes
    assert listing["plants"].summary
