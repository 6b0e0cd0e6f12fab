"""What runs say of how they were made: when, with which versions, of which code, where."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from recovery.design import SAMPLER_AXES
from recovery.inert import plain
from recovery.results import Results

_COMMIT: Final = 10  # digits of a commit that are shown
_DIRTY: Final = "-dirty"
_LONGEST: Final = 40  # characters of what something was, as of many seeds


def origins(runs: Sequence[Results]) -> list[dict[str, Any]]:
    """Return where each of several runs comes from, and what has changed since the one before.

    Parameters
    ----------
    runs : sequence of Results
        In their order.

    Returns
    -------
    list of dict
        ``folder``, ``started``, ``commit`` (short; several sessions may have several), ``dirty``
        (whether files had changed), ``changed`` (sampler settings, seeds, and versions of Python,
        packages and the scenario's file) and ``machine``.
    """
    told: list[dict[str, Any]] = []
    before: dict[str, str] = {}
    for results in runs:
        sessions = results.sessions
        commits = list(dict.fromkeys(str(s.get("git_commit") or "") for s in sessions))
        now = {**_settings(results), **_versions(sessions)}
        changed = [
            f"{name} {_cut(before.get(name, 'none'))} → {_cut(now.get(name, 'none'))}"
            for name in dict.fromkeys([*now, *before])
            if told and before.get(name) != now.get(name)
        ]
        told.append(
            {
                "folder": str(results.folder),
                "started": started(results),
                "commit": ", ".join(dict.fromkeys(filter(None, map(_short, commits)))),
                "dirty": any(commit.endswith(_DIRTY) for commit in commits),
                "changed": "; ".join(changed),
                "machine": " and ".join(dict.fromkeys(map(machine, sessions))),
            }
        )
        before = now
    return told


def started(results: Results) -> str:
    """Return when the first session of a run began, as ISO 8601; empty if it has none."""
    return plain(results.sessions[0].get("started", "")) if results.sessions else ""


def machine(session: Mapping[str, Any]) -> str:
    """Return what a session says of its machine, in words."""
    known = session.get("machine") or {}
    named = [plain(known[k]) for k in ("processor", "system") if known.get(k)]
    return ", ".join([*named, f"{plain(known.get('cores', '?'))} cores"])


def _settings(results: Results) -> dict[str, str]:
    """Return sampler settings, over all cells, and root seeds, by name."""
    found = {}
    for name in SAMPLER_AXES:
        values = [one[name] for one in results.settings if one.get(name) is not None]
        found[name] = " and ".join(plain(value) for value in dict.fromkeys(values))
    seeds = np.unique(results.columns.seed).tolist()
    found["seed"] = _ranges(seeds) or plain(results.identity.get("seed", ""))
    return {name: text for name, text in found.items() if text}


def _ranges(numbers: Sequence[int]) -> str:
    """Write whole numbers, which ascend, with their gaps: 1-3, 7."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ", ".join("-".join(map(str, run)) for run in runs)


def _versions(sessions: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return what the numbers of a run may depend on, by name."""
    found: dict[str, dict[str, None]] = {}
    for session in sessions:
        source = (session.get("scenario") or {}).get("source_digest")
        known = {
            "python": session.get("python"),
            **(session.get("packages") or {}),
            "scenario file": source[:8] if source else None,
        }
        for name, version in known.items():
            if version:
                found.setdefault(plain(name), {})[plain(version)] = None
    return {name: " and ".join(versions) for name, versions in found.items()}


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _short(commit: str) -> str:
    text = plain(commit.removesuffix(_DIRTY))
    return text[:_COMMIT] if len(text) == 40 else text[:40]
