"""From the symbols of an expression's rule to its node, and what the grammar covers too generously there.

`EXPRESSIONS` has a function for each rule, of the form that `exprc.syntax.build` describes.
"""

from __future__ import annotations

from exprc.diagnostics import Edit, Label
from exprc.source import Span
from exprc.syntax import ast
from exprc.syntax.blocks import scan_body
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
        helps = (*helps, f"to compare, write `==`: `{name.text} == {first_line(value.span.text)}`")
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
    return ast.IndexedReduction(index.value, binders(tokens, index), body, span)


def binders(tokens: Tokens, index: ast.Index, help_: tuple[str, ...] = ()) -> tuple[ast.IndexBinder, ...]:
    """The items of an index as index names, which they must be."""
    tokens.open_binders.pop(id(index), None)
    found: list[ast.IndexBinder] = []
    for item in index.items:
        if isinstance(item, ast.IndexBinder):
            found.append(item)
        elif isinstance(item, ast.Name):
            found.append(ast.IndexBinder(item, None, None, item.span))
        else:
            note = "an index list names new indices: `i`, or `i in 0..n`"
            written, edits = help_, _binder_edits(item)
            if edits:
                written = (f"write the range after `in`: `{edits[0].text}`",)
            tokens.report("E0230", "this is not an index name", item.span, "", (note,), written, edits=edits)
    return tuple(found)


def _binder_edits(item: ast.Node) -> tuple[Edit, ...]:
    """What `i:n` was to say."""
    if not isinstance(item, ast.Slice) or item.step is not None or item.stop is None:
        return ()
    if not isinstance(item.start, ast.Name):
        return ()
    return (Edit(item.span, f"{item.start.text} in 0..{first_line(item.stop.span.text)}"),)


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


def first_line(text: str) -> str:
    """As much of a text as a message quotes."""
    line = text.split("\n", 1)[0]
    return line if len(line) <= 60 else line[:57] + "..."


EXPRESSIONS: dict[str, Builder] = {
    "argument": _argument,
    "array_literal": _array_literal,
    "attribute": _attribute,
    "binary": _binary,
    "bool_literal": _bool_literal,
    "call": _call,
    "compare": _compare,
    "if": _if,
    "index": _index,
    "index_binder": _index_binder,
    "indexed_reduction": _indexed_reduction,
    "logical": _logical,
    "name": _name,
    "none_literal": _none_literal,
    "not": _not,
    "number": _number,
    "range": _range,
    "scan": _scan,
    "scan_sequence": _scan_sequence,
    "scan_state": _scan_state,
    "slice": _slice,
    "string": _string,
    "transpose": _transpose,
    "unary": _unary,
}
