"""Views: the same entries at other indices, without work of their own.

Each says by an index map where an entry of the result is read; its transpose moves cotangents back.
"""

from __future__ import annotations

from typing import Any

from exprc.ir.index import Affine, Guard, IndexMap, affine_constant, axis, quotient
from exprc.ir.node import Node, make
from exprc.ir.op import VIEW, Op, Parameter, TypeRuleError
from exprc.ir.sizes import ONE, ZERO, Size, as_size, constant, divide_exactly, product
from exprc.ir.types import Type
from exprc.ops.table import (
    AXIS,
    Value,
    X,
    array,
    as_node,
    broadcast_to,
    expect_axes,
    expect_count,
    normal_axes,
    register,
    show_shape,
    spelling,
)

Shape = tuple[Size, ...]


# ---- transpose


def transpose(x: Node, permutation: tuple[int, ...] | None = None) -> Node:
    """The axes in another order; without one, the last two exchanged (vectors and scalars stay as they are)."""
    rank = x.type.rank
    if permutation is None:
        permutation = (*range(rank - 2), rank - 1, rank - 2) if rank > 1 else tuple(range(rank))
    return x if permutation == tuple(range(rank)) else make(TRANSPOSE, (x,), (permutation,))


def _transpose_rule(types: tuple[Type, ...], attrs: tuple[Any, ...]) -> Type:
    expect_count("transpose", types, 1)
    (permutation,) = attrs
    if sorted(permutation) != list(range(types[0].rank)):
        raise TypeRuleError(f"transpose cannot order the axes of {types[0]} as {permutation}")
    return types[0].with_shape(tuple(types[0].shape[i] for i in permutation))


