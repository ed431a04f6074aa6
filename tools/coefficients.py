"""Writes exprc/scalar/coefficients.py and gamma_coefficients.py: the polynomials of the vector math, by mpmath.

`python tools/coefficients.py` takes a few seconds and always writes the same files.  Each polynomial is a weighted
least-squares fit on Chebyshev points, close to the minimax one; coefficients are rounded to the format one after
another from the lowest, and those not yet rounded are fitted again, so that they make up for the rounding.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import mpmath as mp

mp.mp.dps = 60
Real = Any
BITS = {"f64": 53, "f32": 24}
FOLDER = Path(__file__).parent.parent / "exprc" / "scalar"


class Fit(NamedTuple):
    """A polynomial for `function` on an interval; `weight` turns its error into the error that matters."""

    name: str
    meaning: str
    function: Callable[[Real], Real]
    low: Real
    high: Real
    weight: Callable[[Real], Real]
    terms: dict[str, int]


def quiet(function: Callable[[Real], Real]) -> Callable[[Real], Real]:
    """The function with digits enough for the cancellation near zero."""

    def evaluated(x: Real) -> Real:
        with mp.workdps(140):
            return +function(mp.mpf(x))

    return evaluated


EXP_LOW, EXP_HIGH = mp.mpf("-0.4155") * mp.log(2), mp.mpf("0.5855") * mp.log(2)
QUARTER_TURN = mp.pi / 4 * mp.mpf("1.02")

with mp.workdps(140):
    DIGAMMA_ZERO = mp.findroot(mp.digamma, mp.mpf("1.4616321449683623"), tol=mp.mpf(10) ** -120)


def stirling(x: Real) -> Real:
    """x times what Stirling's formula for lgamma(x) lacks."""
    return x * (mp.loggamma(x) - (x - mp.mpf(1) / 2) * mp.log(x) + x - mp.log(2 * mp.pi) / 2)


def regular_digamma(v: Real) -> Real:
    """digamma about 7/4 without its zero and the pole at zero."""
    y = mp.mpf("1.75") + v
    return y * mp.digamma(y) / (y - DIGAMMA_ZERO)


FITS = [
    Fit(
        "EXP",
        "(exp(r) - 1 - r - r^2/2) / r^3",
        quiet(lambda r: (mp.exp(r) - 1 - r - r**2 / 2) / r**3),
        EXP_LOW,
        EXP_HIGH,
        lambda r: r**3 / mp.expm1(r),
        {"f64": 9, "f32": 5},
    ),
    Fit(
        "EXP2",
        "(2^r - 1) / r",
        quiet(lambda r: mp.expm1(r * mp.log(2)) / r),
        mp.mpf("-0.5"),
        mp.mpf("0.5"),
        lambda r: r / mp.mpf(2) ** r,
        {"f64": 11, "f32": 6},
    ),
    Fit(
        "LOG",
        "(log(1 + f) - f + f^2/2) / f^3",
        quiet(lambda f: (mp.log1p(f) - f + f**2 / 2) / f**3),
        mp.mpf("-0.25"),
        mp.mpf("0.5"),
        lambda f: f**3 / mp.log1p(f),
        {"f64": 19, "f32": 8},
    ),
    Fit(
        "ATANH",
        "(2 atanh(s) - 2 s - 2/3 s^3) / s^5 in z = s^2, for log of (1 + s) / (1 - s) between 3/4 and 3/2",
        quiet(lambda z: (2 * mp.atanh(mp.sqrt(z)) - 2 * mp.sqrt(z) - 2 * mp.sqrt(z) ** 3 / 3) / mp.sqrt(z) ** 5),
        mp.mpf(0),
        mp.mpf("0.04"),
        lambda z: z**2,
        {"f64": 8, "f32": 3},
    ),
    Fit(
        "SIN",
        "(sin(r) - r) / r^3 in z = r^2",
        quiet(lambda z: (mp.sin(mp.sqrt(z)) - mp.sqrt(z)) / mp.sqrt(z) ** 3),
        mp.mpf(0),
        QUARTER_TURN**2,
        lambda z: z,
        {"f64": 6, "f32": 3},
    ),
    Fit(
        "COS",
        "(cos(r) - 1 + r^2/2) / r^4 in z = r^2",
        quiet(lambda z: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2),
        mp.mpf(0),
        QUARTER_TURN**2,
        lambda z: z**2,
        {"f64": 6, "f32": 3},
    ),
    Fit(
        "EVEN",
        "(cos(r) - 1) / r^2 in z = r^2, as many terms as ODD",
        quiet(lambda z: (mp.cos(mp.sqrt(z)) - 1) / z),
        mp.mpf(0),
        QUARTER_TURN**2,
        lambda z: z,
        {"f64": 7, "f32": 4},
    ),
    Fit(
        "ODD",
        "(sin(r) - r) / r^3 in z = r^2",
        quiet(lambda z: (mp.sin(mp.sqrt(z)) - mp.sqrt(z)) / mp.sqrt(z) ** 3),
        mp.mpf(0),
        QUARTER_TURN**2,
        lambda z: z,
        {"f64": 7, "f32": 4},
    ),
    Fit(
        "ATAN",
        "(atan(w) - w) / w^3 in z = w^2, for |w| <= 1/2",
        quiet(lambda z: (mp.atan(mp.sqrt(z)) - mp.sqrt(z)) / mp.sqrt(z) ** 3),
        mp.mpf(0),
        mp.mpf("0.25"),
        lambda z: z,
        {"f64": 12, "f32": 5},
    ),
    Fit(
        "ASIN",
        "(asin(s) - s) / s^3 in z = s^2, for |s| <= 1/2",
        quiet(lambda z: (mp.asin(mp.sqrt(z)) - mp.sqrt(z)) / mp.sqrt(z) ** 3),
        mp.mpf(0),
        mp.mpf("0.25"),
        lambda z: z,
        {"f64": 13, "f32": 5},
    ),
    Fit(
        "TANH",
        "(tanh(x) - x) / x^3 in z = x^2, for |x| <= 1",
        quiet(lambda z: (mp.tanh(mp.sqrt(z)) - mp.sqrt(z)) / mp.sqrt(z) ** 3),
        mp.mpf(0),
        mp.mpf(1),
        lambda z: z,
        {"f32": 7},
    ),
    Fit(
        "ERF_NEAR",
        "erf(x)/x - 1 in z = x^2, for |x| <= 1",
        quiet(lambda z: mp.erf(mp.sqrt(z)) / mp.sqrt(z) - 1),
        mp.mpf(0),
        mp.mpf(1),
        lambda z: 1,
        {"f64": 12, "f32": 7},
    ),
    Fit(
        "ERF_FAR",
        "log2(erfc(t)) in t - 1, for 1 <= t <= 6",
        quiet(lambda u: mp.log(mp.erfc(1 + u), 2)),
        mp.mpf(0),
        mp.mpf(5),
        lambda u: mp.erfc(1 + u),
        {"f64": 18, "f32": 9},
    ),
    Fit(
        "ERFC",
        "((1 + 2 a) exp(a^2) erfc(a) - 1) / w in 2 w - 1 with w = a / (a + 4), for 0 <= a <= 28",
        quiet(lambda u: (lambda a: ((1 + 2 * a) * mp.exp(a * a) * mp.erfc(a) - 1) * (a + 4) / a)(8 / (1 - u) - 4)),
        mp.mpf(-1),
        mp.mpf("0.75"),
        lambda u: (1 + u) / 2,
        {"f64": 24, "f32": 12},
    ),
]

