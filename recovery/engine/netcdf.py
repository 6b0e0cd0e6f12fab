"""Groups of arrays as one file of NetCDF, whole or not at all."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from recovery.errors import OutputError

if TYPE_CHECKING:
    import xarray as xr

_SIGNATURE: Final = b"\x89HDF\r\n\x1a\n"


def writable_file(file: str | os.PathLike[str]) -> Path:
    """Check that a file can be written where it is to be, before what takes long.

    One that is there is replaced only if it is one of this kind: no store, no code, no device.

    Raises
    ------
    OutputError
    """
    target = Path(file)
    try:
        if target.is_dir():
            raise OutputError(f"{target}: is a folder; give the name of a file")
        if not target.parent.is_dir() or not os.access(target.parent, os.W_OK):
            raise OutputError(
                f"{target}: its folder is not there or cannot be written; give another"
            )
        if target.exists() and not _is_netcdf(target):
            raise OutputError(f"{target}: is there, and is no NetCDF file; give another name")
    except (OSError, ValueError) as error:
        raise OutputError(f"{target}: cannot be written ({error}); give another") from error
    return target


def _is_netcdf(target: Path) -> bool:
    if not target.is_file():
        return False
    with target.open("rb") as stream:
        return stream.read(len(_SIGNATURE)) == _SIGNATURE


def write_netcdf(groups: "Mapping[str, xr.Dataset]", file: str | os.PathLike[str]) -> None:
    """Write groups, replacing what is there once all of them are written.

    Raises
    ------
    OutputError
    """
    target = writable_file(file)
    begun = target.with_name(f".netcdf-{os.getpid()}")
    try:
        for number, (name, group) in enumerate(groups.items()):
            mode: Any = "a" if number else "w"
            group.to_netcdf(begun, group=name, mode=mode, engine="h5netcdf")
        begun.replace(target)
    except (OSError, RuntimeError, TypeError, ValueError) as error:  # HDF5 has all of these
        text = " ".join(str(error).split())[:200]
        raise OutputError(f"{target}: cannot be written ({text}); give another") from error
    finally:
        begun.unlink(missing_ok=True)
