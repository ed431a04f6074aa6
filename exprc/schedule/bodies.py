"""Nests written out: the nodes of one group as loops around kernel instructions, and where values are stored.

Reads go through places; what is read is an argument, a buffer of the plan, or a tile that holds a block.  Works on
kinds and axes; must not know which nodes share a nest, nor LLVM.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from exprc.ir.index import Affine, IndexMap, axis
from exprc.ir.node import Node
from exprc.ir.op import CONTRACT, ELEMENTWISE, REDUCE
from exprc.ir.sizes import Size, constant
from exprc.ir.types import BOOL, FLOATS
from exprc.ops import TABLE, leaves
from exprc.schedule.access import Access, Domain, Place, Reads, rename
from exprc.schedule.blocks import PAIR_BLOCK, ROWS, START, Inner
from exprc.schedule.kernel import (
    ACCUMULATOR,
    PRODUCT_PANEL,
    SUM_PANEL,
    TILE,
    WORKSPACE,
    Accumulator,
    Apply,
    Axis,
    Buffer,
    Constant,
    Holds,
    IndexValue,
    Instruction,
    Load,
    Nest,
    Statement,
    Stream,
    Write,
    neutral,
    running_dtype,
)
from exprc.schedule.phases import Home, stream_position
from exprc.schedule.vectors import choose_vector

AXIS_NAMES = "ijklmnopqr"


@dataclass(slots=True)
class Scope:
    """What is known while the statements of one kernel, or of one loop body, are made.

    `places` says where values are stored, `reads` how each value is read, `targets` where values must be stored
    (first the place that other readers use).  `new_buffer` declares memory, `new_slot` a place for one scalar.
    `inner` is the second axis along which statements run in blocks; `long_sizes` are those that call for it.
    """

    reads: Reads
    homes: Mapping[Node, Home]
    places: dict[Node, Place]
    targets: Mapping[Node, list[Place]]
    stream: Stream | None
    new_buffer: Callable[[str, str, tuple[Size, ...], str], Buffer]
    new_slot: Callable[[str], Place]
    special: Callable[[Node, Scope], list[Statement]]
    lines: Mapping[Node, int]
    buffers: Mapping[str, Buffer]
    long_sizes: tuple[Size, ...] = ()
    accumulators: list[Accumulator] = field(default_factory=list)
    tiles: list[Buffer] = field(default_factory=list)
    depth: int = 0
    inner: Inner | None = None
    turned: dict[str, Buffer] = field(default_factory=dict)

    def inner_axis(self, node: Node) -> int | None:
        """The axis of a node's domain along which it is computed in blocks, besides that of the stream."""
        return self.inner.axes.get(node) if self.inner else None

    def new_tile(self, dtype: str, shape: tuple[Size, ...]) -> Buffer:
        """Memory for one block of the kernel."""
        buffer = self.new_buffer("t", dtype, shape, TILE)
        self.tiles.append(buffer)
        return buffer


# ---- places


def place_node(node: Node, needed: bool, leaves_block: bool, scope: Scope) -> None:
    """Gives a node that has to be stored its place: its first target, else a tile (or a whole buffer).

    One that `leaves_block` is read after the loop over blocks along the second axis.
    """
    if node in scope.places or not needed or adds_up(node, scope):
        return
    if scope.targets.get(node):
        scope.places[node] = scope.targets[node][0]
        return
    shape = node.shape
    if not scope.stream:
        if not shape:
            scope.places[node] = scope.new_slot(node.dtype)
        else:
            scope.places[node] = Place(scope.new_buffer("w", node.dtype, shape, WORKSPACE).name)
        return
    loops = scope.reads.domains[node]
    blocks = []
    position = stream_position(loops, scope.homes[node])
    if position is not None:
        blocks.append((position, scope.stream.start, scope.stream.block))
    second = scope.inner_axis(node)
    if second is not None and second in loops.result and not leaves_block:
        blocks.append((loops.result.index(second), START, PAIR_BLOCK))
    for position, _, block in blocks:
        shape = (*shape[:position], constant(block), *shape[position + 1 :])
    buffer = scope.new_tile(node.dtype, shape)
    scope.places[node] = Place(buffer.name, (), tuple((position, start) for position, start, _ in blocks))


