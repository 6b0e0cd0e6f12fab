"""A description of a problem that is the same for equal models, however their file is written."""

import hashlib
import re
from typing import Any

import numpy as np
import pymc
import pytensor
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Constant
from pytensor.graph.traversal import io_toposort
from pytensor.tensor.random.type import RandomType
from pytensor.tensor.variable import TensorVariable

from recovery.engine.problem import CheckedProblem

_ADDRESS = re.compile(r"0x[0-9a-fA-F]+")


def describe(problem: CheckedProblem) -> dict[str, Any]:
    """Return what makes two problems the same, as plain values by field.

    Returns
    -------
    dict
        ``model`` (a line per variable), ``graph`` (digest of all computations and constants),
        ``graph_of`` (the versions that made that digest: it compares within them only),
        ``truth``, ``data``, ``covariates`` and ``predict``.
    """
    model = problem.model
    lines = {}
    for role, names in (
        ("free", problem.free),
        ("observed", problem.observed),
        ("deterministic", [v.name for v in model.deterministics]),
        ("potential", [v.name for v in model.potentials]),
    ):
        for name in names:
            variable = model[name]
            op = variable.owner.op if role in ("free", "observed") else None
            kind = (getattr(op, "_print_name", None) or [type(op).__name__])[0] if op else ""
            dims = model.named_vars_to_dims.get(name) or ()
            lines[name] = " ".join(filter(None, [role, kind, *map(str, dims)]))
    outputs = [*model.basic_RVs, *model.deterministics, *model.potentials]
    redrawn = {**problem.covariates}
    return {
        "model": lines,
        "graph": _graph_digest(outputs),
        "graph_of": f"pymc {pymc.__version__}, pytensor {pytensor.__version__}",
        "truth": {name: value.tolist() for name, value in problem.truth.items()},
        "data": {
            name: _array_digest(value)
            for name, value in problem.data.items()
            if name not in redrawn
        },
        "covariates": {name: _source(value) for name, value in redrawn.items()},
        "predict": {name: _source(value) for name, value in problem.predict.items()},
    }


def _source(value: object) -> str:
    if isinstance(value, TensorVariable):
        return _graph_digest([value])
    if isinstance(value, np.ndarray):
        return _array_digest(value)
    code = getattr(value, "__code__", None)
    if code is None:
        return type(value).__qualname__
    return _digest([code.co_code.hex(), repr([c for c in code.co_consts if not callable(c)])])


def _digest(lines: list[str]) -> str:
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=8).hexdigest()


def _array_digest(value: Any) -> str:
    array = np.ascontiguousarray(value)
    return _digest([array.dtype.str, str(array.shape), array.tobytes().hex()])


def _graph_digest(outputs: list[Any]) -> str:
    """Digest every operation, its inputs by number, and every constant by value."""
    numbers: dict[Any, int] = {}
    lines = []

    def number(variable: Any) -> int:
        if variable not in numbers:
            numbers[variable] = len(numbers)
            if isinstance(variable, Constant):
                data = getattr(variable, "data", None)
                text = _array_digest(data) if isinstance(data, np.ndarray) else repr(data)
            elif isinstance(variable, SharedVariable) or isinstance(variable.type, RandomType):
                text = f"{variable.name}"
            else:
                text = str(variable.type)
            lines.append(_ADDRESS.sub("", f"{numbers[variable]} {text}"))
        return numbers[variable]

    for node in io_toposort([], outputs):
        inputs = [number(variable) for variable in node.inputs]
        lines.append(_ADDRESS.sub("", f"{type(node.op).__name__} {node.op} {inputs}"))
        for variable in node.outputs:
            number(variable)
    lines.append(str([number(variable) for variable in outputs]))
    return _digest(lines)
