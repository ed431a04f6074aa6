"""Whether what is read at places made of indices is inside its axis: certainly, by the sizes, or by the values.

Owns the judgement of reads and its messages.  What depends on sizes is checked on entry; what neither ranges nor the
choices around a read decide is checked when the program runs.  Must not know how arrays are made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from exprc.check.context import Context
from exprc.check.facts import always_negative, require_at_most
from exprc.check.open_forms import Form, Read, described
from exprc.check.ranges import Range, affine, indices_in, is_certain, least
from exprc.check.report import NOT_BUILT, quoted
from exprc.check.settling import Box
from exprc.diagnostics import Edit, Label
from exprc.ir.node import Node
from exprc.ir.op import LEAF
from exprc.ir.sizes import ONE, ZERO, Size, constant
from exprc.ops import TABLE, constant_value
from exprc.ops.leaves import SIZE

Place = tuple[Size, Size]  # where a view starts on an axis, and the size of that axis


class Check(NamedTuple):
    """What has to be done where a place is read: nothing outside of the axis is touched if `guarded`; `watched` are the
    reads that end the program where they leave the axis."""

    guarded: bool
    watched: tuple[Read, ...]


def check_reads(
    context: Context, form: Form, ranges: dict[str, Range], boxes: dict[str, Box]
) -> dict[Place, Check] | None:
    """The check of each place that is read; None after messages."""
    outer = {symbol: Range(box.low, box.low + box.extent) for symbol, box in boxes.items()}
    found: dict[Place, Check] = {}
    sound = True
    for read in form.reads:
        known = [fact for condition, chosen in read.scope.choices for fact in _facts(condition, chosen)]
        check = _check(context, form, read, ranges, outer, known)
        if check is None:
            sound = False
            continue
        place = read.start, read.extent
        before = found.get(place, Check(False, ()))
        found[place] = Check(before.guarded or check.guarded, before.watched + check.watched)
    return found if sound else None


def _check(
    context: Context, form: Form, read: Read, ranges: dict[str, Range], outer: dict[str, Range], known: list[Size]
) -> Check | None:
    guarded = False
    for difference in (read.low, read.extent - read.high):
        if is_certain(difference, ranges, known):
            guarded = guarded or not is_certain(difference, outer)
            continue
        bound = next(least(difference, ranges), None)
        if bound is None or read.scope.choices:
            return _watched(context, read)
        if always_negative(bound):
            _report_outside(context, form, read, ranges, bound, difference is read.low)
            return None
        require_at_most(context, read.span, ZERO, bound)
        guarded = guarded or any(ranges[symbol] != outer[symbol] for symbol in indices_in(difference))
    return Check(guarded, ())


def _watched(context: Context, read: Read) -> Check | None:
    if read.scope.region.parent is None:
        return Check(True, (read,))
    context.report.error(
        NOT_BUILT,
        "a place within a loop that is only known when the program runs is not built yet",
        Label(read.span, "it is not certain that this is inside the axis"),
        *read.owner,
        frame=read.scope.frame,
    )
    return None


def _report_outside(
    context: Context, form: Form, read: Read, ranges: dict[str, Range], bound: Size, before: bool
) -> None:
    reached = bound if before else read.extent - bound - 1
    helps, edits = _narrower(form, read, ranges, bound, before)
    labels = [
        Label(place, f"`{index.name}` runs over {_range_text(ranges[symbol])}")
        for symbol, index in form.indices.items()
        if symbol in indices_in(read.low)
        if (place := index.binder.span if index.given else index.uses[0].span) != read.span
    ]
    context.report.error(
        "E0407",
        f"index {quoted(read.span)} reaches {described(reached)} on an axis of size {read.extent}",
        Label(read.span, f"the axis has the entries 0 to {read.extent - 1}" if read.extent != ZERO
              else "the axis has no entries"),
        *labels,
        *read.owner,
        help=helps,
        frame=read.scope.frame,
        edits=edits,
    )  # fmt: skip


def _range_text(given: Range) -> str:
    return f"{described(given.low)}..{described(given.high)}"


def _narrower(
    form: Form, read: Read, ranges: dict[str, Range], bound: Size, before: bool
) -> tuple[str, tuple[Edit, ...]]:
    """The range of an index with which `x[i + 1]` stays inside."""
    place = affine(read.low)
    if place is None or len(place.terms) != 1 or place.terms[0][1] != ONE:
        return "", ()
    symbol = place.terms[0][0]
    assert isinstance(symbol, str)
    low, high = ranges[symbol]
    name = form.indices[symbol].name
    low, high = (low - bound, high) if before else (low, high + bound)
    text = f"{name} in {described(low)}..{described(high)}"
    return f"give it a range: `{text}`", (Edit(form.indices[symbol].binder.span, text),)


# ---- what choices say


def _facts(condition: Node, chosen: bool) -> list[Size]:
    """The integers that are at least 0 where a condition is as chosen."""
    found: list[Size] = []
    pending = [(condition, chosen)]
    while pending:
        node, wanted = pending.pop()
        if node.op is TABLE["not"]:
            pending.append((node.args[0], not wanted))
        elif node.op is TABLE["and" if wanted else "or"]:
            pending += [(argument, wanted) for argument in node.args]
        elif node.op.name in _COMPARISONS:
            left, right = (_integer(argument) for argument in node.args)
            if left is not None and right is not None:
                found += _COMPARISONS[node.op.name](left, right) if wanted else _OPPOSITES[node.op.name](left, right)
    return found


def _integer(node: Node) -> Size | None:
    if node.op is SIZE:
        size: Size = node.attrs[0]
        return size
    value = constant_value(node) if node.kind == LEAF else None
    return constant(value) if type(value) is int else None


_COMPARISONS: dict[str, Callable[[Size, Size], list[Size]]] = {
    "lt": lambda a, b: [b - a - 1],
    "le": lambda a, b: [b - a],
    "gt": lambda a, b: [a - b - 1],
    "ge": lambda a, b: [a - b],
    "eq": lambda a, b: [a - b, b - a],
    "ne": lambda a, b: [],
}
_OPPOSITES = {
    name: _COMPARISONS[other]
    for name, other in (("lt", "ge"), ("le", "gt"), ("gt", "le"), ("ge", "lt"), ("eq", "ne"), ("ne", "eq"))
}
