"""Verdicts as files: JUnit XML, Markdown for a job summary, JSON."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final
from xml.etree import ElementTree

from recovery.gates.verdict import Outcome, Verdict
from recovery.inert import escaped, plain

FORMAT: Final = 1
"""Version of the layout of the JSON."""
WORDS: Final = {
    Outcome.PASS: "pass",
    Outcome.FAIL: "FAIL",
    Outcome.INCONCLUSIVE: "inconclusive",
    Outcome.ERROR: "ERROR",
}


def headline(verdicts: Sequence[Verdict]) -> str:
    """Return what the gates come to in one line."""
    counts = {o: sum(v.outcome is o for v in verdicts) for o in Outcome}
    if counts[Outcome.FAIL]:
        first = "A gate failed" if counts[Outcome.FAIL] == 1 else "Gates failed"
    elif counts[Outcome.ERROR]:
        first = "A gate measured nothing"
    elif counts[Outcome.INCONCLUSIVE]:
        first = "Inconclusive"
    else:
        first = "All gates passed" if verdicts else "Nothing was judged"
    named = {
        Outcome.FAIL: "failed", Outcome.ERROR: "measured nothing",
        Outcome.INCONCLUSIVE: "inconclusive", Outcome.PASS: "passed",
    }  # fmt: skip
    parts = [f"{counts[o]} {word}" for o, word in named.items() if counts[o]]
    return f"{first}: {', '.join(parts)}" if len(parts) > 1 or counts[Outcome.FAIL] else first


def to_json(
    verdicts: Sequence[Verdict], error_rate: float, code: int, notes: Sequence[str] = ()
) -> str:
    """Write verdicts as JSON; what is not finite becomes null."""
    rows = [
        {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in asdict(verdict).items()
        }
        for verdict in verdicts
    ]
    whole = {
        "format": FORMAT, "exit_code": code, "error_rate": error_rate, "notes": list(notes),
        "verdicts": rows,
    }  # fmt: skip
    return json.dumps(whole, indent=2, ensure_ascii=True, allow_nan=False) + "\n"


def to_markdown(verdicts: Sequence[Verdict], error_rate: float, notes: Sequence[str] = ()) -> str:
    """Write verdicts as a table, those that need looking at first."""
    order = [Outcome.FAIL, Outcome.ERROR, Outcome.INCONCLUSIVE, Outcome.PASS]
    ranked = sorted(verdicts, key=lambda verdict: order.index(verdict.outcome))
    lines = [
        f"## {headline(verdicts)}",
        "",
        *(f"{escaped(plain(note))}\n" for note in notes),
        "| verdict | scenario | gate | why |",
        "| --- | --- | --- | --- |",
    ]
    lines += [
        f"| {bold(WORDS[v.outcome], v.outcome)} | {escaped(plain(v.scenario))} | `{v.gate} = "
        f"{limit_text(v)}` | {escaped(plain(v.reason))} |"
        for v in ranked
    ]
    lines += ["", footnote(error_rate), ""]
    return "\n".join(lines)


def to_junit(verdicts: Sequence[Verdict]) -> str:
    """Write verdicts as JUnit XML: a test case per gate; what is inconclusive counts as skipped."""
    suites = ElementTree.Element("testsuites", name="recovery")
    for scenario in dict.fromkeys(v.scenario for v in verdicts):
        mine = [v for v in verdicts if v.scenario == scenario]
        suite = ElementTree.SubElement(
            suites, "testsuite", name=plain(scenario), tests=str(len(mine)),
            failures=_number(mine, Outcome.FAIL), errors=_number(mine, Outcome.ERROR),
            skipped=_number(mine, Outcome.INCONCLUSIVE),
        )  # fmt: skip
        for verdict in mine:
            case = ElementTree.SubElement(
                suite, "testcase", classname=f"recovery.{plain(scenario)}",
                name=f"{verdict.gate} = {limit_text(verdict)}",
            )  # fmt: skip
            reason = plain(verdict.reason)
            tag = _TAGS.get(verdict.outcome)
            if tag:
                ElementTree.SubElement(case, tag, message=reason).text = reason
            else:
                ElementTree.SubElement(case, "system-out").text = reason
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


_TAGS: Final = {
    Outcome.FAIL: "failure", Outcome.ERROR: "error", Outcome.INCONCLUSIVE: "skipped"
}  # fmt: skip


def limit_text(verdict: Verdict) -> str:
    """Return the limit of a gate as a policy has it."""
    limit = verdict.limit
    return str(limit).lower() if isinstance(limit, bool) else f"{limit:g}"


def footnote(error_rate: float) -> str:
    """Say how often such verdicts are wrong."""
    return (
        f"Where every limit is kept, any gate fails with a probability of {error_rate:.2g} at "
        f"most (about, for means and ratios). A gate on a margin, a share or a ratio passes by "
        f"mistake with about {error_rate:.2g} at most. Intervals in brackets have the level "
        f"{1 - 2 * error_rate:.2g}."
    )


def bold(word: str, outcome: Outcome) -> str:
    """Set what needs looking at in bold."""
    return word if outcome is Outcome.PASS else f"**{word}**"


def _number(verdicts: Sequence[Verdict], outcome: Outcome) -> str:
    return str(sum(v.outcome is outcome for v in verdicts))
