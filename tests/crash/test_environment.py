"""Clocks, threads, processes, memory, missing packages and caches of compiled code."""

import builtins
import itertools
import json
import os
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
from threadpoolctl import threadpool_info

from recovery import Results, Sweep
from recovery.engine.caches import advice
from recovery.engine.samplers import Fit, Target
from recovery.engine.structure import Simulated
from recovery.testing import ExactDensity, ExactSampler, line

cloudpickle.register_pickle_by_value(sys.modules[__name__])

ROOT = Path(__file__).parents[2]
GROWTH_KB = 12
"""Resident memory that a replicate may leave behind, in kB: 2.4 were found, its record has 18."""


@dataclass
class Telling(ExactSampler):
    """Writes down, from within each fit, what its process is like."""

    into: str = ""

    def compile(self, target: Target, simulated: Simulated) -> ExactDensity:
        return TellingDensity(self, target)


class TellingDensity(ExactDensity):
    def fit(self, *args: Any) -> Fit:
        time.sleep(0.02)  # so that every thread and process gets some
        told = {
            "pid": os.getpid(),
            "thread": threading.get_ident(),
            "marked": hasattr(builtins, "of_the_runner"),
            "command": Path("/proc/self/cmdline").read_bytes().decode().split("\0"),
            "pools": [pool["num_threads"] for pool in threadpool_info()],
            "rss_kb": int(Path("/proc/self/statm").read_text().split()[1])
            * os.sysconf("SC_PAGE_SIZE")
            // 1024,
        }
        sampler: Telling = self._sampler  # type: ignore[assignment]  # made by it
        with Path(sampler.into).open("a") as file:
            file.write(json.dumps(told) + "\n")
        return super().fit(*args)


def tell(folder: Path, sampler: Telling, replicates: int, **options: Any) -> list[dict[str, Any]]:
    sampler.into = str(folder / "told")
    sweep = Sweep(line, sampler=sampler, draws=25, replicates=replicates)
    results = sweep.run(folder / "run", progress=False, report=False, **options)
    assert (results.replicates["status"] == "ok").all()
    return [json.loads(text) for text in Path(sampler.into).read_text().splitlines()]


Told = list[dict[str, Any]]


