"""Calls: which function is meant, and what is passed for which of its parameters.

Owns the calls of operations by their signatures, casts and `last`.  Must not know any operation's meaning: its entry
builds the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from exprc.check.arguments import Bound, bind_arguments, check_axes, static_axis, static_flag
from exprc.check.context import Context, describe
from exprc.check.declared import size_of
from exprc.check.derivatives import visit_derivative
from exprc.check.facts import require_at_most, require_entries
from exprc.check.foreign import SIZE_WORDS, Advice, about_call, about_prefix, about_sizes, is_operation
from exprc.check.functions import visit_user_call
from exprc.check.meeting import Operand, Place, convert, elementwise, meeting_dtype, whole
from exprc.check.mismatch import declaration_labels
from exprc.check.names import CONSTANTS, INCREMENT, LAST, SET, is_later, operation, report_later, report_unknown
from exprc.check.operators import is_small
from exprc.check.parts import visit_part
from exprc.check.refusals import report_refusal
from exprc.check.report import quoted, shortened
from exprc.check.scans import last_state
from exprc.check.scopes import Scope, find
from exprc.check.values import POISON, UserFunction, Value
from exprc.check.walking import Visit, value_of, values_of
from exprc.diagnostics import Edit, Label
from exprc.ir.op import DERIVATIVE, ELEMENTWISE, OPAQUE, Op, Parameter, TypeRuleError
from exprc.ir.sizes import ZERO, Size, as_size, maximum, minimum, product
from exprc.ir.types import DTYPES, FLOATS, I64, INTEGERS
from exprc.ops import TABLE, constant_value
from exprc.ops.checks import within
from exprc.ops.table import normal_axes
from exprc.source import Span
from exprc.syntax import ast


def visit_call(context: Context, scope: Scope, expression: ast.Call) -> Visit:
    """`f(x, axis=1)`."""
    name = expression.function
    if isinstance(name, ast.Attribute):
        return (yield from _visit_method(context, scope, expression, name))
    if not isinstance(name, ast.Name):
        if (yield from value_of(context, scope, name)).node is not None:
            _report_not_a_function(context, scope, expression, "this is a value")
    else:
        found = find(scope, name.text)
        if found is not None:
            binding = found[0]
            if isinstance(binding.value, UserFunction):
                return (yield from visit_user_call(context, scope, expression, binding.value))
            if binding.value.node is not None:
                rank = binding.value.node.type.rank
                _report_not_a_function(context, scope, expression, f"`{name.text}` is a value", binding.span, rank)
        elif name.text in context.defined:
            report_unknown(context, scope, name, called=True)
        elif name.text in DTYPES:
            return (yield from _visit_cast(context, scope, expression, name.text))
        elif name.text == LAST:
            return (yield from _visit_last(context, scope, expression))
        elif name.text in (SET, INCREMENT):
            return (yield from visit_part(context, scope, expression, name.text))
        elif (op := operation(name.text)) is not None:
            if op.kind == DERIVATIVE:
                return (yield from visit_derivative(context, scope, expression, op))
            return (yield from _visit_operation(context, scope, expression, op))
        elif is_later(name.text):
            report_later(context, scope, name)
        elif name.text in CONSTANTS:
            _report_not_a_function(context, scope, expression, f"`{name.text}` is a constant")
        else:
            return (yield from _visit_unknown(context, scope, expression, name))
    yield from _rest(context, scope, expression)
    return POISON


def _rest(context: Context, scope: Scope, expression: ast.Call) -> Any:
    """The arguments of a call that is wrong as a whole: their own mistakes are told too."""
    written = [argument.value for argument in expression.arguments]
    yield from values_of(context, scope, tuple(part for part in written if not _is_option(scope, part)))


def _is_option(scope: Scope, written: ast.Expression) -> bool:
    """Whether an argument can be right without having a value: an option, a list of axes, a function."""
    if isinstance(written, ast.Name):
        found = find(scope, written.text)
        return isinstance(found[0].value, UserFunction) if found else is_operation(written.text)
    return isinstance(written, (ast.ArrayLiteral, ast.NoneLiteral, ast.String, ast.BoolLiteral))


def _visit_unknown(context: Context, scope: Scope, expression: ast.Call, name: ast.Name) -> Visit:
    """A call of what is called otherwise here, or not known at all."""
    if name.text in SIZE_WORDS and len(expression.arguments) == 1:
        written = expression.arguments[0].value
        value = yield from value_of(context, scope, written)
        advice = None if value.node is None else about_sizes(name.text, value, written, expression.span)
        report_unknown(context, scope, name, called=True, advice=advice)
        return POISON
    advice = about_call(expression, name.text)
    report_unknown(context, scope, name, called=True, advice=advice)
    if advice is not None and not advice.edits:
        return POISON
    yield from _rest(context, scope, expression)
    return POISON


def _visit_method(context: Context, scope: Scope, expression: ast.Call, function: ast.Attribute) -> Visit:
    """`np.sum(x)`, `x.sum()`."""
    root: ast.Expression = function
    while isinstance(root, ast.Attribute):
        root = root.value
    if isinstance(root, ast.Name) and find(scope, root.text) is None:
        report_unknown(context, scope, root, advice=about_prefix(expression))
    elif (value := (yield from value_of(context, scope, function.value))).node is not None:
        name = function.name.text
        if name in SIZE_WORDS:
            advice: Advice | None = about_sizes(name, value, function.value, expression.span)
        elif name in ("transpose", "t"):
            advice = Advice("write `.T`", (Edit(function.span.to(expression.span), f"{function.value.span.text}.T"),))
        else:
            advice = about_call(expression, name, function.value)
        report_attribute(context, scope, function, advice)
    yield from _rest(context, scope, expression)
    return POISON


def report_attribute(context: Context, scope: Scope, attribute: ast.Attribute, advice: Advice | None) -> None:
    """A value has no attribute but its transpose."""
    advice = advice or Advice()
    context.report.error(
        "E0211",
        f"unknown attribute `.{attribute.name.text}`",
        Label(attribute.name.span, "a value has no attribute of this name"),
        note="values have no methods: operations are called with them" if advice.help.startswith("write") else "",
        help=advice.help,
        frame=scope.frame,
        edits=advice.edits,
    )


def _report_not_a_function(
    context: Context, scope: Scope, expression: ast.Call, what: str, declared: Any = None, rank: int = 0
) -> None:
    function = expression.function
    text = shortened(function.span.text)
    inside = expression.arguments[0].value.span.to(expression.arguments[-1].span) if expression.arguments else None
    arguments = shortened(inside.text) if inside is not None else ""
    one = len(expression.arguments) == 1
    factor = arguments if one and isinstance(expression.arguments[0].value, _SIMPLE) else f"({arguments})"
    opened, end = function.span.source.text.find("(", function.span.end), expression.span.end
    brackets = [Span(function.span.source, place, place + 1) for place in (opened, end - 1)]
    name = argument.text if one and isinstance(argument := expression.arguments[0].value, ast.Name) else ""
    start = Span(brackets[0].source, opened, opened)
    edits: tuple[Edit, ...] = ()
    if isinstance(function, ast.Name) and declared is not None and is_operation(function.text):
        help = f"choose another name for what hides the operation `{text}`"
    elif isinstance(function, ast.Transpose) and name:
        derivative = f"grad({function.value.span.text}, {name})"
        help, edits = f"`'` is the transpose; a derivative is `{derivative}`", (Edit(expression.span, derivative),)
    elif one and rank == 0:
        help, edits = f"a product needs its `*`: `{text} * {factor}`", (Edit(start, " * "),)
    else:
        help = f"an array is indexed with brackets: `{text}[{arguments}]`"
        edits = tuple(Edit(span, bracket) for span, bracket in zip(brackets, "[]", strict=True)) if arguments else ()
    context.report.error(
        "E0205",
        f"`{text}` is not a function",
        Label(function.span, what),
        *([Label(declared, "declared here")] if declared is not None else []),
        help=help,
        frame=scope.frame,
        edits=edits,
    )


_SIMPLE = (ast.Name, ast.Number, ast.Call, ast.Index)


# ---- casts and `last`


def _visit_cast(context: Context, scope: Scope, expression: ast.Call, dtype: str) -> Visit:
    bound = bind_arguments(context, scope, expression, dtype, (Parameter("x"),))
    if bound is None:
        yield from _rest(context, scope, expression)
        return POISON
    (written,) = bound.values()
    value = yield from value_of(context, scope, written)
    if value.node is None:
        return POISON
    node = convert(value.node, dtype)
    return Value(node, False, value.size if dtype == I64 else None)


def _visit_last(context: Context, scope: Scope, expression: ast.Call) -> Visit:
    bound = bind_arguments(context, scope, expression, LAST, (Parameter("H"), Parameter("h0")))
    if bound is None:
        yield from _rest(context, scope, expression)
        return POISON
    written = (bound["H"], bound["h0"])
    values = yield from values_of(context, scope, written)
    if any(value.node is None for value in values):
        return POISON
    place = Place("`last`", expression.function.span, scope)
    return last_state(context, place, *[Operand(value, part) for value, part in zip(values, written, strict=True)])


# ---- operations


class Passed(NamedTuple):
    """What is passed to an operation: the values in order, and everything by the name of its parameter."""

    operands: list[Operand]
    fields: dict[str, Any]


def _visit_operation(context: Context, scope: Scope, expression: ast.Call, op: Op) -> Visit:
    bound = bind_arguments(context, scope, expression, op.name, op.signature)
    if bound is None:
        yield from _rest(context, scope, expression)
        return POISON
    passed = yield from _visit_arguments(context, scope, expression, op, bound)
    if passed is None or any(operand.value.node is None for operand in passed.operands):
        return POISON
    extreme: Value | None = _extreme_of_sizes(context, scope, expression, op, passed.operands)
    if extreme is not None:
        return extreme
    place = Place(f"`{op.name}`", expression.function.span, scope)
    if op.kind == ELEMENTWISE:
        return elementwise(context, place, op, passed.operands)
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
    if op.kind == OPAQUE and not _expect_floats(context, place, operands):
        return POISON
    assert op.build is not None
    try:
        node = op.build(**fields)
    except TypeRuleError as refusal:
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


def _expect_floats(context: Context, place: Place, operands: list[Operand]) -> bool:
    for operand in operands:
        node = operand.value.known
        if node.dtype not in FLOATS and not operand.value.weak:
            context.report.error(
                "E0311",
                f"{place.title} does not take {node.dtype}",
                Label(operand.span, f"this is {describe(node.type)}"),
                help=f"make it a float: `f64({quoted(operand.span).strip('`')})`",
                frame=place.scope.frame,
                edits=(Edit(operand.span, f"f64({operand.span.text})"),),
            )
            return False
    return True

