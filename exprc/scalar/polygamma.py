"""The derivatives of digamma: an asymptotic series, whose terms follow from the order, and for small x a sum before it.

digamma^(n)(x) = -(-1)^n n! (x^-s + (x+1)^-s + ...) with s = n + 1; of that sum all terms but some are the series.
"""

from __future__ import annotations

from math import factorial
from typing import NamedTuple

from exprc.ir.types import F32, F64
from exprc.scalar.builder import Builder
from exprc.scalar.formats import INFINITY, NAN, chain, constants, two_product, two_sum, two_sum_ordered
from exprc.scalar.gamma import cotangent_of_turns

LARGEST_ORDER = 20
PI = "0x1.921fb54442d18p+1"
PI_SQUARED = {F64: ("0x1.3bd3cc9be45dep+3", "0x1.692b71366cc04p-51"), F32: ("0x1.3bd3ccp+3", "0x1.37c8bcp-22")}
MOST_TERMS = 16
SMALLEST_TERM = {F64: 2.0**-58, F32: 2.0**-29}


class Series(NamedTuple):
    """From x = `start` on digamma^(n)(x) is -(-1)^n (n-1)! x^-n (1 + n / (2 x) + P(1 / x^2) / x^2)."""

    start: int
    coefficients: tuple[float, ...]


def polygamma(b: Builder, x: int, order: int) -> int:
    """The derivative of digamma of an order from 1 to 20; at 0 and the negative integers inf, or NaN if even."""
    one, minus_half = constants(b, x, 1.0, -0.5)
    reflected = b.lt(x, minus_half)
    size = b.select(reflected, b.sub(one, x), x)
    value = _positive(b, size, order)
    value = b.rare(reflected, _reflected(b, x, value, order), value)
    return value if order % 2 else b.neg(value)


def _positive(b: Builder, x: int, order: int) -> int:
    """The absolute value for x >= -1/2; that of -0 or below zero has the sign of its first term."""
    series = _series(order, b.dtype(x))
    start, zero, infinite = constants(b, x, float(series.start), 0.0, INFINITY)
    near = b.lt(x, start)
    far, far_low = _of_series(b, b.select(near, b.add(x, start), x), order, series)
    total, total_low = far, far_low
    for step in range(series.start - 1, 0, -1):
        distance, distance_low = two_sum(b, b.const(b.dtype(x), float(step)), x)
        term, term_low = _scaled_power(b, _inverse_pair(b, distance, distance_low), order + 1, factorial(order))
        total, lost = two_sum(b, total, term)
        total_low = b.add(total_low, b.add(lost, term_low))
    first, first_low = _scaled_power(b, _inverse_pair(b, x, zero), order + 1, factorial(order))
    total, lost = two_sum(b, first, total)
    total = b.add(total, b.add(b.add(lost, total_low), first_low))
    return b.rare(near, b.select(b.lt(b.abs(first), infinite), total, first), b.add(far, far_low))


def _of_series(b: Builder, x: int, order: int, series: Series) -> tuple[int, int]:
    one, half_order, zero = constants(b, x, 1.0, order / 2, 0.0)
    inverse = _inverse_pair(b, x, zero)
    square = b.mul(inverse[0], inverse[0])
    curve = chain(b, square, constants(b, x, *series.coefficients))
    factor, factor_low = two_sum_ordered(b, one, b.fma(half_order, inverse[0], b.mul(square, curve)))
    power, power_low = _scaled_power(b, inverse, order, factorial(order - 1))
    result, result_low = two_product(b, power, factor)
    return result, b.fma(power, factor_low, b.fma(power_low, factor, result_low))


def _reflected(b: Builder, x: int, value: int, order: int) -> int:
    """(-1)^n (digamma^(n)(1 - x) - pi d^n/dx^n cot(pi x)), of which the latter is a polynomial in the cotangent."""
    infinite, nan = constants(b, x, INFINITY, NAN)
    cotangent, low = two_sum_ordered(b, *cotangent_of_turns(b, b.neg(x)))
    coefficients = _derivative_of_cotangent(order)
    square = b.mul(cotangent, cotangent)
    scale = float.fromhex(PI) ** (order + 1)
    curve = chain(b, square, constants(b, x, *(scale * c for c in coefficients[(order + 1) % 2 :: 2])))
    if order == 1:
        result = _reflected_trigamma(b, cotangent, low, value)
    else:
        result = b.sub(curve, value) if order % 2 else b.sub(value, b.mul(curve, cotangent))
    pole = b.and_(b.eq(b.trunc(x), x), b.lt(b.abs(x), infinite))
    return b.select(pole, infinite if order % 2 else nan, result)


