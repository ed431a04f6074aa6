"""Walks over a part of a graph: from roots down to a boundary, and which nodes depend on chosen ones."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from exprc.ir.node import Node


def toposort_to(roots: Iterable[Node], boundary: Collection[Node]) -> list[Node]:
    """Every node from the roots down to the boundary, which is included; arguments before users."""
    order: list[Node] = []
    seen: set[Node] = set()
    for root in roots:
        if root in seen:
            continue
        seen.add(root)
        stack: list[tuple[Node, Iterator[Node]]] = [(root, _below(root, boundary))]
        while stack:
            node, arguments = stack[-1]
            for argument in arguments:
                if argument not in seen:
                    seen.add(argument)
                    stack.append((argument, _below(argument, boundary)))
                    break
            else:
                order.append(node)
                stack.pop()
    return order


def _below(node: Node, boundary: Collection[Node]) -> Iterator[Node]:
    return iter(()) if node in boundary else iter(node.args)


def dependents(order: list[Node], seeds: Collection[Node]) -> set[Node]:
    """The nodes of a sorted graph that depend on the seeds through floats; the seeds themselves included."""
    found: set[Node] = set()
    for node in order:
        if node in seeds:
            found.add(node)
        elif any(type.is_float for type in node.types) and any(argument in found for argument in node.args):
            found.add(node)
    return found
