"""What the generator knows of types: dtypes, shapes of simple sizes, and the names in scope."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

F64, F32, I64, I32, BOOL = "f64", "f32", "i64", "i32", "bool"
FLOATS, INTEGERS = (F64, F32), (I64, I32)

# A dim ("" for none) and what is added to it: ("n", -1) is n - 1, ("", 3) is 3.
Extent: TypeAlias = tuple[str, int]
ONE: Extent = ("", 1)


def const(value: int) -> Extent:
    """A size that is a number."""
    return "", value


def size(extent: Extent) -> str:
    """The size as the language writes it."""
    name, offset = extent
    if not name:
        return str(offset)
    return name if not offset else f"{name} {'+' if offset > 0 else '-'} {abs(offset)}"


def bracketed(text: str) -> str:
    """An operand of any operator."""
    return text if text.isidentifier() or text.isdigit() else f"({text})"


class Kind(NamedTuple):
    """A dtype and a shape."""

    dtype: str
    shape: tuple[Extent, ...]

    @property
    def text(self) -> str:
        """As a declaration has it."""
        return self.dtype + (f"[{', '.join(map(size, self.shape))}]" if self.shape else "")


class Scope:
    """Names and their kinds, and those of the scope around."""

    def __init__(self, outer: Scope | None = None) -> None:
        self.outer = outer
        self._known: list[tuple[str, Kind, bool]] = []

    def add(self, name: str, kind: Kind, named: bool = False) -> None:
        """Another name; `named` ones can be differentiated by."""
        self._known.append((name, kind, named))

    def all(self) -> Iterator[tuple[str, Kind]]:
        """Every name, the newest first."""
        scope: Scope | None = self
        while scope is not None:
            for name, kind, _ in reversed(scope._known):
                yield name, kind
            scope = scope.outer

    def named(self) -> list[tuple[str, Kind]]:
        """What derivatives may name in this scope."""
        return [(name, kind) for name, kind, named in self._known if named]
