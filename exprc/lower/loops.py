"""One axis of a nest as loops: several steps at once, then what is left, under masks along the vector axis.

Must not know what the steps compute or what the carried values mean.
"""

from __future__ import annotations

from collections.abc import Callable

from exprc.ir.types import FLOATS
from exprc.lower.address import scalar_index
from exprc.lower.frame import Frame
from exprc.lower.memory import lane_mask
from exprc.lower.shape import NEAR_BYTES

Body = Callable[[list[str]], list[str]]


def run_axis(
    frame: Frame, position: int, begin: str, end: str, carried: list[tuple[str, str]], body: Body
) -> list[str]:
    """One axis from begin to end: several steps at once, then what is left; returns the carried values."""
    work, function = frame.work, frame.function
    copies, is_vector = work.copies[position], position == work.vector
    span = copies * (work.lanes if is_vector else 1)
    if is_vector and (work.always_masked or (frame.compact and (copies == 1 or carried))):
        last, names = _loop(frame, position, begin, end, copies, end, carried, body)
        return _turned_home(frame, copies, last, carried, names)
    if span == 1:
        return _loop(frame, position, begin, end, 1, "", carried, body)[1]
    if is_vector and frame.compact:
        rest, _ = _loop(frame, position, begin, frame.shifted(end, -(copies // 2 * work.lanes)), copies, end, [], body)
        _last_vectors(frame, position, rest, end, copies // 2, body)
        return []
    bound = frame.shifted(end, 1 - span)
    if work.near is not None and not is_vector:
        fits = function.value(f"icmp sle i64 {frame.scope.size(work.near)}, {NEAR_BYTES}")
        bound = function.value(f"select i1 {fits}, i64 {bound}, i64 {begin}")
    rest, names = _loop(frame, position, begin, bound, copies, "", carried, body)
    carried = [(kind, name) for (kind, _), name in zip(carried, names, strict=True)]
    if not is_vector:
        outside, frame.compact = frame.compact, work.near is None
        names = _loop(frame, position, rest, end, 1, "", carried, body)[1]
        frame.compact = outside
        return names
    if not carried:
        _last_vectors(frame, position, rest, end, copies, body)
        return []
    if work.rest_by_vectors:
        last, names = _loop(frame, position, rest, end, 1, end, carried, body)
        return _turned_home(frame, 1, last, carried, names)
    branch = function.open_branch(function.value(f"icmp slt i64 {rest}, {end}"))
    names = run_step(frame, position, rest, copies, end, [name for _, name in carried], body)
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
        run_step(frame, position, begin, copies, end, [], body)
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
    names = run_step(frame, position, loop.variable, copies, masked_end, list(loop.values), body)
    return frame.function.close_loop(loop, names)


def run_step(
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


def _turned_home(frame: Frame, copies: int, last: str, carried: list[tuple[str, str]], names: list[str]) -> list[str]:
    """The parts in their order again, after a loop in which `copies` took turns and which ended at `last`.

    Where nothing more is added to them, the same ones meet however they are turned, since they are combined by halves:
    then the order matters only to the larger or smaller of equal floats, which is the later one.
    """
    work, function = frame.work, frame.function
    ordered = any(one.write.combine in ("max", "min") and one.dtype in FLOATS for one in work.reductions)
    again = work.vector > work.first_reduced
    if not carried or copies == work.parts or not (ordered or again):
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


def extent_of(frame: Frame, position: int) -> str:
    """Where an axis ends."""
    return scalar_index(frame.scope, frame.work.nest.axes[position].extent, frame.variables)
