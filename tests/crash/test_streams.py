"""A run goes on to its end whatever becomes of the streams that it talks to."""

import os
import pty
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from recovery import Results
from recovery.streams import Lasting
from recovery.verify import verify

ROOT = Path(__file__).parents[2]
SCENARIO = """
from recovery import scenario
from recovery.testing import line

@scenario
def mine(trials: int = 9):
    print("told by the scenario", flush=True)
    return line.function(trials)
"""
DRIVER = """
import sys
from recovery.cli import entry
from recovery.engine import samplers
from recovery.plots import figures
from recovery.testing import ExactDensity, ExactSampler

class Flawed(ExactSampler):
    def compile(self, target, simulated):
        raise ArithmeticError("always")

figures.figures = lambda results: []
samplers.SAMPLERS = {"exact": "recovery.testing:ExactSampler", "flawed": "__main__:Flawed"}
sys.argv[0] = "recovery"
entry()
"""


def command(folder: Path, sampler: str, more: str) -> str:
    words = f"run {folder / 'mine.py'} --replicates 4 --draws 25 --sampler {sampler} --workers 2"
    return f"{sys.executable} {folder / 'driver.py'} {words} --out {folder / 'out'} {more}"


# The name of each way to lose a stream, the shell's words for it, the sampler, the exit code.
WAYS = {
    "a closed pipe": ("| head -c 0", "flawed", 1),
    "both closed": (">&- 2>&- <&-", "exact", 0),
    "a full disk": (">/dev/full", "exact", 0),
    "both full": (">/dev/full 2>/dev/full", "exact", 0),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[int, str, Path]]]:
    """Each way at once: exit code, what came on standard error, folder."""
    begun = {}
    for name, (more, sampler, _) in WAYS.items():
        folder = tmp_path_factory.mktemp("stream\u2013")  # what not every encoding has
        (folder / "mine.py").write_text(SCENARIO)
        (folder / "driver.py").write_text(DRIVER)
        begun[name] = (
            folder,
            subprocess.Popen(
                ["bash", "-c", f"{command(folder, sampler, more)}; exit ${{PIPESTATUS[0]}}"],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                cwd=ROOT,
                env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUNBUFFERED": ""},
            ),
        )
    found = {}
    for name, (folder, process) in begun.items():
        _, err = process.communicate(timeout=300)
        found[name] = process.returncode, err, folder / "out"
    return found


@pytest.mark.parametrize("name", WAYS)
def test_a_lost_stream_changes_neither_the_store_nor_the_exit_code(
    name: str, runs: dict[str, tuple[int, str, Path]]
) -> None:
    code, err, out = runs[name]
    assert code == WAYS[name][2], err
    assert "Traceback" not in err
    assert "Exception ignored" not in err
    assert len(Results(out).replicates) == 4
    assert not verify(out).findings
    assert (out / "report.html").exists()
    if name == "a full disk":
        assert err.endswith(
            "recovery: standard output could not be written: No space left on device\n"
        )


def test_what_is_asked_for_and_cannot_be_written_is_an_error(
    runs: dict[str, tuple[int, str, Path]],
) -> None:
    _, _, out = runs["a full disk"]
    words = f"{sys.executable} -m recovery status {out}"
    full = subprocess.run(["bash", "-c", f"{words} >/dev/full"], capture_output=True, text=True)
    assert (full.returncode, full.stderr.count("\n")) == (1, 1)
    early = subprocess.run(
        ["bash", "-c", f"{words} | head -c 0; exit ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
    )
    assert (early.returncode, early.stderr) == (0, "")


def test_a_terminal_that_goes_away_is_outlived(tmp_path: Path) -> None:
    code = textwrap.dedent(f"""
        import sys
        from recovery import Sweep
        from recovery.testing import ExactSampler, line
        sweep = Sweep(line, sampler=ExactSampler(), draws=25, replicates=40)
        assert sys.stderr.isatty()
        print("ready", flush=True)
        sys.stdin.readline()
        sweep.run({str(tmp_path / "run")!r}, workers=2, report=False)
    """)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        env={**os.environ, "TERM": "xterm"},
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    os.close(theirs)
    os.close(ours)
    process.communicate("go on\n", timeout=300)
    assert process.returncode == 0
    assert len(Results(tmp_path / "run").replicates) == 40


def test_a_stream_that_lasts_says_what_it_can(tmp_path: Path) -> None:
    file = tmp_path / "file"
    with file.open("w", encoding="ascii") as stream:
        lasting = Lasting(stream)
        print("a\u2013b", file=lasting, flush=True)
    print("lost", file=lasting)
    assert file.read_text() == "a\\u2013b\n"
    assert lasting.error is None
    assert not lasting.isatty()
    assert not Lasting(None).isatty()
    print("lost", file=Lasting(None), flush=True)


def test_no_file_takes_the_number_of_a_stream_that_is_closed(tmp_path: Path) -> None:
    code = (
        "from recovery.streams import keep_streams; keep_streams(); import sys, tempfile; "
        "print('lost'); sys.exit(40 + tempfile.TemporaryFile().fileno())"
    )
    words = f'{sys.executable} -c "{code}" >&- 2>&- <&-'
    done = subprocess.run(
        ["bash", "-c", words], cwd=ROOT, env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    assert done.returncode == 43
