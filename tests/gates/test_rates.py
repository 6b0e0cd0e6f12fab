"""Whole builds, from sweep to verdict, by the code that measured the published rates.

500 builds of each kind take an hour, and are kept in bench/README.md. These few would show rates
that are far from those.
"""

from collections import Counter
from typing import Any

import pytest
from gates.conftest import load


@pytest.mark.slow
def test_builds_raise_few_false_alarms_and_find_what_is_planted() -> None:
    """12 builds of 200 replicates.

    With false alarms in 5 % of builds, 4 or more come by chance once in 450 times. Posterior sds
    x 0.8 fail 95 % of builds of this size, gradients x 1.3 all but a few in 1,000: fewer than 9
    by chance less often than that. Half of the data left out makes ratios of 1.4 and more, which
    no build of this size lets by.
    """
    rates = load("gate_rates")
    found = [rates.build(seed, 200) for seed in range(12)]

    def failed(name: str) -> int:
        return sum("fail" in {outcome for outcome, _ in one[name].values()} for one in found)

    assert failed("nothing") < 4
    assert failed("sd 0.8") >= 9
    assert failed("gradients 1.3") >= 9
    assert failed("half the data") == 12
    gates = Counter(
        gate for one in found for gate, (o, _) in one["gradients 1.3"].items() if o == "fail"
    )
    assert gates["gradients_ratio_below"] >= 9
    text = rates.table(found)
    assert text.count("whole build**") == text.count("of nine gates**") == len(rates.HEADS)


@pytest.mark.slow
def test_times_are_told_apart_by_turns_whatever_the_job_was_like() -> None:
    """4 jobs of each ratio: its standard error is 1.5 %, so 1 and 1.3 are far from 1.2."""
    rates = load("time_rates")
    found: list[dict[str, Any]] = [rates.build(seed, rounds=8, fits=2) for seed in range(4)]
    assert {one["1.0"][0] for one in found} == {"pass"}
    assert {one["1.3"][0] for one in found} == {"fail"}
    assert "fail" not in {one["1.1"][0] for one in found}
    assert rates.table(found).count("|") > 20
