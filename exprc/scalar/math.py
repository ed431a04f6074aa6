"""The mathematical functions as scalar programs: `f(builder, x, ...)` appends f and returns its value.

Every function takes f64 and f32, has no branches but those of `rare`, and is right for zeros of either sign,
infinities, NaN and subnormal numbers.  `accuracy` states the error bounds.
"""

from exprc.scalar.builder import Builder
from exprc.scalar.elementary import (
    absolute,
    floor_divide,
    maximum,
    minimum,
    modulo,
    relu,
    rsqrt,
    sign,
    sqrt,
    to_integer,
)
from exprc.scalar.error_function import erf, erfc
from exprc.scalar.exponential import exp, exp2, expm1
from exprc.scalar.hyperbolic import cosh, sinh, tanh
from exprc.scalar.inverse import acos, asin, atan, atan2
from exprc.scalar.logarithm import log, log1mexp, log1p, log2, log10
from exprc.scalar.logistic import logaddexp, sigmoid, softplus
from exprc.scalar.power import integer_power, pow
from exprc.scalar.trigonometric import cos, sin, tan

__all__ = [
    "absolute",
    "acos",
    "asin",
    "atan",
    "atan2",
    "cos",
    "cosh",
    "digamma",
    "erf",
    "erfc",
    "exp",
    "exp2",
    "expm1",
    "floor_divide",
    "integer_power",
    "lgamma",
    "log",
    "log1mexp",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "maximum",
    "minimum",
    "modulo",
    "polygamma",
    "pow",
    "relu",
    "rsqrt",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "softplus",
    "sqrt",
    "tan",
    "tanh",
    "to_integer",
    "trigamma",
]


# Seldom needed, and long: imported when first asked for.


def lgamma(b: Builder, x: int) -> int:
    """The logarithm of |gamma(x)|."""
    from exprc.scalar import gamma

    return gamma.lgamma(b, x)


def digamma(b: Builder, x: int) -> int:
    """The derivative of lgamma."""
    from exprc.scalar import gamma

    return gamma.digamma(b, x)


def trigamma(b: Builder, x: int) -> int:
    """The derivative of digamma."""
    return polygamma(b, x, 1)


def polygamma(b: Builder, x: int, order: int) -> int:
    """The derivative of digamma of an order from 1 to 20."""
    from exprc.scalar import polygamma as module

    return module.polygamma(b, x, order)
