"""From the graph of one entry to that of all entries: each index becomes an axis, the indices' axes coming first.

Owns the rule of each kind of operation and of reductions by index.  Looks at kinds.  Must not know how indices are
declared or whether places are inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from exprc.check.context import Context
from exprc.check.factors import combine_factors
from exprc.check.ranges import Range, indices_in
from exprc.check.reads import Check, Place
from exprc.check.report import NOT_BUILT
from exprc.check.scopes import Scope
from exprc.check.settling import Box
from exprc.check.spread_loops import spread_loop, spread_result
from exprc.check.spreading import NotSpread, Refused, Spread, Spreader
from exprc.check.waiting import FOLD, reduced
from exprc.diagnostics import Label
from exprc.ir.index import Guard, axis
from exprc.ir.node import Node, make
from exprc.ir.op import COMPOSITE, CONTRACT, ELEMENTWISE, OPAQUE, PROJECT, REDUCE, SCAN, VIEW, Op
from exprc.ir.sizes import ONE, ZERO, Size, product
from exprc.ops import TABLE, cast, div, sum_, where
from exprc.ops.arithmetic import add, mul
from exprc.ops.compare import and_, ge, lt
from exprc.ops.entries import entries
from exprc.ops.leaves import iota
from exprc.ops.leaves import size as size_leaf
from exprc.ops.table import constant_like
from exprc.ops.views import broadcast

_TAKE = TABLE["take"]
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def spread_entries(
    context: Context,
    scope: Scope,
    entry: Node,
    targets: tuple[str, ...],
    ranges: dict[str, Range],
    boxes: dict[str, Box],
    checks: dict[Place, Check],
) -> Node | None:
    """The array whose entry at `targets` is the given one; None after a message."""
    spreader = Spreader(context, _RULES, ranges, boxes, checks)
    try:
        result = spreader.aligned(spreader.spread(entry), targets)
    except Refused:
        return None
    except NotSpread as refusal:
        context.report.error(
            NOT_BUILT,
            f"{refusal} of what depends on an index is not built yet",
            Label(context.origins[spreader.at], "known, but not compiled by this version"),
            frame=scope.frame,
        )
        return None
    return result


def _elementwise(spreader: Spreader, node: Node, args: list[Spread]) -> Spread:
    indices = spreader.sorted(*(one.indices for one in args))
    return Spread(make(node.op, tuple(spreader.aligned(one, indices) for one in args), node.attrs), indices)


def _view(spreader: Spreader, node: Node, args: list[Spread]) -> Spread:
    (value,) = args
    (argument,) = node.args
    if node.op is TABLE["squeeze"] and argument.op is TABLE["slice"] and _has_indices(argument.attrs[0]):
        return spreader.taken(spreader.of(argument.args[0]), argument, node.attrs[0])
    if node.op is TABLE["slice"] and _has_indices(node.attrs[0]):
        return spreader.taken(value, node, ())
    if node.op is TABLE["pad"] and _has_indices(node.attrs[0]):
        return _placed(spreader, node, value)
    own = len(value.indices)
    extents = spreader.extents(value.indices)
    moved = _VIEWS[node.op](node.attrs, own, extents)
    return Spread(make(node.op, (value.node,), moved), value.indices)


def _placed(spreader: Spreader, node: Node, value: Spread) -> Spread:
    """An entry's array placed among zeros at places made of indices."""
    lows, sizes, steps = node.attrs
    if any(step != 1 for step in steps):
        raise NotSpread("a part with a step")
    indices = spreader.sorted(value.indices, *(indices_in(low) for low in lows))
    places = [axis(indices.index(one)) for one in value.indices]
    guards = []
    for number, low in enumerate(lows):
        place = axis(len(indices) + number).plus(spreader.place(low, indices), -ONE)
        places.append(place)
        guards.append(Guard(place, node.args[0].shape[number]))
    return Spread(entries(value.node, places, guards, spreader.extents(indices) + sizes), indices)


def _shifted(axes: Sequence[int], own: int) -> tuple[int, ...]:
    return (*range(own), *(i + own for i in axes))


_VIEWS: dict[Op, Any] = {
    TABLE["transpose"]: lambda attrs, own, extents: (_shifted(attrs[0], own),),
    TABLE["broadcast"]: lambda attrs, own, extents: (extents + attrs[0], _shifted(attrs[1], own)),
    TABLE["reshape"]: lambda attrs, own, extents: (extents + attrs[0],),
    TABLE["squeeze"]: lambda attrs, own, extents: (tuple(i + own for i in attrs[0]),),
    TABLE["slice"]: lambda attrs, own, extents: ((ZERO,) * own + attrs[0], extents + attrs[1], (1,) * own + attrs[2]),
    TABLE["pad"]: lambda attrs, own, extents: ((ZERO,) * own + attrs[0], extents + attrs[1], (1,) * own + attrs[2]),
}


