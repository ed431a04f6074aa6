"""Nests: the nodes of one phase grouped into loop nests, and their bodies written as kernel instructions.

Nodes of the same domain share a nest where nothing lies between them; what another nest reads goes through a tile (or
through its full buffer where it has one).  Works on kinds and axes; must not know LLVM.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from exprc.ir.index import Affine, Guard, IndexMap, axis
from exprc.ir.node import Node
from exprc.ir.op import CONTRACT, ELEMENTWISE, PROJECT, REDUCE
from exprc.ir.sizes import Size, constant
from exprc.ir.types import BOOL, FLOATS
from exprc.ops import TABLE, leaves
from exprc.schedule.access import NESTED, Access, Domain, Place, Reads, rename
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
)
from exprc.schedule.phases import Home, stream_position
from exprc.schedule.vectors import choose_vector

NO_LOOPS = Domain((), (), frozenset())
BODY_LIMIT = 400  # the cost of a body, which is about its instructions: code generation is superlinear in them
AXIS_NAMES = "ijklmnopqr"


class GroupKey(NamedTuple):
    """What nodes of one nest have in common; `reduced` is set by the first reduction that joins."""

    step: int
    extents: tuple[Size, ...]
    stream_axis: int | None
    own: int  # contractions keep to themselves: the number of the node, else -1


@dataclass(slots=True)
class Group:
    """A nest in the making."""

    key: GroupKey
    nodes: list[Node] = field(default_factory=list)
    reduced: frozenset[int] = frozenset()
    cost: int = 0


@dataclass(slots=True)
class Scope:
    """What is known while the statements of one kernel, or of one loop body, are made.

    `places` says where values are stored, `reads` how each value is read, `targets` where values must be stored
    (first the place that other readers use).  `new_buffer` declares memory, `new_slot` a place for one scalar.
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
    accumulators: list[Accumulator] = field(default_factory=list)
    tiles: list[Buffer] = field(default_factory=list)
    depth: int = 0


def build_statements(nodes: Sequence[Node], scope: Scope, read_outside: frozenset[Node]) -> list[Statement]:
    """The statements that compute `nodes` (topological order) and store what others read.

    `read_outside` are the nodes whose values are needed after these statements; they have targets.
    """
    edges = {node: _edges(node, scope) for node in nodes}
    steps = _assign_steps(nodes, edges)
    groups = _group(nodes, steps, scope)
    needed = _needed_in_memory(groups, edges)
    statements: list[Statement] = []
    for group in groups:
        if group.nodes[0].kind not in NESTED:
            for node in group.nodes:
                statements.extend(scope.special(node, scope))
            continue
        for node in group.nodes:
            _place(node, node in needed or node in read_outside, scope)
        statements.append(_emit(group, scope))
    return statements


class Edge(NamedTuple):
    """How a node reads a computed value: that of `base`, made by `producer`, in registers where it is at hand."""

    base: Node
    producer: Node
    in_registers: bool


def _edges(node: Node, scope: Scope) -> list[Edge]:
    found = []
    for access in scope.reads.operands[node]:
        base = access.base
        if isinstance(base, Node):
            producer = base.args[0] if base.kind == PROJECT else base
            found.append(Edge(base, producer, _in_registers(node, base, access, scope)))
    return found


def _in_registers(node: Node, base: Node, access: Access, scope: Scope) -> bool:
    """Whether an elementwise value of the same domain is read at the same point."""
    if base.kind != ELEMENTWISE or node.kind not in (ELEMENTWISE, REDUCE) or base not in scope.homes:
        return False
    own, other = scope.reads.domains[node], scope.reads.domains[base]
    if own.extents != other.extents or scope.homes[node].axis != scope.homes[base].axis:
        return False
    return all(index.only_variable == i for i, index in enumerate(access.map.indices))


