"""log and its like: x = 2^k (1 + f) with f in [-1/4, 1/2), taken apart by integer arithmetic, and a polynomial in f.

There is no division.  The range of f is such that the f of log1p, 2^-k x + (2^-k - 1), is exact but at one point.
"""

from __future__ import annotations

from exprc.ir.types import F32, F64
from exprc.scalar.builder import Builder
from exprc.scalar.coefficients import LOG
from exprc.scalar.exponential import exp, expm1
from exprc.scalar.formats import (
    INFINITY,
    NAN,
    Format,
    constants,
    format_of,
    polynomial,
    two_product,
    two_sum_ordered,
)

LOG_2 = {F64: ("0x1.62e42fefa39efp-1", "0x1.abc9e3b39803fp-56"), F32: ("0x1.62e430p-1", "-0x1.05c610p-29")}
# What turns log into log2 and log10, and log10(2), each as the sum of two numbers.
LOG2_E = {F64: ("0x1.71547652b82fep+0", "0x1.777d0ffda0d24p-56"), F32: ("0x1.715476p+0", "0x1.4ae0c0p-26")}
LOG10_E = {F64: ("0x1.bcb7b1526e50ep-2", "0x1.95355baaafad3p-57"), F32: ("0x1.bcb7b2p-2", "-0x1.5b235ep-27")}
LOG10_2 = {F64: ("0x1.34413509f79ffp-2", "-0x1.9dc1da994fd21p-59"), F32: ("0x1.344136p-2", "-0x1.ec10c0p-27")}


def log(b: Builder, x: int) -> int:
    """The natural logarithm."""
    k, f = split(b, x)
    return _at_edges(b, x, _combine(b, k, f), 0.0)


def log2(b: Builder, x: int) -> int:
    """The logarithm to base 2; exact for powers of two."""
    one, zero = constants(b, x, 1.0, 0.0)
    return _to_base(b, x, (one, zero), LOG2_E[b.dtype(x)])


def log10(b: Builder, x: int) -> int:
    """The logarithm to base 10."""
    high, low = constants(b, x, *LOG10_2[b.dtype(x)])
    return _to_base(b, x, (high, low), LOG10_E[b.dtype(x)])


def log1p(b: Builder, x: int) -> int:
    """log(1 + x), accurate near zero."""
    inside = _combine(b, *_split_one_more(b, x))
    return b.copysign(_at_edges(b, x, inside, -1.0), x)


def log1mexp(b: Builder, x: int) -> int:
    """log(1 - e^x) for x <= 0: log(-expm1(x)) near zero, log1p(-exp(x)) further down."""
    zero, minus_infinite, nan, middle = constants(b, x, 0.0, -INFINITY, NAN, -0.6875)
    k_near, f_near = split(b, b.neg(expm1(b, x)))
    k_far, f_far, _ = _split_one_more(b, b.neg(exp(b, x)))
    near = b.lt(middle, x)
    inside = _combine(b, b.select(near, k_near, k_far), b.select(near, f_near, f_far))
    return b.select(b.lt(x, zero), inside, b.select(b.eq(x, zero), minus_infinite, nan))


def add_log1p(b: Builder, start: int, x: int, x_low: int) -> int:
    """start + log(1 + x + x_low) for x in [0, 1], or NaN; start is at least 0, and below log 2 where x is above 1/2."""
    half, minus_half, zero = constants(b, x, 0.5, -0.5, 0.0)
    high_2, low_2 = constants(b, x, *LOG_2[b.dtype(x)])
    upper = b.le(half, x)
    f = b.select(upper, b.fma(half, x, minus_half), x)
    f_low = b.select(upper, b.mul(half, x_low), x_low)
    total, lost = two_sum_ordered(b, b.select(upper, high_2, zero), start)
    # What was lost is NaN for an infinite start, whose x is 0.
    more = b.select(upper, b.add(low_2, lost), zero)
    return b.add(total, b.add(f, _beyond_linear(b, f, b.add(more, b.fma(b.neg(f_low), f, f_low)))))


def log_pair(b: Builder, x: int) -> tuple[int, int]:
    """The natural logarithm of a finite x > 0 as the sum of two numbers, to about an eighth of the last place."""
    high_2, low_2 = constants(b, x, *LOG_2[b.dtype(x)])
    k, f = split(b, x)
    coarse = b.fma(k, high_2, f)
    lost = b.add(b.fma(k, high_2, b.neg(coarse)), f)
    return two_sum_ordered(b, coarse, b.add(lost, _beyond_linear(b, f, b.mul(k, low_2))))


