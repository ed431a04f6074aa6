"""Launches as LLVM IR for NVIDIA GPUs, and that as PTX.

A thread's part of a nest is lowered as on a CPU, on one lane.  Owns where a thread's indices come from, shared memory,
barriers, and the two trees that combine lanes and chunks.  Nothing but arithmetic reaches the GPU's code generator:
it aborts the process on a mathematical function, or approximates it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from exprc.ir.index import affine_constant
from exprc.ir.types import BYTES, FLOATS
from exprc.lower.address import Place, Scope, Used, rows_of
from exprc.lower.analysis import Reduction, analyse
from exprc.lower.emit import MEMORY_TYPES, Function, Module, literal, overload, register_type
from exprc.lower.frame import Frame
from exprc.lower.kernel import Context, plan_context
from exprc.lower.memory import load_scalar, store_scalar
from exprc.lower.nest import lower_nest
from exprc.lower.optimise import assembly
from exprc.lower.ptx_launch import (
    COMBINE,
    EACH,
    SUM,
    Launch,
    entry_extents,
    group_lanes,
    lane_dtype,
    outer_axes,
    plan_launches,
)
from exprc.lower.reduce import combined
from exprc.lower.scratch import Layout, scratch_layout
from exprc.lower.sizes import size_value
from exprc.lower.target import Target
from exprc.lower.values import convert
from exprc.lower.writes import store_all
from exprc.schedule.kernel import ARGUMENT, MOST_CHUNKS, Accumulator, Plan, neutral

TRIPLE = "nvptx64-nvidia-cuda"
BARRIER = "llvm.nvvm.barrier.cta.sync.aligned.all"
THREAD, BLOCK, BLOCKS = (f"llvm.nvvm.read.ptx.sreg.{name}.x" for name in ("tid", "ctaid", "nctaid"))


def lower_plan_ptx(plan: Plan, sm: int = 80) -> str:
    """The LLVM IR of a plan's launches; a known limit where a kernel has a form that is not built for GPUs."""
    module, target = Module(), ptx_target(sm)
    context = plan_context(module, target, plan)
    for launch in plan_launches(plan):
        _FORMS[launch.form](_open(context, launch))
    return module.text((f'target triple = "{TRIPLE}"', ""), ("attributes #0 = { nounwind }",))


def ptx_text(ir: str, sm: int = 80) -> str:
    """What `lower_plan_ptx` gave as PTX for GPUs from a compute capability on, 80 for 8.0."""
    return assembly(ir, ptx_target(sm))


def ptx_target(sm: int = 80) -> Target:
    """GPUs from a compute capability on.  A thread has no vectors."""
    return Target("ptx", TRIPLE, f"sm_{sm}", "", 64, 32)


class _Entry(NamedTuple):
    """One GPU function while it is written: its places include the buffers of partial results."""

    launch: Launch
    target: Target
    function: Function
    dims: Used[str]
    places: Used[Place]
    thread: str

    def scope(self) -> Scope:
        """What the statements of a thread may refer to."""
        return Scope(self.function, self.dims, self.places, {}, {}, rows_of(self.launch.kernel.stream))

    def shared(self, at: int, index: str) -> str:
        """The pointer to an entry of a shared array."""
        buffer = self.launch.shared[at]
        base = f"addrspacecast (ptr addrspace(3) {_shared_name(self.launch, at)} to ptr)"
        return self.function.value(f"getelementptr {MEMORY_TYPES[buffer.dtype]}, ptr {base}, i64 {index}")

    def partial(self, accumulator: Accumulator, index: str) -> str:
        """The pointer to the partial result of a chunk."""
        place = self.places[accumulator.buffer.name]
        kind = MEMORY_TYPES[accumulator.buffer.dtype]
        return self.function.value(f"getelementptr {kind}, ptr {place.pointer}, i64 {index}")

    def barrier(self) -> None:
        """All threads of the block wait for each other."""
        self.function.call("void", BARRIER, ("i32", "0"))

    def meet(self, at: int, combine: str, into: str, other: str) -> None:
        """Combines two entries of a shared array into the first of them."""
        dtype = self.launch.shared[at].dtype
        pointer = self.shared(at, into)
        pair = [load_scalar(self.function, dtype, p) for p in (pointer, self.shared(at, other))]
        store_scalar(self.function, dtype, combined(self.function, combine, dtype, pair[0], pair[1], 1), pointer)


