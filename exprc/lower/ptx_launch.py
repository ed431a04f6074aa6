"""What a plan's kernels become on a GPU: launches as data, or the form that is refused.

A nest without accumulators gets a thread for each entry.  One that accumulates takes two launches: in the first a chunk
is a block of the grid, a block of rows a group of threads and a virtual lane a thread; the second combines the chunks.
So every sum keeps its order, and a GPU gives the bits that a CPU gives.

Owns the choice of launches and their description; emits nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from exprc.diagnostics import Diagnostic, KnownLimit
from exprc.ir.index import Affine, Variable, affine_constant
from exprc.ir.sizes import Size, constant, product
from exprc.ir.types import BYTES, F32
from exprc.schedule.kernel import (
    MOST_CHUNKS,
    TILE,
    WORKSPACE,
    Accumulator,
    Axis,
    Buffer,
    Check,
    Expect,
    Gather,
    Kernel,
    Load,
    Loop,
    Nest,
    Plan,
    Scatter,
    Statement,
    Stream,
    Swap,
    Write,
    chunk_length,
    chunk_limit,
    lanes_of,
    running_dtype,
)

EACH, SUM, COMBINE = "each", "sum", "combine"
THREADS = 256
MOST_BLOCKS = 65536


class Launch(NamedTuple):
    """One launch.  Arguments are the sizes `dims` as i64 and after them the addresses of `buffers`.

    `form` is `each` (a thread for each entry), `sum` (a block for each chunk, which leaves its sums in buffers of
    partial results) or `combine` (one block, which combines those).  Partial results are the last of the buffers, one
    for each of the accumulators.  `shared` is declared in the code; a launch asks for no more.
    """

    name: str
    form: str
    kernel: Kernel
    nest: Nest
    accumulators: tuple[Accumulator, ...]
    dims: tuple[str, ...]
    buffers: tuple[Buffer, ...]
    threads: int
    shared: tuple[Buffer, ...]

    @property
    def shared_bytes(self) -> int:
        """The bytes of shared memory that a block takes."""
        return sum((product(buffer.shape).constant or 0) * BYTES[buffer.dtype] for buffer in self.shared)

    def blocks(self, dims: Mapping[str, int]) -> int:
        """The number of blocks of the grid for given sizes."""
        stream = self.kernel.stream
        if self.form == COMBINE:
            return 1
        if self.form == SUM:
            assert stream is not None
            extent = stream.extent.evaluate(dims)
            limit = chunk_limit(sum(BYTES[a.buffer.dtype] for a in self.kernel.accumulators))
            return max(1, -(-extent // max(1, chunk_length(extent, stream, limit))))
        entries = product(entry_extents(self.nest, stream)).evaluate(dims)
        return max(1, min(MOST_BLOCKS, -(-entries // self.threads)))


def plan_launches(plan: Plan) -> tuple[Launch, ...]:
    """The launches of a plan, in order."""
    return tuple(launch for kernel in plan.kernels for launch in kernel_launches(plan, kernel))


def kernel_launches(plan: Plan, kernel: Kernel) -> tuple[Launch, ...]:
    """The launches of one kernel, in order; a known limit where it has a form that is refused."""
    reason = refusal(kernel)
    if reason:
        text = f"`--target ptx`: the kernel `{kernel.name}` of `{plan.symbol}` {reason}, which is not built yet"
        raise KnownLimit(Diagnostic("E0602", text))
    launches: list[Launch] = []
    for position, statement in enumerate(kernel.body):
        assert isinstance(statement, Nest)
        launches += _nest_launches(plan, kernel, f"{plan.symbol}${kernel.name}_{position}", statement)
    return tuple(launches)


def refusal(kernel: Kernel) -> str:
    """What keeps a kernel from a GPU, as a verb with its objects; "" where nothing does."""
    if kernel.tiles:
        return "keeps blocks of rows in tiles"
    for statement in kernel.body:
        reason = _statement_refusal(kernel, statement)
        if reason:
            return reason
    written = [write.buffer for statement in kernel.body if isinstance(statement, Nest) for write in statement.writes]
    for accumulator in kernel.accumulators:
        if written.count(accumulator.buffer.name) != 1:
            return f"adds to `{accumulator.target}` in several places"
    return ""


def outer_axes(nest: Nest) -> tuple[Axis, ...]:
    """The axes that are not reduced."""
    return tuple(axis for axis in nest.axes if axis.name not in nest.reduced)


def entry_extents(nest: Nest, stream: Stream | None) -> tuple[Size, ...]:
    """The extents of the axes that are not reduced, where the whole stream is one block."""
    rows: dict[Variable, Affine] = {stream.rows: affine_constant(stream.extent)} if stream else {}
    return tuple(axis.extent.substitute(rows).constant for axis in outer_axes(nest))


def group_lanes(nest: Nest) -> int:
    """The threads that sum one block of rows."""
    return lanes_of(nest) if nest.vector else 1


def sums_of(kernel: Kernel, nest: Nest) -> tuple[tuple[Write, Accumulator], ...]:
    """The writes of a nest that go to accumulators."""
    known = {accumulator.buffer.name: accumulator for accumulator in kernel.accumulators}
    return tuple((write, known[write.buffer]) for write in nest.writes if write.buffer in known)


def lane_dtype(write: Write, dtype: str) -> str:
    """The dtype in which one lane of a block adds up values of a dtype."""
    return F32 if write.combine == "add" and dtype == F32 else running_dtype(write.combine, dtype)


# Forms


def _nest_launches(plan: Plan, kernel: Kernel, name: str, nest: Nest) -> Iterator[Launch]:
    sums = sums_of(kernel, nest)
    names = {i.buffer for i in nest.body if isinstance(i, Load)} | {write.buffer for write in nest.writes}
    known = (*plan.arguments, *plan.results, *plan.workspace)
    buffers = tuple(buffer for buffer in known if buffer.name in names)
    if not sums:
        yield Launch(f"{name}_{EACH}", EACH, kernel, nest, (), plan.dims, buffers, THREADS, ())
        return
    accumulators = tuple(accumulator for _, accumulator in sums)
    partials = tuple(a.buffer._replace(shape=(constant(MOST_CHUNKS),), space=WORKSPACE) for a in accumulators)
    dtypes = [lane_dtype(write, nest.body[write.value].dtype) for write, _ in sums]
    shared = _shared(accumulators, dtypes, THREADS)
    yield Launch(f"{name}_{SUM}", SUM, kernel, nest, accumulators, plan.dims, (*buffers, *partials), THREADS, shared)
    targets = {accumulator.target for accumulator in accumulators}
    finals = tuple(buffer for buffer in known if buffer.name in targets)
    shared = _shared(accumulators, [accumulator.buffer.dtype for accumulator in accumulators], MOST_CHUNKS)
    yield Launch(
        f"{name}_{COMBINE}", COMBINE, kernel, nest, accumulators, plan.dims, (*finals, *partials), MOST_CHUNKS, shared
    )


def _shared(accumulators: tuple[Accumulator, ...], dtypes: list[str], threads: int) -> tuple[Buffer, ...]:
    """An array for each accumulator with an entry for each thread."""
    shape = (constant(threads),)
    return tuple(Buffer(a.buffer.name, dtype, shape, TILE) for a, dtype in zip(accumulators, dtypes, strict=True))


# Refusals


def _statement_refusal(kernel: Kernel, statement: Statement) -> str:
    if isinstance(statement, Loop):
        return "repeats statements in order, as a scan does"
    if isinstance(statement, Check):
        return "stops at entries that are not positive, as a factorisation does"
    if isinstance(statement, Expect):
        return "stops at indices that are out of bounds"
    if isinstance(statement, Swap):
        return "copies whole buffers"
    if isinstance(statement, (Gather, Scatter)):
        return "moves entries to places that are computed"
    return _sum_refusal(kernel, statement) if sums_of(kernel, statement) else _each_refusal(kernel, statement)


def _sum_refusal(kernel: Kernel, nest: Nest) -> str:
    """Accumulators are scalars, over one axis: that of the stream."""
    stream, sums = kernel.stream, sums_of(kernel, nest)
    if any(accumulator.buffer.shape for _, accumulator in sums):
        return "adds up arrays"
    if stream is None or len(nest.axes) != 1 or nest.axes[0].extent.only_variable != stream.rows or not nest.reduced:
        return "adds up over several axes at once"
    if len(sums) != sum(1 for write in nest.writes if write.combine):
        return "has a sum beside that over its rows"
    panelled = any(write.combine == "add" and nest.body[write.value].dtype == F32 for write, _ in sums)
    if panelled and stream.block > nest.panel * group_lanes(nest):
        return "adds up f32 in several panels a block"
    return ""


def _each_refusal(kernel: Kernel, nest: Nest) -> str:
    """Every thread has its own entries; what it adds up is added in order."""
    if nest.vector in nest.reduced:
        return "has a sum within each row"
    allowed = {kernel.stream.rows} if kernel.stream else set()
    if any(axis.extent.variables() - allowed for axis in nest.axes):
        return "has a loop whose length depends on another loop"
    outer = {axis.name for axis in outer_axes(nest)}
    for write in nest.writes:
        used = {name for index in write.index for name in index.variables()}
        if write.combine and not outer <= used:
            return "has entries to which several others are added"
    return ""
