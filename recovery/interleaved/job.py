"""A job: every scenario of a policy for one state of the code, or for two in turns."""

import os
import signal
import tempfile
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

from recovery.database import locked, set_aside, writable_folder
from recovery.design import REPLICATES
from recovery.errors import RepositoryError, SettingsError, UsageError
from recovery.interleaved.environment import Environment, describe, existing, installed
from recovery.interleaved.memory import Memory, made_from
from recovery.interleaved.partner import Partner, There, Unable
from recovery.interleaved.repository import Repository
from recovery.interleaved.rounds import ROUNDS, WARM_UP, Step, steps_of, turns
from recovery.interleaved.settings import OfBase, options_of_base
from recovery.policy import Planned, Policy
from recovery.progress import note
from recovery.report import write_report
from recovery.results import Results

BASE: Final = "base"
HEAD: Final = "head"
_NOT_YET: Final = ("ScenarioError", "LevelError", "ProblemError")
"""What tells that a state of the code has no such scenario, axis or truth mode."""
_IMPOSSIBLE: Final = "SettingsError"
"""What tells that base's own policy asks for settings that there are not."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How a job is to be run.

    Attributes
    ----------
    base : str, optional
        The commit to compare with.
    base_python, head_python : str, optional
        Interpreters of environments that are there; by default that of this process. With
        `base_python` alone, base is the same state of the code in another environment.
    install : str, optional
        A command that installs what a side needs into a fresh environment.
    rounds : int
        At most so many.
    out : path
        Stores are ``<out>/<name>/base`` and ``<out>/<name>/head``.
    workers : int, optional
        Fits at a time; by default one per core.
    fresh : bool
        Begin again, whatever is there.
    command : str
        What to record as the command.
    """

    base: str | None = None
    base_python: str | None = None
    head_python: str | None = None
    install: str | None = None
    rounds: int = ROUNDS
    out: str | os.PathLike[str] = "reports/ci"
    workers: int | None = None
    fresh: bool = False
    command: str = "recovery ci"

    @property
    def two(self) -> bool:
        """Whether there is a base."""
        return self.base is not None or self.base_python is not None


@dataclass(frozen=True, slots=True)
class Ran:
    """The stores of one scenario.

    Attributes
    ----------
    planned : Planned
    head : pathlib.Path
    base : pathlib.Path, optional
        Missing where no base was asked for, or base has no such scenario.
    why : str
        Why there is no base though one was asked for.
    notes : tuple of str
        What a reader must know of the base, a sentence each.
    """

    planned: Planned
    head: Path
    base: Path | None = None
    why: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Side:
    """Where a side runs, with what, and which state of the code it is."""

    name: str
    folder: Path
    root: Path
    environment: Environment
    state: str


def interleave(policy: Policy, asked: Asked) -> list[Ran]:
    """Run every scenario of a policy, write the reports, and return where the stores are.

    Where there is a base, both sides run the same replicates, round by round, one after the other;
    the order turns with each round. Everything is compiled in a warm-up before the first round.
    A job that was interrupted goes on where it stopped; any other begins with fresh stores, and
    the old ones are kept beside them.

    Raises
    ------
    RepositoryError, EnvironmentRefused
        If the base cannot be had.
    UsageError, UserCodeError
        If a scenario cannot be run.
    WorkerDied
        If a side ends without a word; what was done is kept.
    KeyboardInterrupt
        On Ctrl-C or SIGTERM, once what was under way is done and stored.
    """
    if asked.rounds < 1:
        raise SettingsError(f"rounds: {asked.rounds} is not allowed; give 1 or more")
    if asked.workers is not None and asked.workers < 1:
        raise SettingsError(f"workers: {asked.workers} is not allowed; give 1 or more")
    if not policy.scenarios:
        raise UsageError(f"{policy.path}: has no scenario to run; add a section [scenarios.NAME]")
    out = Path(asked.out)
    writable_folder(out)
    with _terminable(), ExitStack() as opened:
        sides = _sides(policy, asked, out, opened)
        checked_out = sides[0].root if asked.base is not None else None
        of_base = options_of_base(policy, sides[-1].root, checked_out)
        memory = _begun(policy, sides, of_base, asked, out, opened)
        ran = [
            _run(planned, of_base[planned.name], sides, asked, memory)
            for planned in policy.scenarios
        ]
        for folder in (folder for one in ran for folder in (one.base, one.head) if folder):
            write_report(Results(folder))
        memory.write(finished=True)
        return ran


def _sides(policy: Policy, asked: Asked, out: Path, opened: ExitStack) -> list[_Side]:
    """Have the sides ready, base first."""
    folder = policy.path.resolve().parent
    try:
        repository = Repository.around(folder)
    except RepositoryError:
        if asked.base is not None:
            raise
        repository = None
    root = folder if repository is None else repository.root
    state = "" if repository is None else repository.state(out)
    commit = None
    if repository is not None and asked.base is not None:
        commit = repository.commit(asked.base)
    temporary = Path(
        opened.enter_context(tempfile.TemporaryDirectory(prefix="recovery-ci-"))
    ).resolve()
    places = [(HEAD, asked.head_python, root, state)]
    if asked.two:
        there = root
        if repository is not None and commit is not None:
            there = opened.enter_context(repository.checked_out(commit, temporary / BASE))
        places.insert(0, (BASE, asked.base_python, there, commit or state))
    sides = []
    for name, python, place, its_state in places:
        # A policy that base has not got yet, in a folder that it has not got either.
        inside = place / folder.relative_to(root)
        inside = inside if inside.is_dir() else place
        if asked.install is None:
            environment = existing(name, python, inside, (root, place))
        else:
            own = temporary / f"environment-{name}"
            environment = installed(name, python, inside, asked.install, own)
        sides.append(_Side(name, inside, place, environment, its_state))
        note(f"{name}: {its_state[:12] or 'no commit'}, {describe(environment)}")
    return sides


