"""erf: a polynomial near zero, 1 - e^(log erfc) further out."""

from __future__ import annotations

from exprc.scalar.builder import Builder
from exprc.scalar.coefficients import ERF_FAR, ERF_NEAR
from exprc.scalar.exponential import exp_normal
from exprc.scalar.formats import constants, polynomial

ERF_IS_ONE = 6.0


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
