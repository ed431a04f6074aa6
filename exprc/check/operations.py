"""Calls of operations: their arguments by the roles of the parameters, and the node that the entry makes of them.

Owns what holds for every operation (sizes, axes, indices, dtypes that meet), and that the smaller and the larger of two
sizes is a size.  Must not know any other operation's meaning: its entry builds the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from exprc.check.arguments import Bound, bind_arguments, check_axes, static_axis, static_flag, visit_rest
from exprc.check.context import Context, describe
from exprc.check.declared import size_of
from exprc.check.domains import watch
from exprc.check.facts import require_at_most, require_entries
from exprc.check.meeting import convert, elementwise, expect_floats, meeting_dtype, whole
from exprc.check.mismatch import declaration_labels
from exprc.check.operands import Operand, Place
from exprc.check.operators import is_small
from exprc.check.report import shortened
from exprc.check.scopes import Scope
from exprc.check.values import POISON, Value
from exprc.check.walking import Visit, value_of, values_of
from exprc.diagnostics import Edit, Label
from exprc.ir.op import ELEMENTWISE, OPAQUE, Op, Parameter, TypeRuleError
from exprc.ir.sizes import ZERO, Size, as_size, maximum, minimum, product
from exprc.ir.types import FLOATS, I64, INTEGERS
from exprc.ops import TABLE, constant_value
from exprc.ops.checks import within
from exprc.ops.table import normal_axes
from exprc.syntax import ast


class Passed(NamedTuple):
    """What is passed to an operation: the values in order, and everything by the name of its parameter."""

    operands: list[Operand]
    fields: dict[str, Any]


def visit_operation(context: Context, scope: Scope, expression: ast.Call, op: Op) -> Visit:
    """`sum(x, axis=1)`: an operation that is called by its name."""
    bound = bind_arguments(context, scope, expression, op.name, op.signature)
    if bound is None:
        yield from visit_rest(context, scope, expression)
        return POISON
    passed = yield from _visit_arguments(context, scope, expression, op, bound)
    if passed is None or any(operand.value.node is None for operand in passed.operands):
        return POISON
    extreme: Value | None = _extreme_of_sizes(context, scope, expression, op, passed.operands)
    if extreme is not None:
        return extreme
    place = Place(f"`{op.name}`", expression.function.span, scope)
    if op.kind == ELEMENTWISE and all(parameter.role == "array" for parameter in op.signature):
        value = elementwise(context, place, op, passed.operands)
        if value.node is not None:
            watch(context, value.node, [operand.span for operand in passed.operands], scope.frame)
        return value
    return _build(context, place, op, passed)


_EXTREMES: dict[Op, Callable[[Size, Size], Size]] = {
    TABLE["min"]: minimum, TABLE["minimum"]: minimum, TABLE["max"]: maximum, TABLE["maximum"]: maximum,
}  # fmt: skip


def _extreme_of_sizes(context: Context, scope: Scope, expression: ast.Call, op: Op, operands: list[Operand]) -> Any:
    """`min(n, m)` and `minimum(n, m)` of sizes is a size; None for any other call."""
    rule = _EXTREMES.get(op)
    if rule is None or len(operands) != 2 or any(operand.value.node is None for operand in operands):
        return None
    left, right = (operand.value.size for operand in operands)
    if left is None or right is None or any(operand.value.known.dtype != I64 for operand in operands):
        return None
    size = rule(left, right)
    return whole(context, Place("", expression.span, scope), size) if is_small(size) else None


def _is_size_pair(op: Op, operands: list[Operand]) -> bool:
    """Whether the next argument of `min` or `max` is a second size: a size has no axes."""
    return op in _EXTREMES and bool(operands) and operands[0].value.size is not None


def _extreme_help(op: Op) -> str:
    return f"for the {op.name}imum of two values write `{op.name}imum(a, b)`"


def _expect_size(context: Context, scope: Scope, op: Op, written: ast.Expression, value: Value) -> bool:
    if value.node is None or value.size is not None:
        return True
    context.report.error(
        "E0310",
        f"`{op.name}` of a size and something that is not one",
        Label(written.span, f"this is {describe(value.node.type)}"),
        help=_extreme_help(op),
        frame=scope.frame,
    )
    return False


def _visit_arguments(context: Context, scope: Scope, expression: ast.Call, op: Op, bound: Bound) -> Any:
    """The arguments as the roles of their parameters want them; None after a message."""
    operands: list[Operand] = []
    fields: dict[str, Any] = {}
    sound = True
    for parameter in op.signature:
        if parameter.name not in bound:
            if not parameter.required:
                fields[parameter.name] = parameter.default
            continue
        written = bound[parameter.name]
        if parameter.role == "array":
            value = yield from value_of(context, scope, written)
            operands.append(Operand(value, written))
            fields[parameter.name] = value.node
        elif parameter.role == "flag":
            fields[parameter.name] = static_flag(context, scope, parameter.name, written)
            sound = sound and fields[parameter.name] is not None
        elif parameter.role == "axis" and _is_size_pair(op, operands):
            value = yield from value_of(context, scope, written)
            sound = _expect_size(context, scope, op, written, value)
            operands.append(Operand(value, written))
        elif parameter.role == "axis":
            axes, known = yield from static_axis(context, scope, parameter.name, written)
            fields[parameter.name] = axes
            sound = sound and known
            if known and operands and operands[0].value.node is not None:
                type = operands[0].value.known.type
                help = _extreme_help(op) if op in _EXTREMES and not type.shape else ""
                others = tuple(declaration_labels(scope, operands[0]))
                sound = check_axes(context, scope, written, axes, type, help, others) and sound
        else:
            sizes = yield from _visit_sizes(context, scope, parameter, written)
            fields[parameter.name] = sizes if parameter.role == "sizes" or sizes is None else sizes[0]
            sound = sound and sizes is not None
    return Passed(operands, fields) if sound else None


def _visit_sizes(context: Context, scope: Scope, parameter: Parameter, written: Any) -> Any:
    """Arguments that are sizes; None after a message."""
    expressions = tuple(written) if parameter.role == "sizes" else (written,)
    values = yield from values_of(context, scope, expressions)
    if len(expressions) == 1 and isinstance(expressions[0], ast.ArrayLiteral) and values[0].node is not None:
        _report_size_list(context, scope, expressions[0])
        return None
    sizes = [size_of(context, scope, part, value) for part, value in zip(expressions, values, strict=True)]
    return None if any(size is None for size in sizes) else tuple(sizes)


def _report_size_list(context: Context, scope: Scope, written: ast.ArrayLiteral) -> None:
    inside = ", ".join(item.span.text for item in written.items)
    context.report.error(
        "E0310",
        "a list of sizes where each is an argument",
        Label(written.span, "an array of numbers"),
        help=f"write the sizes one after the other: `{shortened(inside)}`",
        frame=scope.frame,
        edits=(Edit(written.span, inside),),
    )


def _build(context: Context, place: Place, op: Op, passed: Passed) -> Value:
    """An operation that is not elementwise, by its entry."""
    operands = passed.operands
    fields = dict(passed.fields)
    for parameter, operand, node in zip(_arrays(op), operands, _met(operands), strict=True):
        fields[parameter.name] = operand.value.known if _may_index(parameter, operand) else node
    if op.kind == OPAQUE and not expect_floats(context, place, operands):
        return POISON
    assert op.build is not None
    try:
        node = op.build(**fields)
    except TypeRuleError as refusal:
        from exprc.check.refusals import report_refusal

        report_refusal(context, place, op, operands, refusal)
        return POISON
    indexing = [(p, operand) for p, operand in zip(_arrays(op), operands) if _may_index(p, operand)]
    if indexing:
        inside = [_inside(context, place, op, parameter, operand, fields) for parameter, operand in indexing]
        if not all(inside):
            return POISON
        node = op.build(**fields)
    if not operands:
        return Value(convert(node, I64), True)  # made of sizes only
    if "nonempty" in op.laws and not _has_entries(context, place, op, passed):
        return POISON
    return Value(node, all(operand.value.weak for operand in operands))


def _has_entries(context: Context, place: Place, op: Op, passed: Passed) -> bool:
    """Whether a reduction that chooses an entry may have one; where that depends on sizes it is checked on entry."""
    operand = passed.operands[0]
    shape = operand.value.known.shape
    axes = normal_axes(op.name, passed.fields.get("axis"), len(shape))
    reduced = product(tuple(shape[i] for i in axes))
    kept = product(tuple(extent for i, extent in enumerate(shape) if i not in axes))
    if require_entries(context, place.span, op.name, reduced, kept):
        return True
    context.report.error(
        "E0407",
        f"{place.title} of an axis without entries",
        Label(operand.span, f"this is {describe(operand.value.known.type)}"),
        frame=place.scope.frame,
    )
    return False


def _arrays(op: Op) -> list[Parameter]:
    return [parameter for parameter in op.signature if parameter.role == "array"]


def _may_index(parameter: Parameter, operand: Operand) -> bool:
    """Whether integers are given, weak ones too, where they are the indices of an axis."""
    return parameter.indexes is not None and operand.value.known.dtype in INTEGERS


def _inside(
    context: Context, place: Place, op: Op, parameter: Parameter, operand: Operand, fields: dict[str, Any]
) -> bool:
    """That integers are indices of the axis that they are for: known at once, else checked when the program runs."""
    assert parameter.indexes is not None
    array, axis = fields[parameter.indexes[0]], parameter.indexes[1]
    indices, extent = operand.value.known, array.shape[axis]
    if indices.type.rank == array.type.rank:
        return True  # no indices, but weights of all entries
    known = constant_value(indices)
    if known is None:
        name = str(extent) if extent.constant is None else "an axis"
        fields[parameter.name] = within(indices, ZERO, extent, name, place.span.line)
        return True
    text = f"{op.name}: {known} < {extent}"
    if known >= 0 and require_at_most(context, place.span, as_size(int(known) + 1), extent, text):
        return True
    entries = f"it has the entries 0 to {extent - 1}" if extent.constant != 0 else "it has no entries"
    context.report.error(
        "E0407",
        f"index {known} in `{parameter.name}` of {place.title} is out of range for an axis of size {extent}",
        Label(operand.span, entries),
        frame=place.scope.frame,
    )
    return False


def _met(operands: Sequence[Operand]) -> list[Any]:
    """The nodes of operands, the weak ones in the float dtype that they meet."""
    values = [operand.value for operand in operands]
    if all(value.weak for value in values) or not values:
        return [value.node for value in values]
    dtype = meeting_dtype([value for value in values if not value.weak])
    return [
        convert(value.known, dtype) if value.weak and dtype in FLOATS else value.known for value in values
    ]
