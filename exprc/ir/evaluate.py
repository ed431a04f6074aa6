"""The interpreter of graphs: every operation by its NumPy meaning, loops step by step, composites by expansion.

The oracle of compiled code and the meaning of the graph.  NumPy is imported when a graph is evaluated.  Names no
operation.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from exprc.diagnostics import InternalError
from exprc.ir.node import Function, Node, rearranges
from exprc.ir.op import COMPOSITE, DERIVATIVE, LEAF, PROJECT, SCAN
from exprc.ir.sizes import Size
from exprc.ir.types import NUMPY_NAMES, Type

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]
    Disturb: TypeAlias = Callable[[Node, list[Array], Array], Array]

# A task yields another task to have it run, and is sent its results: loops nest without recursion.
Task: TypeAlias = "Generator[Task, list[Array], list[Array]]"


class _Setting(NamedTuple):
    """What a graph is evaluated with: inputs by name, sizes by dim, the arguments of the function it is the body of."""

    inputs: Mapping[str, Any]
    dims: Mapping[str, int]
    disturb: Disturb | None = None
    parameters: tuple[Array, ...] = ()


def evaluate(
    roots: Sequence[Node], inputs: Mapping[str, Any], dims: Mapping[str, int], disturb: Disturb | None = None
) -> list[Array]:
    """The values of the roots, each with one result; `inputs` by the name or label of free leaves.

    `disturb(node, arguments, value)` gives the value to go on with, for whoever asks what small errors become.
    """
    import numpy

    with numpy.errstate(all="ignore"):
        return _run(_graph(tuple(roots), _Setting(inputs, dims, disturb)))


def resolve(value: Any, dims: Mapping[str, int]) -> Any:
    """An attribute with all sizes as integers."""
    if isinstance(value, Size):
        return value.evaluate(dims)
    return tuple(resolve(item, dims) for item in value) if type(value) is tuple else value


def _run(task: Task) -> list[Array]:
    stack, results = [task], None
    while stack:
        try:
            stack.append(stack[-1].send(results) if results is not None else next(stack[-1]))
            results = None
        except StopIteration as finished:
            results = list(finished.value)
            stack.pop()
    assert results is not None
    return results


def _graph(roots: tuple[Node, ...], setting: _Setting) -> Task:
    values: dict[Node, Any] = {}
    expansions: dict[Node, Node] = {}
    pending = list(reversed(roots))
    while pending:
        node = pending[-1]
        branch = _branch(node, values)
        missing = [argument for argument in node.args if argument not in values]
        if node in values:
            pending.pop()
        elif branch is not None and branch is not node:
            if branch in values:
                values[node] = values[branch]
            else:
                pending.append(branch)
        elif missing:
            pending.extend(missing)
        elif node.kind == SCAN:
            results = yield _loop(node, [values[argument] for argument in node.args], setting)
            values[node] = tuple(results) if len(results) > 1 else results[0]
        elif node.kind == COMPOSITE and node.op.numpy is None:
            if node not in expansions:
                assert node.op.expand is not None
                expansions[node] = node.op.expand(node)
            if expansions[node] in values:
                values[node] = values[expansions[node]]
            else:
                pending.append(expansions[node])
        else:
            values[node] = _value(node, [values[argument] for argument in node.args], setting)
    return [values[root] for root in roots]


def _branch(node: Node, values: Mapping[Node, Any]) -> Node | None:
    """What a choice by one condition for all entries comes to, or needs first: the other branch may be a fault."""
    if node.op.dtype_rule != "select":
        return None
    condition = node.args[0]
    while condition.shape and rearranges(condition):
        (condition,) = condition.args
    if condition.shape:
        return None
    if condition not in values:
        return condition
    return node.args[1] if values[condition] else node.args[2]


def _loop(node: Node, arguments: list[Array], setting: _Setting) -> Task:
    """A scan: its body once a step, on the states, the step's elements and the captured values."""
    import numpy

    body, states, sequences, length, reverse = node.attrs
    assert isinstance(body, Function)
    steps = length.evaluate(setting.dims)
    current, taken = arguments[:states], arguments[states : states + sequences]
    emitted = [_empty(type, setting) for type in node.types[states:]]
    for step in reversed(range(steps)) if reverse else range(steps):
        elements = [numpy.asarray(sequence[step]) for sequence in taken]
        parameters = (*current, *elements, *arguments[states + sequences :])
        results = yield _graph(body.results, setting._replace(parameters=parameters))
        current = results[:states]
        for stack, result in zip(emitted, results[states:], strict=True):
            stack[step] = result
    return [*current, *emitted]


def _value(node: Node, arguments: list[Array], setting: _Setting) -> Any:
    import numpy

    if node.kind == DERIVATIVE:
        raise InternalError(f"{node} has to be expanded before it is evaluated")
    if node.kind == LEAF and node.op.laws & {"free", "bound"}:
        given = setting.parameters[node.attrs[0]] if "bound" in node.op.laws else setting.inputs[node.attrs[0]]
        return _checked(node, numpy.asarray(given), setting)
    assert node.op.numpy is not None
    value = node.op.numpy(resolve(node.attrs, setting.dims), *arguments)
    if node.kind == PROJECT:
        return value
    value = _checked(node, numpy.asarray(value), setting)
    return value if setting.disturb is None else setting.disturb(node, arguments, value)


def _checked(node: Node, value: Array, setting: _Setting) -> Array:
    """The value, which has to be of the node's type."""
    shape = resolve(node.shape, setting.dims)
    if value.dtype != NUMPY_NAMES[node.dtype] or value.shape != shape:
        raise InternalError(f"{node} should be {node.dtype}{list(shape)}, but is {value.dtype}{list(value.shape)}")
    return value


def _empty(type: Type, setting: _Setting) -> Array:
    import numpy

    return numpy.empty(resolve(type.shape, setting.dims), NUMPY_NAMES[type.dtype])
