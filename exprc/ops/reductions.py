"""Reductions: axes combined into one entry.

Of no entries they give their neutral element; that the language refuses `max` and `min` of nothing is the checker's
work.  The sum of nothing is 0, whatever its terms would have been multiplied or divided by: a factor may leave a sum
only as one that stands `beside` it, without effect where the sum is one of nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import reduce
from typing import Any

from exprc.ir import reach
from exprc.ir.node import Node, make
from exprc.ir.op import COMPOSITE, REDUCE, Op, TypeRuleError
from exprc.ir.sizes import ONE, Size, product
from exprc.ir.types import BOOL, FLOATS, I64, Type
from exprc.ops.arithmetic import div, mul
from exprc.ops.compare import and_, eq, gt, ne, or_, where
from exprc.ops.leaves import constant_value, size
from exprc.ops.scan import exclusive_products
from exprc.ops.table import (
    AXIS,
    KEEPDIMS,
    TABLE,
    Number,
    Value,
    array,
    as_bool,
    as_dtype,
    as_node,
    constant_like,
    expect_axes,
    expect_count,
    expect_float,
    normal_axes,
    register,
)
from exprc.ops.views import broadcast, reshape, transpose

Axes = int | tuple[int, ...] | None
REDUCTION = (array("x"), AXIS, KEEPDIMS)
NONEMPTY = frozenset(("nonempty",))  # a call in the language needs an entry to choose


def reduce_over(name: str, node: Node, axis: Axes, keepdims: bool) -> Node:
    """A node that acts over axes and drops them, with the language's axes; the argument has the right dtype."""
    axes = normal_axes(name, axis, node.type.rank)
    result = make(TABLE[name], (node,), (axes,)) if axes else node
    return restore_axes(result, node, axes) if keepdims else result


def restore_axes(result: Node, node: Node, axes: tuple[int, ...]) -> Node:
    """A reduced array with its axes back as axes of size 1."""
    return reshape(result, tuple(ONE if i in axes else extent for i, extent in enumerate(node.shape)))


def spread(result: Node, like: Node, axes: tuple[int, ...]) -> Node:
    """A reduced array repeated along the axes that were reduced."""
    return broadcast(result, like.shape, tuple(i for i in range(like.type.rank) if i not in axes))


def sum_(x: Value, axis: Axes = None, keepdims: bool = False) -> Node:
    """The sum over axes; of integers and truth values as i64."""
    return reduce_over("sum", _widened(x), axis, keepdims)


def prod(x: Value, axis: Axes = None, keepdims: bool = False) -> Node:
    """The product over axes; of integers and truth values as i64."""
    return reduce_over("prod", _widened(x), axis, keepdims)


def max_(x: Value, axis: Axes = None, keepdims: bool = False) -> Node:
    """The largest entry; equal ones share the derivative."""
    node = as_node(x)
    return reduce_over("any" if node.dtype == BOOL else "max", node, axis, keepdims)


def min_(x: Value, axis: Axes = None, keepdims: bool = False) -> Node:
    """The smallest entry; equal ones share the derivative."""
    node = as_node(x)
    return reduce_over("all" if node.dtype == BOOL else "min", node, axis, keepdims)


def any_(x: Value, axis: Axes = None, keepdims: bool = False) -> Node:
    """Whether one entry is true."""
    return reduce_over("any", as_bool(x), axis, keepdims)


def all_(x: Value, axis: Axes = None, keepdims: bool = False) -> Node:
    """Whether all entries are true."""
    return reduce_over("all", as_bool(x), axis, keepdims)


def _widened(x: Value) -> Node:
    node = as_node(x)
    return node if node.dtype in FLOATS else as_dtype(node, I64)


# ---- derivatives


def _sum_transpose(node: Node, cotangent: Node, index: int) -> Node:
    return spread(cotangent, node.args[0], node.attrs[0])


