"""From the symbols of a rule to its node, and what the grammar covers too generously is held to the language here.

`BUILDERS` has a function for each rule that makes a node: it takes the tokens, the kept symbols (a token by its number,
a list, a node, None for an absent option) and the span.  Must not know how the parser works.
"""

from __future__ import annotations

from exprc.diagnostics import Edit
from exprc.source import Span
from exprc.spelling import nearest
from exprc.syntax import ast
from exprc.syntax.blocks import Block, Next, Results, function_body
from exprc.syntax.expressions import EXPRESSIONS, binders, first_line
from exprc.syntax.tokens import Tokens

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Builder = Callable[[Tokens, list[Any], Span], Any]


def _program(tokens: Tokens, kept: list[Any], span: Span) -> ast.Program:
    whole = Span(tokens.source, 0, len(tokens.source.text))
    return ast.Program(tuple(kept[0]), tokens.model_doc, tuple(tokens.comments), whole)


def _dim_decl(tokens: Tokens, kept: list[Any], span: Span) -> ast.DimDecl:
    names, value = kept
    if value is not None and len(names) > 1:
        note = "several names declare sizes that are bound at run time"
        tokens.report("E0101", "one value for several dims", value.span, "", (note,), ("declare one after the other",))
    return ast.DimDecl(tuple(names), value, tokens.docs.get(span.start), span)


def _require_decl(tokens: Tokens, kept: list[Any], span: Span) -> ast.RequireDecl:
    return ast.RequireDecl(kept[0], span)


def _input_decl(tokens: Tokens, kept: list[Any], span: Span) -> ast.InputDecl:
    names, declared, domain = kept
    return ast.InputDecl(tuple(names), declared, domain, tokens.docs.get(span.start), span)


def _param_decl(tokens: Tokens, kept: list[Any], span: Span) -> ast.ParamDecl:
    names, declared, constraint, start = kept
    return ast.ParamDecl(tuple(names), declared, constraint, start, tokens.docs.get(span.start), span)


def _constraint(tokens: Tokens, kept: list[Any], span: Span) -> ast.Constraint:
    if isinstance(kept[0], ast.Name):
        _check_constraint_word(tokens, kept[0])
        return ast.Constraint(kept[0].text, None, None, span)
    if len(kept) == 3:
        return ast.Constraint("bounds", kept[1], kept[2], span)
    if tokens.lexemes[kept[0]] == ">":
        return ast.Constraint("bounds", kept[1], None, span)
    return ast.Constraint("bounds", None, kept[1], span)


def _check_constraint_word(tokens: Tokens, word: ast.Name) -> None:
    if word.text not in ast.CONSTRAINT_WORDS:
        near = nearest(word.text, ast.CONSTRAINT_WORDS)
        note = "a constraint is `> a`, `< b`, `in (a, b)`, or one of " + ", ".join(
            f"`{w}`" for w in ast.CONSTRAINT_WORDS
        )
        help_ = (f"did you mean `{near}`?",) if near else ()
        edits = (Edit(word.span, near),) if near else ()
        tokens.report("E0320", f"unknown constraint `{word.text}`", word.span, "", (note,), help_, edits=edits)


def _type_expr(tokens: Tokens, kept: list[Any], span: Span) -> ast.TypeExpr:
    return ast.TypeExpr(kept[0].text, tuple(kept[1] or ()), span)


def _definition(tokens: Tokens, kept: list[Any], span: Span) -> ast.Definition:
    role, left, value = kept
    targets = tuple([_target(tokens, expression, span) for expression in left])
    spelled = "definition" if role is None else tokens.lexemes[role]
    return ast.Definition(targets, value, spelled, tokens.docs.get(span.start), span)


def _local_definition(tokens: Tokens, kept: list[Any], span: Span) -> ast.Definition:
    return _definition(tokens, [None, *kept], span)


def _target(tokens: Tokens, left: ast.Expression, statement: Span) -> ast.Target:
    if isinstance(left, ast.Name):
        return ast.Target(left, None, left.span)
    if isinstance(left, ast.Index) and isinstance(left.value, ast.Name):
        help_ = (f"for a copy with a part replaced, write `set({first_line(left.span.text)}, ...)`",)
        return ast.Target(left.value, binders(tokens, left, help_), left.span)
    _report_target(tokens, left, statement)
    return ast.Target(ast.Name("", left.span), None, left.span)


