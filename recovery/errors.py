"""Every error a user can meet.

RecoveryError
├── UsageError                  exit 2: the command or its input is wrong
│   ├── ScenarioError           no scenario, several, an unknown one, or no function
│   ├── LevelError              an unknown axis, or a level it cannot take
│   ├── ProblemError            truth, observed, covariates or predict do not fit the model
│   ├── SettingsError           an impossible sampler setting, seed or number of replicates
│   │   └── SetUpError          what a sampler needs is missing or damaged here
│   ├── GateError               an unknown gate, or a limit it cannot have
│   ├── PolicyError             a policy that cannot be read, with its line
│   ├── RepositoryError         no git repository, or a commit it has not got
│   ├── EnvironmentRefused      an interpreter that cannot run a side of an interleaved job
│   ├── OutputError             the output folder cannot be used
│   ├── StoreConflict           the folder holds another run
│   ├── StoreBusy               another process is writing the store
│   ├── NothingInCommon         two runs that are to be compared have no cell in common
│   └── NotAStore               the file in the store's place is something else
├── UserCodeError               exit 2: the user's own function raised; shown with its traceback
├── StoreDamaged                exit 1: the store cannot be read
├── WorkerDied                  exit 1: a worker process was killed; what was done is kept
├── StoreWriteError             exit 1: a commit was not possible, so nothing was acknowledged
└── NothingMeasured             exit 3: there is nothing to report on

Each message is one line: what is wrong, where, what is allowed, what to do next.
"""

from typing import ClassVar


class RecoveryError(Exception):
    """Root of the tree; `exit_code` is what the command line returns for it."""

    exit_code: ClassVar[int] = 1


class UsageError(RecoveryError):
    """The command or its input is wrong; nothing was written."""

    exit_code = 2


class ScenarioError(UsageError):
    """No scenario, several, an unknown one, or a function that is not a scenario."""


class LevelError(UsageError):
    """An unknown axis, or a level the axis cannot take."""


class ProblemError(UsageError):
    """Truth, observed, covariates or predict do not fit the model."""


class SettingsError(UsageError):
    """An impossible sampler setting, seed or number of replicates."""


class SetUpError(SettingsError):
    """What a sampler needs is missing or damaged here: a package, a cache of compiled code."""


class GateError(UsageError):
    """An unknown gate, or a limit that it cannot have."""


class PolicyError(UsageError):
    """A policy that cannot be read, or says what none can say."""


class RepositoryError(UsageError):
    """No git repository here, or a commit that it has not got."""


class EnvironmentRefused(UsageError):
    """An interpreter that cannot run one side of an interleaved job."""


class OutputError(UsageError):
    """The output folder is a file or cannot be written."""


class StoreConflict(UsageError):
    """The store in the output folder was made by another run."""


class StoreBusy(UsageError):
    """Another process holds the store."""


class NothingInCommon(UsageError):
    """Two runs have no cell in common, so there is nothing to compare."""


class NotAStore(UsageError):
    """The file in the store's place is missing or is no store of this program."""


class UserCodeError(RecoveryError):
    """The user's own code raised.

    Parameters
    ----------
    message : str
        One line naming what was being done.
    traceback_text : str
        The traceback, beginning at the first frame of the user's file.
    """

    exit_code = 2

    def __init__(self, message: str, traceback_text: str) -> None:
        super().__init__(message)
        self.traceback_text = traceback_text


class StoreDamaged(RecoveryError):
    """The store cannot be read; the file is left as it is."""


class StoreWriteError(RecoveryError):
    """A commit failed (a full disk, say); what it held was not acknowledged."""


class WorkerDied(RecoveryError):
    """A worker process ended without a word."""


class NothingMeasured(RecoveryError):
    """There is no replicate to report on."""

    exit_code = 3
