"""The models once more, for NumPyro; data and variables are called as in PyMC."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpyro
import numpyro.distributions as dist

Data = Mapping[str, Any]


def plants(data: Data) -> None:
    betas = numpyro.sample("betas", dist.Normal(0, 1).expand([3]))
    sigma = numpyro.sample("sigma", dist.HalfNormal(1))
    numpyro.sample("outcome", dist.Normal(data["x"] @ betas, sigma), obs=data["plant growth"])


def hierarchical(data: Data) -> None:
    groups = 48
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfNormal(1))
    z = numpyro.sample("z", dist.Normal(0, 1).expand([groups]))
    group = np.repeat(np.arange(groups), data["y"].shape[0] // groups)
    numpyro.sample("outcome", dist.Normal(mu + tau * z[group], 1), obs=data["y"])


MODELS: Mapping[str, Callable[[Data], None]] = {
    "plants": plants,
    "hierarchical": hierarchical,
}
