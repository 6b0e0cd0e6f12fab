"""How estimates go with truths drawn from the prior: each parameter, pairs, and all together."""

from recovery.errors import SettingsError
from recovery.record import built_in
from recovery.report.document import Block, Cell, Column, Section, Table, Text, row
from recovery.report.fits import cell_columns, cell_names
from recovery.report.measured import PERCENT, axis_columns, marked, names
from recovery.report.text import MISSING, count, level, plain, with_error
from recovery.report.view import CI_PROB, Measures, View
from recovery.scenario import LOG_POSTERIOR

_MOST_SCALARS = 12  # free parameters of a cell, up to which all pairs are shown
_MOST_FITS = 20_000  # complete fits, up to which their draws are read for the pairs
_CLEAR = 3.0  # standard errors from which a pair is marked: there are many
_MEASURES = (
    ("recovery_correlation", "correlation", "of truths and posterior means"),
    ("concordance", "concordance", "1 where the means equal the truths (Lin 1989)"),
    ("self_consistency_slope", "slope", "of truths on posterior means; 1 for an exact posterior"),
    ("z_mean", "mean z", "average error in posterior sds; 0 for an exact posterior"),
    ("z_sd", "sd of z", "1 for an exact posterior on average; above it, too narrow"),
    ("crps", "CRPS", "score of the whole posterior at the truth; low is good"),
)


def agreement_section(view: View) -> Section | None:
    """Return the section on agreement over the prior, if truth mode ``prior`` has a fit."""
    rows = view.fitted("prior")
    if not rows:
        return None
    columns = (
        Column("parameter", numeric=False),
        *axis_columns(view),
        *(Column(title, hint=hint) for _, title, hint in _MEASURES),
        Column("n"),
    )
    text = Text(
        "Correlation and concordance say how well this design tells parameters apart: they hang on "
        "data and prior, not only on the sampler. The slope and the z-scores are known for exact "
        "posteriors, whatever the model."
    )
    table = Table(
        "Estimates beside the truths that were drawn from the prior.",
        columns,
        tuple(_row(view, m) for m in rows),
    )
    blocks: list[Block] = [text, table, *_joint(view), *_pairs(view)]
    return Section("agreement", "Agreement with drawn truths", tuple(blocks))


def _row(view: View, measures: Measures) -> tuple[Cell, ...]:
    cells = [with_error(*measures[name][:2]) for name, _, _ in _MEASURES]
    return row(*names(view, measures), *cells, level(measures["bias"].n))


def _joint(view: View) -> list[Block]:
    """Return the coverage of regions of highest density, of all parameters of a cell together."""
    name = f"joint_coverage_{100 * CI_PROB:g}"
    rows = [
        row(*cell_names(view, m.position), with_error(*m[name][:2]), level(m[name].n))
        for m in view.all_fits
        if m[name].n
        and built_in(m.parameter, m.kind) == LOG_POSTERIOR
        and view.modes[m.position] == "prior"
    ]
    if not rows:
        return []
    columns = *cell_columns(view), Column(f"joint coverage {PERCENT}"), Column("n")
    return [
        Table(
            f"Coverage of the joint {PERCENT} regions of highest posterior density, which hold all "
            "true values together.",
            columns,
            tuple(rows),
        )
    ]


def _pairs(view: View) -> list[Block]:
    scalars = [m for m in view.fitted("prior") if m.kind == "parameter"]
    most = max((sum(m.position == s.position for m in scalars) for s in scalars), default=0)
    if most < 2:
        return []
    if most > _MOST_SCALARS or view.n_ok > _MOST_FITS:
        return [
            Text(
                f"Pairs of parameters are left out here ({count(most, 'parameter')}, "
                f"{count(view.n_ok, 'fit')}); Results.pairs() has them.",
                "note",
            )
        ]
    try:
        frame = view.results.pairs()
    except SettingsError:
        return []
    own = view.own(frame)
    found: dict[tuple[int, str, str], dict[str, tuple[float, float]]] = {}
    columns = ("parameter", "other_parameter", "measure", "estimate", "mcse", "n")
    for position, one, other, measure, estimate, mcse, _ in zip(
        view.positions(frame), *(own[c].tolist() for c in columns), strict=True
    ):
        found.setdefault((position, one, other), {})[measure] = (float(estimate), float(mcse))
    rows = []
    for (position, one, other), values in found.items():
        rows.append(
            row(
                f"{plain(one)}, {plain(other)}",
                *view.levels[position],
                with_error(*values["claimed_correlation"]),
                with_error(*values["error_correlation"]),
                marked(*values["correlation_error"], _CLEAR),
            )
        )
    if not rows:
        return [Text(f"No pair of parameters could be compared ({MISSING}).", "note")]
    table = Table(
        "Posterior correlations of pairs of parameters, beside those of the errors.",
        (
            Column("pair", numeric=False),
            *axis_columns(view),
            Column("claimed", hint="correlation within posteriors, on average"),
            Column("of the errors", hint="correlation of truth less mean between replicates"),
            Column("difference", hint="0 for an exact posterior"),
        ),
        tuple(rows),
        (f"A difference of more than {_CLEAR:g} standard errors is marked !.",),
    )
    return [table]
