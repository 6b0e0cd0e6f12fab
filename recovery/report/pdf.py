"""A page as PDF, printed by a browser without a window, or by WeasyPrint."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from recovery.errors import OutputError, UsageError

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "chrome")
VARIABLE: Final = "RECOVERY_CHROMIUM"
SECONDS: Final = 180.0
"""How long a browser may take."""
_OPTIONS: Final = (
    "--headless", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-extensions", "--disable-dev-shm-usage", "--no-pdf-header-footer",
)  # fmt: skip
# When and by what a PDF was made, which differs between two of the same page.
_DATE: Final = re.compile(rb"/(?:CreationDate|ModDate) ?\((D:[^()\\]*)\)")
_IDS: Final = re.compile(rb"/ID ?\[ ?<([0-9A-Fa-f]+)> ?<([0-9A-Fa-f]+)> ?\]")
_EPOCH: Final = b"D:20000101000000+00'00'"


def printer() -> Path | None:
    """Return the browser that prints, None for WeasyPrint.

    Raises
    ------
    UsageError
        If there is neither.
    """
    given = os.environ.get(VARIABLE, "")
    if given:
        found = shutil.which(given)
        if found is None:
            raise UsageError(
                f"--pdf: {VARIABLE} is {given!r}, which is no program; give the path of Chromium "
                "or Chrome, or unset it"
            )
        return Path(found)
    for name in BROWSERS:
        if (found := shutil.which(name)) is not None:
            return Path(found)
    if find_spec("weasyprint") is None:
        raise UsageError(
            f"--pdf: there is no {', '.join(BROWSERS[:-1])} or {BROWSERS[-1]} on PATH and no "
            f"package weasyprint; install Chromium, or name a browser in {VARIABLE}, or install "
            "weasyprint, or print report.html from a browser"
        )
    return None


def print_pdf(page: Path) -> bytes:
    """Print a page of HTML; the same page and printer give the same bytes.

    Parameters
    ----------
    page : Path

    Raises
    ------
    UsageError
        If there is nothing that prints.
    OutputError
        If it fails, or takes longer than `SECONDS`.
    """
    browser = printer()
    data = _by_weasyprint(page) if browser is None else _by_browser(browser, page)
    return timeless(data)


def _by_browser(browser: Path, page: Path) -> bytes:
    """Print with a browser that has a profile of its own, and end all of it."""
    with tempfile.TemporaryDirectory(prefix="recovery-pdf-", ignore_cleanup_errors=True) as own:
        made = Path(own) / "report.pdf"
        words = [
            os.fspath(browser),
            *_OPTIONS,
            # Chromium's sandbox refuses to work for root.
            *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
            f"--user-data-dir={Path(own) / 'profile'}",
            f"--print-to-pdf={made}",
            page.resolve().as_uri(),
        ]
        with (Path(own) / "told").open("w+b") as told:
            try:
                process = subprocess.Popen(  # noqa: S603  (the user's own browser)
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=told,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    env=os.environ | {"HOME": own, "XDG_CONFIG_HOME": own, "XDG_CACHE_HOME": own},
                )
            except OSError as error:
                raise _failed(page, f"{browser} does not start, {error.strerror}") from error
            try:
                code = process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                raise _failed(page, f"{browser} took longer than {SECONDS:g} s") from None
            finally:
                _end(process)
            if code == 0 and made.is_file() and (data := made.read_bytes()).startswith(b"%PDF"):
                return data
            told.seek(0)
            lines = told.read().decode("utf-8", "replace").strip().splitlines()
        last = f": {lines[-1][:300]}" if lines else ""
        raise _failed(page, f"{browser} ended with code {code} and printed nothing{last}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a browser and the processes it has started, whether or not it ended itself."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def _by_weasyprint(page: Path) -> bytes:
    try:
        data: bytes = import_module("weasyprint").HTML(filename=os.fspath(page)).write_pdf()
    except Exception as error:  # its libraries may be missing, or raise anything
        raise _failed(page, f"WeasyPrint failed, {type(error).__name__}: {error}") from error
    return data


def _failed(page: Path, why: str) -> OutputError:
    return OutputError(
        f"{page}: could not be printed as PDF ({why}); print it from a browser, or name another "
        f"one in {VARIABLE}"
    )


def timeless(data: bytes) -> bytes:
    """Return a PDF without the time it was made at and its random name, at equal length.

    Lengths stay, and so do the offsets that a PDF finds its parts by.
    """

    def dated(match: re.Match[bytes]) -> bytes:
        length = len(match[1])
        return match[0].replace(match[1], _EPOCH[:length].ljust(length, b"0"))

    def named(match: re.Match[bytes]) -> bytes:
        return re.sub(rb"(?<=<)[0-9A-Fa-f]+", lambda digits: b"0" * len(digits[0]), match[0])

    return _IDS.sub(named, _DATE.sub(dated, data))
