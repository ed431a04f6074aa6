"""exp and its like: x = k log 2 + r, a polynomial in r, and scaling by 2^k without conversions or branches.

Adding a large number rounds x / log 2 to an integer that stands in the low bits of the sum, with the exponent's bias in
it; a shift makes it a power of two.  r lies between -0.415 log 2 and 0.585 log 2, not symmetrically, for on that range
the rounding of r weighs least against the last bit of the result.
"""

from __future__ import annotations

from typing import NamedTuple

from exprc.ir.types import F32, F64
from exprc.scalar.builder import Builder
from exprc.scalar.coefficients import EXP, EXP2
from exprc.scalar.formats import clamp, constants, format_of, polynomial, power_of_two, two_sum, two_sum_ordered

LOG2_E = {F64: "0x1.71547652b82fep+0", F32: "0x1.715476p+0"}
# log 2 as the sum of two numbers of the format, negated: x - k log 2 is two multiply-adds, the first one exact.
MINUS_LOG_2 = {
    F64: ("-0x1.62e42fefa39efp-1", "-0x1.abc9e3b39803fp-56"),
    F32: ("-0x1.62e430p-1", "0x1.05c610p-29"),
}
OFF_CENTRE = -0.085
# Beyond these the result is zero or infinite, and 2^k can still be formed as two factors.
RANGE = {F64: (-746.0, 710.0), F32: (-104.0, 89.0)}
RANGE_2 = {F64: (-1076.0, 1025.0), F32: (-151.0, 129.0)}
# Beyond this half of e^x is infinite.
RANGE_HALF = {F64: (0.0, 710.6), F32: (0.0, 89.5)}
# Beyond these expm1 is -1, or infinite.
RANGE_MINUS_ONE = {F64: (-40.0, 710.0), F32: (-20.0, 89.0)}


class Reduced(NamedTuple):
    """x = k log 2 + r, and e^r = 1 + r + r^2/2 + r^3 * curve."""

    biased: int  # an integer whose low bits are k plus the bias asked for
    remainder: int
    remainder_error: int  # what rounding lost of the remainder
    curve: int


def exp(b: Builder, x: int) -> int:
    """e^x, correct from the largest to the subnormal results."""
    reduced = _reduce(b, clamp(b, x, *RANGE[b.dtype(x)]), 2 * format_of(b, x).bias)
    return _scale_twice(b, reduced.biased, _minus_one_near_zero(b, reduced))


def exp2(b: Builder, x: int, low: int | None = None) -> int:
    """2^x, or 2^(x + low) for a low below the last place of x."""
    form = format_of(b, x)
    inside = clamp(b, x, *RANGE_2[form.dtype])
    (shifter,) = constants(b, x, form.magic + 2 * form.bias)
    shifted = b.add(inside, shifter)
    remainder = b.sub(inside, b.sub(shifted, shifter))
    if low is not None:
        remainder = b.add(remainder, low)
    curve = polynomial(b, remainder, b.mul(remainder, remainder), EXP2[form.dtype])
    return _scale_twice(b, b.bitcast(shifted), b.mul(remainder, curve))


def expm1(b: Builder, x: int) -> int:
    """e^x - 1, accurate near zero."""
    # Half of it is computed, for 2^k itself would overflow where the result does not; that needs x not too small.
    half, two, tiny = constants(b, x, 0.5, 2.0, 2.0**-60)
    high, low = _minus_one(b, clamp(b, x, *RANGE_MINUS_ONE[b.dtype(x)]), half, -1)
    return b.select(b.lt(b.abs(x), tiny), x, b.mul(b.add(high, low), two))


def quarter_exp(b: Builder, x: int) -> int:
    """e^x / 4 for x >= 0; infinite only where e^x / 2 is, too."""
    form = format_of(b, x)
    reduced = _reduce(b, clamp(b, x, *RANGE_HALF[form.dtype]), form.bias - 2)
    scale = power_of_two(b, reduced.biased)
    return b.fma(scale, _minus_one_near_zero(b, reduced), scale)


def quarter_expm1(b: Builder, x: int) -> tuple[int, int]:
    """(e^x - 1) / 4 as the sum of two numbers, for x >= 0 that is not near the subnormal numbers."""
    (quarter,) = constants(b, x, 0.25)
    return _minus_one(b, clamp(b, x, *RANGE_HALF[b.dtype(x)]), quarter, -2)


