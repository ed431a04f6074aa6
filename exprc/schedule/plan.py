"""From a graph to a plan: the phases become kernels, what crosses them gets memory.

Owns the choice of block and chunk lengths and of buffers; must not know LLVM.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from exprc.ir.index import affine_constant
from exprc.ir.node import Node, toposort
from exprc.ir.op import CONTRACT
from exprc.ir.sizes import Size, constant, product
from exprc.ir.types import BYTES, I64
from exprc.schedule.access import NESTED, Place, Reads, computes, resolve
from exprc.schedule.bodies import Scope, copy_nest
from exprc.schedule.conditions import Watch, expectation, separate
from exprc.schedule.kernel import (
    ARGUMENT,
    LANES,
    RESULT,
    WORKSPACE,
    Buffer,
    Expect,
    Kernel,
    Plan,
    Requirement,
    Statement,
    Stream,
    buffers_in,
    cut,
)
from exprc.schedule.loops import special_statements
from exprc.schedule.nests import build_statements
from exprc.schedule.order import evaluation_order
from exprc.schedule.phases import NO_HOME, Phase, Phases, find_phases, rank_sizes, stream_position
from exprc.schedule.recompute import recomputed, with_light_values

PRODUCT_BLOCK, FLAT_BLOCK = 64, 1024
ROW_CHUNK, FLAT_CHUNK = 1024, 16384
MANY_KERNELS = 16
SHORTEST_BLOCK, MOST_TILE_BYTES = 64, 1 << 19
MOST_INSTRUCTIONS = 700  # of a kernel that runs once: code generation is superlinear in the size of a function


def make_plan(
    symbol: str,
    dims: tuple[str, ...],
    inputs: Sequence[tuple[str, Node]],
    outputs: Sequence[tuple[str, Node]],
    requirements: tuple[Requirement, ...] = (),
    lines: Mapping[Node, int] | None = None,
) -> Plan:
    """The plan of one function: `inputs` are leaves with the names of their buffers, `outputs` what it stores.

    `lines` gives the line of the program to which a fault of a node belongs.
    """
    roots = tuple(node for _, node in outputs)
    watched = separate(roots, toposort(roots))
    found, changed = recomputed((*watched.roots, *(watch.lowest for watch in watched.watches)))
    outputs = [(name, node) for (name, _), node in zip(outputs, found)]
    watches = [watch._replace(lowest=node) for watch, node in zip(watched.watches, found[len(outputs) :])]
    became = {node: watched.changed.get(node, node) for node in lines or {}}
    lines_now = {changed[new]: (lines or {})[node] for node, new in became.items() if new in changed}
    order = evaluation_order(found)
    reads, order = with_light_values(resolve(order), order, found)
    phases = find_phases(order, reads, rank_sizes(order, [node for _, node in inputs], reads))
    builder = _Builder(inputs, outputs, reads, phases, lines_now, watches)
    kernels = tuple(builder.kernels())
    return Plan(symbol, dims, requirements, builder.arguments, builder.results, builder.all_workspace(), kernels)


def beginning(plan: Plan, symbol: str, result: str) -> Plan | None:
    """The function of one result as the first kernels of a long plan that has it among others, so that they are there
    once; None where the plan is not long, or its kernels do not come to that result first."""
    if len(plan.kernels) < MANY_KERNELS or any(kernel.stream or kernel.accumulators for kernel in plan.kernels):
        return None
    writing = [number for number, kernel in enumerate(plan.kernels, 1) if result in buffers_in(kernel.body)]
    kernels = plan.kernels[: writing[0]]
    others = {buffer.name for buffer in plan.results if buffer.name != result}
    if any(others & buffers_in(kernel.body) for kernel in kernels):
        return None
    if any(isinstance(statement, Expect) for kernel in plan.kernels[len(kernels) :] for statement in kernel.body):
        return None  # a condition on what these compute is looked at later
    results = tuple(buffer for buffer in plan.results if buffer.name == result)
    return plan._replace(symbol=symbol, results=results, kernels=kernels)


class _Builder:
    """Buffers declared so far, and where the values of the graph are stored."""

    def __init__(
        self,
        inputs: Sequence[tuple[str, Node]],
        outputs: Sequence[tuple[str, Node]],
        reads: Reads,
        phases: Phases,
        lines: Mapping[Node, int],
        watches: Sequence[Watch],
    ) -> None:
        self.lines = lines
        self.reads = reads
        self.phases = phases
        self.workspace: list[Buffer] = []
        self.counts: dict[str, int] = {}
        self.slots: dict[str, int] = {}  # how many scalars of each dtype share a buffer
        self.arguments = tuple(Buffer(name, node.dtype, node.shape, ARGUMENT) for name, node in inputs)
        self.results = tuple(Buffer(name, node.dtype, node.shape, RESULT) for name, node in outputs)
        self.places: dict[Node, Place] = {node: Place(name) for name, node in inputs}
        self.targets: dict[Node, list[Place]] = {}
        self.copies: list[tuple[Node, Place]] = []
        for name, node in outputs:
            if _stores_itself(node, self.targets, reads, phases):
                self.targets.setdefault(node, []).append(Place(name))
            else:
                self.copies.append((node, Place(name)))
        self.buffers = {buffer.name: buffer for buffer in (*self.arguments, *self.results)}
        self.long_sizes = _long_sizes(inputs)
        self.watches = watches
        for watch in watches:
            if watch.lowest not in self.targets:
                self.targets[watch.lowest] = [Place(self.new_buffer("w", I64, (), WORKSPACE).name)]

    def kernels(self) -> list[Kernel]:
        crossing = self._crossing()
        for node in (node for phase in self.phases.phases for node in phase.nodes):
            if node in crossing and node.kind in NESTED and node not in self.targets:
                buffer = self.new_buffer("w", node.dtype, node.shape, WORKSPACE)
                self.targets[node] = [Place(buffer.name)]
        found = [k for number, phase in enumerate(self.phases.phases) for k in self._kernels(number, phase, crossing)]
        if self.copies:
            scope = self._scope(None)
            accesses = self.reads.accesses
            body: list[Statement] = [copy_nest(accesses[n], n.shape, place, scope) for n, place in self.copies]
            found.append(Kernel("copy_results", None, (), (), tuple(body)))
        if self.watches:
            expected = tuple(expectation(watch, self.targets[watch.lowest][0]) for watch in self.watches)
            found.append(Kernel("conditions", None, (), (), expected))
        return found

    def new_buffer(self, prefix: str, dtype: str, shape: tuple[Size, ...], space: str) -> Buffer:
        """Declares memory under a fresh name."""
        number = self.counts.get(prefix, 0)
        self.counts[prefix] = number + 1
        buffer = Buffer(f"{prefix}{number}", dtype, shape, space)
        self.buffers[buffer.name] = buffer
        if space == WORKSPACE:
            self.workspace.append(buffer)
        return buffer

    def new_slot(self, dtype: str) -> Place:
        """A place for one scalar: an entry of a buffer that all of its dtype share, since each buffer costs code."""
        number = self.slots.get(dtype, 0)
        self.slots[dtype] = number + 1
        return Place(f"scalars_{dtype}", (affine_constant(number),))

    def all_workspace(self) -> tuple[Buffer, ...]:
        """The buffers of the workspace, when all that needs memory has it."""
        shared = [Buffer(f"scalars_{dtype}", dtype, (constant(n),), WORKSPACE) for dtype, n in self.slots.items()]
        return (*self.workspace, *shared)

    def _scope(self, stream: Stream | None) -> Scope:
        return Scope(
            self.reads, self.phases.homes, self.places, self.targets, stream, self.new_buffer, self.new_slot,
            special_statements, self.lines, self.buffers, self.long_sizes,
        )  # fmt: skip

    def _kernels(self, number: int, phase: Phase, crossing: frozenset[Node]) -> list[Kernel]:
        """The kernel of a phase; one that runs once is cut into several where it is long, since each is a function."""
        stream = _stream(phase, self.reads) if phase.size is not None else None
        scope = self._scope(stream)
        body = build_statements(phase.nodes, scope, crossing)
        name = f"kernel{number}"
        if stream is not None:
            axes = {place.buffer: _row_axis(place, stream.start) for place in self.places.values()}
            stream, tiles = _fitted(stream, scope.tiles, axes)
            return [Kernel(name, stream, tiles, tuple(scope.accumulators), tuple(body))]
        parts = cut(tuple(body), MOST_INSTRUCTIONS)
        return [Kernel(f"{name}_{k}" if len(parts) > 1 else name, None, (), (), part) for k, part in enumerate(parts)]

    def _crossing(self) -> frozenset[Node]:
        """The nodes whose values are read in another kernel than the one that makes them, or returned."""
        kernel_of = {node: number for number, phase in enumerate(self.phases.phases) for node in phase.nodes}
        found: set[Node] = set(self.targets)
        for node, number in kernel_of.items():
            maps = self.reads.sources(node)
            found.update(a.base for a in maps if isinstance(a.base, Node) and kernel_of.get(a.base, number) != number)
            if node.kind in NESTED and _reduces_stream(node, self.reads, self.phases):
                found.add(node)
        for node, _ in self.copies:
            base = self.reads.accesses[node].base
            if isinstance(base, Node):
                found.add(base)
        return frozenset(node for node in found if computes(node) or node in self.targets)


def _long_sizes(inputs: Sequence[tuple[str, Node]]) -> tuple[Size, ...]:
    """The sizes of which there may be very many: the first axes of data and of what is declared first."""
    data = [node for _, node in inputs if node.shape and node.attrs[1] == "input"]
    first = [node for _, node in inputs if node.shape][:1]
    return tuple(s for s in dict.fromkeys(node.shape[0] for node in (*data, *first)) if s.constant is None)


def _row_axis(place: Place, start: str) -> int | None:
    """The axis of a tile along the rows of the block."""
    return next((position for position, variable in place.blocks if variable == start), None)


def _fitted(
    stream: Stream, tiles: Sequence[Buffer], axes: Mapping[str, int | None]
) -> tuple[Stream, tuple[Buffer, ...]]:
    """Stream and tiles with a block so short that very many tiles fit the cache; `axes` are those along the block."""
    block = stream.block
    blocked = [tile for tile in tiles if axes.get(tile.name) is not None]
    sizes = [(product(tile.shape) * BYTES[tile.dtype]).constant or 0 for tile in blocked]
    while sum(sizes) // stream.block * block > MOST_TILE_BYTES and block > SHORTEST_BLOCK:
        block //= 2
    if block == stream.block:
        return stream, tuple(tiles)
    fitted = []
    for tile in tiles:
        along = axes.get(tile.name)
        shape = tuple(constant(block) if at == along else size for at, size in enumerate(tile.shape))
        fitted.append(tile._replace(shape=shape))
    return stream._replace(block=block), tuple(fitted)


def _stores_itself(node: Node, targets: dict[Node, list[Place]], reads: Reads, phases: Phases) -> bool:
    """Whether the node's own kernel can store it into a result: else it is copied there at the end."""
    if node.kind in NESTED:
        return node not in targets or not _reduces_stream(node, reads, phases)
    producer = node.args[0] if node.kind == "project" else node
    return computes(producer) and node not in targets


def _reduces_stream(node: Node, reads: Reads, phases: Phases) -> bool:
    home = phases.homes.get(node, NO_HOME)
    return home.axis is not None and stream_position(reads.domains[node], home) is None


def _stream(phase: Phase, reads: Reads) -> Stream:
    """Long blocks where a row is one entry; else short ones, which are read again while the nearest cache has them.

    That is one row for each lane: with fewer, lanes would be empty.  More where matrices are multiplied, since each
    block reads the whole of the other factor.
    """
    assert phase.size is not None
    nested = [node for node in phase.nodes if node.kind in NESTED]
    if all(len(reads.domains[node].extents) <= 1 for node in phase.nodes):
        return Stream(phase.size, "row", "rows", FLAT_BLOCK, FLAT_CHUNK)
    multiplies = any(node.kind == CONTRACT and len(reads.domains[node].extents) > 2 for node in nested)
    block = PRODUCT_BLOCK if multiplies else min((LANES[node.dtype] for node in nested), default=PRODUCT_BLOCK)
    return Stream(phase.size, "row", "rows", block, ROW_CHUNK)
