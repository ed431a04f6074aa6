"""sin, cos and tan: |x| = k pi/2 + r, and a polynomial for the sine and one for the cosine of r.

sin(x), cos(x), sin(-x) share the reduction.  The reduction of large x is a long computation that
is passed by where no lane needs it.
"""

from __future__ import annotations

from exprc.ir.types import F32, F64
from exprc.scalar.builder import Builder
from exprc.scalar.coefficients import COS, EVEN, ODD, SIN
from exprc.scalar.formats import chain, constants, format_of, polynomial, two_sum_ordered
from exprc.scalar.instructions import WIDTH
from exprc.scalar.large_angle import Turned, reduce_large
from exprc.scalar.logistic import divide_pairs

TWO_BY_PI = {F64: "0x1.45f306dc9c883p-1", F32: "0x1.45f306p-1"}
# pi/2 as the sum of three numbers of the format.
HALF_PI = {
    F64: ("0x1.921fb54442d18p+0", "0x1.1a62633145c07p-54", "-0x1.f1976b7ed8fbcp-110"),
    F32: ("0x1.921fb6p+0", "-0x1.777a5cp-25", "-0x1.ee59dap-50"),
}
# The same as another such sum: k times the second one is exact.
HALF_PI_EXACT = {
    F64: ("0x1.921fb54442d18p+0", "0x1.1a6263p-54", "0x1.8a2e03707344ap-81"),
    F32: ("0x1.921fb6p+0", "-0x1.778p-25", "0x1.68c234p-39"),
}
LARGE = {F64: 2.0**47, F32: 2.0**17}
LARGE_TAN = {F64: 2.0**26, F32: 2.0**13}


def sin(b: Builder, x: int) -> int:
    """The sine."""
    remainder, quarters = _remainder(b, x)
    size = _sine_or_cosine(b, remainder, _odd(b, quarters))
    return _with_sign_of(b, size, b.xor(_second_bit(b, quarters), b.bitcast(x)))


def cos(b: Builder, x: int) -> int:
    """The cosine."""
    remainder, quarters = _remainder(b, x)
    size = _sine_or_cosine(b, remainder, b.not_(_odd(b, quarters)))
    return _with_sign_of(b, size, _second_bit(b, b.add(quarters, b.const(b.dtype(quarters), 1))))


def tan(b: Builder, x: int) -> int:
    """The tangent: with |x| = k pi/2 + r that of r, or -1 / tan(r) for an odd k."""
    size = b.abs(x)
    k, quarters = _nearest_quarter(b, size)
    near = _remainder_pair(b, size, k, quarters)
    far, large = _is_large(b, size, LARGE_TAN), reduce_large(b, size)
    turned = Turned(*(b.rare(far, there, here) for there, here in zip(large, near, strict=True)))
    (sine, sine_low), (cosine, cosine_low) = sine_pair(b, turned), cosine_pair(b, turned)
    odd = _odd(b, turned.quarters)
    above = b.select(odd, b.neg(cosine), sine), b.select(odd, b.neg(cosine_low), sine_low)
    below = b.select(odd, sine, cosine), b.select(odd, sine_low, cosine_low)
    return _with_sign_of(b, divide_pairs(b, above, below), b.bitcast(x))


def _remainder(b: Builder, x: int) -> tuple[int, int]:
    """r, and an integer whose low bits are those of k."""
    size = b.abs(x)
    k, quarters = _nearest_quarter(b, size)
    remainder, minus = size, b.neg(k)
    for part in constants(b, x, *HALF_PI[b.dtype(x)]):
        remainder = b.fma(minus, part, remainder)
    far, large = _is_large(b, size, LARGE), reduce_large(b, size)
    there = b.add(large.remainder, large.low)
    return b.rare(far, there, remainder), b.rare(far, large.quarters, quarters)


def _sine_or_cosine(b: Builder, remainder: int, cosine: int) -> int:
    """That of |r| up to pi/4 which is wanted: u + u r^2 P with u = r or u = 1, and P chosen number by number."""
    (one,) = constants(b, remainder, 1.0)
    dtype = b.dtype(remainder)
    pairs = zip(constants(b, remainder, *EVEN[dtype]), constants(b, remainder, *ODD[dtype]), strict=True)
    square = b.mul(remainder, remainder)
    curve = chain(b, square, [b.select(cosine, even, odd) for even, odd in pairs])
    start = b.select(cosine, one, remainder)
    return b.fma(b.mul(start, square), curve, start)


def _nearest_quarter(b: Builder, x: int) -> tuple[int, int]:
    """k as a float, and an integer whose low bits are those of k."""
    two_by_pi, shifter = constants(b, x, TWO_BY_PI[b.dtype(x)], format_of(b, x).magic)
    shifted = b.fma(x, two_by_pi, shifter)
    return b.sub(shifted, shifter), b.bitcast(shifted)


def _remainder_pair(b: Builder, x: int, k: int, quarters: int) -> Turned:
    """x - k pi/2: the first difference is exact, and so is the second product."""
    first, second, third = constants(b, x, *HALF_PI_EXACT[b.dtype(x)])
    minus = b.neg(k)
    coarse = b.fma(minus, first, x)
    remainder = b.fma(minus, second, coarse)
    low = b.fma(minus, third, b.fma(minus, second, b.sub(coarse, remainder)))
    return Turned(remainder, low, quarters)


def _is_large(b: Builder, size: int, limits: dict[str, float]) -> int:
    return b.le(b.const(b.dtype(size), limits[b.dtype(size)]), size)


def _odd(b: Builder, quarters: int) -> int:
    integer = b.dtype(quarters)
    return b.ne(b.and_(quarters, b.const(integer, 1)), b.const(integer, 0))


def _second_bit(b: Builder, quarters: int) -> int:
    """The bit by which two quarters of a turn change the sign, in the place of the sign."""
    integer = b.dtype(quarters)
    return b.shl(quarters, b.const(integer, WIDTH[integer] - 2))


def _with_sign_of(b: Builder, value: int, bits: int) -> int:
    """The value, negated if the bits have the sign's."""
    integer = b.dtype(bits)
    sign = b.and_(bits, b.const(integer, -1 << (WIDTH[integer] - 1)))
    return b.bitcast(b.xor(b.bitcast(value), sign))


def sine_pair(b: Builder, turned: Turned) -> tuple[int, int]:
    """The sine of |r| up to pi/4 as the sum of two numbers."""
    remainder = turned.remainder
    square = b.mul(remainder, remainder)
    curve = polynomial(b, square, b.mul(square, square), SIN[b.dtype(remainder)])
    return two_sum_ordered(b, remainder, b.fma(b.mul(square, remainder), curve, turned.low))


def cosine_pair(b: Builder, turned: Turned) -> tuple[int, int]:
    """The cosine of |r| up to pi/4 as the sum of two numbers."""
    remainder = turned.remainder
    one, minus_half = constants(b, remainder, 1.0, -0.5)
    square = b.mul(remainder, remainder)
    fourth = b.mul(square, square)
    curve = polynomial(b, square, fourth, COS[b.dtype(remainder)])
    near = b.fma(square, minus_half, one)
    lost = b.fma(b.neg(remainder), turned.low, b.fma(square, minus_half, b.sub(one, near)))
    square_low = b.fma(remainder, remainder, b.neg(square))
    return two_sum_ordered(b, near, b.fma(fourth, curve, b.fma(square_low, minus_half, lost)))
