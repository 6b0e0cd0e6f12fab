"""The fixture `recovery` in tests of other people, which are run by an inner pytest."""

import importlib
import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

# An inner pytest forgets what it has imported, and some of these cannot be imported twice.
for module in ("cached", "gates.judging", "plots.figures", "report"):
    importlib.import_module(f"recovery.{module}")

HELP = '''
import os
from recovery.testing import ExactSampler, line

class Counted(ExactSampler):
    """The exact sampler, which notes each of its fits in a file."""

    def compile(self, target, simulated):
        density = super().compile(target, simulated)
        fit = density.fit
        def counted(*given):
            with open(os.environ["FITS"], "a") as file:
                file.write("fit\\n")
            return fit(*given)
        density.fit = counted
        return density

def sweep(recovery, replicates=30, sd_factor=1.0, **options):
    sampler = Counted(sd_factor=sd_factor)
    options = {"truth": "prior", "draws": 100, "sampler": sampler, **options}
    return recovery.sweep(line, {"trials": [10]}, replicates=replicates, workers=1, **options)
'''
PASSES = """
    from helping import sweep

    def test_it(recovery):
        verdicts = recovery.check(sweep(recovery), failed_below=0.5, draws_at_least=400)
        assert [v.outcome for v in verdicts] == ["pass", "pass"]
"""
FAILS = """
    from helping import sweep

    def test_it(recovery):
        results = sweep(recovery, sd_factor=0.2)
        recovery.check(results, coverage_within=0.05, failed_below=0.5, draws_at_least=5000)
"""
OPEN = """
    from helping import sweep

    def test_it(recovery):
        recovery.check(sweep(recovery), coverage_within=0.05, failed_below=0.5)
"""
Run = Callable[..., pytest.RunResult]


@pytest.fixture
def fits(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Count the fits that inner tests have made."""
    file = pytester.path / "fits.txt"
    monkeypatch.setenv("FITS", str(file))
    return lambda: len(file.read_text().split()) if file.is_file() else 0


@pytest.fixture
def run(pytester: pytest.Pytester, plugin: list[str], fits: Callable[[], int]) -> Run:
    """Run a test file, or what is there, by an inner pytest."""
    pytester.makepyfile(helping=HELP)
    pytester.syspathinsert()

    def run(code: str | None, *words: str, process: bool = False) -> pytest.RunResult:
        if code is not None:
            pytester.makepyfile(test_mine=code)
        runner = pytester.runpytest_subprocess if process else pytester.runpytest_inprocess
        alone = [] if "-n" in words else ["-p", "no:xdist"]
        return runner(*plugin, *alone, "-p", "no:benchmark", *words)

    return run


def section(result: pytest.RunResult) -> list[str]:
    """Return the lines of our section of the summary."""
    lines = result.outlines
    starts = [i for i, line in enumerate(lines) if re.fullmatch(r"=+ recovery =+", line)]
    if not starts:
        return []
    ends = [i for i, line in enumerate(lines) if i > starts[0] and line.startswith("==")]
    return lines[starts[0] + 1 : ends[0]]


def test_a_run_that_passes_its_gates_passes_and_is_told_of_in_one_line(run: Run) -> None:
    result = run(PASSES)
    result.assert_outcomes(passed=1)
    assert section(result) == ["test_mine.py::test_it: line, 30 replicates run now: 2 pass"]


def test_a_failure_says_gate_limit_place_numbers_reason_figure_and_report(
    run: Run, pytester: pytest.Pytester
) -> None:
    result = run(FAILS)
    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    assert "line: coverage_within, draws_at_least did not pass (30 replicates run now)" in text
    assert re.search(r"FAIL +coverage_within = 0\.05", text)
    assert re.search(r"where +.*betas\[(left|right)\]", text)
    assert re.search(r"estimate +0\.\d+, 0\.\d+ to 0\.\d+, n = 30", text)
    assert re.search(r"FAIL +draws_at_least = 5000", text)
    assert "passed: failed_below = 0.5" in text
    told = text.partition("Captured ")[0]  # what PyTensor logs while it compiles comes after it
    assert "Traceback" not in told
    assert ">   " not in told  # no line of the test's code: it has nothing to say
    paths = re.findall(r"(?:figure|report:) +(\S+)", text)
    assert len(paths) >= 2
    for path in paths:
        assert Path(path).is_file(), path
    assert any(line.startswith("  fail coverage_within = 0.05: ") for line in section(result))


@pytest.mark.parametrize(
    ("mode", "outcome", "by"),
    [
        ("tell", "passed", "ini"),
        ("skip", "skipped", "ini"),
        ("skip", "skipped", "option"),
        ("fail", "failed", "option"),
    ],
)
def test_what_is_inconclusive_passes_fails_or_is_skipped_and_always_told(
    mode: str, outcome: str, by: str, run: Run, pytester: pytest.Pytester
) -> None:
    if by == "ini":
        pytester.makeini(f"[pytest]\nrecovery_inconclusive = {mode}")
    result = run(OPEN, *([] if by == "ini" else [f"--recovery-inconclusive={mode}"]), "-rs")
    result.assert_outcomes(**{outcome: 1})
    first, second = section(result)
    assert first.endswith(": 1 inconclusive, 1 pass")
    assert re.match(r"  inconclusive coverage_within = 0.05: .* would decide$", second)
    if mode == "skip":
        result.stdout.fnmatch_lines(["SKIPPED*coverage_within*would decide*"])


def test_a_failure_after_an_inconclusive_check_is_not_hidden_by_a_skip(run: Run) -> None:
    result = run(OPEN + "        assert False, 'seen'\n", "--recovery-inconclusive=skip")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*seen*"])


def test_an_unknown_mode_is_refused_with_what_is_allowed(
    run: Run, pytester: pytest.Pytester
) -> None:
    pytester.makeini("[pytest]\nrecovery_inconclusive = perhaps")
    result = run(PASSES)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*recovery_inconclusive: 'perhaps'*give tell, fail, skip*"])


@pytest.mark.parametrize(
    ("gates", "message"),
    [
        ("coverage_withn=0.05", "did you mean coverage_within?"),
        ("coverage_within=5", "coverage_within: 5 is not allowed; give a margin"),
        ("", "no gate is given; there are: calibrated"),
        ("failed_below=0.5, error_rate=7", "error_rate: 7 is not allowed"),
    ],
)
def test_a_gate_that_is_none_fails_the_test_by_its_name_with_what_is_allowed(
    gates: str, message: str, run: Run
) -> None:
    result = run(
        f"""
        from helping import sweep

        def test_it(recovery):
            recovery.check(sweep(recovery, 2), {gates})
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"test_mine.py::test_it: *{message}*"])
    assert section(result) == []