def exp2_normal(b: Builder, x: int) -> int:
    """2^x where that is certain to be a normal number."""
    form = format_of(b, x)
    (shifter,) = constants(b, x, form.magic + form.bias)
    shifted = b.add(x, shifter)
    remainder = b.sub(x, b.sub(shifted, shifter))
    curve = polynomial(b, remainder, b.mul(remainder, remainder), EXP2[form.dtype])
    scale = power_of_two(b, b.bitcast(shifted))
    return b.fma(scale, b.mul(remainder, curve), scale)


def exp_normal(b: Builder, x: int) -> int:
    """e^x where that is certain to be a normal number."""
    reduced = _reduce(b, x, format_of(b, x).bias)
    scale = power_of_two(b, reduced.biased)
    return b.fma(scale, _minus_one_near_zero(b, reduced), scale)


def exp_pair(b: Builder, x: int, raised: int = 0) -> tuple[int, int]:
    """2^raised e^x for x <= 0 as the sum of two numbers, to about a quarter of the last place; if raised, to less."""
    reduced = _reduce(b, clamp(b, x, *RANGE[b.dtype(x)]), 2 * format_of(b, x).bias + raised)
    (one,) = constants(b, x, 1.0)
    linear, lost = two_sum_ordered(b, one, reduced.remainder)
    beyond = b.add(lost, _beyond_linear(b, reduced))
    high, low = two_sum_ordered(b, linear, b.add(beyond, reduced.remainder_error) if raised else beyond)
    first, second = _two_factors(b, reduced.biased)
    return b.mul(b.mul(high, first), second), b.mul(b.mul(low, first), second)


def expm1_pair(b: Builder, x: int) -> tuple[int, int]:
    """e^x - 1 for x <= 0 as the sum of two numbers."""
    (one,) = constants(b, x, 1.0)
    return _minus_one(b, clamp(b, x, *RANGE_MINUS_ONE[b.dtype(x)]), one, 0)


def _minus_one(b: Builder, x: int, unit: int, unit_exponent: int) -> tuple[int, int]:
    """unit * (e^x - 1) as the sum of two numbers, for a power of two as unit."""
    reduced = _reduce(b, x, format_of(b, x).bias + unit_exponent)
    scale = power_of_two(b, reduced.biased)
    power, lost = two_sum_ordered(b, reduced.remainder, _beyond_linear(b, reduced))
    start, start_lost = two_sum(b, scale, b.neg(unit))
    high, low = two_sum_ordered(b, start, b.mul(scale, power))
    return high, b.add(b.fma(scale, b.add(lost, reduced.remainder_error), low), start_lost)


def _reduce(b: Builder, x: int, bias: int) -> Reduced:
    form = format_of(b, x)
    log2_e, off_centre, shifter = constants(b, x, LOG2_E[form.dtype], OFF_CENTRE, form.magic + bias)
    minus_high, minus_low = constants(b, x, *MINUS_LOG_2[form.dtype])
    shifted = b.add(b.fma(x, log2_e, off_centre), shifter)
    k = b.sub(shifted, shifter)
    coarse = b.fma(k, minus_high, x)
    remainder = b.fma(k, minus_low, coarse)
    square = b.mul(remainder, remainder)
    curve = polynomial(b, remainder, square, EXP[form.dtype])
    return Reduced(b.bitcast(shifted), remainder, b.fma(k, minus_low, b.sub(coarse, remainder)), curve)


def _minus_one_near_zero(b: Builder, reduced: Reduced) -> int:
    """e^r - 1."""
    remainder, (half,) = reduced.remainder, constants(b, reduced.remainder, 0.5)
    return b.fma(b.mul(remainder, remainder), b.fma(remainder, reduced.curve, half), remainder)


def _beyond_linear(b: Builder, reduced: Reduced) -> int:
    """e^r - 1 - r, with the square taken apart, whose coefficient is exact."""
    remainder, (half,) = reduced.remainder, constants(b, reduced.remainder, 0.5)
    square = b.mul(remainder, remainder)
    return b.fma(square, half, b.mul(b.mul(square, remainder), reduced.curve))


def _two_factors(b: Builder, biased: int) -> tuple[int, int]:
    """2^k as two factors that neither overflow nor become subnormal, from k plus twice the bias."""
    half = b.lshr(biased, b.const(b.dtype(biased), 1))
    return power_of_two(b, half), power_of_two(b, b.sub(biased, half))


def _scale_twice(b: Builder, biased: int, power: int) -> int:
    """2^k (1 + power): the sum and the first factor round once together."""
    first, second = _two_factors(b, biased)
    return b.mul(b.fma(first, power, first), second)
