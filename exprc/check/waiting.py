"""Which nodes of an entry's graph wait for the extents of indices: they are made of indices, or reduce by one.

Owns the search, which looks at each node of the program once.  Knows no operation but that of reductions by index.
"""

from __future__ import annotations

from typing import Any

from exprc.check.ranges import indices_in
from exprc.ir.node import Function, Node, make, toposort
from exprc.ir.op import COMPOSITE, Op, TypeRuleError
from exprc.ir.sizes import Size, dim
from exprc.ir.types import Type
from exprc.ops import TABLE, placeholder


def _fold_rule(types: tuple[Type, ...], attrs: tuple[Any, ...]) -> Type:
    name, symbols = attrs
    shape = (*(dim(symbol) for symbol in symbols), *types[0].shape)
    body = placeholder("body", types[0].with_shape(shape))
    return reduced(name, body, tuple(range(len(symbols)))).type


def _refuse(node: Node) -> Node:
    raise TypeRuleError("a reduction by index has to be spread first")


FOLD = Op("fold", COMPOSITE, "a reduction by index, of one entry", _fold_rule, expand=_refuse)


def fold(name: str, body: Node, symbols: tuple[str, ...]) -> Node:
    """The reduction of an entry's value over axes that it is still to get, by the operation of this name."""
    return make(FOLD, (body,), (name, symbols))


def reduced(name: str, value: Node, axes: tuple[int, ...]) -> Node:
    """The reduction over axes that are there."""
    build = TABLE[name].build
    assert build is not None
    node: Node = build(value, axis=axes)
    return node


def waiting_under(root: Node, waiting: dict[Node, bool]) -> list[Node]:
    """The nodes under a root, and it, that depend on indices or are reductions by index; arguments first."""
    if root not in waiting:
        for node in toposort((root,), lambda node: [a for a in node.args if a not in waiting]):
            waiting[node] = (
                node.op is FOLD or _mentions(node.attrs) or any(waiting[argument] for argument in node.args)
            )
    return toposort((root,), lambda node: [a for a in node.args if waiting[a]]) if waiting[root] else []


def _mentions(value: Any) -> bool:
    """Whether an attribute is made of indices."""
    pending = [value]
    while pending:
        one = pending.pop()
        if isinstance(one, Size):
            if indices_in(one):
                return True
        elif isinstance(one, Function):
            pending.extend(node.attrs for node in toposort(one.results) if node.attrs)
        elif isinstance(one, tuple):
            pending.extend(one)
    return False
