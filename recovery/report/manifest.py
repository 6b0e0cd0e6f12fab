"""The manifest: what was run, with what, where, as JSON."""

import json
import math
from typing import Any

from recovery.report.view import View

FORMAT = 1
"""Version of the manifest's layout."""


def manifest(view: View) -> dict[str, Any]:
    """Return the manifest as plain values.

    Returns
    -------
    dict
        ``format``, ``scenario``, ``axes`` (levels by axis), ``truth_modes``, ``cells`` (a count),
        ``replicates`` (planned, done, ok, failed, flagged), ``seed`` (root and rule),
        ``sampler`` (settings), ``compilations`` and ``sessions``.
    """
    identity = dict(view.results.identity)
    scenario, seed = identity.pop("scenario", None), identity.pop("seed", None)
    identity.pop("axes", None)
    done, ok = len(view.fits), view.n_ok
    return {
        "format": FORMAT,
        "scenario": scenario,
        "axes": levels(view),
        "truth_modes": list(dict.fromkeys(view.modes)),
        "cells": len(view.cells),
        "replicates": {
            "planned": int(view.cells["n_planned"].sum()),
            "done": done,
            "ok": ok,
            "failed": done - ok,
            "flagged": int(view.fits["flagged"].sum()),
        },
        "seed": {"root": seed, "rule": seed_rule(seed)},
        "sampler": identity,
        "compilations": _compilations(view),
        "sessions": view.results.sessions,
    }


def manifest_json(view: View) -> str:
    """Write the manifest as JSON; what is not finite becomes null."""
    text = json.dumps(_finite(manifest(view)), indent=2, ensure_ascii=True, allow_nan=False)
    return text + "\n"


def levels(view: View) -> dict[str, list[Any]]:
    """Return the levels of each axis in their order."""
    found = {}
    for place, axis in enumerate(view.results.axes):
        column = view.cells.iloc[:, place].tolist()
        found[axis] = list(dict.fromkeys(None if value != value else value for value in column))
    return found


def seed_rule(seed: object) -> str:
    """Say how the random numbers of a replicate follow from its name."""
    root = (
        f"the root seed {seed}"
        if isinstance(seed, int)
        else "a root seed of its own, as listed in the store"
    )
    return (
        f"Each replicate takes {root} with a spawn key made of the digest of its scenario, levels "
        "and truth mode, its number, and the purpose of the random numbers. The sampler's "
        "settings, the order of running and the number of workers are no part of it."
    )


def _compilations(view: View) -> dict[str, Any]:
    frame = view.results.compilations
    by_kind = {
        str(kind): {"count": len(group), "seconds": float(group["seconds"].sum())}
        for kind, group in frame.groupby("kind", sort=True)
    }
    groups: dict[tuple[int, int, str], list[float]] = {}
    for session, kind, seconds, process, _ in frame.itertuples(index=False):
        groups.setdefault((int(session), int(process), str(kind)), []).append(float(seconds))
    by_process = [
        {"session": s, "process": p, "kind": k, "count": len(found), "seconds": math.fsum(found)}
        for (s, p, k), found in sorted(groups.items())
    ]
    return {
        "count": len(frame),
        "seconds": float(frame["seconds"].sum()),
        "by_kind": by_kind,
        "by_process": by_process,
    }


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _finite(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
