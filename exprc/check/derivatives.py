"""`grad(E, w)`, `jvp(f, w, v)`, `vjp(f, w, u)`: derivatives with respect to names.

Owns what may be differentiated by what; the graph gets a node that the autodiff expands.
"""

from __future__ import annotations

from exprc.check.arguments import bind_arguments
from exprc.check.context import Context, describe, describe_value
from exprc.check.fitting import fit_dtype
from exprc.check.meeting import convert
from exprc.check.names import is_taken, name_value
from exprc.check.operands import Operand
from exprc.check.report import quoted
from exprc.check.scopes import Scope, find
from exprc.check.values import POISON, UserFunction, Value
from exprc.check.walking import Visit, not_built, value_of
from exprc.diagnostics import Edit, Label
from exprc.ir.node import Node, toposort
from exprc.ir.op import Op
from exprc.ops import TABLE
from exprc.ops.derivatives import GRAD, JVP
from exprc.syntax import ast

TARGET_PARAMETER = 1  # the place of the name in each signature
FORMS = ("grad", "jvp", "vjp")


def visit_derivative(context: Context, scope: Scope, expression: ast.Call, op: Op) -> Visit:
    """A derivative with respect to a name."""
    for argument in expression.arguments:
        if isinstance(argument.value, ast.Name) and _is_function(scope, argument.value):
            _report_function(context, scope, op, argument.value)
            return POISON
    bound = bind_arguments(context, scope, expression, op.name, op.signature)
    if bound is None:
        return POISON
    names = [parameter.name for parameter in op.signature]
    operands = []
    target: Value | None = None
    for index, name in enumerate(names):
        if index == TARGET_PARAMETER:
            target = _target(context, scope, op, bound[name])
        else:
            operands.append(Operand((yield from value_of(context, scope, bound[name])), bound[name]))
    if target is None or target.node is None or any(operand.value.node is None for operand in operands):
        return POISON
    wanted = Operand(target, bound[names[TARGET_PARAMETER]])
    value = _differentiated(context, scope, op, operands[0], wanted)
    if value is None:
        return POISON
    arguments = [value, target.node]
    if len(operands) > 1:
        like = wanted if op is JVP else Operand(Value(value), operands[0].expression)
        direction = _direction(context, scope, op, operands[1], like)
        if direction is None:
            return POISON
        arguments.append(direction)
    _lint_zero(context, scope, op, operands[0], wanted)
    assert op.build is not None
    return Value(op.build(**dict(zip(names, arguments, strict=True))))


def derivative_names(program: ast.Program) -> frozenset[str]:
    """The names with respect to which something in a program is differentiated."""
    if not any(form in program.span.source.text for form in FORMS):
        return frozenset()
    found: set[str] = set()
    for node in ast.walk(program):
        if isinstance(node, ast.Call) and isinstance(node.function, ast.Name) and node.function.text in FORMS:
            parameter = TABLE[node.function.text].signature[TARGET_PARAMETER].name
            for index, argument in enumerate(node.arguments):
                meant = index == TARGET_PARAMETER if argument.name is None else argument.name.text == parameter
                if meant and isinstance(argument.value, ast.Name):
                    found.add(argument.value.text)
    return frozenset(found)


def _is_function(scope: Scope, name: ast.Name) -> bool:
    found = find(scope, name.text)
    return found is not None and isinstance(found[0].value, UserFunction)


def _report_function(context: Context, scope: Scope, op: Op, name: ast.Name) -> None:
    context.report.error(
        "E0206",
        f"`{op.name}` of a function",
        Label(name.span, "this has no value of its own"),
        note="derivatives are taken of values, with respect to names",
        help=f"name the value of the call: `y = {name.text}(x)`, then `{op.name}(y, x)`",
        frame=scope.frame,
    )


