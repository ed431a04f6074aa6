"""`set(x[i, :], v)` and `increment(x[1:], v)`: copies of an array with a part replaced or added to.

Owns these two forms, whose first argument says where and is not a value.  Positions are `indexing`'s.
"""

from __future__ import annotations

from exprc.check.arguments import bind_arguments
from exprc.check.context import Context, describe
from exprc.check.indexing import Part, parts_of, take, visit_positions
from exprc.check.meeting import expect_numbers, meet_dtypes, shapes_meet
from exprc.check.names import SET
from exprc.check.operands import Operand, Place
from exprc.check.report import shortened
from exprc.check.scopes import Scope
from exprc.check.values import POISON, Value
from exprc.check.walking import Visit, value_of
from exprc.diagnostics import Label
from exprc.ir.node import Node
from exprc.ir.op import Parameter
from exprc.ops import add, broadcast_to, constant_value, full, where
from exprc.ops.views import insert_axes, pad
from exprc.syntax import ast

SIGNATURE = (Parameter("part"), Parameter("v"))


def visit_part(context: Context, scope: Scope, expression: ast.Call, name: str) -> Visit:
    """A call of `set` or `increment`."""
    bound = bind_arguments(context, scope, expression, name, SIGNATURE)
    if bound is None:
        return POISON
    target, written = bound["part"], bound["v"]
    if not isinstance(target, ast.Index) or any(isinstance(item, ast.NoneLiteral) for item in target.items):
        yield from value_of(context, scope, target)
        yield from value_of(context, scope, written)
        return _refuse_target(context, scope, name, target)
    array, given = yield from visit_positions(context, scope, target)
    value = yield from value_of(context, scope, written)
    if given is None or value.node is None:
        return POISON
    parts = parts_of(context, scope, target, array.known, given)
    if parts is None:
        return POISON
    place = Place(f"`{name}`", expression.function.span, scope)
    taken = [part for part in parts if part is not None]
    return _changed(context, place, name, Operand(array, target.value), taken, Operand(value, written), target)


def _refuse_target(context: Context, scope: Scope, name: str, target: ast.Expression) -> Value:
    text = shortened(target.span.text)
    context.report.error(
        "E0317",
        f"`{name}` needs a part of an array",
        Label(target.span, "which entries?"),
        note="`None` is no part" if isinstance(target, ast.Index) else "",
        help=f"index it: `{name}({text}[0], …)`" if isinstance(target, ast.Name) else "",
        frame=scope.frame,
    )
    return POISON


def _changed(
    context: Context,
    place: Place,
    name: str,
    array: Operand,
    taken: list[Part],
    value: Operand,
    target: ast.Index,
) -> Value:
    """The copy, if dtype and shape of the value suit the part."""
    if name != SET and not expect_numbers(context, place, [array, value]):
        return POISON
    met = meet_dtypes(context, place, [array, value])
    if met is None:
        return POISON
    before, new = met
    if before.dtype != array.value.known.dtype and not array.value.weak:
        dtype = array.value.known.dtype
        context.report.error(
            "E0302",
            f"{place.title} keeps the dtype {dtype}",
            Label(value.span, f"this is {describe(value.value.known.type)}"),
            help=f"convert it: `{dtype}({shortened(value.span.text)})`",
            frame=place.scope.frame,
        )
        return POISON
    part = take(before, list(taken))
    if not shapes_meet(context, place, [Operand(Value(part), target), value]):
        return POISON
    lead = new.type.rank - part.type.rank
    if lead > 0 or any(own != part.shape[i - lead] for i, own in enumerate(new.shape) if own.constant != 1):
        context.report.error(
            "E0401",
            f"{place.title} of a part with another shape",
            Label(value.span, f"this is {describe(new.type)}"),
            Label(target.span, f"this is {describe(part.type)}", False),
            frame=place.scope.frame,
        )
        return POISON
    node = _replaced(before, taken, broadcast_to(new, part.shape), name)
    return Value(node, array.value.weak and value.value.weak)


def _replaced(before: Node, taken: list[Part], new: Node, name: str) -> Node:
    """The value among zeros; where there is something else around it, chosen or added."""
    dropped = tuple(i for i, part in enumerate(taken) if part.dropped)

    def placed(entries: Node) -> Node:
        whole = insert_axes(entries, dropped) if dropped else entries
        return pad(whole, tuple(p.start for p in taken), before.shape, tuple(p.step for p in taken))

    if constant_value(before) == 0:
        return placed(new)
    if name != SET:
        return add(before, placed(new))
    return where(placed(full(True, new.shape)), placed(new), before)
