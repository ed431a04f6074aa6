"""The reduction of large angles: x / (2 pi) without whole turns, by bits of 1 / (2 pi) enough for every x.

Bits of 1 / (2 pi) so high that their product with the last bit of x is a whole turn do not count, and bits far below do
not matter; those between are five words of 53 bits, chosen by the exponent of x.  All products are taken with their
errors, and sums with theirs, so that r is accurate to its last place even where x is next to a multiple of pi/2.
"""

from __future__ import annotations

from typing import NamedTuple

from exprc.ir.types import F32, F64
from exprc.scalar.builder import Builder
from exprc.scalar.coefficients import TURN_PARTS, TURN_WINDOWS
from exprc.scalar.formats import FORMATS, constants, two_product, two_sum

FIRST_EXPONENT, WINDOW_BITS, SCALE = 26, 98, 300
TWO_PI = ("0x1.921fb54442d18p+2", "0x1.1a62633145c07p-52")


class Turned(NamedTuple):
    """The angle r as the sum of two numbers, and an integer whose low bits are those of k, where x = k pi/2 + r."""

    remainder: int
    low: int
    quarters: int


def reduce_large(b: Builder, x: int) -> Turned:
    """For x >= 2^26 (f64), x >= 2^13 (f32); NaN for infinity."""
    return _reduce_f32(b, x) if b.dtype(x) == F32 else _reduce_f64(b, x)


def _reduce_f64(b: Builder, x: int) -> Turned:
    (down,) = constants(b, x, 2.0**-SCALE)
    first, second, third, fourth, fifth = _words(b, x)
    x = b.mul(x, down)
    (p, p_low), (q, q_low), (r, r_low) = (two_product(b, x, word) for word in (first, second, third))
    s, s_low = two_product(b, x, fourth)
    terms = [*(_fraction(b, term) for term in (p, p_low, q, q_low, r)), r_low, s]
    total, rest = two_sum(b, terms[0], terms[1])
    for term in terms[2:]:
        total, error = two_sum(b, total, term)
        rest = b.add(rest, error)
    quarters, total = _nearest_quarter(b, total)
    total, rest = two_sum(b, total, rest)
    total, rest = two_sum(b, total, b.add(rest, b.fma(x, fifth, s_low)))
    two_pi, two_pi_low = constants(b, x, *TWO_PI)
    angle, angle_low = two_product(b, total, two_pi)
    return Turned(angle, b.fma(total, two_pi_low, b.fma(rest, two_pi, angle_low)), b.bitcast(quarters))


def _reduce_f32(b: Builder, x: int) -> Turned:
    """In f64, where the products are exact, and the sums nearly so."""
    wide = b.convert(F64, x)
    terms = [b.mul(wide, b.const(F64, part)) for part in TURN_PARTS]
    total = _fraction(b, terms[0])
    for index, term in enumerate(terms[1:]):
        total = b.add(total, _fraction(b, term) if index < 4 else term)
    shifted, total = _nearest_quarter(b, total)
    angle = b.mul(total, b.const(F64, TWO_PI[0]))
    remainder = b.convert(F32, angle)
    low = b.convert(F32, b.sub(angle, b.convert(F64, remainder)))
    quarters = b.convert(F32, b.sub(shifted, b.const(F64, FORMATS[F64].magic)))
    return Turned(remainder, low, b.bitcast(b.add(quarters, b.const(F32, FORMATS[F32].magic))))


def _words(b: Builder, x: int) -> list[int]:
    words = constants(b, x, *TURN_WINDOWS[0])
    for index, window in enumerate(TURN_WINDOWS[1:], 1):
        reached = b.le(b.const(F64, 2.0 ** (FIRST_EXPONENT + WINDOW_BITS * index)), x)
        words = [b.select(reached, b.const(F64, there), here) for there, here in zip(window, words, strict=True)]
    return words


def _fraction(b: Builder, x: int) -> int:
    return b.sub(x, b.trunc(x))


def _nearest_quarter(b: Builder, turns: int) -> tuple[int, int]:
    """A float whose low bits are the nearest number of quarters, and the turns without them."""
    four, minus_quarter, shifter = constants(b, turns, 4.0, -0.25, FORMATS[F64].magic)
    shifted = b.fma(turns, four, shifter)
    return shifted, b.fma(b.sub(shifted, shifter), minus_quarter, turns)
