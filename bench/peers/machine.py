"""What a measurement was made on."""

import datetime
import os
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from recovery.provenance import processor

PACKAGES = "pymc pytensor numba nutpie simuk numpyro jax pystan httpstan numpy"


@dataclass(frozen=True)
class Machine:
    """Processor, cores, load before the start, Python, packages, date."""

    processor: str
    cores: int
    load: float
    python: str
    packages: dict[str, str]
    date: str

    @property
    def line(self) -> str:
        packages = ", ".join(f"{name} {number}" for name, number in self.packages.items())
        return (
            f"{self.date}; {self.processor}, {self.cores} cores, load {self.load:.1f} before; "
            f"Python {self.python}; {packages}"
        )


def cores() -> int:
    """Return the number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def machine() -> Machine:
    found = {}
    for name in PACKAGES.split():
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return Machine(
        processor(),
        cores(),
        os.getloadavg()[0],
        platform.python_version(),
        found,
        datetime.datetime.now(datetime.UTC).date().isoformat(),
    )
