"""From bytes to text: what a `.expr` file may not contain at all, told with its byte offset.

Owns decoding and the characters that are refused anywhere, comments and strings included.  Knows no token.
"""

from __future__ import annotations

import re

from exprc.diagnostics import Diagnostic, Label, UserError
from exprc.source import Source, Span

# NUL, a carriage return without its newline, and Unicode's Bidi_Control: text must read as it is compiled
_REFUSED = re.compile("\0|\r(?!\n)|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_BYTE_ORDER_MARK = "\ufeff"


def read_source(name: str, data: bytes) -> Source:
    """The text of a file; a byte order mark and CRLF are normalised away."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(_invalid_utf8(name, data, error.start)) from None
    check_characters(Source(name, text))
    clean = text.removeprefix(_BYTE_ORDER_MARK).replace("\r\n", "\n")
    return Source(name, clean, () if len(clean) == len(text) else _dropped(text))


def check_characters(source: Source) -> None:
    """Refuse the first character that no `.expr` file may contain."""
    found = _REFUSED.search(source.text)
    if found is None:
        return
    character, start = found.group(), found.start()
    offset = len(source.text[:start].encode("utf-8", "surrogatepass"))
    code, what, note = _describe(character)
    raise UserError(
        Diagnostic(
            code,
            f"{what} at byte offset {offset}",
            (Label(Span(source, start, start + 1), "here"),),
            (note,),
            ("delete it, for instance by typing the line again",),
        )
    )


def _dropped(text: str) -> list[int]:
    """For each byte of a file that its text has not, the place in the text before which it stood."""
    dropped = [0] * 3 if text.startswith(_BYTE_ORDER_MARK) else []
    start = len(_BYTE_ORDER_MARK) if dropped else 0
    pieces = text[start:].split("\r\n")
    place = 0
    for piece in pieces[:-1]:
        place += len(piece)
        dropped.append(place + 1)
        place += 1
    return dropped


def blanked(text: str) -> str:
    """The text with a leading byte order mark as a blank, so that offsets stay."""
    return " " + text[1:] if text.startswith(_BYTE_ORDER_MARK) else text


def _describe(character: str) -> tuple[str, str, str]:
    if character == "\0":
        return "E0112", "a NUL byte", "programs are text; is this the right file?"
    if character == "\r":
        return "E0106", "a carriage return without a newline", "lines end with a newline, or with both"
    what = f"a control character that changes the direction of text (U+{ord(character):04X})"
    return "E0113", what, "with it a program can read differently from what is compiled"


def _invalid_utf8(name: str, data: bytes, offset: int) -> Diagnostic:
    before = len(data[:offset].decode("utf-8"))
    source = Source(name, data.decode("utf-8", "replace"))
    help_ = ("save the file as UTF-8",)
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        help_ = ("the file looks like UTF-16: save it as UTF-8",)
    return Diagnostic(
        "E0111",
        f"invalid UTF-8: byte 0x{data[offset]:02x} at byte offset {offset}",
        (Label(Span(source, before, before + 1), "here"),),
        ("programs are UTF-8 text",),
        help_,
    )
