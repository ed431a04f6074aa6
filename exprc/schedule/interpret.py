"""Runs plans on NumPy arrays: the meaning of kernels, and the oracle of everything lowered.

Results are the bits of the compiled code: operations run as their scalar programs, sums in the order of `sums`.  Must
not know targets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from exprc.diagnostics import InternalError
from exprc.ir.fault import Fault
from exprc.ir.index import Affine
from exprc.ir.sizes import Size
from exprc.ir.types import BYTES, FLOATS, I64, NUMPY_NAMES
from exprc.scalar.builder import Builder, reachable
from exprc.scalar.evaluate import evaluate
from exprc.schedule.body import body_program
from exprc.schedule.kernel import (
    Accumulator,
    Check,
    Expect,
    Gather,
    Holds,
    IndexValue,
    Kernel,
    Load,
    Loop,
    Nest,
    Plan,
    Scatter,
    Statement,
    Swap,
    Write,
    chunk_length,
    chunk_limit,
    neutral,
    running_dtype,
)
from exprc.schedule.machine import Machine, Variables
from exprc.schedule.show import show_statement, show_write
from exprc.schedule.sums import combined, order_of, reduced

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

MOST_POINTS = 1 << 18  # of a nest at once; more are done by parts of its first axis
BAD_SIZE, REQUIREMENT = 1, 3


def interpret(plan: Plan, arguments: Mapping[str, Array], dims: Mapping[str, int]) -> dict[str, Array]:
    """The results of a plan by the names of their buffers, for arguments by the names of theirs."""
    import numpy as np

    _require(plan, dims)
    machine = Machine(dims)
    with np.errstate(all="ignore"):
        for buffer in plan.arguments:
            machine.take(buffer, arguments[buffer.name])
        for buffer in (*plan.results, *plan.workspace):
            machine.declare(buffer)
        for kernel in plan.kernels:
            try:
                _run_kernel(machine, kernel)
            except InternalError as error:
                raise InternalError(f"{plan.symbol}, {kernel.name}: {error}") from None
    for buffer in plan.results:
        if not machine.written[buffer.name].all():
            raise InternalError(f"{plan.symbol}: nothing wrote all of {buffer.name}")
    return {buffer.name: machine.arrays[buffer.name] for buffer in plan.results}


def _require(plan: Plan, dims: Mapping[str, int]) -> None:
    for name in plan.dims:
        if dims[name] < 0:
            raise Fault(BAD_SIZE, 0, dims[name])
    for r in plan.requirements:
        left, right = r.left.evaluate(dims), r.right.evaluate(dims)
        relations = {"==": left == right, "!=": left != right, "<=": left <= right, "<": left < right,
                     ">=": left >= right, ">": left > right}  # fmt: skip
        if not relations[r.relation]:
            raise Fault(REQUIREMENT, r.line, left)


class _Body(NamedTuple):
    """A nest's body as a scalar program, and for each write the values that it takes: two are factors of a product that
    is added with one rounding."""

    builder: Builder
    outputs: tuple[int, ...]
    sources: tuple[tuple[int, ...], ...]


# ---- kernels


def _run_kernel(machine: Machine, kernel: Kernel) -> None:
    import numpy as np

    machine.since = machine.clock
    stream = kernel.stream
    partials: list[list[Array]] = []
    if stream is None:
        _start_chunk(machine, kernel)
        machine.clock += 1
        _run_statements(machine, kernel.body, {})
        partials.append([machine.arrays[a.buffer.name] for a in kernel.accumulators])
    else:
        extent = machine.size(stream.extent)
        bytes_ = sum(_entries(machine, a) * BYTES[a.buffer.dtype] for a in kernel.accumulators)
        rows = chunk_length(extent, stream, chunk_limit(bytes_))
        for begin in range(0, max(extent, 1), rows):
            _start_chunk(machine, kernel)
            for first in range(begin, min(begin + rows, extent), stream.block):
                machine.clock += 1
                for tile in kernel.tiles:
                    machine.declare(tile)
                last = min(first + stream.block, begin + rows, extent)
                _run_statements(machine, kernel.body, {stream.start: first, stream.rows: last - first})
            partials.append([machine.arrays[a.buffer.name] for a in kernel.accumulators])
    machine.clock += 1
    _combine_chunks(kernel, partials)
    for accumulator, total in zip(kernel.accumulators, partials[0], strict=True):
        machine.fill(accumulator.target, total.astype(machine.arrays[accumulator.target].dtype))
    assert all(np.all(machine.written[a.target]) for a in kernel.accumulators)


def _entries(machine: Machine, accumulator: Accumulator) -> int:
    count = 1
    for size in accumulator.buffer.shape:
        count *= machine.size(size)
    return count


def _start_chunk(machine: Machine, kernel: Kernel) -> None:
    for tile in kernel.tiles:
        machine.declare(tile)
    for accumulator in kernel.accumulators:
        machine.declare(accumulator.buffer)
        machine.fill(accumulator.buffer.name, neutral(accumulator.combine, accumulator.buffer.dtype))


def _combine_chunks(kernel: Kernel, partials: list[list[Array]]) -> None:
    """partial[c] with partial[c + stride] for strides 1, 2, 4, … and every c that is a multiple of two strides."""
    stride = 1
    while stride < len(partials):
        for chunk in range(0, len(partials) - stride, 2 * stride):
            for at, accumulator in enumerate(kernel.accumulators):
                other = partials[chunk + stride][at]
                partials[chunk][at] = combined(accumulator.combine, partials[chunk][at], other)
        stride *= 2


def _run_statements(machine: Machine, body: tuple[Statement, ...], variables: Variables) -> None:
    """Statements in order; those of loops by a stack of what is still to be done."""
    pending: list[Iterator[tuple[Statement, Variables]]] = [iter([(s, variables) for s in body])]
    while pending:
        statement, inside = next(pending[-1], (None, variables))
        if statement is None:
            pending.pop()
        elif isinstance(statement, Loop):
            pending.append(_turns(machine, statement, inside))
        else:
            try:
                _run_statement(machine, statement, inside)
            except InternalError as error:
                raise InternalError(f"{show_statement(statement)}: {error}") from None


def _turns(machine: Machine, loop: Loop, variables: Variables) -> Iterator[tuple[Statement, Variables]]:
    extent = machine.index(loop.extent, variables)
    turns = range(0, extent, loop.block)
    for turn in reversed(turns) if loop.reverse else turns:
        inside = {**variables, loop.variable: turn}
        if loop.rows:
            inside[loop.rows] = min(loop.block, extent - turn)
        for statement in loop.body:
            yield statement, inside


def _run_statement(machine: Machine, statement: Statement, variables: Variables) -> None:
    import numpy as np

    if isinstance(statement, Nest):
        _run_nest(machine, statement, variables)
    elif isinstance(statement, Swap):
        source = machine.arrays[statement.source]
        if not np.all(machine.written[statement.source]):
            raise InternalError(f"nothing wrote all of {statement.source}")
        machine.fill(statement.target, source)
    elif isinstance(statement, (Gather, Scatter)):
        _run_move(machine, statement, variables)
    elif isinstance(statement, Expect):
        entries = machine.entries(statement.buffer, statement.index, variables, np.True_)
        lowest = int(machine.read(statement.buffer, entries, np.True_))
        if lowest != neutral("min", I64):
            bound = machine.size(statement.bound)
            raise Fault(statement.code, statement.line, lowest, bound, statement.name)
    else:
        assert isinstance(statement, Check)
        entries = machine.entries(statement.buffer, statement.index, variables, np.True_)
        if not machine.read(statement.buffer, entries, np.True_) > 0:
            raise Fault(statement.code, statement.line, machine.index(statement.position, variables))


def _run_move(machine: Machine, move: Gather | Scatter, variables: Variables) -> None:
    import numpy as np

    def entries(name: str, index: tuple[Affine, ...], count: Size) -> Array:
        """The numbers of so many entries of a buffer from an index on."""
        place = [int(machine.index(one, variables)) for one in index]
        array = machine.arrays[name]
        first = int(np.ravel_multi_index(place, array.shape)) if place and array.size else 0
        return np.arange(first, first + machine.size(count))

    def read(name: str, numbers: Array) -> Array:
        where = np.unravel_index(numbers, machine.arrays[name].shape) if machine.arrays[name].shape else ()
        found = machine.read(name, where, np.True_)
        return np.broadcast_to(found, numbers.shape)

    count, bound = machine.size(move.length), machine.size(move.bound)
    if not count:
        return
    places = read(move.places, entries(move.places, move.places_index, move.length))
    inside = (places >= 0) & (places < bound)
    if isinstance(move, Gather):
        source = entries(move.source, move.source_index, move.bound)
        taken = np.zeros(count, machine.arrays[move.target].dtype)
        taken[inside] = read(move.source, source[places[inside]]) if inside.any() else 0
        target = entries(move.target, move.target_index, move.length)
        machine.arrays[move.target].reshape(-1)[target] = taken
        machine.written[move.target].reshape(-1)[target] = machine.clock
        return
    values = read(move.source, entries(move.source, move.source_index, move.length))
    target = entries(move.target, move.target_index, move.bound)
    np.add.at(machine.arrays[move.target].reshape(-1), target[places[inside]], values[inside])


# ---- nests


def _body_of(machine: Machine, nest: Nest) -> _Body:
    """The body of a nest, made once in a run."""
    body: _Body = machine.made.get(id(nest)) or _make_body(nest)
    machine.made[id(nest)] = body
    return body


def _make_body(nest: Nest) -> _Body:
    builder, values = body_program(nest)
    written = [values[write.value] for write in nest.writes]
    uses: dict[int, int] = {}
    for value in (*written, *(arg for v in reachable(builder, written) for arg in builder.instructions[v].args)):
        uses[value] = uses.get(value, 0) + 1
    sources = tuple(_sources(nest, write, builder, value, uses[value]) for write, value in zip(nest.writes, written))
    return _Body(builder, tuple(dict.fromkeys(value for source in sources for value in source)), sources)


def _sources(nest: Nest, write: Write, builder: Builder, value: int, uses: int) -> tuple[int, ...]:
    """A float product that is used in one sum only is added without being rounded first."""
    op, args, dtype, _ = builder.instructions[value]
    fused = write.combine == "add" and nest.reduced and op == "mul" and dtype in FLOATS and uses == 1
    return args if fused else (value,)


def _run_nest(machine: Machine, nest: Nest, variables: Variables) -> None:
    extents = [max(machine.index(axis.extent, variables), 0) for axis in nest.axes]
    points = 1
    for extent in extents:
        points *= extent
    if points <= MOST_POINTS or nest.axes[0].name in nest.reduced:
        _run_points(machine, nest, variables, [range(extent) for extent in extents])
        return
    step = max(1, MOST_POINTS * extents[0] // points)
    for begin in range(0, extents[0], step):
        first = range(begin, min(begin + step, extents[0]))
        _run_points(machine, nest, variables, [first, *map(range, extents[1:])])


def _run_points(machine: Machine, nest: Nest, variables: Variables, ranges: list[range]) -> None:
    """All points at once: every value is an array with an axis for each of the nest, of length 1 where it does not
    depend on it."""
    import numpy as np

    shape = tuple(map(len, ranges))
    inside = dict(variables)
    for position, (axis, numbers) in enumerate(zip(nest.axes, ranges, strict=True)):
        inside[axis.name] = np.arange(numbers.start, numbers.stop).reshape([-1] + [1] * (len(shape) - position - 1))
    body = _body_of(machine, nest)
    values = _evaluate(machine, nest, body, inside, shape)
    kept = sum(axis.name not in nest.reduced for axis in nest.axes)
    outer = dict(variables)
    for position, axis in enumerate(nest.axes[:kept]):
        outer[axis.name] = inside[axis.name].reshape([-1] + [1] * (kept - position - 1))
    for combining in (False, True):
        for write, source in zip(nest.writes, body.sources, strict=True):
            if bool(write.combine) != combining:
                continue
            factors = tuple(np.broadcast_to(values[value], shape) for value in source)
            if not combining:
                _store(machine, nest, write, factors[0], inside)
            elif not nest.reduced:
                _store(machine, nest, write, factors[0], inside)
            else:
                order = order_of(nest, write.combine, body.builder.dtype(source[0]))
                _store(machine, nest, write, reduced(order, factors, kept), outer)


def _evaluate(
    machine: Machine, nest: Nest, body: _Body, variables: Variables, shape: tuple[int, ...]
) -> dict[int, Array]:
    import numpy as np

    if 0 in shape:
        return {value: np.zeros((), NUMPY_NAMES[body.builder.dtype(value)]) for value in body.outputs}
    inputs: dict[Any, Array] = {}
    for instruction in nest.body:
        if isinstance(instruction, Load):
            where = machine.holds(instruction.guards, variables)
            entries = machine.entries(instruction.buffer, instruction.index, variables, where)
            inputs[instruction] = machine.read(instruction.buffer, entries, where)
            for write in nest.writes:
                if write.buffer == instruction.buffer:
                    _expect_apart(machine, instruction, write, variables)
        elif isinstance(instruction, IndexValue):
            value = np.asarray(machine.index(instruction.index, variables))
            inputs[instruction] = value.astype(NUMPY_NAMES[instruction.dtype])
        elif isinstance(instruction, Holds):
            inputs[instruction] = np.asarray(machine.holds(instruction.guards, variables))
    return dict(zip(body.outputs, evaluate(body.builder, body.outputs, inputs), strict=True))


def _expect_apart(machine: Machine, load: Load, write: Write, variables: Variables) -> None:
    """What a nest reads and writes: one entry at each point, or none in common."""
    import numpy as np

    if load.index == write.index and not write.combine:
        return
    shape = machine.arrays[load.buffer].shape
    where = machine.holds(load.guards, variables)
    read, stored = (
        np.ravel_multi_index(machine.entries(load.buffer, index, variables, where), shape) if shape else 0
        for index in (load.index, write.index)
    )
    if np.isin(np.broadcast_to(read, np.broadcast_shapes(np.shape(read), np.shape(where)))[where], stored).any():
        raise InternalError(f"entries of {load.buffer} are read and written at different points")


def _store(machine: Machine, nest: Nest, write: Write, value: Array, variables: Variables) -> None:
    """Replaces entries by the values at all points, or combines them."""
    import numpy as np

    if not value.size:
        return
    array = machine.arrays[write.buffer]
    entries = machine.entries(write.buffer, write.index, variables, np.True_)
    if entries:
        entries = tuple(np.broadcast_to(entry, value.shape) for entry in entries)
        if len(np.unique(np.ravel_multi_index(entries, array.shape))) != value.size:
            raise InternalError(f"`{show_write(write)}` writes an entry twice")
    elif value.size > 1:
        raise InternalError(f"`{show_write(write)}` writes an entry twice")
    if write.accumulate:
        meeting = NUMPY_NAMES[running_dtype(write.combine, _dtype_name(array))]
        value = combined(write.combine, array[entries].astype(meeting), value.astype(meeting))
    array[entries] = value.astype(array.dtype) if entries else value.astype(array.dtype).reshape(())
    machine.written[write.buffer][entries] = machine.clock


def _dtype_name(array: Array) -> str:
    return next(name for name, other in NUMPY_NAMES.items() if array.dtype == other)
