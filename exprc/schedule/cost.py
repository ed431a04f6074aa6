"""What a kernel has to do at least, as formulas of the sizes: operations on numbers, and bytes from and to memory.

An operation is an instruction of the scalar program of a nest, simplified, once for each of its points, and the adding
up of a sum.  Memory counts once for each pass: what is read again within a block is in a cache then.  Must not know
targets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from exprc.ir.index import Affine
from exprc.ir.sizes import ONE, ZERO, Size, product
from exprc.ir.types import BYTES
from exprc.scalar.builder import reachable
from exprc.schedule.body import body_program
from exprc.schedule.kernel import (
    ACCUMULATOR,
    TILE,
    Buffer,
    Kernel,
    Load,
    Loop,
    Nest,
    Plan,
    Statement,
    buffers_of,
    statements_of,
)

BALANCE = 4.0  # operations in the time of a byte, on a processor of today: one core, vectors, memory beyond the caches
TYPICAL = 1000  # the size for which it is asked what binds


class Work(NamedTuple):
    """What a kernel does: numbers as polynomials of the sizes."""

    operations: Size
    bytes: Size

    @property
    def intensity(self) -> float:
        """Operations a byte where all sizes are `TYPICAL`."""
        sizes = dict.fromkeys(self.operations.dims() | self.bytes.dims(), TYPICAL)
        return self.operations.evaluate(sizes) / max(1, self.bytes.evaluate(sizes))


def has_loops(kernel: Kernel) -> bool:
    """Whether there is anything that a kernel does as often as a size says."""
    return kernel.stream is not None or any(
        axis.extent.terms or axis.extent.constant.constant is None
        for statement in statements_of(kernel.body)
        if isinstance(statement, Nest)
        for axis in statement.axes
    )


def work_of(plan: Plan, kernel: Kernel) -> Work:
    """The work of one kernel of a plan."""
    extents = {kernel.stream.rows: kernel.stream.extent} if kernel.stream else {}
    operations = ZERO
    loaded: set[str] = set()
    written = {accumulator.target for accumulator in kernel.accumulators}
    pending: list[tuple[Statement, Mapping[str, Size], Size]] = [(one, extents, ONE) for one in kernel.body]
    while pending:
        statement, known, times = pending.pop()
        if isinstance(statement, Loop):
            inside = {**known, statement.variable: ZERO}
            if statement.rows:
                inside[statement.rows] = _size(statement.extent, known)
            else:
                times = times * _size(statement.extent, known)
            pending += [(one, inside, times) for one in statement.body]
        elif isinstance(statement, Nest):
            points = times * product(tuple(_size(axis.extent, known) for axis in statement.axes))
            operations = operations + points * _instructions(statement)
            loaded.update(one.buffer for one in statement.body if isinstance(one, Load))
            written.update(write.buffer for write in statement.writes)
    buffers = buffers_of(plan)
    return Work(operations, _bytes(buffers, loaded) + _bytes(buffers, written))


def _bytes(buffers: Mapping[str, Buffer], names: set[str]) -> Size:
    """The bytes of those that are not kept within a kernel."""
    total = ZERO
    for name in sorted(names):
        buffer = buffers[name]
        if buffer.space not in (TILE, ACCUMULATOR):
            total = total + product(buffer.shape) * BYTES[buffer.dtype]
    return total


def _size(extent: Affine, known: Mapping[str, Size]) -> Size:
    """The entries of an axis over all blocks; where they depend on an outer loop, as many as in its first turn."""
    total = extent.constant
    for variable, coefficient in extent.terms:
        total = total + coefficient * known.get(str(variable), ZERO)
    return total


def _instructions(nest: Nest) -> int:
    builder, values = body_program(nest)
    needed = reachable(builder, [values[write.value] for write in nest.writes])
    own = sum(builder.instructions[value].op not in ("input", "const") for value in needed)
    return own + sum(bool(write.combine) for write in nest.writes)