def adds_up(node: Node, scope: Scope) -> bool:
    """Whether a node combines what the blocks along the second axis give, for each row of the stream."""
    second = scope.inner_axis(node)
    if second is None or second not in scope.reads.domains[node].reduced:
        return False
    return scope.homes[node].axis not in scope.reads.domains[node].reduced


def open_sum(node: Node, scope: Scope) -> Nest:
    """The nest that starts what a node adds up: a tile of its own, f64 for sums of floats."""
    assert scope.stream is not None
    dtype = running_dtype(_combine(node), node.dtype)
    position = stream_position(scope.reads.domains[node], scope.homes[node])
    assert position is not None
    shape = (*node.shape[:position], constant(scope.stream.block), *node.shape[position + 1 :])
    tile = scope.new_tile(dtype, shape)
    scope.places[node] = Place(tile.name, (), ((position, scope.stream.start),))
    start = neutral(_combine(node), dtype)
    value = Constant(float(start) if dtype in FLOATS else start, dtype)
    names, extents = _block_axes(node, position, scope)
    write = Write(tile.name, tuple(map(axis, names)), 0)
    return choose_vector(Nest(tuple(map(Axis, names, extents)), frozenset(), (value,), (write,)))


def close_sum(node: Node, scope: Scope) -> Nest | None:
    """The nest that stores into its targets what a node has added up, where it is read from then on."""
    targets = scope.targets.get(node, ())
    if not targets:
        return None
    place = scope.places[node]
    ((position, _),) = place.blocks
    names, extents = _block_axes(node, position, scope)
    body = Body(scope, {})
    index = tuple(map(axis, names))
    dtype = scope.buffers[place.buffer].dtype
    number = body.converted(body.add(Load(place.buffer, index, (), dtype)), dtype, node.dtype)
    assert scope.stream is not None
    first = axis(scope.stream.start)
    outside = tuple(first.plus(index[i]) if i == position else index[i] for i in range(len(index)))
    scope.places[node] = targets[0]
    writes = tuple(Write(target.buffer, target.prefix + outside, number) for target in targets)
    return choose_vector(Nest(tuple(map(Axis, names, extents)), frozenset(), tuple(body.instructions), writes))


def _block_axes(node: Node, position: int, scope: Scope) -> tuple[list[str], list[Affine]]:
    assert scope.stream is not None
    names = [_axis_name(i) for i in range(len(node.shape))]
    rows = axis(scope.stream.rows)
    return names, [rows if i == position else Affine((), size) for i, size in enumerate(node.shape)]


def _axis_name(number: int) -> str:
    return AXIS_NAMES[number] if number < len(AXIS_NAMES) else f"i{number}"


def _combine(node: Node) -> str:
    return "add" if node.kind == CONTRACT else node.op.combine


# ---- bodies


