"""Which `##` comment documents what: the declaration on its line, else the one that follows, else the model."""

from __future__ import annotations

from bisect import bisect_left

from exprc.syntax.ast import Comment
from exprc.syntax.tables import LITERALS
from exprc.syntax.tokens import END, SEPARATOR, Tokens

_LBRACE, _RBRACE = LITERALS["{"], LITERALS["}"]


def attach_documentation(tokens: Tokens) -> None:
    """Fill `docs` and `model_doc` from the comments."""
    documenting = [comment for comment in tokens.comments if is_documentation(comment)]
    model = _model_comments(tokens, documenting)
    tokens.model_doc = "\n".join(map(_text, model)) or None
    documenting = documenting[len(model) :]
    owners = _statement_starts(tokens, documenting)
    found: dict[int, list[str]] = {}
    for comment, owner in zip(documenting, owners, strict=True):
        if owner is not None:
            found.setdefault(owner, []).append(_text(comment))
    tokens.docs = {start: "\n".join(lines) for start, lines in found.items()}


def is_documentation(comment: Comment) -> bool:
    """`##`, but not the `###...` that draws a line."""
    return comment.text.startswith("##") and not comment.text.startswith("###")


def _model_comments(tokens: Tokens, documenting: list[Comment]) -> list[Comment]:
    """A first block of `##` lines, before any code and followed by a blank line."""
    block: list[Comment] = []
    text = tokens.source.text
    for comment in documenting:
        if not comment.own_line or comment.span.start > tokens.starts[0]:
            break
        if block and text[block[-1].span.end : comment.span.start].count("\n") != 1:
            break
        block.append(comment)
    if not block:
        return []
    following = text[block[-1].span.end :].split("\n", 2)
    return block if len(following) == 1 or not following[1].strip() else []


def _statement_starts(tokens: Tokens, documenting: list[Comment]) -> list[int | None]:
    """Where the statement starts that each comment documents.

    Inside a statement, or behind it on its last line, a comment belongs to it; alone on its line, to the one that
    follows.  `levels` holds for each open block the start of the statement being read, and of the one before.
    """
    kinds, starts = tokens.kinds, tokens.starts
    owners: list[int | None] = []
    levels = [_Level()]
    index = 0
    for comment in documenting:
        place = bisect_left(starts, comment.span.start)
        while index < place:
            _enter(kinds[index], starts[index], levels)
            index += 1
        if levels[-1].current is not None:
            owners.append(levels[-1].current)
        elif comment.own_line:
            owners.append(None if kinds[index] in (END, _RBRACE) else starts[index])
        else:
            owners.append(levels[-2].current if kinds[index - 1] == _LBRACE else levels[-1].before)
    return owners


class _Level:
    __slots__ = ("before", "current")

    def __init__(self) -> None:
        self.current: int | None = None
        self.before: int | None = None


def _enter(kind: int, start: int, levels: list[_Level]) -> None:
    level = levels[-1]
    if kind == SEPARATOR:
        if level.current is not None:
            level.before, level.current = level.current, None
    elif kind == _RBRACE:
        if len(levels) > 1:
            levels.pop()
    else:
        if level.current is None:
            level.current = start
        if kind == _LBRACE:
            levels.append(_Level())


def _text(comment: Comment) -> str:
    return comment.text[2:].removeprefix(" ").rstrip()
