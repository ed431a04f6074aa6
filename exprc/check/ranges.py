"""What index expressions come to over the ranges of their indices: bounds, and where these are certain.

Owns the proofs.  An index is a dim of a name that no program can have; its range is given in terms of indices before
it.  Must not know expressions or arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from exprc.check.facts import always_negative, never_negative
from exprc.ir.index import Affine, Variable
from exprc.ir.sizes import ONE, ZERO, Atom, Size, constant, dim, floordiv, maximum, minimum

MARK = "#"  # in the names of indices
MOST_TRIES = 200


class Range(NamedTuple):
    """`low <= index < high`."""

    low: Size
    high: Size


Ranges = Mapping[str, Range]


def indices_in(size: Size) -> frozenset[str]:
    """The indices that an expression depends on."""
    return frozenset(name for name in size.dims() if MARK in name)


def affine(size: Size) -> Affine | None:
    """The expression as a sum of indices with sizes as coefficients; None where it is none."""
    terms: dict[Variable, Size] = {}
    rest = ZERO
    for monomial, coefficient in size.terms:
        names = [(atom, power) for atom, power in monomial if indices_in(Size((((((atom, 1),), 1)),)))]
        if not names:
            rest = rest + Size(((monomial, coefficient),))
            continue
        (name, power), *more = names
        if more or power != 1 or not isinstance(name, str):
            return None
        others = tuple(factor for factor in monomial if factor[0] != name)
        terms[name] = terms.get(name, ZERO) + Size(((others, coefficient),))
    return Affine(tuple(terms.items()), rest)


def least(size: Size, ranges: Ranges, known: Sequence[Size] = ()) -> Iterator[Size]:
    """Sizes that the expression is not below, wherever its indices lie and all of `known` is at least 0.

    The first one is found without `known` and is taken on, if any index is in range.
    """
    pending = [size]
    tries = 0
    while pending and tries < MOST_TRIES:
        tries += 1
        current = _canonical(pending.pop())
        indices = indices_in(current)
        if not indices:
            yield current
            continue
        name = max(indices, key=list(ranges).index)
        step = _canonical(current.substitute({name: dim(name) + 1}) - current)
        ends = _ends(name, step, ranges, known)
        pending.extend(current.substitute({name: end}) for end in reversed(ends))


def is_certain(size: Size, ranges: Ranges, known: Sequence[Size] = ()) -> bool:
    """Whether the expression is never negative."""
    return any(never_negative(bound) for bound in least(size, ranges, known))


def is_never(size: Size, ranges: Ranges) -> bool:
    """Whether the expression is certainly negative somewhere, unless there is nothing to be indexed."""
    first = next(least(size, ranges), None)
    return first is not None and always_negative(first)


def _ends(name: str, step: Size, ranges: Ranges, known: Sequence[Size]) -> list[Size]:
    """The values of an index at which what changes by `step` is least."""
    low, high = ranges[name]
    positive = {one: Range(ZERO, ZERO) for one in ranges if never_negative(ranges[one].low)}
    if _never_negative(step, positive):
        return [low, *_bounds(name, known, ONE)]
    if _never_negative(-step, positive):
        return [high - 1, *_bounds(name, known, -ONE)]
    return []


def _never_negative(size: Size, positive: Mapping[str, object]) -> bool:
    return never_negative(size) and all(name in positive for name in indices_in(size))


def _bounds(name: str, known: Sequence[Size], sign: Size) -> list[Size]:
    """What `known` says of an index: that it is at least (sign 1) or at most (sign -1) something."""
    found = []
    for fact in known:
        parts = affine(fact)
        if parts is not None and parts.coefficient(name) == sign:
            found.append((fact - dim(name) * sign) * -sign)
    return found


def _canonical(size: Size) -> Size:
    """The expression with whole multiples taken out of its divisions, so that equal ones meet."""
    total = ZERO
    for monomial, coefficient in size.terms:
        term = constant(coefficient)
        for atom, power in monomial:
            factor = dim(atom) if isinstance(atom, str) else _taken_apart(atom)
            for _ in range(power):
                term = term * factor
        total = total + term
    return total


def _taken_apart(atom: Atom) -> Size:
    left, right = atom.arguments
    if atom.kind != "floordiv":
        return (minimum if atom.kind == "min" else maximum)(left, right)
    divisor = right.constant
    if not divisor or divisor < 0:
        return floordiv(left, right)
    whole = Size(tuple((monomial, c // divisor) for monomial, c in left.terms if c // divisor))
    return floordiv(left - whole * divisor, right) + whole
