"""How to read the measures, from the one table that defines them."""

from recovery.measures import MEASURES
from recovery.report.document import Column, Section, Table, Text, row
from recovery.report.text import MISSING, number

_FILES = (
    ("tables/measures.csv", "every measure of every parameter and cell, at four interval levels"),
    ("tables/diagnostics.csv", "fits, failures and worst diagnostics per cell"),
    ("tables/cost.csv", "time, gradient evaluations and efficiency per cell"),
    ("tables/calibration.csv", "the test of every rank histogram, with adjusted p values"),
    ("tables/sensitivity.csv", "what each measure is without flagged fits, with the difference"),
    ("tables/flagged.csv", "flagged fits with their keys, the worst 1,000, where there are any"),
    ("tables/refits.csv", "second fits of flagged fits, where there are any"),
    ("tables/*.tex", "the tables for a paper, if --latex asked for them"),
    ("report.pdf", "this report, printed, if --pdf asked for it"),
    ("plots/", "every figure as SVG and PNG"),
    ("manifest.json", "design, seeds, settings, versions, machine"),
    ("results.sqlite", "every replicate; all else here is made from it"),
)


def guide_section() -> Section:
    """Return the section on the meaning of each measure."""
    columns = tuple(
        Column(title, numeric=False)
        for title in ("measure", "meaning", "formula", "ideal", "unit", "source")
    )
    rows = tuple(
        row(
            name,
            info.meaning,
            info.formula,
            _ideal(name, info.ideal),
            info.unit,
            info.reference,
        )
        for name, info in MEASURES.items()
    )
    text = Text(
        "In the formulas m and s are the posterior mean and standard deviation of one replicate, "
        "t its truth, l and u the ends of an interval of level c; mean and sd run over the "
        "complete fits of a cell. Every measure has a Monte Carlo standard error, mcse, and "
        "mcmc_share is the share of mcse^2 that longer chains would take away. What compares two "
        "samplers or two parameters is no row of measures.csv; joint coverage is one of each cell, "
        "under log_posterior."
    )
    table = Table("Measures, by name.", columns, rows)
    return Section("guide", "How to read each measure", (text, table))


def _ideal(name: str, ideal: float | None) -> str:
    if name.endswith("coverage"):
        return "the level c"
    if name.startswith("miss"):
        return "(1 - c) / 2"
    return MISSING if ideal is None else number(ideal)


def files_section() -> Section:
    """Return the section that names the other files."""
    columns = (Column("file", numeric=False), Column("what it holds", numeric=False))
    rows = tuple(row(name, what) for name, what in _FILES)
    table = Table("Files beside this report.", columns, rows)
    return Section("files", "Files", (table,), brief=(table,))
