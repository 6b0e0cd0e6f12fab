"""Whatever is raised, wherever: a failed record that says so, and nothing else is touched."""

import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd
import pytest

from recovery import Problem, Results, Scenario, Sweep, scenario
from recovery.cli import main
from recovery.cli.told import told
from recovery.design import Replicate
from recovery.engine.replicate import run_replicate, warm_up
from recovery.engine.samplers import Fit, Target
from recovery.engine.structure import Simulated
from recovery.record import ERROR_LENGTH, TRACEBACK_LENGTH
from recovery.testing import ExactDensity, ExactSampler, line

cloudpickle.register_pickle_by_value(sys.modules[__name__])

ROOT = Path(__file__).parents[2]


class Raising(ExactSampler):
    """Does something in fits of some sampler seeds, before they begin."""

    deeds: dict[int, Callable[[], Any]]

    def compile(self, target: Target, simulated: Simulated) -> ExactDensity:
        return RaisingDensity(self, target)


class RaisingDensity(ExactDensity):
    def fit(self, simulated: Simulated, settings: Any, seed: int) -> Fit:
        deed = self._sampler.deeds.get(seed)  # type: ignore[attr-defined]  # made by it
        if deed is not None:
            deed()
        return super().fit(simulated, settings, seed)


class Mute(Exception):
    def __str__(self) -> str:
        raise SystemExit("not even this")


class Panic(BaseException):
    """What a panic in compiled code looks like."""


class Held(Exception):
    """Cannot be pickled."""

    def __init__(self) -> None:
        super().__init__("holds a lock")
        self.lock = threading.Lock()


def throw(error: BaseException) -> None:
    raise error


def in_a_circle() -> None:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    raise one


def too_deep() -> None:
    too_deep()


def nested() -> None:
    error: Exception = ValueError("innermost")
    for _ in range(50):
        error = ExceptionGroup("group", [error])
    raise error


DEEDS: list[tuple[Callable[[], Any], str]] = [
    (lambda: throw(Mute()), "Mute: (no message)"),
    (lambda: throw(Panic("boom")), "Panic: boom"),
    (lambda: throw(SystemExit(3)), "SystemExit: 3"),
    (lambda: throw(GeneratorExit()), "GeneratorExit: "),
    (lambda: throw(StopIteration("no more")), "StopIteration: no more"),
    (lambda: throw(Held()), "Held: holds a lock"),
    (lambda: throw(ValueError("x" * 10_000_000)), "ValueError: " + "x" * (ERROR_LENGTH - 12)),
    (lambda: throw(ValueError("a\ud800b\x00\x1b[2J\nc")), "ValueError: a?b\x00\x1b[2J c"),
    (lambda: throw(type("T" * 2000, (Exception,), {})()), "T" * ERROR_LENGTH),
    (in_a_circle, "ValueError: one"),
    (too_deep, "RecursionError: maximum recursion depth exceeded"),
    (nested, "ExceptionGroup: group (1 sub-exception)"),
]
REPLICATES = 2 * len(DEEDS)


def sweep(sampler: ExactSampler) -> Sweep:
    return Sweep(line, sampler=sampler, draws=25, replicates=REPLICATES)


def run(a_sweep: Sweep, out: Path, **options: Any) -> Results:
    return a_sweep.run(out, **{"workers": 2, "progress": False, "report": False, **options})


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return run(sweep(ExactSampler()), tmp_path_factory.mktemp("sound")).estimates


@pytest.mark.parametrize("threads", [True, False])
def test_any_exception_of_a_fit_is_a_failed_record_with_stage_type_and_text(
    tmp_path: Path, sound: pd.DataFrame, threads: bool
) -> None:
    sampler = Raising(threads=threads)
    cell = sweep(sampler).design.cells[0]
    seeds = [Replicate(cell, 42, 2 * i).sampler_seed for i in range(len(DEEDS))]
    sampler.deeds = {seed: deed for seed, (deed, _) in zip(seeds, DEEDS, strict=True)}
    results = run(sweep(sampler), tmp_path)
    failed = results.replicates.query("status != 'ok'")
    assert failed["replicate"].tolist() == list(range(0, REPLICATES, 2))
    assert set(failed["status"]) == {"failed"}
    assert set(failed["stage"]) == {"sample"}
    for found, (_, expected) in zip(failed["error"], DEEDS, strict=True):
        assert found.startswith(expected)
    assert failed["error"].str.len().max() <= ERROR_LENGTH
    assert failed["traceback"].str.len().max() <= TRACEBACK_LENGTH + 100
    assert failed["traceback"].str.contains("in fit|characters left out").all()
    left = ~sound["replicate"].isin(failed["replicate"])
    assert results.estimates.equals(sound[left].reset_index(drop=True))


def built_only_by(pid: int) -> Scenario:
    @scenario
    def elsewhere(trials: int = 9) -> Problem:
        if trials == 5 and os.getpid() != pid:
            raise KeyError("no such thing in this process")
        return line.function(trials)

    return elsewhere


def half_of_them(rng: np.random.Generator) -> np.ndarray[Any, Any]:
    # The seed with which the sweep tries its covariates decides which half.
    if (rng.random() < 0.5) != (np.random.default_rng([0, 0]).random() < 0.5):
        raise ZeroDivisionError("by this generator")
    return rng.normal(size=(9, 2))


def redrawn(**options: Any) -> Scenario:
    @scenario
    def halves() -> Problem:
        problem = line.function(9)
        return Problem(problem.model, "y", problem.truth, **options)

    return halves


class NotCompiling(ExactSampler):
    def compile(self, target: Target, simulated: Simulated) -> ExactDensity:
        raise NotImplementedError("no density")


