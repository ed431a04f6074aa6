"""Further functions: other bases, hyperbolic functions, rounding, tests, and logarithms that keep their accuracy."""

from __future__ import annotations

import math
from typing import Any

from exprc.ir.node import Node
from exprc.ops.arithmetic import add, div, mul, neg, sub
from exprc.ops.compare import and_, ge, gt, le, lt, or_, where
from exprc.ops.functions import expm1, log, sigmoid, square
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
)  # fmt: skip
log10 = elementwise(
    "log10", "the logarithm of base 10", X, "float", numpy=numpy_function("log10"), program=math_program("log10"),
    partials=lambda out, x: (div(1 / _LOG_10, x),), latex=r"\log_{10}\left(#1\right)", domain=_POSITIVE, cost=12,
    laws=frozenset(("increasing",)), example="input x : f64; output r = log10(x)",
)  # fmt: skip


# ---- logarithms of sums and products


def _log1mexp_meaning(attrs: tuple[Any, ...], x: Any) -> Any:
    import numpy

    with numpy.errstate(all="ignore"):
        near = numpy.log(-numpy.expm1(x))
        return numpy.where(x > -0.6931471805599453, near, numpy.log1p(-numpy.exp(x))).astype(x.dtype)


def _log1mexp_program(builder: Any, x: int) -> int:
    from exprc.scalar import math as functions

    near = functions.log(builder, builder.neg(functions.expm1(builder, x)))
    far = functions.log1p(builder, builder.neg(functions.exp(builder, x)))
    return int(builder.select(builder.gt(x, builder.const(builder.dtype(x), -_LOG_2)), near, far))


def _logaddexp_program(builder: Any, x: int, y: int) -> int:
    """The larger one plus log(1 + exp(-distance)); equal ones apart, for infinities have no distance."""
    from exprc.scalar import math as functions

    b = builder
    distance = b.abs(b.sub(x, y))
    more = functions.log1p(b, functions.exp(b, b.neg(distance)))
    equal = b.add(x, b.const(b.dtype(x), _LOG_2))
    return int(b.select(b.eq(x, y), equal, b.add(b.max(x, y), more)))


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
    "log1mexp", "log(1 - exp(x)) of a negative x", X, "float", numpy=_log1mexp_meaning, program=_log1mexp_program,
    partials=lambda out, x: (div(-1, expm1(neg(x))),), latex=r"\log\left(1 - e^{#1}\right)",
    domain=((-20.0, -0.1),), cost=40, laws=frozenset(("decreasing",)),
    example="input x : f64; output r = log1mexp(x)",
)  # fmt: skip
logaddexp = elementwise(
    "logaddexp", "log(exp(x) + exp(y))", XY, "float", numpy=numpy_function("logaddexp"), program=_logaddexp_program,
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


def _sinh_program(builder: Any, x: int) -> int:
    """By expm1, which is accurate near 0; far off as a product of two factors, neither of which overflows."""
    from exprc.scalar import math as functions

    b, dtype = builder, builder.dtype(x)
    half = b.const(dtype, 0.5)
    size = b.abs(x)
    grown = functions.expm1(b, size)
    near = b.mul(half, b.add(grown, b.div(grown, b.add(grown, b.const(dtype, 1)))))
    return int(b.copysign(b.select(b.lt(size, b.const(dtype, 40)), near, _half_exp(b, size)), x))


def _cosh_program(builder: Any, x: int) -> int:
    from exprc.scalar import math as functions

    b, dtype = builder, builder.dtype(x)
    size = b.abs(x)
    grown = functions.exp(b, size)
    near = b.mul(b.const(dtype, 0.5), b.add(grown, b.div(b.const(dtype, 1), grown)))
    # NaN compares false, and passes through both.
    return int(b.select(b.lt(size, b.const(dtype, 40)), near, _half_exp(b, size)))


def _half_exp(builder: Any, x: int) -> int:
    """exp(x) / 2 for a large x, also where exp(x) alone would overflow: with a multiple of log 2 that is exact."""
    from exprc.scalar import math as functions

    shift = 64.0
    dtype = builder.dtype(x)
    rest = builder.fma(builder.const(dtype, -shift), builder.const(dtype, _LOG_2), x)
    rest = builder.fma(builder.const(dtype, -shift), builder.const(dtype, _log_2_rest(dtype)), rest)
    return int(builder.mul(functions.exp(builder, rest), builder.const(dtype, 2.0 ** (shift - 1))))


def _log_2_rest(dtype: str) -> float:
    """log 2 without its nearest number of the dtype."""
    return 2.3190468138462996e-17 if dtype == "f64" else -1.904654299957768e-09


tan = elementwise(
    "tan", "the tangent", X, "float", numpy=numpy_function("tan"), program=math_program("tan"),
    partials=lambda out, x: (add(1, square(out)),), latex=r"\tan\left(#1\right)", domain=((-1.4, 1.4),), cost=36,
    laws=frozenset(("odd", "increasing")), example="input x : f64; output r = tan(x)",
)  # fmt: skip
sinh = elementwise(
    "sinh", "the hyperbolic sine", X, "float", numpy=numpy_function("sinh"), program=_sinh_program,
    partials=lambda out, x: (cosh(x),), latex=r"\sinh\left(#1\right)", domain=_MIDDLE, cost=30,
    laws=frozenset(("odd", "increasing")), example="input x : f64; output r = sinh(x)",
)  # fmt: skip
cosh: Builder = elementwise(
    "cosh", "the hyperbolic cosine", X, "float", numpy=numpy_function("cosh"), program=_cosh_program,
    partials=lambda out, x: (sinh(x),), latex=r"\cosh\left(#1\right)", domain=_MIDDLE, cost=30,
    laws=frozenset(("even", "nonnegative")), example="input x : f64; output r = cosh(x)",
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
