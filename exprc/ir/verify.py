"""Checks that a graph is what the rest of the compiler takes it to be.

Holds for every stage between checking and scheduling: types as the rules infer them, arguments with one result,
equal nodes interned as one, bodies closed.  A violation is a bug of ours.  Names no operation.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from exprc.diagnostics import InternalError
from exprc.ir.node import Function, Node, make, toposort
from exprc.ir.op import LEAF, PROJECT, TypeRuleError
from exprc.ir.types import Type


class VerificationError(InternalError):
    """A graph breaks a rule that every pass keeps."""


def verify(roots: Iterable[Node]) -> None:
    """Raise `VerificationError` unless the graph, with all bodies within, is sound."""
    graphs: list[tuple[tuple[Node, ...], tuple[Type, ...] | None]] = [(tuple(roots), None)]
    seen: set[Function] = set()
    while graphs:
        results, parameters = graphs.pop()
        for node in toposort(results):
            _verify_node(node)
            _verify_leaf(node, parameters)
            for function in functions_of(node):
                if function not in seen:
                    seen.add(function)
                    graphs.append((function.results, function.parameters))


def functions_of(node: Node) -> list[Function]:
    """The functions among a node's attributes."""
    found: list[Function] = []
    pending: list[Any] = list(node.attrs)
    while pending:
        value = pending.pop()
        if isinstance(value, Function):
            found.append(value)
        elif isinstance(value, tuple):
            pending.extend(value)
    return found


def _verify_node(node: Node) -> None:
    if node.kind == PROJECT:
        given: tuple[Any, ...] = node.args
    else:
        for argument in node.args:
            if len(argument.types) != 1:
                raise VerificationError(f"{node} uses {argument}, which has {len(argument.types)} results")
        given = tuple(argument.type for argument in node.args)
    try:
        inferred = node.op.infer(given, node.attrs)
    except TypeRuleError as error:
        raise VerificationError(f"{node}: {error}") from error
    if (inferred if isinstance(inferred, tuple) else (inferred,)) != node.types:
        raise VerificationError(f"{node} should have type {inferred}")
    if make(node.op, node.args, node.attrs) is not node:
        raise VerificationError(f"{node} exists twice")


def _verify_leaf(node: Node, parameters: tuple[Type, ...] | None) -> None:
    """Free leaves stand outside functions only, bound ones inside of them only and as the function says."""
    if node.kind != LEAF:
        return
    if "free" in node.op.laws and parameters is not None:
        raise VerificationError(f"{node} inside a function, which has to be closed")
    if "bound" in node.op.laws:
        index, type = node.attrs
        if parameters is None or not 0 <= index < len(parameters) or parameters[index] != type:
            raise VerificationError(f"{node} is not a parameter of the function that it stands in")
