"""Statements in order: nests, sequential loops, checks and copies of whole buffers."""

from __future__ import annotations

from typing import NamedTuple

from exprc.ir.index import Affine, affine_constant, axis
from exprc.ir.sizes import ONE, product
from exprc.ir.types import I64
from exprc.lower.address import Place, Rows, Scope, flat_index, scalar_index
from exprc.lower.emit import Loop as OpenLoop
from exprc.lower.emit import register_type
from exprc.lower.faults import raise_fault
from exprc.lower.memory import load_scalar
from exprc.lower.nest import lower_nest
from exprc.lower.target import Target
from exprc.schedule.kernel import (
    Axis,
    Check,
    Constant,
    Expect,
    Gather,
    Load,
    Loop,
    Nest,
    Scatter,
    Statement,
    Swap,
    Write,
    neutral,
)


def lower_statements(scope: Scope, body: tuple[Statement, ...], target: Target) -> None:
    """Statements in order; loops by a stack of what is still to be done within them."""
    function = scope.function
    pending: list[tuple[Scope, object]] = [(scope, statement) for statement in reversed(body)]
    while pending:
        inside, statement = pending.pop()
        if isinstance(statement, Nest):
            lower_nest(inside, statement, target)
        elif isinstance(statement, Check):
            _check(inside, statement)
        elif isinstance(statement, Expect):
            _expect(inside, statement)
        elif isinstance(statement, (Gather, Scatter)):
            from exprc.lower.moves import lower_move

            lower_move(inside, statement)
        elif isinstance(statement, Swap):
            source, into = inside.places[statement.source], inside.places[statement.target]
            flat_nest(inside, target, source, into, "")
        elif isinstance(statement, Loop):
            extent = scalar_index(inside, statement.extent, inside.variables)
            loop = function.open_loop("0", extent, str(statement.block))
            variable = loop.variable
            if statement.reverse:
                variable = function.value(f"sub i64 {function.value(f'sub i64 {extent}, 1')}, {variable}")
            within = inside.with_variable(statement.variable, variable, statement.extent)
            if statement.rows:
                left = function.value(f"sub i64 {extent}, {variable}")
                rows = function.call("i64", "llvm.smin.i64", ("i64", left), ("i64", str(statement.block)))
                block = Rows(statement.variable, statement.rows, statement.extent, statement.block)
                within = within.with_rows(block, rows)
            pending.append((inside, _End(loop)))
            pending.extend((within, inner) for inner in reversed(statement.body))
        else:
            assert isinstance(statement, _End)
            function.close_loop(statement.loop)


def flat_nest(scope: Scope, target: Target, source: Place | Constant, into: Place, combine: str) -> None:
    """Writes a constant or another buffer's entries over a whole buffer, or combines them with it."""
    count = product(into.buffer.shape)
    single = count == ONE
    index = () if single else (axis("t"),)
    flat = () if single else (count,)
    places = {"into": Place(into.buffer._replace(name="into", shape=flat), into.pointer)}
    entry: Constant | Load
    if isinstance(source, Constant):
        entry = source
    else:
        places["from"] = Place(source.buffer._replace(name="from", shape=flat), source.pointer)
        entry = Load("from", index, (), source.buffer.dtype)
    axes = () if single else (Axis("t", affine_constant(count)),)
    write = Write("into", index, 0, combine, bool(combine))
    nest = Nest(axes, frozenset(), (entry,), (write,), "" if single else "t", () if single else (("t", 1),))
    lower_nest(scope._replace(places=places), nest, target, compact=True)


class _End(NamedTuple):
    """The end of a loop's statements."""

    loop: OpenLoop


def _check(scope: Scope, check: Check) -> None:
    """Leaves the kernel unless the entry is positive."""
    function = scope.function
    value, kind = _entry(scope, check.buffer, check.index)
    branch = function.open_branch(function.value(f"fcmp ule {kind} {value}, 0.0"))
    position = scalar_index(scope, check.position, scope.variables)
    status = raise_fault(function, check.code, check.line, position, "0", check.buffer)
    function.leave_branch(branch, "i32", status)


def _expect(scope: Scope, expect: Expect) -> None:
    """Leaves the kernel with the entry as the index unless it is what `min` of nothing is."""
    function = scope.function
    value, kind = _entry(scope, expect.buffer, expect.index)
    branch = function.open_branch(function.value(f"icmp ne {kind} {value}, {neutral('min', I64)}"))
    status = raise_fault(function, expect.code, expect.line, value, scope.size(expect.bound), expect.name)
    function.leave_branch(branch, "i32", status)


def _entry(scope: Scope, buffer: str, index: tuple[Affine, ...]) -> tuple[str, str]:
    """The value of an entry, and its type."""
    function, place = scope.function, scope.places[buffer]
    number = scalar_index(scope, flat_index(place.buffer, index), scope.variables)
    dtype = place.buffer.dtype
    kind = register_type(dtype, 1)
    pointer = function.value(f"getelementptr {kind}, ptr {place.pointer}, i64 {number}")
    return load_scalar(function, dtype, pointer), kind
