"""A nest as code: its loops in order, what is reduced in them, and what is written.

The decisions come from `analysis`, the body's values from `frame`, the arithmetic of reductions from `reduce`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from exprc.ir.sizes import ONE
from exprc.ir.types import BOOL, F32, F64, FLOATS
from exprc.lower.address import Scope, scalar_index
from exprc.lower.analysis import Reduction, Work, analyse, misuse
from exprc.lower.emit import literal, overload, register_type
from exprc.lower.frame import Copy, Frame
from exprc.lower.memory import Lanes, lane_mask, load_lanes, load_scalar, store_lanes, store_scalar
from exprc.lower.reduce import combine_lanes, combined, neutral, running_dtype
from exprc.lower.target import Target
from exprc.lower.values import convert
from exprc.schedule.kernel import Nest, Write

Running = list[list[str]]  # for each reduction the names of its running values
Body = Callable[[list[str]], list[str]]


def lower_nest(scope: Scope, nest: Nest, target: Target, compact: bool = False) -> None:
    """Emits a nest; in as little code as possible if `compact`."""
    frame = Frame(scope, analyse(scope, nest, target))
    frame.compact = compact
    frame.enter(0)
    _outer(frame, 0)


def _outer(frame: Frame, position: int) -> None:
    """The loops over axes that are not reduced, from `position` inwards."""
    work = frame.work
    if position < work.first_reduced:
        _run(frame, position, "0", _extent(frame, position), [], lambda _: _nothing(_outer(frame, position + 1)))
    elif position == len(work.nest.axes):
        _store_all(frame)
        for reduction in work.reductions:
            for copy in frame.copies(-1):
                _put_value(frame, reduction, reduction.dtype, frame.operand(reduction.value, copy, _lanes(frame)), copy)
    else:
        start = [[_neutral(work, reduction)] * _count(frame) * work.parts for reduction in work.reductions]
        for at, reduction in enumerate(work.reductions):
            if reduction.panelled and work.reduces_lanes:
                start[at] = [literal(F64, 0.0, _count(frame))]
        final = _reduced(frame, position, start)
        for reduction, running in zip(work.reductions, final, strict=True):
            _finish(frame, reduction, running)


# Loops


def _run(
    frame: Frame, position: int, begin: str, end: str, carried: list[tuple[str, str]], body: Body
) -> list[str]:
    """One axis from begin to end: several steps at once, then what is left; returns the carried values."""
    work, function = frame.work, frame.function
    copies, is_vector = work.copies[position], position == work.vector
    span = copies * (work.lanes if is_vector else 1)
    if is_vector and (work.always_masked or frame.compact):
        last = _whole_turns(frame, end) if work.rotates else end
        return _loop(frame, position, begin, last, copies, end, carried, body)[1]
    if span == 1:
        return _loop(frame, position, begin, end, 1, "", carried, body)[1]
    bound = frame.shifted(end, 1 - span)
    rest, names = _loop(frame, position, begin, bound, copies, "", carried, body)
    carried = [(kind, name) for (kind, _), name in zip(carried, names, strict=True)]
    if not is_vector:
        outside, frame.compact = frame.compact, True
        names = _loop(frame, position, rest, end, 1, "", carried, body)[1]
        frame.compact = outside
        return names
    if work.first_reduced == len(work.nest.axes):
        return _loop(frame, position, rest, end, 1, end, carried, body)[1]
    branch = function.open_branch(function.value(f"icmp slt i64 {rest}, {end}"))
    names = _step(frame, position, rest, copies, end, [name for _, name in carried], body)
    return function.close_branch(branch, [(kind, new, old) for (kind, old), new in zip(carried, names, strict=True)])


def _loop(
    frame: Frame,
    position: int,
    begin: str,
    end: str,
    copies: int,
    masked_end: str,
    carried: list[tuple[str, str]],
    body: Body,
) -> tuple[str, list[str]]:
    span = copies * (frame.work.lanes if position == frame.work.vector else 1)
    loop = frame.function.open_loop(begin, end, str(span), carried)
    names = _step(frame, position, loop.variable, copies, masked_end, list(loop.values), body)
    return frame.function.close_loop(loop, names)


def _step(
    frame: Frame, position: int, variable: str, copies: int, masked_end: str, names: list[str], body: Body
) -> list[str]:
    """What one step of a loop does; masked up to `masked_end` unless that is empty."""
    work = frame.work
    frame.active[position] = copies
    frame.variables[work.nest.axes[position].name] = variable
    if position == work.vector:
        frame.masks = {}
        for copy in range(copies if masked_end else 0):
            first = frame.shifted(variable, copy * work.lanes)
            remaining = frame.function.value(f"sub i64 {masked_end}, {first}")
            frame.masks[copy] = lane_mask(frame.function, remaining, work.lanes)
    frame.enter(position + 1)
    result = body(names)
    frame.active[position] = 1
    return result


def _whole_turns(frame: Frame, end: str) -> str:
    """The end of a loop in which every part has the same number of turns; the steps too many are masked."""
    span = frame.work.lanes * frame.work.parts
    return frame.function.value(f"and i64 {frame.shifted(end, span - 1)}, {-span}")


def _extent(frame: Frame, position: int) -> str:
    return scalar_index(frame.scope, frame.work.nest.axes[position].extent, frame.variables)


# Reductions


def _reduced(frame: Frame, position: int, running: Running) -> Running:
    """The reduced loops from `position` inwards."""
    work, function = frame.work, frame.function
    extent = _extent(frame, position)
    if position + 1 < len(work.nest.axes):
        return _run_reduced(frame, position, "0", extent, running, False, lambda r: _reduced(frame, position + 1, r))
    if not any(reduction.panelled for reduction in work.reductions):
        return _run_reduced(frame, position, "0", extent, running, False, lambda r: _accumulate(frame, r))
    span = work.nest.panel * (work.lanes if position == work.vector else 1)
    if extent.isdigit() and int(extent) <= span:
        return _panel(frame, position, "0", extent, running)
    loop = function.open_loop("0", extent, str(span), _pairs(_kinds(frame, False), running))
    last = function.value(f"add i64 {loop.variable}, {span}")
    end = function.call("i64", "llvm.smin.i64", ("i64", last), ("i64", extent))
    updated = _panel(frame, position, loop.variable, end, _grouped(loop.values, running))
    return _grouped(function.close_loop(loop, _flat(updated))[1], running)


def _panel(frame: Frame, position: int, begin: str, end: str, running: Running) -> Running:
    """Part of the innermost reduced axis: partial sums in f32, added to the running ones in f64 at its end."""
    work, function = frame.work, frame.function
    zero = literal(F32, 0.0, work.lanes)
    start = [
        [zero] * _count(frame) * work.parts if reduction.panelled else names
        for reduction, names in zip(work.reductions, running, strict=True)
    ]
    sums = _run_reduced(frame, position, begin, end, start, True, lambda r: _accumulate(frame, r))
    result: Running = []
    for reduction, names, new in zip(work.reductions, running, sums, strict=True):
        lanes = work.lanes
        if reduction.panelled:
            if work.reduces_lanes:
                lanes = _count(frame)
                new = [_combine_parts(frame, "add", F32, new)]
            wide = [convert(function, F32, F64, value, lanes) for value in new]
            new = [combined(function, "add", F64, old, add, lanes) for old, add in zip(names, wide, strict=True)]
        result.append(new)
    return result


def _run_reduced(
    frame: Frame,
    position: int,
    begin: str,
    end: str,
    running: Running,
    partial: bool,
    body: Callable[[Running], Running],
) -> Running:
    """A reduced loop that carries the running values."""
    pairs = _pairs(_kinds(frame, partial), running)
    final = _run(frame, position, begin, end, pairs, lambda names: _flat(body(_grouped(names, running))))
    return _grouped(final, running)


def _accumulate(frame: Frame, running: Running) -> Running:
    """One point of the nest."""
    _store_all(frame)
    return [
        [name for group in _updated_copies(frame, reduction, names) for name in group]
        for reduction, names in zip(frame.work.reductions, running, strict=True)
    ]


def _updated_copies(frame: Frame, reduction: Reduction, names: list[str]) -> Iterator[list[str]]:
    """The running values after one point, for each copy those of its parts."""
    work = frame.work
    for number, copy in enumerate(frame.copies(_outer_axes(work))):
        own = names[number * work.parts : (number + 1) * work.parts]
        if work.rotates:
            yield [*own[1:], _updated(frame, reduction, copy, own[0])]
        elif work.reduces_lanes:
            at = work.vector
            yield [_updated(frame, reduction, (*copy[:at], p, *copy[at + 1 :]), old) for p, old in enumerate(own)]
        else:
            yield [_updated(frame, reduction, copy, own[0])]


def _updated(frame: Frame, reduction: Reduction, copy: Copy, old: str) -> str:
    work, function, lanes = frame.work, frame.function, _lanes(frame)
    dtype = reduction.dtype if reduction.panelled else running_dtype(reduction.write.combine, reduction.dtype)
    kind = register_type(dtype, lanes)
    if reduction.fused:
        factors = [frame.operand(factor, copy, lanes) for factor in reduction.fused]
        new = function.call(kind, f"llvm.fma.{overload(dtype, lanes)}", *((kind, value) for value in (*factors, old)))
    else:
        value = convert(function, reduction.dtype, dtype, frame.operand(reduction.value, copy, lanes), lanes)
        new = combined(function, reduction.write.combine, dtype, old, value, lanes)
    mask = frame.masks.get(copy[work.vector], "") if work.reduces_lanes else ""
    return function.value(f"select {register_type(BOOL, lanes)} {mask}, {kind} {new}, {kind} {old}") if mask else new


def _combine_parts(frame: Frame, combine: str, dtype: str, names: list[str]) -> str:
    """All lanes of all parts, combined by halves: a vector with an entry for each copy, or a scalar."""
    work, function = frame.work, frame.function
    vectors = []
    for first in range(0, len(names), work.parts):
        own = names[first : first + work.parts]
        while len(own) > 1:
            half = len(own) // 2
            own = [combined(function, combine, dtype, own[p], own[p + half], work.lanes) for p in range(half)]
        vectors += own
    return combine_lanes(function, combine, dtype, vectors, work.lanes)


def _kinds(frame: Frame, partial: bool) -> list[list[str]]:
    """The types of running values, within a panel or outside."""
    work, count = frame.work, _count(frame)
    kinds = []
    for reduction in work.reductions:
        if not reduction.panelled:
            dtype = running_dtype(reduction.write.combine, reduction.dtype)
            kinds.append([register_type(dtype, work.lanes)] * count * work.parts)
        elif partial:
            kinds.append([register_type(F32, work.lanes)] * count * work.parts)
        elif work.reduces_lanes:
            kinds.append([register_type(F64, count)])
        else:
            kinds.append([register_type(F64, work.lanes)] * count)
    return kinds


# Writes


def _store_all(frame: Frame) -> None:
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


def _finish(frame: Frame, reduction: Reduction, running: list[str]) -> None:
    """Writes what a reduction has come to, for every copy."""
    work, function = frame.work, frame.function
    dtype = running_dtype(reduction.write.combine, reduction.dtype)
    copies = list(frame.copies(_outer_axes(work)))
    if not work.reduces_lanes:
        for copy, value in zip(copies, running, strict=True):
            _put_value(frame, reduction, dtype, value, copy)
        return
    count = len(copies)
    total = running[0]
    if not reduction.panelled:
        total = _combine_parts(frame, reduction.write.combine, dtype, running)
    if count == 1 or _neighbours(frame, reduction):
        _put(frame, reduction.write, dtype, total, count, Lanes(frame.pointer(reduction.access, copies[0]), 1), "")
        return
    for position, copy in enumerate(copies):
        value = function.value(f"extractelement {register_type(dtype, count)} {total}, i64 {position}")
        _put(frame, reduction.write, dtype, value, 1, Lanes(frame.pointer(reduction.access, copy), 1), "")


def _put_value(frame: Frame, reduction: Reduction, dtype: str, value: str, copy: Copy) -> None:
    """Writes one copy's result, a vector along the vector axis or a scalar."""
    work = frame.work
    if work.vector < 0:
        _put(frame, reduction.write, dtype, value, 1, Lanes(frame.pointer(reduction.access, copy), 1), "")
        return
    if not work.accesses[reduction.access].depends >> work.vector & 1:
        raise misuse(work.nest, f"lanes meet in one entry of {reduction.write.buffer}")
    mask = frame.masks.get(copy[work.vector], "")
    _put(frame, reduction.write, dtype, value, work.lanes, frame.lanes(reduction.access, copy), mask)


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
        value = combined(
            function, write.combine, meeting, left, convert(function, dtype, meeting, value, lanes), lanes
        )
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


# Small facts


def _outer_axes(work: Work) -> int:
    return (1 << work.first_reduced) - 1


def _lanes(frame: Frame) -> int:
    return frame.work.lanes


def _count(frame: Frame) -> int:
    """How many copies of a result are computed at once."""
    count = 1
    for number in frame.active[: frame.work.first_reduced]:
        count *= number
    return count


def _neutral(work: Work, reduction: Reduction) -> str:
    combine = reduction.write.combine
    dtype = running_dtype(combine, reduction.dtype)
    return literal(dtype, neutral(combine, dtype), work.lanes)


def _pairs(kinds: list[list[str]], running: Running) -> list[tuple[str, str]]:
    return list(zip(_flat(kinds), _flat(running), strict=True))


def _flat(groups: Sequence[Sequence[str]]) -> list[str]:
    return [name for group in groups for name in group]


def _grouped(names: Sequence[str], like: Running) -> Running:
    groups, at = [], 0
    for group in like:
        groups.append(list(names[at : at + len(group)]))
        at += len(group)
    return groups


def _nothing(_: None) -> list[str]:
    return []
