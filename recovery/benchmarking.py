"""What fits cost, beside what pytest-benchmark times: effective draws, gradients, divergences."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

import numpy as np

from recovery.blocks import worst
from recovery.diagnostics import diagnose
from recovery.engine.samplers import Fit
from recovery.errors import SettingsError
from recovery.provenance import machine, packages
from recovery.record import FITTED, Floats, Record, Sampling
from recovery.results import Results

Fitted: TypeAlias = Fit | Record | Results
_MOST: Final = 200  # rounds whose draws are held at a time
_COLUMNS: Final = (
    "ess_bulk_per_s",
    "gradient_evaluations",
    "ess_bulk_per_gradient",
    "divergences",
)


def describe_fits(fits: Iterable[Fitted] | Fitted) -> dict[str, Any]:
    """Return what fits cost, as plain values for ``benchmark.extra_info``.

    Parameters
    ----------
    fits : Fit, Record or Results, or an iterable of them
        Results count as all fits in their store.

    Returns
    -------
    dict
        ``fits`` (complete ones), ``fits_failed``, and means over the complete ones:
        ``ess_bulk_per_s`` (smallest bulk ESS of a fit over its seconds of sampling, compilation
        apart), ``gradient_evaluations`` (warm-up counted), ``ess_bulk_per_gradient`` and
        ``divergences``; None where no fit has such a number. ``versions`` of packages and
        ``machine``, as in a run's manifest.

    Raises
    ------
    SettingsError
        If something else is given.
    """
    several = [fits] if isinstance(fits, Fit | Record | Results) else list(fits)
    found = [_numbers(fitted) for fitted in several]
    complete = np.concatenate([numbers for numbers, _ in found] or [np.empty((0, len(_COLUMNS)))])
    means = {
        name: float(known.mean()) if (known := values[np.isfinite(values)]).size else None
        for name, values in zip(_COLUMNS, complete.T, strict=True)
    }
    return {
        "fits": len(complete),
        "fits_failed": sum(failed for _, failed in found),
        **means,
        "versions": packages(),
        "machine": machine(),
    }


def _numbers(fitted: Any) -> tuple[Floats, int]:
    """Return a row per complete fit, in the order of `_COLUMNS`, and the number of failed ones."""
    if isinstance(fitted, Results):
        fits = fitted.fits
        complete = fits[fits["ok"]]
        return complete[list(_COLUMNS)].to_numpy(float), len(fits) - len(complete)
    if isinstance(fitted, Fit):
        chains = [np.reshape(d, (*np.shape(d)[:2], -1)) for d in fitted.draws.values()]
        ess = diagnose(np.concatenate(chains, axis=-1)).ess_bulk
        return _row(worst("ess_bulk", ess), fitted.sampling, fitted.sample_s), 0
    if isinstance(fitted, Record):
        if fitted.estimates is None or fitted.sampling is None:
            return np.empty((0, len(_COLUMNS))), 1
        ess = fitted.estimates.ess_bulk[[kind in FITTED for kind in fitted.estimates.kinds]]
        return _row(worst("ess_bulk", ess), fitted.sampling, fitted.times.sample_s), 0
    raise SettingsError(
        f"a {type(fitted).__name__} is no fit; the function that is benchmarked returns Results, a "
        "Fit or a Record"
    )


def _row(ess: Floats, sampling: Sampling, sample_s: float) -> Floats:
    gradients = sampling.gradient_evaluations
    with np.errstate(divide="ignore", invalid="ignore"):
        row = [
            float(np.divide(ess, sample_s)),
            float(gradients),
            float(np.divide(ess, gradients)) if gradients else np.nan,
            float(sampling.divergences),
        ]
    return np.array([row])


class RecoveryBenchmark:
    """The fixture ``benchmark`` of pytest-benchmark, whose ``extra_info`` tells what fits cost.

    It is used as that is, once in a test; what else that has, this has too. The function that is
    timed returns `Results`, a `Fit` or a `Record`; what it returned is described once the time is
    taken. The means are over all rounds, or over 100 to 200 that are spread evenly where there are
    more; warm-up rounds of `pedantic` are left out.

    Parameters
    ----------
    benchmark : pytest_benchmark.fixture.BenchmarkFixture
    """

    def __init__(self, benchmark: Any) -> None:
        self.benchmark = benchmark

    def __call__(self, function: Callable[..., Fitted], *args: Any, **kwargs: Any) -> Any:
        """Time a function, called with these arguments, and return what it returned last."""
        kept = _Kept(function)
        last = self.benchmark(kept, *args, **kwargs)
        self.benchmark.extra_info |= describe_fits(kept.results)
        return last

    def pedantic(
        self,
        target: Callable[..., Fitted],
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        warmup_rounds: int = 0,
        iterations: int = 1,
        **options: Any,
    ) -> Any:
        """Time a function as pytest-benchmark's ``pedantic`` does, which takes the same options."""
        skipped = warmup_rounds * iterations if self.benchmark.enabled else 0
        kept = _Kept(target, skipped)
        last = self.benchmark.pedantic(
            kept,
            args=tuple(args),
            kwargs=None if kwargs is None else dict(kwargs),
            warmup_rounds=warmup_rounds,
            iterations=iterations,
            **options,
        )
        self.benchmark.extra_info |= describe_fits(kept.results)
        return last

    @property
    def extra_info(self) -> dict[str, Any]:
        """What is written beside the times, into the JSON of pytest-benchmark."""
        found: dict[str, Any] = self.benchmark.extra_info
        return found

    @extra_info.setter
    def extra_info(self, given: dict[str, Any]) -> None:
        self.benchmark.extra_info = given

    @property
    def group(self) -> str | None:
        """The group of benchmarks that this one is shown in."""
        found: str | None = self.benchmark.group
        return found

    @group.setter
    def group(self, name: str | None) -> None:
        self.benchmark.group = name

    def __getattr__(self, name: str) -> Any:
        return getattr(self.benchmark, name)


class _Kept:
    """A function that keeps what it returns: all, or every second, fourth, ... where it is much."""

    def __init__(self, function: Callable[..., Fitted], skipped: int = 0) -> None:
        self._function = function
        self._calls = -skipped
        self._step = 1
        self.results: list[Fitted] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Fitted:
        fitted = self._function(*args, **kwargs)
        if self._calls >= 0 and self._calls % self._step == 0:
            self.results.append(fitted)
            if len(self.results) > _MOST:
                self.results = self.results[::2]
                self._step *= 2
        self._calls += 1
        return fitted
