"""One posterior tried: a sweep as anybody runs it, its ranks tested run by run."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from recovery.calibration import uniformity
from recovery.rank_tests import rank_tests
from recovery.record import KEPT_DRAWS
from recovery.results import Results
from recovery.selfcheck.cases import CHAINS, DRAWS, Case
from recovery.selfcheck.expected import MEANS, QUANTITIES, coverage, low_ranks, rejection
from recovery.selfcheck.finding import WHOLE, Finding, Rate, certain, counted
from recovery.sweep import Sweep
from recovery.testing import Flaw, PairSampler, pair

LEVEL: Final = 0.9
_CONSTANT: Final = "correlation"


def sweep_of(case: Case, seed: int) -> Sweep:
    """Return the sweep of a case; raises SettingsError for an impossible seed."""
    return Sweep(
        pair,
        {"points": [case.points]},
        replicates=case.replicates,
        truth="prior",
        seed=seed,
        sampler=case.sampler,
        draws=DRAWS,
        chains=CHAINS,
    )


def tried(case: Case, folder: Path, seed: int) -> list[Finding]:
    """Run a case and compare what is found with what is known.

    Parameters
    ----------
    case : Case
    folder : path
        For the store.
    seed : int
        Root of all random numbers.
    """
    results = sweep_of(case, seed).run(folder, workers=1, progress=False, report=False)
    ok, all_fits = int(results.columns.ok.sum()), f"all {case.replicates}"
    found = [certain(case.name, "complete fits", all_fits, str(ok), ok == case.replicates)]
    if ok < case.replicates:
        return found
    found += _rejections(case, results)
    sampler = case.sampler
    if sampler.flaw is Flaw.NONE:
        found += _covered(case, results)
    if sampler.shift:
        found.append(_low(case, results))
    if sampler == PairSampler():
        found += [*_together(case, results), *_constant(case, results)]
    return found


def _rejections(case: Case, results: Results) -> Iterator[Finding]:
    """Cut the replicates into runs, and count in how many the ranks leave their band."""
    modes = results.cells["truth_mode"].tolist()
    for size in case.sizes:
        rejected: Counter[str] = Counter()
        tested: Counter[str] = Counter()
        run = results.columns.index // size
        for number in range(case.runs):
            for test in rank_tests(results.columns, modes, keep=run == number):
                tested[test.parameter] += test.result.n == size
                rejected[test.parameter] += test.result.rejected
        for quantity in QUANTITIES:
            expected = rejection(case.name, quantity, size)
            # A quantity that was not ranked in every run was not rejected in those either.
            known = expected if tested[quantity] == case.runs else Rate(np.nan)
            subject = f"{quantity}, runs of {size}"
            yield counted(case.name, subject, known, rejected[quantity], case.runs)


def _covered(case: Case, results: Results) -> Iterator[Finding]:
    measures = results.measures((LEVEL,))
    covered = measures[measures["measure"] == f"coverage_{100 * LEVEL:.0f}"]
    expected = coverage(case.sampler.sd_factor, case.sampler.shift, CHAINS * DRAWS, LEVEL)
    for mean in MEANS:
        row = covered[covered["parameter"] == mean]
        share, n = float(row["estimate"].sum()), int(row["n"].sum())
        subject = f"{mean}, {100 * LEVEL:.0f} % interval"
        yield counted(case.name, subject, Rate(expected), round(share * n), n, weight=WHOLE)


def _low(case: Case, results: Results) -> Finding:
    """Say on which side the truth lies: uniformity alone knows no sides."""
    ranks = results.columns.ranks(0, MEANS[0])
    half = (KEPT_DRAWS + 1) // 2
    expected = low_ranks(case.sampler.sd_factor, case.sampler.shift, half)
    subject = f"{MEANS[0]}, rank below {half}"
    low = int((ranks < half).sum())
    return counted(case.name, subject, Rate(expected), low, len(ranks), weight=WHOLE)


def _together(case: Case, results: Results) -> Iterator[Finding]:
    """Test the ranks of all runs at once, which sees far smaller flaws than a run does."""
    tests = {test.parameter: test.result for test in results.rank_tests()}
    for quantity in QUANTITIES:
        result = tests.get(quantity)
        p_value = result.p_value if result and result.n == case.replicates else 0.0
        subject = f"{quantity}, all together"
        yield Finding(case.name, subject, "uniform", f"p = {p_value:.3f}", p_value, WHOLE)


def _constant(case: Case, results: Results) -> Iterator[Finding]:
    """Look at a parameter without spread: random ties, nothing to diagnose, nothing to test."""
    group = results.columns.groups[0, _CONSTANT]
    ranks = results.columns.ranks(0, _CONSTANT)
    p_value = uniformity(ranks.astype(np.int64), KEPT_DRAWS).p_value if len(ranks) else 0.0
    yield Finding(case.name, "a constant's random ties", "uniform", f"p = {p_value:.3f}", p_value)
    r_hat = group.of(results.columns.column("r_hat"))
    yield certain(case.name, "a constant's r_hat", "none", "some", bool(np.isnan(r_hat).all()))
    tested = any(test.parameter == _CONSTANT for test in results.rank_tests())
    yield certain(case.name, "a constant's rank test", "none", "some", not tested)
