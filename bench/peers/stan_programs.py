"""The models once more, for Stan; variables are called as in PyMC."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Data = Mapping[str, Any]


@dataclass(frozen=True)
class Program:
    """A Stan program, its data made from ours, and the variables to compare."""

    code: str
    data: Callable[[Data], dict[str, Any]]
    variables: tuple[str, ...]


PLANTS = Program(
    """
    data { int n; matrix[n, 3] x; vector[n] y; }
    parameters { vector[3] betas; real<lower=0> sigma; }
    model {
      betas ~ std_normal();
      sigma ~ std_normal();
      y ~ normal_id_glm(x, 0, betas, sigma);
    }
    """,
    lambda data: {"n": len(data["x"]), "x": data["x"], "y": data["plant growth"]},
    ("betas", "sigma"),
)

HIERARCHICAL = Program(
    """
    data { int n; int groups; array[n] int group; vector[n] y; }
    parameters { real mu; real<lower=0> tau; vector[groups] z; }
    model {
      mu ~ normal(0, 5);
      tau ~ std_normal();
      z ~ std_normal();
      y ~ normal(mu + tau * z[group], 1);
    }
    """,
    lambda data: {
        "n": len(data["y"]),
        "groups": 48,
        "group": np.repeat(np.arange(1, 49), len(data["y"]) // 48).tolist(),
        "y": data["y"],
    },
    ("mu", "tau", "z"),
)

PROGRAMS: Mapping[str, Program] = {"plants": PLANTS, "hierarchical": HIERARCHICAL}
