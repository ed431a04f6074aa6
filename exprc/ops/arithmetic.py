"""Arithmetic: operators, absolute value and sign, minimum and maximum, casts."""

from __future__ import annotations

from typing import Any

from exprc.ir import reach
from exprc.ir.node import Node, make
from exprc.ir.op import ELEMENTWISE, Op, TypeRuleError
from exprc.ir.types import DTYPES, FLOATS, INTEGERS, NUMPY_NAMES, Type
from exprc.ops.compare import eq, gt, lt, where
from exprc.ops.table import (
    TABLE,
    XY,
    Builder,
    Value,
    X,
    as_node,
    constant_like,
    elementwise,
    expect_count,
    instruction,
    math_program,
    nothing,
    numpy_function,
    register,
)

SUM, PRODUCT, NEGATION = 5, 6, 7  # precedences, between the comparisons' 4 and the power's 8
_ONE, _PAIR = ((-3.0, 3.0),), ((-3.0, 3.0), (-3.0, 3.0))


def _remainder_partials(out: Node, x: Node, y: Node) -> tuple[Node, Node]:
    return constant_like(out, 1), neg(floor_divide(x, y))


add = elementwise(
    "add", "the sum", XY, "number", numpy=numpy_function("add"), program=instruction("add"),
    partials=lambda out, x, y: (constant_like(out, 1), constant_like(out, 1)),
    infix="+", precedence=SUM, latex="#1 + #2", domain=_PAIR,
    laws=frozenset(("commutative", "associative", "zero", "additive")),
    example="input x : f64; output r = x + 1",
    reach=reach.of_sum,
)  # fmt: skip
sub = elementwise(
    "sub", "the difference", XY, "number", numpy=numpy_function("subtract"), program=instruction("sub"),
    partials=lambda out, x, y: (constant_like(out, 1), constant_like(out, -1)),
    infix="-", precedence=SUM, latex="#1 - #2", domain=_PAIR, laws=frozenset(("anticommutative", "additive")),
    example="input x : f64; output r = x - 1",
    reach=reach.of_difference,
)  # fmt: skip
mul = elementwise(
    "mul", "the product", XY, "number", numpy=numpy_function("multiply"), program=instruction("mul"),
    partials=lambda out, x, y: (y, x),
    infix="*", precedence=PRODUCT, latex=r"#1 \cdot #2", domain=_PAIR,
    laws=frozenset(("commutative", "associative", "one", "signed")), example="input x : f64; output r = 2 * x",
    reach=reach.of_product,
)  # fmt: skip
div: Builder = elementwise(
    "div", "the quotient, of integers too as a float", XY, "float",
    numpy=numpy_function("divide"), program=instruction("div"),
    partials=lambda out, x, y: (div(1, y), neg(div(out, y))),
    infix="/", precedence=PRODUCT, latex=r"\frac{#1}{#2}", domain=((-3.0, 3.0), (0.3, 3.0)), cost=4,
    laws=frozenset(("signed",)), example="input x : f64; output r = x / 2",
    reach=reach.of_quotient,
)  # fmt: skip
floor_divide = elementwise(
    "floor_divide", "the quotient rounded down", XY, "number",
    numpy=numpy_function("floor_divide"), program=math_program("floor_divide"), partials=nothing(2),
    infix="//", precedence=PRODUCT, latex=r"\left\lfloor\frac{#1}{#2}\right\rfloor", domain=((-9.0, 9.0), (0.3, 3.0)),
    cost=8, example="input x : f64; output r = x // 2",
)  # fmt: skip
remainder = elementwise(
    "remainder", "the remainder, with the sign of the divisor", XY, "number",
    numpy=numpy_function("remainder"), program=math_program("modulo"), partials=_remainder_partials,
    infix="%", precedence=PRODUCT, latex=r"#1 \bmod #2", domain=((-9.0, 9.0), (0.3, 3.0)), cost=8,
    example="input x : f64; output r = x % 2",
)  # fmt: skip
neg: Builder = elementwise(
    "neg", "the negative", X, "number", numpy=numpy_function("negative"), program=instruction("neg"),
    partials=lambda out, x: (constant_like(out, -1),),
    infix="-", precedence=NEGATION, latex="-#1", domain=_ONE, laws=frozenset(("odd", "involution", "decreasing")),
    example="input x : f64; output r = -x",
    reach=reach.of_negative,
)  # fmt: skip


