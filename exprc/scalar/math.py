"""The mathematical functions as scalar programs: `f(builder, x, ...)` appends f and returns its value.

Every function takes f64 and f32, has no branches and is right for zeros of either sign, infinities, NaN and subnormal
numbers.  `accuracy` states the error bounds.
"""

from exprc.scalar.exponential import exp, exp2, expm1
from exprc.scalar.hyperbolic import tanh
from exprc.scalar.logarithm import log, log1p, log2, log10
from exprc.scalar.logistic import sigmoid, softplus

__all__ = ["exp", "exp2", "expm1", "log", "log1p", "log2", "log10", "sigmoid", "softplus", "tanh"]
