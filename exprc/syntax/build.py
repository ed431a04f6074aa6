"""From the symbols of a rule to its node, and what the grammar covers too generously is held to the language here.

`BUILDERS` has a function for each rule that makes a node: it takes the tokens, the kept symbols (a token by its number,
a list, a node, None for an absent option) and the span.  Must not know how the parser works.
"""

from __future__ import annotations

from exprc.diagnostics import Edit, Label
from exprc.source import Span
from exprc.spelling import nearest
from exprc.syntax import ast
from exprc.syntax.blocks import Block, Next, Results, function_body, scan_body
from exprc.syntax.tokens import Tokens

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Builder = Callable[[Tokens, list[Any], Span], Any]


def report_stray_binders(tokens: Tokens) -> None:
    """`i in 0..n` in an index that turned out to be neither a target nor an indexed reduction."""
    for index in tokens.open_binders.values():
        binder = next(item for item in index.items if isinstance(item, ast.IndexBinder))
        note = "`i in 0..n` binds an index: left of `=`, or as in `sum[i in 0..n](...)`"
        tokens.report("E0230", "an index is bound here", binder.span, "in an index of a value", (note,))


# ---- statements


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
        help_ = (f"for a copy with a part replaced, write `set({_first_line(left.span.text)}, ...)`",)
        return ast.Target(left.value, _binders(tokens, left, help_), left.span)
    _report_target(tokens, left, statement)
    return ast.Target(ast.Name("", left.span), None, left.span)


def _report_target(tokens: Tokens, left: ast.Expression, statement: Span) -> None:
    note = "left of `=` stands a name, or one with index names as in `K[i, j]`"
    help_: tuple[str, ...] = ()
    edits: tuple[Edit, ...] = ()
    if isinstance(left, ast.Call) and isinstance(left.function, ast.Name):
        note, help_ = "a function is declared with `fn`", (f"write `fn {_first_line(statement.text)}`",)
        edits = (tokens.inserting(statement.start, "fn "),)
    elif isinstance(left, ast.Compare | ast.Logical | ast.If):
        help_ = ("to compare, write `==`",)
    elif isinstance(left, ast.ArrayLiteral):
        help_ = ("several results are taken apart without brackets: `a, b = ...`",)
    elif isinstance(left, ast.Attribute | ast.Transpose):
        help_ = ("give the value a name of its own",)
    tokens.report("E0117", "this cannot be defined", left.span, "not a name", (note,), help_, edits=edits)


def _first_line(text: str) -> str:
    line = text.split("\n", 1)[0]
    return line if len(line) <= 60 else line[:57] + "..."


def _output_name(tokens: Tokens, kept: list[Any], span: Span) -> ast.OutputName:
    role, names = tokens.lexemes[kept[0]], kept[1]
    first = names[0]
    edits: tuple[Edit, ...]
    if isinstance(first, ast.Compare) and first.ops[0] == "==" and isinstance(first.operands[0], ast.Name):
        _report_equality(tokens, role, first)
    elif role != "output":
        note = f"a {role} is a definition: `{role} E = ...`"
        help_, edits = (f"write `{role} {_first_line(first.span.text)} = ...`",), ()
        if not isinstance(first, ast.Name):
            help_ = (f"write `{role} E = {_first_line(first.span.text)}`",)
            edits = (tokens.inserting(first.span.start, "E = "),)
        what = "value" if isinstance(first, ast.Name) else "name"
        message = f"this {role} has no {what}"
        tokens.report("E0101", message, span, "expected `=` after it", (note,), help_, edits=edits)
    elif not isinstance(first, ast.Name):
        note = "an output is an existing name, or defines one"
        help_ = (f"write `output p = {_first_line(first.span.text)}`",)
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


# ---- expressions


def _name(tokens: Tokens, kept: list[Any], span: Span) -> ast.Name:
    lexeme = tokens.lexemes[kept[0]]
    return ast.Name(tokens.spellings.get(lexeme, lexeme), span)


