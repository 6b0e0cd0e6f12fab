"""Judging a run by gates."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from recovery.errors import GateError
from recovery.gates import against, costs, counts, estimates, ranks, shares
from recovery.gates.evidence import Evidence
from recovery.gates.limits import ERROR_RATE, GATES, OPTIONS, GateInfo, checked
from recovery.gates.rows import Judged, settle, unmeasured
from recovery.gates.verdict import Outcome, Verdict
from recovery.inert import plain
from recovery.results import Results

_JUDGES: Final[Mapping[str, Callable[[Evidence, Any], Judged]]] = MappingProxyType(
    {
        "calibrated": ranks.calibrated,
        "coverage_within": estimates.coverage_within,
        "bias_within": estimates.bias_within,
        "r_hat_below": shares.r_hat_below,
        "ess_above": shares.ess_above,
        "flagged_below": shares.flagged_below,
        "failed_below": shares.failed_below,
        "divergences_below": shares.divergences_below,
        "compilations_at_most": counts.compilations_at_most,
        "draws_at_least": counts.draws_at_least,
        "coverage_drop_below": against.coverage_drop_below,
        "model_se_ratio_below": against.model_se_ratio_below,
        "rmse_ratio_below": against.rmse_ratio_below,
        "gradients_ratio_below": costs.gradients_ratio_below,
        "time_ratio_below": costs.time_ratio_below,
        "ess_per_s_ratio_above": costs.ess_per_s_ratio_above,
    }
)
_EXACT: Final = ("compilations_at_most", "draws_at_least")
_FIXED_NUMBER: Final = ("calibrated", "coverage_within", "bias_within")


def check(
    results: Results,
    gates: Mapping[str, Any],
    *,
    baseline: Results | None = None,
    error_rate: float = ERROR_RATE,
    among: int | None = None,
    lacking: str = "",
    scenario: str | None = None,
) -> list[Verdict]:
    """Judge a run by gates, in the order in which gates are listed.

    A run in which every limit is kept fails with a probability of at most `error_rate`, over all
    gates, cells and parameters. A gate that passes is wrong to do so with a probability of at most
    `error_rate`, for each gate. Both are exact for shares and ranks, and approximate for means and
    ratios: see `recovery.measures.ratio` for what they do not hold against.

    Parameters
    ----------
    results : Results
    gates : mapping
        Limits by gate, and options, see `recovery.gates.limits`.
    baseline : Results, optional
        The run that gates compare with.
    error_rate : float
    among : int, optional
        How many gates share the error rate, if more are judged than these: a sum of `chances`.
    lacking : str
        What the run should have and has not, in words; no gate passes then.
    scenario : str, optional
        What the run is called in the verdicts; by default the name of its scenario.

    Raises
    ------
    GateError
        If a gate is unknown, a limit impossible, or there is no gate.
    """
    given = checked(gates)
    if not 0 < error_rate < 0.5:
        raise GateError(
            f"error_rate: {error_rate!r} is not allowed; give a number between 0 and 0.5"
        )
    name = plain(scenario or results.identity.get("scenario", ""))
    alpha = error_rate / max(1, among or chances(given))
    options = {key: value for key, value in given.items() if key in OPTIONS}
    evidence = Evidence(results, baseline, options, error_rate, alpha)
    return [
        _verdict(evidence, info, given[info.name], name, lacking)
        for info in GATES.values()
        if info.name in given
    ]


def chances(gates: Mapping[str, Any], *, baseline: bool = True) -> int:
    """Return how many of some gates can raise a false alarm by chance.

    Parameters
    ----------
    gates : mapping
    baseline : bool
        Whether those that compare with a baseline are judged.
    """
    return sum(
        name in gates and name not in _EXACT and (baseline or not info.baseline)
        for name, info in GATES.items()
    )


def without_baseline(gates: Mapping[str, Any]) -> dict[str, Any]:
    """Return gates without those that compare with a baseline."""
    return {k: v for k, v in gates.items() if not (k in GATES and GATES[k].baseline)}


def _verdict(
    evidence: Evidence, info: GateInfo, limit: Any, scenario: str, lacking: str
) -> Verdict:
    if info.baseline and evidence.baseline is None:
        reason = "nothing was measured: it compares with a baseline; give one, or leave it out"
        return unmeasured(scenario, info, limit, reason)
    if not len(evidence.results.columns):
        return unmeasured(scenario, info, limit, "nothing was measured: no replicate was run")
    if info.name in _FIXED_NUMBER and _grown(evidence.results):
        reason = (
            "nothing was measured: replicates were added until a decision, and this test is for a "
            "number that was fixed beforehand; run without --stop-when"
        )
        return unmeasured(scenario, info, limit, reason)
    verdict = settle(scenario, info, limit, _JUDGES[info.name](evidence, limit))
    lacking = lacking or _left(evidence)
    if lacking and verdict.outcome is Outcome.PASS:
        reason = f"the run is not complete: {lacking}; of what there is, {verdict.reason}"
        return replace(verdict, outcome=Outcome.INCONCLUSIVE, reason=reason)
    return verdict


def _grown(results: Results) -> bool:
    """Whether how many replicates there are depends on what they showed."""
    executions = [session.get("execution") or {} for session in results.sessions]
    return any(execution.get("stop_when") for execution in executions)


def _left(evidence: Evidence) -> str:
    """Say how many planned replicates have not been run, if any."""
    planned = evidence.results.cells["n_planned"]
    left = sum(max(plan - done, 0) for plan, done in zip(planned, evidence.done, strict=True))
    return f"{left:,} planned replicates are missing" if left else ""
