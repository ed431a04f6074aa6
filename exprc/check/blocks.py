"""Definitions, of the program and within blocks: names for values, results taken apart.

Owns the match of names and results.  Must not know what a role means.
"""

from __future__ import annotations

from typing import Any

from exprc.check.context import Context
from exprc.check.functions import marked
from exprc.check.report import counted, listed
from exprc.check.scopes import Binding, Scope
from exprc.check.values import POISON, Several, Value
from exprc.check.walking import Result, single
from exprc.diagnostics import MOST_SHOWN, Edit, Label
from exprc.syntax import ast


def visit_locals(context: Context, scope: Scope, statements: tuple[ast.Definition, ...]) -> Any:
    """Within a visitor: the definitions of a block, whose names go into the scope."""
    made: dict[str, ast.Name] = {}
    for statement in statements:
        result = yield from visit_definition(context, scope, statement)
        for target, value in zip(statement.targets, take_apart(context, scope, statement, result), strict=True):
            name = target.name
            if is_thrown_away(statement, name):
                continue
            if name.text in made:
                report_twice(context, scope, name, made[name.text])
                continue
            made[name.text] = name
            scope.names[name.text] = Binding(name.text, marked(context, value, name.text), name.span, "local")


def is_thrown_away(statement: ast.Definition, name: ast.Name) -> bool:
    """Whether a target takes a result that nobody wants: any number of them are `_`, which names nothing."""
    return name.text == "_" and len(statement.targets) > 1 and statement.role == "definition"


def take_apart(context: Context, scope: Scope, statement: ast.Definition, result: Result) -> list[Value]:
    """A value for each target of a definition; poison, after a message, where they do not match."""
    targets = statement.targets
    if len(targets) == 1:
        return [single(context, scope, statement.value, result)]
    values = result.values if isinstance(result, Several) else (result,)
    if len(values) == len(targets):
        return list(values)
    if not any(value.node is None for value in values):
        context.report.error(
            "E0313",
            f"{counted(len(targets), 'name')} for {counted(len(values), 'result')}",
            Label(statement.value.span, f"this has {counted(len(values), 'result')}"),
            Label(targets[0].span.to(targets[-1].span), counted(len(targets), "name")),
            help=_order_of_results(statement.value, len(targets)),
            frame=scope.frame,
        )
    return [POISON] * len(targets)


def _order_of_results(value: ast.Expression, names: int) -> str:
    """What the results of a scan are, where there are too few names for them."""
    if not isinstance(value, ast.Scan) or names >= len(value.states) + len(value.emit):
        return ""
    states = listed([f"`{state.name.text}`" for state in value.states])
    emitted = f", then {counted(len(value.emit), 'value')} after `emit`" if value.emit else ""
    return f"the results are, in order, {states} after each step{emitted}; `_` takes one that is not wanted"


def visit_definition(context: Context, scope: Scope, statement: ast.Definition) -> Any:
    """Within a visitor: what a definition defines, whole or by its entries."""
    if all(target.indices is None for target in statement.targets):
        return (yield statement.value, scope)
    from exprc.check.forms import visit_entries

    return (yield from visit_entries(context, scope, statement))


def report_twice(context: Context, scope: Scope, name: ast.Name, first: ast.Name, assigned: bool = True) -> None:
    """A name that is defined again; `assigned` where that looks like an assignment."""
    new = f"{name.text}_next" if assigned else f"{name.text}2"
    edits: tuple[Edit, ...] = ()
    if scope is context.globals and len(context.report.errors) < MOST_SHOWN:
        from exprc.check.repairs import renaming

        edits = renaming(context, name, new)
    context.report.error(
        "E0202",
        f"`{name.text}` is defined twice",
        Label(name.span, "defined again"),
        Label(first.span, "defined here first"),
        note="a definition is not an assignment: a name has one meaning in the whole file" if assigned else "",
        help=(
            f"give it another name, here and below: `{new}`" if edits else f"give it another name, such as `{new}`",
            "or remove one of the two",
        ),
        frame=scope.frame,
        edits=edits,
    )
