"""How often whole builds fail: hundreds of them, with nothing changed and with planted changes.

Each build is a base run and a head run of `line` with exact posteriors through the whole product
(sweep, store, results, gates), judged by one policy. Seeds differ from build to build. What changes
in the head:

- nothing: the same data, other draws of the same posteriors, as from another version of a sampler;
- sd 0.8: posterior sds are 0.8 of what they should be;
- coverage -5: posterior sds are 0.875 of what they should be, so 90 % intervals cover 85 %;
- gradients 1.3: each fit takes 1.3 times the gradient evaluations;
- half the data: the posterior is exact, given half of the rows; it is calibrated and covers well.

Seven gates are one policy, as in earlier tables. The two on what a run knows less than its baseline
are judged with those in a policy of nine, whose outcome as a whole is told, too.

Gradient evaluations of a fit vary by 20 % and are drawn anew in the head. Run with
``python bench/gate_rates.py --builds 500 --replicates 500 --json rates.jsonl``.
"""

import argparse
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pymc as pm
from joblib import Parallel, delayed
from scipy.stats import binom

from recovery import Problem, Sweep, scenario
from recovery.gates import check
from recovery.results import Results
from recovery.testing import ExactSampler, line
from recovery.testing.line import ExactDensity

POLICY = {
    "calibrated": True, "coverage_within": 0.05, "bias_within": 0.25, "r_hat_below": 1.01,
    "failed_below": 0.02, "coverage_drop_below": 0.03, "gradients_ratio_below": 1.2,
}  # fmt: skip
INFORMATION = {"model_se_ratio_below": 1.1, "rmse_ratio_below": 1.2}
HEADS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "sd 0.8": {"sd_factor": 0.8},
    "coverage -5": {"sd_factor": 0.875},
    "gradients 1.3": {"gradients": 1.3},
    "half the data": {"used": 0.5},
}
NINE = "**whole build of nine gates**"
_SPREAD = 0.2  # sd of the logarithm of the gradient evaluations of a fit


@dataclass
class Costly(ExactSampler):
    """Exact posteriors, or flawed ones, whose fits take gradient evaluations that vary."""

    gradients: float = 1.0
    used: float = 1.0  # share of the rows
    stream: int = 0  # of its random numbers

    def compile(self, target: Any, simulated: Any) -> "CostlyDensity":
        return CostlyDensity(self, target)


class CostlyDensity(ExactDensity):
    def posterior(self, simulated: Any) -> Any:
        data = dict(simulated.data)
        data["x"] = data["x"] * _rows(len(data["x"]), self._sampler.used)
        return super().posterior(replace(simulated, data=data))

    def fit(self, simulated: Any, settings: Any, seed: int) -> Any:
        sampler = self._sampler
        rng = np.random.default_rng([seed, sampler.stream])
        fit = super().fit(simulated, settings, int(rng.integers(2**62)))
        count = fit.sampling.gradient_evaluations * sampler.gradients
        count = round(count * rng.lognormal(0, _SPREAD))
        return replace(fit, sampling=replace(fit.sampling, gradient_evaluations=count))


def _rows(trials: int, used: float) -> Any:
    return (np.arange(trials) < used * trials)[:, None]


def _model(trials: int, used: float) -> pm.Model:
    """Return the model of `line`, whose mean keeps to the first rows alone."""
    with pm.Model(coords={"side": ["left", "right"]}) as model:
        x = pm.Data("x", np.zeros((trials, 2)), dims=["trial", "side"])
        noise_sd = pm.Data("noise_sd", 1.0)
        betas = pm.Normal("betas", dims="side")
        pm.Deterministic("total", betas.sum())
        pm.Normal("y", (x * _rows(trials, used)) @ betas, noise_sd, dims="trial")
    return model


@scenario
def half(trials: int = 20, noise: float = 1.0, slope: float = 1.0) -> Problem:
    """The data of `line`, half of which the model does not look at."""
    return Problem(
        _model(trials, 0.5), observed="y", truth={"betas": [slope, -slope]},
        covariates={"x": pm.Normal.dist(shape=(trials, 2))}, generator=_model(trials, 1.0),
    )  # fmt: skip


half.name = "line"  # seeds are made of the name


def run(folder: Path, seed: int, replicates: int, sampler: Costly) -> Results:
    sweep = Sweep(
        line if sampler.used == 1 else half, {"trials": [20]}, replicates=replicates,
        truth="prior", seed=seed, draws=250, sampler=sampler,
    )  # fmt: skip
    return sweep.run(folder, workers=1, processes=1, progress=False, report=False)


def build(seed: int, replicates: int) -> dict[str, dict[str, tuple[str, int | None]]]:
    """Return the outcome of every gate, and what would decide it, by what changed in the head."""
    folder = Path(tempfile.mkdtemp(prefix="rates"))
    try:
        base = run(folder / "base", seed, replicates, Costly())
        found = {}
        for name, flaw in HEADS.items():
            head = run(folder / name.replace(" ", "-"), seed, replicates, Costly(stream=1, **flaw))
            verdicts = check(head, POLICY, baseline=base)
            nine = check(head, POLICY | INFORMATION, baseline=base)
            told = [*verdicts, *(v for v in nine if v.gate in INFORMATION)]
            found[name] = {v.gate: (str(v.outcome), v.needed) for v in told}
            found[name][NINE] = (_whole(str(v.outcome) for v in nine), None)
        return found
    finally:
        shutil.rmtree(folder)


def _whole(outcomes: Iterable[str]) -> str:
    """Return the outcome of a build."""
    there = set(outcomes)
    return next((o for o in ("fail", "error", "inconclusive") if o in there), "pass")


def table(found: list[dict[str, Any]]) -> str:
    """Return the shares of builds by outcome, for each gate and for the whole."""
    n = len(found)
    lines = ["| changed | gate | fail | pass | inconclusive | would decide, median |",
             "| --- | --- | ---: | ---: | ---: | ---: |"]  # fmt: skip
    for name in HEADS:
        whole = Counter(_whole(one[name][gate][0] for gate in POLICY) for one in found)
        rows = {"**whole build**": whole}
        gates = [*POLICY, NINE, *INFORMATION]
        rows |= {gate: Counter(one[name][gate][0] for one in found) for gate in gates}
        for gate, counts in rows.items():
            needed = [one[name][gate][1] for one in found if gate in one[name]]
            known = [number for number in needed if number is not None]
            assert not counts["error"], (name, gate)
            shares = " | ".join(f"{counts[o] / n:.3f}" for o in ("fail", "pass", "inconclusive"))
            told = f"{np.median(known):,.0f}" if known else ""
            lines.append(f"| {name} | {gate} | {shares} | {told} |")
    for many, whole in (("seven", POLICY), ("nine", [NINE])):
        alarms = sum(_whole(one["nothing"][gate][0] for gate in whole) == "fail" for one in found)
        chance = binom.sf(alarms - 1, n, 0.05)
        lines += ["", f"{n} builds; {alarms} false alarms of {many} gates with nothing changed, at "
                  f"most 5 % allowed (so many or more by chance: {chance:.2g})."]  # fmt: skip
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--builds", type=int, default=500)
    parser.add_argument("--replicates", type=int, default=500)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    found = []
    seeds = range(1000, 1000 + given.builds)
    tasks = (delayed(build)(seed, given.replicates) for seed in seeds)
    for one in Parallel(given.jobs, return_as="generator_unordered")(tasks):
        found.append(one)
        if given.json:  # a build at a time: so many take an hour
            with given.json.open("a") as file:
                file.write(json.dumps(one) + "\n")
    print(table(found))
