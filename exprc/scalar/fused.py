"""The fused multiply-add on NumPy arrays, exact for every operand: products and sums without error, one rounding.

f64: operands are scaled to mantissas, the product is split into two doubles (Dekker) and the three terms are summed as
in Boldo and Melquiond, "Emulation of FMA and correctly rounded sums": all but the last addition without error or
rounded to odd, so that the last one rounds correctly.  A result below the normal range is rounded at the position of
its last bit by adding a number whose unit is that bit, in the same sum.  f32: the product is exact in f64, and the sum,
rounded to odd there, has enough bits more than f32 to be rounded once more without harm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

FAR = 180  # exponents further apart than this round as if exactly this far apart
LEAST_EXPONENT = -1074


def fused_multiply_add(a: Array, b: Array, c: Array) -> Array:
    """a * b + c, rounded once."""
    import numpy as np

    a, b, c = np.broadcast_arrays(a, b, c)
    with np.errstate(all="ignore"):
        return _fused_f32(np, a, b, c) if a.dtype == np.float32 else _fused_f64(np, a, b, c)


def _fused_f32(np: Any, a: Array, b: Array, c: Array) -> Array:
    wide = a.astype(np.float64) * b.astype(np.float64)
    return _odd_sum(np, wide, c.astype(np.float64)).astype(np.float32)


def _fused_f64(np: Any, a: Array, b: Array, c: Array) -> Array:
    plain = a * b + c
    finite = np.isfinite(a) & np.isfinite(b)
    product_matters = finite & (a != 0) & (b != 0)
    ordinary = product_matters & np.isfinite(c) & (c != 0)
    result = np.where(finite & np.isinf(c), c, plain)
    # A zero c leaves the product, rounded once, with its own sign; with a zero factor the plain sum is exact.
    result = np.where(product_matters & (c == 0), a * b, result)
    exact = _scaled(np, *(np.where(ordinary, operand, 1.0) for operand in (a, b, c)))
    return np.where(ordinary, exact, result)  # type: ignore[no-any-return]


def _scaled(np: Any, a: Array, b: Array, c: Array) -> Array:
    (a, a_exponent), (b, b_exponent), (c, c_exponent) = np.frexp(a), np.frexp(b), np.frexp(c)
    exponent = a_exponent.astype(np.int64) + b_exponent
    distance = np.clip(c_exponent - exponent, -FAR, FAR)
    # Where c is far larger, the sum is c and a little: keep c's true exponent, so that nothing of it is lost.
    exponent = np.where(distance == FAR, c_exponent - FAR, exponent)
    c = np.ldexp(c, distance)
    product, product_error = _two_product(a, b)
    high, low = _two_sum(c, product_error)
    total, total_error = _two_sum(product, high)
    rest = _odd_sum(np, total_error, low)
    rounded = total + rest
    # Rounding at the last bit of the subnormal range, scaled like the terms.
    unit = np.ldexp(1.0, np.clip(LEAST_EXPONENT - exponent, -1000, 900))
    anchor = np.copysign(2.0**52 * unit, rounded)
    near, near_error = _two_sum(anchor, total)
    below = np.ldexp(near + _odd_sum(np, near_error, rest) - anchor, exponent)
    small = np.abs(total) < 2.0**52 * unit
    below = np.where(rounded == 0, 0.0, np.copysign(below, rounded))
    return np.where(small, below, np.ldexp(rounded, exponent))  # type: ignore[no-any-return]


def _two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _two_product(a: Array, b: Array) -> tuple[Array, Array]:
    a_high, a_low = _split(a)
    b_high, b_low = _split(b)
    product = a * b
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def _split(a: Array) -> tuple[Array, Array]:
    factor = a * 134217729.0
    high = factor - (factor - a)
    return high, a - high


def _odd_sum(np: Any, a: Array, b: Array) -> Array:
    """a + b rounded to odd: if it is not exact, the neighbour whose last bit is set."""
    total, error = _two_sum(a, b)
    bits = np.asarray(total).view(np.int64)
    away = np.where((error > 0) == (total > 0), 1, -1)
    inexact_even = (error != 0) & np.isfinite(error) & ((bits & 1) == 0)
    return (bits + np.where(inexact_even, away, 0)).view(np.float64)  # type: ignore[no-any-return]
