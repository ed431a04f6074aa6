"""Functions of one or two real numbers: powers, exponentials, logarithms, trigonometry, smooth steps."""

from __future__ import annotations

import math
from typing import Any

from exprc.ir import reach
from exprc.ir.node import Node
from exprc.ir.types import FLOATS
from exprc.ops.arithmetic import add, div, mul, neg, sub
from exprc.ops.compare import eq, gt, where
from exprc.ops.leaves import constant_value
from exprc.ops.table import (
    XY,
    Builder,
    Value,
    X,
    constant_like,
    elementwise,
    instruction,
    math_program,
    numpy_function,
)

POWER = 8
_WIDE, _MIDDLE, _POSITIVE = ((-20.0, 20.0),), ((-3.0, 3.0),), ((0.1, 20.0),)


def _call(name: str) -> str:
    return rf"\{name}\left(#1\right)"


def _named(name: str) -> str:
    return rf"\operatorname{{{name}}}\left(#1\right)"


# ---- powers


def square(x: Value) -> Node:
    """x^2."""
    return power(x, 2)


def _power_rule(x: Node, y: Node) -> Node:
    """y * x^(y - 1), in its simplest form where y is a constant."""
    exponent = constant_value(y)
    if exponent == 2:
        return mul(2, x)
    if exponent is not None:
        return mul(exponent, power(x, exponent - 1))
    return where(eq(y, 0), constant_like(x, 0), mul(y, power(x, sub(y, 1))))


def _power_partials(out: Node, x: Node, y: Node) -> tuple[Node | None, Node]:
    exponent = constant_value(y)
    by_x = None if exponent == 0 else constant_like(out, 1) if exponent == 1 else _power_rule(x, y)
    return by_x, where(eq(x, 0), constant_like(out, 0), mul(out, log(x)))


def _power_meaning(attrs: tuple[Any, ...], x: Any, y: Any) -> Any:
    import numpy

    with numpy.errstate(all="ignore"):
        if numpy.asarray(y).dtype.kind == "f":
            return numpy.power(x, y)
        # NumPy refuses negative exponents of integers; there 1/x^n towards zero is 1, -1 or 0.
        positive = numpy.power(x, numpy.maximum(y, 0))
        odd = numpy.where(y % 2 == 0, 1, x)
        return numpy.where(y >= 0, positive, numpy.where(numpy.abs(x) == 1, odd, 0)).astype(numpy.asarray(x).dtype)


def _power_program(builder: Any, x: int, y: int) -> int:
    if builder.dtype(x) in FLOATS:
        return math_program("pow")(builder, x, y)
    return _integer_power(builder, x, y)


def _integer_power(builder: Any, x: int, y: int) -> int:
    """x^y for integers by squaring, wrapping; 0 for 1 / x^n but where x is 1 or -1.

    It takes a step for each bit of the exponent; of a constant exponent the builder leaves only the products.
    """
    b, dtype = builder, builder.dtype(x)
    zero, one = b.const(dtype, 0), b.const(dtype, 1)
    result, factor = one, x
    for bit in range(63 if dtype == "i64" else 31):
        chosen = b.ne(b.and_(b.lshr(y, b.const(dtype, bit)), one), zero)
        result = b.select(chosen, b.mul(result, factor), result)
        factor = b.mul(factor, factor)
    odd = b.select(b.eq(b.and_(y, one), zero), one, x)
    unit = b.or_(b.eq(x, one), b.eq(x, b.const(dtype, -1)))
    return int(b.select(b.lt(y, zero), b.select(unit, odd, zero), result))


power = elementwise(
    "power", "x to the power y; x^0 is 1", XY, "number",
    numpy=_power_meaning, program=_power_program, partials=_power_partials,
    infix="^", precedence=POWER, latex="#1^{#2}", domain=((0.2, 4.0), (-3.0, 3.0)), cost=30,
    example="input x : f64; output r = x^3",
    reach=reach.of_power,
)  # fmt: skip
sqrt = elementwise(
    "sqrt", "the square root", X, "float", numpy=numpy_function("sqrt"), program=instruction("sqrt"),
    partials=lambda out, x: (div(0.5, out),), latex=r"\sqrt{#1}", domain=_POSITIVE, cost=4,
    laws=frozenset(("increasing", "nonnegative")), example="input x : f64; output r = sqrt(x)",
    reach=reach.increasing(math.sqrt, 0.0), least=0.0,
)  # fmt: skip
rsqrt = elementwise(
    "rsqrt", "1 / sqrt(x)", X, "float", numpy=lambda attrs, x: 1 / numpy_function("sqrt")((), x),
    program=math_program("rsqrt"),
    partials=lambda out, x: (div(mul(-0.5, out), x),), latex=r"\frac{1}{\sqrt{#1}}", domain=_POSITIVE, cost=8,
    laws=frozenset(("decreasing", "nonnegative")), example="input x : f64; output r = rsqrt(x)",
    least=0.0,
)  # fmt: skip


# ---- exponentials and logarithms