def _target(context: Context, scope: Scope, op: Op, written: ast.Expression) -> Value:
    """The value that stands for a name; poison after a message."""
    if not isinstance(written, ast.Name):
        _report_expression(context, scope, op, written)
        return POISON
    found = find(scope, written.text)
    if found is None and is_taken(written.text) and written.text not in context.defined:
        _report_expression(context, scope, op, written)
        return POISON
    value = name_value(context, scope, written)
    if found is None or value.node is None:
        return POISON
    binding, home = found
    if not value.node.type.is_float:
        what = "a size" if binding.role == "dim" else describe(value.node.type)
        context.report.error(
            "E0506",
            "derivative with respect to something that is not a float",
            Label(written.span, f"this is {what}"),
            *([Label(binding.span, "declared here")] if binding.role != "dim" else []),
            help="" if binding.role != "input" else f"declare `{written.text}` as f64 if it takes any value",
            frame=scope.frame,
        )
        return POISON
    if home.region is not scope.region:
        return not_built(context, scope, "a derivative in a scan with respect to a name from outside of it", written)
    return value


def _report_expression(context: Context, scope: Scope, op: Op, written: ast.Expression) -> None:
    help = (
        f"give it a name and use that: `v = {quoted(written.span).strip('`')}`, then `{op.name}(…, v)`; "
        "only what is computed from `v` counts"
    )
    edits: tuple[Edit, ...] = ()
    if isinstance(written, ast.String) and find(scope, written.value) is not None:
        help, edits = f"write the name without quotes: `{written.value}`", (Edit(written.span, written.value),)
    context.report.error(
        "E0504",
        f"`{op.name}` needs a name to differentiate with respect to",
        Label(written.span, "this is no name of an input, a param or a definition"),
        help=help,
        frame=scope.frame,
        edits=edits,
    )


def _differentiated(context: Context, scope: Scope, op: Op, operand: Operand, wanted: Operand) -> Node | None:
    """What is differentiated, as a float; None after a message."""
    node = operand.value.known
    if op is GRAD and node.shape:
        context.report.error(
            "E0507",
            "`grad` of something that is not a scalar",
            Label(operand.span, f"this is {describe(node.type)}"),
            help=(
                f"differentiate one number, `sum({quoted(operand.span).strip('`')})`, "
                "or use `vjp(f, w, u)` with a weight for each entry"
            ),
            frame=scope.frame,
            edits=(Edit(operand.span, f"sum({operand.span.text})"),),
        )
        return None
    if operand.value.weak:
        return convert(node, wanted.value.known.dtype)
    if not node.type.is_float:
        context.report.error(
            "E0503",
            f"`{op.name}` of something that is not a float",
            Label(operand.span, f"this is {describe(node.type)}"),
            note="integers and truth values have no derivative",
            frame=scope.frame,
        )
        return None
    return node


def _direction(context: Context, scope: Scope, op: Op, operand: Operand, like: Operand) -> Node | None:
    """The third argument in the type of what it belongs to; None after a message."""
    what, node = ("direction" if op is JVP else "weight"), operand.value.known
    wanted = like.value.known
    if node.shape != wanted.shape:
        context.report.error(
            "E0508",
            f"{what} has the wrong shape",
            Label(operand.span, f"this is {describe_value(operand.value)}"),
            Label(like.span, f"{quoted(like.span)} is {describe(wanted.type)}"),
            note=f"in `{op.name}` the {what} has the shape of {quoted(like.span)}",
            frame=scope.frame,
        )
        return None
    return fit_dtype(context, scope, operand, wanted.dtype, f"the {what}", None)


def _lint_zero(context: Context, scope: Scope, op: Op, operand: Operand, wanted: Operand) -> None:
    """A remark where what is differentiated does not contain the name."""
    node = operand.value.known
    if context.reached is None or context.reached[0] is not node:
        context.reached = (node, set(toposort((node,))))
    if wanted.value.known in context.reached[1]:
        return
    context.report.lint(
        "L0103",
        "derivative is zero",
        Label(wanted.span, f"{quoted(operand.span)} does not depend on {quoted(wanted.span)}"),
        Label(operand.span),
    )


