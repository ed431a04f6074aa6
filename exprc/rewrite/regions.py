"""Regions of arithmetic: what belongs to one, and which nodes make others NaN through it and through sums.

Knows operations as the kinds of arithmetic that they are; must not know the polynomials that regions become.
"""

from __future__ import annotations

from collections.abc import Set

from exprc.ir.node import Node, toposort
from exprc.ir.op import ELEMENTWISE
from exprc.ops import TABLE
from exprc.ops.leaves import constant_value
from exprc.ops.reductions import BESIDE
from exprc.rewrite import terms

MOST_REGION = 60
POWER, BROADCAST, SUM, CONTRACT = (TABLE[name] for name in ("power", "broadcast", "sum", "contract"))
ARITHMETIC = frozenset(TABLE[name] for name in ("add", "sub", "mul", "div", "neg"))
POWERS = frozenset(k for k in range(-terms.MOST_POWER, terms.MOST_POWER + 1) if k)
SUMMED = -1


def is_arithmetic(node: Node) -> bool:
    """Whether a node is made of sums, products, quotients and small whole powers of its arguments, or is a factor that
    stands beside a sum."""
    if node.op in ARITHMETIC:
        return True
    return constant_value(node.args[1]) in POWERS if node.op is POWER else node.op is BESIDE and node.attrs[1] == 1


def region_of(root: Node, opaque: Set[Node]) -> list[Node] | None:
    """The arithmetic nodes under a root in topological order; None where there are too many."""
    return toposort((root,), lambda node: [a for a in node.args if _inside(a, opaque)], MOST_REGION) or None


def _inside(node: Node, opaque: Set[Node]) -> bool:
    """Whether a node belongs to the region of its reader: unnamed arithmetic, and scalars of it that are spread."""
    plain = unspread(node)
    return is_arithmetic(plain) and plain not in opaque and constant_value(plain) is None


def unspread(node: Node) -> Node:
    """A scalar without the shape over which it is spread."""
    return node.args[0] if node.op is BROADCAST and not node.args[0].shape else node


def are_carried(missing: set[Node], pending: list[Node]) -> bool:
    """Whether NaN in any of the missing nodes makes one of the others NaN at the same place."""
    places = [(node, tuple(range(node.type.rank))) for node in pending]
    seen = set(places)
    while places and missing and len(seen) <= MOST_REGION:
        node, axes = places.pop()
        if all(axis in (i, SUMMED) for i, axis in enumerate(axes)):
            missing.discard(node)
        found = [place for place in _carried_by(node, axes) if place not in seen]
        places.extend(found)
        seen.update(found)
    return not missing


def _carried_by(node: Node, axes: tuple[int, ...]) -> list[tuple[Node, tuple[int, ...]]]:
    """The arguments of which a NaN makes the node NaN; `axes` says for those of a node which place it is, SUMMED being
    any."""
    if is_arithmetic(node) or (node.kind == ELEMENTWISE and len(node.args) == 1 and node.type.is_float):
        return [(argument, axes) for argument in node.args]
    if node.op is BROADCAST:
        return [(node.args[0], tuple(axes[i] for i in node.attrs[1]))]
    if node.op is SUM:
        left = iter(axes)
        rank = node.args[0].type.rank
        return [(node.args[0], tuple(SUMMED if i in node.attrs[0] else next(left) for i in range(rank)))]
    if node.op is CONTRACT:
        *operands, out = node.attrs
        place = dict(zip(out, axes))
        return [(a, tuple(place.get(label, SUMMED) for label in labels)) for a, labels in zip(node.args, operands)]
    return []
