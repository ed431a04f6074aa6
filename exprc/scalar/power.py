"""Powers.  Small constant exponents are products and roots; all others 2^(y log2 x) with log2 x in pairs of numbers."""

from __future__ import annotations

from exprc.ir.types import F32, F64, FLOATS
from exprc.scalar.builder import Builder
from exprc.scalar.coefficients import ATANH
from exprc.scalar.exponential import RANGE_2, exp2
from exprc.scalar.formats import INFINITY, NAN, clamp, constants, polynomial, two_product, two_sum_ordered
from exprc.scalar.logarithm import LOG2_E, split

TWO_THIRDS = {F64: ("0x1.5555555555555p-1", "0x1.5555555555555p-55"), F32: ("0x1.555556p-1", "-0x1.555556p-26")}
# With a larger exponent every power but those of 1 and -1 is zero or infinite.
LARGEST_EXPONENT = {F64: 2.0**200, F32: 2.0**100}
MOST_PLAIN_FACTORS, MOST_FACTORS = 4, 64


def pow(b: Builder, x: int, y: int) -> int:
    """x^y, with the special values of C and NumPy."""
    instruction = b.instructions[y]
    if instruction.op == "const":
        known = _constant_power(b, x, float(instruction.immediate))  # type: ignore[arg-type]
        if known is not None:
            return known
    return general_power(b, x, y)


def integer_power(b: Builder, x: int, exponent: int) -> int:
    """x^exponent for a constant 0 <= exponent by multiplication; exact to an ulp for floats, wrapping for integers."""
    if exponent == 0:
        return b.const(b.dtype(x), 1)
    if b.dtype(x) in FLOATS and exponent > MOST_PLAIN_FACTORS:
        return _paired_power(b, x, exponent)
    result = x
    for bit in bin(exponent)[3:]:
        result = b.mul(result, result)
        if bit == "1":
            result = b.mul(result, x)
    return result


def general_power(b: Builder, x: int, y: int) -> int:
    """x^y for any exponent."""
    dtype, size = b.dtype(x), b.abs(x)
    zero, one, half, infinite, minus_infinite, nan = constants(b, x, 0.0, 1.0, 0.5, INFINITY, -INFINITY, NAN)
    high, low = _log2_pair(b, size)
    finite = b.lt(size, infinite)
    high = b.select(b.eq(size, zero), minus_infinite, b.select(finite, high, size))
    exponent = clamp(b, y, -LARGEST_EXPONENT[dtype], LARGEST_EXPONENT[dtype])
    product, product_low = two_product(b, exponent, high)
    in_range = b.lt(b.abs(product), b.const(dtype, -RANGE_2[dtype][0]))
    result = exp2(b, product, b.select(in_range, b.fma(exponent, low, product_low), zero))
    whole = b.eq(b.trunc(y), y)
    halved = b.mul(y, half)
    odd = b.and_(whole, b.ne(b.trunc(halved), halved))
    result = b.select(odd, b.copysign(result, x), result)
    undefined = b.and_(b.and_(b.lt(x, zero), finite), b.not_(whole))
    result = b.select(undefined, nan, result)
    return b.select(b.or_(b.eq(y, zero), b.eq(x, one)), one, result)


def _constant_power(b: Builder, x: int, exponent: float) -> int | None:
    if exponent == int(exponent) if abs(exponent) <= MOST_FACTORS else False:
        if exponent >= 0:
            return integer_power(b, x, int(exponent))
        if exponent >= -2 and b.dtype(x) in FLOATS:
            (one,) = constants(b, x, 1.0)
            return integer_power(b, b.div(one, x), -int(exponent))
    if abs(exponent) == 0.5:
        return _root(b, x, exponent)
    return None


def _root(b: Builder, x: int, exponent: float) -> int:
    """Unlike sqrt, the power of -0 is +0 or inf, and that of -inf is inf or 0."""
    zero, one, infinite, minus_infinite = constants(b, x, 0.0, 1.0, INFINITY, -INFINITY)
    root = b.select(b.eq(x, minus_infinite), infinite, b.sqrt(b.add(x, zero)))
    return root if exponent > 0 else b.div(one, root)


def _paired_power(b: Builder, x: int, exponent: int) -> int:
    (infinite,) = constants(b, x, INFINITY)
    high, low = x, None
    for bit in bin(exponent)[3:]:
        square, square_low = two_product(b, high, high)
        if low is not None:
            square_low = b.fma(b.add(high, high), low, square_low)
        high, low = square, square_low
        if bit == "1":
            product, product_low = two_product(b, high, x)
            high, low = product, b.fma(low, x, product_low)
    assert low is not None
    # The error of an overflowing product is NaN, and that of an underflowing one may hide the sign of zero.
    return b.select(b.lt(b.abs(high), infinite), b.copysign(b.add(high, low), high), high)


def _log2_pair(b: Builder, x: int) -> tuple[int, int]:
    """log2 x as the sum of two numbers for x > 0 and finite: log m = 2 atanh(s) with s = (m - 1) / (m + 1)."""
    dtype = b.dtype(x)
    one, two = constants(b, x, 1.0, 2.0)
    k, f = split(b, x)
    below, below_low = two_sum_ordered(b, two, f)
    inverse = b.div(one, below)
    s = b.mul(f, inverse)
    minus = b.neg(s)
    s_low = b.mul(b.fma(minus, below_low, b.fma(minus, below, f)), inverse)
    curved, curved_low = _atanh_cubic(b, s, s_low)
    natural, natural_low = two_sum_ordered(b, b.mul(two, s), curved)
    natural_low = b.add(natural_low, b.fma(two, s_low, curved_low))
    factor, factor_low = constants(b, x, *LOG2_E[dtype])
    product, product_low = two_product(b, natural, factor)
    product_low = b.fma(natural, factor_low, b.fma(natural_low, factor, product_low))
    total, total_low = two_sum_ordered(b, k, product)
    return two_sum_ordered(b, total, b.add(total_low, product_low))


def _atanh_cubic(b: Builder, s: int, s_low: int) -> tuple[int, int]:
    """2 atanh(s) - 2 s as a pair: the cube of s, and the factor 2/3 + ..., in pairs."""
    dtype = b.dtype(s)
    square, square_low = two_product(b, s, s)
    square_low = b.fma(b.add(s, s), s_low, square_low)
    thirds, thirds_low = constants(b, s, *TWO_THIRDS[dtype])
    curve = polynomial(b, square, b.mul(square, square), ATANH[dtype])
    factor, factor_low = two_sum_ordered(b, thirds, b.mul(square, curve))
    factor_low = b.add(factor_low, thirds_low)
    cube, cube_low = two_product(b, s, square)
    cube_low = b.fma(s, square_low, b.fma(s_low, square, cube_low))
    result, result_low = two_product(b, cube, factor)
    return result, b.fma(cube, factor_low, b.fma(cube_low, factor, result_low))
