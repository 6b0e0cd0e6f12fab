"""How often the gate on time fails, passes and stays open, under noise as machines have it.

Each build is a job of two sides in rounds, by turns, through the whole product (sweeps, sessions,
store, pairs, gate). Fits are exact and their times are drawn: a factor for the job (sd of its
logarithm 0.148), one for each round of each side (0.028), one for each data set (0.3, the same on
both sides) and one for each fit (0.028). The head takes `ratio` times as long. Run with
``python bench/time_rates.py --builds 500``.

For comparison, the mean time of the head is set beside that of the base of another job, which the
gate refuses to do.
"""

import argparse
import shutil
import tempfile
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from scipy.stats import binom

from recovery import Sweep
from recovery.gates import check
from recovery.results import Results
from recovery.testing import ExactSampler, line
from recovery.testing.line import ExactDensity

RATIOS = (1.0, 1.1, 1.2, 1.3)
LIMIT = 1.2
BETWEEN_JOBS, WITHIN, DATA_SETS = 0.148, 0.028, 0.3
GATES = {"time_ratio_below": LIMIT}


@dataclass
class Timed(ExactSampler):
    """Exact posteriors whose fits take a time that is drawn, in seconds."""

    seconds: float = 10.0  # a mean that leaves real milliseconds out of account
    stream: int = 0

    def compile(self, target: Any, simulated: Any) -> "TimedDensity":
        return TimedDensity(self, target)


class TimedDensity(ExactDensity):
    def fit(self, simulated: Any, settings: Any, seed: int) -> Any:
        fit, sampler = super().fit(simulated, settings, seed), self._sampler
        of_data = np.random.default_rng(seed).normal(0, DATA_SETS)
        of_fit = np.random.default_rng([seed, sampler.stream]).normal(0, WITHIN)
        return replace(fit, sample_s=sampler.seconds * float(np.exp(of_data + of_fit)))


def job(folder: Path, seed: int, ratio: float, rounds: int, fits: int) -> tuple[Results, Results]:
    """Run base and head in rounds, by turns."""
    rng, name = np.random.default_rng([seed, round(100 * ratio)]), uuid.uuid4().hex
    usual = 10 * float(np.exp(rng.normal(0, BETWEEN_JOBS)))
    samplers = {"base": Timed(stream=1), "head": Timed(stream=2)}
    sweeps = {
        side: Sweep(line, {"trials": [20]}, replicates=1, seed=seed, draws=25, sampler=sampler)
        for side, sampler in samplers.items()
    }
    results = {}
    for number in range(-1, rounds):
        for side in ("base", "head") if number % 2 == 0 else ("head", "base"):
            factor = float(np.exp(rng.normal(0, WITHIN))) * (ratio if side == "head" else 1.0)
            samplers[side].seconds = usual * factor
            sweeps[side] = sweeps[side].grown(1 + fits * (number + 1))
            results[side] = sweeps[side].run(
                folder / side, workers=1, processes=1, progress=False, report=False,
                interleaved={"job": name, "side": side, "round": number, "rounds": rounds},
            )  # fmt: skip
    return results["base"], results["head"]


Build = dict[str, tuple[str, int | None, float, float]]


def build(seed: int, rounds: int, fits: int, ratios: Sequence[float] = RATIOS) -> Build:
    """Return outcome, what would decide, and the mean times of head and base, by ratio."""
    found = {}
    for ratio in ratios:
        folder = Path(tempfile.mkdtemp(prefix="times"))
        try:
            base, head = job(folder, seed, ratio, rounds, fits)
            (verdict,) = check(head, GATES, baseline=base)
            mine, theirs = (run.fits["wall_s"].to_numpy()[1:].mean() for run in (head, base))
            found[str(ratio)] = str(verdict.outcome), verdict.needed, float(mine), float(theirs)
        finally:
            shutil.rmtree(folder)
    return found


def table(found: list[Build]) -> str:
    n = len(found)
    lines = ["| true ratio | fail | pass | inconclusive | would decide, median rounds | fail, jobs "
             "on different machines, ratio of means above the limit |",
             "| ---: | ---: | ---: | ---: | ---: | ---: |"]  # fmt: skip
    for ratio in found[0]:
        counts = Counter(one[ratio][0] for one in found)
        assert not counts["error"]
        known = [one[ratio][1] for one in found if one[ratio][1] is not None]
        told = f"{np.median(known):.0f}" if known else ""
        # The head of one job over the base of another, as a file from elsewhere would be used.
        apart = np.mean([
            one[ratio][2] / other[ratio][3] > LIMIT
            for one, other in zip(found, found[1:] + found[:1], strict=True)
        ])  # fmt: skip
        shares = " | ".join(f"{counts[o] / n:.3f}" for o in ("fail", "pass", "inconclusive"))
        lines.append(f"| {ratio} | {shares} | {told} | {apart:.3f} |")
    alarms = sum(one["1.0"][0] == "fail" for one in found)
    chance = binom.sf(alarms - 1, n, 0.05)
    lines += ["", f"{n} builds with the limit {LIMIT}; {alarms} false alarms at ratio 1 (so many "
              f"or more by chance, were 5 % true: {chance:.2g})."]  # fmt: skip
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--builds", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--fits", type=int, default=4, help="a round")
    parser.add_argument("--ratios", type=float, nargs="+", default=RATIOS)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    if 1.0 not in given.ratios:
        parser.error("--ratios: must have 1, of which false alarms are counted")
    tasks = (
        delayed(build)(seed, given.rounds, given.fits, given.ratios) for seed in range(given.builds)
    )
    print(table(Parallel(given.jobs)(tasks)))
