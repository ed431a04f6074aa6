"""Pieces of text, with what is needed to put them together: precedence, the shape of the text, an index at its end.

A text may have a smaller shape than its node, where arrays are spread as they meet others; `spread_to` says it in full.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from exprc.ir.sizes import Size
from exprc.ir.types import F32

ATOM, POSTFIX, POWER, PREFIX, PRODUCT, SUM, LOOSEST = 20, 10, 8, 7, 6, 5, 0
Shape = tuple[Size, ...]


class Piece(NamedTuple):
    """Text with the precedence of its outermost operator.

    `shape` is that of the text in the language; None: that of the node.  A text that ends in an index has its parts in
    `base` and `items`; one that places a value among zeros has the index in `items` and the value in `placed`.
    `integer` is the text without the cast by which an integer becomes a float, which the language makes of itself where
    it meets one.
    """

    text: str
    precedence: int = ATOM
    shape: Shape | None = None
    base: str = ""
    items: tuple[str, ...] = ()
    placed: str = ""
    integer: Piece | None = None


def wrapped(piece: Piece, precedence: int) -> str:
    """The text, in brackets where its operator binds less than asked for."""
    return piece.text if piece.precedence >= precedence else f"({piece.text})"


def call(name: str, *arguments: str, shape: Shape | None = None) -> Piece:
    """A call of an operation."""
    return Piece(f"{name}({', '.join(arguments)})", shape=shape)


def indexed(base: str, items: tuple[str, ...], shape: Shape | None = None) -> Piece:
    """A text with an index; axes at the end that are taken whole are left out."""
    shown = list(items)
    while shown and shown[-1] == ":":
        shown.pop()
    if not shown:
        return Piece(base, POSTFIX, shape)
    return Piece(f"{base}[{', '.join(shown)}]", POSTFIX, shape, base, items)


def spread_to(piece: Piece, shape: Shape) -> Piece:
    """The piece as an array of a shape, said in full where the text has a smaller one."""
    if piece.shape is None or piece.shape == shape:
        return piece
    sizes = [str(extent) for extent in shape]
    if piece.text in ("0", "1"):
        return call("zeros" if piece.text == "0" else "ones", *sizes, shape=shape)
    return call("full" if not piece.shape else "broadcast_to", piece.text, *sizes, shape=shape)


def size_piece(size: Size) -> Piece:
    """A size as a number."""
    text = str(size)
    precedence = SUM if " " in text else PRODUCT if "*" in text or "/" in text else POWER if "^" in text else ATOM
    return Piece(text, PREFIX if precedence > PREFIX and text.startswith("-") else precedence, ())


def number_piece(value: float | int | bool, dtype: str, minus_zero: bool) -> Piece:
    """A literal of the language, with as few digits as the dtype allows."""
    if isinstance(value, bool):
        return Piece("true" if value else "false", ATOM, ())
    if minus_zero:
        return Piece("-0.0", PREFIX, ())
    if value != value:
        return Piece("nan", ATOM, ())
    if value in (float("inf"), float("-inf")):
        return Piece("inf" if value > 0 else "-inf", ATOM if value > 0 else PREFIX, ())
    if isinstance(value, int) or (value == int(value) and abs(value) < 1e15):
        text = str(int(value))
    else:
        text = _shortest_f32(value) if dtype == F32 else repr(value)
    return Piece(text, PREFIX if text.startswith("-") else ATOM, ())


def _shortest_f32(value: float) -> str:
    """The fewest digits that are read back as the same f32."""
    for digits in range(1, 9):
        text = f"{value:.{digits}g}"
        try:
            if struct.pack("<f", float(text)) == struct.pack("<f", value):
                return repr(float(text))
        except OverflowError:
            continue
    return repr(float(f"{value:.9g}"))
