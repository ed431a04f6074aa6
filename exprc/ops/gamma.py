"""The logarithm of the gamma function and its derivatives of any order that the scalar math has."""

from __future__ import annotations

from typing import Any

from exprc.diagnostics import Diagnostic, KnownLimit
from exprc.ir.node import Node, make
from exprc.ir.op import ELEMENTWISE, Op, Parameter, TypeRuleError
from exprc.ir.sizes import Size, as_size
from exprc.ir.types import NUMPY_NAMES, Type
from exprc.ops.table import (
    Builder,
    Value,
    X,
    array,
    as_float,
    elementwise,
    expect_count,
    expect_float,
    math_program,
    register,
)

_POSITIVE = ((0.2, 20.0),)


def _own_meaning(name: str) -> Any:
    """NumPy has none of these functions: their meaning is what their programs compute."""

    def meaning(attrs: tuple[Any, ...], x: Any) -> Any:
        import numpy

        from exprc.scalar.program import Builder as Instructions
        from exprc.scalar.program import evaluate

        values = numpy.asarray(x)
        builder = Instructions()
        dtype = next(dtype for dtype, kind in NUMPY_NAMES.items() if kind == str(values.dtype))
        result = math_program(name)(builder, builder.input(0, dtype), *attrs)
        return evaluate(builder, [result], {0: values})[0]

    return meaning


def _derivative_of_polygamma(x: Node, order: int) -> Node:
    """The next order, or a limit that is told."""
    from exprc.scalar.polygamma import LARGEST_ORDER

    if order > LARGEST_ORDER:
        message = f"the derivative of polygamma(x, {order - 1}) is not built: {LARGEST_ORDER} is the largest order"
        raise KnownLimit(Diagnostic("E0605", message))
    return make(POLYGAMMA, (x,), (order,))


def polygamma(x: Value, order: Size | int) -> Node:
    """The derivative of digamma of an order; digamma itself for 0, trigamma for 1."""
    number = as_size(order).constant
    if number is None or number < 0:
        raise TypeRuleError(f"polygamma needs an order that is known and not negative, not {order}")
    node = as_float(x)
    return digamma(node) if number == 0 else trigamma(node) if number == 1 else make(POLYGAMMA, (node,), (number,))


def _polygamma_rule(types: tuple[Type, ...], attrs: tuple[Any, ...]) -> Type:
    from exprc.scalar.polygamma import LARGEST_ORDER

    expect_count("polygamma", types, 1)
    expect_float("polygamma", types[0])
    (order,) = attrs
    if not 1 <= order <= LARGEST_ORDER:
        raise TypeRuleError(f"polygamma is built for orders up to {LARGEST_ORDER}, not {order}")
    return types[0]


lgamma = elementwise(
    "lgamma", "the logarithm of the absolute value of the gamma function", X, "float",
    numpy=_own_meaning("lgamma"), program=math_program("lgamma"), partials=lambda out, x: (digamma(x),),
    latex=r"\log\Gamma\left(#1\right)", domain=_POSITIVE, cost=60, example="input x : f64; output r = lgamma(x)",
)  # fmt: skip
digamma: Builder = elementwise(
    "digamma", "the derivative of lgamma", X, "float",
    numpy=_own_meaning("digamma"), program=math_program("digamma"), partials=lambda out, x: (trigamma(x),),
    latex=r"\psi\left(#1\right)", domain=_POSITIVE, cost=60, example="input x : f64; output r = digamma(x)",
)  # fmt: skip
trigamma: Builder = elementwise(
    "trigamma", "the derivative of digamma", X, "float",
    numpy=_own_meaning("trigamma"), program=math_program("trigamma"),
    partials=lambda out, x: (_derivative_of_polygamma(x, 2),),
    latex=r"\psi^{(1)}\left(#1\right)", domain=_POSITIVE, cost=200, example="input x : f64; output r = trigamma(x)",
)  # fmt: skip
POLYGAMMA = register(
    Op(
        "polygamma", ELEMENTWISE, "the derivative of digamma of an order from 0 to 20", _polygamma_rule,
        signature=(array("x"), Parameter("order", "size")), build=polygamma, dtype_rule="float",
        numpy=_own_meaning("polygamma"), program=math_program("polygamma"),
        partials=lambda out, x: (_derivative_of_polygamma(x, out.attrs[0] + 1),),
        domain=_POSITIVE, cost=250, latex=r"\psi^{(#2)}\left(#1\right)",
        example="input x : f64; output r = polygamma(x, 2)",
    )
)  # fmt: skip
