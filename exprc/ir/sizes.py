"""Sizes: integer polynomials over dims and the atoms `a // b`, `min`, `max`, in a normal form.

Two sizes are equal when their normal forms are; `n + 1` and `1 + n` are the same object's value.  Knows nothing of
arrays or programs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias


class Atom(NamedTuple):
    """An indivisible integer function of sizes: `floordiv` (two arguments), `min`, `max` (two)."""

    kind: str
    arguments: tuple[Size, ...]


AtomLike: TypeAlias = str | Atom
Monomial: TypeAlias = tuple[tuple[AtomLike, int], ...]


class Size:
    """An immutable polynomial: `terms` is a sorted tuple of (monomial, non-zero coefficient)."""

    __slots__ = ("_hash", "terms")

    def __init__(self, terms: tuple[tuple[Monomial, int], ...]) -> None:
        self.terms = terms
        self._hash = hash(terms)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Size) and self._hash == other._hash and self.terms == other.terms)

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"Size({self})"

    def __str__(self) -> str:
        return show_size(self)

    def __add__(self, other: Size | int) -> Size:
        return _from_dict(_accumulate(dict(self.terms), as_size(other).terms, 1))

    __radd__ = __add__

    def __neg__(self) -> Size:
        return Size(tuple((monomial, -coefficient) for monomial, coefficient in self.terms))

    def __sub__(self, other: Size | int) -> Size:
        return _from_dict(_accumulate(dict(self.terms), as_size(other).terms, -1))

    def __rsub__(self, other: int) -> Size:
        return as_size(other) - self

    def __mul__(self, other: Size | int) -> Size:
        product: dict[Monomial, int] = {}
        for left, a in self.terms:
            for right, b in as_size(other).terms:
                monomial = _multiply(left, right)
                product[monomial] = product.get(monomial, 0) + a * b
        return _from_dict(product)

    __rmul__ = __mul__

    @property
    def constant(self) -> int | None:
        """The value where it does not depend on any dim, else None."""
        if not self.terms:
            return 0
        if len(self.terms) == 1 and not self.terms[0][0]:
            return self.terms[0][1]
        return None

    @property
    def symbol(self) -> str | None:
        """The dim where the size is one dim and nothing else, else None."""
        if len(self.terms) == 1:
            (monomial, coefficient) = self.terms[0]
            if coefficient == 1 and len(monomial) == 1 and monomial[0][1] == 1 and isinstance(monomial[0][0], str):
                return monomial[0][0]
        return None

    def dims(self) -> frozenset[str]:
        """The names of all dims on which the size depends."""
        found: set[str] = set()
        pending = [self]
        while pending:
            for monomial, _ in pending.pop().terms:
                for atom, _ in monomial:
                    if isinstance(atom, str):
                        found.add(atom)
                    else:
                        pending.extend(atom.arguments)
        return frozenset(found)

    def evaluate(self, values: Mapping[str, int]) -> int:
        """The integer for given dims.  KeyError names a dim without a value."""
        total = 0
        for monomial, coefficient in self.terms:
            for atom, power in monomial:
                coefficient *= (values[atom] if isinstance(atom, str) else _evaluate_atom(atom, values)) ** power
            total += coefficient
        return total

    def substitute(self, values: Mapping[str, Size]) -> Size:
        """The size with dims replaced by sizes."""
        total = ZERO
        for monomial, coefficient in self.terms:
            term = constant(coefficient)
            for atom, power in monomial:
                if isinstance(atom, str):
                    factor = values.get(atom) or dim(atom)
                else:
                    factor = _build_atom(atom.kind, *(a.substitute(values) for a in atom.arguments))
                for _ in range(power):
                    term = term * factor
            total = total + term
        return total


def constant(value: int) -> Size:
    """The size that is this integer."""
    return Size((((), value),)) if value else ZERO


def dim(name: str) -> Size:
    """The size that is this dim."""
    return Size(((((name, 1),), 1),))


def as_size(value: Size | int | str) -> Size:
    """An integer, a dim's name or a size as a size."""
    if isinstance(value, Size):
        return value
    return constant(value) if isinstance(value, int) else dim(value)


def product(sizes: tuple[Size, ...]) -> Size:
    """The product of sizes; 1 for none."""
    total = ONE
    for size in sizes:
        total = total * size
    return total


