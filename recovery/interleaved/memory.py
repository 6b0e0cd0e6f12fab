"""What the stores of a job were made from, so that one that was interrupted can go on."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from recovery.design import digest
from recovery.policy import Planned
from recovery.report.atomic import write_file

FILE: Final = "job.json"
_LONGEST: Final = 2**20  # characters: of a policy of many scenarios


@dataclass(frozen=True, slots=True)
class Memory:
    """The file beside the stores of all scenarios.

    Attributes
    ----------
    folder : pathlib.Path
        That holds a folder for each scenario.
    job : str
        Name of the job.
    made_from : mapping of str to mapping
        By scenario: what is run, the states of the code, and versions of packages.
    """

    folder: Path
    job: str
    made_from: Mapping[str, Mapping[str, Any]]
    _before: Mapping[str, Any] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Read what an earlier job has left."""
        object.__setattr__(self, "_before", _read(self.folder / FILE))

    def goes_on(self, name: str, *, finished: bool) -> bool:
        """Say whether the stores of a scenario are made from the same.

        Parameters
        ----------
        name : str
        finished : bool
            Whether a job that came to its end may be gone on with.
        """
        made_from = self._before.get("made_from")
        same = isinstance(made_from, dict) and made_from.get(name) == self.made_from[name]
        return same and (finished or self._before.get("finished") is False)

    def write(self, *, finished: bool) -> None:
        """Write down where the job is.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        text = {"job": self.job, "finished": finished, "made_from": self.made_from}
        write_file(self.folder / FILE, json.dumps(text, indent=1) + "\n")


def made_from(
    planned: Planned, base: Mapping[str, Any], sides: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Return what the stores of a scenario are made from.

    Parameters
    ----------
    planned : Planned
        Its gates are no part of it: they judge what is there already.
    base : mapping
        Options of base, whose sampler settings may be its own.
    sides : mapping of str to mapping
        State of the code and versions of packages, by side.
    """
    what = digest([planned.scenario, dict(planned.axes), dict(planned.options), dict(base)])
    return {"planned": what, **{name: dict(side) for name, side in sides.items()}}


def _read(file: Path) -> Mapping[str, Any]:
    """Return what the file says; of one that is missing or damaged, nothing."""
    try:
        with file.open(encoding="utf-8") as stream:
            found = json.loads(stream.read(_LONGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