def _inverse(permutation: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(permutation.index(i) for i in range(len(permutation)))


def _transpose_map(attrs: tuple[Any, ...], argument: Type, result: Type) -> IndexMap:
    return IndexMap(tuple(axis(i) for i in _inverse(attrs[0])))


# ---- broadcast


def broadcast(x: Node, shape: Shape, axes: tuple[int, ...] | None = None) -> Node:
    """The array spread over a shape; axis i becomes `axes[i]`, by default the last axes in order."""
    if axes is None:
        return broadcast_to(x, shape)
    return x if x.shape == shape and axes == tuple(range(len(shape))) else make(BROADCAST, (x,), (shape, axes))


def _broadcast_rule(types: tuple[Type, ...], attrs: tuple[Any, ...]) -> Type:
    expect_count("broadcast", types, 1)
    shape, axes = attrs
    (given,) = types
    if len(axes) != given.rank:
        raise TypeRuleError(f"broadcast of {given} needs {given.rank} axes, not {axes}")
    expect_axes("broadcast", axes, len(shape))
    for extent, position in zip(given.shape, axes, strict=True):
        if extent not in (ONE, shape[position]):
            raise TypeRuleError(f"{given} does not broadcast to {show_shape(shape)}")
    return given.with_shape(shape)


def _broadcast_map(attrs: tuple[Any, ...], argument: Type, result: Type) -> IndexMap:
    placed = zip(argument.shape, attrs[1], strict=True)
    return IndexMap(tuple(affine_constant(0) if extent == ONE else axis(i) for extent, i in placed))


def _broadcast_meaning(attrs: tuple[Any, ...], x: Any) -> Any:
    import numpy

    shape, axes = attrs
    aligned = [1] * len(shape)
    for extent, position in zip(x.shape, axes, strict=True):
        aligned[position] = extent
    return numpy.broadcast_to(numpy.reshape(x, aligned), shape)


def _broadcast_transpose(node: Node, cotangent: Node, index: int) -> Node:
    from exprc.ops.reductions import sum_

    shape, axes = node.attrs
    (x,) = node.args
    kept = [i for extent, i in zip(x.shape, axes, strict=True) if extent == shape[i]]
    summed = sum_(cotangent, tuple(i for i in range(len(shape)) if i not in kept))
    return reshape(summed, x.shape)


# ---- reshape and squeeze


def reshape(x: Node, shape: Shape) -> Node:
    """The same entries, row-major, in another shape of as many entries."""
    return x if x.shape == shape else make(RESHAPE, (x,), (shape,))


def squeeze(x: Node, axes: tuple[int, ...]) -> Node:
    """The array without some axes of size 1."""
    return make(SQUEEZE, (x,), (axes,)) if axes else x


def insert_axes(x: Node, axes: tuple[int, ...]) -> Node:
    """The array with axes of size 1 inserted; `axes` are their positions in the result."""
    extents = iter(x.shape)
    return reshape(x, tuple(ONE if i in axes else next(extents) for i in range(x.type.rank + len(axes))))


def _reshape_rule(types: tuple[Type, ...], attrs: tuple[Any, ...]) -> Type:
    expect_count("reshape", types, 1)
    (shape,) = attrs
    if product(types[0].shape) != product(shape):
        raise TypeRuleError(
            f"reshape of {types[0]} to {show_shape(shape)}: {product(types[0].shape)} entries become {product(shape)}"
        )
    return types[0].with_shape(shape)


def _reshape_map(attrs: tuple[Any, ...], argument: Type, result: Type) -> IndexMap:
    indices: list[Affine] = [affine_constant(0)] * argument.rank
    for mine, theirs in _matching_groups(argument.shape, result.shape):
        linear, stride = Affine(()), ONE
        for i in reversed(theirs):
            linear, stride = linear.plus(axis(i), stride), stride * result.shape[i]
        stride = ONE
        for i in reversed(mine):
            index = quotient(linear, stride)
            stride = stride * argument.shape[i]
            # The first axis of a group has no further multiples to take away.
            indices[i] = index if i == mine[0] else index.plus(quotient(linear, stride), -argument.shape[i])
    return IndexMap(tuple(indices))


def _matching_groups(left: Shape, right: Shape) -> list[tuple[list[int], list[int]]]:
    """The axes of two shapes in order, in the smallest groups of equal products; axes of size 1 are left out."""
    mine = [i for i, extent in enumerate(left) if extent != ONE]
    theirs = [i for i, extent in enumerate(right) if extent != ONE]
    groups: list[tuple[list[int], list[int]]] = []
    a = b = 0
    while a < len(mine) and b < len(theirs):
        first, second = [mine[a]], [theirs[b]]
        a, b = a + 1, b + 1
        p, q = left[first[0]], right[second[0]]
        while p != q:
            if a < len(mine) and (divide_exactly(q, p) is not None or b == len(theirs)):
                first.append(mine[a])
                p, a = p * left[mine[a]], a + 1
            elif b < len(theirs) and (divide_exactly(p, q) is not None or a == len(mine)):
                second.append(theirs[b])
                q, b = q * right[theirs[b]], b + 1
            else:  # which of both is larger depends on the sizes: all that remains is one group
                first, second, p, q = first + mine[a:], second + theirs[b:], ZERO, ZERO
                a, b = len(mine), len(theirs)
        groups.append((first, second))
    if a < len(mine) or b < len(theirs):
        groups.append((mine[a:], theirs[b:]))
    return groups


def _squeeze_rule(types: tuple[Type, ...], attrs: tuple[Any, ...]) -> Type:
    expect_count("squeeze", types, 1)
    (axes,) = attrs
    (given,) = types
    expect_axes("squeeze", axes, given.rank)
    if any(given.shape[i] != ONE for i in axes):
        raise TypeRuleError(f"squeeze of {given} at axes {axes}: their sizes have to be 1")
    return given.with_shape(tuple(extent for i, extent in enumerate(given.shape) if i not in axes))


def _squeeze_map(attrs: tuple[Any, ...], argument: Type, result: Type) -> IndexMap:
    kept = iter(range(result.rank))
    return IndexMap(tuple(affine_constant(0) if i in attrs[0] else axis(next(kept)) for i in range(argument.rank)))


# ---- slice and pad


def slice_(x: Node, starts: Shape, sizes: Shape, steps: tuple[int, ...] | None = None) -> Node:
    """`sizes[i]` entries along each axis from `starts[i]` in steps of `steps[i]`, which may be negative."""
    steps = (1,) * len(starts) if steps is None else steps
    return make(SLICE, (x,), (starts, sizes, steps))


def pad(x: Node, lows: Shape, sizes: Shape, steps: tuple[int, ...] | None = None) -> Node:
    """An array of zeros of shape `sizes` with entry i of `x` at `lows + steps * i`."""
    steps = (1,) * len(lows) if steps is None else steps
    return make(PAD, (x,), (lows, sizes, steps))


def _placed(name: str, given: Type, attrs: tuple[Any, ...]) -> Type:
    starts, sizes, steps = attrs
    if not len(starts) == len(sizes) == len(steps) == given.rank:
        raise TypeRuleError(f"{name} of {given} needs {given.rank} starts, sizes and steps")
    if not all(steps):
        raise TypeRuleError(f"{name} cannot have a step of 0")
    return given.with_shape(sizes)


def _slice_rule(types: tuple[Type, ...], attrs: tuple[Any, ...]) -> Type:
    expect_count("slice", types, 1)
    result = _placed("slice", types[0], attrs)
    for position, (start, extent, step) in enumerate(zip(*attrs, strict=True)):
        _expect_inside("slice", start, extent, step, types[0].shape[position])
    return result


def _pad_rule(types: tuple[Type, ...], attrs: tuple[Any, ...]) -> Type:
    expect_count("pad", types, 1)
    result = _placed("pad", types[0], attrs)
    for position, (low, extent, step) in enumerate(zip(*attrs, strict=True)):
        _expect_inside("pad", low, types[0].shape[position], step, extent)
    return result


def _expect_inside(name: str, start: Size, count: Size, step: int, extent: Size) -> None:
    """Refuse what certainly leaves the axis; what depends on sizes is a requirement checked on entry."""
    known = count.constant
    if known is not None and known < 0:
        raise TypeRuleError(f"{name} of a negative number of entries: {count}")
    if known == 0:
        return
    for index in (start, start + (count - 1) * step):
        for distance in (index.constant, (extent - 1 - index).constant):
            if distance is not None and distance < 0 and known is not None:
                raise TypeRuleError(f"{name} reaches index {index} of an axis of size {extent}")


def _slice_map(attrs: tuple[Any, ...], argument: Type, result: Type) -> IndexMap:
    starts, _, steps = attrs
    places = enumerate(zip(starts, steps, strict=True))
    return IndexMap(tuple(Affine(((i, constant(step)),), start) for i, (start, step) in places))


def _pad_map(attrs: tuple[Any, ...], argument: Type, result: Type) -> IndexMap:
    indices, guards = [], []
    for i, (low, extent, step) in enumerate(zip(*attrs, strict=True)):
        if low == ZERO and step == 1 and argument.shape[i] == extent:
            indices.append(axis(i))
            continue
        direction = 1 if step > 0 else -1
        position = Affine(((i, constant(direction)),), low * -direction)
        guards.append(Guard(position, argument.shape[i] * abs(step), abs(step)))
        indices.append(quotient(position, constant(abs(step))))
    return IndexMap(tuple(indices), tuple(guards))


def _places(starts: tuple[int, ...], counts: tuple[int, ...], steps: tuple[int, ...]) -> Any:
    import numpy

    lines = zip(starts, counts, steps, strict=True)
    return numpy.ix_(*[start + step * numpy.arange(count) for start, count, step in lines])


def _slice_meaning(attrs: tuple[Any, ...], x: Any) -> Any:
    starts, sizes, steps = attrs
    return x[_places(starts, sizes, steps)] if starts else x


def _pad_meaning(attrs: tuple[Any, ...], x: Any) -> Any:
    import numpy

    lows, sizes, steps = attrs
    result = numpy.zeros(sizes, x.dtype)
    result[_places(lows, x.shape, steps) if lows else ()] = x
    return result


# ---- entries


TRANSPOSE = register(
    Op("transpose", VIEW, "the axes in another order; without one, the last two exchanged", _transpose_rule,
       signature=X, build=lambda x: transpose(as_node(x)), numpy=lambda attrs, x: x.transpose(attrs[0]),
       index_map=_transpose_map,
       transpose=lambda node, cotangent, index: transpose(cotangent, _inverse(node.attrs[0])),
       latex=r"#1^\top", cost=0, example="input X : f64[2, 3]; output r = transpose(X)")
)  # fmt: skip
BROADCAST = register(
    Op("broadcast", VIEW, "an array repeated along new axes and axes of size 1", _broadcast_rule,
       numpy=_broadcast_meaning, index_map=_broadcast_map, transpose=_broadcast_transpose, latex="#1", cost=0,
       example="input X : f64[2, 3]; input b : f64[3]; output r = X + b")
)  # fmt: skip
RESHAPE = register(
    Op("reshape", VIEW, "the same entries in another shape", _reshape_rule,
       signature=(array("x"), Parameter("sizes", "sizes")),
       build=lambda x, sizes: reshape(as_node(x), tuple(as_size(s) for s in sizes)),
       numpy=lambda attrs, x: x.reshape(attrs[0]), index_map=_reshape_map,
       transpose=lambda node, cotangent, index: reshape(cotangent, node.args[0].shape), latex="#1", cost=0,
       example="input x : f64[6]; output r = reshape(x, 2, 3)")
)  # fmt: skip
SQUEEZE = register(
    Op("squeeze", VIEW, "an array without some axes of size 1", _squeeze_rule,
       numpy=lambda attrs, x: x.squeeze(attrs[0]), index_map=_squeeze_map,
       transpose=lambda node, cotangent, index: insert_axes(cotangent, node.attrs[0]), latex="#1", cost=0,
       example="input X : f64[1, 3]; output r = X[0]")
)  # fmt: skip
SLICE = register(
    Op("slice", VIEW, "evenly spaced entries along each axis", _slice_rule,
       numpy=_slice_meaning, index_map=_slice_map, latex="#1", cost=0,
       transpose=lambda node, cotangent, index: pad(cotangent, node.attrs[0], node.args[0].shape, node.attrs[2]),
       example="input x : f64[6]; output r = x[1:5:2]")
)  # fmt: skip
PAD = register(
    Op("pad", VIEW, "an array placed among zeros", _pad_rule,
       numpy=_pad_meaning, index_map=_pad_map, latex="#1", cost=0,
       transpose=lambda node, cotangent, index: slice_(cotangent, node.attrs[0], node.args[0].shape, node.attrs[2]),
       example="param x : f64[6]; loss E = sum(x[1:]^2); output g = grad(E, x)")
)  # fmt: skip


def _flatten(x: Value) -> Node:
    node = as_node(x)
    return reshape(node, (product(node.shape),))


spelling("flatten", "all entries as a vector, row-major", X, _flatten,
         example="input X : f64[2, 3]; output r = flatten(X)")  # fmt: skip
spelling("broadcast_to", "the array repeated to a shape", (array("x"), Parameter("sizes", "sizes")),
         lambda x, sizes: broadcast_to(as_node(x), tuple(as_size(s) for s in sizes)),
         example="input x : f64[3]; output r = broadcast_to(x, 2, 3)")  # fmt: skip


def _flip(x: Value, axis: int | tuple[int, ...] | None = None) -> Node:
    node = as_node(x)
    axes = normal_axes("flip", axis, node.type.rank)
    starts = tuple(extent - 1 if i in axes else ZERO for i, extent in enumerate(node.shape))
    return slice_(node, starts, node.shape, tuple(-1 if i in axes else 1 for i in range(node.type.rank)))


spelling("flip", "the entries in reverse order", (array("x"), AXIS), _flip,
         example="input x : f64[3]; output r = flip(x)")  # fmt: skip
