"""The one place that turns results into the content of a report."""

from collections.abc import Sequence

from recovery.report.agreement import agreement_section
from recovery.report.decided import decided_section
from recovery.report.document import Figure, Report, Section, Text
from recovery.report.failures import failures_section
from recovery.report.fits import convergence_section, cost_section
from recovery.report.fixed import fixed_section
from recovery.report.flagged import flagged_section
from recovery.report.guide import files_section, guide_section
from recovery.report.headline import sentences, tiles
from recovery.report.mcmc_error import mcmc_section
from recovery.report.origin import design_section, provenance_section
from recovery.report.over_prior import prior_section
from recovery.report.predictions import predictions_section
from recovery.report.savings import savings_section
from recovery.report.soundness import soundness_section
from recovery.report.text import plain
from recovery.report.view import View


def report_content(view: View, figures: Sequence[Figure]) -> Report:
    """Return everything a report says, in its order.

    Parameters
    ----------
    view : View
    figures : sequence of Figure
        In the order they are shown.
    """
    tests = view.rank_tests
    found: list[Section | None] = [
        design_section(view),
        soundness_section(view, tests),
        decided_section(view),
        prior_section(view),
        agreement_section(view),
        fixed_section(view),
        predictions_section(view),
        _figures_section(figures),
        convergence_section(view),
        flagged_section(view),
        failures_section(view),
        mcmc_section(view),
        cost_section(view),
        savings_section(view),
        guide_section(),
        files_section(),
        provenance_section(view),
    ]
    return Report(
        f"Parameter recovery: {plain(view.results.identity.get('scenario', ''))}",
        tiles(view, tests),
        sentences(view, tests),
        tuple(section for section in found if section),
    )


def _figures_section(figures: Sequence[Figure]) -> Section | None:
    if not figures:
        return None
    text = Text("Each figure is in the folder plots as SVG and PNG.")
    return Section("figures", "Figures", (text, *figures))
