"""``recovery new``."""

import argparse
import shlex
from pathlib import Path
from typing import Any

from recovery.inert import plain


def add_new(commands: Any) -> None:
    """Add the command to a parser."""
    new = commands.add_parser(
        "new",
        help="write a first scenario, its test, a policy and CI jobs",
        description="Write NAME.py, test_NAME.py, recovery.toml, jobs for GitHub Actions and "
        "GitLab CI, requirements.txt and .gitignore. What is there already is left as it is.",
        allow_abbrev=False,
    )
    new.add_argument("name", metavar="NAME", help="of the scenario and its file, as dose_response")
    new.add_argument(
        "--into", metavar="DIR", default=".", help="the root of your repository (this folder)"
    )
    new.set_defaults(call=_new)


def _new(options: argparse.Namespace) -> int:
    from recovery.starter import start

    started = start(options.name, Path(options.into))
    for path in started.written:
        print(f"written: {plain(path)}")
    for path in started.kept:
        print(f"left as it is: {plain(path)}")
    for path, text in started.additions.items():
        print(f"\nadd to {plain(path)}:\n\n{text.rstrip()}")
    if started.misplaced is not None:
        print(
            f"\nCI reads .github and .gitlab-ci.yml at the root of the repository only: move them "
            f"to {plain(started.misplaced)}"
        )
    elsewhere = options.into != "."
    commands = [
        *([f"cd {shlex.quote(plain(options.into))}"] if elsewhere else []),
        f"recovery run {started.name}.py --truth prior --replicates 50 --ess 400",
        f"pytest test_{started.name}.py",
        "recovery ci",
    ]
    print("\nnow put your model into it, and try:")
    for command in commands:
        print(f"  {command}")
    return 0
