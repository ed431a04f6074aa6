"""What checking a program gives: its declarations and definitions as graphs, the facts about sizes, and the lints.

Owns the records.  Knows neither how they are found nor what is made of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import NamedTuple

from exprc.diagnostics import Diagnostic
from exprc.ir.node import Node
from exprc.ir.sizes import Size
from exprc.ir.types import Type
from exprc.source import Span


class Dim(NamedTuple):
    """A size symbol.

    `value` is None for a size that is known when arrays arrive.  A constant value (`dim k = 10`) is substituted after
    checking, as `--dim` is: the graph has the symbol.  A derived size (`dim m = n // 2`) does not occur in the graph.
    """

    name: str
    value: Size | None
    span: Span
    doc: str


class Declaration(NamedTuple):
    """An input or a param.  `span` is that of the name; `start` has the declared type, sizes being symbols."""

    name: str
    role: str  # input | param
    node: Node
    type: Type
    span: Span
    line: int
    text: str  # one declaration as the source has it: `input X : f64[n, d]`
    doc: str
    start: Node | None


class Definition(NamedTuple):
    """A named value.  `output mu` of an existing definition makes a second entry, of role `output`."""

    name: str
    role: str  # definition | loss | output
    node: Node
    span: Span
    line: int
    doc: str


class Fact(NamedTuple):
    """A relation between sizes that the program relies on; it is checked on entry.

    `asked_by` are the definitions and functions that rely on it; None: whatever knows the sizes.
    """

    left: Size
    relation: str  # <=
    right: Size
    line: int
    text: str
    asked_by: frozenset[str] | None = None


class Model(NamedTuple):
    """A program without mistakes."""

    doc: str
    dims: tuple[Dim, ...]
    declarations: tuple[Declaration, ...]
    definitions: tuple[Definition, ...]
    facts: tuple[Fact, ...]
    lints: tuple[Diagnostic, ...]
    origins: dict[Node, Span]
    uses: Mapping[str, Set[str]]  # for each name the names that it is made of

    def definition(self, name: str) -> Definition | None:
        """The definition of that name."""
        return next((definition for definition in self.definitions if definition.name == name), None)

    def declaration(self, name: str) -> Declaration | None:
        """The input or param of that name."""
        return next((declaration for declaration in self.declarations if declaration.name == name), None)

    def names_within(self, name: str) -> set[str]:
        """The names of all that a definition is made of, and its own."""
        found = {name}
        pending = [name]
        while pending:
            inner = self.uses.get(pending.pop(), frozenset()) - found
            found |= inner
            pending.extend(inner)
        return found

    def of_role(self, role: str) -> tuple[Definition, ...]:
        """The definitions of one role, in order."""
        return tuple(definition for definition in self.definitions if definition.role == role)