class Body:
    """The instructions of one nest; equal instructions are made once."""

    def __init__(self, scope: Scope, names: Mapping[int, Affine]) -> None:
        self.scope = scope
        self.names = names
        self.instructions: list[Instruction] = []
        self.numbers: dict[object, int] = {}
        self.values: dict[Node, int] = {}

    def add(self, instruction: Instruction) -> int:
        """The number of an instruction."""
        key = (type(instruction), instruction if not isinstance(instruction, Constant) else repr(instruction))
        if key not in self.numbers:
            self.numbers[key] = len(self.instructions)
            self.instructions.append(instruction)
        return self.numbers[key]

    def read(self, access: Access) -> int:
        """The value that an access reads: at hand, made here, or loaded."""
        base = access.base
        if isinstance(base, Node) and base in self.values and base.kind == ELEMENTWISE:
            return self.values[base]
        if isinstance(base, Node) and base.op in leaves.INLINE:
            return self._inline(base, access.map)
        if base in self.scope.reads.light and self._is_here(access.map):
            assert isinstance(base, Node)
            self.values[base] = _compute(base, self)
            return self.values[base]
        place = base if isinstance(base, Place) else self.scope.places[base]
        indices, guards = rename(access.map, self.names)
        known = self.scope.buffers.get(place.buffer)
        dtype = known.dtype if known and known.space == TILE else access.dtype
        number = self.add(Load(place.buffer, self.index(place, indices), guards, dtype))
        return self.converted(number, dtype, access.dtype)

    def _is_here(self, map_: IndexMap) -> bool:
        """Whether a value of the nest's own domain is read at the point at hand."""
        same = all(index.only_variable == i for i, index in enumerate(map_.indices))
        return same and len(map_.indices) == len(self.names) and not map_.guards

    def converted(self, number: int, dtype: str, wanted: str) -> int:
        """A value as another dtype."""
        return number if dtype == wanted else self.add(Apply(TABLE["cast"], (wanted,), (number,), wanted))

    def index(self, place: Place, indices: tuple[Affine, ...]) -> tuple[Affine, ...]:
        """Indices into a place, counted from the first entries of the blocks that a tile holds."""
        own = list(indices)
        for position, start in place.blocks:
            own[position] = own[position].plus(axis(start), constant(-1))
        return place.prefix + tuple(own)

    def _inline(self, leaf: Node, map_: IndexMap) -> int:
        indices, guards = rename(map_, self.names)
        if leaf.op is leaves.CONSTANT:
            number = self.add(Constant(leaf.attrs[1], leaf.attrs[0]))
        elif leaf.op is leaves.SIZE:
            number = self.add(IndexValue(Affine((), leaf.attrs[0])))
        else:
            number = self.add(IndexValue(indices[leaf.attrs[1]]))
        if not guards:
            return number
        inside = self.add(Holds(guards))
        if self.instructions[number] == Constant(True, BOOL):
            return inside
        nothing = Constant(0.0 if leaf.dtype in FLOATS else False if leaf.dtype == BOOL else 0, leaf.dtype)
        return self.apply("where", (inside, number, self.add(nothing)), leaf.dtype)

    def apply(self, name: str, arguments: tuple[int, ...], dtype: str) -> int:
        """An operation of the table on earlier instructions."""
        return self.add(Apply(TABLE[name], (), arguments, dtype))


def write_nest(nodes: Sequence[Node], reduced_axes: frozenset[int], scope: Scope) -> Nest:
    """The nest of nodes that share a domain; `reduced_axes` are those that its reductions reduce."""
    loops = scope.reads.domains[nodes[0]]
    stream_axis = scope.homes[nodes[0]].axis if scope.stream else None
    second = scope.inner_axis(nodes[0])
    names = {i: _axis_name(i) for i in range(len(loops.extents))}
    absolute = {i: axis(name) for i, name in names.items()}
    extents = {name: Affine((), loops.extents[i]) for i, name in names.items()}
    if stream_axis is not None and scope.stream is not None:
        absolute[stream_axis] = axis(scope.stream.start).plus(axis(names[stream_axis]))
        extents[names[stream_axis]] = axis(scope.stream.rows)
    if second is not None:
        absolute[second] = axis(START).plus(axis(names[second]))
        extents[names[second]] = axis(ROWS)
    body = Body(scope, absolute)
    writes: list[Write] = []
    for node in nodes:
        body.values[node] = _compute(node, body)
        writes.extend(_writes(node, body, stream_axis, loops, scope))
    reduced = frozenset(names[i] for i in reduced_axes)
    ordered = [names[i] for i in names if i not in reduced_axes] + [names[i] for i in sorted(reduced_axes)]
    nest = Nest(
        tuple(Axis(name, extents[name]) for name in ordered),
        reduced,
        tuple(body.instructions),
        tuple(writes),
        panel=PRODUCT_PANEL if nodes[0].kind == CONTRACT else SUM_PANEL,
    )
    if second is None:
        return choose_vector(nest)
    return choose_vector(_turned(nest, names[second], scope), names[second])


