"""`scan`: a loop with a body graph, its states, and sequences that it consumes and emits.

Attributes: body, number of states, number of sequences, length, reverse.  Arguments: the states' starts, the
sequences (their first axis is the loop's), captured values, in the order of the body's parameters.  Results: the
final states, then what is emitted in each step, stacked along a new first axis at the step's own index, so that a
reverse loop fills them from the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from exprc.ir.node import Function, Node, make, toposort
from exprc.ir.op import LEAF, SCAN, Op, TypeRuleError
from exprc.ir.sizes import Size
from exprc.ir.types import Type
from exprc.ops.arithmetic import mul
from exprc.ops.leaves import arg, full, project
from exprc.ops.table import register


def make_function(parameters: tuple[Type, ...], step: Callable[..., Sequence[Node]]) -> Function:
    """The closed graph that `step` makes of the parameters' leaves."""
    return Function(parameters, tuple(step(*[arg(i, type) for i, type in enumerate(parameters)])))


def scan(
    body: Function,
    starts: Sequence[Node],
    sequences: Sequence[Node],
    captured: Sequence[Node],
    length: Size,
    reverse: bool = False,
) -> tuple[Node, ...]:
    """The results of a loop: final states, then stacked emits."""
    node = make(SCAN_OP, (*starts, *sequences, *captured), (body, len(starts), len(sequences), length, reverse))
    return tuple(project(node, i) for i in range(len(node.types)))


def exclusive_products(x: Node) -> Node:
    """Along the first axis, for each entry the product of all the others, right for any number of zeros."""
    length, row = x.shape[0], Type(x.dtype, x.shape[1:])
    body = make_function((row, row), lambda before, entry: (mul(before, entry), before))
    one = full(1, row.shape, row.dtype)
    _, before = scan(body, (one,), (x,), (), length)
    _, after = scan(body, (one,), (x,), (), length, reverse=True)
    return mul(before, after)


def expect_closed(body: Function) -> None:
    """Refuse a body that reads anything but its parameters and what has a value of its own."""
    for node in toposort(body.results):
        if node.kind != LEAF:
            continue
        if "free" in node.op.laws:
            raise TypeRuleError(f"the body of a loop reads {node}, which is not a parameter of it")
        if "bound" in node.op.laws and not _is_parameter(node, body):
            raise TypeRuleError(f"the body of a loop reads {node}, but has parameters {body.parameters}")


def _is_parameter(leaf: Node, body: Function) -> bool:
    index, type = leaf.attrs
    return bool(0 <= index < len(body.parameters) and body.parameters[index] == type)


def _rule(types: tuple[Type, ...], attrs: tuple[Any, ...]) -> tuple[Type, ...]:
    body, states, sequences, length, reverse = attrs
    if not isinstance(body, Function) or not isinstance(length, Size) or not isinstance(reverse, bool):
        raise TypeRuleError("scan needs a body, a length and a direction")
    if len(types) != len(body.parameters) or states + sequences > len(types) or min(states, sequences) < 0:
        raise TypeRuleError(f"scan with {len(types)} arguments and a body of {len(body.parameters)} parameters")
    if len(body.results) < max(states, 1):
        raise TypeRuleError(f"scan's body has {len(body.results)} results for {states} states")
    expect_closed(body)
    for i, (given, parameter) in enumerate(zip(types, body.parameters, strict=True)):
        if states <= i < states + sequences:
            given = _element(given, length)
        if given != parameter:
            raise TypeRuleError(f"scan's body takes {parameter} as parameter {i}, not {given}")
    results = [result.type for result in body.results]
    for i in range(states):
        if results[i] != types[i]:
            raise TypeRuleError(f"scan's state {i} starts as {types[i]} and becomes {results[i]}")
    return (*results[:states], *[Type(r.dtype, (length, *r.shape)) for r in results[states:]])


def _element(sequence: Type, length: Size) -> Type:
    if not sequence.shape or sequence.shape[0] != length:
        raise TypeRuleError(f"scan over {sequence}: its first axis should have size {length}")
    return sequence.with_shape(sequence.shape[1:])


SCAN_OP = register(
    Op("scan", SCAN, "a loop that carries states and stacks what each step emits", _rule,
       example="input x : f64[4]; output r = scan s = 0.0 over v in x { s + v }")
)  # fmt: skip