GAMMA_FITS = [
    Fit(
        "LGAMMA_NEAR",
        "(lgamma(2 + e) - (1 - gamma) e) / e^2 with Euler's gamma, for -3/5 <= e <= 1/2",
        quiet(lambda e: (mp.loggamma(2 + e) - (1 - mp.euler) * e) / e**2),
        mp.mpf("-0.6"),
        mp.mpf("0.5"),
        lambda e: 4 * e,
        {"f64": 20, "f32": 9},
    ),
    Fit(
        "LGAMMA_FAR",
        "x (lgamma(x) - (x - 1/2) log(x) + x - log(2 pi)/2) in z = 1 / x^2, for x >= 5/2",
        quiet(lambda z: stirling(1 / mp.sqrt(z))),
        mp.mpf("1e-4"),
        mp.mpf("0.16"),
        lambda z: mp.sqrt(z) / mp.loggamma(1 / mp.sqrt(z)),
        {"f64": 12, "f32": 4},
    ),
    Fit(
        "DIGAMMA_NEAR",
        "(R(v) - R(0)) / v, where R is y digamma(y) / (y - r) in v = y - 7/4, and digamma(r) = 0, for 1 <= y <= 5/2",
        quiet(lambda v: (regular_digamma(v) - regular_digamma(mp.mpf(0))) / v),
        mp.mpf("-0.75"),
        mp.mpf("0.75"),
        lambda v: v,
        {"f64": 20, "f32": 9},
    ),
    Fit(
        "DIGAMMA_FAR",
        "x^2 (log(x) - 1 / (2 x) - digamma(x)) in z = 1 / x^2, for x >= 5/2",
        quiet(lambda z: (lambda x: x**2 * (mp.log(x) - 1 / (2 * x) - mp.digamma(x)))(1 / mp.sqrt(z))),
        mp.mpf("1e-4"),
        mp.mpf("0.16"),
        lambda z: z / mp.digamma(1 / mp.sqrt(z)),
        {"f64": 13, "f32": 4},
    ),
]


