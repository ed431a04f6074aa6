"""Index maps: where a view reads its argument, as integer expressions of the axes of its result.

Owns the small algebra of affine index expressions (with exact floor divisions as further atoms) and their
composition.  Knows nothing of arrays or memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from exprc.ir.sizes import ONE, ZERO, Size, as_size, divide_exactly


class Quotient(NamedTuple):
    """`numerator // divisor` as an atom of an index expression."""

    numerator: Affine
    divisor: Size


Variable: TypeAlias = int | str | Quotient


class Affine(NamedTuple):
    """The sum of `coefficient * variable` over `terms`, plus `constant`.

    A variable is the number of a result axis in a view's map, the name of a loop variable in a kernel, or a quotient.
    Each variable occurs once, in order of first use.
    """

    terms: tuple[tuple[Variable, Size], ...]
    constant: Size = ZERO

    @property
    def only_variable(self) -> Variable | None:
        """The variable where the expression is just that variable, else None."""
        if len(self.terms) == 1 and self.terms[0][1] == ONE and self.constant == ZERO:
            return self.terms[0][0]
        return None

    def plus(self, other: Affine, factor: Size = ONE) -> Affine:
        """`self + factor * other`."""
        total: dict[Variable, Size] = dict(self.terms)
        for variable, coefficient in other.terms:
            total[variable] = total.get(variable, ZERO) + coefficient * factor
        terms = tuple((variable, coefficient) for variable, coefficient in total.items() if coefficient != ZERO)
        return Affine(terms, self.constant + other.constant * factor)

    def coefficient(self, variable: Variable) -> Size:
        """The coefficient of a variable; zero where it does not occur outside quotients."""
        for candidate, coefficient in self.terms:
            if candidate == variable:
                return coefficient
        return ZERO

    def substitute(self, values: Mapping[Variable, Affine]) -> Affine:
        """The expression with variables replaced."""
        total = Affine((), self.constant)
        for variable, coefficient in self.terms:
            total = total.plus(_substitute_variable(variable, values), coefficient)
        return total

    def variables(self) -> frozenset[int | str]:
        """All variables, those within quotients included."""
        found: set[int | str] = set()
        pending = [self]
        while pending:
            for variable, _ in pending.pop().terms:
                if isinstance(variable, Quotient):
                    pending.append(variable.numerator)
                else:
                    found.add(variable)
        return frozenset(found)


class Guard(NamedTuple):
    """A condition under which a view reads; elsewhere its value is zero.

    `0 <= position < extent`, and where `step` is not one, `position` is a multiple of it.
    """

    position: Affine
    extent: Size
    step: int = 1


class IndexMap(NamedTuple):
    """For each argument axis its index, and the guards that all have to hold."""

    indices: tuple[Affine, ...]
    guards: tuple[Guard, ...] = ()


def axis(variable: Variable) -> Affine:
    """The index that is one variable."""
    return Affine(((variable, ONE),))


def affine_constant(value: Size | int) -> Affine:
    """The index that does not depend on any variable."""
    return Affine((), as_size(value))


def quotient(numerator: Affine, divisor: Size) -> Affine:
    """`numerator // divisor`, divided out where every term is divisible."""
    parts = [(variable, divide_exactly(coefficient, divisor)) for variable, coefficient in numerator.terms]
    constant = divide_exactly(numerator.constant, divisor) if numerator.constant != ZERO else ZERO
    if constant is not None and all(part is not None for _, part in parts):
        return Affine(tuple((variable, part) for variable, part in parts if part is not None), constant)
    return axis(Quotient(numerator, divisor))


def compose(outer: IndexMap, inner: IndexMap) -> IndexMap:
    """The map of a view (`outer`, nearer to the reader) of a view (`inner`, nearer to the memory)."""
    values: dict[Variable, Affine] = dict(enumerate(outer.indices))
    indices = tuple(index.substitute(values) for index in inner.indices)
    guards = tuple(Guard(g.position.substitute(values), g.extent, g.step) for g in inner.guards)
    return IndexMap(indices, outer.guards + guards)


def identity_map(rank: int) -> IndexMap:
    """The map that reads each entry at its own index."""
    return IndexMap(tuple(axis(i) for i in range(rank)))


def _substitute_variable(variable: Variable, values: Mapping[Variable, Affine]) -> Affine:
    if isinstance(variable, Quotient):
        return quotient(variable.numerator.substitute(values), variable.divisor)
    return values.get(variable) or axis(variable)
