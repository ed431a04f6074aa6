"""Rules on what has left a sum that may be one of nothing: it stands `beside` the sum as near as it can, or as itself.

Each is a function from a node of its root operation to a replacement or None.  With entries to sum nothing is changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Set

from exprc.ir.node import Node, make
from exprc.ir.sizes import Size
from exprc.ops import TABLE, leaves
from exprc.ops.arithmetic import div, mul, neg
from exprc.ops.emptiness import BESIDE, beside, factors_of
from exprc.ops.views import broadcast
from exprc.rewrite.rule import EXACT, ROUNDING, STRUCTURE, Rule

MUL, DIV, NEG = (TABLE[name] for name in ("mul", "div", "neg"))
BROADCAST, TRANSPOSE, RESHAPE, CAST = (TABLE[name] for name in ("broadcast", "transpose", "reshape", "cast"))
SUM, CONTRACT = TABLE["sum"], TABLE["contract"]
PASSING = frozenset((NEG, BROADCAST, TRANSPOSE, RESHAPE, CAST))
MOST_DEPTH = 8

NO_SIZES: frozenset[Size] = frozenset()


def beside_nothing_empty(node: Node, opaque: Set[Node]) -> Node | None:
    """Sizes that are known not to be 0, in the end, and what stands beside two sums."""
    changed = beside(node.args[0], *node.attrs)
    return None if changed is node else changed


def beside_where_it_is_spread(node: Node, opaque: Set[Node]) -> Node | None:
    """What is spread along an axis has no entries where the axis has none."""
    (inner,) = node.args
    if inner.op is not BESIDE:
        return None
    counts, otherwise = inner.attrs
    left = frozenset(counts) - factors_of(node.shape)
    return broadcast(beside(inner.args[0], left, otherwise), *node.attrs) if len(left) < len(counts) else None


def zero_beside(node: Node, opaque: Set[Node]) -> Node | None:
    """0 instead of a product where a sum of nothing is a factor: the other factors step beside the sum."""
    (product,), (counts, otherwise) = node.args, node.attrs
    if otherwise or product in opaque:
        return None
    wanted = frozenset(counts)
    covered = wanted & zero_with(product)
    if covered:
        return beside(_within(product, covered), wanted - covered, 0)
    if product.op is NEG:
        return neg(beside(product.args[0], counts, 0))
    if product.op is BROADCAST:
        return broadcast(beside(product.args[0], counts, 0), *product.attrs)
    return None


def _within(product: Node, covered: frozenset[Size]) -> Node:
    """The product with those factors beside others that are 0 where one of the sizes is."""
    if product.op in (MUL, DIV):
        x, y = product.args
        by_x, by_y = zero_with(x), zero_with(y) if product.op is MUL else NO_SIZES
        build = mul if product.op is MUL else div
        return build(beside(x, covered & by_y - by_x), beside(y, covered & by_x - by_y))
    if product.op in PASSING and product.args[0].type.is_float:
        (x,) = product.args
        return make(product.op, (beside(x, covered, 0),), product.attrs)
    return product


def zero_with(node: Node, depth: int = 0) -> frozenset[Size]:
    """The sizes with which a value is 0, seen from its form."""
    if depth > MOST_DEPTH or not node.type.is_float:
        return NO_SIZES
    if node.op is SUM:
        return factors_of(node.args[0].shape[i] for i in node.attrs[0])
    if node.op is CONTRACT:
        return factors_of(_summed(node))
    if node.op is CAST and node.args[0].op is leaves.SIZE:
        (count,) = node.args[0].attrs
        return factors_of((count,)) if len(count.terms) == 1 else NO_SIZES
    if node.op is BESIDE:
        counts, otherwise = node.attrs
        return NO_SIZES if otherwise else frozenset(counts)
    if node.op in PASSING or node.op is DIV:
        return zero_with(node.args[0], depth + 1)
    if node.op is MUL:
        return zero_with(node.args[0], depth + 1) | zero_with(node.args[1], depth + 1)
    return NO_SIZES


def _summed(node: Node) -> Iterable[Size]:
    left, right, out = node.attrs
    pairs = [pair for x, labels in zip(node.args, (left, right)) for pair in zip(x.shape, labels)]
    return [extent for extent, label in pairs if label not in out]


EMPTINESS = (
    Rule("beside_nothing_empty", STRUCTURE, EXACT, "an axis that is known to have entries", BESIDE,
         "c beside sum(x[3])", "c", function=beside_nothing_empty),
    Rule("beside_where_it_is_spread", STRUCTURE, EXACT, "an array without entries", BROADCAST,
         "broadcast(c beside sum(x[n]), n)", "broadcast(c, n)", function=beside_where_it_is_spread, argument=BESIDE),
    Rule("zero_beside", STRUCTURE, ROUNDING, "0 is a sum of nothing there; its sign is not kept", BESIDE,
         "0 or c * sum(x)", "(c beside sum(x)) * sum(x)", function=zero_beside),
)  # fmt: skip