# ---- absolute value and sign


sign = elementwise(
    "sign", "-1, 0 or 1", X, "number", numpy=numpy_function("sign"), program=math_program("sign"), partials=nothing(1),
    latex=r"\operatorname{sign}\left(#1\right)", domain=_ONE, laws=frozenset(("odd", "increasing", "idempotent")),
    example="input x : f64; output r = sign(x)",
)  # fmt: skip
abs_ = elementwise(
    "abs", "the absolute value; its derivative at 0 is 0", X, "number",
    numpy=numpy_function("absolute"), program=instruction("abs"), partials=lambda out, x: (sign(x),),
    latex=r"\left|#1\right|", domain=_ONE, laws=frozenset(("even", "idempotent", "nonnegative")),
    example="input x : f64; output r = abs(x)",
    reach=reach.of_absolute,
)  # fmt: skip


# ---- minimum and maximum


def _shares(wins: Node, ties: Node, out: Node) -> Node:
    return where(wins, constant_like(out, 1), where(ties, constant_like(out, 0.5), constant_like(out, 0)))


minimum = elementwise(
    "minimum", "the smaller one; equal ones share the derivative", XY, "number",
    numpy=numpy_function("minimum"), program=instruction("min"),
    partials=lambda out, x, y: (_shares(lt(x, y), eq(x, y), out), _shares(lt(y, x), eq(x, y), out)),
    latex=r"\min\left(#1, #2\right)", domain=_PAIR, laws=frozenset(("commutative", "associative", "idempotent")),
    example="input x : f64; output r = minimum(x, 1)",
    reach=reach.smaller,
)  # fmt: skip
maximum = elementwise(
    "maximum", "the larger one; equal ones share the derivative", XY, "number",
    numpy=numpy_function("maximum"), program=instruction("max"),
    partials=lambda out, x, y: (_shares(gt(x, y), eq(x, y), out), _shares(gt(y, x), eq(x, y), out)),
    latex=r"\max\left(#1, #2\right)", domain=_PAIR, laws=frozenset(("commutative", "associative", "idempotent")),
    example="input x : f64; output r = maximum(x, 0)",
    reach=reach.larger,
)  # fmt: skip


# ---- casts


def cast(x: Value, dtype: str) -> Node:
    """The value in another dtype; the value itself where it has it."""
    node = as_node(x)
    return node if node.dtype == dtype else make(CAST, (node,), (dtype,))


def _cast_rule(types: tuple[Type, ...], attrs: tuple[Any, ...]) -> Type:
    expect_count("cast", types, 1)
    (dtype,) = attrs
    if dtype not in DTYPES:
        raise TypeRuleError(f"cast knows no dtype {dtype!r}")
    return types[0].with_dtype(dtype)


def _cast_meaning(attrs: tuple[Any, ...], x: Any) -> Any:
    import numpy

    with numpy.errstate(all="ignore"):
        return numpy.asarray(x).astype(NUMPY_NAMES[attrs[0]])


def _cast_program(builder: Any, x: int, dtype: str) -> int:
    if builder.dtype(x) in FLOATS and dtype in INTEGERS:
        return math_program("to_integer")(builder, x, dtype)
    return int(builder.convert(dtype, x))


def _cast_tangent(node: Node, tangents: tuple[Node | None, ...]) -> Node | None:
    (tangent,) = tangents
    return None if tangent is None or node.dtype not in FLOATS else cast(tangent, node.dtype)


def _cast_cotangent(node: Node, cotangent: Node, index: int) -> Node | None:
    (x,) = node.args
    return cast(cotangent, x.dtype) if x.dtype in FLOATS and node.dtype in FLOATS else None


CAST = register(
    Op(
        "cast", ELEMENTWISE, "the value in another dtype", _cast_rule, numpy=_cast_meaning, program=_cast_program,
        dtype_rule="cast", jvp=_cast_tangent, transpose=_cast_cotangent, domain=_ONE, latex="#1",
        example="input x : f64; output r = f32(x)",
        reach=reach.of_first,
    )
)  # fmt: skip

ADD, MUL, DIV = TABLE["add"], TABLE["mul"], TABLE["div"]
