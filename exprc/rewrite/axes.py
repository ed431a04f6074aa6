"""Rules on sums and products of arrays: factors move out, what is constant along an axis leaves it.

Each is a function from a node of its root operation to a replacement or None; nodes in `opaque` have names and are not
looked into.  All are real-number algebra: where a sum passes the range of numbers or a factor is not finite, one form
may be NaN and the other not.  The sum of nothing is 0 and stays so: what has left it stands `beside` it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Set
from typing import NamedTuple, TypeAlias

from exprc.ir.node import Node, make
from exprc.ir.sizes import ONE, Size, product
from exprc.ops import TABLE, leaves
from exprc.ops.arithmetic import cast, div, mul, neg
from exprc.ops.contraction import contract
from exprc.ops.leaves import constant_value
from exprc.ops.reductions import BESIDE, beside, factors_of, sum_
from exprc.ops.views import broadcast, reshape, transpose
from exprc.rewrite.rule import EXACT, ROUNDING, STRUCTURE, Rule

MUL, DIV, NEG, SUM = (TABLE[name] for name in ("mul", "div", "neg", "sum"))
BROADCAST, TRANSPOSE, CONTRACT, CAST = (TABLE[name] for name in ("broadcast", "transpose", "contract", "cast"))
FINITE = frozenset(TABLE[name] for name in ("add", "sub", "mul", "neg", "cast", "broadcast"))
PASSING = frozenset(TABLE[name] for name in ("neg", "broadcast", "transpose", "reshape", "cast"))
NO_SIZES: frozenset[Size] = frozenset()
MOST_FACTORS, MOST_DEPTH = 6, 8
MOST_NODES = 40  # of a factor, of which it is asked whether it is finite
LETTERS = "abcdefghijklmnopqrstuvwyz"

Refactor: TypeAlias = Callable[[Node], Node]


# ---- contractions


def contract_of_transpose(node: Node, opaque: Set[Node]) -> Node | None:
    """The labels of a contraction follow a transpose."""
    for k, operand in enumerate(node.args):
        if operand.op is TRANSPOSE and operand not in opaque:
            permutation, labels = operand.attrs[0], node.attrs[k]
            unpermuted = "".join(labels[permutation.index(i)] for i in range(len(permutation)))
            return _contract_with(node, k, operand.args[0], unpermuted)
    return None


def contract_of_scalar(node: Node, opaque: Set[Node]) -> Node | None:
    """A contraction with a scalar is a product."""
    left, right, out = node.attrs
    x, y = node.args
    return _product(x, y, left, right, out) if not left or not right else None


def contract_of_spread(node: Node, opaque: Set[Node]) -> Node | None:
    """A contraction with an array that is constant along an axis: that axis is summed (or spread) separately."""
    for k, operand in enumerate(node.args):
        source, kept = _without_spread(operand, opaque)
        if len(kept) == operand.type.rank:
            continue
        labels, others, out = node.attrs[k], node.attrs[1 - k], node.attrs[2]
        own = "".join(labels[i] for i in kept)
        summed = tuple(i for i, label in enumerate(others) if label not in out and label not in own)
        shrunk = sum_(node.args[1 - k], summed) if summed else node.args[1 - k]
        source = _beside(source, (node.args[1 - k].shape[i] for i in summed))
        rest = "".join(label for i, label in enumerate(others) if i not in summed)
        present = "".join(label for label in out if label in own + rest)
        inner = _product(source, shrunk, own, rest, present)
        return broadcast(inner, node.shape, tuple(out.index(label) for label in present))
    return None


def factor_of_contract(node: Node, opaque: Set[Node]) -> Node | None:
    """A factor that is the same everywhere moves out of a contraction."""
    left, right, out = node.attrs
    extents = [x for operand, labels in zip(node.args, (left, right))
               for x, label in zip(operand.shape, labels) if label not in out]  # fmt: skip
    for k, operand in enumerate(node.args):
        found = _factor(operand, _Summed(frozenset(range(operand.type.rank)), extents), opaque)
        if found is not None:
            refactor, rest = found
            return refactor(_contract_with(node, k, rest, node.attrs[k]))
    return None


def _contract_with(node: Node, k: int, operand: Node, labels: str) -> Node:
    left, right, out = node.attrs
    if k == 0:
        return contract(operand, node.args[1], labels, right, out)
    return contract(node.args[0], operand, left, labels, out)


def _product(x: Node, y: Node, left: str, right: str, out: str) -> Node:
    """The contraction, or the plain product where one operand is a scalar."""
    if left and right:
        return contract(x, y, left, right, out)
    factor, value, labels = (x, y, right) if not left else (y, x, left)
    return mul(factor, transpose(value, tuple(labels.index(label) for label in out)))


# ---- sums


def factor_of_sum(node: Node, opaque: Set[Node]) -> Node | None:
    """A factor that is the same along the axes of a sum moves out of it."""
    (operand,), (axes,) = node.args, node.attrs
    found = _factor(operand, _Summed(frozenset(axes), [operand.shape[i] for i in axes]), opaque)
    if found is None or constant_value(found[1]) is not None:
        return None
    refactor, rest = found
    return refactor(sum_(rest, node.attrs[0]))


def sum_of_spread(node: Node, opaque: Set[Node]) -> Node | None:
    """The sum of what is constant along an axis: its size times the value."""
    (operand,) = node.args
    source, kept = _without_spread(operand, opaque)
    shape, axes = operand.shape, node.attrs[0]
    constant_axes = tuple(i for i in axes if i not in kept)
    if not constant_axes or not operand.type.is_float:
        return None
    remaining = tuple(position for position, i in enumerate(kept) if i in axes)
    summed = sum_(source, remaining) if remaining else source
    out = [i for i in range(len(shape)) if i not in axes]
    result = broadcast(summed, node.shape, tuple(out.index(i) for i in kept if i not in axes))
    extents = tuple(shape[i] for i in constant_axes)
    result, count = _beside(result, extents), product(extents)
    return result if count == ONE else mul(cast(leaves.size(count), node.dtype), result)


def sum_of_sum(node: Node, opaque: Set[Node]) -> Node | None:
    """A sum over axes of a sum over others."""
    (inner,) = node.args
    if inner.op is not SUM or inner in opaque:
        return None
    left = [i for i in range(inner.args[0].type.rank) if i not in inner.attrs[0]]
    return sum_(inner.args[0], tuple(sorted((*inner.attrs[0], *(left[i] for i in node.attrs[0])))))


def sum_of_products(node: Node, opaque: Set[Node]) -> Node | None:
    """The sum of a product with an operand that lacks some of the axes is a contraction."""
    (factors,) = node.args
    shape = factors.shape
    if factors.op is not MUL or not factors.type.is_float or len(shape) > len(LETTERS) or factors in opaque:
        return None
    (x, own), (y, others) = (_without_spread(argument, opaque) for argument in factors.args)
    if len(own) == len(others) == len(shape):
        return None
    both = set(own) & set(others)
    if not set(node.attrs[0]) <= both or len(set(own) | set(others)) < len(shape):
        return None
    left, right = ("".join(LETTERS[i] for i in axes) for axes in (own, others))
    return contract(x, y, left, right, "".join(LETTERS[i] for i in range(len(shape)) if i not in node.attrs[0]))


# ---- what is the same along an axis


def _without_spread(node: Node, opaque: Set[Node]) -> tuple[Node, tuple[int, ...]]:
    """An operand without the axes along which it is spread, and the axes that it has."""
    if node.op is not BROADCAST or node in opaque:
        return node, tuple(range(node.type.rank))
    shape, axes = node.attrs
    (source,) = node.args
    kept = tuple(i for i, extent in zip(axes, source.shape) if extent == shape[i])
    return reshape(source, tuple(shape[i] for i in kept)), kept


class _Summed(NamedTuple):
    """The axes of an operand along which a factor has to be the same, and the extents of all that are summed."""

    axes: frozenset[int]
    extents: list[Size]


def _factor(node: Node, summed: _Summed, opaque: Set[Node], depth: int = 0) -> tuple[Refactor, Node] | None:
    """How to multiply or divide by what is the same along the axes that are summed, or change the sign, and what
    remains of an array without that."""
    if not node.type.is_float or not node.shape or node in opaque or depth > MOST_FACTORS:
        return None
    if node.op is NEG:
        return neg, node.args[0]
    if node.op not in (MUL, DIV):
        return None
    x, y = node.args
    constant = _is_constant_along(x, summed.axes), _is_constant_along(y, summed.axes)
    if node.op is DIV and constant == (False, True):
        return (lambda value: div(value, _spread_again(y, summed, value, is_divisor=True))), x
    if node.op is MUL and True in constant and False in constant:
        factor, rest = (x, y) if constant[0] else (y, x)
        return (lambda value: mul(_spread_again(factor, summed, value), value)), rest
    inner = _factor(x, summed, opaque, depth + 1)
    if inner is not None:
        return inner[0], (mul if node.op is MUL else div)(inner[1], y)
    inner = _factor(y, summed, opaque, depth + 1) if node.op is MUL else None
    return (inner[0], mul(x, inner[1])) if inner is not None else None


def _is_constant_along(node: Node, axes: Set[int]) -> bool:
    return node.op is BROADCAST and axes.isdisjoint(node.attrs[1])


def _spread_again(factor: Node, summed: _Summed, value: Node, is_divisor: bool = False) -> Node:
    """A factor that was constant along the axes that are summed, for the sums."""
    left = [i for i in range(factor.type.rank) if i not in summed.axes]
    source = _beside(factor.args[0], summed.extents, is_divisor)
    return broadcast(source, value.shape, tuple(left.index(i) for i in factor.attrs[1]))


def _beside(factor: Node, extents: Iterable[Size], is_divisor: bool = False) -> Node:
    """What has left a sum over these extents; as it is where it is finite and does not divide."""
    needless = not factor.type.is_float or (not is_divisor and _is_finite(factor))
    return factor if needless else beside(factor, extents)


def _is_finite(factor: Node) -> bool:
    """Whether something is a sum of products of sizes and finite numbers."""
    seen, stack = {factor}, [factor]
    while stack and len(seen) <= MOST_NODES:
        node = stack.pop()
        value = constant_value(node)
        if node.op is not leaves.SIZE and (value is None or not abs(value) < math.inf):
            if node.op not in FINITE:
                return False
            stack += [argument for argument in node.args if argument not in seen]
            seen.update(node.args)
    return not stack


# ---- what stands beside a sum


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


AXES = (
    Rule("contract_of_transpose", STRUCTURE, EXACT, "no copy is made", CONTRACT,
         "X.T @ y", "sum over labels", function=contract_of_transpose),
    Rule("contract_of_scalar", STRUCTURE, ROUNDING, "a product is no sum of products; the sign of 0 is not kept",
         CONTRACT,
         'einsum(",a->a", c, x)', "c * x", function=contract_of_scalar),
    Rule("contract_of_spread", STRUCTURE, ROUNDING,
         "a sum instead of a product; with c = 0 NaN where the sum overflows, with c = inf that of the sum's sign",
         CONTRACT,
         "X @ broadcast(c)", "sum(X) * c", function=contract_of_spread),
    Rule("factor_of_contract", STRUCTURE, ROUNDING,
         "one multiplication instead of one for each entry; with c = 0 NaN where the product overflows", CONTRACT,
         "X @ (c * y)", "c * (X @ y)", function=factor_of_contract),
    Rule("factor_of_sum", STRUCTURE, ROUNDING,
         "one multiplication instead of one for each entry; with c = 0 NaN where the sum overflows", SUM,
         "sum(c * x)", "c * sum(x)", function=factor_of_sum),
    Rule("sum_of_spread", STRUCTURE, ROUNDING, "no sum is needed; of no entries 0, whatever x is", SUM,
         "sum(broadcast(x))", "n * x", function=sum_of_spread),
    Rule("sum_of_sum", STRUCTURE, ROUNDING, "one sum, with infinities and NaN as before", SUM,
         "sum(sum(x, 1))", "sum(x)", function=sum_of_sum),
    Rule("sum_of_products", STRUCTURE, ROUNDING,
         "a product of arrays without the spread operand, with infinities and NaN as before", SUM,
         "sum(X * y, axis)", "X @ y", function=sum_of_products),
    Rule("beside_nothing_empty", STRUCTURE, EXACT, "an axis that is known to have entries", BESIDE,
         "c beside sum(x[3])", "c", function=beside_nothing_empty),
    Rule("beside_where_it_is_spread", STRUCTURE, EXACT, "an array without entries", BROADCAST,
         "broadcast(c beside sum(x[n]), n)", "broadcast(c, n)", function=beside_where_it_is_spread, argument=BESIDE),
    Rule("zero_beside", STRUCTURE, ROUNDING, "0 is a sum of nothing there; its sign is not kept", BESIDE,
         "0 or c * sum(x)", "(c beside sum(x)) * sum(x)", function=zero_beside),
)  # fmt: skip
