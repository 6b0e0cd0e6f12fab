"""What was asked and how: aims, data-generating mechanism, estimands, methods, measures (ADEMP)."""

from collections.abc import Mapping
from typing import Any, Final

from recovery.record import FITTED, QUANTITY
from recovery.report.document import Block, Column, Facts, Heading, Section, Table, Text, row
from recovery.report.manifest import levels, seed_rule
from recovery.report.measured import PERCENT
from recovery.report.text import MISSING, count, level, listed, number, plain
from recovery.report.view import MODES, PREDICTED, View

_NO_SETTING: Final = ("scenario", "axes", "seed")
_ROLES: Final = ("data", "free", "deterministic", "potential", "observed")
_MOST_TRUTHS: Final = 12  # elements of one variable that are written out


def design_section(view: View) -> Section:
    """Return the design under the five headings of Morris, White & Crowther (2019)."""
    parts = (
        ("aims", "Aims", _aims(view)),
        ("mechanism", "Data-generating mechanism", _mechanism(view)),
        ("estimands", "Estimands", _estimands(view)),
        ("methods", "Methods", _methods(view)),
        ("measures", "Performance measures", _measures(view)),
    )
    blocks: list[Block] = []
    for slug, title, found in parts:
        blocks += [Heading(slug, title), *found]
    return Section("design", "Design", tuple(blocks))


def about(view: View) -> str:
    """Return what the scenario says of itself, from the last session that knew it."""
    found = [(session.get("scenario") or {}).get("about") for session in view.results.sessions]
    return plain(next((text for text in reversed(found) if text), ""))


def portrait(view: View) -> Mapping[str, Mapping[str, Any]]:
    """Return the variables of the model by name, from the last session that knew them."""
    found = [session.get("model") for session in view.results.sessions]
    return next((model for model in reversed(found) if model), {})


# --- aims ----------------------------------------------------------------------------------------


def _aims(view: View) -> list[Block]:
    sampler = view.results.identity.get("sampler", "the sampler")
    name = "each sampler" if sampler == "swept" else f"the sampler {plain(sampler)}"
    questions = {
        "prior": "Averaged over truths drawn from the prior, are its posteriors right? An exact "
        "posterior has uniform ranks and intervals of nominal coverage then, so this judges the "
        "sampler (simulation-based calibration).",
        "fixed": "At one given truth, are the parameters found, with what bias and at what "
        "coverage? Nothing says that an exact posterior is unbiased or has nominal coverage at one "
        "truth, so this judges model, prior and data together.",
    }
    text = f"When the truth is known, does this model fitted with {name} find it, and at what cost?"
    facts = Facts(tuple((MODES[m], questions[m]) for m in questions if m in view.modes))
    return [Text(text), facts]


# --- data-generating mechanism -------------------------------------------------------------------


def _mechanism(view: View) -> list[Block]:
    modes = list(dict.fromkeys(view.modes))
    facts = (
        ("scenario", plain(view.results.identity.get("scenario", ""))),
        ("cells", f"{len(view.cells):,}, every combination of levels and truth modes"),
        ("truth modes", listed([MODES.get(m, m) for m in modes])),
    )
    return [Facts(facts), *_axes(view), *_model(view), *_truths(view)]


def _axes(view: View) -> list[Block]:
    rows = tuple(
        row(plain(axis), ", ".join(map(level, values)), "swept" if axis in view.swept else "fixed")
        for axis, values in levels(view).items()
    )
    columns = tuple(Column(name, numeric=False) for name in ("axis", "levels", "swept or fixed"))
    return [Table("Axes of the scenario and their levels.", columns, rows)] if rows else []


