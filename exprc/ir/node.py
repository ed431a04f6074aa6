"""Nodes: immutable, hash-consed, with one or more typed results.

Equal expressions are the same object, so common subexpressions vanish without a pass; equality is identity.  A node
carries no position and no name: those are side tables of whoever needs them.  Names no operation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from math import inf
from typing import Any, NamedTuple
from weakref import KeyedRef

from exprc.ir.op import PROJECT, VIEW, Op
from exprc.ir.types import Type


class Node:
    """An operation applied to arguments, with static attributes.  Made by `make` only."""

    __slots__ = ("__weakref__", "args", "attrs", "kind", "op", "types")

    op: Op
    kind: str  # that of the operation: what passes ask for most often
    args: tuple[Node, ...]
    attrs: tuple[Any, ...]
    types: tuple[Type, ...]

    @property
    def type(self) -> Type:
        """The type of the only result (of several: the first)."""
        return self.types[0]

    @property
    def dtype(self) -> str:
        """The dtype of the only result."""
        return self.types[0].dtype

    @property
    def shape(self) -> tuple[Any, ...]:
        """The shape of the only result."""
        return self.types[0].shape

    def __repr__(self) -> str:
        attributes = list(self.attrs) if self.attrs else ""
        return f"<{self.op.name}{attributes} : {', '.join(str(t) for t in self.types)}>"[:200]


class Function(NamedTuple):
    """A closed graph: parameter types, and results in terms of `arg` leaves (one for each parameter)."""

    parameters: tuple[Type, ...]
    results: tuple[Node, ...]


# Interning is invisible but for identity: an entry lives as long as its node does.
_interned: dict[tuple[Any, ...], KeyedRef[tuple[Any, ...], Node]] = {}


def make(op: Op, args: tuple[Node, ...] = (), attrs: tuple[Any, ...] = ()) -> Node:
    """The node of `op` with these arguments and attributes; its type rule is asked once, at the first making."""
    key = (op, args, attrs)
    reference = _interned.get(key)
    found = reference() if reference is not None else None
    if found is not None:
        return found
    inferred = op.infer(args if op.kind == PROJECT else tuple([arg.types[0] for arg in args]), attrs)
    node = object.__new__(Node)
    node.op, node.args, node.attrs, node.kind = op, args, attrs, op.kind
    node.types = inferred if isinstance(inferred, tuple) else (inferred,)
    _interned[key] = KeyedRef(node, _forget, key)
    return node


def _forget(reference: KeyedRef[tuple[Any, ...], Node]) -> None:
    """Removes the entry of a node that is no more, unless an equal one has taken its place."""
    if _interned.get(reference.key) is reference:
        del _interned[reference.key]


def rearranges(node: Node) -> bool:
    """Whether a node has entries of its argument only, none that are zero besides."""
    if node.kind != VIEW or len(node.args) != 1:
        return False
    assert node.op.index_map is not None
    return not node.op.index_map(node.attrs, node.args[0].type, node.type).guards


Below = Callable[[Node], Iterable[Node]]


def _arguments(node: Node) -> Iterable[Node]:
    return node.args


def toposort(roots: Iterable[Node], below: Below = _arguments, most: float = inf) -> list[Node]:
    """Every node reachable from the roots, arguments before users; the order depends on the graph only.

    `below` gives the nodes that are looked at under a node, in turn.  None at all are found where they are more than
    `most`.
    """
    order: list[Node] = []
    seen: set[Node] = set()
    for root in roots:
        if root in seen:
            continue
        stack: list[tuple[Node, Iterator[Node]]] = [(root, iter(below(root)))]
        seen.add(root)
        while stack:
            node, arguments = stack[-1]
            for argument in arguments:
                if argument not in seen:
                    seen.add(argument)
                    stack.append((argument, iter(below(argument))))
                    break
            else:
                order.append(node)
                stack.pop()
            if len(seen) > most:
                return []
    return order


def substitute(roots: tuple[Node, ...], replace: dict[Node, Node]) -> tuple[Node, ...]:
    """The roots with nodes replaced; users of replaced nodes are made anew.  Bodies of functions are left alone."""
    return rebuild(roots, lambda node, args: node if args == node.args else make(node.op, args, node.attrs), replace)


def rebuild(
    roots: tuple[Node, ...],
    step: Callable[[Node, tuple[Node, ...]], Node],
    known: dict[Node, Node] | None = None,
) -> tuple[Node, ...]:
    """The roots with every node replaced by `step(node, new arguments)`, arguments first.

    `known` maps nodes that are replaced as they stand; it is extended in place by what was found.
    """
    done = {} if known is None else known
    for root in roots:
        stack = [root]
        while stack:
            node = stack[-1]
            if node in done:
                stack.pop()
                continue
            arguments = tuple([done.get(argument) for argument in node.args])
            if None in arguments:
                stack.extend([argument for argument in reversed(node.args) if argument not in done])
                continue
            done[node] = step(node, arguments)  # type: ignore[arg-type]
            stack.pop()
    return tuple(done[root] for root in roots)


def uses(roots: Iterable[Node]) -> dict[Node, list[Node]]:
    """For each reachable node its users, in topological order."""
    table: dict[Node, list[Node]] = {}
    for node in toposort(roots):
        table.setdefault(node, [])
        for argument in node.args:
            table[argument].append(node)
    return table
