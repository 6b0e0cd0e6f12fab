"""Running an agenda on one machine: in threads, and in processes of threads."""

from recovery.execution.local import LocalExecution, default_workers
from recovery.execution.member import Equipment

__all__ = ["Equipment", "LocalExecution", "default_workers"]
