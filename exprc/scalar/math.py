"""The mathematical functions as scalar programs: `f(builder, x, ...)` appends f and returns its value.

Every function takes f64 and f32, has no branches and is right for zeros of either sign, infinities, NaN and subnormal
numbers.  `accuracy` states the error bounds.
"""

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
from exprc.scalar.error_function import erf
from exprc.scalar.exponential import exp, exp2, expm1
from exprc.scalar.hyperbolic import tanh
from exprc.scalar.logarithm import log, log1p, log2, log10
from exprc.scalar.logistic import sigmoid, softplus
from exprc.scalar.trigonometric import cos, sin, tan

__all__ = [
    "absolute",
    "cos",
    "erf",
    "exp",
    "exp2",
    "expm1",
    "floor_divide",
    "log",
    "log1p",
    "log2",
    "log10",
    "maximum",
    "minimum",
    "modulo",
    "relu",
    "rsqrt",
    "sigmoid",
    "sign",
    "sin",
    "softplus",
    "sqrt",
    "tan",
    "tanh",
    "to_integer",
]
