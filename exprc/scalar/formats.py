"""What the vector math must know of the two float formats, and the parts that all its functions use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from exprc.ir.types import F32, F64, I32, I64
from exprc.scalar.builder import Builder


class Format(NamedTuple):
    """One float format.  `magic` added to a float smaller than half of it rounds to an integer, in the low bits."""

    dtype: str
    integer: str
    mantissa_bits: int
    bias: int
    magic: float
    least_normal: float


FORMATS = {
    F64: Format(F64, I64, 52, 1023, 1.5 * 2.0**52, 2.0**-1022),
    F32: Format(F32, I32, 23, 127, 1.5 * 2.0**23, 2.0**-126),
}
INFINITY, NAN = float("inf"), float("nan")


def format_of(b: Builder, x: int) -> Format:
    """The format of a value."""
    return FORMATS[b.dtype(x)]


def constants(b: Builder, x: int, *values: float | str) -> list[int]:
    """Constants of the dtype of x."""
    dtype = b.dtype(x)
    return [b.const(dtype, value) for value in values]


def polynomial(b: Builder, x: int, square: int, coefficients: Sequence[str]) -> int:
    """The polynomial with these coefficients, lowest first: even and odd powers as two chains in `square` = x * x.

    As many operations as one chain, with half its latency.
    """
    values = constants(b, x, *coefficients)
    return b.fma(x, chain(b, square, values[1::2]), chain(b, square, values[::2]))


def chain(b: Builder, x: int, coefficients: Sequence[int]) -> int:
    """The polynomial with these coefficients, lowest first, by Horner's rule."""
    result = coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        result = b.fma(x, result, coefficient)
    return result


def two_sum_ordered(b: Builder, large: int, small: int) -> tuple[int, int]:
    """The sum and its error, where |large| >= |small| or large is zero."""
    total = b.add(large, small)
    return total, b.add(b.sub(large, total), small)


def two_sum(b: Builder, x: int, y: int) -> tuple[int, int]:
    """The sum and its error."""
    total = b.add(x, y)
    part = b.sub(total, x)
    return total, b.add(b.sub(x, b.sub(total, part)), b.sub(y, part))


def two_product(b: Builder, x: int, y: int) -> tuple[int, int]:
    """The product and its error."""
    product = b.mul(x, y)
    return product, b.fma(x, y, b.neg(product))


def clamp(b: Builder, x: int, low: float, high: float) -> int:
    """x within these bounds; NaN stays."""
    lowest, highest = constants(b, x, low, high)
    return b.smaller(highest, b.larger(lowest, x))


def power_of_two(b: Builder, biased: int) -> int:
    """The float whose biased exponent is the low bits of an integer, all others of which are dropped."""
    integer = b.dtype(biased)
    shift = 52 if integer == I64 else 23
    return b.bitcast(b.shl(biased, b.const(integer, shift)))
