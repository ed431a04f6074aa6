"""`beside`: what stands beside a sum, without effect where the sum is one of nothing.

A factor may leave a sum only so: the sum of nothing is 0, whatever its terms would have been multiplied or divided by.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import Any

from exprc.ir import reach
from exprc.ir.node import Node, make
from exprc.ir.op import COMPOSITE, Op, TypeRuleError
from exprc.ir.sizes import Size
from exprc.ir.types import BOOL, Type
from exprc.ops.compare import and_, gt, where
from exprc.ops.leaves import constant_value, size
from exprc.ops.table import Number, constant_like, expect_count, expect_float, register


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
    if not wanted or value == otherwise or (otherwise == 1 and value is not None and abs(value) < float("inf")):
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


def _rule(types: tuple[Type, ...], attrs: tuple[Any, ...]) -> Type:
    expect_count("beside", types, 1)
    counts, otherwise = attrs
    if otherwise or types[0].dtype != BOOL:  # where a derivative is reached goes the way of the derivative
        expect_float("beside", types[0])
    if not counts or otherwise not in (0, 1):
        raise TypeRuleError("beside needs sizes, and 0 or 1")
    return types[0]


def _expand(node: Node) -> Node:
    (x,), (counts, otherwise) = node.args, node.attrs
    return where(reduce(and_, [gt(size(count), 0) for count in counts]), x, constant_like(x, otherwise))


def _tangent(node: Node, tangents: tuple[Node | None, ...]) -> Node | None:
    (tangent,), (counts, _) = tangents, node.attrs
    return None if tangent is None else beside(tangent, counts, 0)


def _transpose(node: Node, cotangent: Node, index: int) -> Node:
    counts, otherwise = node.attrs
    assert not otherwise, "1 in place of a value is not linear"
    return beside(cotangent, counts, 0)


BESIDE = register(
    Op("beside", COMPOSITE, "a factor that has left a sum: 1 where the sum is one of nothing", _rule,
       expand=_expand, jvp=_tangent, transpose=_transpose, laws=frozenset(("unwritten",)), latex="#1", cost=0,
       example="dim n; input x : f64[n]; param c : f64; loss E = sum(c * x)",
       reach=reach.of_first)
)  # fmt: skip
