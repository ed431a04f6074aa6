"""tanh, sinh and cosh."""

from __future__ import annotations

from exprc.scalar.builder import Builder
from exprc.scalar.exponential import expm1_pair
from exprc.scalar.formats import constants, two_sum_ordered
from exprc.scalar.logistic import divide_pairs


def tanh(b: Builder, x: int) -> int:
    """(1 - e^-2|x|) / (1 + e^-2|x|) with the sign of x, from e^-2|x| - 1, which is accurate near zero too."""
    two, minus_two = constants(b, x, 2.0, -2.0)
    minus, minus_low = expm1_pair(b, b.mul(b.abs(x), minus_two))
    below, below_low = two_sum_ordered(b, two, minus)
    quotient = divide_pairs(b, (b.neg(minus), b.neg(minus_low)), (below, b.add(below_low, minus_low)))
    return b.copysign(quotient, x)
