"""A sweep of `recovery` beside what a user would pick instead, on the same data sets.

Run with ``python bench/side_by_side.py``; ``--help`` lists the options, README.md says how to read
the table. Every peer lives in a process of its own and works while the others wait. Rounds
alternate their order, and every ratio is the median over rounds of ratios within a round.
"""

import argparse
import json
import statistics
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from peers import PEERS
from peers.base import Introduction, Task
from peers.machine import cores, machine
from peers.runner import Runner
from peers.table import Row, markdown, printed
from rich.console import Console

SCENARIOS = {
    "plants": "plants",
    "hierarchical": f"{Path(__file__).parent / 'peers/models.py'}:hierarchical",
}


def simulated(scenario: str, fits: int) -> list[dict[str, Any]]:
    """Return the data sets of a sweep's first replicates, from its own engine and seeds."""
    from recovery import Sweep
    from recovery.engine.replicate import simulate
    from recovery.loading import load_scenario

    sweep = Sweep(load_scenario(scenario), replicates=fits)
    workshop = sweep.workshop
    found = [simulate(replicate, workshop.prepare(replicate.cell)) for replicate in sweep.design]
    return [{**data.data, **data.observed} for data in found]


def difference(own: Introduction, reference: Introduction) -> float | None:
    """Return the largest difference of posterior means, in posterior standard deviations."""
    pairs = zip(own.moments, reference.moments, strict=False)
    found = [
        abs((mine[name][0] - mean) / sd).max()
        for mine, theirs in pairs
        for name, (mean, sd) in theirs.items()
    ]
    return float(max(found)) if found else None


def compare(runners: list[Runner], pairs: int, seconds: float) -> None:
    for runner in runners:
        runner.start(seconds)
        said = runner.problem or f"first fit after {runner.first_s:.1f} s"
        print(f"{runner.name}: {said}", flush=True)
    for number in range(pairs):
        present = [runner for runner in runners if not runner.problem]
        for runner in present if number % 2 == 0 else reversed(present):
            runner.round()
        rates = {r.name: r.rates[-1] for r in present if not r.problem}
        shown = ", ".join(f"{name} {rate:.2f}" for name, rate in rates.items())
        against = ""
        if {"recovery", "nutpie"} <= set(rates):
            against = f"; recovery / nutpie {rates['recovery'] / rates['nutpie']:.3f}"
        print(f"round {number + 1}, fits per second: {shown}{against}", flush=True)


def rows(runners: list[Runner]) -> list[Row]:
    by_name = {runner.name: runner for runner in runners}

    def ratio(above: Runner, below: Runner | None) -> float | None:
        if below is None or not above.rates or not below.rates:
            return None
        return statistics.median(a / b for a, b in zip(above.rates, below.rates, strict=False))

    ours, loop = by_name["recovery"], by_name.get("nutpie")
    return [
        Row(
            runner.name,
            runner.problem,
            runner.first_s,
            runner.count,
            runner.rates,
            ratio(runner, loop),
            ratio(ours, runner),
            runner.introduction
            and ours.introduction
            and difference(runner.introduction, ours.introduction),
        )
        for runner in runners
    ]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    whole = {"type": int, "metavar": "N"}
    parser.add_argument("--model", choices=SCENARIOS, default="plants")
    parser.add_argument("--only", metavar="PEERS", help=f"some of {','.join(PEERS)}")
    parser.add_argument("--pairs", **whole, default=5, help="rounds (%(default)s)")
    parser.add_argument("--fits", **whole, default=150, help="data sets (%(default)s)")
    parser.add_argument("--workers", **whole, help="fits at a time (one per core)")
    parser.add_argument(
        "--seconds",
        type=float,
        default=20,
        metavar="S",
        help="about so long a round of a slow peer lasts: it gets fewer fits (%(default)s)",
    )
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the raw numbers there")
    options = parser.parse_args()
    chosen = options.only.split(",") if options.only else list(PEERS)
    if unknown := set(chosen) - set(PEERS):
        parser.error(f"no peer is called {', '.join(unknown)}; there are {', '.join(PEERS)}")
    options.peers = list(dict.fromkeys(["recovery", *chosen]))
    return options


def main() -> None:
    options = arguments()
    workers = options.workers or cores()
    scenario = SCENARIOS[options.model]
    about = machine()
    print(f"{about.line}\n{options.model}, {options.fits} data sets, {workers} workers")
    data = simulated(scenario, options.fits)
    with tempfile.TemporaryDirectory() as folder:
        task = Task(options.model, scenario, data, folder, workers)
        runners = [Runner(name, task) for name in options.peers]
        try:
            compare(runners, options.pairs, options.seconds)
        finally:
            for runner in runners:
                runner.stop()
    table = rows(runners)
    Console(width=120).print(printed(table))
    if options.markdown:
        options.markdown.write_text(markdown(table, options, about), encoding="utf-8")
    if options.json:
        kept = {
            "machine": asdict(about),
            "options": {name: str(value) for name, value in vars(options).items()},
            "rows": [asdict(row) for row in table],
        }
        options.json.write_text(json.dumps(kept, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
