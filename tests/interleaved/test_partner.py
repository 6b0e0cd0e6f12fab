"""A side ends promptly, whatever it has started and left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from interleaved.conftest import SOURCES

from recovery.errors import WorkerDied
from recovery.interleaved.environment import Environment
from recovery.interleaved.hearing import lines_of
from recovery.interleaved.partner import Partner

SLEEPS_S = 120
SCENARIO = f"""
import os, pathlib, subprocess, time
from recovery import scenario
from recovery.testing import line as exact

print("before", flush=True)  # a death by os._exit flushes nothing
if os.environ["TEST_LEFT"] == "a program":
    left = subprocess.Popen(["sleep", "{SLEEPS_S}"]).pid
elif not (left := os.fork()):
    time.sleep({SLEEPS_S})  # holds every stream of its parent, that of the answers too
    os._exit(0)
pathlib.Path("left").write_text(str(left))
if os.environ.get("TEST_DIES"):
    os._exit(3)


@scenario
def line(trials: int = 20):
    return exact.function(trials, 1.0, 1.0)
"""
TALKATIVE = "import os\nwhile os.write(2, b'again\\n'): pass"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Return a folder with a scenario whose process leaves another one, which is killed after."""
    (tmp_path / "line.py").write_text(SCENARIO)
    yield tmp_path
    left = int((tmp_path / "left").read_text())
    assert Path(f"/proc/{left}").exists(), "it has ended by itself, so nothing was tested"
    os.kill(left, signal.SIGKILL)


def partner(folder: Path, **variables: str) -> Partner:
    variables = {**os.environ, "PYTHONPATH": str(SOURCES), **variables}
    return Partner("base", Environment(sys.executable, variables, {}), folder)


def order(folder: Path) -> dict[str, Any]:
    return {"scenario": "line.py", "axes": {}, "options": {}, "workers": 1, "command": "",
            "out": str(folder / "out"), "moved": [str(folder), str(folder)]}  # fmt: skip


@pytest.mark.parametrize("left", ["a program", "a fork"])
def test_a_side_ends_though_what_it_started_holds_its_streams(
    folder: Path, left: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with partner(folder, TEST_LEFT=left) as side:
        assert side.open(order(folder)).most == 0
        began = time.monotonic()
    assert time.monotonic() - began < 10
    assert "base: before\n" in capsys.readouterr().err
    assert not Path(f"/proc/{side.pid}").exists()


@pytest.mark.parametrize("left", ["a program", "a fork"])
def test_a_side_that_dies_is_told_of_though_what_it_started_lives_on(
    folder: Path, left: str
) -> None:
    began = time.monotonic()
    with (
        partner(folder, TEST_LEFT=left, TEST_DIES="1") as side,
        pytest.raises(WorkerDied, match=r"exit code 3; it said: before"),
    ):
        side.open(order(folder))
    assert time.monotonic() - began < SLEEPS_S / 2


def heard(program: str) -> list[str]:
    with subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        return list(lines_of(process, process.stderr))


def test_lines_come_whole_whatever_ends_them_and_however_they_are_written() -> None:
    parts = [b"one\r\ntw", b"o\rthree \xc3", b"\xa9\n\n", b"\xff last"]
    program = "import os, time\n" + "".join(
        f"os.write(2, {part!r})\ntime.sleep(0.05)\n" for part in parts
    )
    assert heard(program) == ["one", "two", "three é", "", "\N{REPLACEMENT CHARACTER} last"]


def test_all_that_was_written_before_the_end_is_heard() -> None:
    assert len(heard("import os\nos.write(2, b'a line\\n' * 9000)")) == 9000


def test_what_others_write_on_and_on_is_left() -> None:
    program = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {TALKATIVE!r}])"
    began = time.monotonic()
    assert set(heard(program)) <= {"again", "agai", "aga", "ag", "a"}
    assert time.monotonic() - began < 30
