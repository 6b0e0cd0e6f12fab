"""One sentence per figure on what it shows, made from the numbers that it shows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from recovery.calibration import Counts
from recovery.plots.contraction import Points
from recovery.plots.diagnostics import threshold
from recovery.plots.frames import Floats, joined, known
from recovery.plots.levels import LEVELS, covered
from recovery.plots.text import count, level_text, shorten
from recovery.plots.view import distance_from_nominal
from recovery.shares import binomial_interval

_LENGTH = 80  # of a name in a sentence


def place(row: "pd.Series[float]", axes: Sequence[str]) -> str:
    """Write where a row is in the sweep, as ``" at trials = 50, noise = 1"``, or nothing."""
    levels = ", ".join(
        f"{'truth' if axis == 'truth_mode' else axis} = {shorten(level_text(row[axis]))}"
        for axis in axes
    )
    return f" at {levels}" if levels else ""


def of_coverage(
    rows: pd.DataFrame, ci_prob: float, axes: Sequence[str], *, chosen: bool = False
) -> str:
    """Say how many coverages agree with their level, and which is the farthest from it.

    Of those that are `chosen` for being far off, chance is not told: it had more tries.
    """
    holds = 0
    for estimate, n in zip(rows["estimate"], rows["n"], strict=True):
        low, high = binomial_interval(estimate, int(n))
        holds += low <= ci_prob <= high
    far = rows.iloc[int(np.argmax(distance_from_nominal(rows, ci_prob)))]
    # At a fixed truth coverage need not be nominal, so no share is expected there.
    drawn = (rows["truth"] == "prior").all()
    chance = " (about 5 % fall outside by chance where coverage is nominal)"
    chance = chance if drawn and not chosen else ""
    return (
        f"The 95 % Monte Carlo interval holds {ci_prob:g} for {holds} of {len(rows)} coverages of "
        f"{count(rows['parameter'].nunique(), 'parameter')}{chance}; the farthest from it in "
        f"standard errors is that of {shorten(far['parameter'], _LENGTH)}{place(far, axes)}: "
        f"{far['estimate']:.3g} over {count(int(far['n']), 'fit')}."
    )


def of_bias(rows: pd.DataFrame, axes: Sequence[str], unit: str) -> str:
    """Say how many biases differ from zero, and which does most, in words for their unit."""
    known = rows[rows["mcse"] > 0]
    if known.empty:
        return "With so few replicates no bias has a Monte Carlo standard error."
    ratio = (known["estimate"] / known["mcse"]).abs().to_numpy()
    far = known.iloc[int(np.argmax(ratio))]
    return (
        f"More than 1.96 Monte Carlo standard errors from 0: {int((ratio > 1.96).sum())} of "
        f"{len(known)} biases of {count(known['parameter'].nunique(), 'parameter')} "
        "(about 5 % would by chance if none were biased); the farthest is that of "
        f"{shorten(far['parameter'], _LENGTH)}{place(far, axes)}: "
        f"{far['estimate']:.3g} {unit}, standard error {far['mcse']:.2g}."
    )


def of_recovery(rows: pd.DataFrame) -> str:
    """Say how often the interval holds the truth."""
    lower, truth, upper = (joined(rows[c]) for c in ("eti_90_lower", "truth", "eti_90_upper"))
    hit = (lower <= truth) & (truth <= upper)
    return f"The 90 % interval holds the truth in {int(hit.sum())} of {len(hit)} cases shown here."


def of_contraction(points: Sequence[Points], drawn: bool) -> str:
    """Say how much is learnt and how far off it is; `drawn`: if truths are from the prior."""
    contraction = np.concatenate([each.contraction for each in points])
    z_score = np.concatenate([each.z_score for each in points])
    wide = int((np.abs(z_score) > 2).sum())
    negative = int((contraction < 0).sum())
    text = (
        f"The median contraction is {np.median(contraction):.3g}, and the z-score is "
        f"beyond 2 in {wide} of {len(z_score)} fits, counted for each parameter"
    )
    if drawn:
        text += "; about 5 % are expected"
    return text + (f"; contraction is negative in {negative}." if negative else ".")


def of_ranks(out: int, lines: int, parameters: int, alpha: float) -> str:
    """Say how many lines leave the band, and how many would by chance."""
    return (
        f"{out} of {lines} rank ECDFs of {count(parameters, 'parameter')} leave their own "
        f"{100 * (1 - alpha):g} % band; if every posterior is right, {alpha * lines:.3g} would on "
        "average, at most."
    )


def of_levels(out: int, lines: int, parameters: int, alpha: float) -> str:
    """Say how many lines of coverage leave the band, and how many would by chance."""
    return (
        f"{out} of {lines} lines of coverage over all levels, of {count(parameters, 'parameter')}, "
        f"leave their own {100 * (1 - alpha):g} % band; if every posterior is right, "
        f"{alpha * lines:.3g} would on average, at most."
    )


def of_level_differences(cells: Mapping[str, Sequence[Counts]]) -> str:
    """Say which line of coverage goes farthest from nominal, given folded ranks by parameter."""
    at = np.arange(1, LEVELS + 1) / LEVELS
    far = [
        (covered(line) / line.size - at, line.size, name)
        for name, lines in cells.items()
        for line in lines
    ]
    away, n, name = max(far, key=lambda each: float(np.abs(each[0]).max()))
    k = int(np.argmax(np.abs(away)))
    return (
        f"Of {len(far)} lines the farthest from nominal is one of {shorten(name, _LENGTH)}: "
        f"{at[k] + away[k]:.3g} at level {at[k]:.3g}, over {count(n, 'fit')}."
    )


def of_zip(cells: "Mapping[str, tuple[pd.Series[Any], Floats]]", axes: Sequence[str]) -> str:
    """Say of the lowest coverage shown on which side of the truth intervals miss it."""
    found = []
    for name, (row, (true, _, _, lower, upper)) in cells.items():
        below, above = int((upper < true).sum()), int((lower > true).sum())
        found.append(((true.size - below - above) / true.size, true.size, below, above, name, row))
    _, n, below, above, name, row = min(found, key=lambda each: each[0])
    return (
        f"The lowest coverage shown is that of {shorten(name, _LENGTH)}{place(row, axes)}: "
        f"{n - below - above} of {count(n, 'interval')} hold the truth, {below} lie below it and "
        f"{above} above."
    )


def of_rmse(rows: pd.DataFrame, half: "pd.Series[float]", axes: Sequence[str]) -> str:
    """Say how far RMSE and claim differ at most; `half`: of the intervals, on the log scale."""
    ratio = rows["estimate"] / rows["estimate_claimed"]
    off = pd.Series(np.log(ratio.to_numpy(float)), index=rows.index)
    apart = off.abs() > half
    known = half.notna()
    score = (off.abs() / half.where(half > 0)).fillna(-1.0)
    at = int(np.argmax(score.to_numpy(float)))
    far = rows.iloc[at]
    return (
        f"RMSE and model SE differ by more than their 95 % Monte Carlo interval in "
        f"{int(apart[known].sum())} of {count(int(known.sum()), 'case')}; the farthest "
        f"apart are those of {shorten(far['parameter'], _LENGTH)}{place(far, axes)}: RMSE is "
        f"{ratio.iloc[at]:.3g} times the model SE."
    )


def of_gamma(
    below: Sequence[str], n: Mapping[str, int], alpha: float, *, chosen: bool = False
) -> str:
    """Say which lines end below the threshold, and how many would by chance.

    Of lines that are `chosen` for being the least uniform, chance is not told.
    """
    named = ", ".join(shorten(name, 40) for name in below[:5]) + (", …" if len(below) > 5 else "")
    least, most = min(n.values()), max(n.values())
    size = f"{most}" if least == most else f"{least} to {most}"
    return (
        f"With all {size} simulations {len(below)} of {count(len(n), 'line')} end below their "
        f"threshold{f' ({named})' if below else ''}"
        + (
            "; these are the least uniform of all."
            if chosen
            else f"; if every posterior is right, {alpha * len(n):.3g} would on average, at most."
        )
    )


def of_diagnostics(fits: pd.DataFrame) -> str:
    """Say how many complete fits cross each limit, given a row per cell with arrays over fits."""
    parts = []
    for column, name in (
        ("r_hat_max", "r_hat"),
        ("ess_bulk_min", "bulk ESS"),
        ("ess_tail_min", "tail ESS"),
    ):
        limit, values = threshold(column), joined(fits[column])
        values = values[known(values)]
        crossed = int(limit.crossed(values).sum())
        if len(values):
            parts.append(f"{name} is {limit.worse} {limit.limit:g} in {crossed} of {len(values)}")
    return f"Of complete fits that have one, {', '.join(parts)}."


def of_cost(fits: pd.DataFrame, axes: Sequence[str]) -> str:
    """Say from where to where the median wall time goes over the cells shown."""
    if not axes:
        return f"The median wall time per fit is {np.median(joined(fits['wall_s'])):.3g} s."
    medians = [float(np.median(wall)) for wall in fits["wall_s"].tolist()]
    table = fits.assign(wall_s=medians).sort_values("wall_s", kind="stable")
    low, high = table.iloc[0], table.iloc[-1]
    return (
        f"The median wall time per fit goes from {low['wall_s']:.3g} s{place(low, axes)} "
        f"to {high['wall_s']:.3g} s{place(high, axes)}."
    )
