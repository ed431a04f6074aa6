"""Blocks within blocks: which nodes of a streaming kernel are computed block by block along a second axis too.

A table over pairs (of rows with rows, or with the rows of another input) has a block's rows and an axis as long as the
data.  So that it is never there as a whole, what makes it and what reads it runs in a loop over blocks of that axis,
inside of the loop over blocks of rows.  Works on kinds and axes only; must not know buffers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from exprc.ir.node import Node
from exprc.ir.sizes import Size
from exprc.schedule.access import NESTED, Domain, Reads
from exprc.schedule.phases import Home

PAIR_BLOCK = 256
START, ROWS = "column", "columns"


class Inner(NamedTuple):
    """The second axis of a part: its size, and for each node of the part the number of the axis in its domain."""

    size: Size
    axes: Mapping[Node, int]


class Part(NamedTuple):
    """Nodes that are computed together: in blocks along a second axis, or not."""

    nodes: tuple[Node, ...]
    inner: Inner | None


Producers = Callable[[Node], Sequence[tuple[Node, bool]]]


def parts_of(
    nodes: Sequence[Node], reads: Reads, homes: Mapping[Node, Home], sizes: Collection[Size], producers: Producers
) -> list[Part]:
    """The parts of a phase in the order in which they run; one without a second axis where nothing has to be blocked.

    `sizes` are those along which a table may be too long to keep, longest first; `producers` gives for a node the
    computed ones that it reads, and whether it has them in registers.
    """
    size = _second_size(nodes, reads, homes, sizes, producers)
    if size is None:
        return [Part(tuple(nodes), None)]
    axes = _second_axes(nodes, reads, homes, size)
    inside = frozenset(nodes)
    levels: dict[Node, int] = {}
    for node in nodes:
        before = [base for base, _ in producers(node) if base in inside]
        levels[node] = max([levels[base] + _waits(node, base, axes, reads) for base in before], default=0)
    groups: dict[tuple[int, bool], list[Node]] = {}
    for node in nodes:
        groups.setdefault((levels[node], node in axes), []).append(node)
    ordered = sorted(groups.items(), key=lambda group: group[0])
    return [Part(tuple(group), Inner(size, axes) if blocked else None) for (_, blocked), group in ordered]


def _second_size(
    nodes: Sequence[Node], reads: Reads, homes: Mapping[Node, Home], sizes: Collection[Size], producers: Producers
) -> Size | None:
    """The size of the axis along which a table that has to be kept for other nests is longest: one that is not read in
    registers, or that goes into sums over different axes, each of which is a nest."""
    kept = {base for node in nodes for base, in_registers in producers(node) if not in_registers}
    for size in sizes:
        sums: set[frozenset[int]] = set()
        for node in nodes:
            if node.kind in NESTED:
                loops, home = reads.domains[node], homes[node]
                if node in kept and _is_table(loops, home, loops.result, size):
                    return size
                if loops.reduced and _is_table(loops, home, range(len(loops.extents)), size):
                    sums.add(loops.reduced)
        if len(sums) > 1:
            return size
    return None


def _is_table(loops: Domain, home: Home, axes: Sequence[int], size: Size) -> bool:
    """Whether these axes of a domain have the rows of the stream and another axis of a size."""
    return home.axis in axes and any(loops.extents[axis] == size and axis != home.axis for axis in axes)


def _second_axes(nodes: Sequence[Node], reads: Reads, homes: Mapping[Node, Home], size: Size) -> dict[Node, int]:
    """For each node that has one the axis of its domain: the one along which it reads blocks, else the first."""
    found: dict[Node, int] = {}
    for node in nodes:
        if node.kind not in NESTED:
            continue
        loops = reads.domains[node]
        candidates = [i for i, extent in enumerate(loops.extents) if extent == size and i != homes[node].axis]
        if candidates:
            follows = [axis for axis in candidates if _follows(node, axis, found, reads)]
            found[node] = (follows or candidates)[0]
    return found


def _follows(node: Node, axis: int, axes: Mapping[Node, int], reads: Reads) -> bool:
    return any(
        isinstance(access.base, Node) and _reads_block(access.base, access.map.indices, axis, axes, reads)
        for access in reads.sources(node)
    )


def _reads_block(base: Node, indices: Sequence[object], axis: int, axes: Mapping[Node, int], reads: Reads) -> bool:
    """Whether an access reads a blocked value at the very block given by the reader's axis."""
    if base not in axes or axes[base] not in reads.domains[base].result:
        return False
    index = indices[reads.domains[base].result.index(axes[base])]
    return index.only_variable == axis  # type: ignore[attr-defined, no-any-return]


def _waits(node: Node, base: Node, axes: Mapping[Node, int], reads: Reads) -> bool:
    """Whether a node can only be computed after the loop over blocks that makes what it reads."""
    if base not in axes:
        return False
    if node not in axes:
        return True
    accesses = [access for access in reads.sources(node) if access.base is base]
    return not all(_reads_block(base, access.map.indices, axes[node], axes, reads) for access in accesses)
