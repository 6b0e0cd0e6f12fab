"""What a report says was decided is what the rule decides, from the store alone."""

import pytest

from recovery.decided import Claim
from recovery.report import write_report
from recovery.report.content import report_content
from recovery.report.decided import decided_section
from recovery.report.document import Table, Text
from recovery.report.view import View

WANTED = {"stop_when": "decided", "margin": 0.05, "min_replicates": 20, "max_replicates": 2000}
ONE = {"parameters": {"mu": 0.5}, "axes": {"trials": [10]}, "execution": WANTED}


def decided(results):
    """Return claims, savings and table of the section."""
    section = decided_section(View(results))
    assert section is not None
    claims, saved, table = section.blocks
    assert isinstance(claims, Text)
    assert isinstance(saved, Text)
    assert isinstance(table, Table)
    return claims, saved, table


def cells(table, title):
    place = [column.title for column in table.columns].index(title)
    return [row[place].text for row in table.rows]


def test_a_run_that_was_not_to_stop_when_decided_says_nothing(make):
    assert decided_section(View(make(replicates=3))) is None


def test_a_wrong_posterior_is_called_so_with_the_replicate_and_the_evidence(make):
    results = make(**ONE, modes=["prior"], replicates=60, sd_factor=0.4)
    claims, saved, table = decided(results)
    assert cells(table, "claim") == [Claim.MISCALIBRATED]
    assert 1 <= int(cells(table, "at")[0]) <= 40
    assert float(cells(table, "e-value")[0].replace(",", "")) >= 20
    assert cells(table, "largest") == ["mu"]
    assert "Of 1 cell, 1 is decided: 1 miscalibrated." in claims.text
    assert "With probability 95 % at least no claim is false" in claims.text
    assert claims.tone == "bad"
    assert saved.text.startswith("60 replicates were run; 2,000 replicates in every cell")
    assert "97.0 % saved" in saved.text
    assert "e-value of 20 on" in table.notes[0]
    write_report(results)


def test_a_sound_one_is_within_the_margin_and_its_sequence_lies_there(make):
    claims, _, table = decided(make(**ONE, modes=["prior"], replicates=1200))
    assert cells(table, "claim") == [Claim.WITHIN]
    lower, upper = map(float, cells(table, "coverage")[0].split(" to "))
    assert 0.85 <= lower < upper <= 0.95
    assert cells(table, "of") == ["mu"]
    assert "not that the posterior is exact" in claims.text
    assert claims.tone == ""


def test_a_fixed_truth_is_told_apart_and_has_no_e_value(make):
    results = make(**ONE, modes=["fixed", "prior"], replicates=30)
    claims, _, table = decided(results)
    assert cells(table, "e-value")[0] == "–"  # noqa: RUF001  (a dash in a table)
    assert cells(table, "claim")[1] == "undecided so far; go on with the run"
    assert "which need not be a fault there" in claims.text
    assert claims.tone == "warn"


def test_a_cell_that_ended_at_the_most_says_so_and_one_without_a_fit_has_nothing_to_judge(make):
    fields = {**ONE, "execution": {**WANTED, "max_replicates": 20}, "modes": ["prior"]}
    _, saved, table = decided(make(**fields, replicates=20))
    assert cells(table, "claim") == ["undecided at the most replicates"]
    assert cells(table, "at") == ["–"]  # noqa: RUF001  (a dash in a table)
    assert "0.0 % saved" in saved.text
    _, _, table = decided(make("none", **fields, replicates=20, failed=lambda i: "E"))
    assert cells(table, "claim") == [Claim.NOTHING]


def test_failed_replicates_are_looked_at_and_the_claim_stands_where_the_run_made_it(make):
    plain = decided(make(**ONE, modes=["prior"], replicates=60, sd_factor=0.4))[2]
    at = int(cells(plain, "at")[0])
    failed = make("failed", **ONE, modes=["prior"], replicates=at + 20, sd_factor=0.4,
                  failed=lambda i: "E" if i >= at else None)  # fmt: skip
    assert cells(decided(failed)[2], "at") == [str(at)]
    assert cells(decided(failed)[2], "e-value") == cells(plain, "e-value")


@pytest.mark.parametrize("stop_when", [None, "decided"])
def test_the_section_stands_in_the_report_only_where_it_was_asked_for(make, stop_when):
    results = make(replicates=3, execution=WANTED if stop_when else {})
    slugs = [section.slug for section in report_content(View(results), []).sections]
    assert ("decided" in slugs) == bool(stop_when)