def _open(context: Context, launch: Launch) -> _Entry:
    function = Function(context.module)
    partials = {a.buffer.name: Place(a.buffer, f"%q{at}") for at, a in enumerate(launch.accumulators)}
    places = Used(context.places, partials)
    for at, buffer in enumerate(launch.shared):
        array = f"[{buffer.shape[0]} x {MEMORY_TYPES[buffer.dtype]}]"
        text = f"{_shared_name(launch, at)} = internal addrspace(3) global {array} poison, align {BYTES[buffer.dtype]}"
        context.module.constant(text)
    return _Entry(launch, context.target, function, Used(context.dims), places, _index(function, THREAD))


def _close(entry: _Entry) -> None:
    """Adds the function, whose parameters are the launch's arguments."""
    launch = entry.launch
    entry.function.do("ret void")
    parameters = [f"i64 {entry.dims.peek(name)}" for name in launch.dims]
    for buffer in launch.buffers:
        access = "noalias readonly" if buffer.space == ARGUMENT else "noalias"
        parameters.append(f"ptr {access} {entry.places.peek(buffer.name).pointer}")
    head = f"define ptx_kernel void @{launch.name}({', '.join(parameters)})"
    entry.function.define(f'{head} #0 "nvvm.reqntid"="{launch.threads}"')


def _shared_name(launch: Launch, at: int) -> str:
    return f"@{launch.name}_shared{at}"


def _index(function: Function, name: str) -> str:
    """A number that the GPU gives to a thread, as an i64."""
    function.module.declare(f"declare i32 @{name}()")
    return function.entry_value(f"zext i32 {function.entry_value(f'call i32 @{name}()')} to i64")


# A thread for each entry


def _each(entry: _Entry) -> None:
    """Entries in row-major order: each thread takes one, and then those further by the number of threads."""
    function, launch, nest = entry.function, entry.launch, entry.launch.nest
    stream = launch.kernel.stream
    scope = entry.scope()
    extents = [scope.size(size) for size in entry_extents(nest, stream)]
    total = "1"
    for extent in extents:
        total = extent if total == "1" else function.value(f"mul i64 {total}, {extent}")
    before = function.value(f"mul i64 {_index(function, BLOCK)}, {launch.threads}")
    step = function.value(f"mul i64 {_index(function, BLOCKS)}, {launch.threads}")
    loop = function.open_loop(function.value(f"add i64 {before}, {entry.thread}"), total, step)
    if stream is not None:
        scope = scope.with_variable(stream.start, "0", affine_constant(stream.extent))
        scope = scope.with_variable(stream.rows, scope.size(stream.extent), affine_constant(stream.extent))
    rest = loop.variable
    outer = outer_axes(nest)
    for position in range(len(outer) - 1, -1, -1):
        number = rest
        if position:
            number = function.value(f"urem i64 {rest}, {extents[position]}")
            rest = function.value(f"udiv i64 {rest}, {extents[position]}")
        scope = scope.with_variable(outer[position].name, number, outer[position].extent)
    inner = tuple(axis for axis in nest.axes if axis.name in nest.reduced)
    lower_nest(scope, nest._replace(axes=inner, vector="", unroll=()), entry.target)
    function.close_loop(loop)
    _close(entry)


# Two stages of a sum


