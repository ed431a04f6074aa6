"""Reads the text form of graphs, described in `exprc.ir.show`.

The table of operations is given by the caller; sizes may also be read alone.  Names no operation.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from exprc.ir.node import Function, Node, make
from exprc.ir.op import Op, TypeRuleError
from exprc.ir.sizes import Size, as_size, constant, dim, floordiv, maximum, minimum
from exprc.ir.types import DTYPES, Type

_TOKEN = re.compile(
    r'\s*("(?:[^"\\]|\\.)*"|%\d+|@\d+|-?(?:inf|nan)\b|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|//|[^\W\d]\w*|[][(){},:=+*^-])'
)


class ReadError(Exception):
    """The text is not that of a graph; says the line."""


class _FunctionNumber(NamedTuple):
    """Stands for a function until its block is read."""

    number: int


@dataclass(slots=True)
class _Pending:
    """A node whose functions are still to come."""

    name: str
    op: Op
    args: tuple[Node, ...]
    attrs: tuple[Any, ...]
    types: tuple[Type, ...]
    functions: list[Function] = field(default_factory=list)


@dataclass(slots=True)
class _Block:
    """A graph that is being read: the whole, or the body of a function."""

    parameters: tuple[Type, ...] = ()
    nodes: dict[str, Node] = field(default_factory=dict)
    results: tuple[Node, ...] | None = None
    pending: _Pending | None = None


def read(text: str, table: Mapping[str, Op]) -> tuple[Node, ...]:
    """The roots of a graph in text form."""
    blocks = [_Block()]
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            _read_line(_Cursor(line), blocks, table)
        except (ValueError, KeyError, IndexError, TypeRuleError) as error:
            raise ReadError(f"line {number}: {error}") from error
    if len(blocks) != 1 or blocks[0].results is None:
        raise ReadError("the text ends before `return`")
    return blocks[0].results


def read_size(text: str) -> Size:
    """A size in the form of `show_size`."""
    cursor = _Cursor(text)
    size = cursor.size()
    cursor.expect("")
    return size


def _read_line(cursor: _Cursor, blocks: list[_Block], table: Mapping[str, Op]) -> None:
    block = blocks[-1]
    if cursor.accept("}"):
        function = Function(block.parameters, _results(block))
        blocks.pop()
        pending = blocks[-1].pending
        assert pending is not None
        pending.functions.append(function)
        _finish(blocks[-1], pending)
    elif cursor.accept("("):
        if block.pending is None:
            raise ValueError("a function that no node has")
        parameters = cursor.types(")")
        cursor.expect("{")
        blocks.append(_Block(parameters))
    elif block.results is not None or block.pending is not None:
        raise ValueError("a node after `return` or before a missing function")
    elif cursor.accept("return"):
        block.results = cursor.nodes(block.nodes)
    else:
        _finish(block, _read_node(cursor, block, table))
    cursor.expect("")


def _read_node(cursor: _Cursor, block: _Block, table: Mapping[str, Op]) -> _Pending:
    name = cursor.next()
    cursor.expect("=")
    op = table[cursor.next()]
    args = cursor.nodes(block.nodes)
    attrs = cursor.items("]") if cursor.accept("[") else ()
    cursor.expect(":")
    return _Pending(name, op, args, attrs, cursor.types(""))


def _finish(block: _Block, pending: _Pending) -> None:
    """Make the node once all its functions are known."""
    block.pending = pending
    if len(pending.functions) < _count_functions(pending.attrs):
        return
    node = make(pending.op, pending.args, _with_functions(pending.attrs, pending.functions))
    if node.types != pending.types:
        raise ValueError(f"{pending.name} is {node.types}, not {pending.types}")
    block.nodes[pending.name], block.pending = node, None


def _results(block: _Block) -> tuple[Node, ...]:
    if block.results is None:
        raise ValueError("a function without `return`")
    return block.results


def _count_functions(value: Any) -> int:
    if isinstance(value, _FunctionNumber):
        return 1
    return sum(_count_functions(item) for item in value) if isinstance(value, tuple) else 0


def _with_functions(value: Any, functions: list[Function]) -> Any:
    if isinstance(value, _FunctionNumber):
        return functions[value.number]
    return tuple(_with_functions(item, functions) for item in value) if type(value) is tuple else value


class _Cursor:
    """The tokens of a line, and what is read of them."""

    def __init__(self, text: str) -> None:
        self.tokens: list[str] = []
        position, text = 0, text.rstrip()
        while position < len(text):
            found = _TOKEN.match(text, position)
            if found is None:
                raise ReadError(f"no token of a graph: {text[position:].strip()[:20]!r}")
            self.tokens.append(found.group(1))
            position = found.end()
        self.position = 0

    def peek(self, ahead: int = 0) -> str:
        """A token to come; empty at the end."""
        position = self.position + ahead
        return self.tokens[position] if position < len(self.tokens) else ""

    def next(self) -> str:
        """The next token, taken."""
        token = self.peek()
        self.position += 1
        return token

    def accept(self, token: str) -> bool:
        """Take a token if it is the next."""
        found = self.peek() == token
        self.position += found
        return found

    def expect(self, token: str) -> None:
        """Take a token that has to be the next."""
        if not self.accept(token):
            raise ValueError(f"expected {token or 'the end'!r}, found {self.peek()!r}")

    def nodes(self, known: Mapping[str, Node]) -> tuple[Node, ...]:
        """Node numbers between commas, possibly none."""
        found = []
        while self.peek().startswith("%"):
            found.append(known[self.next()])
            self.accept(",")
        return tuple(found)

    def types(self, end: str) -> tuple[Type, ...]:
        """Types between commas, up to and with the end token."""
        found = []
        while not self.accept(end):
            found.append(self.type())
            self.accept(",")
        return tuple(found)

    def type(self) -> Type:
        """A dtype with its shape."""
        dtype = self.next()
        if dtype not in DTYPES:
            raise ValueError(f"no dtype: {dtype!r}")
        shape = []
        if self.accept("["):
            while not self.accept("]"):
                shape.append(self.size())
                self.accept(",")
        return Type(dtype, tuple(shape))

    def items(self, end: str) -> tuple[Any, ...]:
        """Attributes between commas, up to and with the end token."""
        found = []
        while not self.accept(end):
            found.append(self.item())
            self.accept(",")
        return tuple(found)

    def item(self) -> Any:
        """One attribute."""
        if self.peek() in DTYPES:
            return self.type()
        token = self.next()
        if token == "(":
            return self.items(")")
        if token == "{":
            size = self.size()
            self.expect("}")
            return size
        if token in ("true", "false"):
            return token == "true"
        if token.startswith('"'):
            return json.loads(token)
        if token.startswith("@"):
            return _FunctionNumber(int(token[1:]))
        if token.endswith("nan"):
            return math.nan  # the one object: NaN equals nothing but itself by identity
        return float(token) if set(token) & set(".eEn") else int(token)

    def size(self) -> Size:
        """A size, by operator precedence with explicit stacks: sums, products, `//`, powers, `min`, `max`."""
        values: list[Size] = []
        operators: list[str] = []
        operand = True
        while True:
            token = self.peek()
            if operand and token == "-":
                operators.append("negative")
            elif operand and token in ("-inf", "-nan"):  # a dim may have such a name
                operators.append("negative")
                values.append(_size_operand(token[1:]))
                operand = False
            elif operand and token in ("min", "max") and self.peek(1) == "(":
                operators.append(token)
                operand = True
            elif operand and token == "(":
                operators.append(token)
            elif operand:
                values.append(_size_operand(token))
                operand = False
            elif token in _PRECEDENCE:
                _reduce(values, operators, _PRECEDENCE[token])
                operators.append(token)
                operand = True
            elif token.startswith("-") and len(token) > 1:  # the lexer took a minus for a sign
                _reduce(values, operators, _PRECEDENCE["-"])
                operators.append("-")
                values.append(_size_operand(token[1:]))
            elif token == "," and "(" in operators:
                _reduce(values, operators, 0)
                operand = True
            elif token == ")" and "(" in operators:
                _reduce(values, operators, 0)
                operators.pop()
                if operators and operators[-1] in ("min", "max"):
                    _apply(values, operators.pop())
            else:
                _reduce(values, operators, 0)
                if operators:
                    raise ValueError("a parenthesis is not closed")
                (size,) = values
                return size
            self.position += 1


_PRECEDENCE = {"+": 1, "-": 1, "*": 2, "//": 2, "negative": 3, "^": 4}


def _size_operand(token: str) -> Size:
    name = token.removeprefix("-")  # a sign is taken with what follows it
    if not name.isdigit() and not name.isidentifier():
        raise ValueError(f"no size: {token!r}")
    size = constant(int(name)) if name.isdigit() else dim(name)
    return size if name == token else -size


def _reduce(values: list[Size], operators: list[str], precedence: int) -> None:
    """Apply the operators on the stack that bind at least as tightly."""
    while operators and _PRECEDENCE.get(operators[-1], 0) >= max(precedence, 1):
        _apply(values, operators.pop())


def _apply(values: list[Size], operator: str) -> None:
    right = values.pop()
    if operator == "negative":
        values.append(-right)
        return
    left = values.pop()
    values.append(_SIZE_OPERATIONS[operator](left, right))


def _power(left: Size, right: Size) -> Size:
    result = as_size(1)
    for _ in range(right.constant or 0):
        result = result * left
    return result


_SIZE_OPERATIONS = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "//": floordiv,
    "^": _power,
    "min": minimum,
    "max": maximum,
}
