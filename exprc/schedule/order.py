"""The order in which a graph is evaluated: of a node's arguments the one that takes longest comes first.

So what is quickly made is made just before it is used, and few values have to be kept: of `if a then b else (if c …)`
the conditions and branches come one by one instead of all before the first choice.  Names no kind.
"""

from __future__ import annotations

from collections.abc import Iterable

from exprc.ir.node import Node, toposort


def evaluation_order(roots: Iterable[Node]) -> list[Node]:
    """Every node under the roots, arguments before users; a function of the graph only."""
    roots = tuple(roots)
    depths: dict[Node, int] = {}
    for node in toposort(roots):
        depths[node] = 1 + max([depths[argument] for argument in node.args], default=0)
    return toposort(roots, lambda node: sorted(node.args, key=depths.__getitem__)[::-1])
