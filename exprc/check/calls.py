"""Calls: which function is meant.

Owns the choice, casts, `last`, and what is told of a call of something that is no function.  Must not know what the
function is given: operations, functions of the program, derivatives and parts of arrays have files of their own.
"""

from __future__ import annotations

from typing import Any

from exprc.check.arguments import bind_arguments, visit_rest
from exprc.check.context import Context
from exprc.check.derivatives import visit_derivative
from exprc.check.functions import visit_user_call
from exprc.check.meeting import convert
from exprc.check.names import CONSTANTS, INCREMENT, LAST, SET, is_later, operation, report_later, report_unknown
from exprc.check.operands import Operand, Place
from exprc.check.operations import visit_operation
from exprc.check.report import shortened
from exprc.check.scans import last_state
from exprc.check.scopes import Scope, find
from exprc.check.values import POISON, UserFunction, Value
from exprc.check.vocabulary import SIZE_WORDS, Advice, about_call, about_prefix, about_sizes, is_operation
from exprc.check.walking import Visit, value_of, values_of
from exprc.diagnostics import Edit, Label
from exprc.ir.op import DERIVATIVE, Parameter
from exprc.ir.types import DTYPES, I64
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
            from exprc.check.parts import visit_part

            return (yield from visit_part(context, scope, expression, name.text))
        elif (op := operation(name.text)) is not None:
            if op.kind == DERIVATIVE:
                return (yield from visit_derivative(context, scope, expression, op))
            return (yield from visit_operation(context, scope, expression, op))
        elif is_later(name.text):
            report_later(context, scope, name)
        elif name.text in CONSTANTS:
            _report_not_a_function(context, scope, expression, f"`{name.text}` is a constant")
        else:
            return (yield from _visit_unknown(context, scope, expression, name))
    yield from visit_rest(context, scope, expression)
    return POISON


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
    yield from visit_rest(context, scope, expression)
    return POISON


def _about_prefix(context: Context, prefix: str, call: ast.Call) -> Advice | None:
    """What to write for `np.sum(x)`, and for all that has this prefix; a name is reported once."""
    advice = None if prefix in context.unknown else about_prefix(call)
    if advice is None or not advice.edits:
        return advice
    from exprc.check.repairs import without_prefix

    return without_prefix(context, prefix, advice)


def _visit_method(context: Context, scope: Scope, expression: ast.Call, function: ast.Attribute) -> Visit:
    """`np.sum(x)`, `x.sum()`."""
    root: ast.Expression = function
    while isinstance(root, ast.Attribute):
        root = root.value
    if isinstance(root, ast.Name) and find(scope, root.text) is None:
        report_unknown(context, scope, root, advice=_about_prefix(context, root.text, expression))
    elif (value := (yield from value_of(context, scope, function.value))).node is not None:
        name = function.name.text
        if name in SIZE_WORDS:
            advice: Advice | None = about_sizes(name, value, function.value, expression.span)
        elif name in ("transpose", "t"):
            advice = Advice("write `.T`", (Edit(function.span.to(expression.span), f"{function.value.span.text}.T"),))
        else:
            advice = about_call(expression, name, function.value)
        report_attribute(context, scope, function, advice)
    yield from visit_rest(context, scope, expression)
    return POISON


def report_attribute(context: Context, scope: Scope, attribute: ast.Attribute, advice: Advice | None) -> None:
    """A value has no attribute but its transpose."""
    advice = advice or Advice()
    context.report.error(
        "E0211",
        f"unknown attribute `.{attribute.name.text}`",
        Label(attribute.name.span, "values have no such attribute"),
        note="values have no methods; operations are functions" if advice.help.startswith("write") else "",
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
        help = f"to index an array, use brackets: `{text}[{arguments}]`"
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
        yield from visit_rest(context, scope, expression)
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
        yield from visit_rest(context, scope, expression)
        return POISON
    written = (bound["H"], bound["h0"])
    values = yield from values_of(context, scope, written)
    if any(value.node is None for value in values):
        return POISON
    place = Place("`last`", expression.function.span, scope)
    return last_state(context, place, *[Operand(value, part) for value, part in zip(values, written, strict=True)])
