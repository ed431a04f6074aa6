"""What a picture shows, before anything has a place: sections of boxes with arrows between them.

Owns the records and how characters are measured.  Knows neither where boxes go nor how they are written down.
"""

from __future__ import annotations

import unicodedata
from typing import NamedTuple


class Box(NamedTuple):
    """A box: lines of text, the first one its title, a style by name, and a text for who points at it."""

    lines: tuple[str, ...]
    style: str
    tooltip: str = ""


class Section(NamedTuple):
    """Boxes in an order in which arrows go forward only; `edges` are pairs of their numbers, without repetitions."""

    title: str
    boxes: tuple[Box, ...]
    edges: tuple[tuple[int, int], ...]


class Diagram(NamedTuple):
    """Sections under each other."""

    title: str
    sections: tuple[Section, ...]


def visible(text: str) -> str:
    """The text with nothing in it that cannot be seen: controls, marks of direction, surrogates become escapes."""
    return text if text.isprintable() else "".join(c if c.isprintable() else _escape(c) for c in text)


def columns(text: str) -> int:
    """How many columns of a font of even width the text takes."""
    return len(text) if text.isascii() else sum(_column(character) for character in text)


def _column(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _escape(character: str) -> str:
    number = ord(character)
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}" if number < 65536 else f"\\U{number:08x}"
