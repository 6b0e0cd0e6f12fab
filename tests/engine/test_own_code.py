"""The same bits whatever numba's cache holds, and whatever a process has compiled before."""

import ctypes
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytensor
import pytest
from pytensor.compile.mode import get_default_mode

from recovery.design import Design, Settings
from recovery.engine.replicate import simulate
from recovery.engine.samplers.own_code import OwnCode, OwnLinker, own_mode
from recovery.engine.workshop import Workshop
from recovery.loading import load_scenario

FITS = {
    "nutpie": Settings(draws=50, tune=100, chains=2),
    "pymc": Settings("pymc", draws=30, tune=50, chains=1),
    **{name: Settings(name, draws=10, chains=1) for name in ("advi", "laplace")},
}
DISCRETE = """
import numpy as np
import pymc as pm
from recovery import Problem, scenario

@scenario
def counted(trials: int = 60) -> Problem:
    with pm.Model() as model:
        x = pm.Data("x", np.linspace(-1, 1, 3 * trials).reshape(trials, 3))
        mu = x @ pm.Normal("b", shape=3) + pm.Poisson("k", 3)
        pm.Normal("y", mu, pm.HalfNormal("sigma"), shape=trials)
    return Problem(model, observed="y", truth={"b": [1, 2, 3], "k": 4, "sigma": 0.5})
"""


def digests(*words: str) -> list[str]:
    """Fit each model by a sampler, in this process, one after the other."""
    found = []
    for word in words:
        sampler, _, model = word.partition("=")
        workshop = Workshop(load_scenario(model))
        replicates = list(Design(workshop.scenario, {}, replicates=2))
        prepared = workshop.prepare(replicates[0].cell)
        data = [simulate(replicate, prepared) for replicate in replicates]
        density = workshop.density(prepared, workshop.sampler(sampler), data[0])
        digest = hashlib.sha256()
        for number, one in enumerate(data):
            fit = density.fit(one, FITS[sampler], number)
            for values in fit.draws.values():
                digest.update(np.ascontiguousarray(values).tobytes())
        found.append(f"{word} {digest.hexdigest()[:16]}")
    return found


def in_a_process(folder: Path, *words: str) -> set[str]:
    """Fit in a process with a cache of compiled code in a folder."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", __file__, *words],
        capture_output=True, text=True, timeout=600, cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "PYTENSOR_FLAGS": f"base_compiledir={folder / 'pytensor'}",
            "NUMBA_CACHE_DIR": str(folder / "numba"),
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines())


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_draws_depend_neither_on_the_cache_nor_on_what_was_compiled_before(tmp_path: Path) -> None:
    (tmp_path / "counted.py").write_text(DISCRETE)
    words = [f"{sampler}=plants" for sampler in FITS] + ["pymc=counted.py"]
    cold = in_a_process(tmp_path, *words)
    assert len(cold) == len(words)
    assert in_a_process(tmp_path, *reversed(words)) == cold
    assert in_a_process(tmp_path, "nutpie=logistic", words[0]) & cold


def test_numba_has_what_own_code_is_made_of() -> None:
    """A process that fills a cache is slow to test; this fails first when numba has changed."""
    called = numba.njit(lambda x: x.sum())
    own = numba.cfunc(numba.float64(numba.types.CPointer(numba.float64)), pipeline_class=OwnCode)
    compiled = own(lambda pointer: called(numba.carray(pointer, (4,))))
    assert "define linkonce_odr" not in compiled.inspect_llvm()
    values = np.arange(4.0)
    assert compiled.ctypes(values.ctypes.data_as(ctypes.POINTER(ctypes.c_double))) == 6
    with pytensor.config.change_flags(mode="NUMBA"):
        assert isinstance(own_mode().linker, OwnLinker)
        assert pytensor.function([], pytensor.tensor.exp(0.0), mode=own_mode())() == 1.0
    with pytensor.config.change_flags(mode="FAST_COMPILE"):
        assert own_mode() is get_default_mode()


if __name__ == "__main__":
    print(*digests(*sys.argv[1:]), sep="\n")
