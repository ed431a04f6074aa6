"""Kernels as functions: the stream in chunks and blocks, accumulators, and the tree that combines chunks.

A chunk is a function of its own, so that chunks can run on several threads.  Knows nothing of the C interface.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from exprc.ir.types import FLOATS
from exprc.lower.address import Place, Scope, Used, rows_of
from exprc.lower.emit import Function, Module
from exprc.lower.scratch import Layout, is_direct, scratch_layout, slot
from exprc.lower.sizes import size_value
from exprc.lower.statements import flat_nest, lower_statements
from exprc.lower.target import Target
from exprc.schedule.kernel import ARGUMENT, Constant, Kernel, Plan, Statement, Stream, buffers_in, cut, neutral

MOST_INSTRUCTIONS = 1500  # of kernels' statements in one function: code generation is superlinear in its size


class Context(NamedTuple):
    """What all kernels of a plan share: its sizes and the pointers to its buffers, as parameters by name.

    Functions get those that they use.  The order of both tables is the order of parameters.
    """

    module: Module
    target: Target
    symbol: str
    dims: Mapping[str, str]
    places: Mapping[str, Place]


def plan_context(module: Module, target: Target, plan: Plan) -> Context:
    """The context of a plan's kernels."""
    dims = {name: f"%n{number}" for number, name in enumerate(plan.dims)}
    buffers = (*plan.arguments, *plan.results, *plan.workspace)
    places = {buffer.name: Place(buffer, f"%p{number}") for number, buffer in enumerate(buffers)}
    return Context(module, target, plan.symbol, dims, places)


class Needs(NamedTuple):
    """The dims and buffers that a function takes, in the plan's order."""

    dims: tuple[str, ...]
    buffers: tuple[str, ...]

    def arguments(self, dims: Used[str], places: Used[Place]) -> str:
        """These as arguments of a call, with a comma after each."""
        sizes = [f"i64 {dims[name]}, " for name in self.dims]
        return "".join([*sizes, *(f"ptr {places[name].pointer}, " for name in self.buffers)])


def lower_kernel(context: Context, number: int, kernel: Kernel) -> tuple[str, Needs]:
    """Emits the functions of a kernel.  Returns the name of the one to call, and what it takes.

    Its parameters are those, the scratch memory and the fault; it returns a status.
    """
    function = Function(context.module)
    dims, places = Used(context.dims), Used(context.places)
    name = f"@{context.symbol}.kernel{number}"
    layout = scratch_layout(function, dims, kernel, places)
    if kernel.stream is None:
        scope = Scope(function, dims, _own_places(function, kernel, layout, places, "0"), {}, {}, ())
        _start_accumulators(scope, kernel, context.target)
        lower_statements(scope, kernel.body, context.target)
    else:
        _stream(context, function, kernel, kernel.stream, name, layout, dims, places)
    _finish_accumulators(function, dims, kernel, layout, places, context.target)
    function.do("ret i32 0")
    return name, _define(context, function, name, dims, places, "")


def _define(
    context: Context, function: Function, name: str, dims: Used[str], places: Used[Place], further: str
) -> Needs:
    """Closes a function whose parameters are what its body used."""
    buffers = sorted((n for n in places.used if n in context.places), key=lambda n: _number(context.places[n].pointer))
    sizes = sorted(dims.used, key=lambda n: _number(context.dims[n]))
    parameters = [f"i64 {context.dims[name]}" for name in sizes]
    for name_ in buffers:
        place = context.places[name_]
        access = "noalias readonly" if place.buffer.space == ARGUMENT else "noalias"
        parameters.append(f"ptr {access} {place.pointer}")
    parameters += ["ptr %scratch", "ptr %fault"]
    function.define(f"define internal i32 {name}({', '.join(parameters)}{further}) #0")
    return Needs(tuple(sizes), tuple(buffers))


def _number(parameter: str) -> int:
    return int(parameter[2:])


def _stream(
    context: Context,
    function: Function,
    kernel: Kernel,
    stream: Stream,
    name: str,
    layout: Layout,
    dims: Used[str],
    places: Used[Place],
) -> None:
    """Calls the function of a chunk for each, and combines what the chunks leave."""
    arguments = _chunk(context, kernel, stream, f"{name}.chunk").arguments(dims, places)
    extent = size_value(function, dims, stream.extent)
    loop = function.open_loop("0", layout.chunks, "1")
    begin = function.value(f"mul i64 {loop.variable}, {layout.chunk_rows}")
    last = function.value(f"add i64 {begin}, {layout.chunk_rows}")
    end = function.call("i64", "llvm.smin.i64", ("i64", last), ("i64", extent))
    position = f"i64 {begin}, i64 {end}, i64 {loop.variable}"
    _call(function, f"{name}.chunk({arguments}ptr %scratch, ptr %fault, {position})")
    function.close_loop(loop)
    if kernel.accumulators:
        _combine_chunks(function, dims, kernel, layout, places, context.target)


