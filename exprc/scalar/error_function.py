"""erf: a polynomial near zero, 1 - e^(log erfc) further out; erfc: e^(-x^2) times a polynomial in 1 / (|x| + 4)."""

from __future__ import annotations

from exprc.scalar.builder import Builder
from exprc.scalar.coefficients import ERF_FAR, ERF_NEAR, ERFC
from exprc.scalar.exponential import exp_normal, exp_pair
from exprc.scalar.formats import constants, polynomial, two_product

ERF_IS_ONE, ERFC_IS_ZERO = 6.0, 28.0


def erf(b: Builder, x: int) -> int:
    """The error function."""
    one, end = constants(b, x, 1.0, ERF_IS_ONE)
    dtype, size = b.dtype(x), b.abs(x)
    square = b.mul(x, x)
    first, second = constants(b, x, *ERF_NEAR[dtype][:2])
    rest = polynomial(b, square, b.mul(square, square), ERF_NEAR[dtype][2:])
    near = b.fma(x, b.fma(square, b.fma(square, rest, second), first), x)
    distance = b.smaller(end, size)
    offset = b.sub(distance, one)
    curve = polynomial(b, offset, b.mul(offset, offset), ERF_FAR[dtype])
    far = b.sub(one, exp_normal(b, b.fma(b.neg(distance), distance, curve)))
    return b.select(b.lt(size, one), near, b.copysign(far, x))


def erfc(b: Builder, x: int) -> int:
    """1 - erf(x), accurate where that is small."""
    zero, one, two, four, minus_four, end = constants(b, x, 0.0, 1.0, 2.0, 4.0, -4.0, ERFC_IS_ZERO)
    size = b.smaller(end, b.abs(x))
    square, square_low = two_product(b, size, size)
    decay, decay_low = exp_pair(b, b.neg(square))
    decay_low = b.fma(b.neg(square_low), decay, decay_low)
    inverse = b.div(one, b.add(size, four))
    u = b.mul(b.sub(size, four), inverse)
    missing = b.fma(b.neg(size), u, b.fma(b.add(u, one), minus_four, size))
    u = b.fma(inverse, missing, u)
    factor, factor_low = two_product(b, inverse, polynomial(b, u, b.mul(u, u), ERFC[b.dtype(x)]))
    tail = b.fma(decay, factor, b.fma(decay, factor_low, b.mul(decay_low, factor)))
    return b.select(b.lt(x, zero), b.sub(two, tail), tail)
