"""How soon the first fit is there: `recovery run` beside a bare nutpie script, in fresh processes.

Run with ``python bench/first_result.py [--pairs N]``; the first pair may still fill numba's cache.
Both times begin when the process is started, imports included. CPU seconds are less disturbed by
what else the machine does.

- bare: build the plants model and data, compile, sample once, in the fewest lines;
- recovery: ``python -m recovery run plants --replicates 2``, until the first commit has returned.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

BARE = """
import time
import numpy as np, nutpie, pymc as pm
rng = np.random.default_rng(1)
x = rng.normal(size=(100, 3))
y = x @ [5, 20, 2] + rng.normal(size=100) * 0.5
coords = {"trial": range(100), "features": ["sunlight hours", "water amount", "soil nitrogen"]}
with pm.Model(coords=coords) as model:
    data = pm.Data("x", x, dims=["trial", "features"])
    betas = pm.Normal("betas", dims="features")
    sigma = pm.HalfNormal("sigma")
    pm.Normal("plant growth", data @ betas, sigma, dims="trial", observed=y)
compiled = nutpie.compile_pymc_model(model)
nutpie.sample(compiled, draws=1000, tune=1000, chains=4, cores=CORES, seed=1, progress_bar=False)
print("first", time.time(), time.process_time())
"""

RECOVERY = """
import sys, time
from recovery.store import Store

append = Store.append

def watched(*args, **kwargs):
    append(*args, **kwargs)
    if Store.append is watched:
        Store.append = append
        print("first", time.time(), time.process_time(), flush=True)

Store.append = watched
from recovery.cli import main
main(["run", "plants", "--replicates", "2", "--out", sys.argv[1]])
"""


def first(code: str, *arguments: str) -> tuple[float, float]:
    """Return the seconds from the start of a process to its first fit, by the clock and of CPU."""
    started = time.time()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *arguments],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("first"))
    _, at, cpu = line.split()
    return float(at) - started, float(cpu)


def bare() -> tuple[float, float]:
    return first(BARE.replace("CORES", str(os.cpu_count())))


def recovery() -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        return first(RECOVERY, folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=5, metavar="N", help="%(default)s")
    pairs = parser.parse_args().pairs
    ratios: list[tuple[float, float]] = []
    for pair in range(pairs):
        order = (bare, recovery) if pair % 2 == 0 else (recovery, bare)
        taken = {which: which() for which in order}
        (wall, cpu), (own_wall, own_cpu) = taken[bare], taken[recovery]
        ratios.append((own_wall / wall, own_cpu / cpu))
        print(
            f"pair {pair + 1}: bare {wall:.2f} s (CPU {cpu:.2f}), recovery {own_wall:.2f} s "
            f"(CPU {own_cpu:.2f}), ratio {ratios[-1][0]:.3f} (CPU {ratios[-1][1]:.3f})",
            flush=True,
        )
    wall, cpu = (statistics.median(column) for column in zip(*ratios, strict=True))
    print(f"median ratio {wall:.3f} (CPU {cpu:.3f}) over {pairs} pairs")


if __name__ == "__main__":
    main()