class Misshapen(ExactSampler):
    def compile(self, target: Target, simulated: Simulated) -> ExactDensity:
        class Density(ExactDensity):
            def fit(self, *args: Any) -> Fit:
                fit = super().fit(*args)
                return Fit({"betas": fit.draws["betas"][..., :1]}, fit.sampling, fit.sample_s)

        return Density(self, target)


@pytest.mark.parametrize(
    ("stage", "error", "of", "sampler"),
    [
        ("build", "UserCodeError", built_only_by(os.getpid()), ExactSampler(threads=False)),
        ("simulate", "UserCodeError", redrawn(covariates={"x": half_of_them}), ExactSampler()),
        ("compile", "NotImplementedError: no density", line, NotCompiling()),
        ("predict", "UserCodeError", redrawn(predict={"x": half_of_them}), ExactSampler()),
        ("estimate", "KeyError: 'total'", line, Misshapen()),
    ],
)
def test_an_exception_at_any_stage_is_a_failed_record_that_names_it(
    stage: str, error: str, of: Scenario, sampler: ExactSampler, tmp_path: Path
) -> None:
    levels = {"trials": [5, 9]} if stage == "build" else {}
    results = run(Sweep(of, levels, sampler=sampler, draws=25, replicates=8), tmp_path)
    failed = results.replicates.query("status != 'ok'")
    assert set(failed["status"]) == {"failed"}
    assert set(failed["stage"]) == {stage}
    assert failed["error"].str.startswith(error).all()
    assert failed["traceback"].str.contains("Traceback").all()
    if stage == "build":
        assert failed["trials"].tolist() == [5] * 8
        assert failed["error"].str.contains("no such thing in this process").all()
    elif stage in ("simulate", "predict"):
        assert 0 < len(failed) < 8
    else:
        assert len(failed) == 8


def test_want_of_memory_is_a_failed_record_with_a_traceback(tmp_path: Path) -> None:
    code = textwrap.dedent(f"""
        import resource, sys
        sys.path.insert(0, {str(ROOT / "tests")!r})
        from pathlib import Path
        from crash.test_failures import Raising, Replicate, run, sweep
        sampler = Raising()
        seed = Replicate(sweep(sampler).design.cells[0], 42, 3).sampler_seed
        sampler.deeds = {{seed: lambda: bytearray(2**31)}}
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + 2**30
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        failed = run(sweep(sampler), Path({str(tmp_path / "run")!r})).replicates
        failed = failed.query("status != 'ok'")
        print(failed[["replicate", "status", "stage", "error"]].to_dict("records"))
        print(failed["traceback"].iloc[0])
    """)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    first, _, traceback = done.stdout.partition("\n")
    (record,) = eval(first)
    assert record == {
        "replicate": 3, "status": "failed", "stage": "sample", "error": "MemoryError: ",
    }  # fmt: skip
    assert "in fit" in traceback


@pytest.mark.parametrize("where", ["file", "scenario"])
@pytest.mark.parametrize("what", ["sys.exit()", "raise Mute()"])
def test_a_file_that_wants_to_end_the_program_is_wrong_input(
    where: str, what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "ending.py"
    at = {"file": "pass", "scenario": "pass", where: what}
    file.write_text(
        "import sys\nfrom recovery import scenario\n"
        "class Mute(Exception):\n    def __str__(self):\n        raise SystemExit\n"
        f"{at['file']}\n@scenario\ndef ending():\n    {at['scenario']}\n"
    )
    assert main(["run", str(file), "--out", str(tmp_path / "out")]) == 2
    text = capsys.readouterr().err
    assert "raised" in text.splitlines()[-1]
    assert f'File "{file}", line ' in text
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ""] == ["ending.py"]


class Failing(ExactSampler):
    """Fails where there are few trials: always at 5, but for one data set at 6."""

    def compile(self, target: Target, simulated: Simulated) -> ExactDensity:
        class Density(ExactDensity):
            def fit(self, simulated: Simulated, settings: Any, seed: int) -> Fit:
                trials = len(simulated.observed["y"])
                if trials == 5 or (trials == 6 and seed != Failing.spared):
                    raise ArithmeticError("too few")
                return super().fit(simulated, settings, seed)

        return Density(self, target)


def test_cells_with_no_or_one_complete_fit_are_reported_without_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a_sweep = Sweep(line, {"trials": [5, 6, 7]}, sampler=Failing(), draws=25, replicates=4,
                    truth="both")  # fmt: skip
    cells = [cell for cell in a_sweep.design.cells if dict(cell.levels)["trials"] == 6]
    Failing.spared = Replicate(cells[0], 42, 1).sampler_seed
    results = a_sweep.run(tmp_path, workers=2, progress=False)
    counts = results.diagnostics().query("truth == 'fixed'")
    assert counts["n_ok"].tolist() == [0, 1, 4]
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "15 of 24 replicates failed" in text
    assert told(results) == 1
    assert "15 failed at stage sample: ArithmeticError: too few" in capsys.readouterr().out


class Leaving(ExactSampler):
    def compile(self, target: Target, simulated: Simulated) -> ExactDensity:
        raise SystemExit("while it compiles")


def test_what_fails_to_compile_in_advance_fails_when_it_is_run() -> None:
    a_sweep = sweep(Leaving())
    replicate = Replicate(a_sweep.design.cells[0], 42, 0)
    warm_up(replicate, a_sweep.workshop)
    record = run_replicate(replicate, a_sweep.workshop)
    assert record.failure is not None
    assert record.failure.error == "SystemExit: while it compiles"