def split(b: Builder, x: int) -> tuple[int, int]:
    """k as a float, and f, of x = 2^k (1 + f) > 0 and finite."""
    form = format_of(b, x)
    up, one = constants(b, x, 2.0 ** (form.mantissa_bits + 1), 1.0)
    large, lifted = constants(b, x, *(2.0**form.mantissa_bits + form.bias + up for up in (0, form.mantissa_bits + 1)))
    subnormal = b.lt(x, b.const(form.dtype, form.least_normal))
    exponent, _, fraction = _fields(b, b.rare(subnormal, b.mul(x, up), x))
    k = b.sub(_in_large(b, form, exponent), b.rare(subnormal, lifted, large))
    mantissa = b.bitcast(b.add(fraction, _bits(b, form, 0.75)))
    return k, b.sub(mantissa, one)


def _split_one_more(b: Builder, x: int) -> tuple[int, int, int]:
    """k as a float, and f and its error, of 1 + x = 2^k (1 + f) > 0 and finite.

    There is an error only where 1 + x is rounded up to 3/2, into the next interval.
    """
    form = format_of(b, x)
    one, quarter, minus_one = constants(b, x, 1.0, 0.25, -1.0)
    exponent, field, _ = _fields(b, b.add(one, x))
    minus_k = b.sub(_bits(b, form, 1.0), field)
    # 2^-k may be subnormal, four times that never is.
    four = b.bitcast(b.add(_bits(b, form, 4.0), minus_k))
    scaled = b.bitcast(b.add(b.bitcast(x), minus_k))
    k = b.sub(_in_large(b, form, exponent), b.const(form.dtype, 2.0**form.mantissa_bits + form.bias))
    return k, *two_sum_ordered(b, b.fma(four, quarter, minus_one), scaled)


def _combine(b: Builder, k: int, f: int, f_low: int | None = None) -> int:
    """k log 2 + log(1 + f + f_low)."""
    high_2, low_2 = constants(b, f, *LOG_2[b.dtype(f)])
    small = b.mul(k, low_2) if f_low is None else b.fma(k, low_2, f_low)
    return b.fma(k, high_2, b.add(f, _beyond_linear(b, f, small)))


def _beyond_linear(b: Builder, f: int, more: int) -> int:
    """log(1 + f) - f + more, with the square taken apart, whose coefficient is exact."""
    (minus_half,) = constants(b, f, -0.5)
    square = b.mul(f, f)
    curve = polynomial(b, f, square, LOG[b.dtype(f)])
    return b.fma(square, minus_half, b.fma(b.mul(square, f), curve, more))


def _to_base(b: Builder, x: int, of_two: tuple[int, int], of_e: tuple[str, str]) -> int:
    """log(x) / log(base), from log(2) / log(base) and 1 / log(base), all in pairs."""
    k, f = split(b, x)
    factor, factor_low, zero = constants(b, x, *of_e, 0.0)
    natural, natural_low = two_sum_ordered(b, f, _beyond_linear(b, f, zero))
    product, product_low = two_product(b, natural, factor)
    product_low = b.fma(natural, factor_low, b.fma(natural_low, factor, product_low))
    whole, whole_low = two_product(b, k, of_two[0])
    total, total_low = two_sum_ordered(b, whole, product)
    low = b.add(total_low, b.fma(k, of_two[1], b.add(whole_low, product_low)))
    return _at_edges(b, x, b.add(total, low), 0.0)


def _fields(b: Builder, x: int) -> tuple[int, int, int]:
    """Of x = 2^k m with m in [3/4, 3/2): k plus the bias, the same in its place, and the rest of the bits."""
    form = format_of(b, x)
    mantissa = (1 << form.mantissa_bits) - 1
    shifted = b.add(b.bitcast(x), b.const(form.integer, 1 << (form.mantissa_bits - 1)))
    exponent = b.lshr(shifted, b.const(form.integer, form.mantissa_bits))
    field = b.and_(shifted, b.const(form.integer, ~mantissa))
    return exponent, field, b.and_(shifted, b.const(form.integer, mantissa))


def _in_large(b: Builder, form: Format, exponent: int) -> int:
    """An exponent with bias in the low bits of a large float, which is still to be subtracted."""
    return b.bitcast(b.or_(exponent, _bits(b, form, 2.0**form.mantissa_bits)))


def _bits(b: Builder, form: Format, value: float) -> int:
    return b.bitcast(b.const(form.dtype, value))


def _at_edges(b: Builder, x: int, inside: int, pole: float) -> int:
    """The value inside the domain; -inf at the pole, NaN below, x itself if infinite."""
    at, infinite, minus_infinite, nan = constants(b, x, pole, INFINITY, -INFINITY, NAN)
    regular = b.and_(b.gt(x, at), b.lt(x, infinite))
    edge = b.select(b.gt(x, at), x, b.select(b.eq(x, at), minus_infinite, nan))
    return b.rare(b.not_(regular), edge, inside)