def _product_tangent(node: Node, tangents: tuple[Node | None, ...]) -> Node | None:
    """Each tangent times the product of all other entries, which is found without a division."""
    (x,), (tangent,), (axes,) = node.args, tangents, node.attrs
    if tangent is None:
        return None
    kept = tuple(i for i in range(x.type.rank) if i not in axes)
    reduced = product(tuple(x.shape[i] for i in axes))

    def lined_up(array: Node) -> Node:
        return reshape(transpose(array, (*axes, *kept)), (reduced, *node.shape))

    return sum_(mul(exclusive_products(lined_up(x)), lined_up(tangent)), 0)


def _extreme_tangent(node: Node, tangents: tuple[Node | None, ...]) -> Node | None:
    """The mean of the tangents of all entries that equal the result; a NaN that is the result counts as equal."""
    (x,), (tangent,), (axes,) = node.args, tangents, node.attrs
    if tangent is None:
        return None
    ties = or_(eq(x, spread(node, x, axes)), ne(x, x))
    chosen = sum_(where(ties, tangent, constant_like(tangent, 0)), axes)
    return div(chosen, as_dtype(sum_(ties, axes), node.dtype))


# ---- what stands beside a sum


def beside(x: Node, extents: Iterable[Size], otherwise: Number = 1) -> Node:
    """The value where all extents of a sum have entries, else 1 (or 0).

    The value itself where an extent cannot be 0, or the value has no entries either, or is a finite number.
    """
    counts = frozenset(extents)
    if x.op is BESIDE and x.attrs[1] == otherwise:
        counts, x = counts.union(x.attrs[0]), x.args[0]
    elif x.op is BESIDE and counts.issuperset(x.attrs[0]):
        x = x.args[0]  # where one of the two differs from the value, this one decides
    wanted = factors_of(counts) - factors_of(x.shape)
    value = constant_value(x)
    if not wanted or value == otherwise or (otherwise == 1 and value is not None and abs(value) < math.inf):
        return x
    return make(BESIDE, (x,), (tuple(sorted(wanted, key=str)), otherwise))


def factors_of(extents: Iterable[Size]) -> frozenset[Size]:
    """The sizes of which one is 0 where one of the extents is; none for an extent that cannot be 0."""
    found: set[Size] = set()
    for extent in extents:
        if len(extent.terms) == 1:
            ((powers, _),) = extent.terms
            found.update(Size(((((factor, 1),), 1),)) for factor, _ in powers)
        elif not _is_positive(extent):
            found.add(extent)
    return frozenset(found)


def _is_positive(extent: Size) -> bool:
    """Whether a size is seen to be at least 1: a positive number and multiples of dims."""
    positive = all(count > 0 and all(isinstance(factor, str) for factor, _ in powers) for powers, count in extent.terms)
    return positive and any(not powers for powers, _ in extent.terms)


def _beside_rule(types: tuple[Type, ...], attrs: tuple[Any, ...]) -> Type:
    expect_count("beside", types, 1)
    counts, otherwise = attrs
    if otherwise or types[0].dtype != BOOL:  # where a derivative is reached goes the way of the derivative
        expect_float("beside", types[0])
    if not counts or otherwise not in (0, 1):
        raise TypeRuleError("beside needs sizes, and 0 or 1")
    return types[0]


def _beside_expand(node: Node) -> Node:
    (x,), (counts, otherwise) = node.args, node.attrs
    return where(reduce(and_, [gt(size(count), 0) for count in counts]), x, constant_like(x, otherwise))


def _beside_tangent(node: Node, tangents: tuple[Node | None, ...]) -> Node | None:
    (tangent,), (counts, _) = tangents, node.attrs
    return None if tangent is None else beside(tangent, counts, 0)


def _beside_transpose(node: Node, cotangent: Node, index: int) -> Node:
    counts, otherwise = node.attrs
    assert not otherwise, "1 in place of a value is not linear"
    return beside(cotangent, counts, 0)


# ---- entries


def _rule(name: str, accepts: Callable[[str], bool], expected: str) -> Callable[..., Type]:
    def infer(types: tuple[Type, ...], attrs: tuple[Any, ...]) -> Type:
        expect_count(name, types, 1)
        ((axes,), (given,)) = attrs, types
        expect_axes(name, axes, given.rank)
        if not accepts(given.dtype):
            raise TypeRuleError(f"{name} needs {expected}, not {given.dtype}")
        return given.with_shape(tuple(extent for i, extent in enumerate(given.shape) if i not in axes))

    return infer


