"""sin, cos and tan: |x| = k pi/2 + r, and a polynomial for the sine and one for the cosine of r.

sin(x), cos(x), sin(-x) share the reduction and both polynomials.  The reduction of large x is a long computation whose
three results are all chosen by one condition, so that what emits code may pass it by where no lane needs it.
"""

from __future__ import annotations

from exprc.ir.types import F32, F64
from exprc.scalar.builder import Builder
from exprc.scalar.coefficients import COS, SIN
from exprc.scalar.formats import constants, format_of, polynomial, two_product
from exprc.scalar.instructions import WIDTH
from exprc.scalar.large_angle import Turned, reduce_large

TWO_BY_PI = {F64: "0x1.45f306dc9c883p-1", F32: "0x1.45f306p-1"}
# pi/2 as the sum of three numbers of the format.
HALF_PI = {
    F64: ("0x1.921fb54442d18p+0", "0x1.1a62633145c07p-54", "-0x1.f1976b7ed8fbcp-110"),
    F32: ("0x1.921fb6p+0", "-0x1.777a5cp-25", "-0x1.ee59dap-50"),
}

LARGE = {F64: 2.0**47, F32: 2.0**17}


def sin(b: Builder, x: int) -> int:
    """The sine."""
    turned = _reduce(b, b.abs(x))
    return _with_sign_of(b, _in_quarter(b, turned, 0), x)


def cos(b: Builder, x: int) -> int:
    """The cosine."""
    return _in_quarter(b, _reduce(b, b.abs(x)), 1)


def tan(b: Builder, x: int) -> int:
    """The tangent."""
    turned = _reduce(b, b.abs(x))
    sine, cosine = _sine(b, turned), _cosine(b, turned)
    odd = _odd(b, turned.quarters)
    above, below = b.select(odd, b.neg(cosine), sine), b.select(odd, sine, cosine)
    return _with_sign_of(b, b.div(above, below), x)


def _in_quarter(b: Builder, turned: Turned, ahead: int) -> int:
    """The sine of r + (k + ahead) pi/2."""
    integer = b.dtype(turned.quarters)
    one, two = b.const(integer, 1), b.const(integer, 2)
    sine, cosine = _sine(b, turned), _cosine(b, turned)
    odd = _odd(b, turned.quarters)
    size = b.select(odd, sine, cosine) if ahead else b.select(odd, cosine, sine)
    quarters = b.add(turned.quarters, one) if ahead else turned.quarters
    to_sign = b.const(integer, WIDTH[integer] - 2)
    return b.bitcast(b.xor(b.bitcast(size), b.shl(b.and_(quarters, two), to_sign)))


def _odd(b: Builder, quarters: int) -> int:
    integer = b.dtype(quarters)
    return b.ne(b.and_(quarters, b.const(integer, 1)), b.const(integer, 0))


def _with_sign_of(b: Builder, value: int, x: int) -> int:
    """The value, negated if x is negative."""
    integer = format_of(b, x).integer
    sign = b.and_(b.bitcast(x), b.const(integer, -1 << (WIDTH[integer] - 1)))
    return b.bitcast(b.xor(b.bitcast(value), sign))


def _sine(b: Builder, turned: Turned) -> int:
    remainder = turned.remainder
    square = b.mul(remainder, remainder)
    curve = polynomial(b, square, b.mul(square, square), SIN[b.dtype(remainder)])
    return b.add(remainder, b.fma(b.mul(square, remainder), curve, turned.low))


def _cosine(b: Builder, turned: Turned) -> int:
    remainder = turned.remainder
    one, minus_half = constants(b, remainder, 1.0, -0.5)
    square = b.mul(remainder, remainder)
    fourth = b.mul(square, square)
    curve = polynomial(b, square, fourth, COS[b.dtype(remainder)])
    near = b.fma(square, minus_half, one)
    lost = b.fma(b.neg(remainder), turned.low, b.fma(square, minus_half, b.sub(one, near)))
    return b.add(near, b.fma(fourth, curve, lost))


def _reduce(b: Builder, x: int) -> Turned:
    """For x >= 0."""
    small, large = _reduce_small(b, x), reduce_large(b, x)
    far = b.le(b.const(b.dtype(x), LARGE[b.dtype(x)]), x)
    return Turned(*(b.select(far, there, here) for there, here in zip(large, small, strict=True)))


def _reduce_small(b: Builder, x: int) -> Turned:
    """By subtracting k pi/2 in three parts, which is exact enough as long as k is far from filling its format."""
    form = format_of(b, x)
    two_by_pi, shifter = constants(b, x, TWO_BY_PI[form.dtype], form.magic)
    first, second, third = constants(b, x, *HALF_PI[form.dtype])
    shifted = b.fma(x, two_by_pi, shifter)
    k = b.sub(shifted, shifter)
    # The first product is exact in the difference; the second is subtracted with its error.
    coarse = b.fma(b.neg(k), first, x)
    product, product_low = two_product(b, k, second)
    remainder = b.sub(coarse, product)
    low = b.sub(b.sub(b.sub(coarse, remainder), product), b.fma(k, third, product_low))
    return Turned(remainder, low, b.bitcast(shifted))
