"""Reductions over the vector axis for a group of rows: the lanes of all its rows are combined at once.

Rows are read one after another, for two that are read in turn are not foreseen by the processor.  Each leaves a vector
of lanes in memory on the stack; after the group a tree of shuffles combines all of them, and their results are written
as one vector.  The pairs that meet are those of one row alone.
"""

from __future__ import annotations

from collections.abc import Callable

from exprc.ir.types import F32, F64
from exprc.lower.emit import literal, register_type
from exprc.lower.frame import Frame
from exprc.lower.loops import extent_of, run_step
from exprc.lower.memory import lane_mask
from exprc.lower.reduce import combine_lanes, combined
from exprc.lower.running import Running, in_panels, panel_sums, reduced
from exprc.lower.shape import SLOTS_BYTES, slot_bytes, slot_dtype
from exprc.lower.values import convert
from exprc.lower.writes import join_parts, put_rows
from exprc.schedule.kernel import running_dtype


def rows_in_groups(frame: Frame) -> None:
    """The innermost of the axes that are not reduced, in groups, with all that is within."""
    work, function = frame.work, frame.function
    position = work.first_reduced - 1
    extent = extent_of(frame, position)
    loop = function.open_loop("0", extent, str(work.group))
    last = function.value(f"add i64 {loop.variable}, {work.group}")
    end = function.call("i64", "llvm.smin.i64", ("i64", last), ("i64", extent))
    if any(reduction.panelled for reduction in work.reductions):
        totals = _totals(frame, loop.variable, end)
    else:
        _each_row(frame, loop.variable, end, lambda: reduced(frame, position + 1))
        totals = _combined_rows(frame)
    left = function.value(f"sub i64 {extent}, {loop.variable}")
    for first in range(0, work.group, work.tree):
        frame.variables[work.nest.axes[position].name] = frame.shifted(loop.variable, first)
        mask = lane_mask(function, frame.shifted(left, -first), work.tree)
        for reduction in work.reductions:
            dtype = running_dtype(reduction.write.combine, reduction.dtype)
            put_rows(frame, reduction, dtype, totals.pop(0), frame.pointer_after(reduction.access, position + 1), mask)
    function.close_loop(loop)


def _totals(frame: Frame, begin: str, end: str) -> list[str]:
    """The sums of a group's rows, panel by panel, as vectors of f64 in the order of `_combined_rows`."""
    work, function = frame.work, frame.function

    def panel(first: str, last: str, totals: list[str]) -> list[str]:
        _each_row(frame, begin, end, lambda: panel_sums(frame, work.vector, first, last, [[]] * len(work.reductions)))
        sums = [convert(function, F32, F64, value, work.tree) for value in _combined_rows(frame)]
        return [combined(function, "add", F64, old, new, work.tree) for old, new in zip(totals, sums, strict=True)]

    start = (register_type(F64, work.tree), literal(F64, 0.0, work.tree))
    return in_panels(frame, work.vector, [start] * (len(work.reductions) * work.group // work.tree), panel)


def _each_row(frame: Frame, begin: str, end: str, body: Callable[[], Running]) -> None:
    """Runs the body for each row of a group, and leaves its lanes in the row's slots."""
    work, function = frame.work, frame.function
    position = work.first_reduced - 1
    loop = function.open_loop(begin, end, "1")

    def row(_: list[str]) -> list[str]:
        number = function.value(f"sub i64 {loop.variable}, {begin}")
        for at, (reduction, running) in enumerate(zip(work.reductions, body(), strict=True)):
            dtype = slot_dtype(reduction)
            (value,) = join_parts(frame, reduction.write.combine, dtype, running)
            kind = register_type(dtype, work.lanes)
            slot = function.value(f"getelementptr {kind}, ptr {_slots(frame, at)}, i64 {number}")
            function.do(f"store {kind} {value}, ptr {slot}, align {slot_bytes(work, reduction)}")
        return []

    run_step(frame, position, loop.variable, 1, "", [], row)
    function.close_loop(loop)


def _combined_rows(frame: Frame) -> list[str]:
    """The lanes of all rows of a group combined: vectors with an entry for each row, for all reductions of the first
    rows, then of those after.

    Entries of rows that are not there mean nothing.
    """
    work, function = frame.work, frame.function
    found = []
    for first in range(0, work.group, work.tree):
        for at, reduction in enumerate(work.reductions):
            dtype = slot_dtype(reduction)
            kind, vectors = register_type(dtype, work.lanes), []
            for row in range(first, first + work.tree):
                slot = function.value(f"getelementptr {kind}, ptr {_slots(frame, at)}, i64 {row}")
                vectors.append(function.value(f"load {kind}, ptr {slot}, align {slot_bytes(work, reduction)}"))
            found.append(combine_lanes(function, reduction.write.combine, dtype, vectors, work.lanes))
    return found


def _slots(frame: Frame, at: int) -> str:
    """The first of the slots of a reduction.  All nests of a function share the memory."""
    work, function = frame.work, frame.function
    base = function.stack(SLOTS_BYTES)
    before = sum(slot_bytes(work, reduction) for reduction in work.reductions[:at]) * work.group
    return function.entry_value(f"getelementptr i8, ptr {base}, i64 {before}") if before else base