def _meaning(function: str, identity: Callable[[str], Number] | None = None) -> Callable[..., Any]:
    def meaning(attrs: tuple[Any, ...], x: Any) -> Any:
        import numpy

        fields: dict[str, Any] = {"axis": attrs[0]}
        if identity is not None:
            fields["initial"] = x.dtype.type(identity({"f": "f", "i": "i"}[x.dtype.kind] + str(8 * x.dtype.itemsize)))
        with numpy.errstate(all="ignore"):
            return getattr(numpy, function)(x, **fields)

    return meaning


def _least(dtype: str) -> Number:
    return -math.inf if dtype in FLOATS else -(1 << (63 if dtype == I64 else 31))


def _greatest(dtype: str) -> Number:
    return math.inf if dtype in FLOATS else (1 << (63 if dtype == I64 else 31)) - 1


def _wide(dtype: str) -> bool:
    return dtype in FLOATS or dtype == I64


_SUMMED = _wide, "f64, f32 or i64"
_ORDERED = (lambda dtype: dtype != BOOL), "numbers"
_LOGICAL = (lambda dtype: dtype == BOOL), "bool"

SUM = register(
    Op("sum", REDUCE, "the sum of the entries", _rule("sum", *_SUMMED), signature=REDUCTION, build=sum_,
       numpy=_meaning("sum"), combine="add", identity=lambda dtype: 0, transpose=_sum_transpose,
       latex=r"\sum #1", example="input x : f64[3]; output r = sum(x)",
       reach=reach.of_total)
)  # fmt: skip
PROD = register(
    Op("prod", REDUCE, "the product of the entries", _rule("prod", *_SUMMED), signature=REDUCTION, build=prod,
       numpy=_meaning("prod"), combine="mul", identity=lambda dtype: 1, jvp=_product_tangent,
       latex=r"\prod #1", example="input x : f64[3]; output r = prod(x)")
)  # fmt: skip
MAX = register(
    Op("max", REDUCE, "the largest entry", _rule("max", *_ORDERED), signature=REDUCTION, build=max_,
       numpy=_meaning("max", _least), combine="max", identity=_least, jvp=_extreme_tangent,
       laws=NONEMPTY,
       latex=r"\max #1", example="input x : f64[3]; output r = max(x)",
       reach=reach.of_extreme_entry)
)  # fmt: skip
MIN = register(
    Op("min", REDUCE, "the smallest entry", _rule("min", *_ORDERED), signature=REDUCTION, build=min_,
       numpy=_meaning("min", _greatest), combine="min", identity=_greatest, jvp=_extreme_tangent,
       laws=NONEMPTY,
       latex=r"\min #1", example="input x : f64[3]; output r = min(x)",
       reach=reach.of_extreme_entry)
)  # fmt: skip
ANY = register(
    Op("any", REDUCE, "whether one entry is true", _rule("any", *_LOGICAL), signature=REDUCTION, build=any_,
       numpy=_meaning("any"), combine="or", identity=lambda dtype: False, no_gradient="the result is true or false",
       latex=r"\exists #1", example="input x : f64[3]; output r = any(x > 0)")
)  # fmt: skip
ALL = register(
    Op("all", REDUCE, "whether all entries are true", _rule("all", *_LOGICAL), signature=REDUCTION, build=all_,
       numpy=_meaning("all"), combine="and", identity=lambda dtype: True, no_gradient="the result is true or false",
       latex=r"\forall #1", example="input x : f64[3]; output r = all(x > 0)")
)  # fmt: skip
BESIDE = register(
    Op("beside", COMPOSITE, "a factor that has left a sum: 1 where the sum is one of nothing", _beside_rule,
       expand=_beside_expand, jvp=_beside_tangent, transpose=_beside_transpose, laws=frozenset(("unwritten",)),
       latex="#1", cost=0,
       example="dim n; input x : f64[n]; param c : f64; loss E = sum(c * x)",
       reach=reach.of_first)
)  # fmt: skip
