"""Lines that a process writes into a pipe, until it has ended, whoever else holds the pipe open."""

import codecs
import contextlib
import io
import locale
import os
import selectors
import subprocess
import time
from collections.abc import Iterator
from typing import IO, Final

_LOOK_S: Final = 0.2  # how often to see whether the process is there
_LAST_S: Final = 1.0  # for what it has left in the pipe, while others write on
_CHUNK: Final = 2**16


def lines_of(process: "subprocess.Popen[bytes]", stream: IO[bytes]) -> Iterator[str]:
    """Go through the lines that a process writes, without their ends.

    What a process starts may inherit its streams and outlive it: then the pipe has no end when the
    process has, and a read would wait for as long as the last of them lives.

    Parameters
    ----------
    process : subprocess.Popen
    stream : binary file
        The reading end of a pipe of the process, read by nobody else.
    """
    decoder = io.IncrementalNewlineDecoder(
        codecs.getincrementaldecoder(locale.getencoding())(errors="replace"), translate=True
    )
    left = ""
    for chunk in _chunks(process, stream.fileno()):
        *whole, left = (left + decoder.decode(chunk)).split("\n")
        yield from whole
    left += decoder.decode(b"", final=True)
    if left:
        yield left.removesuffix("\n")


def _chunks(process: "subprocess.Popen[bytes]", pipe: int) -> Iterator[bytes]:
    last = None
    with contextlib.suppress(OSError), selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while last is None or time.monotonic() < last:
            ended = process.poll() is not None
            if ended and last is None:
                last = time.monotonic() + _LAST_S
            if selector.select(0 if ended else _LOOK_S):
                if not (chunk := os.read(pipe, _CHUNK)):
                    return
                yield chunk
            elif ended:
                return
