"""The reduced loops of a nest, and the running values that they carry.

The order of what is added is the one that `schedule.kernel` states; what becomes of the final values is the business of
`nest` and `rows`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from exprc.ir.types import BOOL, F32, F64
from exprc.lower.analysis import Reduction, Work
from exprc.lower.emit import literal, overload, register_type
from exprc.lower.frame import Copy, Frame
from exprc.lower.loops import extent_of, run_axis
from exprc.lower.reduce import combined
from exprc.lower.values import convert
from exprc.lower.writes import combine_parts, copies_at_once, outer_axes, store_all
from exprc.schedule.kernel import neutral, running_dtype

Running = list[list[str]]  # for each reduction the names of its running values
Pairs = list[tuple[str, str]]  # types and values


def reduced(frame: Frame, position: int) -> Running:
    """What all reductions come to over the loops from `position` inwards."""
    work = frame.work
    start = [[_neutral(work, reduction)] * copies_at_once(frame) * work.parts for reduction in work.reductions]
    for at, reduction in enumerate(work.reductions):
        if reduction.panelled and work.reduces_lanes:
            start[at] = [literal(F64, 0.0, copies_at_once(frame))]
    return _reduced(frame, position, start)


def in_panels(
    frame: Frame, position: int, carried: Pairs, body: Callable[[str, str, list[str]], list[str]]
) -> list[str]:
    """Runs the body on begin and end of each panel of the innermost reduced axis; returns the carried values."""
    work, function = frame.work, frame.function
    extent = extent_of(frame, position)
    span = work.nest.panel * (work.lanes * work.parts if position == work.vector else 1)
    if extent.isdigit() and int(extent) <= span:
        return body("0", extent, [value for _, value in carried])
    loop = function.open_loop("0", extent, str(span), carried)
    last = function.value(f"add i64 {loop.variable}, {span}")
    end = function.call("i64", "llvm.smin.i64", ("i64", last), ("i64", extent))
    return function.close_loop(loop, body(loop.variable, end, list(loop.values)))[1]


def panel_sums(frame: Frame, position: int, begin: str, end: str, running: Running) -> Running:
    """Part of the innermost reduced axis: partial sums in f32 start at zero there, what has no panels goes on."""
    work = frame.work
    zero = literal(F32, 0.0, work.lanes)
    start = [
        [zero] * copies_at_once(frame) * work.parts if reduction.panelled else names
        for reduction, names in zip(work.reductions, running, strict=True)
    ]
    return _run_reduced(frame, position, begin, end, start, True, lambda r: _accumulate(frame, r))


def _reduced(frame: Frame, position: int, running: Running) -> Running:
    """The reduced loops from `position` inwards."""
    work = frame.work
    extent = extent_of(frame, position)
    if position + 1 < len(work.nest.axes):
        return _run_reduced(frame, position, "0", extent, running, False, lambda r: _reduced(frame, position + 1, r))
    if not any(reduction.panelled for reduction in work.reductions):
        return _run_reduced(frame, position, "0", extent, running, False, lambda r: _accumulate(frame, r))
    final = in_panels(
        frame,
        position,
        _pairs(_kinds(frame, False), running),
        lambda begin, end, names: _flat(_panel(frame, position, begin, end, _grouped(names, running))),
    )
    return _grouped(final, running)


def _panel(frame: Frame, position: int, begin: str, end: str, running: Running) -> Running:
    """Part of the innermost reduced axis: partial sums in f32, added to the running ones in f64 at its end."""
    work, function = frame.work, frame.function
    sums = panel_sums(frame, position, begin, end, running)
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
    final = run_axis(frame, position, begin, end, pairs, lambda names: _flat(body(_grouped(names, running))))
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
        if work.reduces_lanes:
            at, turn = work.vector, frame.active[work.vector]
            steps = [(*copy[:at], step, *copy[at + 1 :]) for step in range(turn)]
            yield [*own[turn:], *(_updated(frame, reduction, step, old) for step, old in zip(steps, own, strict=False))]
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


def _pairs(kinds: list[list[str]], running: Running) -> Pairs:
    return list(zip(_flat(kinds), _flat(running), strict=True))


def _flat(groups: Sequence[Sequence[str]]) -> list[str]:
    return [name for group in groups for name in group]


def _grouped(names: Sequence[str], like: Running) -> Running:
    groups, at = [], 0
    for group in like:
        groups.append(list(names[at : at + len(group)]))
        at += len(group)
    return groups