def fit(entry: Fit, dtype: str) -> list[Real]:
    """The rounded coefficients, lowest first."""
    count = entry.terms[dtype]
    points = chebyshev_points(entry.low, entry.high, 4 * count)
    weights = [entry.weight(x) for x in points]
    wanted = [entry.function(x) * w for x, w in zip(points, weights, strict=True)]
    columns = [[x**power * w for x, w in zip(points, weights, strict=True)] for power in range(count)]
    coefficients: list[Real] = []
    for power in range(count):
        coefficient = rounded(solve(columns[power:], wanted)[0], BITS[dtype])
        coefficients.append(coefficient)
        wanted = [value - coefficient * column for value, column in zip(wanted, columns[power], strict=True)]
    return coefficients


def worst(entry: Fit, coefficients: list[Real]) -> Real:
    """The largest weighted error on a fine grid."""
    points = chebyshev_points(entry.low, entry.high, 301)
    return max(abs((mp.polyval(coefficients[::-1], x) - entry.function(x)) * entry.weight(x)) for x in points)


def chebyshev_points(low: Real, high: Real, count: int) -> list[Real]:
    """Points of an interval, denser at its ends."""
    middle, half = (low + high) / 2, (high - low) / 2
    return [middle + half * mp.cos(mp.pi * (2 * k + 1) / (2 * count)) for k in range(count)]


def solve(columns: list[list[Real]], wanted: list[Real]) -> list[Real]:
    """Least squares by the normal equations, which this many digits can afford."""
    with mp.workdps(120):
        normal = mp.matrix([[mp.fdot(left, right) for right in columns] for left in columns])
        return list(mp.lu_solve(normal, mp.matrix([mp.fdot(column, wanted) for column in columns])))


def rounded(value: Real, bits: int) -> Real:
    """The nearest number with so many bits."""
    with mp.workprec(bits):
        return +value


# How 1 / (2 pi) is cut for the reduction of large angles, see exprc/scalar/large_angle.py.
FIRST_EXPONENT, WINDOW_BITS, WINDOWS, WORDS, SCALE = 26, 98, 11, 5, 300
PART_BITS, PARTS = 29, 7


def turn_windows() -> list[list[Real]]:
    """For each range of exponents of x: 1 / (2 pi) without the bits that make whole turns of x, in words of 53 bits."""
    windows = []
    with mp.workprec(1600):
        turns = 1 / (2 * mp.pi)
        for window in range(WINDOWS):
            unit = mp.mpf(2) ** (53 - 1 - FIRST_EXPONENT - WINDOW_BITS * window)
            windows.append([word * mp.mpf(2) ** SCALE for word in words(turns - mp.floor(turns / unit) * unit, WORDS)])
    return windows


def words(value: Real, count: int) -> list[Real]:
    """The value as a sum of numbers of 53 bits."""
    result = []
    for _ in range(count):
        result.append(rounded(value, BITS["f64"]))
        value -= result[-1]
    return result


def turn_parts() -> list[Real]:
    """1 / (2 pi) in parts of so few bits that their products with an f32 are exact in f64."""
    parts = []
    with mp.workprec(400):
        rest, unit = 1 / (2 * mp.pi), mp.mpf(1)
        for _ in range(PARTS):
            unit *= mp.mpf(2) ** -PART_BITS
            parts.append(mp.floor(rest / unit) * unit)
            rest -= parts[-1]
    return parts


HEADER = '''"""Polynomial coefficients of the vector math, lowest power first, in hexadecimal.

Written by tools/coefficients.py: change it there.
"""

from __future__ import annotations

'''


def module(fits: list[Fit]) -> str:
    """The text of a module; prints the error of each fit."""
    text = HEADER
    for entry in fits:
        text += f"# {entry.meaning}\n{entry.name} = {{\n"
        for dtype in entry.terms:
            coefficients = fit(entry, dtype)
            bits = mp.nstr(mp.log(worst(entry, coefficients), 2), 5)
            sys.stdout.write(f"{entry.name:12} {dtype} {len(coefficients):3} terms, error {bits} bits\n")
            text += f'    "{dtype}": (\n' + "".join(f'        "{float(c).hex()}",\n' for c in coefficients) + "    ),\n"
        text += "}\n\n"
    return text


def main() -> None:
    """Fits everything and writes the modules: one for what most programs need, and one for the gamma functions."""
    text = module(FITS)
    text += (
        "# 1 / (2 pi) times 2^300 for the reduction of large f64, a row for each range of 98 exponents from 2^26 on\n"
    )
    text += "TURN_WINDOWS = (\n"
    for window in turn_windows():
        text += "    (\n" + "".join(f'        "{float(word).hex()}",\n' for word in window) + "    ),\n"
    text += ")\n\n# 1 / (2 pi) in parts of 29 bits, for large f32\nTURN_PARTS = (\n"
    text += "".join(f'    "{float(part).hex()}",\n' for part in turn_parts()) + ")\n"
    (FOLDER / "coefficients.py").write_text(text)
    (FOLDER / "gamma_coefficients.py").write_text(module(GAMMA_FITS).rstrip() + "\n")


if __name__ == "__main__":
    sys.exit(main())
