"""Reads plans in the text form of `exprc.schedule.show`.

Owns the tokens and the errors of a malformed text; what a plan must fulfil besides is `verify`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from exprc.ir.op import Op
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
    Expect,
    Gather,
    Holds,
    IndexValue,
    Instruction,
    Kernel,
    Load,
    Loop,
    Nest,
    Plan,
    Requirement,
    Scatter,
    Statement,
    Stream,
    Swap,
    Write,
)
from exprc.schedule.text import Line, Lines


class ReadError(Exception):
    """The text is not that of a plan; says the line."""


def read_plan(text: str, operations: Mapping[str, Op] = TABLE) -> Plan:
    """The plan of a text; `operations` are those that bodies may name."""
    lines = Lines(text)
    try:
        return _read_plan(lines, operations)
    except (ValueError, KeyError, IndexError) as error:
        reason = f"no operation: {error}" if isinstance(error, KeyError) else str(error)
        raise ReadError(f"line {lines.number}: {reason}") from error


# ---- plans and kernels


def _read_plan(lines: Lines, operations: Mapping[str, Op]) -> Plan:
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


def _requirement(line: Line) -> Requirement:
    left, relation, right = line.factor(), line.next(), line.factor()
    line.expect("at", "line")
    number = line.integer()
    return Requirement(left, relation, right, number, line.attribute())


def _kernel(head: Line, lines: Lines, operations: Mapping[str, Op]) -> Kernel:
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


def _stream(line: Line) -> Stream:
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


def _statements(lines: Lines, operations: Mapping[str, Op]) -> tuple[Statement, ...]:
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
            if line.accept(":"):
                loop = loop._replace(rows=line.name())
                line.expect("in", "blocks", "of")
                loop = loop._replace(block=line.integer())
            loops.append(_OpenLoop(loop, found))
            found = []
        elif line.accept("nest"):
            found.append(_nest(line, lines, depth + 1, operations))
        elif line.accept("check"):
            found.append(_check(line))
        elif line.accept("expect"):
            found.append(_expect(line))
        elif line.accept("gather"):
            found.append(Gather(*_moved(line)))
        elif line.accept("scatter"):
            found.append(Scatter(*_moved(line)))
        else:
            line.expect("copy")
            target = line.name()
            line.expect("<-")
            found.append(Swap(target, line.name()))
        line.expect("")


def _moved(line: Line) -> Iterator[Any]:
    """Three places, of target, source and places, and two sizes."""
    yield from line.place()
    line.expect("<-")
    yield from line.place()
    line.expect("at")
    yield from line.place()
    line.expect(",")
    yield line.factor()
    line.expect("of")
    yield line.factor()


def _check(line: Line) -> Check:
    buffer, index = line.place()
    line.expect(">", "0", "else", "fault")
    code = line.integer()
    line.expect("at", "line")
    number = line.integer()
    line.expect("index")
    return Check(buffer, index, code, number, line.affine())


def _expect(line: Line) -> Expect:
    buffer, index = line.place()
    line.expect("none", "else", "fault")
    code = line.integer()
    line.expect("at", "line")
    number = line.integer()
    line.expect("below")
    return Expect(buffer, index, code, number, line.factor(), line.attribute())


def _nest(head: Line, lines: Lines, depth: int, operations: Mapping[str, Op]) -> Nest:
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


def _nest_options(head: Line) -> tuple[int, tuple[tuple[str, int], ...]]:
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


def _instruction(line: Line, operations: Mapping[str, Op]) -> Instruction:
    word = line.name()
    if word == "load":
        buffer, index = line.place()
        return Load(buffer, index, line.guards(), line.dtype())
    if word == "constant":
        return Constant(line.attribute(), line.dtype())
    if word == "index":
        return IndexValue(line.affine(), line.dtype())
    if word == "holds":
        return Holds(line.guards(), line.dtype())
    attributes = line.list("]", line.attribute) if line.accept("[") else []
    numbers = []
    while line.peek().startswith("%"):
        numbers.append(line.value())
    return Apply(operations[word], tuple(attributes), tuple(numbers), line.dtype())


def _write(line: Line) -> Write:
    buffer, index = line.place()
    accumulate = line.accept("<-")
    if not accumulate:
        line.expect("=")
    combine = "" if line.peek().startswith("%") else line.name()
    return Write(buffer, index, line.value(), combine, accumulate)
