"""A nest as code: its loops in order, and what is reduced in them.

The decisions come from `analysis`, the body's values from `frame`, the arithmetic of reductions from `reduce`; what is
written is `writes`'.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from exprc.ir.types import BOOL, F32, F64
from exprc.lower.address import Scope, scalar_index
from exprc.lower.analysis import Reduction, Work, analyse
from exprc.lower.emit import literal, overload, register_type
from exprc.lower.frame import Copy, Frame
from exprc.lower.memory import lane_mask
from exprc.lower.reduce import combined, neutral, running_dtype
from exprc.lower.target import Target
from exprc.lower.values import convert
from exprc.lower.writes import combine_parts, copies_at_once, finish, outer_axes, put_value, store_all
from exprc.schedule.kernel import Nest

Running = list[list[str]]  # for each reduction the names of its running values
Body = Callable[[list[str]], list[str]]


def lower_nest(scope: Scope, nest: Nest, target: Target, compact: bool = False) -> None:
    """Emits a nest; in as little code as possible if `compact`."""
    frame = Frame(scope, analyse(scope, nest, target))
    frame.compact = compact
    frame.enter(0)
    _outer(frame, 0)


def _outer(frame: Frame, position: int) -> list[str]:
    """The loops over axes that are not reduced, from `position` inwards; they carry nothing."""
    work = frame.work
    if position < work.first_reduced:
        _run(frame, position, "0", _extent(frame, position), [], lambda _: _outer(frame, position + 1))
    elif position == len(work.nest.axes):
        store_all(frame)
        for reduction in work.reductions:
            for copy in frame.copies(-1):
                value = frame.operand(reduction.value, copy, work.lanes)
                put_value(frame, reduction, reduction.dtype, value, copy)
    else:
        start = [[_neutral(work, reduction)] * copies_at_once(frame) * work.parts for reduction in work.reductions]
        for at, reduction in enumerate(work.reductions):
            if reduction.panelled and work.reduces_lanes:
                start[at] = [literal(F64, 0.0, copies_at_once(frame))]
        final = _reduced(frame, position, start)
        for reduction, running in zip(work.reductions, final, strict=True):
            finish(frame, reduction, running)
    return []


# Loops


def _run(frame: Frame, position: int, begin: str, end: str, carried: list[tuple[str, str]], body: Body) -> list[str]:
    """One axis from begin to end: several steps at once, then what is left; returns the carried values."""
    work, function = frame.work, frame.function
    copies, is_vector = work.copies[position], position == work.vector
    span = copies * (work.lanes if is_vector else 1)
    if is_vector and (work.always_masked or (frame.compact and (copies == 1 or carried))):
        last, names = _loop(frame, position, begin, end, copies, end, carried, body)
        return _turned_home(frame, last, [(kind, name) for (kind, _), name in zip(carried, names, strict=True)])
    if span == 1:
        return _loop(frame, position, begin, end, 1, "", carried, body)[1]
    if is_vector and frame.compact:
        rest, _ = _loop(frame, position, begin, frame.shifted(end, -(copies // 2 * work.lanes)), copies, end, [], body)
        _last_vectors(frame, position, rest, end, copies // 2, body)
        return []
    bound = frame.shifted(end, 1 - span)
    rest, names = _loop(frame, position, begin, bound, copies, "", carried, body)
    carried = [(kind, name) for (kind, _), name in zip(carried, names, strict=True)]
    if not is_vector:
        outside, frame.compact = frame.compact, True
        names = _loop(frame, position, rest, end, 1, "", carried, body)[1]
        frame.compact = outside
        return names
    if not carried:
        _last_vectors(frame, position, rest, end, copies, body)
        return []
    branch = function.open_branch(function.value(f"icmp slt i64 {rest}, {end}"))
    names = _step(frame, position, rest, copies, end, [name for _, name in carried], body)
    return function.close_branch(branch, [(kind, new, old) for (kind, old), new in zip(carried, names, strict=True)])


def _last_vectors(frame: Frame, position: int, begin: str, end: str, copies: int, body: Body) -> None:
    """What is left of the vector axis, at most `copies` vectors: masked, by the fewest of 1, 2, 4, … that hold it."""
    work, function = frame.work, frame.function
    if work.first_reduced == len(work.nest.axes):
        _loop(frame, position, begin, end, 1, end, [], body)
        return
    left = function.value(f"sub i64 {end}, {begin}")
    while copies:
        fewer = copies // 2
        fits = function.value(f"icmp sle i64 {left}, {copies * work.lanes}")
        needed = function.value(f"icmp sgt i64 {left}, {fewer * work.lanes}")
        branch = function.open_branch(function.value(f"and i1 {fits}, {needed}"))
        _step(frame, position, begin, copies, end, [], body)
        function.close_branch(branch)
        copies = fewer


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


def _turned_home(frame: Frame, last: str, carried: list[tuple[str, str]]) -> list[str]:
    """The parts in their order again, after a loop in which they took turns and which ended at `last`."""
    work, function = frame.work, frame.function
    names = [name for _, name in carried]
    if not work.rotates:
        return names
    missing = function.value(f"udiv i64 {function.value(f'sub i64 0, {last}')}, {work.lanes}")
    by = 1
    while by < work.parts:
        bit = function.value(f"and i64 {missing}, {by}")
        turn = function.value(f"icmp ne i64 {bit}, 0")
        turned = [names[at - at % work.parts + (at + by) % work.parts] for at in range(len(names))]
        names = [
            function.value(f"select i1 {turn}, {kind} {new}, {kind} {old}")
            for (kind, _), new, old in zip(carried, turned, names, strict=True)
        ]
        by *= 2
    return names


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
    span = work.nest.panel * (work.lanes * work.parts if position == work.vector else 1)
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
        [zero] * copies_at_once(frame) * work.parts if reduction.panelled else names
        for reduction, names in zip(work.reductions, running, strict=True)
    ]
    sums = _run_reduced(frame, position, begin, end, start, True, lambda r: _accumulate(frame, r))
    result: Running = []
    for reduction, names, new in zip(work.reductions, running, sums, strict=True):
        lanes = work.lanes
        if reduction.panelled:
            if work.reduces_lanes:
                lanes = copies_at_once(frame)
                new = [combine_parts(frame, "add", F32, new)]
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
    store_all(frame)
    return [
        [name for group in _updated_copies(frame, reduction, names) for name in group]
        for reduction, names in zip(frame.work.reductions, running, strict=True)
    ]


def _updated_copies(frame: Frame, reduction: Reduction, names: list[str]) -> Iterator[list[str]]:
    """The running values after one point, for each copy those of its parts."""
    work = frame.work
    for number, copy in enumerate(frame.copies(outer_axes(work))):
        own = names[number * work.parts : (number + 1) * work.parts]
        if work.rotates:
            yield [*own[1:], _updated(frame, reduction, copy, own[0])]
        elif work.reduces_lanes:
            at = work.vector
            yield [_updated(frame, reduction, (*copy[:at], p, *copy[at + 1 :]), old) for p, old in enumerate(own)]
        else:
            yield [_updated(frame, reduction, copy, own[0])]


def _updated(frame: Frame, reduction: Reduction, copy: Copy, old: str) -> str:
    work, function, lanes = frame.work, frame.function, frame.work.lanes
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


def _kinds(frame: Frame, partial: bool) -> list[list[str]]:
    """The types of running values, within a panel or outside."""
    work, count = frame.work, copies_at_once(frame)
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
