"""Indices and slices with positions that are known in terms of sizes.

Owns `x[i, a:b, None]`: the counting from the end, the bounds that are certain, and those that become facts to be
checked on entry.  Must not know how values are computed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from exprc.check.context import Context, describe
from exprc.check.facts import require_at_most
from exprc.check.mismatch import binding_of
from exprc.check.report import counted, quoted, shortened
from exprc.check.scopes import Scope
from exprc.check.values import POISON, Value
from exprc.check.walking import Visit, not_built, value_of
from exprc.diagnostics import Edit, Label
from exprc.ir.node import Node
from exprc.ir.sizes import ONE, ZERO, Size, floordiv
from exprc.ir.sizes import constant as constant_size
from exprc.ir.types import BOOL, I64, INTEGERS
from exprc.ops.views import insert_axes, slice_, squeeze
from exprc.source import Span
from exprc.syntax import ast


class Part(NamedTuple):
    """What is taken of one axis."""

    start: Size
    size: Size
    step: int = 1
    dropped: bool = False  # an index, not a slice: the axis vanishes


class Axis(NamedTuple):
    """An axis that is indexed: its number and size, and the index it stands in."""

    number: int
    extent: Size
    expression: ast.Index
    node: Node


def visit_index(context: Context, scope: Scope, expression: ast.Index) -> Visit:
    """`x[i, 1:, None]`."""
    value, given = yield from visit_positions(context, scope, expression)
    if given is None:
        return POISON
    picked = [at for at, positions in enumerate(given) if _is_picked(expression.items[at], positions)]
    if picked:
        return _picked(context, scope, expression, value, given, picked)
    parts = parts_of(context, scope, expression, value.known, given)
    return POISON if parts is None else Value(take(value.known, parts), value.weak)


def _is_picked(item: ast.Expression | ast.Slice, positions: list[Value | None]) -> bool:
    """Whether an index is made of data."""
    if isinstance(item, ast.Slice) or not positions or positions[0] is None:
        return False
    return positions[0].size is None and positions[0].known.dtype in INTEGERS


def _picked(
    context: Context,
    scope: Scope,
    expression: ast.Index,
    value: Value,
    given: list[list[Value | None]],
    picked: list[int],
) -> Value:
    """What stands at indices that are data: the other items are taken first, these then of all of their axes."""
    from exprc.check.picking import Pick, pick

    parts = parts_of(context, scope, expression, value.known, given, picking=True)
    if parts is None:
        return POISON
    node = take(value.known, parts)
    kept = [at for at, part in enumerate(parts) if part is None or not part.dropped]
    picks = [
        Pick(kept.index(at), found, item)
        for at in picked
        if (found := given[at][0]) is not None and not isinstance(item := expression.items[at], ast.Slice)
    ]
    integers = [at for at, item in enumerate(expression.items) if given[at] and not isinstance(item, ast.Slice)]
    together = integers == list(range(integers[0], integers[-1] + 1))
    result = pick(context, scope, node, picks, together)
    return POISON if result is None else Value(result, value.weak)


def visit_positions(context: Context, scope: Scope, expression: ast.Index) -> Any:
    """Within a visitor: the array that is indexed, and the positions of each item; None where one is poison."""
    value = yield from value_of(context, scope, expression.value)
    wanted: list[tuple[ast.Expression | None, ...]] = [_positions(item) for item in expression.items]
    given: list[list[Value | None]] = []
    for positions in wanted:
        values: list[Value | None] = []
        for position in positions:
            values.append(None if position is None else (yield from value_of(context, scope, position)))
        given.append(values)
    if value.node is None or any(v is not None and v.node is None for values in given for v in values):
        return value, None
    return value, given


def _positions(item: ast.Expression | ast.Slice) -> tuple[ast.Expression | None, ...]:
    if isinstance(item, ast.Slice):
        return item.start, item.stop, item.step
    return () if isinstance(item, ast.NoneLiteral) else (item,)


def parts_of(
    context: Context,
    scope: Scope,
    expression: ast.Index,
    node: Node,
    given: list[list[Value | None]],
    picking: bool = False,
) -> list[Part | None] | None:
    """What is taken of each axis, None being an inserted one; no list after a message.

    `picking` takes all of an axis that is indexed by data.
    """
    count = sum(1 for positions in given if positions)
    if count > node.type.rank:
        _report_too_many(context, scope, expression, node, count)
        return None
    parts: list[Part | None] = []
    number = 0
    for item, positions in zip(expression.items, given, strict=True):
        if not positions:
            parts.append(None)
            continue
        axis = Axis(number, node.shape[number], expression, node)
        if picking and _is_picked(item, positions):
            parts.append(Part(ZERO, axis.extent))
            number += 1
            continue
        part = _part(context, scope, axis, item, positions)
        if part is None:
            return None
        parts.append(part)
        number += 1
    parts.extend(Part(ZERO, extent) for extent in node.shape[number:])
    return parts


def take(node: Node, parts: list[Part | None]) -> Node:
    """The view that the parts describe."""
    taken = [part for part in parts if part is not None]
    everything = [Part(ZERO, extent) for extent in node.shape]
    if any(part[:3] != all_of_it[:3] for part, all_of_it in zip(taken, everything, strict=True)):
        starts, sizes, steps = zip(*[(part.start, part.size, part.step) for part in taken], strict=True)
        node = slice_(node, starts, sizes, steps)
    node = squeeze(node, tuple(i for i, part in enumerate(taken) if part.dropped))
    kept = [part for part in parts if part is None or not part.dropped]
    inserted = tuple(i for i, part in enumerate(kept) if part is None)
    return insert_axes(node, inserted) if inserted else node


def _part(
    context: Context, scope: Scope, axis: Axis, item: ast.Expression | ast.Slice, positions: list[Value | None]
) -> Part | None:
    """What one item of an index takes; None after a message."""
    written = _positions(item)
    for position, value in zip(written, positions, strict=True):
        if position is not None and value is not None and not _expect_position(context, scope, position, value, item):
            return None
    sizes = [value.size if value is not None else None for value in positions]
    if isinstance(item, ast.Slice):
        return _slice_part(context, scope, axis, item, sizes)
    assert sizes[0] is not None
    return _index_part(context, scope, axis, item, sizes[0])


def _expect_position(
    context: Context, scope: Scope, position: ast.Expression, value: Value, item: ast.Expression | ast.Slice
) -> bool:
    """Whether a value is an integer that is known when compiling, else a message."""
    node = value.known
    if node.dtype == I64 and value.size is not None:
        return True
    if node.dtype in INTEGERS:
        form = "a slice whose bounds are data" if isinstance(item, ast.Slice) else "an index that is data"
        not_built(context, scope, form, position, note="positions made of numbers and sizes are built")
        return False
    edits: tuple[Edit, ...] = ()
    if node.dtype == BOOL:
        text = "to choose entries by a condition use `where`; to count them, `sum(condition)`"
    elif isinstance(position, ast.Binary) and position.op == "/":
        text = "`/` gives a float; `//` divides to an integer"
    else:
        text = f"round it: `i64({quoted(position.span).strip('`')})`"
        edits = (Edit(position.span, f"i64({position.span.text})"),)
    context.report.error(
        "E0304",
        "index is not an integer",
        Label(position.span, f"this is {describe(node.type)}"),
        help=text,
        frame=scope.frame,
        edits=edits,
    )
    return False


def _index_part(context: Context, scope: Scope, axis: Axis, item: ast.Expression, index: Size) -> Part | None:
    start = _from_end(index, axis.extent)
    if context.form is not None:
        from exprc.check.open_forms import Use, note_use
        from exprc.check.ranges import indices_in

        if indices_in(start):
            note_use(context, start, Use(axis.extent, item.span, tuple(_owner_labels(scope, axis))))
            _note_read(context, scope, axis, item.span, start, start, start + 1)
            return Part(start, ONE, dropped=True)
    inside = start.constant is None or start.constant >= 0
    if not inside or not require_at_most(context, axis.expression.span, start + 1, axis.extent):
        known = axis.extent.constant
        is_end = index == axis.extent and known != 0
        numbers = f"the entries 0 to {axis.extent - 1}" if known != 0 else "no entries"
        context.report.error(
            "E0407",
            f"index {index} is out of range for an axis of size {axis.extent}",
            Label(item.span, f"the axis has {numbers}"),
            *_owner_labels(scope, axis),
            help="indices are counted from 0: the last is `-1`" if is_end else "",
            frame=scope.frame,
            edits=(Edit(item.span, "-1"),) if is_end else (),
        )
        return None
    require_at_most(context, axis.expression.span, ZERO, start)
    return Part(start, ONE, dropped=True)


def _slice_part(
    context: Context, scope: Scope, axis: Axis, item: ast.Slice, sizes: list[Size | None]
) -> Part | None:
    step = ONE.constant if sizes[2] is None else sizes[2].constant
    if step is None:
        not_built(context, scope, "a slice whose step is a size", item)
        return None
    if step == 0:
        context.report.error("E0407", "a slice with a step of 0", Label(item.span), frame=scope.frame)
        return None
    if step < 0:
        return _backward_part(context, scope, axis, item, sizes, step)
    start = ZERO if sizes[0] is None else _from_end(sizes[0], axis.extent)
    stop = axis.extent if sizes[1] is None else _from_end(sizes[1], axis.extent)
    if not _bounds_hold(context, scope, axis, item, start, ((ZERO, start), (start, stop), (stop, axis.extent))):
        return None
    return Part(start, floordiv(stop - start + (step - 1), constant_size(step)), step)


def _backward_part(
    context: Context, scope: Scope, axis: Axis, item: ast.Slice, sizes: list[Size | None], step: int
) -> Part | None:
    """`x[b:a:-1]`: from b down to the entry before a."""
    start = axis.extent - 1 if sizes[0] is None else _from_end(sizes[0], axis.extent)
    stop = constant_size(-1) if sizes[1] is None else _from_end(sizes[1], axis.extent)
    if not _bounds_hold(
        context, scope, axis, item, start, ((ZERO, stop + 1), (stop, start), (start + 1, axis.extent))
    ):
        return None
    return Part(start, floordiv(start - stop + (-step - 1), constant_size(-step)), step)


def _bounds_hold(
    context: Context,
    scope: Scope,
    axis: Axis,
    item: ast.Slice,
    start: Size,
    bounds: tuple[tuple[Size, Size], ...],
) -> bool:
    """Whether each pair is in order, as far as is known; what depends on sizes becomes a fact.

    The first and the last pair hold a place and an end of the axis, the second the two places.
    """
    if context.form is not None:
        from exprc.check.open_forms import refuse_ragged
        from exprc.check.ranges import indices_in

        if any(indices_in(most - least) for least, most in bounds):
            count = bounds[1][1] - bounds[1][0]
            if refuse_ragged(context, scope, item.span, count, "the length of a slice"):
                return False
            low, high = bounds[0][1] - bounds[0][0], axis.extent - (bounds[2][1] - bounds[2][0])
            _note_read(context, scope, axis, item.span, start, low, high)
            return require_at_most(context, axis.expression.span, *bounds[1])
    for which, (least, most) in enumerate(bounds):
        if require_at_most(context, axis.expression.span, least, most):
            continue
        empty = which == 1
        context.report.error(
            "E0414" if empty else "E0407",
            f"slice has {most - least} entries" if empty else f"slice leaves an axis of size {axis.extent}",
            Label(item.span, "it ends before it starts" if empty else "slices are not clipped"),
            *_owner_labels(scope, axis),
            frame=scope.frame,
        )
        return False
    return True


def _note_read(context: Context, scope: Scope, axis: Axis, span: Span, start: Size, low: Size, high: Size) -> None:
    from exprc.check.open_forms import Read, narrowed, note_read

    around = tuple(narrowed(context, scope))
    note_read(context, Read(start, low, high, axis.extent, span, tuple(_owner_labels(scope, axis)), scope, around))


def _from_end(position: Size, extent: Size) -> Size:
    """A position counted from the start; one that is certainly not positive counts from the end."""
    negative = position.terms and all(coefficient < 0 for _, coefficient in position.terms)
    return extent + position if negative else position


def _owner_labels(scope: Scope, axis: Axis) -> list[Label]:
    binding = binding_of(scope, axis.expression.value)
    if binding is None:
        return [Label(axis.expression.value.span, describe(axis.node.type), False)]
    return [Label(binding.span, f"`{binding.name}` is {axis.node.type}", False)]


def _report_too_many(context: Context, scope: Scope, expression: ast.Index, node: Node, count: int) -> None:
    axis = Axis(0, ZERO, expression, node)
    has = counted(node.type.rank, "axis", "axes") if node.type.rank else "no axes"
    whole = expression.items[0].span.to(expression.items[-1].span)
    kept = [item.span.text for item in expression.items[: node.type.rank]]
    written = expression.value.span.text + (f"[{', '.join(kept)}]" if kept else "")
    context.report.error(
        "E0406",
        f"{counted(count, 'index', 'indices')} for an array with {has}",
        Label(whole, f"{counted(count, 'index', 'indices')} here"),
        *_owner_labels(scope, axis),
        help=f"remove {'what is too much' if kept else 'it'}: `{shortened(written)}`",
        frame=scope.frame,
        edits=(Edit(expression.span, written),),
    )
