"""The canonical form of a program: spacing, indentation and blank lines made uniform, everything else kept.

Works on tokens and comments, so that parentheses, line breaks and comments stay as their author chose them.  Rules:
one statement a line (but blocks written on one line stay so), four columns for each level, one space around operators
but none around `^` and in slices, two before a comment, and the comments of neighbouring lines under each other.
"""

from __future__ import annotations

from exprc.source import Source
from exprc.syntax.ast import Comment
from exprc.syntax.characters import blanked
from exprc.syntax.lexing import tokenize
from exprc.syntax.parse import parse
from exprc.syntax.tables import LITERALS
from exprc.syntax.tokens import CLOSING, END, NAME, NUMBER, OPENING, OPERAND_ENDS, SEPARATOR, Tokens, terminals

INDENT, MOST_INDENT = 4, 80

_LPAR, _LSQB, _LBRACE, _RBRACE = (LITERALS[text] for text in "([{}")
_ASSIGN, _COLON, _COMMA, _MINUS, _SCAN = (LITERALS[text] for text in ("=", ":", ",", "-", "scan"))
_POINT = LITERALS["."]
_CLOSE_BEFORE = terminals(") ] , ' . .. ^ **")
_CLOSE_AFTER = terminals("( [ . .. ^ **")


def format_program(source: Source) -> str:
    """The canonical text; `UserError` if the source is no program.  Formatting twice is formatting once."""
    parse(source)
    writer = _Writer(tokenize(source))
    return writer.write()


class _Line:
    __slots__ = ("comment", "indent", "pieces")

    def __init__(self, indent: int) -> None:
        self.indent = indent
        self.pieces: list[str] = []
        self.comment = ""

    def text(self) -> str:
        return " " * self.indent + "".join(self.pieces) if self.pieces else ""


class _Open:
    """An open bracket: the indentation of its line, the number of that line, and of the statement inside of it."""

    __slots__ = ("indent", "kind", "line", "statement")

    def __init__(self, kind: int, indent: int, line: int) -> None:
        self.kind = kind
        self.indent = indent
        self.line = line
        self.statement = indent


