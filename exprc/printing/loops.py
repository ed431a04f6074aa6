"""Loops in the language's notation: `t1, t2 = scan s1 = 0 over x1 in X { next … emit … }`, and their results by name.

A graph's loop gives last states and what it emits; the language's stacks its states, so that the last one is
`last(t1, 0)`.  One that runs backwards is one over reversed sequences, whose results are reversed again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from exprc.ir.node import Node
from exprc.ir.sizes import Size
from exprc.ir.types import Type
from exprc.ops import leaves
from exprc.printing.pieces import LOOSEST, POSTFIX, Piece, spread_to, wrapped

REVERSED = "[::-1]"
WORD = re.compile(r"\w+")

# What writes the results of a body, given the names of its parameters: its parts by name, and the results.
WriteBody: TypeAlias = Callable[[tuple[Node, ...], Mapping[Node, str]], tuple[list[tuple[str, str]], list[Piece]]]


class LoopHead(NamedTuple):
    """What a loop runs over: the types of its states and of the elements of its sequences, and the number of steps."""

    states: tuple[Type, ...]
    elements: tuple[Type, ...]
    length: Size
    reverse: bool


class Loop(NamedTuple):
    """The names that a loop gives to its results, its text, and the text of each result of the node."""

    names: str
    text: Piece
    results: tuple[Piece, ...]


def loop_head(node: Node) -> LoopHead:
    """The head of a loop."""
    body, states, sequences, length, reverse = node.attrs
    return LoopHead(body.parameters[:states], body.parameters[states : states + sequences], length, reverse)


def local_names(node: Node, known: tuple[str, ...], words: str, fresh: Callable[[str], str]) -> list[str]:
    """The names of the states and elements of a loop: the program's, unless the body reads something of these names.

    `words` is what the body reads from outside; `fresh` gives names that begin with a letter.
    """
    body, states, sequences, *_ = node.attrs
    read = {*WORD.findall(words), *(name for type in body.parameters for size in type.shape for name in size.dims())}
    if known and read.isdisjoint(known):
        return list(known)
    return [fresh("s") for _ in range(states)] + [fresh("x") for _ in range(sequences)]


def parameters(node: Node, names: Sequence[str]) -> dict[Node, str]:
    """The names of what the body of a loop takes."""
    types = node.attrs[0].parameters
    return {leaves.arg(k, type): name for k, (type, name) in enumerate(zip(types, names, strict=True))}


def loop_pieces(
    node: Node, arguments: list[Piece], known: tuple[str, ...], fresh: Callable[[str], str], write_body: WriteBody
) -> Loop:
    """A loop in text; `known` are names of its states and elements, `fresh` gives names that begin with a letter,
    `arguments` are said in full."""
    body, states, sequences, length, reverse = node.attrs
    inputs = [spread_to(piece, argument.shape) for piece, argument in zip(arguments, node.args, strict=True)]
    starts, taken, captured = inputs[:states], inputs[states : states + sequences], inputs[states + sequences :]
    outer = [piece.text for piece in captured]
    locals_ = local_names(node, known, " ".join(outer), fresh)
    parts, following = write_body(body.results, parameters(node, [*locals_, *outer]))
    backwards = REVERSED if reverse else ""
    state_texts = [f"{name} = {piece.text}" for name, piece in zip(locals_, starts)]
    over = [f"{name} in {wrapped(piece, POSTFIX) if reverse else piece.text}{backwards}"
            for name, piece in zip(locals_[states:], taken)] or [f"{fresh('x')} in 0..{length}"]  # fmt: skip
    stacked = [fresh("t") for _ in starts]
    names = list(stacked)
    lasts = tuple(Piece(f"last({name}, {piece.text})") for name, piece in zip(stacked, starts))
    emitted, emits = [], []
    for result, piece in zip(body.results[states:], following[states:]):
        if result in body.results[:states]:
            name = stacked[body.results.index(result)]
        else:
            name = fresh("t")
            names.append(name)
            emitted.append(piece.text)
        emits.append(Piece(f"{name}{backwards}", POSTFIX))
    last_line = ", ".join(piece.text for piece in following[:states])
    if emitted:
        last_line = f"next {last_line} emit {', '.join(emitted)}"
    lines = "; ".join([*[f"{name} = {text}" for name, text in parts], last_line])
    text = f"scan {', '.join(state_texts)} over {', '.join(over)} {{ {lines} }}"
    return Loop(", ".join(names), Piece(text, LOOSEST), (*lasts, *emits))
