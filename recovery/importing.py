"""Large packages imported without looking for garbage, which they do not leave."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Import inside; what is there at the end is never searched for garbage again.

    PyMC and its samplers make millions of objects that stay. Looking through them again and again
    costs a tenth of the time of their import, and of every compilation after it.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was:
            gc.enable()
