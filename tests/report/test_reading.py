"""What a fixed truth shows, said beside the same cell over the prior, and no more than that."""

from collections.abc import Callable

import pytest

from recovery import Results
from recovery.report.content import report_content
from recovery.report.document import Table
from recovery.report.reading import Reading, readings
from recovery.report.view import View
from recovery.testing import ExactSampler


def reading(**fields: object) -> Reading:
    """A cell of 100 fits, tested over the prior, with nothing amiss."""
    sound: dict[str, object] = {
        "position": 0, "tests": 4, "rejected": 0, "together": 0, "n_prior": 100,
        "conflicts": [], "off": [], "lost": [], "n": 100, "disagree": 0, "denser": 1, "ranked": 100,
    }  # fmt: skip
    return Reading(**(sound | fields))  # type: ignore[arg-type]  # by name


@pytest.mark.parametrize(
    ("fields", "words", "tone"),
    [
        ({}, "coverage as 90 % or not told apart from it", ""),
        ({"off": ["b"]}, "coverage of b is not nominal; at one truth it need not be; the sampler "
         "is cleared over the prior", "warn"),
        ({"off": ["b"], "lost": ["b"], "conflicts": ["b"]}, "recovery of b is lost; truth and "
         "prior are in conflict; the sampler is cleared over the prior", "warn"),
        ({"off": ["b"], "tests": 0}, "coverage of b is not nominal; at one truth it need not be; "
         "run truth mode prior to test the sampler", "warn"),
        ({"off": ["b"], "rejected": 1}, "not calibrated over the prior either: look there first",
         "bad"),
        ({"off": ["b"], "together": 1}, "coverage of b is not nominal; at one truth it need not "
         "be; over all cells together the sampler is not calibrated", "warn"),
        ({"denser": 60}, "coverage as 90 % or not told apart from it", ""),
        ({"denser": 60, "off": ["b"]}, "coverage of b is not nominal; at one truth it need not be; "
         "the sampler is cleared over the prior; chains stayed where the posterior is less dense "
         "than at the truth", "warn"),
        ({"off": ["b"], "n_prior": 12}, "coverage of b is not nominal; at one truth it need not "
         "be; no departure over the prior, in 12 replicates only", "warn"),
    ],
    ids=["nominal", "off", "lost in conflict", "not run", "not calibrated", "not together",
         "dense at the truth", "lost to it", "few"],
)  # fmt: skip
def test_a_cell_is_said_to_show_what_it_shows(
    fields: dict[str, object], words: str, tone: str
) -> None:
    assert reading(**fields).words == (words, tone)


@pytest.fixture
def run(run_line: Callable[..., Results]) -> Callable[..., list[Reading]]:
    def run(*args: object, **options: object) -> list[Reading]:
        return readings(View(run_line(*args, **options)))

    return run


def test_a_conflict_with_a_sound_sampler_is_called_that(
    run_line: Callable[..., Results],
) -> None:
    """Slope 30 under a standard normal prior, 8 trials: the exact posterior loses it."""
    results = run_line(
        {"trials": [8, 200], "slope": [30.0]}, truth="both", replicates=100, draws=300
    )
    few, many = readings(View(results))
    assert few.cleared
    assert many.cleared
    assert few.conflicts == many.conflicts == ["betas[left]", "betas[right]"]
    # Their sum is lost too: its truth is 0, but the errors of the two do not cancel.
    assert few.lost == ["betas[left]", "betas[right]", "total"]
    assert not few.elsewhere  # exact draws are where the posterior is densest
    report = report_content(View(results), [])
    said = " ".join(sentence.text for sentence in report.sentences)
    assert "recovery of betas[left], betas[right] and total is lost at trials = 8" in said
    assert "the sampler is cleared for truths that the prior makes likely, not for this" in said
    assert "The truth of betas[left] and betas[right] is in conflict with its prior there." in said
    (section,) = (s for s in report.sections if s.slug == "recovery-fixed")
    table = next(block for block in section.blocks if isinstance(block, Table))
    assert table.rows[0][1].text == "no departure found (n = 100)"
    assert table.rows[0][2].text == "conflict: betas[left] and betas[right]"


def test_a_flawed_sampler_is_not_cleared(run: Callable[..., list[Reading]]) -> None:
    narrow = ExactSampler(sd_factor=0.3, name="narrow")
    (found,) = run({"trials": [30]}, truth="both", replicates=80, draws=300, sampler=narrow)
    assert found.rejected
    assert not found.cleared
    assert found.words[1] == "bad"


def test_without_truth_mode_prior_nothing_is_cleared(run: Callable[..., list[Reading]]) -> None:
    (found,) = run({"trials": [8], "slope": [30.0]}, replicates=40, draws=300)
    assert found.tests == 0
    assert "run truth mode prior to test the sampler" in found.words[0]


def test_draws_that_avoid_the_truth_are_said_to(run: Callable[..., list[Reading]]) -> None:
    """Posteriors shifted by six sds: the truth is denser than every draw in nearly all fits."""
    away = ExactSampler(shift=6.0, name="away")
    (found,) = run({"trials": [40]}, replicates=40, draws=300, sampler=away)
    assert found.ranked == 40
    assert found.denser > 35
    assert found.elsewhere


def test_an_exact_posterior_is_denser_at_the_truth_than_at_all_99_draws_one_time_in_100(
    run: Callable[..., list[Reading]],
) -> None:
    """Truths near the prior mean: at most 12 of 300 by a binomial bound of false alarm 1e-4."""
    (found,) = run({"trials": [30], "slope": [0.5]}, replicates=300, draws=300)
    assert found.ranked == 300
    assert found.denser <= 12