def _sum(entry: _Entry) -> None:
    """One chunk.  Groups of threads take blocks of rows; the first thread adds what the groups found, in order."""
    function, launch = entry.function, entry.launch
    stream = launch.kernel.stream
    assert stream is not None
    lanes = group_lanes(launch.nest)
    group = function.value(f"udiv i64 {entry.thread}, {lanes}")
    lane = function.value(f"urem i64 {entry.thread}, {lanes}")
    ahead = function.value(f"mul i64 {group}, {stream.block}")
    chunk, layout = _index(function, BLOCK), _chunks(entry)
    extent = size_value(function, entry.dims, stream.extent)
    begin = function.value(f"mul i64 {chunk}, {layout.chunk_rows}")
    last = function.value(f"add i64 {begin}, {layout.chunk_rows}")
    end = function.call("i64", "llvm.smin.i64", ("i64", last), ("i64", extent))
    dtypes = [accumulator.buffer.dtype for accumulator in launch.accumulators]
    start = [_neutral(a.combine, a.buffer.dtype) for a in launch.accumulators]
    kinds = [register_type(dtype, 1) for dtype in dtypes]
    rounds = launch.threads // lanes * stream.block
    loop = function.open_loop(begin, end, str(rounds), list(zip(kinds, start, strict=True)))
    row = function.value(f"add i64 {loop.variable}, {ahead}")
    left = function.value(f"sub i64 {end}, {row}")
    rows = function.call("i64", "llvm.smin.i64", ("i64", left), ("i64", str(stream.block)))
    _sum_rows(entry, row, rows, lane, lanes)
    _combine_lanes(entry, lane, lanes)
    entry.barrier()
    totals = _add_groups(entry, function.value(f"sub i64 {end}, {loop.variable}"), lanes, list(loop.values))
    entry.barrier()
    _, totals = function.close_loop(loop, totals)
    branch = function.open_branch(function.value(f"icmp eq i64 {entry.thread}, 0"))
    for accumulator, total in zip(launch.accumulators, totals, strict=True):
        store_scalar(function, accumulator.buffer.dtype, total, entry.partial(accumulator, chunk))
    function.close_branch(branch)
    _close(entry)


def _sum_rows(entry: _Entry, row: str, rows: str, lane: str, lanes: int) -> None:
    """A thread's lane of its group's block, into shared memory."""
    function, nest = entry.function, entry.launch.nest
    stream = entry.launch.kernel.stream
    assert stream is not None
    scope = entry.scope()._replace(variables={stream.start: row, stream.rows: rows})
    frame = Frame(scope, analyse(scope, nest._replace(vector="", unroll=())))
    reductions = frame.work.reductions
    dtypes = [lane_dtype(reduction.write, reduction.dtype) for reduction in reductions]
    carried = [(register_type(t, 1), _neutral(r.write.combine, t)) for t, r in zip(dtypes, reductions, strict=True)]
    frame.enter(0)
    loop = function.open_loop(lane, rows, str(lanes), carried)
    frame.variables[nest.axes[0].name] = loop.variable
    frame.enter(1)
    store_all(frame)
    updated = [_updated(frame, r, t, old) for r, t, old in zip(reductions, dtypes, loop.values, strict=True)]
    _, values = function.close_loop(loop, updated)
    for at, (dtype, value) in enumerate(zip(dtypes, values, strict=True)):
        store_scalar(function, dtype, value, entry.shared(at, entry.thread))


def _updated(frame: Frame, reduction: Reduction, dtype: str, old: str) -> str:
    """A lane's running value after one entry."""
    copy, kind = (0,) * len(frame.active), register_type(dtype, 1)
    if reduction.fused:
        factors = [(kind, frame.operand(factor, copy, 1)) for factor in reduction.fused]
        return frame.function.call(kind, f"llvm.fma.{overload(dtype, 1)}", *factors, (kind, old))
    value = convert(frame.function, reduction.dtype, dtype, frame.operand(reduction.value, copy, 1), 1)
    return combined(frame.function, reduction.write.combine, dtype, old, value, 1)