def _number(tokens: Tokens, kept: list[Any], span: Span) -> ast.Number:
    text = tokens.lexemes[kept[0]]
    if text.isdecimal():
        return ast.Number(text, int(text) if len(text) < 20 else 0, False, span)
    try:
        whole = text.replace("_", "").isdecimal()
        return ast.Number(text, int(text) if whole else float(text), not whole, span)
    except ValueError:  # a malformed number, which the lexer has reported
        return ast.Number(text, 0, False, span)


def _string(tokens: Tokens, kept: list[Any], span: Span) -> ast.String:
    text = tokens.lexemes[kept[0]][1:-1]
    if "\\" in text:
        pieces = text.split("\\\\")
        text = "\\".join(p.replace('\\"', '"').replace("\\n", "\n").replace("\\t", "\t") for p in pieces)
    return ast.String(text, span)


def _bool_literal(tokens: Tokens, kept: list[Any], span: Span) -> ast.BoolLiteral:
    return ast.BoolLiteral(tokens.lexemes[kept[0]] == "true", span)


def _none_literal(tokens: Tokens, kept: list[Any], span: Span) -> ast.NoneLiteral:
    return ast.NoneLiteral(span)


def _array_literal(tokens: Tokens, kept: list[Any], span: Span) -> ast.ArrayLiteral:
    return ast.ArrayLiteral(tuple(kept[0]), span)


def _binary(tokens: Tokens, kept: list[Any], span: Span) -> ast.Binary:
    left, operator, right = kept
    spelled = tokens.lexemes[operator]
    return ast.Binary("^" if spelled == "**" else spelled, left, right, span)


def _unary(tokens: Tokens, kept: list[Any], span: Span) -> ast.Unary:
    return ast.Unary("-", kept[1], span)


def _not(tokens: Tokens, kept: list[Any], span: Span) -> ast.Not:
    return ast.Not(kept[0], span)


def _logical(tokens: Tokens, kept: list[Any], span: Span) -> ast.Logical:
    return ast.Logical("and" if tokens.lexemes[kept[1]] in ("and", "&&", "&") else "or", kept[0], kept[2], span)


def _compare(tokens: Tokens, kept: list[Any], span: Span) -> ast.Compare:
    first, rest = kept
    return ast.Compare((first, *rest[1::2]), tuple(tokens.lexemes[operator] for operator in rest[::2]), span)


def _if(tokens: Tokens, kept: list[Any], span: Span) -> ast.If:
    return ast.If(kept[0], kept[1], kept[2], span)


def _call(tokens: Tokens, kept: list[Any], span: Span) -> ast.Call:
    arguments = tuple(kept[1] or ())
    _check_order(tokens, arguments)
    return ast.Call(kept[0], arguments, span)


def _check_order(tokens: Tokens, arguments: tuple[ast.Argument, ...]) -> None:
    """Positional arguments come first, and no keyword twice."""
    keywords: dict[str, ast.Argument] = {}
    for argument in arguments:
        if argument.name is None:
            if keywords:
                _report_order(tokens, next(iter(keywords.values())), argument)
                return
        elif argument.name.text in keywords:
            first = (Label(keywords[argument.name.text].span, "first here", False),)
            message = f"keyword `{argument.name.text}` is given twice"
            tokens.report("E0119", message, argument.span, "again here", others=first)
            return
        else:
            keywords[argument.name.text] = argument


_OPTIONS = ("axis", "keepdims", "lower")


def _report_order(tokens: Tokens, keyword: ast.Argument, argument: ast.Argument) -> None:
    """An argument without a name behind one that has a name, which may be a comparison with one `=` too few."""
    assert keyword.name is not None
    name, value = keyword.name, keyword.value
    others = (Label(keyword.span, f"this passes the argument `{name.text}` by its name", False),)
    helps: tuple[str, ...] = ("put the arguments without a name first",)
    if name.text not in _OPTIONS:
        helps = (*helps, f"to compare, write `==`: `{name.text} == {_first_line(value.span.text)}`")
    note = "arguments without a name come first"
    message, label = "positional argument after a keyword argument", "this has no name"
    tokens.report("E0119", message, argument.span, label, (note,), helps, others)


def _argument(tokens: Tokens, kept: list[Any], span: Span) -> ast.Argument:
    return ast.Argument(kept[0], kept[1], span)


