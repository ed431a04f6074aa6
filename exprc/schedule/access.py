"""Where a value is read from: views folded into index maps, and the iteration domain of every computing node.

Works on kinds only; must not know kernels' text or LLVM.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from exprc.ir.index import Affine, Guard, IndexMap, axis, compose, identity_map
from exprc.ir.node import Node
from exprc.ir.op import CONTRACT, ELEMENTWISE, LEAF, PROJECT, REDUCE, VIEW
from exprc.ir.sizes import Size

NESTED = frozenset((ELEMENTWISE, REDUCE, CONTRACT))
NOTHING: frozenset[int] = frozenset()
_WITHOUT_WORK = frozenset((LEAF, VIEW, PROJECT))


class Place(NamedTuple):
    """Memory that holds a value: a buffer, indices in front of the value's own, and, in a tile, the axes of which it
    holds a block, each with the variable of the block's first entry."""

    buffer: str
    prefix: tuple[Affine, ...] = ()
    blocks: tuple[tuple[int, str], ...] = ()


class Access(NamedTuple):
    """A value as an index map of what is computed or stored: of a node, or of a place with its dtype."""

    base: Node | Place
    map: IndexMap
    dtype: str


class Domain(NamedTuple):
    """The loops of a node: extents, the axes that its result has (in order), and those that it reduces."""

    extents: tuple[Size, ...]
    result: tuple[int, ...]
    reduced: frozenset[int]


class Reads(NamedTuple):
    """What every pass asks of the nodes of a graph, found once.

    `accesses` tell how each value is read, `domains` the loops of nested nodes, `operands` how computing nodes read
    their arguments: nested ones in terms of their domain's axes.  `light` are the element-wise nodes that are made
    again wherever they are read at the same point.
    """

    accesses: dict[Node, Access]
    domains: dict[Node, Domain]
    operands: dict[Node, list[Access]]
    light: frozenset[Node] = frozenset()

    def same_point(self, node: Node, access: Access) -> bool:
        """Whether a node reads the value of an element-wise one at the point at which it is computed itself."""
        base = access.base
        if not isinstance(base, Node) or base.kind != ELEMENTWISE or node.kind not in (ELEMENTWISE, REDUCE):
            return False
        if base not in self.domains or self.domains[node].extents != self.domains[base].extents:
            return False
        return all(index.only_variable == i for i, index in enumerate(access.map.indices)) and not access.map.guards

    def remade(self, node: Node) -> set[Node]:
        """The light values that are made for a node."""
        found: set[Node] = set()
        pending = [node]
        while pending:
            for access in self.operands[pending.pop()]:
                if access.base in self.light and access.base not in found and self.same_point(node, access):
                    assert isinstance(access.base, Node)
                    found.add(access.base)
                    pending.append(access.base)
        return found

    def sources(self, node: Node) -> list[Access]:
        """What a node reads, light values at the same point written out: they are made of what is read for them."""
        if not self.light:
            return self.operands[node]
        found: list[Access] = []
        pending = list(reversed(self.operands[node]))
        while pending:
            access = pending.pop()
            if access.base in self.light and self.same_point(node, access):
                pending.extend(reversed(self.operands[access.base]))
            else:
                found.append(access)
        return found


def computes(node: Node) -> bool:
    """Whether a node has work of its own: not a leaf, a view or a projection."""
    return node.kind not in _WITHOUT_WORK


def resolve(order: Iterable[Node], known: Mapping[Node, Access] | None = None) -> Reads:
    """How all nodes of a graph are read, views composed.  `known` gives the accesses of a body's parameters."""
    accesses: dict[Node, Access] = dict(known or {})
    reads = Reads(accesses, {}, {})
    shapes: dict[tuple[Size, ...], tuple[Domain, IndexMap]] = {}
    for node in order:
        if computes(node):
            reads.operands[node] = _operands(node, accesses)
        if node in accesses:
            continue
        if node.kind == VIEW:
            inner = accesses[node.args[0]]
            assert node.op.index_map is not None
            outer = node.op.index_map(node.attrs, node.args[0].type, node.type)
            accesses[node] = Access(inner.base, compose(outer, inner.map), inner.dtype)
        elif len(node.types) == 1:
            shape = node.shape
            if shape not in shapes:
                shapes[shape] = Domain(shape, tuple(range(len(shape))), NOTHING), identity_map(len(shape))
            every, same = shapes[shape]
            accesses[node] = Access(node, same, node.dtype)
            if node.kind in NESTED:
                reads.domains[node] = every if node.kind == ELEMENTWISE else domain(node)
    return reads


def domain(node: Node) -> Domain:
    """The iteration domain of an elementwise, reduce or contract node."""
    if node.kind == ELEMENTWISE:
        return Domain(node.shape, tuple(range(len(node.shape))), NOTHING)
    if node.kind == REDUCE:
        shape = node.args[0].shape
        reduced = frozenset(node.attrs[0])
        return Domain(shape, tuple(i for i in range(len(shape)) if i not in reduced), reduced)
    left, right, out = node.attrs
    sizes = dict(zip(left + right, node.args[0].shape + node.args[1].shape))
    extents = tuple(sizes[label] for label in _labels(node))
    rank = len(out)
    return Domain(extents, tuple(range(rank)), frozenset(range(rank, len(extents))))


def _operands(node: Node, accesses: Mapping[Node, Access]) -> list[Access]:
    if node.kind != CONTRACT:
        return [accesses[argument] for argument in node.args]
    labels = _labels(node)
    found = []
    for argument, own in zip(node.args, node.attrs):
        access = accesses[argument]
        outer = IndexMap(tuple(axis(labels.index(label)) for label in own))
        found.append(Access(access.base, compose(outer, access.map), access.dtype))
    return found


def _labels(contraction: Node) -> list[str]:
    """The labels of a contraction's domain in order: those of its result, then the summed ones."""
    left, right, out = contraction.attrs
    return [*out, *(label for label in dict.fromkeys(left + right) if label not in out)]


def rename(map_: IndexMap, names: Mapping[int, Affine]) -> tuple[tuple[Affine, ...], tuple[Guard, ...]]:
    """The indices and guards of a map with its axes replaced by expressions of loop variables."""
    if not map_.indices and not map_.guards:
        return (), ()
    values = dict(names)
    indices = tuple(index.substitute(values) for index in map_.indices)  # type: ignore[arg-type]
    guards = tuple(Guard(g.position.substitute(values), g.extent, g.step) for g in map_.guards)  # type: ignore[arg-type]
    return indices, guards
