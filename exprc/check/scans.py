"""Loops: `scan h = h0 over x in X { … }`.

Owns the states and sequences of a scan, the types that a state keeps, and the body as a closed graph.  Must not know
how the expressions within are computed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from exprc.check.blocks import visit_locals
from exprc.check.context import Context, describe, describe_value
from exprc.check.facts import require_at_most
from exprc.check.fitting import fits
from exprc.check.meeting import convert, meeting_dtype
from exprc.check.mismatch import operand_labels
from exprc.check.operands import Operand, Place
from exprc.check.report import counted, quoted, shortened
from exprc.check.scopes import Binding, Region, Scope
from exprc.check.values import POISON, Several, Value
from exprc.check.walking import Visit, not_built, value_of, values_of
from exprc.diagnostics import Edit, Label
from exprc.ir.node import Function, Node
from exprc.ir.op import PROJECT, SCAN
from exprc.ir.sizes import ONE, ZERO, Size
from exprc.ir.types import FLOATS, I64
from exprc.ops.arithmetic import add
from exprc.ops.leaves import iota, project
from exprc.ops.leaves import size as size_leaf
from exprc.ops.scan import scan
from exprc.ops.table import broadcast_to
from exprc.ops.views import insert_axes, pad, slice_, squeeze
from exprc.syntax import ast

MOST_TRIALS = 6  # a weak state's dtype rises with each trial, through at most five dtypes


class Step(NamedTuple):
    """A body that was gone through: its region, the new states and what is emitted."""

    region: Region
    next: list[Value]
    emit: list[Value]


def visit_scan(context: Context, scope: Scope, expression: ast.Scan) -> Visit:
    """A loop; several results where it has several states or emits something."""
    starts = yield from values_of(context, scope, tuple(state.start for state in expression.states))
    sequences = []
    for sequence in expression.sequences:
        sequences.append((yield from _sequence(context, scope, sequence)))
    if not _is_built(context, scope, expression) or not _heads_agree(context, scope, expression):
        return POISON
    length = _length(context, scope, expression, sequences)
    if length is None or any(start.node is None for start in starts):
        return POISON
    states = list(starts)
    for _ in range(MOST_TRIALS):
        mark = context.report.mark()
        step = yield from _visit_body(context, scope, expression, states, sequences)
        if any(value.node is None for value in (*step.next, *step.emit)):
            return POISON
        risen = [_risen(state, after) for state, after in zip(states, step.next, strict=True)]
        if all(one is two for one, two in zip(risen, states, strict=True)):
            break
        context.report.take_back(mark)
        states = risen
    nodes = _next_states(context, scope, expression, states, step)
    if nodes is None:
        return POISON
    return _loop(scope, states, starts, sequences, step, nodes, length)


# ---- the head


def _is_built(context: Context, scope: Scope, expression: ast.Scan) -> bool:
    if expression.condition is not None:
        not_built(context, scope, "a scan with `while`", expression.condition)
    for option in expression.options:
        not_built(context, scope, "an option of `scan`", option)
    return expression.condition is None and not expression.options


def _heads_agree(context: Context, scope: Scope, expression: ast.Scan) -> bool:
    """Whether the names of the head differ and there are as many new states as states, else a message."""
    seen: dict[str, ast.Name] = {}
    names = [state.name for state in expression.states] + [sequence.name for sequence in expression.sequences]
    for name in names:
        if name.text in seen:
            context.report.error(
                "E0202",
                f"`{name.text}` is defined twice",
                Label(name.span, "defined again"),
                Label(seen[name.text].span, "defined here first"),
                frame=scope.frame,
            )
            return False
        seen[name.text] = name
    states, after = len(expression.states), len(expression.next)
    if states == after:
        return True
    span = expression.next[0].span.to(expression.next[-1].span) if expression.next else expression.body.span
    context.report.error(
        "E0313",
        f"{counted(states, 'state')} and {counted(after, 'new value')}",
        Label(span, f"{counted(after, 'value')} after the step"),
        Label(expression.states[0].span.to(expression.states[-1].span), counted(states, "state")),
        note="each step gives every state its next value, in order; what is collected besides follows `emit`",
        frame=scope.frame,
    )
    return False


def _sequence(context: Context, scope: Scope, sequence: ast.ScanSequence) -> Any:
    """Within a visitor: the array along whose first axis the loop runs."""
    if isinstance(sequence.value, ast.Range):
        return (yield from _range(context, scope, sequence.value))
    value = yield from value_of(context, scope, sequence.value)
    if value.node is not None and not value.node.shape:
        counting = value.size is not None
        context.report.error(
            "E0404",
            "a scan runs along the first axis of an array",
            Label(sequence.value.span, f"this is {describe(value.node.type)}"),
            help=f"to count, write a range: `{sequence.name.text} in 0..{quoted(sequence.value.span).strip('`')}`"
            if counting else "",
            frame=scope.frame,
        )  # fmt: skip
        return POISON
    return value


def _range(context: Context, scope: Scope, written: ast.Range) -> Any:
    ends = yield from values_of(context, scope, (written.start, written.stop))
    if any(end.node is None for end in ends):
        return POISON
    for end, part in zip(ends, (written.start, written.stop), strict=True):
        if end.size is None or end.known.dtype != I64:
            context.report.error(
                "E0310",
                "the ends of a range have to be known before the data",
                Label(part.span, f"this is {describe(end.known.type)}"),
                note="they are made of numbers and dims by `+ - * // min max`",
                frame=scope.frame,
            )
            return POISON
    start, stop = (end.size for end in ends)
    assert start is not None and stop is not None
    if context.form is not None:
        from exprc.check.open_forms import refuse_ragged

        if refuse_ragged(context, scope, written.span, stop - start, "the number of steps"):
            return POISON
    if not require_at_most(context, written.span, start, stop):
        message = f"range has {stop - start} entries"
        context.report.error("E0414", message, Label(written.span, "it ends before it starts"), frame=scope.frame)
        return POISON
    places = iota((stop - start,))
    if start != ZERO:
        places = add(places, broadcast_to(size_leaf(start), places.shape))
    return Value(places, True)


def _length(context: Context, scope: Scope, expression: ast.Scan, sequences: list[Value]) -> Size | None:
    """The number of steps; None after a message."""
    if any(sequence.node is None for sequence in sequences):
        return None
    operands = [
        Operand(sequence, written.value) for sequence, written in zip(sequences, expression.sequences, strict=True)
    ]
    first: Size = operands[0].value.known.shape[0]
    for other in operands[1:]:
        size: Size = other.value.known.shape[0]
        if size != first:
            context.report.error(
                "E0412",
                "sequences of a scan have different lengths",
                Label(other.span, f"{size} entries"),
                Label(operands[0].span, f"{first} entries"),
                *operand_labels(context, scope, operands[0], first)[1:],
                *operand_labels(context, scope, other, size)[1:],
                frame=scope.frame,
            )
            return None
    return first


# ---- the body


def _visit_body(
    context: Context, scope: Scope, expression: ast.Scan, states: list[Value], sequences: list[Value]
) -> Any:
    """Within a visitor: the body, with states of these types."""
    region = Region(scope.region)
    inner = scope.inner(region)
    for state, written in zip(states, expression.states, strict=True):
        value = Value(region.parameter(state.known.type), state.weak)
        inner.names[written.name.text] = Binding(written.name.text, value, written.name.span, "state")
    for sequence, part in zip(sequences, expression.sequences, strict=True):
        row = sequence.known.type.with_shape(sequence.known.shape[1:])
        element = Value(region.parameter(row), sequence.weak)
        inner.names[part.name.text] = Binding(part.name.text, element, part.name.span, "element")
    yield from visit_locals(context, inner, expression.body.statements)
    after = yield from values_of(context, inner, expression.next)
    emitted = yield from values_of(context, inner, expression.emit)
    return Step(region, after, emitted)


def _risen(state: Value, after: Value) -> Value:
    """A state with a weak start, in the dtype that a step gives it; else the state itself."""
    if not state.weak or state.known.shape != after.known.shape:
        return state
    dtype = meeting_dtype([state, after])
    if dtype == state.known.dtype and after.weak:
        return state
    return Value(convert(state.known, dtype), after.weak)


def _next_states(
    context: Context, scope: Scope, expression: ast.Scan, states: list[Value], step: Step
) -> list[Node] | None:
    """The new states in the types of the states; None after a message."""
    nodes = []
    for state, after, head, written in zip(states, step.next, expression.states, expression.next, strict=True):
        before, node = state.known.type, after.known
        operand = Operand(after, written)
        if before.shape != node.shape:
            _report_change(context, scope, "E0411", "shape", head, operand, state)
            return None
        if not fits(operand, before.dtype):
            _report_change(context, scope, "E0315", "dtype", head, operand, state)
            return None
        nodes.append(convert(node, before.dtype))
    return nodes


def _report_change(
    context: Context, scope: Scope, code: str, what: str, head: ast.ScanState, after: Operand, before: Value
) -> None:
    node = after.value.known
    start = shortened(head.start.span.text)
    remedy = ""
    edits: tuple[Edit, ...] = ()
    if code == "E0411" and not before.known.shape and node.shape:
        sizes = ", ".join(str(size) for size in node.shape)
        meant = f"zeros({sizes})" if start in ("0", "0.0") else f"{head.start.span.text} + zeros({sizes})"
        remedy = f"start with an array: `{head.name.text} = {shortened(meant)}`"
        edits = (Edit(head.start.span, meant),)
    elif code == "E0315" and node.dtype in FLOATS:
        remedy = f"start with a float: `{head.name.text} = {node.dtype}({start})`"
        edits = (Edit(head.start.span, f"{node.dtype}({head.start.span.text})"),)
    context.report.error(
        code,
        f"state `{head.name.text}` changes its {what}",
        Label(after.span, f"after the step it is {describe_value(after.value)}"),
        Label(head.span, f"it starts as {describe_value(before)}"),
        note="a state keeps the dtype and the shape of its start",
        help=remedy,
        frame=scope.frame,
        edits=edits,
    )


def _loop(
    scope: Scope,
    states: list[Value],
    starts: list[Value],
    sequences: list[Value],
    step: Step,
    after: list[Node],
    length: Size,
) -> Value | Several:
    """The node of the loop.  Its results are the stacked states, which it emits, and what else is emitted."""
    emitted = [value.known for value in step.emit]
    body = Function(tuple(step.region.types), (*after, *after, *emitted))
    first = [convert(start.known, state.known.dtype) for start, state in zip(starts, states, strict=True)]
    results = scan(body, first, [sequence.known for sequence in sequences], list(step.region.captured), length)
    weak = [state.weak for state in states] + [value.weak for value in step.emit]
    values = tuple(Value(node, light) for node, light in zip(results[len(states) :], weak, strict=True))
    return values[0] if len(values) == 1 else Several(values)


# ---- the last state


def last_state(context: Context, place: Place, stacked: Operand, start: Operand) -> Value:
    """`last(H, h0)`: the last entry of a stacked state, or its start where there is no step."""
    rows, first = stacked.value.known, start.value.known
    if not rows.shape:
        context.report.error(
            "E0404",
            "`last` takes the stacked states of a scan",
            Label(stacked.span, f"this is {describe(rows.type)}"),
            frame=place.scope.frame,
        )
        return POISON
    dtype = meeting_dtype([stacked.value, start.value])
    rows, first = convert(rows, dtype), convert(first, dtype)
    state = _final_state(rows, first)
    if state is not None:
        return Value(state, stacked.value.weak)
    if rows.shape[1:] != first.shape:
        context.report.error(
            "E0401",
            "shapes do not match in `last`",
            Label(start.span, f"this is {describe_value(start.value)}"),
            Label(stacked.span, f"its rows are {describe(rows.type.with_shape(rows.shape[1:]))}"),
            note="`last(H, h0)` is `h0` where there is no step",
            frame=place.scope.frame,
        )
        return POISON
    return Value(_last_of(rows, first), stacked.value.weak and start.value.weak)


def _final_state(rows: Node, first: Node) -> Node | None:
    """The result of the loop itself, where the rows are states of a scan that starts with `first`."""
    if rows.kind != PROJECT or rows.args[0].kind != SCAN:
        return None
    loop, (index,) = rows.args[0], rows.attrs
    state = index - loop.attrs[1]
    return project(loop, state) if 0 <= state < loop.attrs[1] and loop.args[state] is first else None


def _last_of(rows: Node, first: Node) -> Node:
    """The last row of `first` followed by `rows`."""
    rank = rows.type.rank
    shape = (rows.shape[0] + 1, *rows.shape[1:])
    none = (ZERO,) * (rank - 1)
    both = add(pad(rows, (ONE, *none), shape), pad(insert_axes(first, (0,)), (ZERO, *none), shape))
    return squeeze(slice_(both, (rows.shape[0], *none), (ONE, *rows.shape[1:])), (0,))
