"""lgamma and its derivative digamma: Stirling's formula from 5/2 on, below it a polynomial, left of zero by reflection.

What only few arguments need, or none of a usual array, is `rare`.
"""

from __future__ import annotations

from exprc.ir.types import F32, F64
from exprc.scalar.builder import Builder
from exprc.scalar.formats import INFINITY, NAN, constants, polynomial, two_product, two_sum, two_sum_ordered
from exprc.scalar.gamma_coefficients import DIGAMMA_FAR, DIGAMMA_NEAR, LGAMMA_FAR, LGAMMA_NEAR
from exprc.scalar.large_angle import Turned
from exprc.scalar.logarithm import log_pair
from exprc.scalar.logistic import divide_pairs, quotient_pair
from exprc.scalar.trigonometric import cosine_pair, sine_pair

FAR = 2.5
# As sums of two numbers: pi, its logarithm, (log(2 pi) - 1) / 2, the zero of digamma, and that less 1.
PI = {F64: ("0x1.921fb54442d18p+1", "0x1.1a62633145c07p-53"), F32: ("0x1.921fb6p+1", "-0x1.777a5cp-24")}
LOG_PI = {F64: ("0x1.250d048e7a1bdp+0", "0x1.7abf2ad8d5088p-57"), F32: ("0x1.250d04p+0", "0x1.1cf438p-25")}
STIRLING = {F64: ("0x1.acfe390c97d69p-2", "0x1.3494bc9001442p-56"), F32: ("0x1.acfe3ap-2", "-0x1.e6d052p-27")}
# The slope of lgamma at 2, and the value of R at 7/4, see `_digamma_near`.
DIGAMMA_MIDDLE = {F64: ("0x1.8077511a2f04cp+0", "-0x1.c91ea5744aaf6p-57"), F32: ("0x1.807752p+0", "-0x1.cba1f6p-25")}
SLOPE = {F64: ("0x1.b0ee6072093cep-2", "0x1.6cb90701fbfabp-58"), F32: ("0x1.b0ee60p-2", "0x1.c824f4p-28")}
ZERO = {F64: ("0x1.762d86356be3fp+0", "0x1.b86a722197829p-54"), F32: ("0x1.762d86p+0", "0x1.ab5f2p-27")}
ZERO_LESS_1 = {F64: ("0x1.d8b618d5af8fep-2", "-0x1.1e563779a1f5bp-56"), F32: ("0x1.d8b618p-2", "0x1.ab5f2p-27")}


def lgamma(b: Builder, x: int) -> int:
    """The logarithm of |gamma(x)|; infinite at 0 and the negative integers."""
    (minus_half,) = constants(b, x, -0.5)
    reflected = b.lt(x, minus_half)
    size = b.select(reflected, b.neg(x), x)
    value = _log_gamma(b, size)
    return b.rare(reflected, _reflected_log_gamma(b, size, value), value)


def digamma(b: Builder, x: int) -> int:
    """The derivative of lgamma; -inf at 0, inf at -0, NaN at the negative integers."""
    zero, one, infinite = constants(b, x, 0.0, 1.0, INFINITY)
    reflected = b.lt(x, zero)
    size = b.select(reflected, b.sub(one, x), x)
    near, value = b.lt(size, b.const(b.dtype(x), FAR)), _digamma_far(b, size)
    value = b.rare(near, _digamma_near(b, size), b.select(b.lt(size, infinite), value, size))
    return b.rare(reflected, _reflected_digamma(b, b.neg(x), value), value)


def cotangent_of_turns(b: Builder, x: int) -> tuple[int, int]:
    """cot(pi x) for x >= 0 as the sum of two numbers; NaN for integers and infinity."""
    zero, one, nan = constants(b, x, 0.0, 1.0, NAN)
    offset, sine, cosine = _half_turns(b, x)
    quotient, low = quotient_pair(b, cosine, sine)
    sign = b.copysign(one, offset)
    return b.select(b.eq(offset, zero), nan, b.mul(quotient, sign)), b.mul(low, sign)