@pytest.fixture(scope="module")
def in_processes(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """What was told by two processes beside this one, which has a mark that they lack."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builtins, "of_the_runner", True, raising=False)
        folder = tmp_path_factory.mktemp("processes")
        return tell(folder, Telling(threads=False), 12, workers=2, processes=2)


@pytest.fixture
def in_threads(tmp_path: Path) -> Told:
    return tell(tmp_path, Telling(), 12, workers=2)


@pytest.mark.parametrize("where", ["in_threads", "in_processes"])
def test_a_fit_has_one_thread_for_linear_algebra(
    where: str, request: pytest.FixtureRequest
) -> None:
    told: Told = request.getfixturevalue(where)
    assert len({(fit["pid"], fit["thread"]) for fit in told}) == 2
    pools = [fit["pools"] for fit in told]
    assert all(pools)
    assert set(itertools.chain(*pools)) == {1}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_processes_are_fresh_interpreters_and_no_forks(in_processes: Told) -> None:
    others = {fit["pid"] for fit in in_processes} - {os.getpid()}
    assert len(others) == 2
    here = Path("/proc/self/cmdline").read_bytes().decode().split("\0")
    for fit in in_processes:
        assert not fit["marked"]
        assert fit["command"] != here


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_replicate_leaves_next_to_nothing_behind_in_its_process(tmp_path: Path) -> None:
    code = textwrap.dedent(f"""
        import sys
        sys.path.insert(0, {str(ROOT / "tests")!r})
        from pathlib import Path
        from crash import test_environment as tests
        tests.time.sleep = lambda s: None
        told = tests.tell(Path({str(tmp_path)!r}), tests.Telling(), 800, workers=1)
        print((told[-1]["rss_kb"] - told[200]["rss_kb"]) / 599)
    """)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < GROWTH_KB, done.stdout


def test_a_clock_that_goes_back_changes_no_duration_and_no_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(name: str, replicates: int) -> Results:
        sweep = Sweep(line, sampler=ExactSampler(), draws=25, replicates=replicates)
        return sweep.run(tmp_path / name, workers=2, progress=True, report=False)

    expected = run("forward", 9)
    back = itertools.count(0, -3600)
    monkeypatch.setattr(time, "time", lambda: 2e9 + next(back))
    monkeypatch.setattr(time, "time_ns", lambda: int(2e18) + next(back) * 10**9)
    run("back", 5)
    results = run("back", 9)
    assert results.estimates.equals(expected.estimates)
    assert results.replicates["replicate"].tolist() == list(range(9))
    times = results.replicates[["simulate_s", "sample_s", "rest_s", "wall_s"]]
    assert (times >= 0).all(axis=None)
    assert (times < 60).all(axis=None)
    assert [session["execution"]["fits"] for session in results.sessions] == [5, 4]
    assert all(0 <= session["execution"]["fitting_s"] < 60 for session in results.sessions)


@pytest.mark.parametrize("how", ["missing", "broken"])
def test_without_the_package_of_a_sampler_a_run_says_which_and_writes_nothing(
    how: str, tmp_path: Path
) -> None:
    package, here = tmp_path / "packages" / "nutpie", tmp_path / "here"
    package.mkdir(parents=True)
    here.mkdir()
    (package / "__init__.py").write_text("raise ImportError('a library of its own is not there')")
    code = textwrap.dedent(f"""
        import sys
        if {how == "missing"}:
            sys.modules["nutpie"] = None
        sys.path.insert(0, {str(package.parent)!r})
        from recovery.cli import entry
        sys.argv[1:] = ["run", "plants", "--out", "out"]
        entry()
    """)
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=here,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert "sampler: 'nutpie' needs the package nutpie" in done.stderr
    assert ("a library of its own is not there" in done.stderr) == (how == "broken")
    assert list(here.iterdir()) == []


def exception_at(place: str, error: str = "EOFError('Ran out of input')") -> BaseException:
    try:
        exec(compile(f"def load():\n    raise {error}\nload()", place, "exec"), {})
    except Exception as found:
        return found
    raise AssertionError


def test_an_exception_of_a_cache_of_compiled_code_says_how_to_leave_it() -> None:
    import pytensor

    ours = pytensor.config.compiledir
    for place in (
        "/x/site-packages/numba/core/caching.py",
        "/x/site-packages/pytensor/link/c/cmodule.py",
        f"{ours}/lazylinker_ext/__init__.py",
    ):
        assert f"remove {ours}, or set PYTENSOR_FLAGS=" in advice(exception_at(place))
    outer = RuntimeError("outer")
    outer.__cause__ = exception_at("/x/numba/core/caching.py")
    assert advice(outer)
    outer.__cause__.__cause__ = outer  # and round again
    assert advice(outer)
    assert not advice(exception_at("/x/site-packages/pytensor/link/c/basic.py"))
    broken = "type('CompileError', (Exception,), {})()"
    assert not advice(exception_at("/x/site-packages/pytensor/link/c/cmodule.py", broken))


def nuts(folder: Path, out: str) -> subprocess.CompletedProcess[str]:
    """Run two replicates in two processes, which compile at the same time."""
    words = "run mine.py --replicates 2 --draws 25 --tune 25 --chains 1 --workers 2 --timeout 600"
    return subprocess.run(
        [sys.executable, "-m", "recovery", *words.split(), "--out", out],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=500,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "PYTENSOR_FLAGS": f"base_compiledir={folder / 'pytensor'}",
            "NUMBA_CACHE_DIR": str(folder / "numba"),
        },
    )


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_cold_cache_shared_by_processes_changes_nothing_and_a_damaged_one_is_named(
    tmp_path: Path,
) -> None:
    (tmp_path / "mine.py").write_text(
        "import pymc as pm\nfrom recovery import Problem, scenario\n"
        "@scenario\ndef mine():\n    with pm.Model() as model:\n"
        "        pm.Normal('y', pm.Normal('b'), 1, shape=3)\n"
        "    return Problem(model, observed='y', truth={'b': 0.5})\n"
    )
    for out in ("cold", "warm"):
        done = nuts(tmp_path, out)
        assert done.returncode == 0, done.stderr
    cold, warm = (Results(tmp_path / out).estimates for out in ("cold", "warm"))
    assert cold.equals(warm)
    compiled = [*tmp_path.glob("*/**/*.nbi"), *tmp_path.glob("*/**/*.nbc")]
    assert compiled
    for file in compiled:
        os.truncate(file, 0)
    done = nuts(tmp_path, "damaged")
    assert "Traceback" not in done.stderr
    if done.returncode:  # or else it was all compiled again
        assert "damaged cache of compiled code: remove /" in done.stdout + done.stderr
