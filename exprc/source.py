"""Source text and positions in it.  Knows nothing of what the text means."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass


class Source:
    """A named text.  Compared by identity; line starts are found once.

    `dropped` has the places, in order, before which a file has a byte that the text has not: those of a byte order
    mark and the carriage returns at the ends of lines.
    """

    __slots__ = ("_starts", "dropped", "name", "text")

    def __init__(self, name: str, text: str, dropped: Sequence[int] = ()) -> None:
        self.name = name
        self.text = text
        self.dropped = dropped
        self._starts: list[int] | None = None

    def line_column(self, offset: int) -> tuple[int, int]:
        """1-based line and column (in characters) of a character offset."""
        starts = self._line_starts()
        line = bisect_right(starts, offset)
        return line, offset - starts[line - 1] + 1

    def byte_offset(self, offset: int) -> int:
        """A character offset as an offset in the file, in bytes."""
        count = offset if self.text.isascii() else len(self.text[:offset].encode("utf-8", "surrogatepass"))
        return count + bisect_right(self.dropped, offset)

    def line_text(self, line: int) -> str:
        """The text of a 1-based line without its newline."""
        starts = self._line_starts()
        end = starts[line] if line < len(starts) else len(self.text)
        return self.text[starts[line - 1] : end].rstrip("\r\n")

    def _line_starts(self) -> list[int]:
        if self._starts is None:
            starts, position = [0], self.text.find("\n")
            while position >= 0:
                starts.append(position + 1)
                position = self.text.find("\n", position + 1)
            self._starts = starts
        return self._starts


@dataclass(frozen=True, slots=True)
class Span:
    """The characters `start .. end` (half-open) of a source."""

    source: Source
    start: int
    end: int

    @property
    def line(self) -> int:
        """1-based line on which the span starts."""
        return self.source.line_column(self.start)[0]

    @property
    def text(self) -> str:
        """The characters themselves."""
        return self.source.text[self.start : self.end]

    def to(self, other: Span) -> Span:
        """The span from the start of this one to the end of `other`."""
        return Span(self.source, min(self.start, other.start), max(self.end, other.end))
