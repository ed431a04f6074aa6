"""Lines and tokens of the kernels' text form, and the expressions of indices and sizes in it.

Knows nothing of plans.
"""

from __future__ import annotations

import json
import re
from typing import Any

from exprc.ir.index import Affine, Guard, Quotient, axis
from exprc.ir.read import read_size
from exprc.ir.sizes import ONE, Size, constant
from exprc.ir.types import DTYPES
from exprc.schedule.kernel import ACCUMULATOR, ARGUMENT, RESULT, TILE, WORKSPACE, Buffer
from exprc.schedule.show import INDENT

_TOKEN = re.compile(
    r'\s*("(?:[^"\\]|\\.)*"|\{[^{}]*\}|%\d+|\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|[^\W\d]\w*|//|<=|<-|==|!=|>=|[][(),:;=<>+*/^-])'
)
_NAME = re.compile(r"[^\W\d]\w*")


class Lines:
    """The lines of a text with their depths; empty ones count, but are not seen."""

    def __init__(self, text: str) -> None:
        self._lines = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
        self._position = 0
        self.number = 1

    @property
    def depth(self) -> int:
        """How far the next line is indented; -1 at the end."""
        if self._position == len(self._lines):
            return -1
        self.number, line = self._lines[self._position]
        blanks = len(line) - len(line.lstrip(" "))
        if blanks % len(INDENT):
            raise ValueError("indented by an odd number of blanks")
        return blanks // len(INDENT)

    @property
    def word(self) -> str:
        """The first word of the next line."""
        return self._lines[self._position][1].split(maxsplit=1)[0]

    def next(self, depth: int) -> Line:
        """The next line, taken, which has to be at this depth."""
        found = self.depth
        if found != depth:
            raise ValueError("the text ends too early" if found < 0 else f"indented {found} times, not {depth} times")
        line = self._lines[self._position][1]
        self._position += 1
        return Line(line)


class Line:
    """The tokens of a line, and what is read of them."""

    def __init__(self, text: str) -> None:
        self._tokens: list[str] = []
        self._position = 0
        text, end = text.rstrip(), 0
        while end < len(text):
            found = _TOKEN.match(text, end)
            if found is None:
                raise ValueError(f"no token of a plan: {text[end:].strip()[:20]!r}")
            self._tokens.append(found.group(1))
            end = found.end()

    def peek(self) -> str:
        """The next token; empty at the end."""
        return self._tokens[self._position] if self._position < len(self._tokens) else ""

    def next(self) -> str:
        """The next token, taken."""
        token = self.peek()
        self._position += 1
        return token

    def accept(self, token: str) -> bool:
        """Take a token if it is the next."""
        found = self.peek() == token
        self._position += found
        return found

    def expect(self, *tokens: str) -> None:
        """Take tokens that have to be the next; "" is the end."""
        for token in tokens:
            if not self.accept(token):
                raise ValueError(f"expected {token or 'the end of the line'}, found {self.peek() or 'its end'}")

    def name(self) -> str:
        """A name."""
        token = self.next()
        if not _NAME.fullmatch(token):
            raise ValueError(f"expected a name, found {token or 'the end of the line'}")
        return token

    def integer(self) -> int:
        """A number without a point."""
        return int(self.next())

    def value(self) -> int:
        """The number of an instruction."""
        token = self.next()
        if not token.startswith("%"):
            raise ValueError(f"expected the number of an instruction, found {token or 'the end of the line'}")
        return int(token[1:])

    def dtype(self) -> str:
        """A colon and a dtype."""
        self.expect(":")
        token = self.next()
        if token not in DTYPES:
            raise ValueError(f"no dtype: {token!r}")
        return token

    def list(self, end: str, item: Any) -> list[Any]:
        """Items between commas, up to and with the end token."""
        found: list[Any] = []
        while not self.accept(end):
            if found:
                self.expect(",")
            found.append(item())
        return found

    def buffer(self) -> Buffer:
        """A declaration of memory."""
        space, name = self.name(), self.name()
        if space not in (ARGUMENT, RESULT, WORKSPACE, TILE, ACCUMULATOR):
            raise ValueError(f"expected a buffer, a kernel or a requirement, found {space}")
        dtype = self.dtype()
        return Buffer(name, dtype, self._shape() if self.accept("[") else (), space)

    def _shape(self) -> tuple[Size, ...]:
        """Sizes up to a bracket; the commas within `min` and `max` are theirs."""
        sizes: list[Size] = []
        parts: list[str] = []
        nesting = 0
        while nesting or self.peek() != "]":
            token = self.next()
            if not token:
                raise ValueError("a shape without an end")
            nesting += (token == "(") - (token == ")")
            if token == "," and not nesting:
                sizes.append(read_size(" ".join(parts)))
                parts = []
            else:
                parts.append(token)
        self.expect("]")
        return (*sizes, read_size(" ".join(parts)))

    def attribute(self) -> Any:
        """A literal: a number, true, false, a text or a size."""
        negative = self.accept("-")
        token = self.next()
        if token in ("inf", "nan") or token[:1].isdigit():
            number = float(token) if set(token) & set(".eEn") else int(token)
            return -number if negative else number
        if negative:
            raise ValueError(f"expected a number, found {token}")
        if token in ("true", "false"):
            return token == "true"
        return json.loads(token) if token.startswith('"') else _braced(token)

    def factor(self) -> Size:
        """A number, or a size in braces."""
        token = self.next()
        return constant(int(token)) if token.isdigit() else _braced(token)

    def place(self) -> tuple[str, tuple[Affine, ...]]:
        """An entry of a buffer."""
        name = self.name()
        self.expect("[")
        return name, tuple(self.list("]", self.affine))

    def guards(self) -> tuple[Guard, ...]:
        """The conditions after `where`, or none."""
        found: list[Guard] = []
        while self.accept("and" if found else "where"):
            self.expect("0", "<=")
            position = self.affine()
            self.expect("<")
            found.append(Guard(position, self.factor(), self.integer() if self.accept("step") else 1))
        return tuple(found)

    def affine(self) -> Affine:
        """An index expression; quotients within each other by a stack of the sums around them."""
        total = Affine(())
        around: list[tuple[Affine, Size]] = []
        while True:
            sign = constant(-1) if self.accept("-") else ONE
            size = ONE
            is_term = True
            if self.peek()[:1] in "{0123456789" and self.peek():
                size = self.factor()
                is_term = self.accept("*")
            if not is_term:
                total = total.plus(Affine((), size), sign)
            elif self.peek() == "floor" and self._tokens[self._position + 1 :][:1] == ["("]:
                self.expect("floor", "(", "(")
                around.append((total, sign * size))
                total = Affine(())
                continue
            else:
                total = total.plus(axis(self.name()), sign * size)
            while around and self.accept(")"):
                self.expect("/")
                quotient = Quotient(total, self.factor())
                self.expect(")")
                outer, factor = around.pop()
                total = outer.plus(axis(quotient), factor)
            if not self.accept("+") and self.peek() != "-":
                if around:
                    raise ValueError("a quotient without an end")
                return total


def _braced(token: str) -> Size:
    if not token.startswith("{"):
        raise ValueError(f"expected a number or a size in braces, found {token or 'the end of the line'}")
    return read_size(token[1:-1])