def _assign_steps(nodes: Sequence[Node], edges: Mapping[Node, list[Edge]]) -> dict[Node, int]:
    """The step of each node within the phase: as early as its operands allow, then as late as its readers do."""
    steps: dict[Node, int] = {}
    for node in nodes:
        inside = [edge for edge in edges[node] if edge.producer in steps]
        steps[node] = max([steps[edge.producer] + (not edge.in_registers) for edge in inside], default=0)
    latest: dict[Node, int] = {}
    for node in reversed(nodes):
        if node.kind == ELEMENTWISE and node in latest:
            steps[node] = max(steps[node], latest[node])
        for edge in edges[node]:
            limit = steps[node] - (not edge.in_registers)
            latest[edge.producer] = min(latest.get(edge.producer, limit), limit)
    return steps


def _group(nodes: Sequence[Node], steps: Mapping[Node, int], scope: Scope) -> list[Group]:
    """Groups in the order in which they run; a reduction that does not fit its operand's nest gets a later one."""
    open_groups: dict[GroupKey, Group] = {}
    finished: list[Group] = []
    for number, node in enumerate(nodes):
        loops = scope.reads.domains.get(node, NO_LOOPS)
        own = -1 if node.kind in (ELEMENTWISE, REDUCE) else number
        key = GroupKey(steps[node], loops.extents, scope.homes[node].axis, own)
        group = open_groups.get(key)
        if group is not None and node.kind == REDUCE and group.reduced and group.reduced != loops.reduced:
            key = key._replace(own=-2 - _bits(loops.reduced))
            group = open_groups.get(key)
        if group is None or group.cost >= BODY_LIMIT:
            group = Group(key)
            open_groups[key] = group
            finished.append(group)
        group.nodes.append(node)
        group.cost += max(1, 2 * node.op.cost)
        group.reduced = group.reduced or loops.reduced
    return sorted(finished, key=lambda g: (g.key.step, g.key.own < -1))


def _bits(axes: frozenset[int]) -> int:
    return sum(1 << i for i in axes)


def _needed_in_memory(groups: list[Group], edges: Mapping[Node, list[Edge]]) -> set[Node]:
    """The nodes that are read by another nest, or other than at the same point."""
    member = {node: number for number, group in enumerate(groups) for node in group.nodes}
    return {
        edge.base
        for number, group in enumerate(groups)
        for node in group.nodes
        for edge in edges[node]
        if edge.base in member and not (edge.in_registers and member[edge.base] == number)
    }


def _place(node: Node, needed: bool, scope: Scope) -> None:
    """Gives a node that has to be stored its place: its first target, else a tile (or a whole buffer)."""
    if node in scope.places or not needed:
        return
    if scope.targets.get(node):
        scope.places[node] = scope.targets[node][0]
        return
    shape = node.shape
    if not shape and not scope.stream:
        scope.places[node] = scope.new_slot(node.dtype)
        return
    position = stream_position(scope.reads.domains[node], scope.homes[node]) if scope.stream else None
    if scope.stream is not None and position is not None:
        shape = (*shape[:position], constant(scope.stream.block), *shape[position + 1 :])
    buffer = scope.new_buffer("t", node.dtype, shape, TILE if scope.stream else WORKSPACE)
    if scope.stream:
        scope.tiles.append(buffer)
    scope.places[node] = Place(buffer.name, (), position)


class _Body:
    """The instructions of one nest; equal instructions are made once."""

    def __init__(self, scope: Scope, names: Mapping[int, Affine], stream_name: str) -> None:
        self.scope = scope
        self.names = names
        self.stream_name = stream_name
        self.instructions: list[Instruction] = []
        self.numbers: dict[object, int] = {}
        self.values: dict[Node, int] = {}

    def add(self, instruction: Instruction) -> int:
        key = (type(instruction), instruction if not isinstance(instruction, Constant) else repr(instruction))
        if key not in self.numbers:
            self.numbers[key] = len(self.instructions)
            self.instructions.append(instruction)
        return self.numbers[key]

    def read(self, access: Access) -> int:
        base = access.base
        if isinstance(base, Node) and base in self.values and base.kind == ELEMENTWISE:
            return self.values[base]
        if isinstance(base, Node) and base.op in leaves.INLINE:
            return self._inline(base, access.map)
        place = base if isinstance(base, Place) else self.scope.places[base]
        indices, guards = rename(access.map, self.names)
        return self.add(Load(place.buffer, self.index(place, indices), guards, access.dtype))

    def index(self, place: Place, indices: tuple[Affine, ...]) -> tuple[Affine, ...]:
        """Indices into a place, counted from the block's first row where it is a tile."""
        if place.block_axis is not None and self.scope.stream is not None:
            own = indices[place.block_axis].plus(axis(self.scope.stream.start), constant(-1))
            indices = (*indices[: place.block_axis], own, *indices[place.block_axis + 1 :])
        return place.prefix + indices

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


