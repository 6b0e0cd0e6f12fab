"""Comparing and identifying computation graphs, inner graphs of composite operations included."""

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from pytensor.compile.builders import OpFromGraph
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import io_toposort
from pytensor.tensor.random.type import RandomType

Variables = Sequence[Variable[Any, Any]]

_ADDRESS = re.compile(r"0x[0-9a-fA-F]+")
# What a composite operation holds besides its inner graph and its declared properties.
_COMPOSITE = ("extended_signature", "_print_name", "default_output", "inline", "inline_logprob")


def same_graph(xs: Variables, ys: Variables, in_xs: Variables, in_ys: Variables) -> bool:
    """Whether two graphs compute the same, given that their inputs stand for each other.

    PyTensor compares composite operations (mixtures, censored and truncated distributions) by
    identity in some versions; here they are equal if their inner graphs are.
    """
    if len(xs) != len(ys) or len(in_xs) != len(in_ys):
        return False
    pairs = dict(zip(in_xs, in_ys, strict=True))

    def alike(x: Variable[Any, Any], y: Variable[Any, Any]) -> bool:
        if x in pairs:
            return pairs[x] is y
        if isinstance(x, Constant) and isinstance(y, Constant):
            return bool(x.type == y.type and x.equals(y))
        return x is y

    nodes_x, nodes_y = (list(io_toposort(list(i), list(o))) for i, o in ((in_xs, xs), (in_ys, ys)))
    if len(nodes_x) != len(nodes_y):
        return False
    for a, b in zip(nodes_x, nodes_y, strict=True):
        shapes = len(a.inputs) == len(b.inputs) and len(a.outputs) == len(b.outputs)
        if not shapes or not _same_op(a.op, b.op):
            return False
        if not all(alike(x, y) for x, y in zip(a.inputs, b.inputs, strict=True)):
            return False
        if any(x.type != y.type for x, y in zip(a.outputs, b.outputs, strict=True)):
            return False
        pairs.update(zip(a.outputs, b.outputs, strict=True))
    return all(alike(x, y) for x, y in zip(xs, ys, strict=True))


def _same_op(a: Any, b: Any) -> bool:
    if a == b:
        return True
    if type(a) is not type(b) or not isinstance(a, OpFromGraph):
        return False
    names = {*(getattr(type(a), "__props__", None) or ()), *_COMPOSITE}
    properties = ({k: v for k, v in vars(op).items() if k in names} for op in (a, b))
    one, two = properties
    return one == two and same_graph(
        a.fgraph.outputs, b.fgraph.outputs, a.fgraph.inputs, b.fgraph.inputs
    )


def graph_digest(outputs: Variables, inputs: Variables = ()) -> str:
    """Digest every operation, its inputs by number, and every constant by value.

    Shared variables count by name: their values are data.
    """
    numbers: dict[Any, int] = {}
    lines: list[str] = []

    def number(variable: Any) -> int:
        if variable not in numbers:
            numbers[variable] = len(numbers)
            lines.append(without_addresses(f"{numbers[variable]} {_leaf(variable)}"))
        return numbers[variable]

    for variable in inputs:
        number(variable)
    for node in io_toposort(list(inputs), list(outputs)):
        inner = getattr(node.op, "fgraph", None)
        body = graph_digest(inner.outputs, inner.inputs) if inner is not None else ""
        numbered = [number(variable) for variable in node.inputs]
        lines.append(without_addresses(f"{type(node.op).__name__} {node.op} {body} {numbered}"))
        for variable in node.outputs:
            number(variable)
    lines.append(str([number(variable) for variable in outputs]))
    return text_digest(lines)


def skeleton(outputs: Variables, inputs: Variables = ()) -> str:
    """Digest operations and how they hang together, and of constants and data only their kind.

    Two models that differ in no more than a number or a size have the same skeleton, whether they
    hold it as data, which compiles once, or as a constant, which compiles anew.
    """
    numbers: dict[Any, int] = {}

    def named(variable: Any) -> str:
        if isinstance(variable, Constant):
            return f"constant {_kind(variable)}"
        fresh = variable not in numbers and variable.owner is None
        number = numbers.setdefault(variable, len(numbers))
        return f"{number} {_kind(variable)}" if fresh else str(number)

    lines = [named(variable) for variable in inputs]
    for node in io_toposort(list(inputs), list(outputs)):
        inner = getattr(node.op, "fgraph", None)
        body = skeleton(inner.outputs, inner.inputs) if inner is not None else ""
        name = "" if inner is not None else without_addresses(str(node.op))
        taken = [named(variable) for variable in node.inputs]
        made = [named(variable) for variable in node.outputs]
        lines.append(f"{type(node.op).__name__} {name} {body} {taken} {made}")
    lines.append(str([named(variable) for variable in outputs]))
    return text_digest(lines)


def _kind(variable: Any) -> str:
    """Return type and number of dims, without the lengths that a type may hold."""
    kind = variable.type
    return f"{type(kind).__name__} {getattr(kind, 'dtype', '')} {getattr(kind, 'ndim', '')}"


def _leaf(variable: Any) -> str:
    if isinstance(variable, Constant):
        data = getattr(variable, "data", None)
        return array_digest(data) if isinstance(data, np.ndarray) else repr(data)
    if isinstance(variable.type, RandomType):
        return "generator"
    return str(variable.name if isinstance(variable, SharedVariable) else variable.type)


def without_addresses(text: str) -> str:
    """Return a printed form without the memory addresses that differ between processes."""
    return _ADDRESS.sub("", text)


def text_digest(lines: Sequence[str]) -> str:
    """Return 16 hexadecimal digits that identify some lines of text."""
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=8).hexdigest()


def array_digest(value: Any) -> str:
    """Return 16 hexadecimal digits that identify an array: type, shape and values."""
    array = np.ascontiguousarray(value)
    return text_digest([array.dtype.str, str(array.shape), array.tobytes().hex()])
