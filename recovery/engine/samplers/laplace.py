"""The Laplace approximation as `pymc_extras.fit_laplace` makes it, on functions compiled once.

Tierney and Kadane (1986), "Accurate approximations for posterior moments and marginal densities",
Journal of the American Statistical Association 81(393),
https://doi.org/10.1080/01621459.1986.10478240.

The mode is that of the density on the variables' own scale (without the Jacobian of their
transforms), the curvature is taken there along the unconstrained scale, and the draws are normal
on the unconstrained scale: the choices of pymc-extras, whose numbers these are where it is asked
for the exact curvature, as by ``fit_laplace(optimize_method="trust-ncg")``. Its default, BFGS,
takes for the covariance what that optimiser has gathered on its way: sds of the logistic
regression that is bundled are off by up to 9 %.
"""

import time
from contextlib import suppress
from typing import Any, Final

import numpy as np
import scipy.linalg
import scipy.optimize
from pymc.pytensorf import compile, join_nonshared_inputs, rewrite_pregrad
from pytensor import tensor as pt
from pytensor.gradient import grad, hessian_vector_product

from recovery.design import Settings
from recovery.engine.problem import CheckedProblem
from recovery.engine.samplers.base import Fit, Target
from recovery.engine.samplers.normal import NoFit, Vector, continuous_only
from recovery.engine.samplers.own_code import own_mode
from recovery.engine.samplers.pymc_model import Conditioned, hushed
from recovery.engine.structure import Simulated
from recovery.record import Floats

_CLOSE: Final = 1e-6  # posterior sds that the mode may be away
_NEWTON_STEPS: Final = 20  # the trust region ends so near the mode that a few are enough


class LaplaceSampler:
    """A normal distribution at the posterior mode with the curvature there, in processes.

    Of the settings `draws` and `chains` count, as the number of independent draws from the
    approximation; `tune`, `target_accept` and `ess` are those of NUTS.
    """

    name = "laplace"
    threads = False
    counts_compilation = True
    approximate = True

    def cannot(self, problem: CheckedProblem) -> str:
        """Return why not: a mode with a curvature needs continuous variables."""
        return continuous_only(problem)

    def compile(self, target: Target, simulated: Simulated) -> "LaplaceDensity":
        """Compile the density with its first and second derivatives."""
        with hushed():
            return LaplaceDensity(Conditioned(target, simulated))


class LaplaceDensity:
    """A density that is climbed to its mode in every fit.

    Parameters
    ----------
    conditioned : Conditioned
        A model whose free variables are all continuous, of fixed shapes.
    """

    def __init__(self, conditioned: Conditioned) -> None:
        self._conditioned = conditioned
        self._vector = Vector(conditioned)
        model = conditioned.model
        (loss,), vector = join_nonshared_inputs(
            point=self._vector.point,
            outputs=[-model.logp(jacobian=False)],
            inputs=model.value_vars,
        )
        loss = rewrite_pregrad(loss)
        direction = pt.vector("direction", dtype="float64")
        self._loss = compile([vector], [loss, grad(loss, vector)], mode=own_mode())
        product = hessian_vector_product(loss, [vector], [direction])
        self._product = compile(
            [vector, direction], product[0], mode=own_mode(), on_unused_input="ignore"
        )
        # numba compiles at the first call. A call that these data make impossible is the failure
        # of their fit, not of the density.
        with suppress(Exception):
            start = self._vector.start(0)
            self._loss(start)
            self._product(start, start)

    def fit(self, simulated: Simulated, settings: Settings, seed: int) -> Fit:
        """Find the mode with the data swapped in, and draw.

        Raises
        ------
        NoFit
            If there is no mode, or the curvature at it is no covariance.
        """
        self._conditioned.hold(simulated)
        started = time.perf_counter()
        with hushed(), np.errstate(all="ignore"):
            climb = _Climb(self._loss, self._product)
            mode, factor = climb.mode(self._vector.start(seed))
            # H = L L', so L'^-1 times its transpose is the inverse of H.
            inverse = scipy.linalg.solve_triangular(factor.T, np.eye(len(mode)), lower=False)
            return self._vector.fit(
                LaplaceSampler.name,
                mode,
                inverse,
                settings,
                np.random.default_rng(seed),
                iterations=climb.iterations,
                gradient_evaluations=climb.gradients,
                started=started,
            )


class _Climb:
    """One way to a mode; counts what it takes.

    Parameters
    ----------
    loss, product : callable
        From a vector to the negative log density and its gradient; from a vector and a direction
        to the product of the Hessian and that direction.
    """

    def __init__(self, loss: Any, product: Any) -> None:
        self._functions = loss, product
        self.iterations = 0
        self.gradients = 0

    def mode(self, start: Floats) -> tuple[Floats, Floats]:
        """Return the mode and the lower Cholesky factor of the Hessian there.

        A trust region gets near, from anywhere; Newton's steps get there, and their length in
        posterior sds, which does not depend on the scale of any parameter, says that they have.
        """
        if not np.isfinite(self._loss(start)[0]):
            raise NoFit("the density where the search for the mode begins is not finite")
        found = scipy.optimize.minimize(
            self._loss, start, jac=True, hessp=self._product, method="trust-ncg"
        )
        self.iterations = int(found.nit)
        at = np.asarray(found.x)
        for _ in range(_NEWTON_STEPS):
            factor = self._factor(at)
            slope = scipy.linalg.solve_triangular(factor, self._loss(at)[1], lower=True)
            distance = float(np.linalg.norm(slope))
            if distance < _CLOSE:
                return at, factor
            at = at - scipy.linalg.solve_triangular(factor.T, slope, lower=False)
            self.iterations += 1
        raise NoFit(
            f"no mode was found in {self.iterations} iterations: the next step of Newton's would "
            f"be {distance:.2g} sd long"
        )

    def _factor(self, at: Floats) -> Floats:
        hessian = np.stack([self._product(at, row) for row in np.eye(len(at))])
        if not np.isfinite(hessian).all():
            raise NoFit("the Hessian where the search for the mode ended is not finite")
        try:
            return np.asarray(np.linalg.cholesky((hessian + hessian.T) / 2), dtype=np.float64)
        except np.linalg.LinAlgError:
            raise NoFit(
                "the Hessian where the search for the mode ended is not positive definite: this "
                "is a saddle, a flat place or no end at all, not a mode"
            ) from None

    def _loss(self, at: Floats) -> tuple[float, Floats]:
        self.gradients += 1
        loss, slope = self._functions[0](at)
        # The trust region shrinks where the density is zero, but knows nothing of nan.
        return (float(loss) if np.isfinite(loss) else np.inf), np.asarray(slope)

    def _product(self, at: Floats, direction: Floats) -> Floats:
        self.gradients += 1
        return np.asarray(self._functions[1](at, direction))
