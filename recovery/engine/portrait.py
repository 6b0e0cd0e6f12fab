"""What a reader is shown of a model: a line per variable, and which variable feeds which."""

from typing import Any, Final

from pymc.model_graph import ModelGraph

from recovery.engine.problem import CheckedProblem
from recovery.inert import encodable, plain

_MOST: Final = 60  # variables; a larger model is no picture any more
_LENGTH: Final = 200  # of the text of a distribution


def portrait(problem: CheckedProblem) -> dict[str, dict[str, Any]]:
    """Return the variables of a problem's model as plain values, by name.

    Nothing is decided by it: what makes two problems the same is in `describe`.

    Returns
    -------
    dict
        For each variable ``role`` (``free``, ``observed``, ``deterministic``, ``potential``,
        ``data``), ``distribution`` as PyMC writes it, ``dims`` and ``parents``. Empty for a model
        of more than 60 variables, and for one that PyMC cannot draw.
    """
    model = problem.model
    roles = {
        **{str(v.name): "data" for v in model.data_vars},
        **dict.fromkeys(problem.free, "free"),
        **dict.fromkeys((str(v.name) for v in model.deterministics), "deterministic"),
        **dict.fromkeys((str(v.name) for v in model.potentials), "potential"),
        **dict.fromkeys(problem.observed, "observed"),
    }
    if len(roles) > _MOST:
        return {}
    try:
        parents = ModelGraph(model).make_compute_graph()
    except Exception:
        return {}  # it is a picture: a model that has none is as good as any
    return {
        encodable(name): {
            "role": role,
            "distribution": _distribution(model[name]),
            "dims": [encodable(str(dim)) for dim in model.named_vars_to_dims.get(name) or ()],
            "parents": sorted(encodable(str(p)) for p in parents.get(name, ()) if p in roles),
        }
        for name, role in roles.items()
    }


def _distribution(variable: Any) -> str:
    """Return ``Normal(0, 1)`` for a variable that has such a text, else nothing."""
    try:
        _, found, text = variable.str_repr().partition(" ~ ")
    except Exception:
        return ""  # shared data have no such method, and custom distributions a broken one at times
    return plain(text)[:_LENGTH] if found else ""