def _log_gamma(b: Builder, x: int) -> int:
    """For x >= -1/2.

    Near: lgamma(2 + e) is s e + e^2 P(e), and lgamma(x) that less the logarithm of 1, x or x (x + 1).
    """
    zero, half, one, below_two, two = constants(b, x, 0.0, 0.5, 1.0, 1.4375, 2.0)
    infinite, far = constants(b, x, INFINITY, FAR)
    near, low, middle = b.lt(x, far), b.lt(x, half), b.lt(x, below_two)
    next_one, next_low = two_sum(b, one, x)
    product, product_low = two_product(b, b.abs(x), next_one)
    product_low = b.fma(b.abs(x), next_low, product_low)
    argument = b.rare(near, b.select(low, product, b.select(middle, x, one)), x)
    natural, natural_low = log_pair(b, argument)
    # Beyond the largest x whose result is finite the error of the product is NaN.
    stirling = _stirling(b, x, natural, natural_low)
    e = b.sub(x, b.select(low, zero, b.select(middle, one, two)))
    slope, slope_low = constants(b, x, *SLOPE[b.dtype(x)])
    square, square_low = two_product(b, e, e)
    line, line_low = two_product(b, e, slope)
    curve = polynomial(b, e, square, LGAMMA_NEAR[b.dtype(x)])
    bend, bend_low = two_product(b, square, curve)
    start, start_low = two_sum_ordered(b, line, bend)
    start_low = b.add(start_low, b.fma(square_low, curve, bend_low))
    total, lost = two_sum(b, start, b.neg(natural))
    relative = b.select(low, b.div(product_low, product), zero)
    small = b.sub(b.add(lost, b.add(start_low, b.fma(e, slope_low, line_low))), b.add(natural_low, relative))
    beside = b.select(b.eq(x, zero), infinite, b.add(total, small))
    return b.rare(near, beside, stirling)


def _stirling(b: Builder, x: int, natural: int, natural_low: int) -> int:
    """(x - 1/2) (log(x) - 1) + (log(2 pi) - 1) / 2 + P(1 / x^2) / x."""
    half, one, minus_one, infinite = constants(b, x, 0.5, 1.0, -1.0, INFINITY)
    constant, constant_low = constants(b, x, *STIRLING[b.dtype(x)])
    inverse = b.div(one, x)
    square = b.mul(inverse, inverse)
    curve = polynomial(b, square, b.mul(square, square), LGAMMA_FAR[b.dtype(x)])
    factor, factor_low = two_sum(b, natural, minus_one)
    factor_low = b.add(factor_low, natural_low)
    times = b.sub(x, half)
    product, product_low = two_product(b, times, factor)
    product_low = b.fma(times, factor_low, product_low)
    total, lost = two_sum(b, product, constant)
    small = b.fma(curve, inverse, b.add(b.add(product_low, constant_low), lost))
    return b.select(b.lt(product, infinite), b.add(total, small), product)


def _reflected_log_gamma(b: Builder, x: int, value: int) -> int:
    """lgamma(-x) = log(pi / (x sin(pi x))) - lgamma(x)."""
    zero, infinite = constants(b, x, 0.0, INFINITY)
    log_pi, log_pi_low = constants(b, x, *LOG_PI[b.dtype(x)])
    _, (sine, _), _ = _half_turns(b, x)
    natural, natural_low = log_pair(b, b.mul(x, sine))
    start, start_lost = two_sum(b, log_pi, b.neg(natural))
    total, lost = two_sum(b, start, b.neg(value))
    result = b.add(total, b.add(b.add(start_lost, lost), b.sub(log_pi_low, natural_low)))
    return b.select(b.or_(b.eq(sine, zero), b.eq(x, infinite)), infinite, result)


