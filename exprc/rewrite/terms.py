"""Polynomials as data: sums of terms over numbered atoms, with negative powers for divisors.

Owns their arithmetic, bounded in size and in the range of coefficients; what leaves the bounds is None.  Must not know
graphs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

Monomial = tuple[tuple[int, int], ...]  # (number of an atom, its power), sorted; the empty one is 1
Polynomial = dict[Monomial, float]

MOST_TERMS, MOST_POWER = 24, 4
# Coefficients stay far from where either float format over- or underflows.
LEAST, GREATEST = 1e-30, 1e30
ONE_TERM: Monomial = ()


def constant(value: float) -> Polynomial | None:
    """A number; None where it is none that may be a coefficient."""
    if value == 0:
        return {}
    return {ONE_TERM: value} if _in_range(value) else None


def atom(number: int) -> Polynomial:
    """One atom."""
    return {((number, 1),): 1.0}


def negated(polynomial: Polynomial) -> Polynomial:
    """The terms with their signs changed."""
    return {monomial: -coefficient for monomial, coefficient in polynomial.items()}


def added(left: Polynomial, right: Polynomial) -> Polynomial | None:
    """The sum; terms that cancel vanish."""
    total = dict(left)
    for monomial, coefficient in right.items():
        if not _accumulate(total, monomial, coefficient):
            return None
    return total if len(total) <= MOST_TERMS else None


def multiplied(left: Polynomial, right: Polynomial) -> Polynomial | None:
    """The product, multiplied out."""
    if len(left) * len(right) > 4 * MOST_TERMS:
        return None
    total: Polynomial = {}
    for m, a in left.items():
        for n, b in right.items():
            if not _in_range(a * b) or not _accumulate(total, times(m, n), tidy(a * b)):
                return None
    return total if len(total) <= MOST_TERMS else None


def raised(polynomial: Polynomial, exponent: int) -> Polynomial | None:
    """A polynomial of one term to a power, which may be negative; None for others."""
    if len(polynomial) != 1:
        return None
    ((monomial, coefficient),) = polynomial.items()
    try:
        value = coefficient**exponent
    except OverflowError:
        return None
    return {power_of(monomial, exponent): tidy(value)} if _in_range(value) else None


def times(left: Monomial, right: Monomial) -> Monomial:
    """The product of two terms without coefficients."""
    powers = dict(left)
    for number, power in right:
        powers[number] = powers.get(number, 0) + power
    return tuple(sorted((number, power) for number, power in powers.items() if power))


def power_of(monomial: Monomial, exponent: int) -> Monomial:
    """A term without coefficient to a power."""
    return tuple((number, power * exponent) for number, power in monomial) if exponent else ONE_TERM


def divided(polynomial: Polynomial, monomial: Monomial, coefficient: float) -> Polynomial:
    """Each term divided by one."""
    inverse = power_of(monomial, -1)
    return {times(m, inverse): tidy(c / coefficient) for m, c in polynomial.items()}


def common_factor(polynomial: Polynomial) -> Monomial:
    """The factors and divisors that all terms share."""
    monomials = iter(polynomial)
    shared = dict(next(monomials, ONE_TERM))
    for monomial in monomials:
        powers = dict(monomial)
        shared = {n: min(p, powers[n], key=abs) for n, p in shared.items() if p * powers.get(n, 0) > 0}
    return tuple(sorted(shared.items()))


def met(polynomial: Polynomial, plain: Mapping[int, int]) -> Polynomial:
    """The terms with atoms that stand beside sums of nothing as `plain` ones, where the two meet.

    With nothing to sum the term of such an atom is 0, so that what it would be multiplied with plays no part where
    another term has the same factor plainly, or is the same but for it.
    """
    if not plain:
        return polynomial
    settled = {monomial: _settled(monomial, plain) for monomial in polynomial}
    forms: dict[Monomial, Monomial] = {}
    for monomial in settled.values():
        form = _plainly(monomial, plain)
        forms[form] = monomial if forms.get(form, monomial) == monomial else form
    total: Polynomial = {}
    for monomial, coefficient in polynomial.items():
        if not _accumulate(total, forms[_plainly(settled[monomial], plain)], coefficient):
            return polynomial
    for number, other in plain.items():
        total = _met_in_all(total, number, other)
    return total or polynomial


def _plainly(monomial: Monomial, plain: Mapping[int, int]) -> Monomial:
    """The term without regard to sums of nothing."""
    total = ONE_TERM
    for number, power in monomial:
        total = times(total, ((plain.get(number, number), power),))
    return total


def _settled(monomial: Monomial, plain: Mapping[int, int]) -> Monomial:
    """A factor over itself is 1, whichever of the two stands beside a sum."""
    powers = dict(monomial)
    for number, other in plain.items():
        beside, power = powers.get(number, 0), powers.get(other, 0)
        if beside * power < 0:
            left = beside + power
            powers[number], powers[other] = (left, 0) if abs(beside) > abs(power) else (0, left)
    return tuple(sorted((number, power) for number, power in powers.items() if power))


def _met_in_all(polynomial: Polynomial, number: int, other: int) -> Polynomial:
    """As many factors as all terms share made plain, unless all share them as they are."""
    powers = [(dict(monomial).get(number, 0), dict(monomial).get(other, 0)) for monomial in polynomial]
    sign = 1 if any(beside > 0 for beside, _ in powers) else -1
    shared = min((sign * (beside + power) for beside, power in powers), default=0)
    if shared <= 0 or all(sign * beside >= shared for beside, _ in powers):
        return polynomial
    total: Polynomial = {}
    for (monomial, coefficient), (_, power) in zip(polynomial.items(), powers):
        moved = sign * max(shared - sign * power, 0)
        if not _accumulate(total, times(monomial, tuple(sorted(((number, -moved), (other, moved))))), coefficient):
            return polynomial
    return total


def content(polynomial: Polynomial) -> float:
    """The number that divides all coefficients (of integers the greatest); negative where no term is positive."""
    sizes = [abs(c) for c in polynomial.values()]
    if len(set(sizes)) == 1:
        shared = sizes[0]
    elif all(size < 2**53 and size == int(size) for size in sizes):
        shared = float(math.gcd(*map(int, sizes)))
    else:
        shared = 1.0
    return shared if any(c > 0 for c in polynomial.values()) else -shared


def divisors(polynomial: Polynomial) -> dict[int, int]:
    """The atoms by which some term is divided, with their least (negative) powers."""
    least: dict[int, int] = {}
    for monomial in polynomial:
        for number, power in monomial:
            if power < least.get(number, 0):
                least[number] = power
    return least


def over_common_denominator(
    polynomial: Polynomial, sums: Mapping[int, Polynomial]
) -> tuple[Polynomial, Monomial] | None:
    """The numerator and the inverse of the product of all divisors; those that are `sums` are multiplied out above."""
    below = divisors(polynomial)
    if len(polynomial) < 2 or not below:
        return None
    total: Polynomial | None = {}
    for monomial, coefficient in polynomial.items():
        powers = dict(monomial)
        above: Polynomial | None = {tuple((n, p) for n, p in monomial if n not in below): coefficient}
        for number, least in below.items():
            for _ in range(powers.get(number, 0) - least):
                above = multiplied(above, sums.get(number) or atom(number)) if above is not None else None
        total = added(total, above) if total is not None and above is not None else None
    return (total, tuple(sorted(below.items()))) if total is not None else None


def atoms_of(monomials: Iterable[Monomial]) -> set[int]:
    """The numbers of all atoms that occur in a polynomial."""
    return {number for monomial in monomials for number, _ in monomial}


def tidy(value: float) -> float:
    """The decimal number of few digits that a coefficient was meant to be, within two ulp: 0.1 * 3 is 0.3."""
    short = float(f"{value:.13g}")
    return short if abs(short - value) <= 5e-16 * abs(value) else value


def as_ratio(value: float, is_short: bool = False) -> tuple[int, int] | None:
    """A positive number that needs many digits as a fraction of small integers, else None: 0.666… is 2/3.

    `is_short` says that it was rounded to f32.
    """
    if not value < math.inf:
        return None
    digits, slack = (6, 6e-8 * value) if is_short else (10, 5e-16 * value)
    if abs(float(f"{value:.{digits}g}") - value) <= slack:
        return None
    for denominator in range(3, 100):
        numerator = round(value * denominator)
        if 0 < numerator < 1000 and abs(numerator / denominator - value) <= slack:
            return numerator, denominator
    return None


def _accumulate(total: Polynomial, monomial: Monomial, coefficient: float) -> bool:
    """Adds a term; False where its coefficient leaves the range."""
    value = tidy(total.get(monomial, 0.0) + coefficient)
    if value and _in_range(value):
        total[monomial] = value
        return True
    total.pop(monomial, None)
    return not value


def _in_range(value: float) -> bool:
    return LEAST <= abs(value) <= GREATEST