class _Writer:
    """The lines written so far, and where in the program the next token is."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self.text = blanked(tokens.source.text)
        self.lines = [_Line(0)]
        self.brackets = [_Open(_LBRACE, -INDENT, -1)]
        self.before_statement = True
        self.previous = SEPARATOR
        self.glued = False  # the token before takes no space after it
        self.breaks = False  # a `;` became the end of a line

    def write(self) -> str:
        position = 0
        comments = iter([*self.tokens.comments, None])
        comment = next(comments)
        for index, start in enumerate(self.tokens.starts):
            while comment is not None and comment.span.start < start:
                self._comment(comment, self.text.count("\n", position, comment.span.start))
                position = comment.span.end
                comment = next(comments)
            kind = self.tokens.kinds[index]
            if kind == SEPARATOR:
                self._separator(index)
                position = start if self.tokens.lexemes[index] != ";" else start + 1
            elif kind != END:
                self._token(index, self.text.count("\n", position, start))
                position = self.tokens.ends[index]
        return _joined(self.lines)

    def _comment(self, comment: Comment, newlines: int) -> None:
        text = _comment_text(comment.text)
        if comment.own_line or not self.lines[-1].pieces or self.lines[-1].comment:  # beside a `;` that is left out
            self._new_line(newlines, self._indentation(END))
            self.lines[-1].pieces.append(text)
            self.breaks = True
        else:
            self.lines[-1].comment = text

    def _separator(self, index: int) -> None:
        """A `;` stays in a block that is written on one line; else it ends a line."""
        self.before_statement = True
        self.previous = SEPARATOR
        if self.tokens.lexemes[index] != ";":
            return
        following = self.tokens.kinds[index + 1]
        on_line = "\n" not in self.text[self.tokens.starts[index] : self.tokens.starts[index + 1]]
        inline = on_line and self.brackets[-1].line == len(self.lines) and following not in (SEPARATOR, END, _RBRACE)
        if inline and not self.breaks:
            self.lines[-1].pieces.append(";")
        else:
            self.breaks = True

    def _token(self, index: int, newlines: int) -> None:
        kind = self.tokens.kinds[index]
        text = "^" if self.tokens.lexemes[index] == "**" else self.tokens.lexemes[index]
        if kind == _LBRACE and not self.lines[-1].comment and not self.breaks:
            newlines = 0
        if newlines or self.breaks:
            self._new_line(1 if kind in CLOSING else newlines, self._indentation(kind))
        line = self.lines[-1]
        if kind == _COMMA and self._is_last_comma(index):
            return
        if line.pieces and self._space_before(index):
            line.pieces.append(" ")
        line.pieces.append(text)
        if kind in OPENING:
            self.brackets.append(_Open(kind, line.indent, len(self.lines)))
        elif kind in CLOSING:
            self.brackets.pop()
        if self.before_statement:
            self.brackets[-1].statement = line.indent
        self.glued = self._glues(index)
        self.before_statement = kind == _LBRACE
        self.previous = kind

    def _new_line(self, newlines: int, indent: int) -> None:
        self.breaks = False
        if not self.lines[-1].pieces and not self.lines[-1].comment and len(self.lines) == 1:
            self.lines[-1].indent = indent
            return
        if newlines > 1 and self.brackets[-1].kind == _LBRACE and self.previous != _LBRACE:
            self.lines.append(_Line(0))
        self.lines.append(_Line(indent))

    def _indentation(self, kind: int) -> int:
        """Of a line that starts with this kind of token."""
        bracket = self.brackets[-1]
        if kind in CLOSING:
            return bracket.indent
        from_line = bracket.kind != _LBRACE or self.before_statement
        return min((bracket.indent if from_line else bracket.statement) + INDENT, MOST_INDENT)

    def _is_last_comma(self, index: int) -> bool:
        """A comma before a closing bracket on its line."""
        start, end = self.tokens.ends[index], self.tokens.starts[index + 1]
        return self.tokens.kinds[index + 1] in CLOSING and "\n" not in self.text[start:end]

    def _space_before(self, index: int) -> bool:
        kind = self.tokens.kinds[index]
        if kind == _POINT and self.previous == NUMBER:
            return True  # `2.T` would be a malformed number
        if self.glued or kind in _CLOSE_BEFORE:
            return False
        if kind in (_LPAR, _LSQB):
            return self.previous not in OPERAND_ENDS and self.previous != _SCAN
        if kind == _COLON:
            return self.brackets[-1].kind != _LSQB or self.previous == _COMMA
        return not (kind == _ASSIGN and self._is_keyword_argument(index))

    def _glues(self, index: int) -> bool:
        kind = self.tokens.kinds[index]
        if kind == _MINUS:
            return self.previous not in OPERAND_ENDS
        if kind == _COLON:
            return self.brackets[-1].kind == _LSQB
        return kind in _CLOSE_AFTER or (kind == _ASSIGN and self._is_keyword_argument(index))

    def _is_keyword_argument(self, index: int) -> bool:
        before = self.tokens.kinds[index - 2 : index]
        return self.brackets[-1].kind == _LPAR and before in ([_LPAR, NAME], [_COMMA, NAME])


def _comment_text(text: str) -> str:
    marks = text[: len(text) - len(text.lstrip("#"))]
    rest = text[len(marks) :]
    return text if not rest or rest[0] in " !\t" or len(marks) > 2 else f"{marks} {rest}"


def _joined(lines: list[_Line]) -> str:
    """The text, comments of neighbouring lines aligned."""
    rows: list[str] = []
    first = 0
    while first < len(lines):
        last = first
        while last < len(lines) and lines[last].comment:
            last += 1
        texts = [line.text() for line in lines[first:last]]
        column = max(map(len, texts), default=0) + 2
        rows += [text.ljust(column) + line.comment for text, line in zip(texts, lines[first:last])]
        rows += [line.text() for line in lines[last : last + 1]]
        first = last + 1
    text = "\n".join(rows).strip("\n")
    return text + "\n" if text else ""