def _reduce(spreader: Spreader, node: Node, args: list[Spread]) -> Spread:
    own = len(args[0].indices)
    axes = tuple(i + own for i in node.attrs[0])
    return Spread(make(node.op, (args[0].node,), (axes,)), args[0].indices)


def _contract(spreader: Spreader, node: Node, args: list[Spread]) -> Spread:
    indices = spreader.sorted(*(one.indices for one in args))
    left, right, out = node.attrs
    names = dict(zip(indices, LETTERS, strict=False))
    labels = [_named(value.indices, names) + own for value, own in zip(args, (left, right), strict=True)]
    out = _named(indices, names) + out
    return Spread(make(node.op, (args[0].node, args[1].node), (*labels, out)), indices)


def _named(indices: tuple[str, ...], names: dict[str, str]) -> str:
    return "".join(names[one] for one in indices)


def _composite(spreader: Spreader, node: Node, args: list[Spread]) -> Spread:
    """A function of whole axes: those that its attribute counts are counted from behind the indices'."""
    indices = spreader.sorted(*(one.indices for one in args))
    values = tuple(spreader.aligned(one, indices) for one in args)
    attrs = node.attrs
    if attrs and type(attrs[0]) is tuple:
        attrs = (tuple(i + len(indices) for i in attrs[0]), *attrs[1:])
    return Spread(make(node.op, values, attrs), indices)


def _opaque(spreader: Spreader, node: Node, args: list[Spread]) -> Spread:
    if node.op is _TAKE:
        return _taken(spreader, node, args)
    indices = spreader.sorted(*(one.indices for one in args))
    return Spread(make(node.op, tuple(spreader.aligned(one, indices) for one in args), node.attrs), indices)


def _taken(spreader: Spreader, node: Node, args: list[Spread]) -> Spread:
    """Entries at places of an entry's array: where each entry has an array of its own, it lies behind those before."""
    source, places = args
    if not source.indices:
        return Spread(make(_TAKE, (source.node, places.node)), places.indices)
    indices = spreader.sorted(source.indices, places.indices)
    total = spreader.aligned(places, indices)
    own = size_leaf(product(node.args[0].shape))
    inside = and_(ge(total, 0), lt(total, own))
    for at, symbol in enumerate(source.indices):
        stride = size_leaf(product(source.node.shape[at + 1 :]))
        total = add(total, mul(iota(total.shape, indices.index(symbol)), stride))
    return Spread(make(_TAKE, (source.node, where(inside, total, -1))), indices)


# ---- reductions by index


def _folded(spreader: Spreader, node: Node, args: list[Spread]) -> Spread:
    name, symbols = node.attrs
    (argument,) = node.args
    (body,) = args
    masks = [mask for symbol in symbols if (mask := spreader.mask(symbol)) is not None]
    if TABLE[name] is _SUM and not masks:
        found = combine_factors(spreader, argument, symbols)
        if found is not None:
            return found
    indices = spreader.sorted(body.indices, symbols, *(mask.indices for mask in masks))
    value = spreader.aligned(body, indices)
    condition = None
    for mask in masks:
        inside = spreader.aligned(mask, indices)
        condition = inside if condition is None else and_(condition, inside)
    axes = tuple(indices.index(symbol) for symbol in symbols)
    kept = tuple(one for one in indices if one not in symbols)
    if condition is None:
        return Spread(reduced(name, value, axes), kept)
    return Spread(_reduced_within(name, value, condition, axes), kept)


_SUM, _MEAN = TABLE["sum"], TABLE["mean"]
_NEUTRAL = {TABLE["logsumexp"]: -float("inf"), TABLE["norm"]: 0}


def _reduced_within(name: str, value: Node, condition: Node, axes: tuple[int, ...]) -> Node:
    """A reduction over the entries that a condition, of the first axes, leaves."""
    inside = broadcast(condition, value.shape, tuple(range(condition.type.rank)))
    if TABLE[name] is _MEAN:
        value = value if value.type.is_float else cast(value, "f64")
        total = sum_(where(inside, value, constant_like(value, 0)), axes)
        count = cast(sum_(inside, axes), total.dtype)
        return div(total, count)
    reduction = reduced(name, value, axes)
    neutral = _NEUTRAL.get(TABLE[name])
    if reduction.kind == REDUCE:
        value = reduction.args[0]
        neutral = reduction.op.identity(value.dtype) if reduction.op.identity is not None else None
    if neutral is None:
        raise NotSpread(f"`{name}` over a range that depends on an index")
    value = value if value.type.is_float or reduction.kind == REDUCE else cast(value, "f64")
    return reduced(name, where(inside, value, constant_like(value, neutral)), axes)


_RULES = {
    FOLD.name: _folded,
    ELEMENTWISE: _elementwise,
    VIEW: _view,
    REDUCE: _reduce,
    CONTRACT: _contract,
    COMPOSITE: _composite,
    OPAQUE: _opaque,
    SCAN: spread_loop,
    PROJECT: spread_result,
}


def _has_indices(sizes: Sequence[Size]) -> bool:
    return any(indices_in(size) for size in sizes)