def _reflected_trigamma(b: Builder, cotangent: int, low: int, value: int) -> int:
    """pi^2 (1 + c^2) - value, in pairs of numbers."""
    one, two = constants(b, value, 1.0, 2.0)
    square, square_low = two_product(b, cotangent, cotangent)
    square_low = b.fma(b.mul(two, cotangent), low, square_low)
    more, more_low = two_sum(b, square, one)
    factor, factor_low = constants(b, value, *PI_SQUARED[b.dtype(value)])
    term, term_low = two_product(b, more, factor)
    term_low = b.fma(more, factor_low, b.fma(b.add(more_low, square_low), factor, term_low))
    total, lost = two_sum(b, term, b.neg(value))
    return b.add(total, b.add(lost, term_low))


def _inverse_pair(b: Builder, x: int, x_low: int) -> tuple[int, int]:
    """1 / (x + x_low) as the sum of two numbers; the second is 0 where either is infinite."""
    zero, one, infinite = constants(b, x, 0.0, 1.0, INFINITY)
    inverse = b.div(one, x)
    minus = b.neg(inverse)
    low = b.mul(b.fma(minus, x_low, b.fma(minus, x, one)), inverse)
    regular = b.and_(b.lt(b.abs(x), infinite), b.lt(b.abs(inverse), infinite))
    return inverse, b.select(regular, low, zero)


def _scaled_power(b: Builder, x: tuple[int, int], exponent: int, factor: int) -> tuple[int, int]:
    """factor * x^exponent of a pair as a pair, whose low part may be NaN if the other is infinite.

    Most of the factor is multiplied to x as a power of two, so that the power does not vanish before the result does.
    """
    shift = (factor.bit_length() - 1) // exponent
    up, rest = constants(b, x[0], 2.0**shift, factor / 2 ** (shift * exponent))
    base, base_low = b.mul(x[0], up), b.mul(x[1], up)
    high, low = base, base_low
    for bit in bin(exponent)[3:]:
        square, square_low = two_product(b, high, high)
        high, low = square, b.fma(b.add(high, high), low, square_low)
        if bit == "1":
            product, product_low = two_product(b, high, base)
            high, low = product, b.fma(high, base_low, b.fma(low, base, product_low))
    product, product_low = two_product(b, high, rest)
    return product, b.fma(low, rest, product_low)


def _series(order: int, dtype: str) -> Series:
    """The least integer from which on so few terms suffice, and the coefficients of P."""
    from fractions import Fraction

    bernoulli = [Fraction(1)]
    for index in range(1, 2 * MOST_TERMS + 1):
        known = sum((_choose(index + 1, k) * number for k, number in enumerate(bernoulli)), Fraction(0))
        bernoulli.append(-known / (index + 1))
    terms = [
        bernoulli[2 * j] * factorial(2 * j + order - 1) / (factorial(2 * j) * factorial(order - 1))
        for j in range(1, MOST_TERMS + 1)
    ]
    start = 4
    while True:
        for count, term in enumerate(terms):
            if abs(term) < SMALLEST_TERM[dtype] * Fraction(start) ** (2 * count + 2):
                return Series(start, tuple(float(term) for term in terms[: max(count, 1)]))
        start += 1


def _choose(n: int, k: int) -> int:
    return factorial(n) // (factorial(k) * factorial(n - k))


def _derivative_of_cotangent(order: int) -> list[int]:
    """The polynomial C with d^n/dy^n cot(y) = (-1)^n C(cot y), lowest power first; the next one is C' (1 + c^2)."""
    polynomial = [0, 1]
    for _ in range(order):
        slope = [power * value for power, value in enumerate(polynomial)][1:]
        polynomial = [low + high for low, high in zip([*slope, 0, 0], [0, 0, *slope], strict=True)]
    return polynomial
