"""What a nest writes: values at its points, and what its reductions have come to.

Owns the step from registers to memory; the loops around it are `nest`'s.
"""

from __future__ import annotations

from exprc.ir.sizes import ONE
from exprc.lower.analysis import Reduction, Work, misuse
from exprc.lower.emit import register_type
from exprc.lower.frame import Copy, Frame
from exprc.lower.memory import Lanes, load_lanes, load_scalar, store_lanes, store_scalar
from exprc.lower.reduce import combine_lanes, combined
from exprc.lower.values import convert
from exprc.schedule.kernel import Write, running_dtype


def store_all(frame: Frame) -> None:
    """The writes that do not combine, at one point."""
    work = frame.work
    for write, value, number in work.stores:
        access = work.accesses[number]
        is_vector = work.vector >= 0 and bool(access.depends >> work.vector & 1)
        if work.is_vector(value) and not is_vector:
            raise misuse(work.nest, f"lanes meet in one entry of {write.buffer}")
        dtype = frame.scope.places[write.buffer].buffer.dtype
        source = work.instructions[value].dtype
        lanes = work.lanes if is_vector else 1
        for copy in frame.copies(access.depends | work.depends[value]):
            stored = convert(frame.function, source, dtype, frame.operand(value, copy, lanes), lanes)
            if is_vector:
                mask = frame.masks.get(copy[work.vector], "")
                store_lanes(frame.function, dtype, stored, frame.lanes(number, copy), lanes, mask)
            else:
                store_scalar(frame.function, dtype, stored, frame.pointer(number, copy))


def finish(frame: Frame, reduction: Reduction, running: list[str]) -> None:
    """Writes what a reduction has come to, for every copy."""
    work, function = frame.work, frame.function
    dtype = running_dtype(reduction.write.combine, reduction.dtype)
    copies = list(frame.copies(outer_axes(work)))
    if not work.reduces_lanes:
        for copy, value in zip(copies, running, strict=True):
            put_value(frame, reduction, dtype, value, copy)
        return
    count = len(copies)
    total = running[0]
    if not reduction.panelled:
        total = combine_parts(frame, reduction.write.combine, dtype, running)
    if count == 1 or _neighbours(frame, reduction):
        _put(frame, reduction.write, dtype, total, count, Lanes(frame.pointer(reduction.access, copies[0]), 1), "")
        return
    for position, copy in enumerate(copies):
        value = function.value(f"extractelement {register_type(dtype, count)} {total}, i64 {position}")
        _put(frame, reduction.write, dtype, value, 1, Lanes(frame.pointer(reduction.access, copy), 1), "")


def combine_parts(frame: Frame, combine: str, dtype: str, names: list[str]) -> str:
    """All lanes of all parts, combined by halves: a vector with an entry for each copy, or a scalar."""
    vectors = join_parts(frame, combine, dtype, names)
    return combine_lanes(frame.function, combine, dtype, vectors, frame.work.lanes)


def join_parts(frame: Frame, combine: str, dtype: str, names: list[str]) -> list[str]:
    """The parts of each copy, combined by halves."""
    work, function = frame.work, frame.function
    vectors = []
    for first in range(0, len(names), work.parts):
        own = names[first : first + work.parts]
        while len(own) > 1:
            half = len(own) // 2
            own = [combined(function, combine, dtype, own[p], own[p + half], work.lanes) for p in range(half)]
        vectors += own
    return vectors


def outer_axes(work: Work) -> int:
    """The axes that are not reduced."""
    return (1 << work.first_reduced) - 1


def copies_at_once(frame: Frame) -> int:
    """How many copies of a result are computed at once."""
    count = 1
    for number in frame.active[: frame.work.first_reduced]:
        count *= number
    return count


def put_value(frame: Frame, reduction: Reduction, dtype: str, value: str, copy: Copy) -> None:
    """Writes one copy's result, a vector along the vector axis or a scalar."""
    work = frame.work
    if work.vector < 0:
        _put(frame, reduction.write, dtype, value, 1, Lanes(frame.pointer(reduction.access, copy), 1), "")
        return
    if not work.accesses[reduction.access].depends >> work.vector & 1:
        raise misuse(work.nest, f"lanes meet in one entry of {reduction.write.buffer}")
    mask = frame.masks.get(copy[work.vector], "")
    _put(frame, reduction.write, dtype, value, work.lanes, frame.lanes(reduction.access, copy), mask)


def put_rows(frame: Frame, reduction: Reduction, dtype: str, value: str, pointer: str, mask: str) -> None:
    """Writes neighbouring results of a group of rows."""
    _put(frame, reduction.write, dtype, value, frame.work.tree, Lanes(pointer, 1), mask)


def _put(frame: Frame, write: Write, dtype: str, value: str, lanes: int, where: Lanes, mask: str) -> None:
    """Replaces entries, or combines them with a value."""
    function = frame.function
    memory = frame.scope.places[write.buffer].buffer.dtype
    if write.accumulate:
        before = (
            load_scalar(function, memory, where.pointer)
            if lanes == 1
            else load_lanes(function, memory, where, lanes, mask)
        )
        meeting = running_dtype(write.combine, memory)
        left = convert(function, memory, meeting, before, lanes)
        value = combined(function, write.combine, meeting, left, convert(function, dtype, meeting, value, lanes), lanes)
        dtype = meeting
    value = convert(function, dtype, memory, value, lanes)
    if lanes == 1:
        store_scalar(function, memory, value, where.pointer)
    else:
        store_lanes(function, memory, value, where, lanes, mask)


def _neighbours(frame: Frame, reduction: Reduction) -> bool:
    """Whether the results of the copies are neighbouring entries."""
    axes = [position for position, count in enumerate(frame.active[: frame.work.first_reduced]) if count > 1]
    if len(axes) != 1:
        return False
    name = frame.work.nest.axes[axes[0]].name
    return frame.work.accesses[reduction.access].steps[axes[0] + 1].terms == ((name, ONE),)
