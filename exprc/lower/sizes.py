"""Sizes as code: each polynomial is computed once, in a function's entry.

Must not know kernels; indices with loop variables are in `address`.
"""

from __future__ import annotations

from collections.abc import Mapping

from exprc.ir.sizes import Atom, Size
from exprc.lower.emit import Function

Dims = Mapping[str, str]
Atoms = Mapping[Atom, str]


def size_value(function: Function, dims: Dims, size: Size) -> str:
    """The size as an i64, computed on entry; `dims` holds the parameters by the names of the dims."""
    values: dict[Atom, str] = {}
    for atom in _atoms_in_order(size):
        left, right = (_polynomial(function, dims, argument, values) for argument in atom.arguments)
        if atom.kind == "floordiv":
            values[atom] = floor_division(function.entry_value, left, right)
        else:
            values[atom] = _extreme(function, atom.kind, left, right)
    return _polynomial(function, dims, size, values)


def magnitude(function: Function, dims: Dims, sizes: tuple[Size, ...], factor: int) -> str:
    """A bound of `factor` times the product of the sizes' magnitudes, as a double, on entry.

    Every intermediate result of the product and of the polynomials in it is within the bound.
    """
    total = _double(factor)
    for size in sizes:
        values: dict[Atom, str] = {}
        for atom in _atoms_in_order(size):
            left, right = (_bound(function, dims, argument, values) for argument in atom.arguments)
            both = function.entry_value(f"fadd double {left}, {right}")
            values[atom] = left if atom.kind == "floordiv" else both
        bound = _bound(function, dims, size, values)
        total = function.entry_value(f"fmul double {total}, {bound}")
    return total


def floor_division(emit, left: str, right: str) -> str:  # type: ignore[no-untyped-def]
    """`left // right` of i64 towards minus infinity; by zero, which only happens where nothing is read, as by one."""
    zero = emit(f"icmp eq i64 {right}, 0")
    divisor = emit(f"select i1 {zero}, i64 1, i64 {right}")
    quotient = emit(f"sdiv i64 {left}, {divisor}")
    remainder = emit(f"srem i64 {left}, {divisor}")
    inexact = emit(f"icmp ne i64 {remainder}, 0")
    signs = emit(f"xor i64 {remainder}, {divisor}")
    differ = emit(f"icmp slt i64 {signs}, 0")
    down = emit(f"and i1 {inexact}, {differ}")
    correction = emit(f"sext i1 {down} to i64")
    return emit(f"add i64 {quotient}, {correction}")  # type: ignore[no-any-return]


def _atoms_in_order(size: Size) -> list[Atom]:
    """The atoms of a size, each after those within it."""
    found: dict[Atom, None] = {}
    pending: list[tuple[Size | Atom, bool]] = [(size, False)]
    while pending:
        item, visited = pending.pop()
        if isinstance(item, Atom):
            if visited:
                found.setdefault(item)
            elif item not in found:
                pending.append((item, True))
                pending.extend((argument, False) for argument in item.arguments)
            continue
        for monomial, _ in item.terms:
            pending.extend((atom, False) for atom, _ in monomial if isinstance(atom, Atom))
    return list(found)


def _polynomial(function: Function, dims: Dims, size: Size, atoms: Atoms) -> str:
    total = ""
    rest = 0
    for monomial, coefficient in size.terms:
        if not monomial:
            rest = coefficient
            continue
        term = ""
        for atom, power in monomial:
            factor = dims[atom] if isinstance(atom, str) else atoms[atom]
            for _ in range(power):
                term = function.entry_value(f"mul i64 {term}, {factor}") if term else factor
        if coefficient != 1:
            term = function.entry_value(f"mul i64 {term}, {coefficient}")
        total = function.entry_value(f"add i64 {total}, {term}") if total else term
    if not total:
        return str(rest)
    return function.entry_value(f"add i64 {total}, {rest}") if rest else total


def _bound(function: Function, dims: Dims, size: Size, atoms: Atoms) -> str:
    total = ""
    for monomial, coefficient in size.terms:
        term = _double(abs(coefficient))
        for atom, power in monomial:
            factor = atoms[atom] if isinstance(atom, Atom) else ""
            factor = factor or function.entry_value(f"uitofp i64 {dims[atom]} to double")  # type: ignore[index]
            for _ in range(power):
                term = function.entry_value(f"fmul double {term}, {factor}")
        total = function.entry_value(f"fadd double {total}, {term}") if total else term
    return total or _double(0)


def _extreme(function: Function, kind: str, left: str, right: str) -> str:
    first = function.entry_value(f"icmp {'slt' if kind == 'min' else 'sgt'} i64 {left}, {right}")
    return function.entry_value(f"select i1 {first}, i64 {left}, i64 {right}")


def _double(value: int) -> str:
    return f"{float(value):.1f}" if value < 2**53 else "1.0e300"