def _digamma_near(b: Builder, x: int) -> int:
    """For 0 <= x < 5/2: (y - r) R(y) / y with y = x, or y = x + 1 and 1 / x subtracted."""
    dtype = b.dtype(x)
    zero, one, infinite, centre, less = constants(b, x, 0.0, 1.0, INFINITY, 1.75, 0.75)
    zero_high, zero_low = constants(b, x, *ZERO[dtype])
    lower_high, lower_low = constants(b, x, *ZERO_LESS_1[dtype])
    low = b.lt(x, one)
    y = b.select(low, b.add(one, x), x)
    v = b.sub(x, b.select(low, less, centre))
    offset, offset_low = two_sum(b, x, b.neg(b.select(low, lower_high, zero_high)))
    offset_low = b.sub(offset_low, b.select(low, lower_low, zero_low))
    middle, middle_low = constants(b, x, *DIGAMMA_MIDDLE[dtype])
    curve, curve_low = two_sum_ordered(b, middle, b.mul(v, polynomial(b, v, b.mul(v, v), DIGAMMA_NEAR[dtype])))
    product, product_low = two_product(b, offset, curve)
    product_low = b.fma(offset, b.add(curve_low, middle_low), b.fma(offset_low, curve, product_low))
    quotient = divide_pairs(b, (product, product_low), (y, zero))
    inverse = b.div(one, x)
    rest = b.mul(b.fma(b.neg(x), inverse, one), inverse)
    shifted, lost = two_sum(b, quotient, b.neg(inverse))
    shifted = b.select(b.lt(b.abs(inverse), infinite), b.add(shifted, b.sub(lost, rest)), b.neg(inverse))
    return b.select(low, shifted, quotient)


def _digamma_far(b: Builder, x: int) -> int:
    """log(x) - 1 / (2 x) - P(1 / x^2) / x^2."""
    one, minus_half = constants(b, x, 1.0, -0.5)
    natural, natural_low = log_pair(b, x)
    inverse = b.div(one, x)
    square = b.mul(inverse, inverse)
    curve = polynomial(b, square, b.mul(square, square), DIGAMMA_FAR[b.dtype(x)])
    total, lost = two_sum_ordered(b, natural, b.mul(minus_half, inverse))
    return b.add(total, b.fma(b.neg(square), curve, b.add(lost, natural_low)))


def _reflected_digamma(b: Builder, x: int, value: int) -> int:
    """digamma(-x) = digamma(1 + x) + pi cot(pi x), which near zero is 1 / x."""
    one, zero, tiny = constants(b, x, 1.0, 0.0, 2.0**-30)
    pi, pi_low = constants(b, x, *PI[b.dtype(x)])
    cotangent, cotangent_low = cotangent_of_turns(b, x)
    product, product_low = two_product(b, cotangent, pi)
    product_low = b.fma(cotangent_low, pi, b.fma(cotangent, pi_low, product_low))
    small = b.lt(x, tiny)
    product = b.select(small, b.div(one, x), product)
    product_low = b.select(small, zero, product_low)
    total, lost = two_sum(b, product, value)
    finite = b.lt(b.abs(product), b.const(b.dtype(x), INFINITY))
    return b.select(finite, b.add(total, b.add(lost, product_low)), product)


def _half_turns(b: Builder, x: int) -> tuple[int, tuple[int, int], tuple[int, int]]:
    """x less the nearest integer; |sin(pi x)| and |cos(pi x)| as sums of two numbers."""
    half, quarter = constants(b, x, 0.5, 0.25)
    pi, pi_low = constants(b, x, *PI[b.dtype(x)])
    offset = b.sub(x, b.round(x))
    size = b.abs(offset)
    near = b.le(size, quarter)
    part = b.select(near, size, b.sub(half, size))
    angle, angle_low = two_product(b, part, pi)
    turned = Turned(angle, b.fma(part, pi_low, angle_low), 0)
    sine, cosine = sine_pair(b, turned), cosine_pair(b, turned)
    chosen = [(b.select(near, s, c), b.select(near, c, s)) for s, c in zip(sine, cosine, strict=True)]
    return offset, (chosen[0][0], chosen[1][0]), (chosen[0][1], chosen[1][1])
