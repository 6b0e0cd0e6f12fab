"""What the stores of a scenario were made from: a job that was interrupted can go on."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from recovery.design import digest
from recovery.policy import Planned
from recovery.report.atomic import write_file

FILE: Final = "job.json"
_LONGEST: Final = 2**16


@dataclass(frozen=True, slots=True)
class Memory:
    """The file beside the stores of a scenario.

    Attributes
    ----------
    folder : pathlib.Path
        Of the scenario.
    made_from : mapping
        States of the code, what is run, and with which packages.
    """

    folder: Path
    made_from: Mapping[str, Any]

    @classmethod
    def of(cls, folder: Path, planned: Planned, sides: Mapping[str, Any]) -> "Memory":
        """Put together what a job is made from.

        Parameters
        ----------
        folder : pathlib.Path
        planned : Planned
            Its gates are no part of it: they judge what is there already.
        sides : mapping
            State of the code and versions of packages, by side.
        """
        what = digest([planned.scenario, dict(planned.axes), dict(planned.options)])
        return cls(folder, {"planned": what, **sides})

    def goes_on(self, *, finished: bool) -> bool:
        """Say whether the stores are of the same job, and not at its end unless that is allowed.

        Parameters
        ----------
        finished : bool
            Whether a job that is done may be gone on with.
        """
        try:
            with (self.folder / FILE).open(encoding="utf-8") as file:
                found = json.loads(file.read(_LONGEST))
        except (OSError, ValueError, RecursionError):
            return False
        if not isinstance(found, dict) or found.get("made_from") != self._plain():
            return False
        return finished or found.get("finished") is False

    def write(self, job: str, *, finished: bool) -> None:
        """Write down where the job is.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        text = {"job": job, "finished": finished, "made_from": self._plain()}
        write_file(self.folder / FILE, json.dumps(text, indent=1) + "\n")

    def _plain(self) -> Any:
        return json.loads(json.dumps(self.made_from))
