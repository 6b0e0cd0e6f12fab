"""The eight schools of Rubin (1981): a hierarchical model whose two forms sample very differently.

Data and model: Rubin, D. B. (1981), "Estimation in parallel randomized experiments", Journal of
Educational Statistics 6(4), https://doi.org/10.3102/10769986006004377; the two forms as in
Betancourt and Girolami (2015), https://doi.org/10.1201/b18401.
"""

import pymc as pm

from recovery import Problem, scenario

SCHOOLS = ["A", "B", "C", "D", "E", "F", "G", "H"]
STANDARD_ERRORS = [15, 10, 16, 11, 9, 11, 10, 18]


@scenario
def eight_schools(centred: bool = True, mu: float = 4.0, tau: float = 4.0) -> Problem:
    """Effects of coaching in eight schools: a hierarchy, centred (with its funnel) or not."""
    with pm.Model(coords={"school": SCHOOLS}) as model:
        mean = pm.Normal("mu", 0, 5)
        spread = pm.HalfCauchy("tau", 5)
        if centred:
            theta = pm.Normal("theta", mean, spread, dims="school")
        else:
            offset = pm.Normal("offset", dims="school")
            theta = pm.Deterministic("theta", mean + spread * offset, dims="school")
        # Without dims of the data, so that the schools' effects count as parameters, not as data.
        pm.Normal("y", theta, STANDARD_ERRORS)
    # The schools' own effects are drawn given these two, anew for each replicate.
    return Problem(model, observed="y", truth={"mu": mu, "tau": tau})