exp = elementwise(
    "exp", "e to the power x", X, "float", numpy=numpy_function("exp"), program=math_program("exp"),
    partials=lambda out, x: (out,), latex=r"e^{#1}", domain=_WIDE, cost=10,
    laws=frozenset(("increasing", "nonnegative")), example="input x : f64; output r = exp(x)",
    reach=reach.increasing(reach.exp),
)  # fmt: skip
expm1 = elementwise(
    "expm1", "exp(x) - 1, accurate near 0", X, "float", numpy=numpy_function("expm1"), program=math_program("expm1"),
    partials=lambda out, x: (exp(x),), latex=r"e^{#1} - 1", domain=_MIDDLE, cost=14,
    laws=frozenset(("increasing",)), example="input x : f64; output r = expm1(x)",
    reach=reach.increasing(reach.expm1),
)  # fmt: skip
log = elementwise(
    "log", "the natural logarithm", X, "float", numpy=numpy_function("log"), program=math_program("log"),
    partials=lambda out, x: (div(1, x),), latex=_call("log"), domain=_POSITIVE, cost=12,
    laws=frozenset(("increasing",)), example="input x : f64; output r = log(x)",
    reach=reach.increasing(reach.log, 0.0), least=0.0,
)  # fmt: skip
log1p = elementwise(
    "log1p", "log(1 + x), accurate near 0", X, "float", numpy=numpy_function("log1p"), program=math_program("log1p"),
    partials=lambda out, x: (div(1, add(1, x)),), latex=r"\log\left(1 + #1\right)", domain=((-0.9, 20.0),), cost=16,
    laws=frozenset(("increasing",)), example="input x : f64; output r = log1p(x)",
    least=-1.0,
)  # fmt: skip


# ---- smooth steps


def _sigmoid_meaning(attrs: tuple[Any, ...], x: Any) -> Any:
    import numpy

    with numpy.errstate(all="ignore"):
        small = numpy.exp(-numpy.abs(x))
        return numpy.where(x < 0, small, numpy.ones_like(x)) / (1 + small)


def _softplus_meaning(attrs: tuple[Any, ...], x: Any) -> Any:
    import numpy

    with numpy.errstate(all="ignore"):
        return numpy.logaddexp(x, numpy.zeros_like(x))


def _erf_meaning(attrs: tuple[Any, ...], x: Any) -> Any:
    import numpy

    values = numpy.asarray(x)
    return numpy.asarray([math.erf(v) for v in values.ravel().tolist()], values.dtype).reshape(values.shape)


def _erfc_meaning(attrs: tuple[Any, ...], x: Any) -> Any:
    import numpy

    values = numpy.asarray(x)
    return numpy.asarray([math.erfc(v) for v in values.ravel().tolist()], values.dtype).reshape(values.shape)


sigmoid = elementwise(
    "sigmoid", "1 / (1 + exp(-x))", X, "float", numpy=_sigmoid_meaning, program=math_program("sigmoid"),
    partials=lambda out, x: (mul(out, sub(1, out)),), latex=r"\sigma\left(#1\right)", domain=_WIDE, cost=16,
    laws=frozenset(("increasing", "nonnegative")), example="input x : f64; output r = sigmoid(x)",
    reach=reach.increasing(reach.sigmoid),
)  # fmt: skip
softplus = elementwise(
    "softplus", "log(1 + exp(x))", X, "float", numpy=_softplus_meaning, program=math_program("softplus"),
    partials=lambda out, x: (sigmoid(x),), latex=_named("softplus"), domain=_WIDE, cost=24,
    laws=frozenset(("increasing", "nonnegative")), example="input x : f64; output r = softplus(x)",
    reach=reach.increasing(reach.softplus),
)  # fmt: skip
relu = elementwise(
    "relu", "x where it is positive, else 0; its derivative at 0 is 0", X, "number",
    numpy=lambda attrs, x: numpy_function("where")((), x < 0, x.dtype.type(0), x), program=math_program("relu"),
    partials=lambda out, x: (where(gt(x, 0), constant_like(out, 1), constant_like(out, 0)),),
    latex=_named("relu"), domain=_MIDDLE, laws=frozenset(("increasing", "idempotent", "nonnegative")),
    example="input x : f64; output r = relu(x)",
    reach=reach.increasing(reach.relu),
)  # fmt: skip
tanh = elementwise(
    "tanh", "the hyperbolic tangent", X, "float", numpy=numpy_function("tanh"), program=math_program("tanh"),
    partials=lambda out, x: (sub(1, square(out)),), latex=_call("tanh"), domain=_MIDDLE, cost=18,
    laws=frozenset(("odd", "increasing")), example="input x : f64; output r = tanh(x)",
    reach=reach.increasing(math.tanh),
)  # fmt: skip
erf = elementwise(
    "erf", "the error function", X, "float", numpy=_erf_meaning, program=math_program("erf"),
    partials=lambda out, x: (mul(2 / math.sqrt(math.pi), exp(neg(square(x)))),), latex=_named("erf"),
    domain=_MIDDLE, cost=20, laws=frozenset(("odd", "increasing")), example="input x : f64; output r = erf(x)",
    reach=reach.increasing(math.erf),
)  # fmt: skip
erfc = elementwise(
    "erfc", "1 - erf(x), accurate where that is small", X, "float", numpy=_erfc_meaning, program=math_program("erfc"),
    partials=lambda out, x: (mul(-2 / math.sqrt(math.pi), exp(neg(square(x)))),), latex=_named("erfc"),
    domain=_MIDDLE, cost=30, laws=frozenset(("decreasing", "nonnegative")), example="input x : f64; output r = erfc(x)",
)  # fmt: skip


# ---- trigonometry


sin = elementwise(
    "sin", "the sine", X, "float", numpy=numpy_function("sin"), program=math_program("sin"),
    partials=lambda out, x: (cos(x),), latex=_call("sin"), domain=_WIDE, cost=16, laws=frozenset(("odd",)),
    example="input x : f64; output r = sin(x)",
    reach=reach.of_wave,
)  # fmt: skip
cos: Builder = elementwise(
    "cos", "the cosine", X, "float", numpy=numpy_function("cos"), program=math_program("cos"),
    partials=lambda out, x: (neg(sin(x)),), latex=_call("cos"), domain=_WIDE, cost=16, laws=frozenset(("even",)),
    example="input x : f64; output r = cos(x)",
    reach=reach.of_wave,
)  # fmt: skip