def test_a_gate_that_needs_a_baseline_measures_nothing_without_and_is_no_pass(run: Run) -> None:
    code = """
        from helping import sweep

        def test_without(recovery):
            recovery.check(sweep(recovery), coverage_drop_below=0.3)

        def test_with(recovery):
            results = sweep(recovery)
            recovery.check(results, baseline=results, coverage_drop_below=0.3)
    """
    result = run(code)
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["ERROR  coverage_drop_below = 0.3", "*nothing was measured*"])


def test_a_second_run_of_pytest_fits_nothing(run: Run, fits: Callable[[], int]) -> None:
    run(PASSES).assert_outcomes(passed=1)
    assert fits() == 30
    result = run(None)
    result.assert_outcomes(passed=1)
    assert fits() == 30
    assert section(result)[0].endswith("30 replicates from cache: 2 pass")


def test_a_test_that_changes_its_gates_only_fits_nothing(run: Run, fits: Callable[[], int]) -> None:
    run(PASSES)
    run(PASSES.replace("failed_below=0.5", "failed_below=0.4")).assert_outcomes(passed=1)
    assert fits() == 30


MODEL = """
    import numpy as np
    import pymc as pm
    from helping import Counted
    from recovery import Problem, scenario

    @scenario
    def mine(trials: int = 10) -> Problem:
        with pm.Model(coords={"side": [0, 1]}) as model:
            x = pm.Data("x", np.ones((trials, 2)), dims=["trial", "side"])
            noise_sd = pm.Data("noise_sd", 1.0)
            betas = pm.Normal("betas", 0, 1.0, dims="side")
            pm.Normal("y", x @ betas, noise_sd, dims="trial")
        return Problem(model, observed="y")

    def test_it(recovery):
        results = recovery.sweep(
            mine, replicates=3, truth="prior", draws=50, sampler=Counted(), workers=1
        )
        recovery.check(results, draws_at_least=200)
"""