def _index(tokens: Tokens, kept: list[Any], span: Span) -> ast.Index:
    index = ast.Index(kept[0], tuple(kept[1]), span)
    for item in index.items:
        if isinstance(item, ast.IndexBinder):
            tokens.open_binders[id(index)] = index
            break
    return index


def _slice(tokens: Tokens, kept: list[Any], span: Span) -> ast.Slice:
    return ast.Slice(kept[0], kept[1], kept[2], span)


def _index_binder(tokens: Tokens, kept: list[Any], span: Span) -> ast.IndexBinder:
    return ast.IndexBinder(kept[0], kept[1].start, kept[1].stop, span)


def _range(tokens: Tokens, kept: list[Any], span: Span) -> ast.Range:
    return ast.Range(kept[0], kept[1], span)


def _indexed_reduction(tokens: Tokens, kept: list[Any], span: Span) -> ast.Expression:
    index, body = kept
    if not isinstance(index.value, ast.Name):
        tokens.open_binders.pop(id(index), None)
        tokens.report("E0230", "an indexed value cannot be called", index.span, "not a reduction")
        return ast.Index(index.value, (), span)
    return ast.IndexedReduction(index.value, _binders(tokens, index), body, span)


def _binders(tokens: Tokens, index: ast.Index, help_: tuple[str, ...] = ()) -> tuple[ast.IndexBinder, ...]:
    """The items of an index as index names, which they must be."""
    tokens.open_binders.pop(id(index), None)
    binders: list[ast.IndexBinder] = []
    for item in index.items:
        if isinstance(item, ast.IndexBinder):
            binders.append(item)
        elif isinstance(item, ast.Name):
            binders.append(ast.IndexBinder(item, None, None, item.span))
        else:
            note = "an index list names new indices: `i`, or `i in 0..n`"
            tokens.report("E0230", "this is not an index name", item.span, "", (note,), help_)
    return tuple(binders)


def _scan_state(tokens: Tokens, kept: list[Any], span: Span) -> ast.ScanState:
    return ast.ScanState(kept[0], kept[1], span)


def _scan_sequence(tokens: Tokens, kept: list[Any], span: Span) -> ast.ScanSequence:
    return ast.ScanSequence(kept[0], kept[1], span)


def _scan(tokens: Tokens, kept: list[Any], span: Span) -> ast.Scan:
    options, states, sequences, condition, block = kept
    body, following, emitted = scan_body(tokens, block)
    options = tuple(options or ())
    _check_order(tokens, options)
    return ast.Scan(tuple(states), tuple(sequences), condition, options, body, following, emitted, span)


def _attribute(tokens: Tokens, kept: list[Any], span: Span) -> ast.Expression:
    value, name = kept
    return ast.Transpose(value, ".T", span) if name.text == "T" else ast.Attribute(value, name, span)


def _transpose(tokens: Tokens, kept: list[Any], span: Span) -> ast.Transpose:
    return ast.Transpose(kept[0], "'", span)


BUILDERS: dict[str, Builder] = {
    "argument": _argument,
    "array_literal": _array_literal,
    "attribute": _attribute,
    "binary": _binary,
    "block": _block,
    "bool_literal": _bool_literal,
    "call": _call,
    "compare": _compare,
    "constraint": _constraint,
    "definition": _definition,
    "dim_decl": _dim_decl,
    "function_decl": _function_decl,
    "if": _if,
    "index": _index,
    "index_binder": _index_binder,
    "indexed_reduction": _indexed_reduction,
    "input_decl": _input_decl,
    "local_definition": _local_definition,
    "logical": _logical,
    "name": _name,
    "next": _next,
    "none_literal": _none_literal,
    "not": _not,
    "number": _number,
    "output_name": _output_name,
    "param_decl": _param_decl,
    "parameter": _parameter,
    "program": _program,
    "range": _range,
    "require_decl": _require_decl,
    "results": _results,
    "scan": _scan,
    "scan_sequence": _scan_sequence,
    "scan_state": _scan_state,
    "slice": _slice,
    "string": _string,
    "transpose": _transpose,
    "type_expr": _type_expr,
    "unary": _unary,
    "update_decl": _update_decl,
    "use_decl": _use_decl,
}
