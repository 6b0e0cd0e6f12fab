"""Whole files or none: write beside the place, then rename into it."""

import os
from pathlib import Path

from recovery.errors import OutputError


def write_file(path: Path, content: str | bytes) -> Path:
    """Write a file so that a crash leaves the old one or the new one, never a part.

    Parameters
    ----------
    path : Path
        Folders above it are made where they are missing.
    content : str or bytes
        Text is written as UTF-8 with the line ends it has.

    Returns
    -------
    Path
        `path` itself.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    data = content.encode("utf-8", "replace") if isinstance(content, str) else content
    if not path.name or path.is_dir():
        raise OutputError(f"{path}: is a folder; give a file that can be written")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"{path}: could not be written ({error.strerror or error}); make room or give the "
            "folder write permission, then run recovery report on it again"
        ) from error
    return path


def remove_file(path: Path) -> None:
    """Remove a file, if it is there.

    Raises
    ------
    OutputError
        If it cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"{path}: is out of date and could not be removed ({error.strerror or error}); remove "
            "it or give the folder write permission, then run recovery report on it again"
        ) from error
