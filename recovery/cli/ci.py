"""``recovery ci``."""

import argparse
import shlex
from typing import Any

from recovery.cli.verdicts import add_verdict_options, tell_verdicts
from recovery.cli.words import whole


def add_ci(commands: Any) -> None:
    """Add the command to a parser."""
    ci = commands.add_parser(
        "ci",
        help="run and judge the scenarios of a policy, in turns with a base commit if one is given",
        usage="recovery ci [--policy FILE] [--base REF] [options]",
        description="Run every scenario of a policy for what is checked out now, and judge it by "
        "the policy's gates. With a base, both run the same replicates on this machine, round by "
        "round, one after the other, so that times can be compared. Gates, scenarios, levels, "
        "replicates, truth modes and seeds are those of the policy that is checked out now, for "
        "both; draws, tune, chains, target_accept, ess and sampler of the base are those of its "
        "own policy, where it has one. A job that was interrupted goes on; any other begins with "
        "fresh stores.",
        epilog="exit codes: 0 all gates pass; 1 one fails, or a side died; 2 wrong usage or input; "
        "3 inconclusive or nothing measured; 130 interrupted (the same command goes on)",
        allow_abbrev=False,
    )
    ci.add_argument(
        "--policy", metavar="FILE", help="the policy (recovery.toml, or that of pyproject.toml)"
    )
    sides = ci.add_argument_group("sides")
    sides.add_argument(
        "--base", metavar="REF", help="commit, branch or tag to compare with what is checked out"
    )
    sides.add_argument(
        "--base-python",
        metavar="PYTHON",
        help="interpreter of an environment for base; without --base the same code runs in both",
    )
    sides.add_argument(
        "--head-python", metavar="PYTHON", help="interpreter for what is checked out (this one)"
    )
    sides.add_argument(
        "--install",
        metavar="CMD",
        help="make a fresh environment for each side, by this command of the shell, run in the "
        "side's folder of the policy: 'pip install -e .'",
    )
    sides.add_argument(
        "--rounds", type=whole, default=10, metavar="N", help="at most so many (%(default)s)"
    )
    where = ci.add_argument_group("output")
    where.add_argument(
        "--out", default="reports/ci", metavar="DIR",
        help="stores and reports are DIR/NAME/base and DIR/NAME/head (%(default)s)",
    )  # fmt: skip
    where.add_argument("--workers", type=whole, metavar="N", help="fits at a time (one per core)")
    where.add_argument(
        "--fresh", action="store_true", help="begin again; the old stores are kept beside the new"
    )
    add_verdict_options(ci)
    ci.set_defaults(call=_ci)


def _told(options: argparse.Namespace) -> str:
    """Return the command as it is recorded: what installs may hold an access token."""
    words = ["recovery", *options.words]
    if options.install is not None:
        words = [word.replace(options.install, "...") for word in words]
    return shlex.join(words)


def _ci(options: argparse.Namespace) -> int:
    from recovery.interleaved import Asked, interleave, judge
    from recovery.policy import find_policy, read_policy

    policy = read_policy(find_policy() if options.policy is None else options.policy)
    asked = Asked(
        base=options.base,
        base_python=options.base_python,
        head_python=options.head_python,
        install=options.install,
        rounds=options.rounds,
        out=options.out,
        workers=options.workers,
        fresh=options.fresh,
        command=_told(options),
    )
    ran = interleave(policy, asked)
    verdicts, notes = judge(policy, ran)
    return tell_verdicts(verdicts, options, policy.error_rate, notes)
