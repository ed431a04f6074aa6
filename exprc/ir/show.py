"""The graph as text, one line a node, which `exprc.ir.read` reads back to the identical nodes.

    %0 = input ["X", "input", f64[n, d]] : f64[n, d]
    %1 = sum %0 [(0,)] : f64[d]
    return %1

Attributes stand in brackets: strings in quotes, sizes in braces, tuples, types, numbers.  A function is written `@0`
and follows as a block under its node, with numbers of its own.  Names no operation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from exprc.diagnostics import InternalError
from exprc.ir.node import Function, Node, toposort
from exprc.ir.sizes import Size
from exprc.ir.types import Type

INDENT = "  "


def show(roots: tuple[Node, ...]) -> str:
    """The text of all nodes that the roots need, and the roots."""
    lines: list[str] = []
    stack: list[Iterator[str | Function]] = [_lines(roots)]
    while stack:
        item = next(stack[-1], None)
        margin = INDENT * 2 * (len(stack) - 1)
        if item is None:
            stack.pop()
            if stack:
                lines.append(INDENT * (2 * len(stack) - 1) + "}")
        elif isinstance(item, Function):
            lines.append(f"{margin}{INDENT}({_list(item.parameters)}) {{")
            stack.append(_lines(item.results))
        else:
            lines.append(margin + item)
    return "\n".join(lines) + "\n"


def _lines(roots: tuple[Node, ...]) -> Iterator[str | Function]:
    """The lines of a graph; after a node's line the functions among its attributes."""
    numbers: dict[Node, str] = {}
    for node in toposort(roots):
        functions: list[Function] = []
        attributes = ", ".join([_attribute(value, functions) for value in node.attrs])
        parts = [node.op.name, ", ".join(numbers[a] for a in node.args), f"[{attributes}]" if node.attrs else ""]
        numbers[node] = f"%{len(numbers)}"
        yield f"{numbers[node]} = {' '.join(part for part in parts if part)} : {_list(node.types)}"
        yield from functions
    yield f"return {', '.join(numbers[root] for root in roots)}".rstrip()


def _list(types: tuple[Type, ...]) -> str:
    return ", ".join(str(type) for type in types)


def _attribute(value: Any, functions: list[Function]) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        from json import dumps

        return dumps(value)
    if isinstance(value, Size):
        return f"{{{value}}}"
    if isinstance(value, Type):
        return str(value)
    if isinstance(value, Function):
        functions.append(value)
        return f"@{len(functions) - 1}"
    if isinstance(value, tuple):
        inner = ", ".join([_attribute(item, functions) for item in value])
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    raise InternalError(f"an attribute without a text form: {value!r}")
