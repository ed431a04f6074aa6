"""erf: a polynomial near zero, 1 - 2^(log2 erfc) further out; erfc: e^(-x^2) / (1 + 2 |x|) times a polynomial
in |x| / (|x| + 4)."""

from __future__ import annotations

from exprc.ir.types import F32, F64
from exprc.scalar.builder import Builder
from exprc.scalar.coefficients import ERF_FAR, ERF_NEAR, ERFC
from exprc.scalar.exponential import exp2_normal, exp_pair
from exprc.scalar.formats import chain, constants, polynomial, two_product, two_sum, two_sum_ordered
from exprc.scalar.logistic import divide_pairs, quotient_pair

ERF_IS_ONE, ERFC_IS_ZERO = 6.0, 28.0
RAISED = {F64: 200, F32: 60}


def erf(b: Builder, x: int) -> int:
    """The error function."""
    one, end = constants(b, x, 1.0, ERF_IS_ONE)
    dtype, size = b.dtype(x), b.abs(x)
    square = b.mul(x, x)
    first, second = constants(b, x, *ERF_NEAR[dtype][:2])
    rest = chain(b, square, constants(b, x, *ERF_NEAR[dtype][2:]))
    near = b.fma(x, b.fma(square, b.fma(square, rest, second), first), x)
    distance = b.smaller(end, size)
    offset = b.sub(distance, one)
    curve = polynomial(b, offset, b.mul(offset, offset), ERF_FAR[dtype])
    far = b.sub(one, exp2_normal(b, curve))
    return b.select(b.lt(size, one), near, b.copysign(far, x))


def erfc(b: Builder, x: int) -> int:
    """1 - erf(x), accurate where that is small.

    e^(-x^2) is raised by a power of two until the end, so that its low part does not vanish before the result does.
    """
    dtype = b.dtype(x)
    zero, two, end, down = constants(b, x, 0.0, 2.0, ERFC_IS_ZERO, 2.0 ** -RAISED[dtype])
    size = b.smaller(end, b.abs(x))
    square, square_low = two_product(b, size, size)
    decay, decay_low = exp_pair(b, b.neg(square), RAISED[dtype])
    decay_low = b.fma(b.neg(square_low), decay, decay_low)
    factor, factor_low = _decline(b, size)
    tail = b.fma(decay, factor, b.fma(decay, factor_low, b.mul(decay_low, factor)))
    tail = b.mul(tail, down)
    return b.select(b.lt(x, zero), b.sub(two, tail), tail)


def _decline(b: Builder, x: int) -> tuple[int, int]:
    """e^(x^2) erfc(x) for x >= 0 as the sum of two numbers: (1 + w P(2 w - 1)) / (1 + 2 x) with w = x / (x + 4)."""
    zero, one, two, four, minus_one = constants(b, x, 0.0, 1.0, 2.0, 4.0, -1.0)
    w = divide_pairs(b, (x, zero), two_sum(b, four, x))
    u = b.fma(two, w, minus_one)
    # In one chain: even and odd powers apart would cancel.
    rest = chain(b, u, constants(b, x, *ERFC[b.dtype(x)]))
    curve, curve_low = two_sum_ordered(b, one, b.mul(w, rest))
    below, below_low = two_sum(b, one, b.mul(two, x))
    return quotient_pair(b, (curve, curve_low), (below, below_low))
