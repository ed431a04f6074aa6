"""The exact functions that the vector math computes, by mpmath; where to look at them; and how errors are counted.

What the tests and `tools/accuracy.py` measure with.  Must not know how anything is computed in floating point.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import mpmath as mp
import numpy as np

Array = np.ndarray[Any, Any]
Real = Any
NUMPY: dict[str, Any] = {"f64": np.float64, "f32": np.float32}
ANY, POSITIVE, NEGATIVE, ABOVE_MINUS_ONE = "any", "positive", "negative", "above -1"
PRECISION, MOST_PRECISION = 130, 1300
RAISED, TINY = 300, 1e-200  # results below the second number are multiplied by two to the power of the first


class Case(NamedTuple):
    """An exact function, the intervals of each argument on which it is interesting, and points next to which it
    changes its method.

    An error is counted in units of the last place of the result; where `scale` is given, of what it is at the point,
    if that is larger.  `digits` tells how many more bits than usual an argument takes.
    """

    exact: Callable[..., Real]
    ranges: tuple[tuple[float, float], ...]
    breaks: tuple[float, ...] = ()
    domain: str = ANY
    scale: Callable[..., float] | None = None
    digits: Callable[[float], int] | None = None
    arguments: int = 1


def _wide(x: float) -> int:
    """To reduce a large angle, and to tell the value near zero."""
    return max(0, math.frexp(x)[1]) + 80


def _softplus(x: Real) -> Real:
    return max(x, 0) + (mp.log1p(mp.exp(-abs(x))) if abs(x) < 2000 else 0)


def _log_of_one_less_exp(x: Real) -> Real:
    return mp.log(-mp.expm1(x)) if x > -1 else mp.log1p(-mp.exp(max(x, -2000)))


def _erfc(x: Real) -> Real:
    return mp.erfc(x) if abs(x) < 40 else mp.mpf(0 if x > 0 else 2)


def _inside(function: Callable[[Real], Real]) -> Callable[[Real], Real]:
    return lambda x: function(x) if abs(x) <= 1 else mp.nan


def _gamma(function: Callable[[Real], Real], pole: Real) -> Callable[[Real], Real]:
    """With its value at the negative integers."""
    return lambda x: pole if x < 0 and x == mp.floor(x) else function(x)


def _log_gamma(x: Real) -> Real:
    if x > 0:
        return mp.loggamma(x)
    return mp.log(mp.pi / abs(x * mp.sinpi(x))) - mp.loggamma(-x)


def _digamma(x: Real) -> Real:
    if x > 0:
        return mp.digamma(x)
    return mp.digamma(-x) - 1 / x - mp.pi * mp.cospi(x) / mp.sinpi(x)


def _trigamma(x: Real) -> Real:
    if x > 0:
        return mp.psi(1, x)
    return (mp.pi / mp.sinpi(x)) ** 2 - mp.psi(1, 1 - x)


def _terms_of_digamma(x: float) -> float:
    """Left of zero the larger of the two terms whose zeros are nowhere, and 1."""
    return 0.0 if x > 0 else max(1.0, math.log1p(abs(x)))


def _terms_of_log_gamma(x: float) -> float:
    return 0.0 if x > 0 else max(1.0, abs(x) * math.log1p(abs(x)))


LOGARITHM = ((0.5, 2.0), (0.9, 1.1), (0.0, 10.0))
EXPONENT = ((-1.0, 1.0), (-20.0, 20.0), (-750.0, 720.0), (-105.0, 90.0))
ANGLE = ((-1.0, 1.0), (-20.0, 20.0), (-1e6, 1e6))
TURNS = tuple(k * math.pi / 4 for k in (*range(-12, 13), 1e3, 1e5 + 1, 12345678.0))
NORMAL = (2.0**-1022, 2.0**-126)
CASES: dict[str, Case] = {
    "exp": Case(mp.exp, EXPONENT, (709.782712893384, -745.1332191019412, 88.72284, -103.97208, -708.396, -87.33655)),
    "exp2": Case(lambda x: mp.power(2, x), EXPONENT, (1024.0, -1074.0, -1075.0, 128.0, -149.0, -150.0, 0.5)),
    "expm1": Case(mp.expm1, EXPONENT, (709.782712893384, 88.72284, 0.4, -0.29, 37.0, -37.0, -40.0, 17.0, 1e-18)),
    "log": Case(mp.log, LOGARITHM, (1.0, 0.75, 1.5, *NORMAL), POSITIVE),
    "log2": Case(lambda x: mp.log(x, 2), LOGARITHM, (1.0, 0.75, 1.5, *NORMAL), POSITIVE),
    "log10": Case(mp.log10, LOGARITHM, (1.0, 0.75, 1.5, *NORMAL, 1000.0), POSITIVE),
    "log1p": Case(
        mp.log1p, ((-1.0, 1.0), (-0.3, 0.6), (0.0, 1e6)), (-1.0, -0.25, 0.5, 2.0**53, 1.7e308, 3.4e38), ABOVE_MINUS_ONE
    ),
    "log1mexp": Case(
        _log_of_one_less_exp, ((-2.0, 0.0), (-50.0, 0.0)), (-0.6875, -0.6931, -745.0, -104.0), NEGATIVE
    ),
    "logaddexp": Case(
        lambda x, y: max(x, y) + _softplus(-abs(x - y)), ((-20.0, 20.0), (-1.0, 1.0), (-1000.0, 1000.0)), (0.0, 1.0),
        scale=lambda x, y: max(abs(x), abs(y)), digits=_wide, arguments=2,
    ),
    "sigmoid": Case(
        lambda x: 1 / (1 + mp.exp(max(-2000, min(-x, 2000)))), EXPONENT, (-709.0, -745.2, -87.4, -104.0, 36.8, 16.7)
    ),
    "softplus": Case(_softplus, EXPONENT, (-0.6931, 0.6931, -37.0, 37.0, -745.2, -104.0)),
    "tanh": Case(mp.tanh, ((-1.0, 1.0), (-10.0, 10.0), (-25.0, 25.0)), (19.06, 18.7, 18.4, 9.01, 8.7)),
    "sinh": Case(mp.sinh, ((-1.0, 1.0), (-720.0, 720.0), (-91.0, 91.0)), (710.4758, 89.41598, 1e-18)),
    "cosh": Case(mp.cosh, ((-1.0, 1.0), (-720.0, 720.0), (-91.0, 91.0)), (710.4758, 89.41598)),
    "sin": Case(mp.sin, ANGLE, TURNS, digits=_wide),
    "cos": Case(mp.cos, ANGLE, TURNS, digits=_wide),
    "tan": Case(mp.tan, ANGLE, TURNS, digits=_wide),
    "asin": Case(_inside(mp.asin), ((-1.0, 1.0), (0.9, 1.0)), (0.5, -0.5, 1.0, -1.0)),
    "acos": Case(_inside(mp.acos), ((-1.0, 1.0), (0.9, 1.0)), (0.5, -0.5, 1.0, -1.0)),
    "atan": Case(mp.atan, ((-1.0, 1.0), (-10.0, 10.0)), (0.5, 2.0, -0.5, -2.0, 1.0)),
    "atan2": Case(mp.atan2, ((-9.0, 9.0), (-1.0, 1.0)), (0.5, 1.0, 2.0), arguments=2),
    "erf": Case(mp.erf, ((-1.2, 1.2), (-6.0, 6.0)), (1.0, -1.0, 5.92, 6.0, 3.83)),
    "erfc": Case(_erfc, ((-3.0, 3.0), (0.0, 28.0), (0.0, 10.5)), (26.543, 27.23, 9.19, 10.05, 28.0)),
    "lgamma": Case(
        _gamma(_log_gamma, mp.inf), ((0.0, 4.0), (0.5, 2.5), (0.0, 100.0), (-10.0, 0.0)),
        (0.5, 1.0, 1.4375, 2.0, 2.5, 8.0, -0.5), scale=_terms_of_log_gamma,
    ),
    "digamma": Case(
        _gamma(_digamma, mp.nan), ((0.0, 4.0), (1.0, 2.0), (0.0, 100.0), (-10.0, 0.0)),
        (0.5, 1.0, 1.4616321449683623, 2.0, 2.5, 8.0), scale=_terms_of_digamma,
    ),
    "trigamma": Case(_gamma(_trigamma, mp.inf), ((0.0, 4.0), (0.0, 100.0), (-10.0, 0.0)), (0.5, 1.0, 2.0, 8.0)),
    "sqrt": Case(lambda x: mp.sqrt(x) if x >= 0 else mp.nan, ((0.0, 10.0),)),
    "rsqrt": Case(lambda x: 1 / mp.sqrt(x), ((0.0, 10.0),), (), POSITIVE),
    "pow": Case(mp.power, ((-4.0, 4.0), (0.9, 1.1), (0.0, 1000.0)), (1.0, 0.5, 2.0), arguments=2),
}  # fmt: skip


def points(name: str, dtype: str, count: int, seed: int = 0) -> tuple[Array, ...]:
    """About so many arguments: all exponents, the interesting intervals, and the neighbours of the breaks."""
    case = CASES[name]
    draw = np.random.default_rng((seed, len(name), ord(name[0])))
    if name == "pow":
        return _bases_and_exponents(draw, dtype, count)
    columns = [_drawn(draw, case, dtype, count) for _ in range(case.arguments)]
    for column in columns[1:]:
        draw.shuffle(column)
    least = min(len(column) for column in columns)
    return tuple(column[:least] for column in columns)


def _drawn(draw: np.random.Generator, case: Case, dtype: str, count: int) -> Array:
    kind = NUMPY[dtype]
    low, high = (-1074, 1024) if dtype == "f64" else (-149, 128)
    share = count // (len(case.ranges) + 1)
    spread = np.ldexp(draw.uniform(1, 2, share), draw.integers(low, high, share)) * draw.choice([-1, 1], share)
    with np.errstate(over="ignore"):
        values = np.concatenate([spread, *(draw.uniform(*limits, share) for limits in case.ranges)]).astype(kind)
        close = np.array([*case.breaks, *(-x for x in case.breaks)]).astype(kind)
    values = np.concatenate([values, close, *(np.nextafter(close, kind(limit)) for limit in (-np.inf, np.inf))])
    if case.domain in (POSITIVE, NEGATIVE):
        values = np.abs(values) if case.domain == POSITIVE else -np.abs(values)
        values = values[values != 0]
    if case.domain == ABOVE_MINUS_ONE:
        values = values[values > -1]
    return values[np.isfinite(values)]


def _bases_and_exponents(draw: np.random.Generator, dtype: str, count: int) -> tuple[Array, Array]:
    """Powers that are finite: any base, and exponents as large as it allows, or small."""
    most, third = (1020 if dtype == "f64" else 126), count // 3
    base = 2.0 ** draw.uniform(-most, most, count)
    base[:third] = 1 + draw.choice([-0.5, 1], third) * 2.0 ** draw.uniform(-20, -1, third)
    base = base.astype(NUMPY[dtype])
    with np.errstate(all="ignore"):
        exponent = draw.uniform(-most - 50, most, count) / np.log2(base.astype(float))
    exponent = np.clip(exponent, -1e30, 1e30)
    exponent[::3] = draw.uniform(-4, 4, len(exponent[::3]))
    return base, exponent.astype(NUMPY[dtype])


def errors(name: str, arguments: tuple[Array, ...], found: Array) -> Array:
    """The error of each result in units in the last place; infinite where a special value is wrong."""
    case, kind = CASES[name], found.dtype.type
    count = len(found)
    wanted, raised, below, scale = np.empty(count), np.empty(count), np.empty(count), np.zeros(count)
    for index, given in enumerate(zip(*(array.tolist() for array in arguments), strict=True)):
        more = max(case.digits(x) for x in given) if case.digits else 0
        with mp.workprec(min(PRECISION + more, MOST_PRECISION)):
            exact = case.exact(*map(mp.mpf, given))
            wanted[index] = exact
            if case.scale:
                scale[index] = case.scale(*given)
            larger = mp.ldexp(exact, RAISED) if abs(exact) < TINY else exact
            raised[index] = larger
            below[index] = larger - mp.mpf(float(larger)) if mp.isfinite(larger) else 0
    return _counted(kind, found, wanted, scale, raised, below)


def differences(found: Array, wanted: Array, scale: Array) -> Array:
    """As `errors`, where the exact results are known well enough as f64."""
    raised = np.ldexp(wanted, np.where(np.abs(wanted) < TINY, RAISED, 0))
    return _counted(found.dtype.type, found, wanted, scale, raised, np.zeros(len(found)))


def _counted(kind: Any, found: Array, wanted: Array, scale: Array, raised: Array, below: Array) -> Array:
    """`raised` are the exact results, multiplied where tiny, and `below` what rounding them to f64 lost."""
    with np.errstate(all="ignore"):
        nearest = wanted.astype(kind)
        unit = np.spacing(np.maximum(np.abs(nearest), scale.astype(kind))).astype(np.float64)
        by = np.where(np.abs(wanted) < TINY, RAISED, 0)
        error = np.abs(np.ldexp(found.astype(np.float64), by) - raised - below) / np.ldexp(unit, by)
        regular = np.isfinite(nearest) & np.isfinite(found)
        same = (found == nearest) | (np.isnan(found) & np.isnan(nearest))
    return np.where(regular, error, np.where(same, 0.0, np.inf))
