"""How fits were carried out, for the store."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass
class Carried:
    """How fits were carried out.

    Attributes
    ----------
    workers, processes, threads : int
        Fits at a time; processes, the runner's own included, and threads in each at most.
    python_share : float or None
        Share of a fit's time that needed the interpreter, where it was measured.
    executor : str
        ``local`` or ``dask``.
    """

    workers: int
    processes: int = 1
    threads: int = 1
    python_share: float | None = None
    executor: str = "local"

    def plain(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)
