"""Independent draws of a normal posterior, as a fit."""

from collections.abc import Mapping, Sequence

import numpy as np

from recovery.design import Settings
from recovery.engine.samplers import Fit
from recovery.record import Floats, Sampling


def normal_draws(
    mean: Floats, covariance: Floats, settings: Settings, rng: np.random.Generator
) -> Floats:
    """Return independent draws, shape (n_chains, n_draws, n), of a normal distribution.

    Parameters
    ----------
    mean : array, shape (n,)
    covariance : array, shape (n, n)
    settings : Settings
        For the numbers of chains and draws.
    rng : numpy.random.Generator
    """
    standard = rng.normal(size=(settings.chains, settings.draws, len(mean)))
    return np.asarray(mean + standard @ np.linalg.cholesky(covariance).T)


def exact_fit(
    name: str, draws: Mapping[str, Floats], recorded: Sequence[str], settings: Settings
) -> Fit:
    """Return draws as a fit that cost nothing and had no trouble.

    Parameters
    ----------
    name : str
        Of the sampler.
    draws : mapping of str to array, shape (n_chains, n_draws, *shape)
    recorded : sequence of str
        Names of the variables that estimates are made of, all of them among `draws`.
    settings : Settings
    """
    sampling = Sampling(
        sampler=name,
        chains=settings.chains,
        draws=settings.draws,
        tune=0,
        divergences=0,
        reached_max_treedepth=0,
        tree_depth_max=0,
        acceptance_rate=1.0,
        gradient_evaluations=settings.chains * settings.draws,
    )
    return Fit({key: draws[key] for key in recorded}, sampling, sample_s=1e-6)
