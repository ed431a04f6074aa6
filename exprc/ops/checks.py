"""Values that have to lie within bounds: the values themselves, and a fault where one does not."""

from __future__ import annotations

from typing import Any

from exprc.ir.fault import LARGEST_ENTRY, OUT_OF_BOUNDS, Condition, Fault
from exprc.ir.node import Node, make
from exprc.ir.op import ELEMENTWISE, Op, TypeRuleError
from exprc.ir.sizes import Size
from exprc.ir.types import I64, INTEGERS, Type
from exprc.ops.arithmetic import cast, minimum
from exprc.ops.compare import and_, ge, lt
from exprc.ops.leaves import size
from exprc.ops.table import expect_count, register


def within(x: Node, low: Size, high: Size, name: str, line: int) -> Node:
    """The integers x, each of which has to be at least `low` and less than `high`.

    `name` is what the program calls the upper bound, `line` where it asks for this.
    """
    return make(WITHIN, (x,), (low, high, name, line))


def _within_rule(types: tuple[Type, ...], attrs: tuple[Any, ...]) -> Type:
    expect_count("within", types, 1)
    if types[0].dtype not in INTEGERS:
        raise TypeRuleError(f"within needs integers, not {types[0]}")
    return types[0]


def _within_meaning(attrs: tuple[Any, ...], x: Any) -> Any:
    import numpy

    low, high, name, line = attrs
    outside = numpy.logical_or(x < low, x >= high)
    if outside.any():
        raise Fault(OUT_OF_BOUNDS, line, min(int(x[outside].min()), LARGEST_ENTRY), high, name)
    return x


def _within_condition(node: Node) -> Condition:
    low, high, name, line = node.attrs
    index = cast(node.args[0], I64)
    holds = and_(ge(index, size(low)), lt(index, size(high)))
    return Condition(OUT_OF_BOUNDS, line, holds, minimum(index, LARGEST_ENTRY), high, name)


WITHIN = register(
    Op("within", ELEMENTWISE, "the integers themselves, which have to lie within bounds", _within_rule,
       numpy=_within_meaning, program=lambda builder, x, *bounds: x, partials=lambda out, x: (None,),
       fault=_within_condition, latex="#1", cost=0,
       example="input Z : f64[2, 3]; input y : i64[2]; output r = cross_entropy(Z, y)")
)  # fmt: skip
