"""Whether what is read at places made of indices is inside its axis: certainly, by the sizes, or by the values.

Owns the judgement of reads and its messages.  What depends on sizes is checked on entry; what neither ranges nor the
choices around a read decide is checked when the program runs.  Must not know how arrays are made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from exprc.check.context import Context
from exprc.check.facts import always_negative, never_negative, require_at_most, require_entries
from exprc.check.open_forms import Choosing, Form, Read, described
from exprc.check.ranges import Range, affine, indices_in, is_certain, least
from exprc.check.report import NOT_BUILT, quoted
from exprc.check.settling import Box
from exprc.diagnostics import Edit, Label
from exprc.ir.node import Node
from exprc.ir.op import LEAF, Op
from exprc.ir.sizes import ONE, ZERO, Size, constant, dim, product
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
        for index in read.narrowed:
            symbol, (low, high) = dim(index.symbol), ranges[index.symbol]
            known += [symbol - low, high - 1 - symbol]
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
        never = bound is not None and is_certain(-difference - 1, ranges, known)
        if not never and (bound is None or read.scope.choices or read.narrowed):
            return _watched(context, read)
        assert bound is not None
        if never or always_negative(bound):
            _report_outside(context, form, read, ranges, bound, difference is read.low)
            return None
        require_at_most(context, read.span, ZERO, bound)
        guarded = guarded or any(ranges[symbol] != outer[symbol] for symbol in indices_in(difference))
    return Check(guarded, ())


def check_choosing(context: Context, form: Form, ranges: dict[str, Range], boxes: dict[str, Box]) -> bool:
    """Whether what is chosen of entries has one to choose; what depends on sizes is checked on entry."""
    sound = True
    for one in form.choosing:
        known = [fact for condition, chosen in one.scope.choices for fact in _facts(condition, chosen)]
        whole = [symbol for symbol in one.symbols if boxes[symbol].whole]
        reduced = product(tuple(boxes[symbol].extent for symbol in whole))
        kept = product(tuple(boxes[symbol].extent for symbol in one.around))
        if not require_entries(context, one.span, one.name, reduced, kept):
            message = f"`{one.name}` of a range without entries"
            context.report.error("E0407", message, Label(one.span, "there is none to choose"), frame=one.scope.frame)
            sound = False
        for symbol in one.symbols:
            low, high = ranges[symbol]
            if symbol not in whole and not is_certain(high - low - 1, ranges, known):
                _report_maybe_empty(context, form, one, symbol)
                sound = False
    return sound


def _report_maybe_empty(context: Context, form: Form, one: Choosing, symbol: str) -> None:
    context.report.error(
        NOT_BUILT,
        f"`{one.name}` over a range that may be empty is not built yet",
        Label(form.indices[symbol].binder.span, "this has no entries for some of the indices that it depends on"),
        help="compute it only where there are some: `if … then … else 0`",
        frame=one.scope.frame,
    )


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
    if never_negative(low - high):
        return "", ()
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
        elif node.op in _COMPARISONS:
            left, right = (_integer(argument) for argument in node.args)
            if left is not None and right is not None:
                found += _COMPARISONS[node.op if wanted else _OPPOSITES[node.op]](left, right)
    return found


def _integer(node: Node) -> Size | None:
    if node.op is SIZE:
        size: Size = node.attrs[0]
        return size
    value = constant_value(node) if node.kind == LEAF else None
    return constant(value) if type(value) is int else None


_LT, _LE, _GT, _GE, _EQ, _NE = (TABLE[name] for name in ("lt", "le", "gt", "ge", "eq", "ne"))
_COMPARISONS: dict[Op, Callable[[Size, Size], list[Size]]] = {
    _LT: lambda a, b: [b - a - 1],
    _LE: lambda a, b: [b - a],
    _GT: lambda a, b: [a - b - 1],
    _GE: lambda a, b: [a - b],
    _EQ: lambda a, b: [a - b, b - a],
    _NE: lambda a, b: [],
}
_OPPOSITES = {_LT: _GE, _LE: _GT, _GT: _LE, _GE: _LT, _EQ: _NE, _NE: _EQ}
