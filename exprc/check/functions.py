"""Calls of the program's own functions: each is expanded where it is called.

Owns the binding of arguments and the remembering of results, which keeps doubling calls linear.  A function sees the
names defined before it, so that there is no recursion.
"""

from __future__ import annotations

from typing import Any

from exprc.check.arguments import bind_arguments
from exprc.check.context import Context, describe_value
from exprc.check.declared import declared_dtype, declared_shape
from exprc.check.fitting import fit_dtype
from exprc.check.limits import refuse_calls
from exprc.check.operands import Operand
from exprc.check.scopes import Binding, Frame, Scope
from exprc.check.values import POISON, UserFunction, Value
from exprc.check.walking import Visit, single, values_of
from exprc.diagnostics import Edit, Label
from exprc.ir.op import Parameter
from exprc.ops.derivatives import named
from exprc.ops.table import broadcast_to
from exprc.source import Span
from exprc.syntax import ast


def visit_user_call(context: Context, scope: Scope, expression: ast.Call, function: UserFunction) -> Visit:
    """`f(x, y)` of a declared `fn`."""
    declaration = function.declaration
    signature = tuple(Parameter(parameter.name.text) for parameter in declaration.parameters)
    bound = bind_arguments(context, scope, expression, function.name, signature, declaration.name.span)
    if bound is None:
        yield from values_of(context, scope, tuple(argument.value for argument in expression.arguments))
        return POISON
    written = tuple(bound[parameter.name] for parameter in signature)
    values = yield from values_of(context, scope, written)
    if any(value.node is None for value in values):
        return POISON
    key = (function, scope.region, tuple([value.key for value in values]), context.form, scope.choices)
    known = context.calls.get(key)
    if known is None:
        refuse_calls(context, function.name, expression.span)
        operands = [Operand(value, part) for value, part in zip(values, written, strict=True)]
        known = context.calls[key] = yield from _expand(context, scope, expression, function, operands)
    return known


def _expand(
    context: Context, scope: Scope, expression: ast.Call, function: UserFunction, operands: list[Operand]
) -> Any:
    """Within a visitor: the value of the body for these arguments."""
    frame = Frame(function.name, expression.span, scope.frame)
    uses = context.uses.setdefault(function.name, set())
    inner = Scope(context.globals, scope.region, function.order, uses, frame)
    inner.choices = scope.choices
    before, context.asked = context.asked, set()
    result = yield from _value_of_body(context, scope, inner, function, operands)
    context.needs[function.name] |= context.asked
    context.asked |= before
    return result


def _value_of_body(
    context: Context, scope: Scope, inner: Scope, function: UserFunction, operands: list[Operand]
) -> Any:
    """Within a visitor: the value of the body in its scope, to which the arguments are added."""
    declaration = function.declaration
    sound = True
    for parameter, operand in zip(declaration.parameters, operands, strict=True):
        value = yield from _argument(context, scope, inner, function, parameter, operand)
        sound = sound and value.node is not None
        name = parameter.name.text
        inner.names[name] = Binding(name, marked(context, value, name), parameter.name.span, "argument")
    body = declaration.body
    if not sound or isinstance(body, ast.Block):
        return POISON
    result = single(context, inner, body, (yield body, inner))
    if result.node is None or not declaration.returns:
        return result
    return (yield from _returned(context, inner, declaration, declaration.returns[0], Operand(result, body)))


def marked(context: Context, value: Value, name: str) -> Value:
    """The value of a name, as a node of its own where something is differentiated with respect to that name."""
    if name not in context.targets or value.node is None or not value.node.type.is_float:
        return value
    return Value(named(value.node, name), value.weak, value.size)


def _argument(
    context: Context, scope: Scope, inner: Scope, function: UserFunction, parameter: ast.Parameter, operand: Operand
) -> Any:
    """Within a visitor: an argument as the declaration of its parameter wants it."""
    dtype = declared_dtype(context, parameter.type) if parameter.type is not None else None
    if parameter.type is None or dtype is None:
        return operand.value
    what = f"argument `{parameter.name.text}` of `{function.name}`"
    given = operand.value.known.shape
    _bind_sizes(context, inner, parameter.type, operand)
    shape = yield from declared_shape(context, inner, parameter.type)
    if shape is None:
        return POISON
    place = Label(parameter.span, f"declared {_shape_text(dtype, shape)}", False)
    if shape != given:
        context.report.error(
            "E0410",
            f"{what} does not have the declared shape",
            Label(operand.span, f"this is {describe_value(operand.value)}"),
            place,
            help=f"remove the type of `{parameter.name.text}` to take any shape",
            frame=scope.frame,
            edits=(Edit(Span(parameter.span.source, parameter.name.span.end, parameter.span.end), ""),),
        )
        return POISON
    node = fit_dtype(context, scope, operand, dtype, what, place)
    if node is None:
        return POISON
    weak = operand.value.weak and operand.value.known.dtype == dtype
    return Value(node, False, operand.value.size if weak else None)


def _bind_sizes(context: Context, inner: Scope, declared: ast.TypeExpr, operand: Operand) -> None:
    """Sizes that only the function's declaration names stand for those of the argument."""
    from exprc.ops.leaves import size as size_leaf

    given = operand.value.known.shape
    if len(declared.shape) != len(given):
        return
    for written, extent in zip(declared.shape, given, strict=True):
        if isinstance(written, ast.Name) and written.text not in inner.names and written.text not in context.defined:
            value = Value(size_leaf(extent), True, extent)
            inner.names[written.text] = Binding(written.text, value, written.span, "dim")


def _returned(
    context: Context, inner: Scope, declaration: ast.FunctionDecl, declared: ast.TypeExpr, operand: Operand
) -> Any:
    """Within a visitor: the result as the declaration wants it."""
    dtype = declared_dtype(context, declared)
    shape = yield from declared_shape(context, inner, declared)
    if dtype is None or shape is None:
        return POISON
    node = operand.value.known
    place = Label(declared.span, f"declared {_shape_text(dtype, shape)}", False)
    what = f"the result of `{declaration.name.text}`"
    if node.shape != shape and node.shape:
        context.report.error(
            "E0410",
            f"{what} does not have the declared shape",
            Label(operand.span, f"this is {describe_value(operand.value)}"),
            place,
            frame=inner.frame,
        )
        return POISON
    fitted = fit_dtype(context, inner, operand, dtype, what, place)
    return POISON if fitted is None else Value(broadcast_to(fitted, shape))


def _shape_text(dtype: str, shape: tuple[Any, ...]) -> str:
    return f"{dtype}[{', '.join(str(size) for size in shape)}]" if shape else f"a scalar {dtype}"