def _compute(node: Node, body: Body) -> int:
    numbers = tuple([body.read(access) for access in body.scope.reads.operands[node]])
    if node.kind == ELEMENTWISE:
        return body.add(Apply(node.op, node.attrs, numbers, node.dtype))
    if node.kind == CONTRACT:
        return body.apply("mul", numbers, node.dtype)
    return body.converted(numbers[0], node.args[0].dtype, node.dtype)


def _writes(node: Node, body: Body, stream_axis: int | None, loops: Domain, scope: Scope) -> list[Write]:
    """What a node stores: nothing, a value at each point, or a reduction."""
    place = scope.places.get(node)
    if place is None:
        return []
    own_loops = scope.reads.domains[node]
    own = tuple(body.names[i] for i in own_loops.result)
    if scope.stream is not None and stream_axis in own_loops.reduced:
        assert node.kind in (REDUCE, CONTRACT)
        dtype = running_dtype(_combine(node), node.dtype)
        buffer = scope.new_buffer("a", dtype, node.shape, ACCUMULATOR)
        scope.accumulators.append(Accumulator(buffer, _combine(node), place.buffer))
        return [Write(buffer.name, own, body.values[node], _combine(node), accumulate=True)]
    if adds_up(node, scope):
        return [Write(place.buffer, body.index(place, own), body.values[node], _combine(node), accumulate=True)]
    places = [place, *(p for p in scope.targets.get(node, ()) if p != place)]
    return [
        Write(p.buffer, body.index(p, own), body.values[node], _combine(node) if node.kind != ELEMENTWISE else "")
        for p in places
    ]


def copy_nest(access: Access, shape: tuple[Size, ...], place: Place, scope: Scope) -> Nest:
    """Stores a value that needs no computing (an argument, a view, a constant) into a place."""
    names = {i: axis(_axis_name(i)) for i in range(len(shape))}
    body = Body(scope, names)
    number = body.read(access)
    axes = tuple(Axis(_axis_name(i), Affine((), size)) for i, size in enumerate(shape))
    write = Write(place.buffer, place.prefix + tuple(names.values()), number)
    return choose_vector(Nest(axes, frozenset(), tuple(body.instructions), (write,)))


# ---- turned tables


def _turned(nest: Nest, second: str, scope: Scope) -> Nest:
    """The nest with tables of which it reads rows, one for each entry of the second axis, read from turned copies."""
    body = tuple(_load_turned(i, nest, second, scope) if isinstance(i, Load) else i for i in nest.body)
    return nest._replace(body=body)


def _load_turned(load: Load, nest: Nest, second: str, scope: Scope) -> Load:
    """A load that runs along the second axis in steps, from a tile in which the steps are single entries."""
    buffer = scope.buffers[load.buffer]
    along = axis(START).plus(axis(second))
    if len(load.index) != 2 or load.guards or buffer.space == TILE or load.index[0] != along:
        return load
    other = load.index[1].only_variable
    if not any(a.name == other and a.extent == Affine((), buffer.shape[1]) for a in nest.axes):
        return load
    if load.buffer not in scope.turned:
        scope.turned[load.buffer] = scope.new_tile(load.dtype, (buffer.shape[1], constant(PAIR_BLOCK)))
    return Load(scope.turned[load.buffer].name, (load.index[1], axis(second)), (), load.dtype)


def turning_nests(scope: Scope) -> list[Nest]:
    """What fills the turned copies of a block."""
    found = []
    for name, tile in scope.turned.items():
        axes = (Axis("i", axis(ROWS)), Axis("j", Affine((), tile.shape[0])))
        load = Load(name, (axis(START).plus(axis("i")), axis("j")), (), tile.dtype)
        write = Write(tile.name, (axis("j"), axis("i")), 0)
        found.append(Nest(axes, frozenset(), (load,), (write,), "j"))
    return found
