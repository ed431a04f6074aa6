"""From an expression to its value, without recursion.

Owns the walk: each form of expression has a visitor, a generator that yields the expressions whose values it needs
and returns its own value.  `evaluate` runs visitors on a stack of its own, so that depth costs memory only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from exprc.check.calls import report_attribute, visit_call
from exprc.check.context import Context
from exprc.check.indexing import visit_index
from exprc.check.limits import axes_of, refuse_axes
from exprc.check.meeting import whole
from exprc.check.names import CONSTANTS, name_value, report_unknown
from exprc.check.operands import Place
from exprc.check.operators import binary, choose, compare, logical, negated, negative, stacked, transposed
from exprc.check.report import shortened
from exprc.check.scans import visit_scan
from exprc.check.scopes import Scope, find
from exprc.check.values import POISON, Value
from exprc.check.vocabulary import SIZE_WORDS, Advice, about_name, about_sizes, is_operation
from exprc.check.walking import Result, Visit, not_built, single, value_of, values_of
from exprc.diagnostics import Edit, Label
from exprc.ir.sizes import constant as constant_size
from exprc.ops.leaves import constant
from exprc.syntax import ast


def evaluate(context: Context, scope: Scope, expression: ast.Expression) -> Result:
    """The value of an expression; poison, after messages, where it has none."""
    leaf = _LEAVES.get(type(expression))
    if leaf is not None:
        return leaf(context, scope, expression)
    return run(context, _VISITORS[type(expression)](context, scope, expression), expression)  # type: ignore[no-any-return]


def run(context: Context, visit: Any, written: ast.Expression | None = None) -> Any:
    """What a visitor returns.  The visitors of the expressions that it asks for wait on a stack."""
    stack = [(visit, written)]
    result: Any = None
    while True:
        visit, written = stack[-1]
        try:
            expression, scope = visit.send(result)
        except StopIteration as done:
            stack.pop()
            result = done.value
            if written is not None and type(result) is Value and result.node is not None:
                context.remember(result.node, written.span)
                if refuse_axes(context, axes_of(result.node), written.span, None):
                    result = POISON
            if not stack:
                return result
            continue
        leaf = _LEAVES.get(type(expression))
        if leaf is not None:
            result = leaf(context, scope, expression)
        else:
            stack.append((_VISITORS[type(expression)](context, scope, expression), expression))
            result = None


# ---- leaves


def _number(context: Context, scope: Scope, expression: ast.Number) -> Value:
    if expression.is_float:
        return Value(constant(float(expression.value)), True)
    assert isinstance(expression.value, int)
    return whole(context, Place("", expression.span, scope), constant_size(expression.value))


def _truth(context: Context, scope: Scope, expression: ast.BoolLiteral) -> Value:
    return Value(constant(expression.value), True)


def _misplaced(context: Context, scope: Scope, expression: ast.Expression) -> Value:
    what = "a string" if isinstance(expression, ast.String) else "`None`"
    where = "`einsum` and `use` take one" if isinstance(expression, ast.String) else "it is for indices and options"
    help = ""
    edits: tuple[Edit, ...] = ()
    if isinstance(expression, ast.String) and find(scope, expression.value) is not None:
        help, edits = f"write the name without quotes: `{expression.value}`", (Edit(expression.span, expression.value),)
    elif isinstance(expression, ast.String) and expression.value.replace(".", "", 1).isdecimal():
        help = f"write the number without quotes: `{expression.value}`"
        edits = (Edit(expression.span, expression.value),)
    label = Label(expression.span, where)
    context.report.error("E0311", f"{what} is not a value", label, help=help, frame=scope.frame, edits=edits)
    return POISON


# ---- visitors


def _visit_unary(context: Context, scope: Scope, expression: ast.Unary) -> Visit:
    operand = expression.operand
    if isinstance(operand, ast.Number) and isinstance(operand.value, int):
        return whole(context, Place("", expression.span, scope), constant_size(-operand.value))
    return negative(context, scope, expression, (yield from value_of(context, scope, operand)))


def _visit_not(context: Context, scope: Scope, expression: ast.Not) -> Visit:
    return negated(context, scope, expression, (yield from value_of(context, scope, expression.operand)))


def _visit_binary(context: Context, scope: Scope, expression: ast.Binary) -> Visit:
    """A chain `a + b + c …` leans to the left: it is walked in a loop."""
    chain: list[ast.Binary] = []
    inner: ast.Expression = expression
    while type(inner) is ast.Binary:
        chain.append(inner)
        inner = inner.left
    left = yield from value_of(context, scope, inner)
    while chain:
        current = chain.pop()
        right = yield current.right, scope
        if type(right) is not Value:
            right = single(context, scope, current.right, right)
        left = binary(context, scope, current, left, right)
        if left.node is not None:
            context.remember(left.node, current.span)
    return left


def _visit_compare(context: Context, scope: Scope, expression: ast.Compare) -> Visit:
    values = yield from values_of(context, scope, expression.operands)
    return compare(context, scope, expression, values)


def _visit_logical(context: Context, scope: Scope, expression: ast.Logical) -> Visit:
    left, right = yield from values_of(context, scope, (expression.left, expression.right))
    return logical(context, scope, expression, left, right)


def _visit_if(context: Context, scope: Scope, expression: ast.If) -> Visit:
    parts = (expression.condition, expression.then, expression.otherwise)
    if context.form is None:
        return choose(context, scope, expression, (yield from values_of(context, scope, parts)))
    condition = yield from value_of(context, scope, parts[0])
    values = [condition]
    for part, chosen in zip(parts[1:], (True, False), strict=True):
        branch = scope if condition.node is None else scope.choosing(condition.node, chosen)
        values.append((yield from value_of(context, branch, part)))
    return choose(context, scope, expression, values)


def _visit_transpose(context: Context, scope: Scope, expression: ast.Transpose) -> Visit:
    return transposed((yield from value_of(context, scope, expression.value)))


def _visit_array(context: Context, scope: Scope, expression: ast.ArrayLiteral) -> Visit:
    return stacked(context, scope, expression, (yield from values_of(context, scope, expression.items)))


def _visit_attribute(context: Context, scope: Scope, expression: ast.Attribute) -> Visit:
    value = expression.value
    if isinstance(value, ast.Name) and find(scope, value.text) is None:
        wanted = expression.name
        advice = about_name(wanted)
        if advice is None and (wanted.text in CONSTANTS or is_operation(wanted.text)):
            advice = Advice(f"operations have no prefix: write `{wanted.text}`", (Edit(expression.span, wanted.text),))
        elif advice is not None and advice.edits:
            advice = Advice(advice.help, (Edit(expression.span, advice.edits[0].text),))
        report_unknown(context, scope, value, advice=advice)
        return POISON
    known = yield from value_of(context, scope, value)
    if known.node is not None:
        report_attribute(context, scope, expression, _attribute_advice(expression, known))
    return POISON


def _attribute_advice(expression: ast.Attribute, value: Value) -> Advice:
    name = expression.name
    if name.text.lower() in ("t", "transpose", "mt", "h"):
        return Advice("did you mean `.T`?", (Edit(name.span, "T"),))
    if name.text in SIZE_WORDS:
        return about_sizes(name.text, value, expression.value, expression.span)
    if not is_operation(name.text):
        return Advice()
    text = f"{name.text}({expression.value.span.text})"
    return Advice(f"call the function: `{shortened(text)}`", (Edit(expression.span, text),))


def _visit_range(context: Context, scope: Scope, expression: ast.Range) -> Visit:
    not_built(context, scope, "a range outside the head of a scan", expression)
    yield from values_of(context, scope, (expression.start, expression.stop))
    return POISON


def _visit_indexed_reduction(context: Context, scope: Scope, expression: ast.IndexedReduction) -> Visit:
    from exprc.check.forms import visit_reduction

    return (yield from visit_reduction(context, scope, expression))


_LEAVES: dict[type, Callable[..., Value]] = {
    ast.Name: name_value,
    ast.Number: _number,
    ast.BoolLiteral: _truth,
    ast.String: _misplaced,
    ast.NoneLiteral: _misplaced,
}
_VISITORS: dict[type, Callable[..., Visit]] = {
    ast.Unary: _visit_unary,
    ast.Not: _visit_not,
    ast.Binary: _visit_binary,
    ast.Compare: _visit_compare,
    ast.Logical: _visit_logical,
    ast.If: _visit_if,
    ast.Transpose: _visit_transpose,
    ast.ArrayLiteral: _visit_array,
    ast.Attribute: _visit_attribute,
    ast.Range: _visit_range,
    ast.IndexedReduction: _visit_indexed_reduction,
    ast.Call: visit_call,
    ast.Index: visit_index,
    ast.Scan: visit_scan,
}
