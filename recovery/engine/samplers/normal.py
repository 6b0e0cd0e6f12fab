"""What normal approximations share: one vector for all free variables, and draws from it."""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymc.initial_point import make_initial_point_fn
from pymc.pytensorf import compile
from pytensor import tensor as pt
from pytensor.graph.replace import vectorize_graph

from recovery.design import Settings
from recovery.engine.problem import CheckedProblem
from recovery.engine.samplers.base import Fit, as_float
from recovery.engine.samplers.pymc_model import Conditioned
from recovery.record import Floats, Sampling


class NoFit(Exception):
    """An approximation that was not found; the message says why."""


def continuous_only(problem: CheckedProblem) -> str:
    """Return why a problem has no normal approximation, or an empty string."""
    return f"{problem.discrete[0]!r} is discrete" if problem.discrete else ""


class Vector:
    """All free variables of a model as one vector, each on its unconstrained scale.

    Parameters
    ----------
    conditioned : Conditioned

    Attributes
    ----------
    names : tuple of str
        Names of the value variables, in their order in the vector.
    size : int
    """

    def __init__(self, conditioned: Conditioned) -> None:
        model = conditioned.model
        self._start = make_initial_point_fn(model=model, jitter_rvs=set())
        self.point: dict[str, NDArray[Any]] = self._start(0)
        self.names = tuple(variable.name for variable in model.value_vars)
        self._recorded = [v for v in model.unobserved_RVs if v.name in conditioned.recorded]
        vectors = pt.matrix("vectors", dtype="float64")
        pieces, end = {}, 0
        for variable in model.value_vars:
            value = self.point[variable.name]
            start, end = end, end + value.size
            piece = vectors[:, start:end].reshape((vectors.shape[0], *value.shape))
            pieces[variable] = piece.astype(variable.dtype)
        self.size = end
        outputs = vectorize_graph(model.replace_rvs_by_values(self._recorded), pieces)
        self._values = compile([vectors], outputs, mode="FAST_COMPILE", on_unused_input="ignore")

    def start(self, seed: int) -> Floats:
        """Return where `pm.find_MAP` and `pm.fit` would begin: the means of the priors, mostly."""
        return self.joined(self._start(seed))

    def joined(self, point: dict[str, NDArray[Any]]) -> Floats:
        """Return a point as the vector."""
        return np.concatenate([as_float(point[name]).ravel() for name in self.names])

    def values(self, vectors: Floats) -> dict[str, Floats]:
        """Return the recorded variables at these vectors, on their own scale.

        Parameters
        ----------
        vectors : array, shape (n, size)

        Returns
        -------
        dict of str to array, shape (n, *shape of the variable)
        """
        found = {}
        for variable, drawn in zip(self._recorded, self._values(vectors), strict=True):
            # What rests on no free variable is one value for all draws.
            drawn = as_float(drawn)
            drawn = drawn if drawn.ndim > variable.ndim else drawn[None]
            found[variable.name] = np.broadcast_to(drawn, (len(vectors), *drawn.shape[1:]))
        return found

    def fit(
        self,
        name: str,
        mean: Floats,
        factor: Floats,
        settings: Settings,
        rng: np.random.Generator,
        *,
        iterations: int,
        gradient_evaluations: int,
        started: float,
    ) -> Fit:
        """Draw from a normal distribution on the unconstrained scale, and make it a fit.

        Parameters
        ----------
        name : str
            Of the sampler.
        mean : array, shape (size,)
        factor : array, shape (size, size)
            Its product with its own transpose is the covariance.
        settings : Settings
            Chains times draws are drawn.
        rng : numpy.random.Generator
        iterations, gradient_evaluations : int
            What the approximation took.
        started : float
            When the fit began, by `time.perf_counter`.

        Returns
        -------
        Fit
            With a single chain, whatever the settings: the draws are independent, so an r_hat of
            several would be 1 however wrong the approximation is, and look as if convergence had
            been shown. With one chain there is none. The ESS is about the number of draws, and
            speaks of the Monte Carlo error of the summaries alone. `tune` is the number of
            iterations of the optimiser.
        """
        drawn = settings.chains * settings.draws
        values = self.values(mean + rng.standard_normal((drawn, self.size)) @ factor.T)
        for variable, array in values.items():
            if not np.isfinite(array).all():
                raise NoFit(f"draws of {variable!r} overflow, so far out does the approximation go")
        return Fit(
            {variable: array[None] for variable, array in values.items()},
            Sampling(
                sampler=name,
                chains=1,
                draws=drawn,
                tune=iterations,
                divergences=0,
                reached_max_treedepth=0,
                tree_depth_max=0,
                acceptance_rate=float("nan"),
                gradient_evaluations=gradient_evaluations,
            ),
            sample_s=time.perf_counter() - started,
        )
