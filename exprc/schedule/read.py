"""Reads plans in the text form of `exprc.schedule.show`.

Owns the tokens and the errors of a malformed text; what a plan must fulfil besides is `verify`'s.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from exprc.ir.index import Affine, Guard, Quotient, axis
from exprc.ir.op import Op
from exprc.ir.read import read_size
from exprc.ir.sizes import ONE, Size, constant
from exprc.ir.types import DTYPES
from exprc.ops import TABLE
from exprc.schedule.kernel import (
    ACCUMULATOR,
    ARGUMENT,
    RESULT,
    SUM_PANEL,
    TILE,
    WORKSPACE,
    Accumulator,
    Apply,
    Axis,
    Buffer,
    Check,
    Constant,
    IndexValue,
    Instruction,
    Kernel,
    Load,
    Loop,
    Masked,
    Nest,
    Plan,
    Requirement,
    Statement,
    Stream,
    Swap,
    Write,
)
from exprc.schedule.show import INDENT

_TOKEN = re.compile(
    r'\s*("(?:[^"\\]|\\.)*"|\{[^{}]*\}|%\d+|\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|[^\W\d]\w*|//|<=|<-|==|!=|>=|[][(),:;=<>+*/^-])'
)
_NAME = re.compile(r"[^\W\d]\w*")


class ReadError(Exception):
    """The text is not that of a plan; says the line."""


def read_plan(text: str, operations: Mapping[str, Op] = TABLE) -> Plan:
    """The plan of a text; `operations` are those that bodies may name."""
    lines = _Lines(text)
    try:
        return _read_plan(lines, operations)
    except (ValueError, KeyError, IndexError) as error:
        reason = f"no operation: {error}" if isinstance(error, KeyError) else str(error)
        raise ReadError(f"line {lines.number}: {reason}") from error


# ---- plans and kernels


def _read_plan(lines: _Lines, operations: Mapping[str, Op]) -> Plan:
    head = lines.next(0)
    head.expect("plan")
    symbol = head.name()
    head.expect("(")
    dims = tuple(head.list(")", head.name))
    head.expect("")
    requirements: list[Requirement] = []
    buffers: dict[str, list[Buffer]] = {ARGUMENT: [], RESULT: [], WORKSPACE: []}
    kernels: list[Kernel] = []
    while lines.depth == 1:
        line = lines.next(1)
        if line.accept("require"):
            requirements.append(_requirement(line))
        elif line.accept("kernel"):
            kernels.append(_kernel(line, lines, operations))
        else:
            buffer = line.buffer()
            if buffer.space not in buffers:
                raise ValueError(f"a plan has no {buffer.space}")
            buffers[buffer.space].append(buffer)
        line.expect("")
    if lines.depth >= 0:
        raise ValueError("what does this line belong to?")
    arguments, results, workspace = map(tuple, buffers.values())
    return Plan(symbol, dims, tuple(requirements), arguments, results, workspace, tuple(kernels))


def _requirement(line: _Line) -> Requirement:
    left, relation, right = line.factor(), line.next(), line.factor()
    line.expect("at", "line")
    number = line.integer()
    return Requirement(left, relation, right, number, line.attribute())


def _kernel(head: _Line, lines: _Lines, operations: Mapping[str, Op]) -> Kernel:
    name = head.name()
    stream = _stream(head) if head.accept("over") else None
    head.expect("")
    tiles: list[Buffer] = []
    accumulators: list[Accumulator] = []
    while lines.depth == 2 and lines.word in (TILE, ACCUMULATOR):
        line = lines.next(2)
        buffer = line.buffer()
        if buffer.space == TILE:
            tiles.append(buffer)
        else:
            combine = line.name()
            line.expect("into")
            accumulators.append(Accumulator(buffer, combine, line.name()))
        line.expect("")
    return Kernel(name, stream, tuple(tiles), tuple(accumulators), _statements(lines, operations))


def _stream(line: _Line) -> Stream:
    extent = line.factor()
    line.expect(":")
    rows = line.name()
    line.expect("from")
    start = line.name()
    line.expect(",", "blocks", "of")
    block = line.integer()
    line.expect(",", "chunks", "of")
    return Stream(extent, start, rows, block, line.integer())


# ---- statements


class _OpenLoop(NamedTuple):
    """A loop whose body is being read, and the statements around it."""

    loop: Loop
    around: list[Statement]


def _statements(lines: _Lines, operations: Mapping[str, Op]) -> tuple[Statement, ...]:
    found: list[Statement] = []
    loops: list[_OpenLoop] = []
    while True:
        while loops and lines.depth < 2 + len(loops):
            closed = loops.pop()
            closed.around.append(closed.loop._replace(body=tuple(found)))
            found = closed.around
        if lines.depth < 2:
            return tuple(found)
        depth = 2 + len(loops)
        line = lines.next(depth)
        if line.accept("loop"):
            variable = line.name()
            line.expect("<")
            loop = Loop(variable, line.affine(), (), line.accept("downwards"))
            loops.append(_OpenLoop(loop, found))
            found = []
        elif line.accept("nest"):
            found.append(_nest(line, lines, depth + 1, operations))
        elif line.accept("check"):
            found.append(_check(line))
        else:
            line.expect("copy")
            target = line.name()
            line.expect("<-")
            found.append(Swap(target, line.name()))
        line.expect("")


def _check(line: _Line) -> Check:
    buffer, index = line.place()
    line.expect(">", "0", "else", "fault")
    code = line.integer()
    line.expect("at", "line")
    number = line.integer()
    line.expect("index")
    return Check(buffer, index, code, number, line.affine())


def _nest(head: _Line, lines: _Lines, depth: int, operations: Mapping[str, Op]) -> Nest:
    axes: list[Axis] = []
    reduced: set[str] = set()
    vector = ""
    while head.peek() not in ("", ","):
        name = head.name()
        head.expect("<")
        axes.append(Axis(name, head.affine()))
        marks = head.list(")", head.name) if head.accept("(") else []
        if not {"reduced", "vector"}.issuperset(marks):
            raise ValueError(f"an axis is reduced or vector, not {', '.join(marks)}")
        if "reduced" in marks:
            reduced.add(name)
        if "vector" in marks:
            vector = name
        if not head.accept(";"):
            break
    panel, unroll = _nest_options(head)
    head.expect("")
    body: list[Instruction] = []
    writes: list[Write] = []
    while lines.depth >= depth:
        line = lines.next(depth)
        if line.peek().startswith("%") and not writes:
            line.expect(f"%{len(body)}", "=")
            body.append(_instruction(line, operations))
        else:
            writes.append(_write(line))
        line.expect("")
    return Nest(tuple(axes), frozenset(reduced), tuple(body), tuple(writes), vector, unroll, panel)


def _nest_options(head: _Line) -> tuple[int, tuple[tuple[str, int], ...]]:
    panel = SUM_PANEL
    unroll = []
    while head.accept(","):
        if head.accept("panel"):
            panel = head.integer()
        else:
            head.expect("unroll")
            name = head.name()
            head.expect("by")
            unroll.append((name, head.integer()))
    return panel, tuple(unroll)


def _instruction(line: _Line, operations: Mapping[str, Op]) -> Instruction:
    word = line.name()
    if word == "load":
        buffer, index = line.place()
        return Load(buffer, index, line.guards(), line.dtype())
    if word == "constant":
        return Constant(line.attribute(), line.dtype())
    if word == "index":
        return IndexValue(line.affine(), line.dtype())
    if word == "masked":
        return Masked(line.value(), line.guards(), line.dtype())
    attributes = line.list("]", line.attribute) if line.accept("[") else []
    numbers = []
    while line.peek().startswith("%"):
        numbers.append(line.value())
    return Apply(operations[word], tuple(attributes), tuple(numbers), line.dtype())


def _write(line: _Line) -> Write:
    buffer, index = line.place()
    accumulate = line.accept("<-")
    if not accumulate:
        line.expect("=")
    combine = "" if line.peek().startswith("%") else line.name()
    return Write(buffer, index, line.value(), combine, accumulate)


# ---- lines and tokens


class _Lines:
    """The lines of a text with their depths; empty ones count, but are not seen."""

    def __init__(self, text: str) -> None:
        self._lines = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
        self._position = 0
        self.number = 1

    @property
    def depth(self) -> int:
        """How far the next line is indented; -1 at the end."""
        if self._position == len(self._lines):
            return -1
        self.number, line = self._lines[self._position]
        blanks = len(line) - len(line.lstrip(" "))
        if blanks % len(INDENT):
            raise ValueError("indented by an odd number of blanks")
        return blanks // len(INDENT)

    @property
    def word(self) -> str:
        """The first word of the next line."""
        return self._lines[self._position][1].split(maxsplit=1)[0]

    def next(self, depth: int) -> _Line:
        """The next line, taken, which has to be at this depth."""
        found = self.depth
        if found != depth:
            raise ValueError("the text ends too early" if found < 0 else f"indented {found} times, not {depth} times")
        line = self._lines[self._position][1]
        self._position += 1
        return _Line(line)


class _Line:
    """The tokens of a line, and what is read of them."""

    def __init__(self, text: str) -> None:
        self._tokens: list[str] = []
        self._position = 0
        text, end = text.rstrip(), 0
        while end < len(text):
            found = _TOKEN.match(text, end)
            if found is None:
                raise ValueError(f"no token of a plan: {text[end:].strip()[:20]!r}")
            self._tokens.append(found.group(1))
            end = found.end()

    def peek(self) -> str:
        """The next token; empty at the end."""
        return self._tokens[self._position] if self._position < len(self._tokens) else ""

    def next(self) -> str:
        """The next token, taken."""
        token = self.peek()
        self._position += 1
        return token

    def accept(self, token: str) -> bool:
        """Take a token if it is the next."""
        found = self.peek() == token
        self._position += found
        return found

    def expect(self, *tokens: str) -> None:
        """Take tokens that have to be the next; "" is the end."""
        for token in tokens:
            if not self.accept(token):
                raise ValueError(f"expected {token or 'the end of the line'}, found {self.peek() or 'its end'}")

    def name(self) -> str:
        """A name."""
        token = self.next()
        if not _NAME.fullmatch(token):
            raise ValueError(f"expected a name, found {token or 'the end of the line'}")
        return token

    def integer(self) -> int:
        """A number without a point."""
        return int(self.next())

    def value(self) -> int:
        """The number of an instruction."""
        token = self.next()
        if not token.startswith("%"):
            raise ValueError(f"expected the number of an instruction, found {token or 'the end of the line'}")
        return int(token[1:])

    def dtype(self) -> str:
        """A colon and a dtype."""
        self.expect(":")
        token = self.next()
        if token not in DTYPES:
            raise ValueError(f"no dtype: {token!r}")
        return token

    def list(self, end: str, item: Any) -> list[Any]:
        """Items between commas, up to and with the end token."""
        found: list[Any] = []
        while not self.accept(end):
            if found:
                self.expect(",")
            found.append(item())
        return found

    def buffer(self) -> Buffer:
        """A declaration of memory."""
        space, name = self.name(), self.name()
        if space not in (ARGUMENT, RESULT, WORKSPACE, TILE, ACCUMULATOR):
            raise ValueError(f"expected a buffer, a kernel or a requirement, found {space}")
        dtype = self.dtype()
        return Buffer(name, dtype, self._shape() if self.accept("[") else (), space)

    def _shape(self) -> tuple[Size, ...]:
        """Sizes up to a bracket; the commas within `min` and `max` are theirs."""
        sizes: list[Size] = []
        parts: list[str] = []
        nesting = 0
        while nesting or self.peek() != "]":
            token = self.next()
            if not token:
                raise ValueError("a shape without an end")
            nesting += (token == "(") - (token == ")")
            if token == "," and not nesting:
                sizes.append(read_size(" ".join(parts)))
                parts = []
            else:
                parts.append(token)
        self.expect("]")
        return (*sizes, read_size(" ".join(parts)))

    def attribute(self) -> Any:
        """A literal: a number, true, false, a text or a size."""
        negative = self.accept("-")
        token = self.next()
        if token in ("inf", "nan") or token[:1].isdigit():
            number = float(token) if set(token) & set(".eEn") else int(token)
            return -number if negative else number
        if negative:
            raise ValueError(f"expected a number, found {token}")
        if token in ("true", "false"):
            return token == "true"
        return json.loads(token) if token.startswith('"') else _braced(token)

    def factor(self) -> Size:
        """A number, or a size in braces."""
        token = self.next()
        return constant(int(token)) if token.isdigit() else _braced(token)

    def place(self) -> tuple[str, tuple[Affine, ...]]:
        """An entry of a buffer."""
        name = self.name()
        self.expect("[")
        return name, tuple(self.list("]", self.affine))

    def guards(self) -> tuple[Guard, ...]:
        """The conditions after `where`, or none."""
        found: list[Guard] = []
        while self.accept("and" if found else "where"):
            self.expect("0", "<=")
            position = self.affine()
            self.expect("<")
            found.append(Guard(position, self.factor(), self.integer() if self.accept("step") else 1))
        return tuple(found)

    def affine(self) -> Affine:
        """An index expression; quotients within each other by a stack of the sums around them."""
        total = Affine(())
        around: list[tuple[Affine, Size]] = []
        while True:
            sign = constant(-1) if self.accept("-") else ONE
            size = ONE
            is_term = True
            if self.peek()[:1] in "{0123456789" and self.peek():
                size = self.factor()
                is_term = self.accept("*")
            if not is_term:
                total = total.plus(Affine((), size), sign)
            elif self.peek() == "floor" and self._tokens[self._position + 1 :][:1] == ["("]:
                self.expect("floor", "(", "(")
                around.append((total, sign * size))
                total = Affine(())
                continue
            else:
                total = total.plus(axis(self.name()), sign * size)
            while around and self.accept(")"):
                self.expect("/")
                quotient = Quotient(total, self.factor())
                self.expect(")")
                outer, factor = around.pop()
                total = outer.plus(axis(quotient), factor)
            if not self.accept("+") and self.peek() != "-":
                if around:
                    raise ValueError("a quotient without an end")
                return total


def _braced(token: str) -> Size:
    if not token.startswith("{"):
        raise ValueError(f"expected a number or a size in braces, found {token or 'the end of the line'}")
    return read_size(token[1:-1])
