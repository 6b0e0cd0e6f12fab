"""Standard streams that cannot end a run: closed, full, or with nobody at the other end."""

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, TextIO, cast

_NAMES: Final = ("stdout", "stderr")
_STDERR: Final = 2  # the last of the standard streams by their numbers


class Lasting:
    """A stream that takes what it is given, and loses what the one beneath it does not take.

    Parameters
    ----------
    stream : TextIO or None

    Attributes
    ----------
    error : OSError or None
        Why writing failed first, if it did.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self.error: OSError | None = None

    def write(self, text: str) -> int:
        """Write, or lose the text."""
        stream = self._stream
        if stream is not None:
            with self._remembering():
                try:
                    stream.write(text)
                except UnicodeEncodeError:
                    encoding = stream.encoding
                    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write one after another."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush what can be flushed."""
        if self._stream is not None:
            with self._remembering():
                self._stream.flush()

    def isatty(self) -> bool:
        """Say whether a person sees it."""
        try:
            return self._stream is not None and self._stream.isatty()
        except ValueError:  # it is closed
            return False

    @contextlib.contextmanager
    def _remembering(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.error = self.error or error
            self._let_go()
        except ValueError:
            pass  # the stream is closed

    def _let_go(self) -> None:
        """Flush what is held into nowhere: else it fails again at the end, with exit code 120."""
        stream = cast(TextIO, self._stream)
        with contextlib.suppress(OSError, ValueError), Path(os.devnull).open("wb") as nowhere:
            number = stream.fileno()
            kept = os.dup(number)
            try:
                os.dup2(nowhere.fileno(), number)
                stream.flush()
            finally:
                os.dup2(kept, number)
                os.close(kept)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def lasting(stream: TextIO | None) -> TextIO:
    """Return a stream that lasts in the place of another."""
    return cast(TextIO, Lasting(stream))


def keep_streams() -> None:
    """Make standard output and standard error of this process ones that last.

    A file that is opened where a standard stream is closed would get its number, and with it all
    that is written there by whoever knows it by its number.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        os.set_inheritable(number, True)
    os.close(number)
    for name in _NAMES:
        if not isinstance(getattr(sys, name), Lasting):
            setattr(sys, name, Lasting(getattr(sys, name)))


def settle_streams() -> OSError | None:
    """Flush what `keep_streams` made, and return why standard output was lost, if it was."""
    streams = [getattr(sys, name) for name in _NAMES]
    for stream in streams:
        if isinstance(stream, Lasting):  # and not what the user's code put in its place
            stream.flush()
    return streams[0].error if isinstance(streams[0], Lasting) else None
