"""Frames of one row per replicate, estimate or test, before the levels of its cell are put in."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recovery.columns import TIMES, Columns
from recovery.database import consistent
from recovery.rank_tests import RankTest
from recovery.record import Floats
from recovery.store import Store
from recovery.thresholds import flags

WORST: Final = (("r_hat_max", "r_hat"), ("ess_bulk_min", "ess_bulk"), ("ess_tail_min", "ess_tail"))
"""Columns of the worst diagnostics of a fit, and what they are the worst of."""
_ESTIMATES: Final = (
    "mean", "sd", "r_hat", "ess_bulk", "ess_tail", "mcse_mean", "crps", "rank", "ranked_among",
    "pit",
)  # fmt: skip
_COMPILATIONS: Final = "SELECT session, kind, seconds, process, structure FROM compilations"
_QUANTITY_FAILURES: Final = """
SELECT cell, quantity, substr(error, 1, 2000), count(*)
FROM quantity_failures JOIN replicates ON id = replicate
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""


def compilation_rows(store: Store) -> pd.DataFrame:
    """Return one row per compilation of a run; its structure is empty where it is not known."""
    names = ["session", "kind", "seconds", "process", "structure"]
    return pd.DataFrame(store.rows(_COMPILATIONS), columns=names)


def quantity_failure_rows(store: Store) -> pd.DataFrame:
    """Return how often each test quantity failed, see `Results.quantity_failures`."""
    names = ["position", "quantity", "error", "n"]
    return pd.DataFrame(store.rows(_QUANTITY_FAILURES), columns=names)


def fit_rows(columns: Columns) -> pd.DataFrame:
    """Return numbers and flags of every replicate, see `Results.fits`."""
    frame = pd.DataFrame({"position": columns.position, "ok": columns.ok, **columns.numbers})
    frame["wall_s"] = sum(columns.numbers[name] for name in TIMES)
    for name, diagnostic in WORST:
        frame[name] = columns.worst(diagnostic)
    frame["ess_bulk_per_s"] = frame["ess_bulk_min"] / frame["sample_s"]
    gradients = frame["gradient_evaluations"].replace(0, np.nan)
    frame["ess_bulk_per_gradient"] = frame["ess_bulk_min"] / gradients
    frame["flags"] = flags({str(name): frame[name].to_numpy(float) for name in frame})
    frame.loc[~columns.ok, "flags"] = ""
    frame["flagged"] = frame["flags"] != ""
    return frame


def replicate_rows(
    columns: Columns,
    fits: pd.DataFrame,
    store: Store,
    keys: Callable[[NDArray[np.int64]], list[str]],
) -> pd.DataFrame:
    """Return all that is known of every replicate but its estimates, see `Results.replicates`.

    Parameters
    ----------
    columns : Columns
    fits : DataFrame
        See `fit_rows`.
    store : Store
        For the texts, which are read now.
    keys : callable
        From places of replicates to their names.
    """
    status = np.where(columns.ok, "ok", "failed").astype(object)
    stage, error, traceback = np.full((3, len(columns)), None, dtype=object)
    for place, failure in columns.failures.items():
        stage[place], error[place], traceback[place] = failure
        status[place] = columns.status[place]
    sampler, data_digest = columns.texts(store)
    return pd.DataFrame(
        {
            "position": columns.position,
            "seed": columns.seed,
            "replicate": columns.index,
            "key": keys(np.arange(len(columns))),
            "status": status,
            "stage": stage,
            "error": error,
            "traceback": traceback,
            "sampler": sampler,
            **{name: fits[name] for name in fits if name not in ("position", "ok")},
            "data_digest": data_digest,
        }
    )


def estimate_rows(
    columns: Columns,
    interval: tuple[Floats, Floats],
    keys: Callable[[NDArray[np.int64]], list[str]],
) -> pd.DataFrame:
    """Return every estimate, with its 90 % interval, see `Results.estimates`.

    Parameters
    ----------
    columns : Columns
    interval : pair of array
        Lower and upper ends, in the order of the rows.
    keys : callable
        From places of replicates to their names.
    """
    blocks = columns.blocks
    places = [np.broadcast_to(b.rows, (len(b.names), len(b.rows))) for b in blocks]
    place = columns.flat(places).astype(np.intp)
    names = columns.flat([_repeated(b.names, len(b.rows)) for b in blocks]).astype(object)
    kinds = columns.flat([_repeated(b.kinds, len(b.rows)) for b in blocks]).astype(object)
    lower, upper = interval
    numbers = {name: columns.flat(columns.column(name)) for name in ("truth", *_ESTIMATES)}
    frame = pd.DataFrame(
        {
            "position": columns.position[place],
            "seed": columns.seed[place],
            "replicate": columns.index[place],
            # One string per replicate, which all of its rows share.
            "key": np.array(keys(np.arange(len(columns))), dtype=object)[place],
            "parameter": names,
            "kind": kinds,
            **numbers,
        }
    )
    with consistent(columns.folder):
        frame = frame.astype({"rank": "Int64", "ranked_among": "Int64"})
    at = frame.columns.get_loc("sd")
    assert isinstance(at, int)
    frame.insert(at + 1, "median", columns.flat(columns.column("q0.5")))
    frame.insert(at + 2, "eti_90_lower", lower)
    frame.insert(at + 3, "eti_90_upper", upper)
    return frame


def rank_test_rows(tests: Sequence[RankTest]) -> pd.DataFrame:
    """Return the tests of ranks, see `Results.calibration`; position -1 for all cells together."""
    results = [test.result for test in tests]
    return pd.DataFrame(
        {
            "position": [-1 if t.position is None else t.position for t in tests],
            "parameter": pd.Series([t.parameter for t in tests], dtype=object),
            "kind": pd.Series([t.kind for t in tests], dtype=object),
            "n": [result.n for result in results],
            "gamma": [result.gamma for result in results],
            "threshold": [result.threshold for result in results],
            "p_value": [result.p_value for result in results],
            "p_holm": [test.holm for test in tests],
            "p_bh": [test.benjamini_hochberg for test in tests],
            "rejected": [test.rejected for test in tests],
        }
    )


def _repeated(names: Sequence[str], count: int) -> NDArray[np.object_]:
    """Repeat names for so many replicates, shape (n_names, count)."""
    column = np.array(names, dtype=object)[:, None]
    return np.broadcast_to(column, (len(names), count))
