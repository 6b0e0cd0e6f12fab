"""Caches of compiled code on disk, and what to do when a file in one of them is damaged."""

import os
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# What reads and writes these caches, by the end of its file's name.
_NUMBA = (os.path.join("numba", "core", "caching.py"), os.path.join("link", "numba", "cache.py"))
_PYTENSOR = tuple(
    os.path.join("pytensor", "link", "c", name) for name in ("cmodule.py", "lazylinker_c.py")
)
_OF_THE_CODE = ("CompileError", "NotImplementedError", "MissingGXX")


def damaged_cache(error: BaseException) -> str:
    """Return what to do if an exception comes from a cache of compiled code, else nothing.

    A file cut short, by a full disk or a kill, is met again by every later fit.
    """
    if type(error).__name__ in _OF_THE_CODE:
        return ""
    for frame, _ in _frames(error):
        place, folder = frame.f_code.co_filename, None
        if place.endswith(_NUMBA):
            own = getattr(frame.f_locals.get("self"), "_cache_path", None)
            folder, way = own or _compiledir(), "NUMBA_CACHE_DIR=FOLDER"
        elif place.endswith(_PYTENSOR) or _inside(place, _compiledir()):
            folder, way = _compiledir(), "PYTENSOR_FLAGS=base_compiledir=FOLDER"
        if folder:
            return (
                f"the cache of compiled code in {folder} seems to be damaged; remove that folder, "
                f"or set {way} to use another"
            )
    return ""


def _frames(error: BaseException) -> Iterator[tuple[Any, int]]:
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield from traceback.walk_tb(one.__traceback__)
        one = one.__cause__


def _compiledir() -> str:
    import pytensor

    return str(pytensor.config.compiledir)


def _inside(place: str, folder: str) -> bool:
    return Path(folder) in Path(place).parents
