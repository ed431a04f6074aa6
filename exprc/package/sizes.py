"""Sizes as source text of the module.  Owns how `//`, `min` and `max` of sizes are spelt there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from exprc.ir.sizes import Atom, Size

Spell: TypeAlias = "Callable[[str, str, str], str]"  # kind, left, right -> text


def to_python(size: Size, names: Mapping[str, str] | None = None, functions: tuple[str, str] = ("min", "max")) -> str:
    """A Python expression over the dims.  `names` renames dims; `functions` are the names of `min` and `max`."""

    def spell(kind: str, left: str, right: str) -> str:
        if kind == "floordiv":
            return f"(({left}) // ({right}))"
        return f"{functions[0] if kind == 'min' else functions[1]}({left}, {right})"

    return _render(size, names or {}, spell)


def linear_dims(size: Size) -> tuple[str, ...]:
    """The dims for which the size can be solved: they stand in first powers only, outside of atoms, in some term."""
    solvable: list[str] = []
    barred: set[str] = set()
    for monomial, _ in size.terms:
        for atom, power in monomial:
            if not isinstance(atom, str):
                barred |= atom.arguments[0].dims() | atom.arguments[1].dims()
            elif power > 1:
                barred.add(atom)
            elif atom not in solvable:
                solvable.append(atom)
    return tuple(name for name in solvable if name not in barred)


def _render(size: Size, names: Mapping[str, str], spell: Spell) -> str:
    """Render atoms before what holds them, each once, with a stack of our own."""
    done: dict[Atom, str] = {}
    pending = _atoms(size)
    while pending:
        atom = pending[-1]
        inner = [] if atom in done else [a for part in atom.arguments for a in _atoms(part) if a not in done]
        if inner:
            pending.extend(inner)
            continue
        pending.pop()
        if atom not in done:
            left, right = (_polynomial(part, names, done) for part in atom.arguments)
            done[atom] = spell(atom.kind, left, right)
    return _polynomial(size, names, done)


def _atoms(size: Size) -> list[Atom]:
    return [atom for monomial, _ in size.terms for atom, _ in monomial if not isinstance(atom, str)]


def _polynomial(size: Size, names: Mapping[str, str], atoms: Mapping[Atom, str]) -> str:
    """The terms in the order in which the language shows them: constant last."""
    parts: list[str] = []
    for monomial, coefficient in sorted(size.terms, key=lambda term: not term[0]):
        factors: list[str] = []
        for atom, power in monomial:
            factors += [names.get(atom, atom) if isinstance(atom, str) else atoms[atom]] * power
        if abs(coefficient) != 1 or not factors:
            factors.insert(0, str(abs(coefficient)))
        sign = ("- " if coefficient < 0 else "+ ") if parts else ("-" if coefficient < 0 else "")
        parts.append(sign + "*".join(factors))
    return " ".join(parts) or "0"
