"""Running an agenda: in threads, in processes of threads, and one by one where that is safer."""

from recovery.execution.local import LocalExecution, default_workers
from recovery.execution.seat import Limits
from recovery.execution.served import Equipment

__all__ = ["Equipment", "Limits", "LocalExecution", "default_workers"]