def _chunk(context: Context, kernel: Kernel, stream: Stream, name: str) -> Needs:
    """The function of one chunk: its rows in blocks."""
    function = Function(context.module)
    dims, places = Used(context.dims), Used(context.places)
    layout = scratch_layout(function, dims, kernel, places)
    parts = cut(kernel.body, MOST_INSTRUCTIONS)
    wanted = None if len(parts) == 1 else frozenset(accumulator.buffer.name for accumulator in kernel.accumulators)
    own = _own_places(function, kernel, layout, places, "%chunk", wanted)
    scope = Scope(function, dims, own, {}, {}, rows_of(stream))
    _start_accumulators(scope, kernel, context.target)
    loop = function.open_loop("%begin", "%end", str(stream.block))
    left = function.value(f"sub i64 %end, {loop.variable}")
    rows = function.call("i64", "llvm.smin.i64", ("i64", left), ("i64", str(stream.block)))
    if len(parts) == 1:
        inside = scope._replace(variables={stream.start: loop.variable, stream.rows: rows})
        lower_statements(inside, kernel.body, context.target)
    for number, part in enumerate(parts if len(parts) > 1 else ()):
        arguments = _part(context, kernel, stream, part, f"{name}.part{number}").arguments(dims, places)
        position = f"i64 {loop.variable}, i64 {rows}, i64 %chunk"
        _call(function, f"{name}.part{number}({arguments}ptr %scratch, ptr %fault, {position})")
    function.close_loop(loop)
    function.do("ret i32 0")
    return _define(context, function, name, dims, places, ", i64 %begin, i64 %end, i64 %chunk")


def _part(context: Context, kernel: Kernel, stream: Stream, body: tuple[Statement, ...], name: str) -> Needs:
    """The function of some of a chunk's statements, for one block."""
    function = Function(context.module)
    dims, places = Used(context.dims), Used(context.places)
    layout = scratch_layout(function, dims, kernel, places)
    own = _own_places(function, kernel, layout, places, "%chunk", buffers_in(body))
    variables = {stream.start: "%start", stream.rows: "%rows"}
    lower_statements(Scope(function, dims, own, variables, {}, rows_of(stream)), body, context.target)
    function.do("ret i32 0")
    return _define(context, function, name, dims, places, ", i64 %start, i64 %rows, i64 %chunk")


def _call(function: Function, call: str) -> None:
    """A call of a function that returns a status; a fault is handed on."""
    status = function.value(f"call i32 {call}")
    branch = function.open_branch(function.value(f"icmp ne i32 {status}, 0"))
    function.leave_branch(branch, "i32", status)


def _own_places(
    function: Function,
    kernel: Kernel,
    layout: Layout,
    places: Used[Place],
    chunk: str,
    wanted: frozenset[str] | None = None,
) -> Used[Place]:
    """The places that a chunk sees: those of the plan, its tiles and its accumulators, or of these the wanted ones."""
    own = {}
    for tile, offset in zip(kernel.tiles, layout.tiles, strict=True):
        if wanted is None or tile.name in wanted:
            own[tile.name] = Place(tile, function.entry_value(f"getelementptr i8, ptr %scratch, i64 {offset}"))
    for at, accumulator in enumerate(kernel.accumulators):
        buffer = accumulator.buffer
        if wanted is None or buffer.name in wanted:
            own[buffer.name] = Place(buffer, slot(function, layout, at, accumulator, places, chunk))
    return places.extended(own)


def _start_accumulators(scope: Scope, kernel: Kernel, target: Target) -> None:
    for accumulator in kernel.accumulators:
        dtype = accumulator.buffer.dtype
        start = neutral(accumulator.combine, dtype)
        entry = Constant(float(start) if dtype in FLOATS else start, dtype)
        flat_nest(scope, target, entry, scope.places[accumulator.buffer.name], "")


def _combine_chunks(
    function: Function, dims: Used[str], kernel: Kernel, layout: Layout, places: Used[Place], target: Target
) -> None:
    """partial[c] += partial[c + stride] for strides 1, 2, 4, … and every c that is a multiple of two strides."""
    scope = Scope(function, dims, places, {}, {}, ())
    strides = function.open_loop("1", layout.chunks, "")
    twice = function.value(f"shl i64 {strides.variable}, 1")
    end = function.value(f"sub i64 {layout.chunks}, {strides.variable}")
    loop = function.open_loop("0", end, twice)
    other = function.value(f"add i64 {loop.variable}, {strides.variable}")
    for at, accumulator in enumerate(kernel.accumulators):
        into = Place(accumulator.buffer, slot(function, layout, at, accumulator, places, loop.variable))
        addend = Place(accumulator.buffer, slot(function, layout, at, accumulator, places, other))
        flat_nest(scope, target, addend, into, accumulator.combine)
    function.close_loop(loop)
    function.close_loop(strides, following=twice)


def _finish_accumulators(
    function: Function, dims: Used[str], kernel: Kernel, layout: Layout, places: Used[Place], target: Target
) -> None:
    """Stores the combination of all chunks where it is not there already."""
    scope = Scope(function, dims, places, {}, {}, ())
    for at, accumulator in enumerate(kernel.accumulators):
        if not is_direct(accumulator, places):
            total = Place(accumulator.buffer, slot(function, layout, at, accumulator, places, "0"))
            flat_nest(scope, target, total, places[accumulator.target], "")
