"""Further functions: other bases, logarithms of sums, angles, hyperbolic functions, rounding, tests."""

from __future__ import annotations

import math
from typing import Any

from exprc.ir import reach
from exprc.ir.node import Node
from exprc.ops.arithmetic import add, div, mul, neg, sub
from exprc.ops.compare import and_, ge, gt, le, lt, or_, where
from exprc.ops.functions import expm1, log, rsqrt, sigmoid, square
from exprc.ops.table import (
    XY,
    Builder,
    X,
    array,
    constant_like,
    elementwise,
    instruction,
    math_program,
    nothing,
    numpy_function,
)

_WIDE, _MIDDLE, _POSITIVE = ((-20.0, 20.0),), ((-3.0, 3.0),), ((0.1, 20.0),)
_LOG_2, _LOG_10 = math.log(2), math.log(10)


def _call(name: str) -> str:
    return rf"\{name}\left(#1\right)"


def _name(text: str) -> str:
    return rf"\operatorname{{{text}}}\left(#1\right)"


# ---- other bases


exp2 = elementwise(
    "exp2", "2 to the power x", X, "float", numpy=numpy_function("exp2"), program=math_program("exp2"),
    partials=lambda out, x: (mul(_LOG_2, out),), latex="2^{#1}", domain=_WIDE, cost=10,
    laws=frozenset(("increasing", "nonnegative")), example="input x : f64; output r = exp2(x)",
)  # fmt: skip
log2 = elementwise(
    "log2", "the logarithm of base 2", X, "float", numpy=numpy_function("log2"), program=math_program("log2"),
    partials=lambda out, x: (div(1 / _LOG_2, x),), latex=r"\log_2\left(#1\right)", domain=_POSITIVE, cost=12,
    laws=frozenset(("increasing",)), example="input x : f64; output r = log2(x)",
    least=0.0,
)  # fmt: skip
log10 = elementwise(
    "log10", "the logarithm of base 10", X, "float", numpy=numpy_function("log10"), program=math_program("log10"),
    partials=lambda out, x: (div(1 / _LOG_10, x),), latex=r"\log_{10}\left(#1\right)", domain=_POSITIVE, cost=12,
    laws=frozenset(("increasing",)), example="input x : f64; output r = log10(x)",
    least=0.0,
)  # fmt: skip


# ---- logarithms of sums and products


def _log1mexp_meaning(attrs: tuple[Any, ...], x: Any) -> Any:
    import numpy

    with numpy.errstate(all="ignore"):
        near = numpy.log(-numpy.expm1(x))
        far = numpy.log1p(0 - numpy.exp(x))  # 0 where exp(x) is 0, not -0
        return numpy.where(x > -0.6931471805599453, near, far).astype(x.dtype)


def _xlogy_meaning(attrs: tuple[Any, ...], x: Any, y: Any) -> Any:
    import numpy

    with numpy.errstate(all="ignore"):
        return numpy.where((x == 0) & ~numpy.isnan(y), x.dtype.type(0), x * numpy.log(y))


def _xlogy_program(builder: Any, x: int, y: int) -> int:
    from exprc.scalar import math as functions

    b, zero = builder, builder.const(builder.dtype(x), 0)
    nothing = b.and_(b.eq(x, zero), b.eq(y, y))
    return int(b.select(nothing, zero, b.mul(x, functions.log(b, y))))


log1mexp = elementwise(
    "log1mexp", "log(1 - exp(x)) of a negative x", X, "float",
    numpy=_log1mexp_meaning, program=math_program("log1mexp"),
    partials=lambda out, x: (div(-1, expm1(neg(x))),), latex=r"\log\left(1 - e^{#1}\right)",
    domain=((-20.0, -0.1),), cost=40, laws=frozenset(("decreasing",)),
    example="input x : f64; output r = log1mexp(x)",
)  # fmt: skip
logaddexp = elementwise(
    "logaddexp", "log(exp(x) + exp(y))", XY, "float",
    numpy=numpy_function("logaddexp"), program=math_program("logaddexp"),
    partials=lambda out, x, y: (sigmoid(sub(x, y)), sigmoid(sub(y, x))), latex=r"\log\left(e^{#1} + e^{#2}\right)",
    domain=((-20.0, 20.0), (-20.0, 20.0)), cost=28, laws=frozenset(("commutative", "associative")),
    example="input x : f64; output r = logaddexp(x, 0)",
)  # fmt: skip
xlogy = elementwise(
    "xlogy", "x * log(y), 0 where x is 0", XY, "float", numpy=_xlogy_meaning, program=_xlogy_program,
    partials=lambda out, x, y: (log(y), div(x, y)), latex=r"#1 \log\left(#2\right)",
    domain=((-3.0, 3.0), (0.1, 20.0)), cost=14, example="input x : f64; output r = xlogy(x, x)",
)  # fmt: skip


# ---- trigonometric and hyperbolic


def _atan2_partials(out: Node, y: Node, x: Node) -> tuple[Node, Node]:
    size = add(square(x), square(y))
    return div(x, size), neg(div(y, size))


