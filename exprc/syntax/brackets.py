"""Brackets: which closes which, and those that were forgotten or mixed up.

Owns the stack's entries and the messages.  Must not know the newline rules: it is told where a statement starts.
"""

from __future__ import annotations

from exprc.diagnostics import MOST_SHOWN, Label
from exprc.syntax.tables import LITERALS
from exprc.syntax.tokens import CLOSING, DROPPED, NEWLINE, OPENING, SEPARATOR, Tokens

MOST_LOOKED_AT = 500
_LBRACE = LITERALS["{"]


class OpenBracket:
    """An open bracket; `declaration`, of the outermost, is the first line inside that only a statement can start."""

    __slots__ = ("declaration", "index", "kind")

    def __init__(self, index: int, kind: int) -> None:
        self.index = index
        self.kind = kind
        self.declaration: int | None = None


def close_bracket(tokens: Tokens, index: int, brackets: list[OpenBracket]) -> None:
    """Match a closing bracket with what is open; where it fits nothing, tell what was probably meant."""
    kind = tokens.kinds[index]
    lexeme = tokens.lexemes[index]
    wanted = LITERALS[CLOSING[kind]]
    if not brackets or (brackets[-1].kind != wanted and _next_closing(tokens, index) == OPENING[brackets[-1].kind]):
        label = f"no `{CLOSING[kind]}` is open here"
        edits = (tokens.replacing(index, index, ""),)
        message = f"`{lexeme}` closes nothing"
        tokens.report("E0103", message, tokens.span(index), label, (), ("remove it",), edits=edits)
        tokens.kinds[index] = DROPPED
        tokens.spoiled.add(index)
    elif brackets[-1].kind == wanted:
        brackets.pop()
    elif len(tokens.diagnostics) < MOST_SHOWN and _is_forgotten(tokens, index, brackets, wanted):
        opened = []
        while brackets[-1].kind != wanted:
            opened.append(brackets.pop())
        brackets.pop()
        where = (Label(tokens.span(index), "missing before this", primary=False),)
        _report_unclosed(tokens, opened, where, tokens.ends[index - 1])
        tokens.spoiled.add(index)
    else:
        _report_mismatch(tokens, index, brackets.pop())


def _next_closing(tokens: Tokens, index: int) -> str:
    """The next bracket on the line that closes what is open at a token; nothing where enough is reported."""
    if len(tokens.diagnostics) >= MOST_SHOWN:
        return ""
    depth = 0
    for place in range(index + 1, min(index + MOST_LOOKED_AT, len(tokens.kinds))):
        kind = tokens.kinds[place]
        if kind == NEWLINE or (depth == 0 and kind in CLOSING):
            return "" if kind == NEWLINE else tokens.lexemes[place]
        depth += (kind in OPENING) - (kind in CLOSING)
    return ""


def _is_forgotten(tokens: Tokens, index: int, brackets: list[OpenBracket], wanted: int) -> bool:
    """Whether the innermost bracket was forgotten, not closed by the wrong one: what closes next tells."""
    if all(bracket.kind != wanted for bracket in brackets):
        return False
    return len(brackets) < 2 or _next_closing(tokens, index) != OPENING[brackets[-2].kind]


def _report_mismatch(tokens: Tokens, index: int, opened: OpenBracket) -> None:
    right = OPENING[opened.kind]
    lexeme, opener = tokens.lexemes[index], tokens.lexemes[opened.index]
    others = (Label(tokens.span(opened.index), "opened here", primary=False),)
    message = f"`{opener}` is closed by `{lexeme}`"
    edits = (tokens.replacing(index, index, right),)
    help_ = (f"write `{right}`",)
    tokens.report("E0103", message, tokens.span(index), f"`{right}` is needed here", (), help_, others, edits)
    tokens.kinds[index] = LITERALS[right]
    tokens.spoiled.add(index)


def report_open(tokens: Tokens, brackets: list[OpenBracket]) -> None:
    """What is still open at the end of the file; the errors that follow from it are not told."""
    if not brackets:
        return
    outermost = brackets[0]
    declaration = outermost.declaration if outermost.kind == _LBRACE else None
    others: tuple[Label, ...] = ()
    if declaration is not None:
        text = f"`{tokens.lexemes[declaration]}` cannot stand inside `{{ }}`"
        others = (Label(tokens.span(declaration), text, primary=False),)
    end = len(tokens.source.text.rstrip())
    _report_unclosed(tokens, brackets[::-1], others, end if declaration is None and not tokens.comments else None)
    tokens.silent_from = declaration if declaration is not None else outermost.index


def _report_unclosed(tokens: Tokens, opened: list[OpenBracket], others: tuple[Label, ...], end: int | None) -> None:
    """One message for brackets, innermost first, that were forgotten together; they can be closed at `end`."""
    innermost = opened[0]
    missing = "".join(OPENING[bracket.kind] for bracket in opened)
    lexeme = tokens.lexemes[innermost.index]
    message = f"`{lexeme}` is never closed" if len(opened) == 1 else f"{len(opened)} brackets are never closed"
    further = tuple(Label(tokens.span(bracket.index), "and this", primary=False) for bracket in opened[1:3])
    note = "inside `(` and `[`, a statement continues on the next line"
    tokens.report(
        "E0102",
        message,
        tokens.span(innermost.index),
        "opened here",
        () if innermost.kind == _LBRACE else (note,),
        (f"close it with `{missing}`",) if len(missing) <= 8 else (),
        (*further, *others),
        (tokens.inserting(end, missing),) if end is not None and len(missing) <= 8 else (),
    )
    tokens.spoiled.update(bracket.index for bracket in opened)


def close_forgotten(tokens: Tokens, brackets: list[OpenBracket], following: int) -> None:
    """A token that can only start a statement was met inside `(` or `[`, which were forgotten."""
    opened = []
    while brackets and brackets[-1].kind != _LBRACE:
        opened.append(brackets.pop())
    where = Label(tokens.span(following), "a new statement starts here", primary=False)
    before = following - 1
    while tokens.kinds[before] in (DROPPED, NEWLINE, SEPARATOR):
        before -= 1
    _report_unclosed(tokens, opened, (where,), tokens.ends[before])
