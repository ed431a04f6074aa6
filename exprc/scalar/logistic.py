"""sigmoid, softplus and their like: functions of e^-|x|, which they share, as the sum of two numbers."""

from __future__ import annotations

from exprc.scalar.builder import Builder
from exprc.scalar.exponential import exp_pair
from exprc.scalar.formats import constants, two_sum_ordered
from exprc.scalar.logarithm import add_log1p


def sigmoid(b: Builder, x: int) -> int:
    """1 / (1 + e^-x), accurate in both tails."""
    one, zero = constants(b, x, 1.0, 0.0)
    small, small_low = _decay(b, x)
    total, total_low = two_sum_ordered(b, one, small)
    negative = b.lt(x, zero)
    return divide_pairs(
        b,
        (b.select(negative, small, one), b.select(negative, small_low, zero)),
        (total, b.add(total_low, small_low)),
    )


def softplus(b: Builder, x: int) -> int:
    """log(1 + e^x), accurate in both tails."""
    (zero,) = constants(b, x, 0.0)
    return add_log1p(b, b.larger(x, zero), *_decay(b, x))


def logaddexp(b: Builder, x: int, y: int) -> int:
    """log(e^x + e^y); its error is small against the larger of |x|, |y| and the result."""
    apart = b.neg(b.abs(b.sub(x, y)))
    greater = b.larger(x, y)
    # Equal infinities have no difference.
    return b.add(greater, softplus(b, b.select(b.eq(x, y), b.const(b.dtype(x), 0.0), apart)))


def divide_pairs(b: Builder, above: tuple[int, int], below: tuple[int, int]) -> int:
    """The quotient of two pairs, rounded nearly correctly: one division and one step that corrects it."""
    quotient, rest, inverse = _divided(b, above, below)
    return b.fma(rest, inverse, quotient)


def quotient_pair(b: Builder, above: tuple[int, int], below: tuple[int, int]) -> tuple[int, int]:
    """The quotient of two pairs as the sum of two numbers."""
    quotient, rest, inverse = _divided(b, above, below)
    return quotient, b.mul(rest, inverse)


def _divided(b: Builder, above: tuple[int, int], below: tuple[int, int]) -> tuple[int, int, int]:
    """A quotient, what is left of the dividend, and the inverse of the divisor."""
    (one,) = constants(b, below[0], 1.0)
    inverse = b.div(one, below[0])
    quotient = b.mul(above[0], inverse)
    minus = b.neg(quotient)
    return quotient, b.add(b.fma(minus, below[0], above[0]), b.fma(minus, below[1], above[1])), inverse


def _decay(b: Builder, x: int) -> tuple[int, int]:
    return exp_pair(b, b.neg(b.abs(x)))
