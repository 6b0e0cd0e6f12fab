"""Where the numbers come from: the sessions that ran them, with their versions and machines."""

from collections.abc import Mapping
from typing import Any

from recovery.report.document import Block, Facts, Section, Text
from recovery.report.text import count, number, plain, seconds
from recovery.report.view import View


def provenance_section(view: View) -> Section:
    """Return the sessions: when, where, with which versions, by which command."""
    sessions = view.results.sessions
    blocks: list[Block] = [
        Text(
            "The source digest is BLAKE2b, 16 bytes, of the file that the scenario stands in; the "
            "commit is that of its repository, with -dirty if files had changed."
        )
    ]
    machines = {str(session.get("machine")) for session in sessions}
    packages = {str(session.get("packages")) for session in sessions}
    if len(machines) > 1:
        blocks.append(
            Text("The sessions ran on different machines: their times do not compare.", "warn")
        )
    if len(packages) > 1:
        blocks.append(Text("The sessions ran with different versions of packages.", "warn"))
    for i, session in enumerate(sessions, 1):
        title = f"{i} of {len(sessions)}" if len(sessions) > 1 else "1"
        blocks.append(Facts((("session", title), *_session(session))))
    if not sessions:
        blocks.append(Text("The store names no session."))
    return Section("provenance", "Provenance", tuple(blocks))


def _session(session: Mapping[str, Any]) -> list[tuple[str, str]]:
    machine = session.get("machine") or {}
    packages = session.get("packages") or {}
    known = {
        "started": session.get("started"),
        "command": session.get("command"),
        "workers": session.get("workers"),
        "machine": ", ".join(
            plain(part)
            for part in (machine.get("processor"), machine.get("system"))
            if part is not None
        ),
        "cores": machine.get("cores"),
        "git commit": session.get("git_commit"),
        "scenario": (session.get("scenario") or {}).get("target"),
        "source digest": (session.get("scenario") or {}).get("source_digest"),
        "versions": ", ".join(
            f"{plain(name)} {plain(version)}"
            for name, version in {"python": session.get("python"), **packages}.items()
            if version is not None
        ),
        **_carried_out(session.get("execution") or {}),
    }
    return [(name, plain(value)) for name, value in known.items() if value not in (None, "")]


def _carried_out(execution: Mapping[str, Any]) -> dict[str, str]:
    """Return how the fits of a session were carried out, and how many there were in a second."""
    fits, spent = execution.get("fits"), execution.get("fitting_s")
    if not fits or not spent:
        return {}
    found = {"fits": f"{fits:,} in {seconds(spent)}, {number(fits / spent, 3)} per second"}
    workers, processes = execution.get("workers"), execution.get("processes")
    if workers and processes:
        found["fitted by"] = (
            f"{count(workers, 'worker')}, in {count(processes, 'process', 'processes')} of "
            f"{count(execution.get('threads') or 1, 'thread')} at most"
        )
    share = execution.get("python_share")
    if share is not None:
        found["interpreter"] = f"needed for {100 * share:.1f} % of the time of a fit"
    if target := execution.get("precision"):
        found["precision"] = f"coverage to a Monte Carlo standard error of {target:g}"
    if margin := execution.get("margin"):
        found["stopped when"] = f"decided, coverage within {margin:g} of nominal"
    return found
