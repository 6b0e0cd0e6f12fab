"""One side of an interleaved job: a process that runs what it is told, and waits in between.

``python -m recovery.interleaved.side PARENT`` reads JSON lines. The first says what is to be run,
each other one how far: ``{"round": k, "rounds": of so many, "replicates": n}``, and of which job.
Each is answered by a line, on what was standard output when it began: the user's own code prints on
standard error.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from recovery.errors import RecoveryError, UsageError, UserCodeError
from recovery.importing import uncollected
from recovery.inert import plain
from recovery.interleaved.paths import follow, of_the_environment
from recovery.leash import end_with

if TYPE_CHECKING:
    from recovery.sweep import Sweep

INTERRUPTED: Final = 130


def main() -> int:
    """Serve until nothing more is asked for, and return an exit code."""
    asked, answers = _private_streams()
    end_with(int(sys.argv[1]))
    try:
        served = _serve(asked)
        for answer in served:
            print(json.dumps(answer), file=answers, flush=True)
    except KeyboardInterrupt:
        return INTERRUPTED
    except UserCodeError as error:
        answer = _failed(error)
        answer["traceback"] = plain(error.traceback_text, lines=True)
    except RecoveryError as error:
        answer = _failed(error)
    else:
        return 0
    print(json.dumps(answer), file=answers, flush=True)
    return int(answer["exit_code"])


def _private_streams() -> tuple[IO[str], IO[str]]:
    """Take standard input and output away from whoever else would use them."""
    asked, answers = os.fdopen(os.dup(0), "r"), os.fdopen(os.dup(1), "w")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115  (a stream by its number)
    return asked, answers


def _serve(asked: IO[str]) -> Iterator[dict[str, Any]]:
    """Answer one line after another."""
    with uncollected():  # both sides at the same time, before either is asked anything
        import recovery.sweep  # noqa: F401  (see above)
    first = asked.readline()
    if not first:
        return
    order = json.loads(first)
    here, there = map(Path, order["moved"])
    if here != there:
        sys.path[:] = [follow(entry, here, there) for entry in sys.path]
    sweep = _opened(order)
    yield {"ready": True, **_there(Path(order["out"]), sweep)}
    for line in asked:
        step = json.loads(line)
        began = time.perf_counter()
        sweep = sweep.grown(step["replicates"])
        results = sweep.run(
            order["out"],
            workers=order["workers"],
            # Another process would compile again, in the middle of a round.
            processes=1 if step["job"] else None,
            progress=not step["job"],
            report=False,
            command=order["command"],
            interleaved=_round(step, order["side"]) if step["job"] else None,
        )
        if here != there:
            _refuse_borrowed(order["side"], here)
        fits = int((results.sessions[-1].get("execution") or {}).get("fits", 0))
        yield {"done": step["round"], "fits": fits, "seconds": time.perf_counter() - began}


def _round(step: dict[str, Any], side: str) -> dict[str, Any]:
    """Return what is recorded of a round."""
    return {"side": side, **{name: step[name] for name in ("job", "round", "rounds")}}


def _opened(order: dict[str, Any]) -> "Sweep":
    """Load the scenario, and build and check every cell."""
    from recovery.loading import load_scenario

    with uncollected():
        scenario = load_scenario(order["scenario"])
        from recovery.sweep import Sweep
    sweep = Sweep(scenario, order["axes"], **order["options"])
    for cell in sweep.design.cells:
        sweep.workshop.check(cell)
    return sweep


def _there(out: Path, sweep: "Sweep") -> dict[str, int]:
    """Return how many replicates its cells have at least and at most, and the rounds begun."""
    from recovery.database import FILE_NAME
    from recovery.store import Store

    if not (out / FILE_NAME).is_file():
        return {"least": 0, "most": 0, "begun": 0}
    store = Store.read(out)
    try:
        done, sessions = store.done(), store.sessions()
    finally:
        store.close()
    seed = sweep.design.seed
    found = [done.get((cell.digest, seed), set()) for cell in sweep.design.cells]
    rounds = [session.get("interleaved", {}).get("round", -1) for session in sessions]
    return {
        "least": min(len(numbers) for numbers in found),
        "most": max(max(numbers, default=-1) + 1 for numbers in found),
        "begun": max(rounds, default=-1) + 1,
    }


def _refuse_borrowed(side: str, here: Path) -> None:
    """Refuse modules that come from what is checked out now: that would compare it with itself."""
    borrowed = sorted(
        name
        for name, module in list(sys.modules.items())
        if isinstance(file := getattr(module, "__file__", None), str)
        and (path := Path(file).resolve()).is_relative_to(here)
        and not of_the_environment(path)
        # Compiled code is often cached in a folder of the workspace.
        and not any(part.startswith(".") for part in path.relative_to(here).parts)
    )
    if borrowed:
        more = f" and {len(borrowed) - 1} more" if len(borrowed) > 1 else ""
        raise UsageError(
            f"{side}: would use {borrowed[0]}{more} of what is checked out now, as it is installed "
            'from there; give each side an environment of its own, as --install "pip install -e ."'
        )


def _failed(error: RecoveryError) -> dict[str, Any]:
    return {
        "failed": " ".join(plain(error).split()),
        "kind": type(error).__name__,
        "exit_code": error.exit_code,
    }


if __name__ == "__main__":
    code = main()
    if code == INTERRUPTED:
        # Threads may still be in compiled code, which does not outlive the interpreter's end.
        os._exit(code)
    sys.exit(code)
