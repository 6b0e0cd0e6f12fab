"""PyStan: one compiled program, fits one after another, its chains in processes beside each other.

Compiled programs stay in a cache on disk; a first fit with an empty one takes a minute more.
"""

import contextlib
import io
import json
from collections.abc import Iterator
from typing import Any

import stan

from peers import base
from peers.stan_programs import PROGRAMS


class Peer(base.Peer):
    """`stan.build` finds the program in its cache from the second data set on."""

    def __init__(self, task: base.Task) -> None:
        super().__init__(task)
        try:
            next(self._built(range(1)))
        except json.JSONDecodeError as error:
            # Its server answers with an error page where it cannot load what it has compiled.
            raise RuntimeError(
                "httpstan cannot load what it compiled (4.17 on Python 3.13); use Python 3.12"
            ) from error

    def fits(self, numbers: range) -> Iterator[Any]:
        for model in self._built(numbers):
            with _hushed():
                fit = model.sample(
                    num_chains=self.task.chains,
                    num_samples=self.task.draws,
                    num_warmup=self.task.tune,
                )
            yield fit

    def _built(self, numbers: range) -> Iterator[Any]:
        program = PROGRAMS[self.task.model]
        for number in numbers:
            # Without a seed: a seeded fit that was done before comes from its cache.
            with _hushed():
                model = stan.build(program.code, data=program.data(self.task.data[number]))
            yield model

    def draws(self, fit: Any) -> base.Arrays:
        return {name: fit[name].T for name in PROGRAMS[self.task.model].variables}


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """It talks while it works."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        yield