def _combine_lanes(entry: _Entry, lane: str, lanes: int) -> None:
    """The lanes of each group pairwise by halves, into its first thread's entry."""
    function = entry.function
    half = lanes // 2
    while half:
        entry.barrier()
        other = function.value(f"add i64 {entry.thread}, {half}")
        branch = function.open_branch(function.value(f"icmp slt i64 {lane}, {half}"))
        for at, accumulator in enumerate(entry.launch.accumulators):
            entry.meet(at, accumulator.combine, entry.thread, other)
        function.close_branch(branch)
        half //= 2


def _add_groups(entry: _Entry, left: str, lanes: int, totals: list[str]) -> list[str]:
    """In the first thread, the totals with the results of all blocks of rows of this round that have any."""
    function, launch = entry.function, entry.launch
    stream = launch.kernel.stream
    assert stream is not None
    more = function.value(f"add i64 {left}, {stream.block - 1}")
    blocks = function.value(f"sdiv i64 {more}, {stream.block}")
    count = function.call("i64", "llvm.smin.i64", ("i64", blocks), ("i64", str(launch.threads // lanes)))
    kinds = [register_type(accumulator.buffer.dtype, 1) for accumulator in launch.accumulators]
    branch = function.open_branch(function.value(f"icmp eq i64 {entry.thread}, 0"))
    loop = function.open_loop("0", count, "1", list(zip(kinds, totals, strict=True)))
    first = function.value(f"mul i64 {loop.variable}, {lanes}")
    updated = []
    for at, (accumulator, old) in enumerate(zip(launch.accumulators, loop.values, strict=True)):
        source, dtype = launch.shared[at].dtype, accumulator.buffer.dtype
        value = convert(function, source, dtype, load_scalar(function, source, entry.shared(at, first)), 1)
        updated.append(combined(function, accumulator.combine, dtype, old, value, 1))
    _, values = function.close_loop(loop, updated)
    return function.close_branch(branch, list(zip(kinds, values, totals, strict=True)))


def _combine(entry: _Entry) -> None:
    """partial[c] += partial[c + stride] for strides 1, 2, 4, … in shared memory; the first one is the result."""
    function, launch, thread = entry.function, entry.launch, entry.thread
    chunks = _chunks(entry).chunks
    branch = function.open_branch(function.value(f"icmp slt i64 {thread}, {chunks}"))
    for at, accumulator in enumerate(launch.accumulators):
        dtype = accumulator.buffer.dtype
        value = load_scalar(function, dtype, entry.partial(accumulator, thread))
        store_scalar(function, dtype, value, entry.shared(at, thread))
    function.close_branch(branch)
    stride = 1
    while stride < MOST_CHUNKS:
        entry.barrier()
        other = function.value(f"add i64 {thread}, {stride}")
        rest = function.value(f"and i64 {thread}, {2 * stride - 1}")
        turn = function.value(f"icmp eq i64 {rest}, 0")
        present = function.value(f"icmp slt i64 {other}, {chunks}")
        branch = function.open_branch(function.value(f"and i1 {turn}, {present}"))
        for at, accumulator in enumerate(launch.accumulators):
            entry.meet(at, accumulator.combine, thread, other)
        function.close_branch(branch)
        stride *= 2
    branch = function.open_branch(function.value(f"icmp eq i64 {thread}, 0"))
    for at, accumulator in enumerate(launch.accumulators):
        target, dtype = entry.places[accumulator.target], accumulator.buffer.dtype
        total = load_scalar(function, dtype, entry.shared(at, "0"))
        memory = target.buffer.dtype
        store_scalar(function, memory, convert(function, dtype, memory, total, 1), target.pointer)
    function.close_branch(branch)
    _close(entry)


def _chunks(entry: _Entry) -> Layout:
    """The number of chunks and the rows of one, by the rule of every target."""
    return scratch_layout(entry.function, entry.dims, entry.launch.kernel, entry.places)


def _neutral(combine: str, dtype: str) -> str:
    value = neutral(combine, dtype)
    return literal(dtype, float(value) if dtype in FLOATS else value)


_FORMS: dict[str, Callable[[_Entry], None]] = {EACH: _each, SUM: _sum, COMBINE: _combine}
