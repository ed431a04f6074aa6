"""Where the parser stands at an error: the token found, the tokens expected, and the forms that are still open."""

from __future__ import annotations

from exprc.diagnostics import Edit
from exprc.source import Span
from exprc.syntax.tables import LITERALS
from exprc.syntax.tokens import (
    BINARY,
    CLOSING,
    END,
    KEYWORDS,
    NAME,
    NUMBER,
    OPENING,
    SEPARATOR,
    STRING,
    Tokens,
    terminals,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

BINARY_OR_POSTFIX = BINARY | terminals("' . ( [")
_KEYWORD_KINDS = frozenset(KEYWORDS.values())
_LBRACE, _RBRACE = LITERALS["{"], LITERALS["}"]
_PART_ENDS = frozenset((*CLOSING, LITERALS[","]))


class Situation:
    """The token at `index` was found where only those of `expected` could stand; `values` is the parser's stack."""

    __slots__ = ("after_value", "expected", "index", "kind", "previous", "tokens", "values", "wants_value")

    def __init__(self, tokens: Tokens, index: int, expected: frozenset[int], values: list[Any]) -> None:
        self.tokens = tokens
        self.index = index
        self.kind = tokens.kinds[index]
        self.previous = tokens.kinds[index - 1] if index else SEPARATOR
        self.expected = expected
        self.values = values
        self.wants_value = NUMBER in expected
        self.after_value = LITERALS["+"] in expected

    def lexeme(self) -> str:
        """The token found, as written."""
        return self.tokens.lexemes[self.index]

    def span(self) -> Span:
        """The token found; for the end of a line, the place behind the token before."""
        if self.kind != END and self.lexeme() not in ("\n", "\r\n"):
            return self.tokens.span(self.index)
        end = self.tokens.ends[self.index - 1] if self.index else 0
        return Span(self.tokens.source, end, end + (end < len(self.tokens.source.text)))

    def insert_before(self, text: str) -> Edit:
        """To write something behind the token before the one found, and a blank where two would touch."""
        end = self.tokens.ends[self.index - 1]
        touching = end == self.tokens.starts[self.index] and text[-1:].isalnum()
        return self.tokens.inserting(end, text + " " * touching)

    def found(self) -> str:
        """The token found, in words."""
        lexeme = self.lexeme()
        shown = lexeme if len(lexeme) <= 30 else lexeme[:27] + "..."
        if self.kind == END:
            return "the end of the file"
        if self.kind == SEPARATOR:
            return "`;`" if lexeme == ";" else "the end of the line"
        if self.kind in (NUMBER, NAME):
            return f"the {'number' if self.kind == NUMBER else 'name'} `{shown}`"
        if self.kind == STRING:
            return f"the string {shown}"
        return f"the keyword `{shown}`" if self.kind in _KEYWORD_KINDS else f"`{shown}`"

    def after(self) -> str:
        """After which token something was expected."""
        if self.is_statement_start() or self.previous == _LBRACE:
            return ""
        lexeme = self.tokens.lexemes[self.index - 1]
        return f"after `{lexeme}`" if len(lexeme) <= 30 else ""

    def is_statement_start(self, back: int = 0) -> bool:
        """Whether the token found, or one `back` tokens before, is the first of its statement."""
        place = self.index - back
        return place == 0 or (place > 0 and self.tokens.kinds[place - 1] in (SEPARATOR, _LBRACE))

    def statement_start(self, index: int | None = None) -> int:
        """The first token of the statement that the token found, or another, is in."""
        first = self.index if index is None else index
        while first > 0 and self.tokens.kinds[first - 1] not in (SEPARATOR, _LBRACE):
            first -= 1
        return first

    def statement_end(self) -> int:
        """The token behind the statement."""
        kinds, last, depth = self.tokens.kinds, self.index, 0
        while kinds[last] != END and (depth or kinds[last] not in (SEPARATOR, _RBRACE)):
            depth += (kinds[last] == _LBRACE) - (kinds[last] == _RBRACE)
            last += 1
        return last

    def in_block(self) -> bool:
        """Whether the statement is in a block."""
        return any(self.tokens.kinds[token] == _LBRACE for token in self.pending())

    def part_start(self) -> int:
        """The first token behind the nearest `=`, `,` or open bracket."""
        places = (token for token in self.pending_in_statement() if self.tokens.lexemes[token] in ("=", "(", "[", ","))
        return next(places, self.statement_start() - 1) + 1

    def part_end(self) -> int:
        """The token behind the value that the token found is in: a comma, a closing bracket, the statement's end."""
        kinds, last, depth = self.tokens.kinds, self.index, 0
        while kinds[last] not in (SEPARATOR, END) and (depth or kinds[last] not in _PART_ENDS):
            depth += (kinds[last] in OPENING) - (kinds[last] in CLOSING)
            last += 1
        return last

    def closing(self, opened: int) -> int | None:
        """The bracket that closes one."""
        kinds, depth = self.tokens.kinds, 0
        for place in range(opened, len(kinds)):
            depth += (kinds[place] in OPENING) - (kinds[place] in CLOSING)
            if depth == 0:
                return place
        return None

    def opening(self, closed: int) -> int | None:
        """The bracket that one closes."""
        kinds, depth = self.tokens.kinds, 0
        for place in range(closed, -1, -1):
            depth += (kinds[place] in CLOSING) - (kinds[place] in OPENING)
            if depth == 0:
                return place
        return None

    def pending(self) -> Iterator[int]:
        """The tokens on the stack, the nearest first: each belongs to a form that is not complete."""
        closed = 0
        for value in reversed(self.values):
            if type(value) is int:
                kind = self.tokens.kinds[value]
                if kind in CLOSING:
                    closed += 1
                elif closed and kind in OPENING:
                    closed -= 1
                elif not closed:
                    yield value

    def pending_in_statement(self) -> Iterator[int]:
        """Those of this statement only."""
        for token in self.pending():
            if self.tokens.kinds[token] in (SEPARATOR, _LBRACE):
                return
            yield token

    def nearest_bracket(self) -> int | None:
        """The `(` or `[` that is open in this statement."""
        return next((token for token in self.pending_in_statement() if self.tokens.lexemes[token] in ("(", "[")), None)

    def nearest(self) -> str:
        """How the nearest pending token of this statement is written, or nothing."""
        token = next(self.pending_in_statement(), None)
        return "" if token is None else self.tokens.lexemes[token]

    def first_on_line(self) -> int:
        """The first token on the line of the token found."""
        tokens = self.tokens
        line_start = tokens.source.text.rfind("\n", 0, tokens.starts[self.index]) + 1
        first = self.index
        while first > 0 and tokens.starts[first - 1] >= line_start:
            first -= 1
        return first

    def joined_line(self) -> int | None:
        """The token at the end of the line before by which the statement goes on in the line of the token found."""
        before = self.first_on_line() - 1
        if before < 0 or self.tokens.kinds[before] == SEPARATOR or self.nearest_bracket() is not None:
            return None
        return None if self.tokens.lexemes[before] in ("{", "}") else before
