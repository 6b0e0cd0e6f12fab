"""Samplers, one file each."""

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from recovery.engine.samplers.base import Density, Fit, Sampler, Target
from recovery.errors import SettingsError, SetUpError
from recovery.importing import uncollected
from recovery.inert import message

__all__ = ["Density", "Fit", "SAMPLERS", "Sampler", "Target", "sampler_by_name"]

SAMPLERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "nutpie": "recovery.engine.samplers.nutpie:NutpieSampler",
        "pymc": "recovery.engine.samplers.pymc:PymcSampler",
        "advi": "recovery.engine.samplers.advi:AdviSampler",
        "fullrank_advi": "recovery.engine.samplers.advi:FullRankAdviSampler",
        "laplace": "recovery.engine.samplers.laplace:LaplaceSampler",
    }
)


def sampler_by_name(name: str) -> Sampler:
    """Return a sampler; its packages are imported only now.

    Raises
    ------
    SettingsError
        If there is no such sampler, or its package is not installed.
    """
    if name not in SAMPLERS:
        raise SettingsError(f"sampler: {name!r} is not known; give one of {', '.join(SAMPLERS)}")
    module, _, attribute = SAMPLERS[name].partition(":")
    try:
        with uncollected():
            sampler: Sampler = getattr(importlib.import_module(module), attribute)()
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError)
        why = "" if missing else f", which cannot be imported ({message(error)})"
        raise SetUpError(
            f"sampler: {name!r} needs the package {error.name or name}{why}; install it, or choose "
            "another"
        ) from error
    return sampler
