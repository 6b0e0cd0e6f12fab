"""A disk that is full stops a run with one line; nothing acknowledged is lost, and it goes on."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pandas as pd
import pytest

from recovery import Sweep
from recovery.results import Results
from recovery.store import Store
from recovery.testing import ExactSampler, line
from recovery.verify import verify

# The limit is on each file of the process, as a full disk is on all: writes fail from there on.
RUN = """
import resource, sys
from recovery import Sweep
from recovery.errors import RecoveryError
from recovery.store import Store
from recovery.testing import ExactSampler, line

limit, folder = int(sys.argv[1]), sys.argv[2]
append = Store.append

def acknowledged(self, records, **how):
    append(self, records, **how)
    print(*(record.key for record in records), sep="\\n", flush=True)

Store.append = acknowledged
sweep = Sweep(line, {"trials": [5, 9]}, truth="both", replicates=40, sampler=ExactSampler(),
              draws=100)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    sweep.run(folder, workers=2, progress=False, report=False)
except RecoveryError as error:
    sys.exit(f"{type(error).__name__} {error.exit_code}: {error}")
"""


def sweep() -> Sweep:
    levels = {"trials": [5, 9]}
    return Sweep(line, levels, truth="both", replicates=40, sampler=ExactSampler(), draws=100)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    folder = tmp_path_factory.mktemp("whole") / "run"
    return sweep().run(folder, progress=False, report=False).estimates


@pytest.mark.parametrize("limit", [600_000, 1_500_000])
def test_a_file_that_cannot_grow_ends_a_run_and_loses_nothing_acknowledged(
    tmp_path: Path, expected: pd.DataFrame, limit: int
) -> None:
    folder = tmp_path / "run"
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(RUN), str(limit), str(folder)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ended.stderr.startswith("StoreWriteError 1: "), ended.stderr
    assert "could not be written" in ended.stderr
    assert "run the same command again" in ended.stderr
    assert "Traceback" not in ended.stderr
    acknowledged = set(ended.stdout.split())
    assert 0 < len(acknowledged) < 160
    there = Results(folder).replicates
    assert acknowledged <= set(there.query("status == 'ok'")["key"])
    assert verify(folder).findings == []
    # There is room again: the same run goes on, and ends as if nothing had been.
    pd.testing.assert_frame_equal(
        sweep().run(folder, progress=False, report=False).estimates, expected, check_exact=True
    )
    store = Store.read(folder)
    assert store.rows("SELECT count(*) FROM replicates") == [(160,)]
    store.close()
