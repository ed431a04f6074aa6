"""An indexed form that is still open: its indices, what they run over, and what is read at places made of them.

Owns the records, what indexing notes in them, and the refusal of shapes that depend on an index.  Must not know
expressions or graphs.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from exprc.check.context import Context
from exprc.check.ranges import MARK, Range, indices_in
from exprc.check.scopes import Scope
from exprc.check.values import Value
from exprc.diagnostics import Label
from exprc.ir.sizes import Size
from exprc.source import Span
from exprc.syntax import ast


class Use(NamedTuple):
    """An axis that an index runs over: its size, where, and the labels of the array's owner."""

    extent: Size
    span: Span
    owner: tuple[Label, ...]


class Index:
    """An index: its name, the dim that stands for it, where it is named, and its range or what it runs over."""

    __slots__ = ("binder", "given", "name", "symbol", "uses")

    def __init__(self, name: str, symbol: str, binder: ast.IndexBinder, given: Range | None) -> None:
        self.name = name
        self.symbol = symbol
        self.binder = binder
        self.given = given
        self.uses: list[Use] = []


class Read(NamedTuple):
    """What is read of an axis at places made of indices: from `low` to before `high`, under the choices around it.

    `start` is what the view says of it; `narrowed` are the indices around it whose ranges depend on others.
    """

    start: Size
    low: Size
    high: Size
    extent: Size
    span: Span
    owner: tuple[Label, ...]
    scope: Scope
    narrowed: tuple[Index, ...]


class Choosing(NamedTuple):
    """A reduction that chooses an entry, of which there has to be one: its indices, and those around it."""

    name: str
    symbols: tuple[str, ...]
    around: tuple[str, ...]
    span: Span
    scope: Scope


class Form:
    """The outermost indexed form and all within: indices in order of declaration, what they read and choose."""

    __slots__ = ("choosing", "indices", "reads")

    def __init__(self) -> None:
        self.indices: dict[str, Index] = {}
        self.reads: list[Read] = []
        self.choosing: list[Choosing] = []


def narrowed(context: Context, scope: Scope) -> list[Index]:
    """The indices that are seen in a scope and whose ranges depend on others: nothing is computed outside of these."""
    found: list[Index] = []
    place: Scope | None = scope if context.form is not None else None
    while place is not None and context.form is not None:
        for binding in place.names.values():
            size = binding.value.size if binding.role == "index" and isinstance(binding.value, Value) else None
            index = context.form.indices[size.symbol] if size is not None and size.symbol is not None else None
            if index is not None and index.given is not None and any(map(indices_in, index.given)):
                found.append(index)
        place = place.parent
    return found


def note_use(context: Context, position: Size, use: Use) -> None:
    """That an index alone indexes an axis."""
    symbol = position.symbol
    if context.form is not None and symbol in context.form.indices:
        context.form.indices[symbol].uses.append(use)


def note_read(context: Context, read: Read) -> None:
    """What is read at a place that depends on indices."""
    assert context.form is not None
    context.form.reads.append(read)


def refuse_ragged(context: Context, scope: Scope, span: Span, size: Size, what: str) -> bool:
    """Whether a size depends on an index, so that entries would have different shapes; with a message."""
    if context.form is None or not indices_in(size):
        return False
    context.report.error(
        "E0420",
        f"{what} depends on an index",
        Label(span, "it differs from entry to entry"),
        note="all entries have the same shape",
        help="take a size that holds for all, and leave out what is too much with `if`",
        frame=scope.frame,
    )
    return True


def described(size: Size) -> str:
    """A size for a message: indices by their names."""
    return re.sub(f"{MARK}\\d+", "", str(size))
