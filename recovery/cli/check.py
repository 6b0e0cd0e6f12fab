"""``recovery check``."""

import argparse
from typing import Any

from recovery.cli.verdicts import add_verdict_options, tell_verdicts


def add_check(commands: Any) -> None:
    """Add the command to a parser."""
    check = commands.add_parser(
        "check",
        help="judge a run by the gates of a policy",
        description="Judge a run by the gates of a policy, and print a verdict for each with its "
        "numbers. Exit code 1 if a gate failed, 3 if one is inconclusive or measured nothing.",
        allow_abbrev=False,
    )
    check.add_argument("folder", metavar="DIR", help="output folder of a run")
    check.add_argument(
        "--policy",
        metavar="FILE",
        help="a TOML file with gates (recovery.toml, or [tool.recovery] in pyproject.toml)",
    )
    check.add_argument(
        "--scenario",
        metavar="NAME",
        help="the section of the policy whose gates hold; by default the one of the run's scenario",
    )
    baseline = check.add_mutually_exclusive_group()
    baseline.add_argument("--baseline", metavar="DIR", help="the run that gates compare with")
    baseline.add_argument(
        "--no-baseline", action="store_true", help="leave out the gates that compare with one"
    )
    add_verdict_options(check)
    check.set_defaults(call=_check)


def _check(options: argparse.Namespace) -> int:
    from recovery.policy import find_policy, read_policy

    policy = read_policy(options.policy or find_policy())
    # What is wrong with the policy is told before anything heavy is imported.
    from recovery.gates import check, without_baseline
    from recovery.planned import gates_of, lacking, section_of
    from recovery.results import Results

    results = Results(options.folder)
    planned = section_of(policy, results, options.scenario)
    gates = gates_of(policy, planned)
    if options.no_baseline:
        gates = without_baseline(gates)
    verdicts = check(
        results,
        gates,
        baseline=None if options.baseline is None else Results(options.baseline),
        error_rate=policy.error_rate,
        lacking="" if planned is None else lacking(planned, results),
        scenario=None if planned is None else planned.name,
    )
    return tell_verdicts(verdicts, options, policy.error_rate)
