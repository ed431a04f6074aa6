"""tanh, sinh and cosh."""

from __future__ import annotations

from exprc.ir.types import F32
from exprc.scalar.builder import Builder
from exprc.scalar.coefficients import TANH
from exprc.scalar.exponential import exp_normal, expm1_pair, quarter_exp, quarter_expm1
from exprc.scalar.formats import constants, polynomial, two_sum, two_sum_ordered
from exprc.scalar.logistic import divide_pairs

TANH_IS_ONE = 9.1  # in f32


def tanh(b: Builder, x: int) -> int:
    """(1 - e^-2|x|) / (1 + e^-2|x|) with the sign of x, from e^-2|x| - 1, which is accurate near zero too."""
    if b.dtype(x) == F32:
        return _tanh_f32(b, x)
    two, minus_two = constants(b, x, 2.0, -2.0)
    minus, minus_low = expm1_pair(b, b.mul(b.abs(x), minus_two))
    below, below_low = two_sum_ordered(b, two, minus)
    quotient = divide_pairs(b, (b.neg(minus), b.neg(minus_low)), (below, b.add(below_low, minus_low)))
    return b.copysign(quotient, x)


def _tanh_f32(b: Builder, x: int) -> int:
    """A polynomial up to 1, and 1 - 2 / (e^2|x| + 1) above: here it is short, and faster than what f64 needs."""
    one, two, minus_two, end = constants(b, x, 1.0, 2.0, -2.0, TANH_IS_ONE)
    size, square = b.abs(x), b.mul(x, x)
    curve = polynomial(b, square, b.mul(square, square), TANH[F32])
    near = b.fma(b.mul(square, size), curve, size)
    power = exp_normal(b, b.mul(two, b.smaller(end, size)))
    far = b.fma(minus_two, b.div(one, b.add(power, one)), one)
    return b.copysign(b.select(b.lt(size, one), near, far), x)


def sinh(b: Builder, x: int) -> int:
    """(E + E / (E + 1)) / 2 with E = e^|x| - 1, all in quarters, which do not overflow before the result does."""
    size = b.abs(x)
    quarter, half, two, tiny = constants(b, x, 0.25, 0.5, 2.0, 2.0**-60)
    above, above_low = quarter_expm1(b, size)
    below, below_low = two_sum(b, above, quarter)
    ratio = divide_pairs(b, (above, above_low), (below, b.add(below_low, above_low)))
    result = b.fma(two, above, b.fma(two, above_low, b.mul(half, ratio)))
    return b.copysign(b.select(b.lt(size, tiny), size, result), x)


def cosh(b: Builder, x: int) -> int:
    """(e^|x| + e^-|x|) / 2."""
    two, eighth = constants(b, x, 2.0, 0.125)
    quarter = quarter_exp(b, b.abs(x))
    return b.fma(quarter, two, b.div(eighth, quarter))