def test_a_changed_model_is_fitted_again_and_a_changed_comment_is_not(
    run: Run, fits: Callable[[], int]
) -> None:
    run(MODEL).assert_outcomes(passed=1)
    assert fits() == 3
    run(MODEL.replace("return Problem", "# a comment\n        return Problem"))
    assert fits() == 3
    run(MODEL.replace('"betas", 0, 1.0', '"betas", 0, 2.0')).assert_outcomes(passed=1)
    assert fits() == 6


def test_clearing_the_cache_clears_it(run: Run, fits: Callable[[], int]) -> None:
    run(PASSES)
    run(None, "--cache-clear").assert_outcomes(passed=1)
    assert fits() == 60


def test_without_pytests_cache_sweeps_are_kept_for_the_session(
    run: Run, fits: Callable[[], int], pytester: pytest.Pytester
) -> None:
    twice = PASSES + PASSES[PASSES.index("    def test_it") :].replace("test_it", "test_again")
    run(twice, "-p", "no:cacheprovider").assert_outcomes(passed=2)
    assert fits() == 30
    assert not (pytester.path / ".pytest_cache").exists()


def test_two_processes_that_want_one_sweep_run_it_once_and_both_are_told_of(
    run: Run, fits: Callable[[], int]
) -> None:
    pytest.importorskip("xdist")
    twice = PASSES + PASSES[PASSES.index("    def test_it") :].replace("test_it", "test_again")
    result = run(twice, "-n", "2", "--cache-clear", process=True)
    result.assert_outcomes(passed=2)
    assert fits() == 30
    told = section(result)
    assert len(told) == 2
    assert sorted(line.partition("replicates")[2] for line in told) == [
        " from cache: 2 pass",
        " run now: 2 pass",
    ]


def test_a_junit_file_has_a_property_for_each_check(run: Run, pytester: pytest.Pytester) -> None:
    run(OPEN, "--junit-xml=junit.xml", "--recovery-inconclusive=skip")
    tree = ElementTree.parse(pytester.path / "junit.xml")
    (found,) = tree.iter("property")
    assert found.get("name") == "recovery"
    told = json.loads(str(found.get("value")))
    assert told["scenario"] == "line"
    assert told["replicates"] == told["fitted"] == 30
    assert told["counts"] == {"inconclusive": 1, "pass": 1}
    assert len(list(tree.iter("skipped"))) == 1


def test_a_suite_that_does_not_use_it_is_told_nothing(run: Run) -> None:
    result = run("def test_it(): pass")
    result.assert_outcomes(passed=1)
    assert section(result) == []
    assert "recovery" not in result.stdout.str().partition("plugins:")[2].partition("\n")[2]


def test_it_can_be_left_out(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(recovery): pass")
    words = ["-p", "no:recovery", "-p", "no:recovery.pytest_plugin", "-p", "no:xdist"]
    result = pytester.runpytest_inprocess(*words)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*fixture 'recovery' not found*"])


def test_a_filter_that_makes_warnings_errors_makes_no_failed_fits(
    run: Run, pytester: pytest.Pytester
) -> None:
    pytester.makeini("[pytest]\nfilterwarnings = error")
    code = """
        import warnings
        from helping import Counted, line

        class Warning_(Counted):
            def compile(self, target, simulated):
                warnings.warn("of the sampler's own")
                return super().compile(target, simulated)

        def test_it(recovery):
            results = recovery.sweep(line, replicates=2, draws=50, sampler=Warning_(), workers=1)
            recovery.check(results, draws_at_least=100)
            assert results.fits["ok"].all()
    """
    result = run(code)
    result.assert_outcomes(passed=1, warnings=1)


def test_what_is_wrong_with_a_sweep_is_an_error_of_its_own_kind(run: Run) -> None:
    code = """
        import pytest
        from recovery.errors import LevelError
        from helping import line

        def test_it(recovery):
            with pytest.raises(LevelError, match="no axis 'trails'"):
                recovery.sweep(line, {"trails": [1]})
    """
    run(code).assert_outcomes(passed=1)


def test_importing_the_plugin_costs_next_to_nothing() -> None:
    code = """
        import sys
        import recovery.pytest_plugin
        heavy = {"pymc", "pytensor", "pandas", "numpy", "scipy", "matplotlib", "xarray", "arviz"}
        print(sorted(heavy & set(sys.modules)))
    """
    words = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=dict(os.environ))
    assert done.stdout == "[]\n"
