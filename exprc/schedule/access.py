"""Where a value is read from: views folded into index maps, and the iteration domain of every computing node.

Works on kinds only; must not know kernels' text or LLVM.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from exprc.ir.index import Affine, Guard, IndexMap, axis, compose, identity_map
from exprc.ir.node import Node
from exprc.ir.op import CONTRACT, ELEMENTWISE, REDUCE, VIEW
from exprc.ir.sizes import Size

NESTED = frozenset((ELEMENTWISE, REDUCE, CONTRACT))
NOTHING: frozenset[int] = frozenset()


class Place(NamedTuple):
    """Memory that holds a value: a buffer, indices in front of the value's own, and, in a tile, the axis that counts
    from the first row of the block."""

    buffer: str
    prefix: tuple[Affine, ...] = ()
    block_axis: int | None = None


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


def resolve(order: Iterable[Node], known: Mapping[Node, Access] | None = None) -> dict[Node, Access]:
    """For every node the access that reads its value, views composed.  `known` gives those of a body's parameters."""
    table: dict[Node, Access] = dict(known or {})
    for node in order:
        if node in table:
            continue
        if node.kind == VIEW:
            inner = table[node.args[0]]
            assert node.op.index_map is not None
            outer = node.op.index_map(node.attrs, node.args[0].type, node.type)
            table[node] = Access(inner.base, compose(outer, inner.map), inner.dtype)
        elif len(node.types) == 1:
            table[node] = Access(node, identity_map(node.type.rank), node.dtype)
    return table


def domain(node: Node) -> Domain:
    """The iteration domain of an elementwise, reduce or contract node."""
    if node.kind == REDUCE:
        shape = node.args[0].shape
        reduced = frozenset(node.attrs[0])
        return Domain(shape, tuple(i for i in range(len(shape)) if i not in reduced), reduced)
    if node.kind == CONTRACT:
        left, right, out = node.attrs
        summed = [label for label in dict.fromkeys(left + right) if label not in out]
        sizes = dict(zip(left + right, node.args[0].shape + node.args[1].shape))
        extents = tuple(sizes[label] for label in (*out, *summed))
        rank = len(out)
        return Domain(extents, tuple(range(rank)), frozenset(range(rank, len(extents))))
    return Domain(node.shape, tuple(range(len(node.shape))), NOTHING)


def operand_maps(node: Node, accesses: Mapping[Node, Access]) -> list[Access]:
    """For each argument of a nested node its access in terms of the node's domain axes."""
    if node.kind != CONTRACT:
        return [accesses[argument] for argument in node.args]
    left, right, out = node.attrs
    labels = [*out, *(label for label in dict.fromkeys(left + right) if label not in out)]
    found = []
    for argument, own in zip(node.args, (left, right)):
        access = accesses[argument]
        outer = IndexMap(tuple(axis(labels.index(label)) for label in own))
        found.append(Access(access.base, compose(outer, access.map), access.dtype))
    return found


def rename(map_: IndexMap, names: Mapping[int, Affine]) -> tuple[tuple[Affine, ...], tuple[Guard, ...]]:
    """The indices and guards of a map with its axes replaced by expressions of loop variables."""
    values = dict(names)
    indices = tuple(index.substitute(values) for index in map_.indices)  # type: ignore[arg-type]
    guards = tuple(Guard(g.position.substitute(values), g.extent, g.step) for g in map_.guards)  # type: ignore[arg-type]
    return indices, guards
