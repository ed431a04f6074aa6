"""Functions that are a handful of instructions."""

from __future__ import annotations

from exprc.ir.types import FLOATS
from exprc.scalar.builder import Builder
from exprc.scalar.formats import constants
from exprc.scalar.instructions import WIDTH


def absolute(b: Builder, x: int) -> int:
    """|x|, of floats and integers."""
    return b.abs(x)


def sqrt(b: Builder, x: int) -> int:
    """The square root."""
    return b.sqrt(x)


def rsqrt(b: Builder, x: int) -> int:
    """1 / sqrt(x)."""
    (one,) = constants(b, x, 1.0)
    return b.div(one, b.sqrt(x))


def sign(b: Builder, x: int) -> int:
    """-1, 0 or 1; 0 for either zero, NaN for NaN; of floats and integers."""
    zero, one, minus_one = (b.const(b.dtype(x), value) for value in (0, 1, -1))
    nought = b.add(x, zero)
    return b.select(b.gt(x, zero), one, b.select(b.lt(x, zero), minus_one, nought))


def relu(b: Builder, x: int) -> int:
    """max(x, 0); NaN for NaN."""
    zero = b.const(b.dtype(x), 0)
    return b.select(b.lt(x, zero), zero, x)


def minimum(b: Builder, x: int, y: int) -> int:
    """The smaller one; NaN if either is NaN."""
    return b.min(x, y)


def maximum(b: Builder, x: int, y: int) -> int:
    """The larger one; NaN if either is NaN."""
    return b.max(x, y)


def to_integer(b: Builder, x: int, dtype: str) -> int:
    """A float as an integer, towards zero; the least integer where it does not fit, as NumPy has it on x86-64."""
    if b.dtype(x) not in FLOATS:
        return b.convert(dtype, x)
    least, beyond = constants(b, x, -(2.0 ** (WIDTH[dtype] - 1)), 2.0 ** (WIDTH[dtype] - 1))
    fits = b.and_(b.ge(x, least), b.lt(x, beyond))
    return b.convert(dtype, b.select(fits, x, least))


def floor_divide(b: Builder, x: int, y: int) -> int:
    """x // y as in Python; of floats exact below 2^53 (f64) and 2^24 (f32), rounded above."""
    return _floor_divide(b, x, y)[0] if b.dtype(x) in FLOATS else b.idiv(x, y)


def modulo(b: Builder, x: int, y: int) -> int:
    """x % y as in Python, with the sign of y; of floats 0 where x // y is too large for its last digit to be known."""
    return _floor_divide(b, x, y)[1] if b.dtype(x) in FLOATS else b.imod(x, y)


def _floor_divide(b: Builder, x: int, y: int) -> tuple[int, int]:
    """Quotient and remainder of floats.

    The rounded quotient may be one too large; the remainder, exact, then has the wrong sign, which corrects both.
    """
    zero, one, infinite = constants(b, x, 0.0, 1.0, float("inf"))
    ratio = b.div(x, y)
    quotient = b.floor(ratio)
    endless = b.and_(b.eq(b.abs(y), infinite), b.lt(b.abs(x), infinite))
    remainder = b.select(endless, x, b.fma(b.neg(b.select(endless, zero, quotient)), y, x))
    wrong = b.or_(
        b.and_(b.lt(remainder, zero), b.gt(y, zero)),
        b.and_(b.gt(remainder, zero), b.lt(y, zero)),
    )
    quotient = b.select(wrong, b.sub(b.select(endless, zero, quotient), one), quotient)
    remainder = b.select(wrong, b.add(remainder, y), remainder)
    nothing = b.or_(b.eq(remainder, zero), b.lt(b.abs(y), b.abs(remainder)))
    remainder = b.select(nothing, b.copysign(zero, y), remainder)
    quotient = b.select(b.isnan(remainder), remainder, quotient)
    return b.select(b.eq(y, zero), ratio, quotient), remainder
