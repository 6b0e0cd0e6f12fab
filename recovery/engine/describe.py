"""A description of a problem that is the same for equal models, however their file is written."""

import functools
import json
import sys
import types
from collections.abc import Mapping
from typing import Any

import numpy as np
import pymc
import pytensor
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.traversal import ancestors
from pytensor.tensor.random.type import RandomType
from pytensor.tensor.variable import TensorVariable

from recovery.engine.graph import array_digest, graph_digest, text_digest, without_addresses
from recovery.engine.problem import CheckedProblem
from recovery.engine.quantities import asked

_DEPTH = 5  # functions called by functions; deeper ones count by name


def describe(problem: CheckedProblem) -> dict[str, Any]:
    """Return what makes two problems the same, as plain values by field.

    Returns
    -------
    dict
        ``model`` (a line per variable), ``graph`` (digest of all computations, densities and
        constants), ``graph_of`` (the versions that made that digest: it compares within them
        only), ``truth``, ``coords``, ``data``, ``covariates`` and ``predict``; ``generator``, the
        same of the generator, where there is one.
    """
    generator = {} if problem.generator is None else {"generator": describe(problem.generator)}
    return generator | {
        "model": _variables(problem),
        "graph": _graph(problem),
        "graph_of": (
            f"pymc {pymc.__version__}, pytensor {pytensor.__version__}, "
            f"python {sys.version_info.major}.{sys.version_info.minor}"
        ),
        "truth": {name: value.tolist() for name, value in problem.truth.items()},
        "coords": _coords(problem),
        "data": {
            name: array_digest(value)
            for name, value in problem.data.items()
            if name not in problem.covariates
        },
        "covariates": _sources(problem.covariates),
        "predict": _sources(problem.predict),
    }


def describe_quantities(problem: CheckedProblem) -> dict[str, str]:
    """Return what makes each test quantity the same, by its name.

    A function is known by its code, which compares within one version of Python only, so that
    comes first, before a colon.
    """
    version = f"python {sys.version_info.major}.{sys.version_info.minor}"
    return {
        name: f"text:{source}"
        if isinstance(source, str)
        else f"{version}:{text_digest([json.dumps(_code(source, _DEPTH))])}"
        for name, source in asked(problem).items()
    }


def _variables(problem: CheckedProblem) -> dict[str, str]:
    model = problem.model
    roles = {
        "free": problem.free,
        "observed": problem.observed,
        "deterministic": [v.name for v in model.deterministics],
        "potential": [v.name for v in model.potentials],
    }
    lines = {}
    for role, names in roles.items():
        for name in names:
            op = model[name].owner.op if role in ("free", "observed") else None
            kind = (getattr(op, "_print_name", None) or [type(op).__name__])[0] if op else ""
            dims = model.named_vars_to_dims.get(name) or ()
            lines[name] = " ".join(filter(None, [role, kind, *map(str, dims)]))
    return lines


def _graph(problem: CheckedProblem) -> str:
    model = problem.model
    outputs = [*model.basic_RVs, *model.deterministics, *model.potentials]
    data = {*model.data_vars, *model.dim_lengths.values()}
    others = [
        variable
        for variable in ancestors(outputs)
        if isinstance(variable, SharedVariable)
        and variable not in data
        and not isinstance(variable.type, RandomType)
    ]
    values = [array_digest(variable.get_value()) for variable in others]
    return text_digest([graph_digest(outputs), *_densities(problem), *values])


def _densities(problem: CheckedProblem) -> list[str]:
    """Digest the densities too: they hold the transforms, and what a custom density computes.

    A variable observed already is left out, as its density holds the data that will be replaced.
    """
    digests = []
    for variable in problem.model.free_RVs:
        try:
            digests.append(graph_digest(problem.model.logp(vars=[variable], sum=False)))
        except (NotImplementedError, ValueError):
            digests.append("none")  # it has none, or PyMC derives it only as part of the whole
    return digests


def _coords(problem: CheckedProblem) -> dict[str, list[str]]:
    dims = {
        dim
        for name in problem.recorded
        for dim in problem.model.named_vars_to_dims.get(name) or ()
        if dim
    }
    coords = problem.model.coords
    return {dim: [str(v) for v in coords[dim] or ()] for dim in sorted(dims & set(coords))}


def _sources(given: Mapping[str, Any]) -> dict[str, str]:
    sources = {}
    for name, value in given.items():
        if isinstance(value, TensorVariable):
            sources[name] = graph_digest([value])
        elif isinstance(value, np.ndarray):
            sources[name] = array_digest(value)
        else:
            sources[name] = text_digest([json.dumps(_code(value, _DEPTH))])
    return sources


def _code(value: Any, depth: int) -> Any:
    """Return what a function does, as plain values without addresses or hash order."""
    if isinstance(value, types.CodeType):
        names = [list(value.co_names), list(value.co_varnames), list(value.co_freevars)]
        return ["code", value.co_code.hex(), names, [_code(c, depth) for c in value.co_consts]]
    if isinstance(value, types.FunctionType) and depth:
        used = {k: v for k, v in value.__globals__.items() if k in value.__code__.co_names}
        plain = {k: v for k, v in used.items() if not isinstance(v, types.ModuleType | type)}
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        defaults = [value.__defaults__, sorted((value.__kwdefaults__ or {}).items())]
        return [
            _code(part, depth - 1)
            for part in (value.__code__, *defaults, cells, sorted(plain.items()))
        ]
    if isinstance(value, functools.partial) and depth:
        parts = [value.func, value.args, sorted(value.keywords.items())]
        return ["partial", *(_code(part, depth - 1) for part in parts)]
    if isinstance(value, set | frozenset):
        return ["set", sorted(json.dumps(_code(member, depth)) for member in value)]
    if isinstance(value, tuple | list):
        return [_code(member, depth) for member in value]
    if isinstance(value, np.ndarray):
        return array_digest(value)
    if isinstance(value, types.FunctionType | types.BuiltinFunctionType):
        return value.__qualname__
    return without_addresses(repr(value))
