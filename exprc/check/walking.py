"""What the visitors of expressions share: how one asks for the values of other expressions.

A visitor is a generator that yields expressions with the scope in which they stand, is sent their values, and returns
its own; `exprc.check.expressions` runs visitors on a stack, so that nothing recurses.  Owns no form of the language.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeAlias

from exprc.check.context import Context
from exprc.check.report import NOT_BUILT, counted
from exprc.check.scopes import Scope
from exprc.check.values import POISON, Several, Value
from exprc.diagnostics import Label
from exprc.syntax import ast

Result: TypeAlias = Value | Several
Visit: TypeAlias = Generator[tuple[ast.Expression, Scope], Result, Result]
Asking: TypeAlias = Generator[tuple[ast.Expression, Scope], Result, Value]
AskingSeveral: TypeAlias = Generator[tuple[ast.Expression, Scope], Result, list[Value]]


def single(context: Context, scope: Scope, expression: ast.Expression, result: Result) -> Value:
    """The value of an expression that has to have one result."""
    if type(result) is Value:
        return result
    assert isinstance(result, Several)
    context.report.error(
        "E0314",
        f"{counted(len(result.values), 'result')} used as one value",
        Label(expression.span, f"this has {counted(len(result.values), 'result')}"),
        help="take them apart in a definition of their own: "
        f"`{', '.join(chr(ord('a') + i) for i in range(min(len(result.values), 20)))} = …`",
        frame=scope.frame,
    )
    return POISON


def value_of(context: Context, scope: Scope, expression: ast.Expression) -> Asking:
    """Within a visitor: the value of an expression that has to have one result."""
    return single(context, scope, expression, (yield expression, scope))


def values_of(context: Context, scope: Scope, expressions: tuple[ast.Expression, ...]) -> AskingSeveral:
    """Within a visitor: the values of several."""
    values = []
    for expression in expressions:
        values.append(single(context, scope, expression, (yield expression, scope)))
    return values


def not_built(context: Context, scope: Scope, form: str, node: ast.Node, note: str = "") -> Value:
    """A form of the language that this version reads but does not compile."""
    label = Label(node.span, "known, but not compiled by this version")
    context.report.error(NOT_BUILT, f"{form} is not built yet", label, note=note, frame=scope.frame)
    return POISON