def _report_target(tokens: Tokens, left: ast.Expression, statement: Span) -> None:
    note = "left of `=` stands a name, or one with index names as in `K[i, j]`"
    help_: tuple[str, ...] = ()
    edits: tuple[Edit, ...] = ()
    if isinstance(left, ast.Call) and isinstance(left.function, ast.Name):
        note, help_ = "a function is declared with `fn`", (f"write `fn {first_line(statement.text)}`",)
        edits = (tokens.inserting(statement.start, "fn "),)
    elif isinstance(left, ast.Compare | ast.Logical | ast.If):
        help_ = ("to compare, write `==`",)
    elif isinstance(left, ast.ArrayLiteral):
        help_ = ("several results are taken apart without brackets: `a, b = ...`",)
    elif isinstance(left, ast.Attribute | ast.Transpose):
        help_ = ("give the value a name of its own",)
    tokens.report("E0117", "this cannot be defined", left.span, "not a name", (note,), help_, edits=edits)


def _output_name(tokens: Tokens, kept: list[Any], span: Span) -> ast.OutputName:
    role, names = tokens.lexemes[kept[0]], kept[1]
    first = names[0]
    edits: tuple[Edit, ...]
    if isinstance(first, ast.Compare) and first.ops[0] == "==" and isinstance(first.operands[0], ast.Name):
        _report_equality(tokens, role, first)
    elif role != "output":
        note = f"a {role} is a definition: `{role} E = ...`"
        help_, edits = (f"write `{role} {first_line(first.span.text)} = ...`",), ()
        if not isinstance(first, ast.Name):
            help_ = (f"write `{role} E = {first_line(first.span.text)}`",)
            edits = (tokens.inserting(first.span.start, "E = "),)
        what = "value" if isinstance(first, ast.Name) else "name"
        message = f"this {role} has no {what}"
        tokens.report("E0101", message, span, "expected `=` after it", (note,), help_, edits=edits)
    elif not isinstance(first, ast.Name):
        note = "an output is an existing name, or defines one"
        help_ = (f"write `output p = {first_line(first.span.text)}`",)
        edits = (tokens.inserting(first.span.start, "p = "),)
        message, label = "this output has no name", "a value without a name"
        tokens.report("E0101", message, first.span, label, (note,), help_, edits=edits)
    elif len(names) > 1:
        note = "`output` takes one existing name"
        lines = "\n".join(f"output {one.span.text}" for one in names)
        help_, edits = ("write a line for each",), (Edit(span, lines),)
        tokens.report("E0101", "several names after `output`", span, "", (note,), help_, edits=edits)
    name = first if isinstance(first, ast.Name) else ast.Name("", first.span)
    return ast.OutputName(name, tokens.docs.get(span.start), span)


def _report_equality(tokens: Tokens, role: str, comparison: ast.Compare) -> None:
    """`loss E == w^2`."""
    left, right = comparison.operands[:2]
    place = tokens.source.text.find("==", left.span.end, right.span.start)
    span = Span(tokens.source, place, place + 2)
    note = f"`==` compares; a {role} is defined with `=`"
    edits = (Edit(span, "="),)
    tokens.report("E0101", f"`==` where the {role} is defined", span, "", (note,), ("write `=`",), edits=edits)


def _function_decl(tokens: Tokens, kept: list[Any], span: Span) -> ast.FunctionDecl:
    name, parameters, returns, body = kept
    if isinstance(body, Block):
        body = function_body(tokens, body)
    annotated = None if returns is None else tuple(returns)
    return ast.FunctionDecl(name, tuple(parameters or ()), annotated, body, tokens.docs.get(span.start), span)


def _parameter(tokens: Tokens, kept: list[Any], span: Span) -> ast.Parameter:
    return ast.Parameter(kept[0], kept[1], span)


def _update_decl(tokens: Tokens, kept: list[Any], span: Span) -> ast.UpdateDecl:
    return ast.UpdateDecl(kept[0], kept[1], span)


def _use_decl(tokens: Tokens, kept: list[Any], span: Span) -> ast.UseDecl:
    return ast.UseDecl(kept[0], kept[1], span)


def _block(tokens: Tokens, kept: list[Any], span: Span) -> Block:
    return Block(kept[0], span)


def _results(tokens: Tokens, kept: list[Any], span: Span) -> Results:
    return Results(kept[0], span)


def _next(tokens: Tokens, kept: list[Any], span: Span) -> Next:
    return Next(kept[0], kept[1] or [], span)


BUILDERS: dict[str, Builder] = {
    **EXPRESSIONS,
    "block": _block,
    "constraint": _constraint,
    "definition": _definition,
    "dim_decl": _dim_decl,
    "function_decl": _function_decl,
    "input_decl": _input_decl,
    "local_definition": _local_definition,
    "next": _next,
    "output_name": _output_name,
    "param_decl": _param_decl,
    "parameter": _parameter,
    "program": _program,
    "require_decl": _require_decl,
    "results": _results,
    "type_expr": _type_expr,
    "update_decl": _update_decl,
    "use_decl": _use_decl,
}
