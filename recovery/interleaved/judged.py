"""What a job has found: a verdict per gate."""

from collections.abc import Sequence

from recovery.gates import Verdict, chances, check, without_baseline
from recovery.gates.limits import GATES
from recovery.gates.rows import unmeasured
from recovery.interleaved.job import Ran
from recovery.planned import lacking
from recovery.policy import Policy
from recovery.results import Results


def judge(policy: Policy, ran: Sequence[Ran]) -> tuple[list[Verdict], list[str]]:
    """Judge every scenario by its gates; they share the error rate of the policy.

    Gates that compare with a baseline are left out where there is no base.

    Parameters
    ----------
    policy : Policy
    ran : sequence of Ran

    Returns
    -------
    list of Verdict
        In the order of the policy.
    list of str
        What is to be known of the base, what was left out, and why: sentences.
    """
    gates = [one.planned.gates if one.base else without_baseline(one.planned.gates) for one in ran]
    among = sum(map(chances, gates))
    verdicts: list[Verdict] = []
    notes: list[str] = []
    for one, judged_by in zip(ran, gates, strict=True):
        notes += one.notes
        left_out = [name for name in one.planned.gates if name not in judged_by]
        if left_out:
            why = one.why or "no base was asked for"
            notes.append(f"{one.planned.name}: {', '.join(left_out)} left out: {why}.")
        if not set(judged_by) & set(GATES):
            reason = "nothing was measured: there is no base to compare with"
            verdicts += [
                unmeasured(one.planned.name, GATES[name], one.planned.gates[name], reason)
                for name in left_out
            ]
            continue
        results = Results(one.head)
        verdicts += check(
            results,
            judged_by,
            baseline=None if one.base is None else Results(one.base),
            error_rate=policy.error_rate,
            among=among,
            lacking=lacking(one.planned, results),
            scenario=one.planned.name,
        )
    return verdicts, notes
