"""Where the numbers come from: the design of the run, and the sessions that ran it."""

from collections.abc import Mapping
from typing import Any

from recovery.report.document import Block, Column, Facts, Section, Table, Text, row
from recovery.report.manifest import levels, seed_rule
from recovery.report.text import count, level, listed, number, plain, seconds
from recovery.report.view import MODES, View

_NO_SETTING = ("scenario", "axes", "seed")


def design_section(view: View) -> Section:
    """Return the design: scenario, axes, truth modes, replicates, model, seeds, sampler."""
    identity = view.results.identity
    planned = view.cells["n_planned"]
    each = f"{planned.min()}" if planned.nunique() == 1 else f"{planned.min()} to {planned.max()}"
    settings = [f"{k} {_setting(v)}" for k, v in identity.items() if k not in _NO_SETTING]
    modes = list(dict.fromkeys(view.modes))
    facts = Facts(
        (
            ("scenario", plain(identity.get("scenario", ""))),
            ("cells", f"{len(view.cells):,}, every combination of levels and truth modes"),
            ("truth modes", listed([f"{m} ({MODES.get(m, '')})" for m in modes])),
            ("replicates", f"{each} per cell, {int(planned.sum()):,} in all"),
            ("sampler", ", ".join(settings)),
            ("seeds", seed_rule(identity.get("seed"))),
        )
    )
    blocks: list[Block] = [facts]
    axes = tuple(
        row(plain(axis), ", ".join(map(level, values)), "swept" if axis in view.swept else "fixed")
        for axis, values in levels(view).items()
    )
    if axes:
        columns = tuple(Column(name, numeric=False) for name in ("axis", "levels", ""))
        blocks.append(Table("Axes of the scenario and their levels.", columns, axes))
    return Section("design", "Design", (*blocks, *_model(view)))


def _setting(value: object) -> str:
    return level(value) if isinstance(value, int | float | str | bool) else plain(value)


def _model(view: View) -> list[Block]:
    problems = list(view.results.problems.values())
    models = [problem.get("model") for problem in problems]
    first: Mapping[str, Any] = problems[0] if problems else {}
    lines: Mapping[str, str] = first.get("model") or {}
    if not lines:
        return []
    redrawn, fixed = list(first.get("covariates") or {}), list(first.get("data") or {})
    rows = tuple(row(plain(name), plain(what)) for name, what in lines.items())
    columns = (Column("variable", numeric=False), Column("role, distribution, dims", numeric=False))
    differing = sum(model != lines for model in models)
    notes = []
    if redrawn:
        names = listed([plain(name) for name in redrawn])
        notes.append(f"Covariates redrawn for each replicate: {names}.")
    if fixed:
        notes.append(f"Data that stay as they are: {listed([plain(name) for name in fixed])}.")
    if differing:
        notes.append(f"{count(differing, 'other cell')} of the design has other variables.")
    return [Table("Variables of the model, of the first cell.", columns, rows, tuple(notes))]


def provenance_section(view: View) -> Section:
    """Return the sessions: when, where, with which versions, by which command."""
    sessions = view.results.sessions
    blocks: list[Block] = []
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
