"""What one check of a program remembers: the report, the names of the program, the facts, the origins.

Owns the tables that the other modules of this room fill.  Knows nothing of expressions.
"""

from __future__ import annotations

from typing import NamedTuple

from exprc.check.model import Fact
from exprc.check.report import Report
from exprc.check.scopes import Binding, Frame, Region, Scope
from exprc.check.values import Value
from exprc.ir.node import Node
from exprc.ir.sizes import Size
from exprc.ir.types import BOOL, Type
from exprc.source import Span
from exprc.syntax import ast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from exprc.check.open_forms import Form


class Later(NamedTuple):
    """A name of the program and where it is defined, also if that is still to come."""

    order: int
    span: Span
    form: str  # dim, input, …, definition, function


class Context:
    """The state of one check."""

    __slots__ = (
        "asked",
        "calls",
        "counted",
        "defined",
        "facts",
        "form",
        "globals",
        "incomplete",
        "leaves",
        "needs",
        "origins",
        "reached",
        "report",
        "statements",
        "suggestions",
        "targets",
        "unknown",
        "uses",
        "waiting",
        "watched",
    )

    def __init__(
        self, statements: tuple[ast.Statement, ...], defined: dict[str, Later], targets: frozenset[str]
    ) -> None:
        self.statements = statements
        self.report = Report()
        self.globals = Scope(None, Region(), 0, set())
        self.defined = defined
        self.targets = targets  # names with respect to which something is differentiated
        self.facts: dict[Size, Fact] = {}  # by what is at least 0
        self.asked: set[Size] = set()  # the facts that the statement, or the function's body, asks for
        self.needs: dict[str, set[Size]] = {}  # for each name of the program the facts that making it asks for
        self.origins: dict[Node, Span] = {}
        self.leaves: dict[Node, Binding] = {}  # inputs and params
        self.calls: dict[tuple[object, ...], Value] = {}  # results of calls of user's functions
        self.unknown: set[str] = set()  # names that were reported
        self.uses: dict[str, set[str]] = {}  # for each name of the program the names that it uses
        self.reached: tuple[Node, set[Node]] | None = None  # a node and all that it depends on, for lints
        self.watched: dict[Node, tuple[Span, Frame | None]] = {}  # where arguments with a domain were written
        self.suggestions = 0
        self.incomplete = False  # names may come from a file that was not read
        self.form: Form | None = None  # the indexed form that is open
        self.counted = 0  # the indices that were declared
        self.waiting: dict[Node, bool] = {}  # whether what a node is made of waits for the extents of indices

    def remember(self, node: Node, span: Span) -> None:
        """Note the expression that made a node first, and those that its making brought along."""
        origins = self.origins
        if node in origins:
            return
        pending = [node]
        while pending:
            current = pending.pop()
            if current not in origins:
                origins[current] = span
                pending.extend(current.args)


def leaf_with(context: Context, node: Node, size: Size) -> Binding | None:
    """The declaration, among those that a value depends on, that brought a size into it."""
    seen = {node}
    queue = [node]
    for current in queue:
        binding = context.leaves.get(current)
        if binding is not None and any(size.dims() & extent.dims() or size == extent for extent in current.shape):
            return binding
        for argument in current.args:
            if argument not in seen and len(seen) < 1000:
                seen.add(argument)
                queue.append(argument)
    return None


def describe(type: Type) -> str:
    """A type in words: `f64[n, d]`, `a scalar f64`."""
    return str(type) if type.shape else f"a scalar {type.dtype}"


def describe_value(value: Value) -> str:
    """A value in words; a weak one has no dtype of its own."""
    type = value.known.type
    if not value.weak or type.dtype == BOOL:
        return describe(type)
    return f"an array of shape [{', '.join(str(size) for size in type.shape)}]" if type.shape else "a number"

