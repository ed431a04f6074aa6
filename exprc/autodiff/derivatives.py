"""Gradients of losses, and derivative nodes of a program turned into graphs, innermost first.

Knows the entries of kind `derivative` and the mark of names, which exist for this module alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from exprc import ops
from exprc.autodiff.forward import pushforward
from exprc.autodiff.reverse import pullback
from exprc.diagnostics import Diagnostic, KnownLimit
from exprc.ir.node import Function, Node, make, rebuild, substitute, toposort
from exprc.ir.op import DERIVATIVE, LEAF, SCAN
from exprc.ops.derivatives import GRAD, JVP, NAMED

Simplify: TypeAlias = Callable[[tuple[Node, ...]], tuple[Node, ...]]
Roots: TypeAlias = tuple[Node, ...]
# How many operations a derivative may have: so many, and so many for each operation of the program.
MOST_OPERATIONS, MOST_EACH = 30_000, 100


def gradient(loss: Node, wrt: Sequence[Node]) -> Roots:
    """The derivatives of a scalar with respect to each node, zeros where it does not depend on it."""
    found = pullback((loss,), (ops.constant(1.0, loss.dtype),), wrt)
    return tuple(_or_zeros(cotangent, node) for cotangent, node in zip(found, wrt, strict=True))


def expand_derivatives(roots: Roots, simplify: Simplify) -> Roots:
    """The roots without derivative nodes and without marks of names.

    What is differentiated is simplified before, so that its derivative is taken of the stable form, and so is the
    result.  An inner derivative is expanded before the one around it.
    """

    most = MOST_OPERATIONS + MOST_EACH * len(toposort(roots))

    def step(node: Node, arguments: Roots) -> Node:
        if node.kind == DERIVATIVE:
            return _bounded(_derivative(node, arguments, simplify), most)
        return make(node.op, arguments, node.attrs)

    def without_names(node: Node, arguments: Roots) -> Node:
        return arguments[0] if node.op is NAMED else make(node.op, arguments, node.attrs)

    if _has(roots, lambda node: node.kind == DERIVATIVE):
        roots = _rebuild_with_bodies(roots, step)
    if _has(roots, lambda node: node.op is NAMED):
        roots = _rebuild_with_bodies(roots, without_names)
    return roots


def _bounded(derivative: Node, most: int) -> Node:
    """The derivative, unless it has grown beyond use: each order has more than twice as many operations as the last."""
    count = len(toposort((derivative,)))
    if count <= most:
        return derivative
    note = "each order of a derivative has more than twice as many operations as the one before"
    message = f"a derivative of a derivative has {count} operations, and {most} is the most"
    raise KnownLimit(Diagnostic("E0605", message, (), (note,)))


def _derivative(node: Node, arguments: Roots, simplify: Simplify) -> Node:
    """The derivative by a variable that stands for what is named: whatever it is computed from plays no part."""
    value, wrt, *others = arguments
    variable = wrt if wrt.kind == LEAF else ops.placeholder("variable", wrt.type)
    if variable is not wrt:
        (value,) = substitute((value,), {wrt: variable})
    (value,) = simplify((value,))
    result: Node | None
    if node.op is GRAD:
        (result,) = gradient(value, (variable,))
    elif node.op is JVP:
        (result,) = pushforward((value,), (variable,), others)
    else:
        (result,) = pullback((value,), others, (variable,))
    result = ops.zeros(node.shape, node.dtype) if result is None else result
    if variable is not wrt:
        (result,) = substitute((result,), {variable: wrt})
    return simplify((result,))[0]


def _or_zeros(cotangent: Node | None, like: Node) -> Node:
    return ops.zeros(like.shape, like.dtype) if cotangent is None else cotangent


def _has(roots: Roots, test: Callable[[Node], bool]) -> bool:
    """Whether a node in the graph or in the body of a loop passes the test."""
    pending, seen = [roots], set()
    while pending:
        for node in toposort(pending.pop()):
            if test(node):
                return True
            if node.kind == SCAN and node.attrs[0] not in seen:
                seen.add(node.attrs[0])
                pending.append(node.attrs[0].results)
    return False


def _rebuild_with_bodies(roots: Roots, step: Callable[[Node, Roots], Node]) -> Roots:
    """`rebuild` that also rebuilds the bodies of loops; as deep as loops nest."""

    def outer_step(node: Node, arguments: Roots) -> Node:
        if node.kind != SCAN:
            return step(node, arguments)
        body = node.attrs[0]
        results = _rebuild_with_bodies(body.results, step)
        attrs = node.attrs if results == body.results else (Function(body.parameters, results), *node.attrs[1:])
        return make(node.op, arguments, attrs)

    return rebuild(roots, outer_step)
