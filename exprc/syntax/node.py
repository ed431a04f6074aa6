"""What all nodes of the AST share: immutability, a bounded repr, and walks that never recurse.

`@node` does what `dataclass(frozen=True, slots=True, eq=False)` would do, in a tenth of the time: `dataclasses`
compiles source text for each method of each class, 21 ms at every start for the forms of the language.
Nodes compare by identity; `same` compares trees.  Knows no form of the language.
"""

from __future__ import annotations

from exprc.source import Span

__all__ = ["Node", "children", "node", "same", "walk"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any


class Node:
    """A form of the language with the `span` it was written at.  Fields are positional, `span` comes last."""

    __slots__ = ()
    __match_args__: tuple[str, ...] = ()
    span: Span

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable: cannot set {name}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable: cannot delete {name}")

    def __repr__(self) -> str:
        text = self.span.text if self.span.end - self.span.start <= 40 else self.span.text[:37] + "..."
        return f"<{type(self).__name__} {text!r}>"


def children(node: Node) -> list[Node]:
    """The nodes directly below, in the order of the fields."""
    found: list[Node] = []
    for name in node.__match_args__:
        value = getattr(node, name)
        if isinstance(value, Node):
            found.append(value)
        elif type(value) is tuple:
            found.extend(item for item in value if isinstance(item, Node))
    return found


def walk(root: Node) -> Iterator[Node]:
    """`root` and all nodes below it, each before its children, children in the order of the fields."""
    stack = [root]
    while stack:
        current = stack.pop()
        yield current
        stack.extend(reversed(children(current)))


def same(left: Node, right: Node) -> bool:
    """Whether two trees are equal in everything but their spans."""
    stack: list[tuple[object, object]] = [(left, right)]
    while stack:
        one, other = stack.pop()
        if type(one) is not type(other):
            return False
        if isinstance(one, Node):
            names = [name for name in one.__match_args__ if name != "span"]
            stack.extend((getattr(one, name), getattr(other, name)) for name in names)
        elif isinstance(one, tuple) and isinstance(other, tuple):
            if len(one) != len(other):
                return False
            stack.extend(zip(one, other, strict=True))
        elif one != other:
            return False
    return True


def _make_node(cls: type) -> type:
    """The slotted, positional form of a class that lists its fields as annotations."""
    names = tuple(cls.__annotations__)
    body = {name: value for name, value in cls.__dict__.items() if name not in ("__dict__", "__weakref__")}
    body["__slots__"] = body["__match_args__"] = names
    made = type(cls.__name__, cls.__bases__, body)
    setters = [getattr(made, name).__set__ for name in names]
    made.__init__ = _INITIALISERS[len(names)](*setters)  # type: ignore[misc]
    return made


def _one(a: Callable[..., None]) -> Any:
    def initialise(self: Node, v: object) -> None:
        a(self, v)

    return initialise


def _two(a: Callable[..., None], b: Callable[..., None]) -> Any:
    def initialise(self: Node, v: object, w: object) -> None:
        a(self, v)
        b(self, w)

    return initialise


def _three(a: Callable[..., None], b: Callable[..., None], c: Callable[..., None]) -> Any:
    def initialise(self: Node, v: object, w: object, x: object) -> None:
        a(self, v)
        b(self, w)
        c(self, x)

    return initialise


def _four(a: Callable[..., None], b: Callable[..., None], c: Callable[..., None], d: Callable[..., None]) -> Any:
    def initialise(self: Node, v: object, w: object, x: object, y: object) -> None:
        a(self, v)
        b(self, w)
        c(self, x)
        d(self, y)

    return initialise


def _many(*setters: Callable[..., None]) -> Any:
    count = len(setters)

    def initialise(self: Node, *values: object) -> None:
        if len(values) != count:
            raise TypeError(f"{type(self).__name__} takes {count} fields, {len(values)} given")
        for setter, value in zip(setters, values, strict=True):
            setter(self, value)

    return initialise


_INITIALISERS: dict[int, Any] = {1: _one, 2: _two, 3: _three, 4: _four, 5: _many, 6: _many, 7: _many, 8: _many}

if TYPE_CHECKING:
    from dataclasses import dataclass as node
else:
    node = _make_node