def _emit(group: Group, scope: Scope) -> Nest:
    loops = scope.reads.domains[group.nodes[0]]
    names = {i: AXIS_NAMES[i] if i < len(AXIS_NAMES) else f"i{i}" for i in range(len(loops.extents))}
    absolute = {i: axis(name) for i, name in names.items()}
    stream_axis = group.key.stream_axis if scope.stream else None
    extents = {name: Affine((), loops.extents[i]) for i, name in names.items()}
    if stream_axis is not None and scope.stream is not None:
        absolute[stream_axis] = axis(scope.stream.start).plus(axis(names[stream_axis]))
        extents[names[stream_axis]] = axis(scope.stream.rows)
    body = _Body(scope, absolute, names[stream_axis] if stream_axis is not None else "")
    writes: list[Write] = []
    for node in group.nodes:
        body.values[node] = _compute(node, body)
        writes.extend(_writes(node, body, group, scope))
    reduced = frozenset(names[i] for i in group.reduced)
    ordered = [names[i] for i in names if i not in group.reduced] + [names[i] for i in sorted(group.reduced)]
    panel = PRODUCT_PANEL if group.nodes[0].kind == CONTRACT else SUM_PANEL
    nest = Nest(
        tuple(Axis(name, extents[name]) for name in ordered),
        reduced,
        tuple(body.instructions),
        tuple(writes),
        panel=panel,
    )
    return choose_vector(nest)


def _compute(node: Node, body: _Body) -> int:
    numbers = tuple([body.read(access) for access in body.scope.reads.operands[node]])
    if node.kind == ELEMENTWISE:
        return body.add(Apply(node.op, node.attrs, numbers, node.dtype))
    if node.kind == CONTRACT:
        return body.apply("mul", numbers, node.dtype)
    value = numbers[0]
    if node.dtype != node.args[0].dtype:
        value = body.add(Apply(TABLE["cast"], (node.dtype,), (value,), node.dtype))
    return value


def _writes(node: Node, body: _Body, group: Group, scope: Scope) -> list[Write]:
    """What a node stores: nothing, a value at each point, or a reduction."""
    place = scope.places.get(node)
    if place is None:
        return []
    loops = scope.reads.domains[node]
    combine = "add" if node.kind == CONTRACT else node.op.combine
    own = tuple(body.names[i] for i in loops.result)
    if scope.stream is not None and group.key.stream_axis in loops.reduced:
        assert node.kind in (REDUCE, CONTRACT)
        dtype = "f64" if node.type.is_float and combine in ("add", "mul") else node.dtype
        buffer = scope.new_buffer("a", dtype, node.shape, ACCUMULATOR)
        scope.accumulators.append(Accumulator(buffer, combine, place.buffer))
        return [Write(buffer.name, own, body.values[node], combine, accumulate=True)]
    places = [place, *(p for p in scope.targets.get(node, ()) if p != place)]
    return [
        Write(p.buffer, body.index(p, own), body.values[node], combine if node.kind != ELEMENTWISE else "")
        for p in places
    ]


def copy_nest(access: Access, shape: tuple[Size, ...], place: Place, scope: Scope) -> Nest:
    """Stores a value that needs no computing (an argument, a view, a constant) into a place."""
    names = {i: axis(AXIS_NAMES[i]) for i in range(len(shape))}
    body = _Body(scope, names, "")
    number = body.read(access)
    axes = tuple(Axis(AXIS_NAMES[i], Affine((), size)) for i, size in enumerate(shape))
    write = Write(place.buffer, place.prefix + tuple(names.values()), number)
    return choose_vector(Nest(axes, frozenset(), tuple(body.instructions), (write,)))