def _model(view: View) -> list[Block]:
    problems = list(view.results.problems.values())
    models = [problem.get("model") for problem in problems]
    first: Mapping[str, Any] = problems[0] if problems else {}
    lines: Mapping[str, str] = first.get("model") or {}
    if not lines:
        return []
    redrawn, fixed = list(first.get("covariates") or {}), list(first.get("data") or {})
    differing = sum(model != lines for model in models)
    notes = []
    if redrawn:
        names = listed([plain(name) for name in redrawn])
        notes.append(f"Covariates redrawn for each replicate: {names}.")
    if fixed:
        notes.append(f"Data that stay as they are: {listed([plain(name) for name in fixed])}.")
    if differing:
        have = "has" if differing == 1 else "have"
        notes.append(f"{count(differing, 'other cell')} of the design {have} other variables.")
    if view.generated:
        notes.append("Data come from another model, the generator; this is the one that is fitted.")
    caption = "Variables of the model, of the first cell of the last session."
    known = portrait(view)
    rows = [
        row(
            plain(name),
            plain(each["role"]),
            plain(each["distribution"]) or MISSING,
            ", ".join(map(plain, each["dims"])) or MISSING,
            ", ".join(map(plain, each["parents"])) or MISSING,
        )
        for role in _ROLES
        for name, each in known.items()
        if each["role"] == role
    ]
    columns = tuple(
        Column(title, numeric=False)
        for title in ("variable", "role", "distribution", "dims", "depends on")
    )
    if not rows:
        rows = [row(plain(name), plain(what)) for name, what in lines.items()]
        columns = tuple(Column(t, numeric=False) for t in ("variable", "role, distribution, dims"))
        caption = "Variables of the model, of the first cell."
    return [Table(caption, columns, tuple(rows), tuple(notes), slug="table-model")]


def _truths(view: View) -> list[Block]:
    if "fixed" not in view.modes:
        return []
    first = next(iter(view.results.problems.values()), {})
    pairs = []
    for name, value in (first.get("truth") or {}).items():
        flat = _flat(value)
        shown = ", ".join(
            number(v) if isinstance(v, float) else level(v) for v in flat[:_MOST_TRUTHS]
        )
        more = f" and {len(flat) - _MOST_TRUTHS} more" if len(flat) > _MOST_TRUTHS else ""
        pairs.append((plain(name), shown + more))
    if not pairs:
        return []
    return [Text("The fixed truth, in the first cell:"), Facts(tuple(pairs))]


def _flat(value: Any) -> list[Any]:
    return [v for part in value for v in _flat(part)] if isinstance(value, list) else [value]


# --- estimands -----------------------------------------------------------------------------------


def _estimands(view: View) -> list[Block]:
    kinds = view.kinds
    groups = (
        ("fitted", FITTED, "judged by every measure"),
        ("predicted", PREDICTED, "compared with new observations, or their means"),
        ("test quantities", (QUANTITY,), "ranked only: functions of parameters and data"),
    )
    pairs = []
    for title, wanted, use in groups:
        names = [plain(name) for name, kind in kinds.items() if kind in wanted]
        if names:
            shown = listed(names) if len(names) <= _MOST_TRUTHS else (
                f"{', '.join(names[:_MOST_TRUTHS])} and {len(names) - _MOST_TRUTHS} more"
            )  # fmt: skip
            pairs.append((title, f"{shown}; {use}"))
    if not pairs:
        return [Text("No fit is complete, so what would be estimated is not known.")]
    text = "Every scalar element of what is fitted, in its own units; the estimate is its posterior"
    return [Text(f"{text}, told by mean, sd and quantiles."), Facts(tuple(pairs))]


# --- methods -------------------------------------------------------------------------------------


def _methods(view: View) -> list[Block]:
    identity = view.results.identity
    planned = view.cells["n_planned"]
    each = f"{planned.min()}" if planned.nunique() == 1 else f"{planned.min()} to {planned.max()}"
    settings = [
        f"{k} {_setting(v)}"
        for k, v in identity.items()
        if k not in _NO_SETTING and not (k == "ess" and v == 0)  # 0: not asked for
    ]
    facts = (
        ("sampler", ", ".join(settings)),
        ("replicates", f"{each} per cell, {int(planned.sum()):,} in all"),
        ("seeds", seed_rule(identity.get("seed"))),
        ("failures", "a fit that fails is a record of its own; nothing is drawn again"),
    )
    return [Facts(facts)]


def _setting(value: object) -> str:
    return level(value) if isinstance(value, int | float | str | bool) else plain(value)


# --- performance measures ------------------------------------------------------------------------


def _measures(view: View) -> list[Block]:
    prior = (
        "ranks of the truth, tested by an exact simultaneous band; "
        if "prior" in view.modes
        else ""
    )
    return [
        Text(
            f"Coverage of central {PERCENT} intervals, bias, empirical and model standard error, "
            f"RMSE; {prior}r_hat, ESS and divergences; wall time and gradient evaluations. Each "
            "measure has its Monte Carlo standard error, which counts replicates and draws "
            "(Morris, White & Crowther 2019, doi:10.1002/sim.8086, whose five headings these are).",
            evidence="guide",
        )
    ]