tan = elementwise(
    "tan", "the tangent", X, "float", numpy=numpy_function("tan"), program=math_program("tan"),
    partials=lambda out, x: (add(1, square(out)),), latex=_call("tan"), domain=((-1.4, 1.4),), cost=36,
    laws=frozenset(("odd", "increasing")), example="input x : f64; output r = tan(x)",
)  # fmt: skip
sinh = elementwise(
    "sinh", "the hyperbolic sine", X, "float", numpy=numpy_function("sinh"), program=math_program("sinh"),
    partials=lambda out, x: (cosh(x),), latex=_call("sinh"), domain=_MIDDLE, cost=30,
    laws=frozenset(("odd", "increasing")), example="input x : f64; output r = sinh(x)",
)  # fmt: skip
cosh: Builder = elementwise(
    "cosh", "the hyperbolic cosine", X, "float", numpy=numpy_function("cosh"), program=math_program("cosh"),
    partials=lambda out, x: (sinh(x),), latex=_call("cosh"), domain=_MIDDLE, cost=30,
    laws=frozenset(("even", "nonnegative")), example="input x : f64; output r = cosh(x)",
)  # fmt: skip
asin = elementwise(
    "asin", "the angle between -pi/2 and pi/2 whose sine is x", X, "float", numpy=numpy_function("arcsin"),
    program=math_program("asin"), partials=lambda out, x: (rsqrt(sub(1, square(x))),), latex=_call("arcsin"),
    domain=((-0.9, 0.9),), cost=30, laws=frozenset(("odd", "increasing")),
    example="input x : f64; output r = asin(x)",
)  # fmt: skip
acos = elementwise(
    "acos", "the angle between 0 and pi whose cosine is x", X, "float", numpy=numpy_function("arccos"),
    program=math_program("acos"), partials=lambda out, x: (neg(rsqrt(sub(1, square(x)))),), latex=_call("arccos"),
    domain=((-0.9, 0.9),), cost=30, laws=frozenset(("decreasing", "nonnegative")),
    example="input x : f64; output r = acos(x)",
)  # fmt: skip
atan = elementwise(
    "atan", "the angle between -pi/2 and pi/2 whose tangent is x", X, "float", numpy=numpy_function("arctan"),
    program=math_program("atan"), partials=lambda out, x: (div(1, add(1, square(x))),), latex=_call("arctan"),
    domain=_MIDDLE, cost=24, laws=frozenset(("odd", "increasing")), example="input x : f64; output r = atan(x)",
)  # fmt: skip
atan2 = elementwise(
    "atan2", "the angle of the point (x, y), y being given first", (array("y"), array("x")), "float",
    numpy=numpy_function("arctan2"), program=math_program("atan2"), partials=_atan2_partials,
    latex=r"\operatorname{atan2}\left(#1, #2\right)", domain=((-3.0, 3.0), (0.3, 3.0)), cost=30,
    example="input x : f64; output r = atan2(x, 2)",
)  # fmt: skip


# ---- rounding, clipping, tests


def _rounding(name: str, doc: str, function: str) -> Builder:
    return elementwise(
        name, doc, X, "float", numpy=numpy_function(function), program=instruction(name), partials=nothing(1),
        latex=_name(name), domain=_WIDE, laws=frozenset(("increasing", "idempotent")),
        example=f"input x : f64; output r = {name}(x)",
    )  # fmt: skip


floor = _rounding("floor", "the greatest integer not above x, as a float", "floor")
ceil = _rounding("ceil", "the least integer not below x, as a float", "ceil")
round_ = _rounding("round", "the nearest integer, ties to even, as a float", "rint")


def _clip_partials(out: Node, x: Node, low: Node, high: Node) -> tuple[Node, Node, Node]:
    """1 for x on the closed interval, else for the bound that is the result."""

    def chosen(condition: Node) -> Node:
        return where(condition, constant_like(out, 1), constant_like(out, 0))

    inside = and_(ge(x, low), le(x, high))
    return chosen(inside), chosen(and_(lt(x, low), le(low, high))), chosen(or_(gt(x, high), gt(low, high)))


def _clip_meaning(attrs: tuple[Any, ...], x: Any, low: Any, high: Any) -> Any:
    import numpy

    return numpy.minimum(numpy.maximum(x, low), high)


clip = elementwise(
    "clip", "x between two bounds; its derivative is 1 on the closed interval",
    (array("x"), array("low"), array("high")), "number",
    numpy=_clip_meaning, program=lambda b, x, low, high: b.min(b.max(x, low), high), partials=_clip_partials,
    latex=r"\operatorname{clip}\left(#1, #2, #3\right)", domain=((-3.0, 3.0), (-2.0, 0.0), (0.0, 2.0)), cost=2,
    example="input x : f64; output r = clip(x, 0, 1)",
    reach=reach.of_clip,
)  # fmt: skip
isnan = elementwise(
    "isnan", "whether x is not a number", X, "test", numpy=numpy_function("isnan"), program=instruction("isnan"),
    no_gradient="the result is true or false", latex=_name("isnan"), domain=_WIDE,
    example="input x : f64; output r = isnan(x)",
)  # fmt: skip
isfinite = elementwise(
    "isfinite", "whether x is neither infinite nor NaN", X, "test", numpy=numpy_function("isfinite"),
    program=lambda b, x: b.lt(b.abs(x), b.const(b.dtype(x), math.inf)),
    no_gradient="the result is true or false", latex=_name("isfinite"), domain=_WIDE,
    example="input x : f64; output r = isfinite(x)",
)  # fmt: skip
