"""`take` and `collect`: entries at places that other entries tell, counted row-major, and their transpose.

A place outside takes 0 and collects nothing.  Entries for the same place are added up in order, f32 in f64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from exprc.ir.index import affine_constant
from exprc.ir.index import axis as variable
from exprc.ir.node import Node, make
from exprc.ir.op import OPAQUE, Op, TypeRuleError
from exprc.ir.sizes import ZERO, Size, product
from exprc.ir.types import F32, F64, FLOATS, I64, Type
from exprc.ops.arithmetic import cast
from exprc.ops.routines import Place, Sink
from exprc.ops.table import expect_count, register

Shape = tuple[Size, ...]


def take(x: Node, places: Node) -> Node:
    """The entries of x at places."""
    return make(TAKE, (x, places))


def collect(values: Node, places: Node, shape: Shape) -> Node:
    """The array of a shape to which each value is added at its place."""
    wide = cast(values, F64) if values.dtype == F32 else values
    return cast(make(COLLECT, (wide, places), (shape,)), values.dtype)


def _take_rule(types: tuple[Type, ...], attrs: tuple[Any, ...]) -> Type:
    expect_count("take", types, 2)
    if types[1].dtype != I64:
        raise TypeRuleError(f"take needs places of i64, not {types[1].dtype}")
    return types[0].with_shape(types[1].shape)


def _collect_rule(types: tuple[Type, ...], attrs: tuple[Any, ...]) -> Type:
    expect_count("collect", types, 2)
    if types[1].dtype != I64 or types[0].shape != types[1].shape or types[0].dtype not in FLOATS:
        raise TypeRuleError(f"collect needs floats and as many places of i64, not {types[0]} and {types[1]}")
    return types[0].with_shape(attrs[0])


def _take_meaning(attrs: tuple[Any, ...], x: Any, places: Any) -> Any:
    import numpy

    inside = (places >= 0) & (places < x.size)
    if not x.size:
        return numpy.zeros(places.shape, x.dtype)
    return numpy.where(inside, x.reshape(-1)[numpy.where(inside, places, 0)], x.dtype.type(0))


def _collect_meaning(attrs: tuple[Any, ...], values: Any, places: Any) -> Any:
    import numpy

    result = numpy.zeros(attrs[0], values.dtype)
    inside = (places >= 0) & (places < result.size)
    numpy.add.at(result.reshape(-1), places[inside], values[inside])
    return result


def _take_tangent(node: Node, tangents: tuple[Node | None, ...]) -> Node | None:
    return None if tangents[0] is None else take(tangents[0], node.args[1])


def _collect_tangent(node: Node, tangents: tuple[Node | None, ...]) -> Node | None:
    return None if tangents[0] is None else make(COLLECT, (tangents[0], node.args[1]), node.attrs)


def _take_cotangent(node: Node, cotangent: Node, index: int) -> Node:
    return collect(cotangent, node.args[1], node.args[0].shape)


def _collect_cotangent(node: Node, cotangent: Node, index: int) -> Node:
    return take(cotangent, node.args[1])


# ---- as statements


def _first(place: Place, rank: int) -> tuple[Any, ...]:
    return (*place.prefix, *(affine_constant(ZERO) for _ in range(rank)))


def _move(
    sink: Sink, kind: str, types: Sequence[Type], arguments: Sequence[Place], result: Place, shape: Shape
) -> Any:
    (source, places), (given, wanted) = arguments, types
    return getattr(sink, kind)(
        result.buffer, _first(result, len(shape)), source.buffer, _first(source, given.rank),
        places.buffer, _first(places, wanted.rank), product(wanted.shape),
        product(given.shape if kind == "Gather" else shape),
    )  # fmt: skip


def take_routine(
    sink: Sink,
    types: Sequence[Type],
    attrs: tuple[Any, ...],
    arguments: Sequence[Place],
    results: Sequence[Place],
    line: int,
) -> tuple[Any, ...]:
    """One statement, entry by entry."""
    return (_move(sink, "Gather", types, arguments, results[0], types[1].shape),)


def collect_routine(
    sink: Sink,
    types: Sequence[Type],
    attrs: tuple[Any, ...],
    arguments: Sequence[Place],
    results: Sequence[Place],
    line: int,
) -> tuple[Any, ...]:
    """Zeros, to which the values are added in order."""
    (shape,), (result,) = attrs, results
    names = [f"{result.buffer}_i{number}" for number in range(len(shape))]
    axes = tuple(sink.Axis(name, affine_constant(extent)) for name, extent in zip(names, shape, strict=True))
    index = (*result.prefix, *(variable(name) for name in names))
    zero = sink.Constant(0.0, types[0].dtype)
    zeros = sink.Nest(
        axes, frozenset(), (zero,), (sink.Write(result.buffer, index, 0),), names[-1] if names else ""
    )
    return (zeros, _move(sink, "Scatter", types, arguments, result, shape))


TAKE = register(
    Op("take", OPAQUE, "entries at places, counted row-major; 0 at places outside", _take_rule,
       numpy=_take_meaning, jvp=_take_tangent, transpose=_take_cotangent, routine=take_routine, latex="#1_{#2}", cost=2,
       example="input x : f64[6]; output r[i in 0..3] = x[i * i]")
)  # fmt: skip
COLLECT = register(
    Op("collect", OPAQUE, "values added up at their places", _collect_rule,
       numpy=_collect_meaning, jvp=_collect_tangent, transpose=_collect_cotangent, routine=collect_routine,
       latex=r"\operatorname{collect}\left(#1, #2\right)", cost=2,
       example="param x : f64[6]; loss E = sum[i in 0..3](x[i * i]^2); output r = grad(E, x)")
)  # fmt: skip