def floordiv(left: Size, right: Size) -> Size:
    """`left // right` (towards minus infinity); simplified where the division is exact."""
    exact = divide_exactly(left, right)
    if exact is not None:
        return exact
    a, b = left.constant, right.constant
    if a is not None and b:
        return constant(a // b)
    return _atom("floordiv", left, right)


def divide_exactly(left: Size, right: Size) -> Size | None:
    """The quotient where `right` is one term that divides every term of `left`, else None."""
    if left == right and right.terms:
        return ONE
    if len(right.terms) != 1:
        return None
    divisor, by = right.terms[0]
    quotient: dict[Monomial, int] = {}
    for monomial, coefficient in left.terms:
        powers = dict(monomial)
        for atom, power in divisor:
            powers[atom] = powers.get(atom, 0) - power
        if coefficient % by or any(power < 0 for power in powers.values()):
            return None
        quotient[_normal((atom, power) for atom, power in powers.items() if power)] = coefficient // by
    return _from_dict(quotient)


def minimum(left: Size, right: Size) -> Size:
    """The smaller of two sizes."""
    return _build_atom("min", left, right)


def maximum(left: Size, right: Size) -> Size:
    """The larger of two sizes."""
    return _build_atom("max", left, right)


def show_size(size: Size) -> str:
    """The size as LANGUAGE.md writes it: `2*n + 1`."""
    if len(size.terms) == 1 and size.terms[0][1] == 1 and len(size.terms[0][0]) == 1:
        (atom, power), *_ = size.terms[0][0]
        if power == 1 and not isinstance(atom, str) and atom.kind == "floordiv":
            return _show_quotient(atom)
    parts: list[str] = []
    for monomial, coefficient in sorted(size.terms, key=_order_of_terms):
        factors = [_show_atom(atom) + (f"^{power}" if power > 1 else "") for atom, power in monomial]
        if abs(coefficient) != 1 or not factors:
            factors.insert(0, str(abs(coefficient)))
        sign = ("- " if coefficient < 0 else "+ ") if parts else ("-" if coefficient < 0 else "")
        parts.append(sign + "*".join(factors))
    return " ".join(parts) or "0"


def _order_of_terms(term: tuple[Monomial, int]) -> tuple[bool, bool, str]:
    """Numbers last, and before them what is taken away."""
    monomial, coefficient = term
    return not monomial, coefficient < 0, str(term)


def _show_atom(atom: AtomLike) -> str:
    if isinstance(atom, str):
        return atom
    if atom.kind == "floordiv":
        return f"({_show_quotient(atom)})"
    left, right = (show_size(a) for a in atom.arguments)
    return f"{atom.kind}({left}, {right})"


def _show_quotient(atom: Atom) -> str:
    shown = [show_size(a) for a in atom.arguments]
    left, right = (f"({text})" if any(sign in text for sign in " */") else text for text in shown)
    return f"{left}//{right}"


def _build_atom(kind: str, left: Size, right: Size) -> Size:
    if kind == "floordiv":
        return floordiv(left, right)
    if left == right:
        return left
    difference = (left - right).constant
    if difference is not None:
        return (left if difference < 0 else right) if kind == "min" else (right if difference < 0 else left)
    first, second = sorted((left, right), key=str)
    return _atom(kind, first, second)


def _atom(kind: str, left: Size, right: Size) -> Size:
    return Size(((((Atom(kind, (left, right)), 1),), 1),))


def _evaluate_atom(atom: Atom, values: Mapping[str, int]) -> int:
    left, right = (argument.evaluate(values) for argument in atom.arguments)
    if atom.kind == "floordiv":
        return left // right
    return min(left, right) if atom.kind == "min" else max(left, right)


def _accumulate(
    total: dict[Monomial, int], terms: tuple[tuple[Monomial, int], ...], sign: int
) -> dict[Monomial, int]:
    for monomial, coefficient in terms:
        total[monomial] = total.get(monomial, 0) + sign * coefficient
    return total


def _multiply(left: Monomial, right: Monomial) -> Monomial:
    if not left:
        return right
    if not right:
        return left
    powers = dict(left)
    for atom, power in right:
        powers[atom] = powers.get(atom, 0) + power
    return _normal(powers.items())


def _normal(factors) -> Monomial:  # type: ignore[no-untyped-def]
    return tuple(sorted(factors, key=lambda factor: str(factor[0])))


def _from_dict(terms: dict[Monomial, int]) -> Size:
    kept = [(monomial, coefficient) for monomial, coefficient in terms.items() if coefficient]
    if len(kept) > 1:
        kept.sort(key=lambda term: str(term[0]))
    return Size(tuple(kept))


ZERO = Size(())
ONE = Size((((), 1),))
