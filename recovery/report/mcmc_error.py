"""How much of the Monte Carlo error of the measures is MCMC error, cell by cell."""

import math

from recovery.record import FITTED
from recovery.report.document import Column, Section, Table, Text, row
from recovery.report.measured import PERCENT, axis_columns
from recovery.report.text import MISSING, plain
from recovery.report.view import CI_PROB, MODES, Measures, View

_MEASURES = (
    ("bias", "bias"),
    (f"coverage_{100 * CI_PROB:g}", f"coverage {PERCENT}"),
    ("rmse", "RMSE"),
    ("model_se", "model SE"),
)
_MUCH = 0.1  # share of the variance from which longer chains are worth a thought


def mcmc_section(view: View) -> Section | None:
    """Return the section on the share of MCMC error, if any share is known."""
    fitted = [m for m in view.all_fits if m.kind in FITTED]
    shares = [s for m in fitted for name, _ in _MEASURES if not math.isnan(s := _share(m, name))]
    if not shares:
        return None
    text = (
        "Measures vary between runs because data sets differ and because chains are finite. Of the "
        "variance (mcse²) of the measures below, MCMC error makes at most "
        f"{_percent(max(shares))}"
    )
    if max(shares) > _MUCH:
        text += ": in the cells with a large share, longer chains would help as well as replicates."
    else:
        text += ": more replicates would make them more precise, longer chains would add little."
    columns = (
        Column("truth mode", numeric=False),
        *axis_columns(view),
        *(Column(title, hint="largest share over the parameters") for _, title in _MEASURES),
        Column("largest for", numeric=False, hint="the parameter with the largest of these shares"),
    )
    rows = []
    for position in dict.fromkeys(sorted(m.position for m in fitted)):
        mine = [m for m in fitted if m.position == position]
        largest = [max((_known(m, name) for m in mine), default=-1.0) for name, _ in _MEASURES]
        most = max(mine, key=lambda m: max(_known(m, name) for name, _ in _MEASURES))
        rows.append(
            row(
                MODES.get(view.modes[position], ""),
                *view.levels[position],
                *(MISSING if share < 0 else _percent(share) for share in largest),
                plain(most.parameter) if max(largest) >= 0 else MISSING,
            )
        )
    table = Table(
        "MCMC error in the measures: its largest share of mcse² over the parameters of each cell.",
        columns,
        tuple(rows),
        ("Every measure has its share in tables/measures.csv, as mcmc_share.",),
    )
    return Section("mcmc-error", "MCMC error and replicate error", (Text(text), table))


def _share(measures: Measures, name: str) -> float:
    return measures[name].mcmc_share


def _known(measures: Measures, name: str) -> float:
    """Return the share, or -1 where it is not known."""
    share = _share(measures, name)
    return -1.0 if math.isnan(share) else share


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
