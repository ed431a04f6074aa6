"""What an expression or a name stands for while a program is checked.

Owns the records.  Knows neither names nor how values are computed.
"""

from __future__ import annotations

from exprc.ir.node import Node
from exprc.ir.sizes import Size
from exprc.syntax import ast


class Value:
    """A node, or None for poison: the value of a mistake that was reported, whose uses are silent.

    `weak` says that it is made of literals, sizes and constants only, so that it takes the dtype of what it meets.
    `size` is set where the value is an integer known as a polynomial of sizes.
    """

    __slots__ = ("node", "size", "weak")

    def __init__(self, node: Node | None, weak: bool = False, size: Size | None = None) -> None:
        self.node = node
        self.weak = weak
        self.size = size

    @property
    def known(self) -> Node:
        """The node of a value that is no poison."""
        assert self.node is not None
        return self.node

    @property
    def key(self) -> tuple[Node | None, bool, Size | None]:
        """Equal for values that behave equally."""
        return self.node, self.weak, self.size


class Several:
    """The results of a scan of several states, which a definition with as many names takes apart."""

    __slots__ = ("values",)

    def __init__(self, values: tuple[Value, ...]) -> None:
        self.values = values


class UserFunction:
    """A declared `fn`; it sees the names that are defined before `order`."""

    __slots__ = ("declaration", "name", "order")

    def __init__(self, declaration: ast.FunctionDecl, order: int) -> None:
        self.declaration = declaration
        self.name = declaration.name.text
        self.order = order


POISON = Value(None)
