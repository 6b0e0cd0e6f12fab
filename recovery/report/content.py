"""The one place that turns results into the content of a report."""

from collections.abc import Sequence
from dataclasses import replace

from recovery.report.agreement import agreement_section
from recovery.report.conclusion import conclusion
from recovery.report.decided import decided_section
from recovery.report.design import about, design_section
from recovery.report.document import Figure, Report, Section, Text
from recovery.report.failures import failures_section
from recovery.report.fits import convergence_section, cost_section
from recovery.report.fixed import fixed_section
from recovery.report.flagged import flagged_section
from recovery.report.guide import files_section, guide_section
from recovery.report.headline import sentences, tiles
from recovery.report.mcmc_error import mcmc_section
from recovery.report.over_prior import prior_section
from recovery.report.overview import overview_section
from recovery.report.predictions import predictions_section
from recovery.report.provenance import provenance_section
from recovery.report.savings import savings_section
from recovery.report.soundness import soundness_section
from recovery.report.text import plain
from recovery.report.view import View

_PLACES = (
    ("model", "design"),
    ("heat-", "overview"),
    ("nested-loop-", "overview"),
    ("rank-", "calibration"),
    ("gamma", "calibration"),
    ("coverage-levels-prior", "calibration"),
    ("coverage-predicted-", "predictions"),
    ("diagnostics", "diagnostics"),
    ("cost", "cost"),
)
"""The section of each figure, by the beginning of its slug; others go by their ending."""
_ENDINGS = (("-prior", "recovery-prior"), ("-fixed", "recovery-fixed"))


def report_content(view: View, figures: Sequence[Figure]) -> Report:
    """Return everything a report says, in its order.

    Parameters
    ----------
    view : View
    figures : sequence of Figure
        Each is shown in the section that it is evidence for, in the order given; those of no
        section have one of their own.
    """
    tests = view.rank_tests
    found: list[Section | None] = [
        design_section(view),
        overview_section(view, tests),
        soundness_section(view, tests),
        decided_section(view),
        prior_section(view),
        agreement_section(view),
        fixed_section(view),
        predictions_section(view),
        convergence_section(view),
        flagged_section(view),
        failures_section(view),
        mcmc_section(view),
        cost_section(view),
        savings_section(view),
        provenance_section(view),
        guide_section(),
        files_section(),
    ]
    return Report(
        f"Parameter recovery: {plain(view.results.identity.get('scenario', ''))}",
        about(view),
        conclusion(view, tests),
        tiles(view, tests),
        sentences(view, tests),
        _with_figures([section for section in found if section], figures),
    )


def _with_figures(sections: list[Section], figures: Sequence[Figure]) -> tuple[Section, ...]:
    """Put each figure at the end of its section."""
    slugs = {section.slug for section in sections}
    shown: dict[str, list[Figure]] = {}
    for figure in figures:
        place = _place(figure.slug)
        shown.setdefault(place if place in slugs else "figures", []).append(figure)
    placed = [
        replace(section, blocks=(*section.blocks, *shown.get(section.slug, ())))
        for section in sections
    ]
    others = shown.get("figures")
    if others:
        text = Text("Each figure is in the folder plots as SVG and PNG.")
        at = [section.slug for section in placed].index("diagnostics")
        placed.insert(at, Section("figures", "Figures", (text, *others)))
    return tuple(placed)


def _place(slug: str) -> str:
    """Return the section that a figure is evidence for; empty if none is known."""
    for beginning, section in _PLACES:
        if slug.startswith(beginning):
            return section
    return next((section for ending, section in _ENDINGS if slug.endswith(ending)), "")
