"""Blocks: `{ statements; results }`, and what may stand in the one of an `fn` and in the one of a `scan`."""

from __future__ import annotations

from exprc.source import Span
from exprc.syntax import ast
from exprc.syntax.tokens import Tokens


class Results:
    """A line of values."""

    __slots__ = ("span", "values")

    def __init__(self, values: list[ast.Expression], span: Span) -> None:
        self.values = values
        self.span = span


class Next:
    """`next a, b emit y, z`."""

    __slots__ = ("emitted", "span", "values")

    def __init__(self, values: list[ast.Expression], emitted: list[ast.Expression], span: Span) -> None:
        self.values = values
        self.emitted = emitted
        self.span = span


class Block:
    """The lines of a block in order, of which the last should be a `Results` or a `Next`."""

    __slots__ = ("lines", "span")

    def __init__(self, lines: list[ast.Definition | Results | Next], span: Span) -> None:
        self.lines = lines
        self.span = span


def function_body(tokens: Tokens, block: Block) -> ast.Block:
    """The block of an `fn`: definitions, then a line of results."""
    statements, last = _split(tokens, block)
    results: tuple[ast.Expression, ...] = ()
    if isinstance(last, Results):
        results = tuple(last.values)
    elif isinstance(last, Next):
        note = "only the block of a `scan` has a next state"
        tokens.report("E0120", "`next` in the block of a function", last.span, "", (note,), ("remove `next`",))
    else:
        _report_missing(tokens, block, "a function", "the last line of the block is the result")
    return ast.Block(statements, results, block.span)


def scan_body(tokens: Tokens, block: Block) -> tuple[ast.Block, tuple[ast.Expression, ...], tuple[ast.Expression, ...]]:
    """The block of a `scan`: its definitions, the next states, and what is emitted."""
    statements, last = _split(tokens, block)
    body = ast.Block(statements, (), block.span)
    if isinstance(last, Next):
        return body, tuple(last.values), tuple(last.emitted)
    if isinstance(last, Results):
        return body, tuple(last.values), ()
    _report_missing(tokens, block, "a scan", "the last line, `next a, b` or `a, b`, gives the next states")
    return body, (), ()


def _split(tokens: Tokens, block: Block) -> tuple[tuple[ast.Definition, ...], Results | Next | None]:
    """The definitions of a block and its last line; values in between are lost, which is an error."""
    statements: list[ast.Definition] = []
    for line in block.lines[:-1]:
        if isinstance(line, ast.Definition):
            statements.append(line)
        else:
            note = "only the last line of a block is a result"
            help_ = ("give the value a name: `a = ...`",) if isinstance(line, Results) else ("move it to the end",)
            tokens.report("E0120", "a result in the middle of a block", line.span, "this is lost", (note,), help_)
    last = block.lines[-1] if block.lines else None
    if isinstance(last, ast.Definition):
        return (*statements, last), None
    return tuple(statements), last


def _report_missing(tokens: Tokens, block: Block, owner: str, note: str) -> None:
    """Not where an error inside the block was reported: the missing line may be the one that did not parse."""
    if tokens.has_failed(block.span):
        return
    end = Span(block.span.source, block.span.end - 1, block.span.end)
    last = block.lines[-1] if block.lines else None
    help_: tuple[str, ...] = ()
    if isinstance(last, ast.Definition):
        names = ", ".join(target.name.text for target in last.targets)
        help_ = (f"add a last line, for instance `{names}`",)
    tokens.report("E0120", f"the block of {owner} has no result", end, "the block ends here", (note,), help_)
