"""asin, acos, atan and atan2."""

from __future__ import annotations

from exprc.ir.types import F32, F64
from exprc.scalar.builder import Builder
from exprc.scalar.coefficients import ASIN, ATAN
from exprc.scalar.formats import INFINITY, constants, polynomial, two_sum_ordered
from exprc.scalar.trigonometric import HALF_PI

HUGE = {F64: 2.0**1000, F32: 2.0**120}  # above, two coordinates are halved, lest their sum overflow


def asin(b: Builder, x: int) -> int:
    """The arc sine: of |x| up to 1/2 directly, else pi/2 - 2 asin(sqrt((1 - |x|) / 2))."""
    half, minus_two = constants(b, x, 0.5, -2.0)
    quarter_turn, quarter_low = constants(b, x, *HALF_PI[b.dtype(x)][:2])
    size = b.abs(x)
    root, beyond = _halved(b, size)
    doubled = b.mul(root, minus_two)
    total, lost = two_sum_ordered(b, quarter_turn, doubled)
    far = b.add(total, b.fma(beyond, minus_two, b.add(lost, quarter_low)))
    return b.copysign(b.select(b.le(size, half), b.add(root, beyond), far), x)


def acos(b: Builder, x: int) -> int:
    """The arc cosine: pi/2 - asin(x) for |x| up to 1/2, else 2 a or pi - 2 a with a = asin(sqrt((1 - |x|) / 2))."""
    zero, half, one, two = constants(b, x, 0.0, 0.5, 1.0, 2.0)
    quarter_turn, quarter_low = constants(b, x, *HALF_PI[b.dtype(x)][:2])
    size = b.abs(x)
    root, beyond = _halved(b, size)
    near = b.le(size, half)
    turns = b.select(near, one, b.select(b.lt(x, zero), two, zero))
    factor = b.select(near, b.copysign(one, b.neg(x)), b.copysign(two, x))
    total, lost = two_sum_ordered(b, b.mul(turns, quarter_turn), b.mul(factor, root))
    return b.add(total, b.fma(factor, beyond, b.fma(turns, quarter_low, lost)))


def atan(b: Builder, x: int) -> int:
    """The arc tangent."""
    (one,) = constants(b, x, 1.0)
    return b.copysign(_angle(b, b.abs(x), one), x)


def atan2(b: Builder, y: int, x: int) -> int:
    """The angle of the point (x, y), between -pi and pi."""
    zero, half, one, two, infinite = constants(b, x, 0.0, 0.5, 1.0, 2.0, INFINITY)
    quarter_turn, quarter_low = constants(b, x, *HALF_PI[b.dtype(x)][:2])
    above, right = b.abs(y), b.abs(x)
    both = b.or_(b.and_(b.eq(above, zero), b.eq(right, zero)), b.and_(b.eq(above, infinite), b.eq(right, infinite)))
    # Of two zeros or infinities only the signs count; 0/0 is as 0/1, and inf/inf as 1/1.
    above = b.select(both, b.select(b.eq(above, zero), zero, one), above)
    right = b.select(both, one, right)
    shrink = b.select(b.lt(b.const(b.dtype(x), HUGE[b.dtype(x)]), b.larger(above, right)), half, one)
    angle = _angle(b, b.mul(above, shrink), b.mul(right, shrink))
    leftward = b.lt(b.copysign(one, x), zero)
    supplement = b.add(b.sub(b.mul(two, quarter_turn), angle), b.mul(two, quarter_low))
    return b.copysign(b.select(leftward, supplement, angle), y)


def _angle(b: Builder, above: int, right: int) -> int:
    """atan(above / right) for above, right >= 0, not both zero or infinite; or pi/4, pi/2 and the angle to it."""
    zero, half, two, one = constants(b, above, 0.0, 0.5, 2.0, 1.0)
    quarter_turn, quarter_low = constants(b, above, *HALF_PI[b.dtype(above)][:2])
    steep = b.lt(b.mul(two, right), above)
    middle = b.lt(right, b.mul(two, above))
    numerator = b.select(steep, b.neg(right), b.select(middle, b.sub(above, right), above))
    denominator = b.select(steep, above, b.select(middle, b.add(above, right), right))
    w = b.div(numerator, denominator)
    turns = b.select(steep, one, b.select(middle, half, zero))
    square = b.mul(w, w)
    curve = polynomial(b, square, b.mul(square, square), ATAN[b.dtype(above)])
    beyond = b.fma(b.mul(square, w), curve, b.mul(turns, quarter_low))
    return b.fma(turns, quarter_turn, b.add(w, beyond))


def _halved(b: Builder, size: int) -> tuple[int, int]:
    """asin of s as s and the rest, where s is `size` up to 1/2 and sqrt((1 - size) / 2) above."""
    half, minus_half = constants(b, size, 0.5, -0.5)
    near = b.le(size, half)
    square = b.select(near, b.mul(size, size), b.fma(size, minus_half, half))
    root = b.select(near, size, b.sqrt(square))
    curve = polynomial(b, square, b.mul(square, square), ASIN[b.dtype(size)])
    return root, b.mul(b.mul(root, square), curve)
