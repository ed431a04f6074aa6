"""Names and where they are seen: scopes of the program, of calls and of loop bodies.

Owns bindings, the chain of scopes, and regions: a loop's body is a closed graph, so a value from outside enters it as
a further parameter.  Knows no operation.
"""

from __future__ import annotations

from exprc.check.values import UserFunction, Value
from exprc.ir.node import Node
from exprc.ir.op import LEAF
from exprc.ir.types import Type
from exprc.ops.leaves import arg
from exprc.source import Span


class Binding:
    """What a name stands for, with the span of the name where it was declared.

    `role` is dim, input, param, definition, loss, output, function, argument, local, state, element or index.
    """

    __slots__ = ("name", "order", "role", "span", "value")

    def __init__(self, name: str, value: Value | UserFunction, span: Span, role: str, order: int = 0) -> None:
        self.name = name
        self.value = value
        self.span = span
        self.role = role
        self.order = order


class Region:
    """The graph that is being built: that of the program (no parent), or a loop's body and its parameters so far."""

    __slots__ = ("captured", "parent", "types")

    def __init__(self, parent: Region | None = None) -> None:
        self.parent = parent
        self.types: list[Type] = []  # of the parameters
        self.captured: dict[Node, Node] = {}

    def parameter(self, type: Type) -> Node:
        """A further parameter of the body."""
        self.types.append(type)
        return arg(len(self.types) - 1, type)

    def capture(self, outer: Node) -> Node:
        """The parameter through which a node of the parent enters."""
        inner = self.captured.get(outer)
        if inner is None:
            inner = self.captured[outer] = self.parameter(outer.type)
        return inner


class Frame:
    """A call of a user's function that is being expanded, and the first call on the way there."""

    __slots__ = ("name", "outermost", "span")

    def __init__(self, name: str, span: Span, parent: Frame | None) -> None:
        self.name = name
        self.span = span
        self.outermost: Frame = self if parent is None else parent.outermost


class Scope:
    """Names made in one place, and the scope around it.

    `limit` is the order before which a name of the program has to be defined to be seen; `uses` collects the names of
    the program that are used, on behalf of what is being defined.  `choices` are the conditions under which anything
    is computed here, in an indexed form, each with the value that it has.
    """

    __slots__ = ("choices", "frame", "limit", "names", "parent", "region", "uses")

    def __init__(
        self,
        parent: Scope | None,
        region: Region,
        limit: int,
        uses: set[str],
        frame: Frame | None = None,
    ) -> None:
        self.names: dict[str, Binding] = {}
        self.parent = parent
        self.region = region
        self.limit = limit
        self.uses = uses
        self.frame = frame
        self.choices: tuple[tuple[Node, bool], ...] = parent.choices if parent is not None else ()

    def inner(self, region: Region | None = None) -> Scope:
        """A scope within this one."""
        return Scope(self, region or self.region, self.limit, self.uses, self.frame)

    def choosing(self, condition: Node, chosen: bool) -> Scope:
        """The scope of a branch."""
        scope = self.inner()
        scope.choices = (*self.choices, (condition, chosen))
        return scope


def find(scope: Scope, name: str) -> tuple[Binding, Scope] | None:
    """The innermost binding of a name, and the scope that has it."""
    place: Scope | None = scope
    while place is not None:
        binding = place.names.get(name)
        if binding is not None:
            if place.parent is not None:
                return binding, place
            if binding.order < scope.limit:
                scope.uses.add(name)
                return binding, place
        place = place.parent
    return None


def visible_names(scope: Scope) -> list[str]:
    """Every name that `find` would find, innermost first."""
    names: list[str] = []
    place: Scope | None = scope
    while place is not None:
        local = place.parent is not None
        names.extend(name for name, binding in place.names.items() if local or binding.order < scope.limit)
        place = place.parent
    return names


def bring(value: Value, home: Region, region: Region) -> Value:
    """A value of an outer region as a value of an inner one, through a parameter of every body between them."""
    if home is region or value.node is None or is_closed(value.node):
        return value
    between: list[Region] = []
    place: Region | None = region
    while place is not home and place is not None:
        between.append(place)
        place = place.parent
    node = value.node
    for inner in reversed(between):
        node = inner.capture(node)
    return Value(node, value.weak, value.size)


def is_closed(node: Node) -> bool:
    """Whether a node is a leaf that has a value of its own, so that it may stand in any body."""
    return node.kind == LEAF and not ("free" in node.op.laws or "bound" in node.op.laws)
