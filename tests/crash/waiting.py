"""Waiting for what another process does, and looking for what it has left behind."""

import os
import time
from collections.abc import Callable
from pathlib import Path

WITHIN_S = 180.0  # of a machine that is busy with other things


def until(condition: Callable[[], bool], within_s: float = WITHIN_S) -> bool:
    """Wait for a condition, and say whether it came true."""
    last = time.monotonic() + within_s
    while not (true := condition()) and time.monotonic() < last:
        time.sleep(0.01)
    return true


def count(file: str, seed: int) -> None:
    """Add a line for a fit that begins, with its process and seed, if there is a file for that."""
    if file:
        with Path(file).open("a") as stream:
            stream.write(f"{os.getpid()} {seed}\n")


def counted(file: Path) -> list[tuple[int, int]]:
    """Return process and sampler seed of the fits that were begun."""
    if not file.exists():
        return []
    words = [line.split() for line in file.read_text().splitlines()]
    return [(int(pid), int(seed)) for pid, seed in words]


def marked(mark: str) -> list[int]:
    """Return the processes that were started with a variable in their environment."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and f"{mark}=".encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue  # it has ended, or is not ours
    return found
