"""Indices that are data: `x[k]`, `b[group]`, `logp[i, y[i]]`.

Owns their places in the array, which are checked when the program runs, and the order of axes, which is NumPy's.  Must
not know slices: they are taken first.
"""

from __future__ import annotations

from typing import NamedTuple

from exprc.check.context import Context
from exprc.check.meeting import clashing_axis
from exprc.check.open_forms import narrowed
from exprc.check.report import NOT_BUILT
from exprc.check.scopes import Scope
from exprc.check.values import Value
from exprc.diagnostics import Label
from exprc.ir.node import Node
from exprc.ir.sizes import Size, dim, product
from exprc.ir.types import I64
from exprc.ops import cast, ge, lt, where
from exprc.ops.arithmetic import add, mul
from exprc.ops.checks import within
from exprc.ops.gather import take
from exprc.ops.leaves import iota
from exprc.ops.leaves import size as size_leaf
from exprc.ops.table import broadcast_to, common_shape
from exprc.ops.views import broadcast
from exprc.syntax import ast


class Pick(NamedTuple):
    """An axis of an array, by number, and the integers that index it."""

    axis: int
    value: Value
    written: ast.Expression


def pick(context: Context, scope: Scope, node: Node, picks: list[Pick], together: bool) -> Node | None:
    """The entries of an array at indices of some of its axes; None after a message.

    Where the indices stand `together`, their axes are in the place of the first, else before all others.
    """
    if scope.region.parent is not None:
        context.report.error(
            NOT_BUILT,
            "an index that is data within a loop is not built yet",
            Label(picks[0].written.span, "known, but not compiled by this version"),
            frame=scope.frame,
        )
        return None
    shape = _shape(context, scope, picks)
    if shape is None:
        return None
    axes = [one.axis for one in picks]
    front = axes[0] if together else 0
    kept = [axis for axis in range(node.type.rank) if axis not in axes]
    result = (*(node.shape[axis] for axis in kept[:front]), *shape, *(node.shape[axis] for axis in kept[front:]))
    total: Node | None = None
    for axis in range(node.type.rank):
        stride = size_leaf(product(node.shape[axis + 1 :]))
        if axis in axes:
            index = broadcast_to(_inside(context, scope, node.shape[axis], picks[axes.index(axis)]), shape)
            place = broadcast(index, result, tuple(range(front, front + len(shape))))
        else:
            at = kept.index(axis)
            place = iota(result, at if at < front else at + len(shape))
        place = place if axis == node.type.rank - 1 else mul(place, stride)
        total = place if total is None else add(total, place)
    assert total is not None
    return take(node, total)


def _shape(context: Context, scope: Scope, picks: list[Pick]) -> tuple[Size, ...] | None:
    """The shape to which several indices broadcast."""
    first = picks[0]
    for other in picks[1:]:
        if clashing_axis(first.value.known.shape, other.value.known.shape) is not None:
            context.report.error(
                "E0401",
                "shapes of indices do not match",
                Label(other.written.span, f"this is {other.value.known.type}"),
                Label(first.written.span, f"this is {first.value.known.type}"),
                note="several arrays of indices are taken entry by entry",
                frame=scope.frame,
            )
            return None
    return common_shape(*(one.value.known.shape for one in picks))


def _inside(context: Context, scope: Scope, extent: Size, one: Pick) -> Node:
    """The places of indices, of which negative ones count from the end; others than those of the axis are a fault.

    Where a choice is not taken, or an index is outside of its range, no place is asked for.
    """
    index = cast(one.value.known, I64)
    for condition, chosen in (*scope.choices, *_ranges(context, scope)):
        index = where(condition, index, 0) if chosen else where(condition, 0, index)
    name = str(extent) if extent.constant is None else "an axis"
    index = within(index, -extent, extent, name, one.written.span.line)
    return where(lt(index, 0), add(index, size_leaf(extent)), index)


def _ranges(context: Context, scope: Scope) -> list[tuple[Node, bool]]:
    """That indices are in ranges which depend on others."""
    found: list[tuple[Node, bool]] = []
    for one in narrowed(context, scope):
        assert one.given is not None
        index = size_leaf(dim(one.symbol))
        found += [(ge(index, size_leaf(one.given.low)), True), (lt(index, size_leaf(one.given.high)), True)]
    return found
