"""Caches of compiled code on disk: what to do when a file in one of them is damaged."""

import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Final

import pytensor

_NUMBA: Final = ("numba/core/caching.py", "pytensor/link/numba/cache.py")
_PYTENSOR: Final = ("pytensor/link/c/cmodule.py", "pytensor/link/c/lazylinker_c.py")
_OF_THE_CODE: Final = ("CompileError", "NotImplementedError", "MissingGXX")


def advice(error: BaseException) -> str:
    """Return what to do about an exception of a cache of compiled code; empty for any other.

    A file that a full disk or a kill cut short is met again by every later fit.
    """
    if type(error).__name__ in _OF_THE_CODE:
        return ""
    ours = Path(pytensor.config.compiledir)
    for frame in _frames(error):
        place = Path(frame.f_code.co_filename)
        if place.as_posix().endswith(_NUMBA):
            folder = Path(getattr(frame.f_locals.get("self"), "_cache_path", ours))
        elif place.as_posix().endswith(_PYTENSOR) or ours in place.parents:
            folder = ours
        else:
            continue
        inside = folder == ours or ours in folder.parents
        other = "PYTENSOR_FLAGS=base_compiledir=FOLDER" if inside else "NUMBA_CACHE_DIR=FOLDER"
        return f"; damaged cache of compiled code: remove {folder}, or set {other} to use another"
    return ""


def _frames(error: BaseException) -> Iterator[FrameType]:
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        for frame, _ in traceback.walk_tb(one.__traceback__):
            yield frame
        one = one.__cause__