def _begun(
    policy: Policy,
    sides: list[_Side],
    of_base: Mapping[str, OfBase],
    asked: Asked,
    out: Path,
    opened: ExitStack,
) -> Memory:
    """Hold the folder of the job, and go on with its stores or make room for new ones."""
    out.mkdir(parents=True, exist_ok=True)
    opened.callback(locked(out).release)
    of_sides = {
        side.name: {"state": side.state, "versions": dict(side.environment.versions)}
        for side in sides
    }
    sources = {
        planned.name: made_from(planned, of_base[planned.name].options, of_sides)
        for planned in policy.scenarios
    }
    memory = Memory(out.resolve(), uuid.uuid4().hex, sources)
    for name in sources:
        writable_folder(out / name)
        # Where there is no repository, what has changed since is not known.
        known = all(side.state for side in sides)
        if known and not asked.fresh and memory.goes_on(name, finished=not asked.two):
            note(f"{name}: goes on with what is in {out / name}")
            continue
        # Base too, where none is asked for now: it would be taken for the one of this head.
        for side in (BASE, HEAD):
            set_aside(out / name / side)
    memory.write(finished=False)
    return memory


def _run(
    planned: Planned, of_base: OfBase, sides: list[_Side], asked: Asked, memory: Memory
) -> Ran:
    """Run one scenario, and say where its stores are."""
    head = sides[-1]
    folder = memory.folder / planned.name
    target = _target(planned.scenario, head)
    why = "" if not asked.two else _missing(target, sides[0])
    forgiven = _NOT_YET if of_base.options == planned.options else (*_NOT_YET, _IMPOSSIBLE)
    order = {
        "scenario": target,
        "axes": {name: list(levels) for name, levels in planned.axes.items()},
        "workers": asked.workers,
        "command": asked.command,
    }
    with ExitStack() as opened:
        there: dict[Partner, There] = {}
        started = [
            (side, opened.enter_context(Partner(side.name, side.environment, side.folder)))
            for side in (sides if not why else sides[-1:])
        ]
        for side, partner in started:
            own = {
                "out": str(folder / side.name),
                "moved": [str(head.root), str(side.root)],
                "options": dict(planned.options if side is head else of_base.options),
            }
            try:
                there[partner] = partner.open({**order, **own})
            except Unable as error:
                if side is head or error.kind not in forgiven:
                    raise error.error from None
                why = str(error)
                partner.end()
        if why:
            note(f"{planned.name}: head alone, without the gates that need a base: {why}")
        notes = of_base.notes if len(there) > 1 else ()
        for text in notes:
            note(text)
        replicates = int(planned.options.get("replicates", REPLICATES))
        _take_turns(planned.name, there, replicates, asked.rounds, memory.job)
    base = folder / BASE if len(there) > 1 else None
    return Ran(planned, folder / HEAD, base, why, notes)


def _take_turns(
    name: str, there: Mapping[Partner, There], replicates: int, rounds: int, job: str
) -> None:
    """Have all steps done; a side that is alone does them at once."""
    alone = len(there) == 1
    steps = _steps(list(there.values()), replicates, rounds)
    for step in steps:
        for partner in turns(list(there), step.round):
            last = steps[-1].round + 1
            try:
                fits, seconds = partner.run(step, last, None if alone else job)
            except Unable as error:
                raise error.error from None
            what = [f"{fits} {'fit' if fits == 1 else 'fits'}, {seconds:.1f} s"]
            if not alone:
                warm_up = step.round == WARM_UP
                what.insert(0, "warm-up" if warm_up else f"round {step.round + 1}/{last}")
            note(f"{name}: {partner.side}, {', '.join(what)}")


def _steps(there: Sequence[There], replicates: int, rounds: int) -> tuple[Step, ...]:
    """Return what is left to do."""
    whole = (Step(WARM_UP, replicates),)
    if len(there) == 1:
        return whole  # all done or not: a store of another model is refused
    if all(one.least >= replicates for one in there):
        return ()
    done, begun = max(one.most for one in there), max(one.begun for one in there)
    # One side may have been interrupted where the other had done all: no round is left then.
    return steps_of(replicates, rounds, done, begun) or whole


def _target(scenario: str, head: _Side) -> str:
    """Return what names the scenario on both sides, from the folder that a side runs in."""
    path, colon, name = scenario.rpartition(":") if ".py:" in scenario else (scenario, "", "")
    if not Path(path).is_absolute() or not Path(path).resolve().is_relative_to(head.root):
        return scenario
    return os.path.relpath(Path(path).resolve(), head.folder) + colon + name


def _missing(target: str, base: _Side) -> str:
    """Say that base has not got the file of a scenario; empty where it has, or needs none."""
    path = target.rpartition(":")[0] if ".py:" in target else target
    if not path.endswith(".py") or (base.folder / path).is_file():
        return ""
    return f"base has no {path}"


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end this process as Ctrl-C does: with nothing left behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        # None: a handler that was not Python's, which cannot be set from here.
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)
