"""Text in the language's own notation: operators with the least brackets, `X' @ r`, `sum(x, axis=0)`.

A node that has a name is printed by it; what occurs several times and is long is named once, below the formula.  Every
formula is bounded: of a longer one the beginning is made, and no more.  Works on kinds and on what entries say of
themselves.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple

from exprc.ir.node import Node
from exprc.ir.op import COMPOSITE, CONTRACT, ELEMENTWISE, REDUCE, SCAN, VIEW
from exprc.ops import TABLE, leaves
from exprc.printing.products import show_contraction

ATOM, POSTFIX, PREFIX_POWER = 20, 10, 8  # precedences; operators have those of their entries
LONG, MOST_TEXT, MOST_PARTS = 24, 4000, 200
CAST, NEG, MUL = TABLE["cast"], TABLE["neg"], TABLE["mul"]
SIGN_PASSES = frozenset((MUL, TABLE["div"], TABLE["contract"]))  # -(a * b) is (-a) * b


class Formula(NamedTuple):
    """The text of a node, the parts (name, text) that it speaks of, and how many of them are too many to give."""

    text: str
    parts: tuple[tuple[str, str], ...] = ()
    omitted: int = 0


class Piece(NamedTuple):
    """Text with the precedence of its outermost operator."""

    text: str
    precedence: int = ATOM


LEFT_OUT = Piece("…")


def print_formula(
    root: Node, names: Mapping[Node, str], taken: frozenset[str] = frozenset(), nearest: int | None = None
) -> Formula:
    """The formula of a node.  `names` are those of definitions, `taken` names that parts must not have.

    `nearest` is the number of nodes to look at: what is further from the root is left out.
    """
    writer = _Writer(names, taken, nearest)
    piece = writer.write(root, is_root=True)
    parts = tuple((name, _bounded(text)) for name, text in writer.parts[:MOST_PARTS])
    return Formula(_bounded(piece.text), parts, len(writer.parts) - len(parts))


def _bounded(text: str) -> str:
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]} …"


def _beginning(piece: Piece) -> Piece:
    """The piece with no more text than is needed to tell that it is too long: it begins every text made of it."""
    return piece if len(piece.text) <= MOST_TEXT else Piece(piece.text[: MOST_TEXT + 1], piece.precedence)


class _Writer:
    """The names given so far while one formula is written."""

    def __init__(self, names: Mapping[Node, str], taken: frozenset[str], nearest: int | None) -> None:
        self.names = names
        self.nearest = nearest
        self.taken = taken
        self.parts: list[tuple[str, str]] = []
        self.pieces: dict[Node, Piece] = {}

    def write(self, root: Node, is_root: bool = False) -> Piece:
        order = self._visible(root, is_root)
        left: dict[Node, int] = {}
        for node in order:
            if node is root or node not in self.names:
                for argument in node.args:
                    left[argument] = left.get(argument, 0) + 1
        shared = {node for node, count in left.items() if count > 1 and node is not root and _is_work(node)}
        for node in order:
            if node in self.names and not (node is root and is_root):
                self.pieces[node] = Piece(self.names[node])
                continue
            piece = _beginning(self._piece(node))
            self.pieces[node] = self._part(piece) if node in shared and len(piece.text) > LONG else piece
            for argument in node.args:
                left[argument] -= 1
                if not left[argument]:
                    self.pieces.pop(argument, None)  # long texts are kept no longer than they are needed
        return self.pieces[root]

    def _visible(self, root: Node, is_root: bool) -> list[Node]:
        """The nodes under a root, not looking below named ones, arguments first."""
        near = self._nearest(root)
        order: list[Node] = []
        seen: set[Node] = set()
        stack = [(root, False)]
        while stack:
            node, done = stack.pop()
            if done:
                order.append(node)
            elif node not in seen:
                seen.add(node)
                stack.append((node, True))
                if node not in self.names or (node is root and is_root):
                    stack.extend((argument, False) for argument in reversed(node.args) if not near or argument in near)
        return order

    def _nearest(self, root: Node) -> set[Node]:
        """The nodes next to the root where only so many are asked for; else none."""
        found: set[Node] = set()
        pending = deque((root,))
        while self.nearest and pending and len(found) < self.nearest:
            node = pending.popleft()
            found.add(node)
            pending.extend(argument for argument in node.args if argument not in found)
        return found

    def _part(self, piece: Piece) -> Piece:
        number = len(self.parts) + 1
        while f"t{number}" in self.taken:
            number += 1
        self.parts.append((f"t{number}", piece.text))
        return Piece(f"t{number}")

    def _piece(self, node: Node) -> Piece:
        arguments = [self.pieces.get(argument, LEFT_OUT) for argument in node.args]
        return _BY_KIND.get(node.kind, _call)(node, arguments)


def _is_work(node: Node) -> bool:
    return node.kind in (ELEMENTWISE, REDUCE, CONTRACT, COMPOSITE, SCAN)


def wrapped(piece: Piece, precedence: int) -> str:
    """The text, in brackets where its operator binds less than asked for."""
    return piece.text if piece.precedence >= precedence else f"({piece.text})"


def _call(node: Node, arguments: list[Piece]) -> Piece:
    extra = [str(attribute).lower() for attribute in node.attrs if isinstance(attribute, bool)]
    return Piece(f"{node.op.name}({', '.join([a.text for a in arguments] + extra)})")


def _leaf(node: Node, arguments: list[Piece]) -> Piece:
    if node.op is leaves.CONSTANT:
        return number_piece(node.attrs[1], node.dtype, node.attrs[2] == leaves.MINUS_ZERO)
    if node.op is leaves.SIZE:
        text = str(node.attrs[0])
        return Piece(text, ATOM if text.isidentifier() else 5)
    if node.op is leaves.IOTA:
        shape, axis = node.attrs
        return _indexed(Piece(f"iota({shape[axis]})"), len(shape), (axis,))
    if node.op is leaves.ARG:
        return Piece(f"x{node.attrs[0]}")
    return Piece(str(node.attrs[0]))


def number_piece(value: float | int | bool, dtype: str, minus_zero: bool) -> Piece:
    """A literal of the language."""
    if isinstance(value, bool):
        return Piece("true" if value else "false")
    if minus_zero:
        return Piece("-0.0", 7)
    if value != value:
        return Piece("nan")
    if value in (float("inf"), float("-inf")):
        return Piece("inf") if value > 0 else Piece("-inf", 7)
    text = repr(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
    return Piece(text, 7 if text.startswith("-") else ATOM)


def _elementwise(node: Node, arguments: list[Piece]) -> Piece:
    op = node.op
    if op is CAST:
        if node.args[0].op is leaves.SIZE:
            return arguments[0]  # sizes take the dtype that they meet
        return Piece(f"{node.attrs[0]}({arguments[0].text})")
    if not op.infix:
        return Piece(f"{op.name}({', '.join(a.text for a in arguments)})")
    level = op.precedence
    if len(arguments) == 1:
        inner = node.args[0]
        if op is NEG and inner.op in SIGN_PASSES and arguments[0].precedence == inner.op.precedence:
            return Piece(f"-{arguments[0].text}", arguments[0].precedence)
        space = " " if op.infix.isalpha() else ""
        return Piece(f"{op.infix}{space}{wrapped(arguments[0], level)}", level)
    if level >= PREFIX_POWER:
        return Piece(f"{wrapped(arguments[0], level + 1)}{op.infix}{wrapped(arguments[1], level)}", level)
    if op is MUL and _is_word(arguments[1]) and not _is_word(arguments[0]):
        arguments = [arguments[1], arguments[0]]
    chained = "associative" in op.laws and node.args[1].op is op
    right = arguments[1].text if chained else wrapped(arguments[1], level + 1)
    return Piece(f"{wrapped(arguments[0], level)} {op.infix} {right}", level)


def _is_word(piece: Piece) -> bool:
    return piece.precedence == ATOM and "(" not in piece.text


def _reduce(node: Node, arguments: list[Piece]) -> Piece:
    return Piece(f"{node.op.name}({arguments[0].text}{_axes(node)})")


def _composite(node: Node, arguments: list[Piece]) -> Piece:
    texts = ", ".join(a.text for a in arguments)
    if node.attrs and isinstance(node.attrs[0], tuple):
        last = node.args[0].type.rank - 1
        if node.types[0] == node.args[0].type and node.attrs[0] == (last,):
            return Piece(f"{node.op.name}({texts})")
        return Piece(f"{node.op.name}({texts}{_axes(node)})")
    extra = [str(a) for a in node.attrs if not isinstance(a, (tuple, str))]
    return Piece(f"{node.op.name}({', '.join([texts, *extra])})")


def _axes(node: Node) -> str:
    axes = node.attrs[0]
    if len(axes) == node.args[0].type.rank and node.types[0] != node.args[0].type:
        return ""
    return f", axis={axes[0]}" if len(axes) == 1 else f", axis=[{', '.join(map(str, axes))}]"


def _contract(node: Node, arguments: list[Piece]) -> Piece:
    level = node.op.precedence

    def transposed(text: Piece) -> str:
        return f"{wrapped(text, POSTFIX)}'"

    def product(left: str, right: str) -> Piece:
        return Piece(f"{left} @ {right}", level)

    found = show_contraction(node.attrs)
    if found is None:
        left, right, out = node.attrs
        return Piece(f'einsum("{left},{right}->{out}", {arguments[0].text}, {arguments[1].text})')
    if found.form == "@":
        pieces = [arguments[k] for k in found.order]
        texts = [
            transposed(piece) if turned else wrapped(piece, level + position)
            for position, (piece, turned) in enumerate(zip(pieces, found.transposed))
        ]
        return product(*texts)
    pieces = [arguments[k] for k in found.order]
    if found.form == "sum":
        return Piece(f"sum({wrapped(pieces[0], level)} * {wrapped(pieces[1], level + 1)})")
    return Piece(f"outer({pieces[0].text}, {pieces[1].text})")


def _view(node: Node, arguments: list[Piece]) -> Piece:
    return _VIEWS.get(node.op, _call)(node, arguments)


def _broadcast(node: Node, arguments: list[Piece]) -> Piece:
    shape, axes = node.attrs
    rank = len(shape)
    if axes == tuple(range(rank - len(axes), rank)):
        return arguments[0]
    return _indexed(arguments[0], rank, axes)


def _indexed(piece: Piece, rank: int, axes: tuple[int, ...]) -> Piece:
    """`x[:, None]`: new axes after the first of its own, so that the shape broadcasts."""
    if not axes or axes == tuple(range(rank - len(axes), rank)):
        return piece
    items = [":" if i in axes else "None" for i in range(axes[0], rank)]
    return Piece(f"{wrapped(piece, POSTFIX)}[{', '.join(items)}]", POSTFIX)


def _transpose(node: Node, arguments: list[Piece]) -> Piece:
    rank = node.type.rank
    if node.attrs[0] == (*range(rank - 2), rank - 1, rank - 2):
        return Piece(f"{wrapped(arguments[0], POSTFIX)}'", POSTFIX)
    return Piece(f"transpose({arguments[0].text}, {', '.join(map(str, node.attrs[0]))})")


def _reshape(node: Node, arguments: list[Piece]) -> Piece:
    return Piece(f"reshape({', '.join([arguments[0].text, *map(str, node.attrs[0])])})")


def _squeeze(node: Node, arguments: list[Piece]) -> Piece:
    items = ["0" if i in node.attrs[0] else ":" for i in range(node.args[0].type.rank)]
    while len(items) > 1 and items[-1] == ":":
        items.pop()
    return Piece(f"{wrapped(arguments[0], POSTFIX)}[{', '.join(items)}]", POSTFIX)


def _slice(node: Node, arguments: list[Piece]) -> Piece:
    items = []
    for start, size, step, extent in zip(*node.attrs, node.args[0].shape):
        if start.constant == 0 and size == extent and step == 1:
            items.append(":")
            continue
        stop = start + size * step
        low = "" if start.constant == 0 else str(start)
        high = "" if step == 1 and stop == extent else str(stop)
        items.append(f"{low}:{high}" + (f":{step}" if step != 1 else ""))
    while len(items) > 1 and items[-1] == ":":
        items.pop()
    return Piece(f"{wrapped(arguments[0], POSTFIX)}[{', '.join(items)}]", POSTFIX)


def _pad(node: Node, arguments: list[Piece]) -> Piece:
    lows, sizes, steps = node.attrs
    placed, shape, by = (", ".join(map(str, numbers)) for numbers in (lows, sizes, steps))
    spaced = f", step=[{by}]" if any(step != 1 for step in steps) else ""
    return Piece(f"pad({arguments[0].text}, at=[{placed}]{spaced}, shape=[{shape}])")


def _project(node: Node, arguments: list[Piece]) -> Piece:
    return Piece(f"{arguments[0].text}.{node.attrs[0]}")


def _scan(node: Node, arguments: list[Piece]) -> Piece:
    body, states, sequences, length, reverse = node.attrs
    starts = ", ".join(f"x{k} = {arguments[k].text}" for k in range(states))
    over = ", ".join(f"x{k} in {arguments[k].text}" for k in range(states, states + sequences))
    captured = {leaves.arg(k, t): arguments[k].text for k, t in enumerate(body.parameters) if k >= states + sequences}
    inner = [print_formula(result, captured) for result in body.results]
    parts = [f"{name} = {text}" for formula in inner for name, text in formula.parts]
    following = ", ".join(formula.text for formula in inner[:states])
    emitted = ", ".join(formula.text for formula in inner[states:])
    last = f"next {following}" + (f" emit {emitted}" if emitted else "")
    backwards = "backwards " if reverse else ""
    return Piece(f"scan {starts} over {backwards}{over or f'{length} steps'} {{ {'; '.join([*parts, last])} }}", 0)


_BY_KIND: dict[str, Callable[[Node, list[Piece]], Piece]] = {
    "leaf": _leaf,
    "project": _project,
    ELEMENTWISE: _elementwise,
    REDUCE: _reduce,
    COMPOSITE: _composite,
    CONTRACT: _contract,
    VIEW: _view,
    SCAN: _scan,
}
_VIEWS = {
    TABLE["broadcast"]: _broadcast,
    TABLE["transpose"]: _transpose,
    TABLE["reshape"]: _reshape,
    TABLE["squeeze"]: _squeeze,
    TABLE["slice"]: _slice,
    TABLE["pad"]: _pad,
}

