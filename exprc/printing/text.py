"""Formulas of nodes: named ones by their name, what is shared and long named once below, every text bounded.

Of a formula that is too long the beginning is made, and no more.  Knows the graph's order and nothing of operations.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from exprc.ir.node import Node, toposort
from exprc.ir.op import COMPOSITE, CONTRACT, ELEMENTWISE, PROJECT, REDUCE, SCAN
from exprc.printing.loops import LoopHead, local_names, loop_head, loop_pieces, parameters
from exprc.printing.operations import operation_piece
from exprc.printing.pieces import POSTFIX, Piece, spread_to, wrapped

LONG, MOST_TEXT, MOST_PARTS = 24, 4000, 200
WORK = frozenset((ELEMENTWISE, REDUCE, CONTRACT, COMPOSITE))
LEFT_OUT = Piece("…")
Loops: TypeAlias = Mapping[LoopHead, tuple[str, ...]]  # what the program calls states and elements
NO_LOOPS: Loops = {}


class Formula(NamedTuple):
    """The text of a node, the parts (name, text) that it speaks of, and how many of them are too many to give."""

    text: str
    parts: tuple[tuple[str, str], ...] = ()
    omitted: int = 0


def print_formula(
    root: Node,
    names: Mapping[Node, str],
    taken: frozenset[str] = frozenset(),
    nearest: int | None = None,
    loops: Loops = NO_LOOPS,
) -> Formula:
    """The formula of a node.  `names` are those of definitions, `taken` names that parts must not have.

    `nearest` is the number of nodes to look at: what is further from the root is left out.
    """
    return _formula(_Writer(names, taken, {}, nearest, loops), root)


def print_formulas(
    roots: Iterable[Node], names: Mapping[Node, str], taken: frozenset[str] = frozenset(), loops: Loops = NO_LOOPS
) -> Iterator[Formula]:
    """The formulas of several nodes, each with the parts that none before it has given."""
    writer = _Writer(names, taken, {}, None, loops)
    for root in roots:
        yield _formula(writer, root)


def names_within(
    within: Sequence[Node], names: Mapping[Node, str], nearest: int, loops: Loops = NO_LOOPS
) -> Mapping[Node, str]:
    """The names of what the body of the last of some loops takes, each loop being in the body of the one before it."""
    numbers: dict[str, int] = {}

    def fresh(letter: str) -> str:
        numbers[letter] = numbers.get(letter, 0) + 1
        return f"{letter}{numbers[letter]}"

    for node in within:
        writer = _Writer(names, frozenset(), {}, nearest, loops)
        pieces = writer.write(node.args[sum(node.attrs[1:3]) :])
        words = [LEFT_OUT.text if writer.parts or len(p.text) > LONG else wrapped(p, POSTFIX) for p in pieces]
        names = parameters(node, [*local_names(node, loops.get(loop_head(node), ()), " ".join(words), fresh), *words])
    return names


def _formula(writer: _Writer, root: Node) -> Formula:
    """The formula of a root, which is not called by its own name."""
    before = len(writer.parts)
    writer.unnamed = root
    (piece,) = writer.write((root,))
    if writer.nearest is None:
        piece = spread_to(piece, root.shape)
    found = writer.parts[before:]
    parts = tuple((name, _bounded(text)) for name, text in found[:MOST_PARTS])
    return Formula(_bounded(piece.text), parts, len(found) - len(parts))


def _bounded(text: str) -> str:
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]} …"


def _beginning(piece: Piece) -> Piece:
    """The piece with no more text than is needed to tell that it is too long: it begins every text made of it."""
    if len(piece.text) <= MOST_TEXT:
        return piece
    return Piece(piece.text[: MOST_TEXT + 1], piece.precedence, piece.shape)


class _Writer:
    """What one formula, or the body of a loop in it, has been given so far: names, and texts that are still needed."""

    def __init__(
        self,
        names: Mapping[Node, str],
        taken: frozenset[str],
        numbers: dict[str, int],
        nearest: int | None = None,
        known_loops: Loops = NO_LOOPS,
    ) -> None:
        self.names = names
        self.taken = taken
        self.numbers = numbers  # the last number given after each letter
        self.nearest = nearest
        self.known_loops = known_loops
        self.unnamed: Node | None = None  # the root whose own name is of no use to its formula
        self.parts: list[tuple[str, str]] = []
        self.pieces: dict[Node, Piece] = {}
        self.shared: dict[Node, Piece] = {}  # the names of parts
        self.loops: dict[Node, tuple[Piece, ...]] = {}

    def write(self, roots: Sequence[Node]) -> list[Piece]:
        """The texts of nodes, parts that they share being named."""
        order = self._visible(roots)
        left: dict[Node, int] = dict.fromkeys(roots, 1)
        for node in order:
            for argument in node.args if self._given(node) is None else ():
                left[argument] = left.get(argument, 0) + 1
        shared = {node for node, count in left.items() if count > 1 and node.kind in WORK}
        for node in order:
            given = self._given(node)
            if given is not None:
                self.pieces[node] = given
                continue
            piece = _beginning(self._piece(node))
            if piece.shape is None:
                piece = piece._replace(shape=node.shape)
            if node in shared and len(piece.text) > LONG:
                piece = self.shared[node] = self._part(piece)
            self.pieces[node] = piece
            for argument in node.args:
                left[argument] -= 1
                if not left[argument]:
                    self.pieces.pop(argument, None)  # long texts are kept no longer than they are needed
        return [self.pieces[root] for root in roots]

    def _given(self, node: Node) -> Piece | None:
        """The text of what needs no formula: it has a name, or has been given one."""
        if node in self.names and node is not self.unnamed:
            return Piece(self.names[node], shape=node.shape)
        return self.loops[node][0] if node in self.loops else self.shared.get(node)

    def _visible(self, roots: Sequence[Node]) -> list[Node]:
        """The nodes under the roots, not looking below named ones, arguments first."""
        near = self._nearest(roots)

        def below(node: Node) -> list[Node]:
            shown = node.args if self._given(node) is None else ()
            return [argument for argument in shown if not near or argument in near]

        return toposort(roots, below)

    def _nearest(self, roots: Sequence[Node]) -> set[Node]:
        """The nodes next to the roots where only so many are asked for; else none."""
        found: set[Node] = set()
        pending = deque(roots)
        while self.nearest and pending and len(found) < self.nearest:
            node = pending.popleft()
            found.add(node)
            pending.extend(argument for argument in node.args if argument not in found)
        return found

    def _piece(self, node: Node) -> Piece:
        if node.kind == PROJECT:
            results = self.loops.get(node.args[0])
            return results[node.attrs[0]] if results else LEFT_OUT
        arguments = [self.pieces.get(argument, LEFT_OUT) for argument in node.args]
        return self._loop(node, arguments) if node.kind == SCAN else operation_piece(node, arguments)

    def _loop(self, node: Node, arguments: list[Piece]) -> Piece:
        """A loop is named; what its body reads from outside is a word, or is named before it."""
        _, states, sequences, *_ = node.attrs
        outer = states + sequences
        words = [piece if _is_word(piece) else self._part(piece) for piece in arguments[outer:]]

        def write_body(
            results: tuple[Node, ...], names: Mapping[Node, str]
        ) -> tuple[list[tuple[str, str]], list[Piece]]:
            inner = _Writer(names, self.taken, self.numbers, None, self.known_loops)
            pieces = [spread_to(p, r.shape) for p, r in zip(inner.write(results), results, strict=True)]
            return inner.parts, pieces

        known = self.known_loops.get(loop_head(node), ())
        loop = loop_pieces(node, [*arguments[:outer], *words], known, self._fresh, write_body)
        self.parts.append((loop.names, _beginning(loop.text).text))
        self.loops[node] = loop.results
        return loop.results[0]

    def _part(self, piece: Piece) -> Piece:
        name = self._fresh("t")
        self.parts.append((name, piece.text))
        return Piece(name, shape=piece.shape)

    def _fresh(self, letter: str) -> str:
        while True:
            self.numbers[letter] = self.numbers.get(letter, 0) + 1
            name = f"{letter}{self.numbers[letter]}"
            if name not in self.taken:
                return name


def _is_word(piece: Piece) -> bool:
    return piece.precedence >= POSTFIX and len(piece.text) <= LONG
