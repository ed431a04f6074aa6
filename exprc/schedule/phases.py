"""Phases: which nodes are computed in the same pass over the data, and where the barriers lie.

Every computing node gets a home: the axis of its domain over which its kernel streams (or none), and a level: kernels
of a higher level start after those of a lower one have ended.  Within a level the kernel that runs once is first, and
the one over the size that is likeliest to be streamed over is last, so that what is made of parameters is there when
the data are read.  A node joins the level of what it reads where it reads only the same slice, or the value of an
earlier kernel of the level; a barrier is needed where it reads the result of a reduction or other slices.

Works on kinds and axes only; must not know buffers or kernels' form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from exprc.ir.node import Node
from exprc.ir.op import PROJECT
from exprc.ir.sizes import Size
from exprc.schedule.access import NESTED, Access, Domain, Reads, computes


class Home(NamedTuple):
    """Over which axis of its domain a node streams: the size, and the number of the axis; (None, None): it does not."""

    size: Size | None
    axis: int | None


NO_HOME = Home(None, None)


class Edge(NamedTuple):
    """One operand of a computing node that is itself computed; without a barrier both may have the same level."""

    producer: Node
    barrier: bool


class Phase(NamedTuple):
    """The nodes of one kernel, in topological order."""

    level: int
    size: Size | None
    nodes: tuple[Node, ...]


class Phases(NamedTuple):
    """The phases in the order in which they run, and the home of every computing node."""

    phases: tuple[Phase, ...]
    homes: dict[Node, Home]


def find_phases(order: Sequence[Node], reads: Reads, ranking: Sequence[Size]) -> Phases:
    """The phases of a graph whose sizes are ranked: a node streams over the first size of the ranking it can."""
    if not ranking:  # nothing to stream over: one kernel
        computing = tuple(node for node in order if computes(node))
        return Phases((Phase(0, None, computing),) if computing else (), dict.fromkeys(computing, NO_HOME))
    rank = {size: position for position, size in enumerate(ranking)}
    homes: dict[Node, Home] = {}
    edges: dict[Node, list[Edge]] = {}
    levels: dict[Node, int] = {}
    for node in order:
        if not computes(node):
            continue
        operands = _computed_operands(node, reads)
        homes[node] = _choose_home(node, operands, homes, rank, reads)
        turn = _turn(homes[node], rank)
        edges[node] = [
            Edge(base, _turn(homes[base], rank) >= turn and not _same_slice(node, base, index, homes, reads))
            for base, index in operands
        ]
        levels[node] = max([levels[edge.producer] + edge.barrier for edge in edges[node]], default=0)
    _sink(list(homes), homes, edges, levels, reads)
    groups: dict[tuple[int, int, Size | None], list[Node]] = {}
    for node, home in homes.items():
        groups.setdefault((levels[node], _turn(home, rank), home.size), []).append(node)
    ordered = sorted(groups.items(), key=lambda group: group[0][:2])
    return Phases(tuple(Phase(level, size, tuple(nodes)) for (level, _, size), nodes in ordered), homes)


def rank_sizes(order: Sequence[Node], inputs: Sequence[Node], reads: Reads) -> list[Size]:
    """The sizes of the program, likeliest to be streamed over first: leading axes of the inputs as declared, then their
    other axes, then what else occurs.  Sizes known to the compiler are not streamed over."""
    leading = [node.shape[0] for node in inputs if node.shape]
    others = [size for node in inputs for size in node.shape[1:]]
    rest = [size for node in order if computes(node) for t in node.types for size in t.shape]
    reduced = [size for loops in reads.domains.values() for size in loops.extents]
    return [size for size in dict.fromkeys([*leading, *others, *rest, *reduced]) if size.constant is None]


def _computed_operands(node: Node, reads: Reads) -> list[tuple[Node, Access]]:
    """(producer, access) of every operand that is computed; for nodes without a domain the access means nothing."""
    found = []
    for access in reads.sources(node):
        base = access.base
        if isinstance(base, Node):
            producer = base.args[0] if base.kind == PROJECT else base
            if computes(producer):
                found.append((producer, access))
    return found


def _choose_home(
    node: Node, operands: list[tuple[Node, Access]], homes: Mapping[Node, Home], rank: Mapping[Size, int], reads: Reads
) -> Home:
    loops = reads.domains.get(node)
    if loops is None or not loops.extents:
        return NO_HOME
    sizes = sorted({size for size in loops.extents if size in rank}, key=rank.__getitem__)
    if not sizes:
        return NO_HOME
    candidates = [i for i, size in enumerate(loops.extents) if size == sizes[0]]

    def merit(axis: int) -> tuple[int, bool, int]:
        followed = sum(_reads_slice(axis, sizes[0], base, access, homes, reads) for base, access in operands)
        return (-followed, axis in loops.reduced, axis)

    return Home(sizes[0], min(candidates, key=merit))


def _turn(home: Home, rank: Mapping[Size, int]) -> int:
    """When the kernel of a home runs within a level."""
    return 0 if home.size is None else len(rank) - rank[home.size]


def _same_slice(node: Node, producer: Node, access: Access, homes: Mapping[Node, Home], reads: Reads) -> bool:
    home = homes[node]
    if home.axis is None:
        return homes[producer].axis is None
    assert home.size is not None
    return _reads_slice(home.axis, home.size, producer, access, homes, reads)


def _reads_slice(
    axis: int, size: Size, producer: Node, access: Access, homes: Mapping[Node, Home], reads: Reads
) -> bool:
    """Whether an access reads its producer, streamed over `size`, at the very slice given by domain axis `axis`."""
    home = homes[producer]
    if home.size != size or producer.kind not in NESTED:
        return False
    position = stream_position(reads.domains[producer], home)
    return position is not None and access.map.indices[position].only_variable == axis


def stream_position(loops: Domain, home: Home) -> int | None:
    """The axis of the result that is streamed over; None where the result does not have it."""
    return loops.result.index(home.axis) if home.axis is not None and home.axis in loops.result else None


def _is_table(value: Node) -> bool:
    return len(value.types) == 1 and value.type.rank > 1


def _sink(
    order: list[Node],
    homes: Mapping[Node, Home],
    edges: Mapping[Node, list[Edge]],
    levels: dict[Node, int],
    reads: Reads,
) -> None:
    """Moves what is carried to the level of its first reader, so that it need not be kept across a barrier.

    What adds up computed tables stays with them: else they would have to be kept.
    """
    earliest: dict[Node, int] = {}
    for node in reversed(order):
        axis = homes[node].axis
        carried = node.kind in NESTED and (axis is None or axis in reads.domains[node].result)
        if carried and reads.domains[node].reduced:
            carried = not any(_is_table(edge.producer) for edge in edges[node] if not edge.barrier)
        if carried and node in earliest:
            levels[node] = max(levels[node], earliest[node])
        for edge in edges[node]:
            limit = levels[node] - edge.barrier
            earliest[edge.producer] = min(earliest.get(edge.producer, limit), limit)
