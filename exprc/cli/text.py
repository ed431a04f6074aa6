"""Text made safe and measurable for a terminal: escapes, widths, colours.

Owns how one character is shown.  Knows nothing of diagnostics.
"""

from __future__ import annotations

import re
import unicodedata

TAB = "    "
LONGEST_WORD = 72
LONGEST_TEXT = 5000
_LONG_WORD = re.compile(rf"(?<![\w/\\])\w{{{LONGEST_WORD + 1},}}")  # not the parts of a path
_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
_STYLES = {
    "bold": "1",
    "error": "1;31",
    "bug": "1;31",
    "warning": "1;33",
    "lint": "1;33",
    "note": "1;32",
    "help": "1;36",
    "gutter": "1;34",
}


def shown(character: str) -> str:
    """What stands for the character on the screen: itself, spaces for a tab, an escape for what cannot be seen."""
    if " " <= character <= "~":
        return character
    if character == "\t":
        return TAB
    if unicodedata.category(character) not in _HIDDEN:
        return character
    point = ord(character)
    return f"\\x{point:02x}" if point < 0x100 else f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def safe(text: str) -> str:
    """One line of text with nothing in it that a terminal would act on."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(shown(character) for character in text)


def cut(text: str) -> str:
    """A text of a message with the middles of very long names left out, and its end if it is still too long."""
    if len(text) > LONGEST_WORD:
        text = _LONG_WORD.sub(lambda word: f"{word[0][: LONGEST_WORD - 21]}…{word[0][-20:]}", text)
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"


def width(text: str) -> int:
    """How many columns the shown text takes."""
    if text.isascii():
        return len(text)
    return sum(_width(character) for character in text)


def paint(text: str, style: str, colour: bool) -> str:
    """The text in a style, where there is colour."""
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if colour and style and text.strip() else text


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
