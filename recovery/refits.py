"""Second fits and failures that were run again, as frames."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recovery.blocks import Block
from recovery.columns import Columns
from recovery.database import consistent
from recovery.record import ERROR_LENGTH, TRACEBACK_LENGTH, Floats, shortened
from recovery.rows import WORST
from recovery.schema import ESTIMATE_COLUMNS
from recovery.store import Store
from recovery.thresholds import flags

Keys: TypeAlias = Callable[[NDArray[np.int64]], list[str]]
"""From places of replicates to their names, see `Results.keys`."""

_REFITS: Final = """
SELECT f.replicate, f.status, f.stage, f.error, f.sampler, f.tune, f.draws, f.sample_s,
    f.divergences, f.gradient_evaluations
FROM refits f JOIN replicates r ON r.id = f.replicate ORDER BY r.cell, r.seed, r."index"
"""
_COMPLETE: Final = """
SELECT f.replicate, f.layout, f.estimates FROM refits f JOIN replicates r ON r.id = f.replicate
WHERE f.status = 'ok' ORDER BY r.cell, r.seed, r."index"
"""
_RETRIED: Final = """
SELECT cell, seed, "index", digest || '-' || seed || '-' || "index", status, stage, error,
    traceback, session, refit
FROM retried JOIN cells ON position = cell ORDER BY cell, seed, "index", retried.id
"""
_FIRST: Final = ("divergences", *(name for name, _ in WORST))
_COLUMNS: Final = (
    "position", "seed", "replicate", "key", "status", "stage", "error", "sampler", "tune", "draws",
    "sample_s", "gradient_evaluations", *_FIRST, "flags_first",
    *(f"{name}_first" for name in _FIRST),
)  # fmt: skip


def refit_rows(store: Store, columns: Columns, fits: pd.DataFrame, keys: Keys) -> pd.DataFrame:
    """Return one row per second fit, with the diagnostics of both, see `Results.refits`."""
    with consistent(store.folder):
        return _refit_rows(store, columns, fits, keys)


def _refit_rows(store: Store, columns: Columns, fits: pd.DataFrame, keys: Keys) -> pd.DataFrame:
    blocks = _blocks(store)
    rows = store.rows(_REFITS)
    places = columns.find([row[0] for row in rows])
    named = _named(places, keys)
    found: list[dict[str, Any]] = []
    for number, status, stage, error, sampler, tune, draws, sample_s, *rest in rows:
        divergences, gradients = rest
        if (place := places.get(number)) is None:
            continue  # of a replicate that came after these were read
        first = fits.iloc[place]
        found.append(
            {
                "position": int(columns.position[place]),
                "seed": int(columns.seed[place]),
                "replicate": int(columns.index[place]),
                "key": named[place],
                "status": status,
                "stage": stage,
                "error": None if error is None else shortened(str(error), ERROR_LENGTH),
                "sampler": sampler,
                "tune": tune,
                "draws": draws,
                "sample_s": sample_s,
                "gradient_evaluations": gradients,
                "divergences": np.nan if divergences is None else float(divergences),
                **_worst(blocks.get(number)),
                "flags_first": first["flags"],
                **{f"{name}_first": float(first[name]) for name in _FIRST},
            }
        )
    frame = pd.DataFrame(found, columns=list(_COLUMNS))
    judged = {name: frame[name].to_numpy(float) for name in _FIRST}
    frame["flags"] = flags(judged) if len(frame) else []
    frame.loc[frame["status"] != "ok", "flags"] = ""
    frame["cured"] = (frame["status"] == "ok") & (frame["flags"] == "")
    return frame


def refit_estimate_rows(store: Store, columns: Columns, keys: Keys) -> pd.DataFrame:
    """Return one row per second fit and scalar parameter, see `Results.refit_estimates`."""
    blocks = _blocks(store)
    places = columns.find(list(blocks))
    named = _named(places, keys)
    parts = []
    for number, block in blocks.items():
        if (place := places.get(number)) is None:
            continue
        parts.append(
            pd.DataFrame(
                {
                    "position": int(columns.position[place]),
                    "seed": int(columns.seed[place]),
                    "replicate": int(columns.index[place]),
                    "key": named[place],
                    "parameter": block.names,
                    "kind": block.kinds,
                    **{
                        name: block.column(column)[:, 0]
                        for name, column in (
                            *((n, n) for n in ("truth", "mean", "sd")),
                            ("eti_90_lower", "q0.05"),
                            ("eti_90_upper", "q0.95"),
                            *((n, n) for n in ("r_hat", "ess_bulk", "ess_tail")),
                        )
                    },
                }
            )
        )
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["position"])


def retried_rows(store: Store) -> pd.DataFrame:
    """Return one row per failure that was run again, see `Results.retried`."""
    names = ["position", "seed", "replicate", "key", "status", "stage", "error", "traceback",
             "session", "refit"]  # fmt: skip
    rows = []
    # One at a time: a text from elsewhere may be long, until it is cut here.
    for (row,) in store.chunks(_RETRIED, most=1):
        *place, status, stage, error, traceback, session, refit = row
        told = shortened(str(error), ERROR_LENGTH), shortened(str(traceback), TRACEBACK_LENGTH)
        rows.append((*place, status, stage, *told, session, bool(refit)))
    return pd.DataFrame(rows, columns=names)


def _named(places: Mapping[int, int], keys: Keys) -> dict[int, str]:
    """Return the names of some replicates by their places."""
    found = list(places.values())
    return dict(zip(found, keys(np.array(found, dtype=np.int64)), strict=True))


def _blocks(store: Store) -> dict[int, Block]:
    """Return the estimates of every complete second fit, by the number of its replicate."""
    layouts = store.layouts()
    found = {}
    for number, layout, estimates in store.rows(_COMPLETE):
        with consistent(store.folder):
            names, kinds = layouts[layout]
            values = np.frombuffer(estimates, dtype="<f8")
            shaped = values.reshape(len(ESTIMATE_COLUMNS), len(names), 1)
        found[int(number)] = Block(names, kinds, np.zeros(1, dtype=np.int64), shaped, [])
    return found


def _worst(block: Block | None) -> dict[str, float]:
    if block is None or not block.fitted.any():
        return {name: np.nan for name, _ in WORST}
    values: dict[str, Floats] = {name: block.worst(diagnostic) for name, diagnostic in WORST}
    return {name: float(value[0]) for name, value in values.items()}
