"""Where a kernel's scratch memory has what: tiles, and an accumulator for each chunk; and how many chunks there are.

Everything is a function of the sizes.  Must not know statements.
"""

from __future__ import annotations

from typing import NamedTuple

from exprc.ir.sizes import constant, product
from exprc.ir.types import BYTES
from exprc.lower.address import Place, Used
from exprc.lower.emit import Function
from exprc.lower.sizes import size_value
from exprc.schedule.kernel import MOST_CHUNKS, PARTIALS_BYTES, Accumulator, Buffer, Kernel

ALIGNMENT = 64


class Layout(NamedTuple):
    """Where a kernel's scratch memory has what: offsets in bytes, all on entry of the function that asked.

    A slot is one chunk's accumulator; `lengths` are the bytes of a slot.  Where the target has the accumulator's dtype,
    the first chunk has no slot: it accumulates in the target.
    """

    tiles: tuple[str, ...]
    slots: tuple[str, ...]
    lengths: tuple[str, ...]
    bytes: str
    chunks: str
    chunk_rows: str


def scratch_layout(function: Function, dims: Used[str], kernel: Kernel, places: Used[Place]) -> Layout:
    """The layout of a kernel's scratch memory; `places` has the targets of its accumulators."""
    end = "0"
    tiles, slots, lengths = [], [], []
    for tile in kernel.tiles:
        tiles.append(end)
        end = _add(function, end, rounded_bytes(function, dims, tile))
    chunks, rows = _chunks(function, dims, kernel)
    for accumulator in kernel.accumulators:
        length = rounded_bytes(function, dims, accumulator.buffer)
        slots.append(end)
        lengths.append(length)
        number = _sub(function, chunks, "1") if is_direct(accumulator, places) else chunks
        end = _add(function, end, _mul(function, length, number))
    return Layout(tuple(tiles), tuple(slots), tuple(lengths), end, chunks, rows)


def rounded_bytes(function: Function, dims: Used[str], buffer: Buffer) -> str:
    """The bytes of a buffer, rounded up to the alignment, on entry."""
    count = size_value(function, dims, product(buffer.shape))
    if count.isdigit():
        return str(-(-int(count) * BYTES[buffer.dtype] // ALIGNMENT) * ALIGNMENT)
    raw = _add(function, _mul(function, count, str(BYTES[buffer.dtype])), str(ALIGNMENT - 1))
    return function.entry_value(f"and i64 {raw}, {-ALIGNMENT}")


def is_direct(accumulator: Accumulator, places: Used[Place]) -> bool:
    """Whether the first chunk accumulates in the target itself."""
    return places.peek(accumulator.target).buffer.dtype == accumulator.buffer.dtype


def slot(function: Function, layout: Layout, at: int, accumulator: Accumulator, places: Used[Place], chunk: str) -> str:
    """The pointer to a chunk's accumulator."""
    direct = is_direct(accumulator, places)
    if chunk == "0" and direct:
        return places[accumulator.target].pointer
    number = function.value(f"sub i64 {chunk}, 1") if direct else chunk
    skipped = function.value(f"mul i64 {number}, {layout.lengths[at]}")
    offset = function.value(f"add i64 {layout.slots[at]}, {skipped}")
    pointer = function.value(f"getelementptr i8, ptr %scratch, i64 {offset}")
    if not direct:
        return pointer
    first = function.value(f"icmp eq i64 {chunk}, 0")
    return function.value(f"select i1 {first}, ptr {places[accumulator.target].pointer}, ptr {pointer}")


def _chunks(function: Function, dims: Used[str], kernel: Kernel) -> tuple[str, str]:
    """The number of chunks and the rows of one: the rule of `chunk_limit` and `chunk_length` as code."""
    stream = kernel.stream
    if stream is None:
        return "1", "0"
    emit = function.entry_value
    total = constant(0)
    for accumulator in kernel.accumulators:
        total = total + product(accumulator.buffer.shape) * BYTES[accumulator.buffer.dtype]
    known = total.constant
    if known is not None:
        limit = str(max(1, min(MOST_CHUNKS, PARTIALS_BYTES // max(1, known))))
    else:
        one = _smax(function, size_value(function, dims, total), "1")
        limit = _smax(function, _smin(function, emit(f"udiv i64 {PARTIALS_BYTES}, {one}"), str(MOST_CHUNKS)), "1")
    extent = size_value(function, dims, stream.extent)
    least = _smax(function, _ceiling(function, extent, limit), str(stream.chunk))
    blocks = _ceiling(function, least, str(stream.block))
    rows = emit(f"mul i64 {blocks}, {stream.block}")
    return _smax(function, _ceiling(function, extent, rows), "1"), rows


def _ceiling(function: Function, value: str, by: str) -> str:
    """value / by rounded up, of positive numbers."""
    less = function.entry_value(f"sub i64 {by}, 1")
    return function.entry_value(f"udiv i64 {function.entry_value(f'add i64 {value}, {less}')}, {by}")


def _smin(function: Function, left: str, right: str) -> str:
    less = function.entry_value(f"icmp slt i64 {left}, {right}")
    return function.entry_value(f"select i1 {less}, i64 {left}, i64 {right}")


def _smax(function: Function, left: str, right: str) -> str:
    more = function.entry_value(f"icmp sgt i64 {left}, {right}")
    return function.entry_value(f"select i1 {more}, i64 {left}, i64 {right}")


def _add(function: Function, left: str, right: str) -> str:
    if left.isdigit() and right.isdigit():
        return str(int(left) + int(right))
    return function.entry_value(f"add i64 {left}, {right}")


def _mul(function: Function, left: str, right: str) -> str:
    if left.isdigit() and right.isdigit():
        return str(int(left) * int(right))
    return function.entry_value(f"mul i64 {left}, {right}")


def _sub(function: Function, left: str, right: str) -> str:
    if left.isdigit() and right.isdigit():
        return str(int(left) - int(right))
    return function.entry_value(f"sub i64 {left}, {right}")
