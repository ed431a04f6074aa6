"""Nests: the nodes of one phase grouped into loop nests.

Nodes of the same domain share a nest where nothing lies between them; what another nest reads goes through a tile (or
through its full buffer where it has one).  Works on kinds and axes; must not know instructions or LLVM.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from exprc.ir.index import Affine
from exprc.ir.node import Node
from exprc.ir.op import ELEMENTWISE, PROJECT, REDUCE
from exprc.ir.sizes import Size
from exprc.schedule.access import NESTED, Access, Domain
from exprc.schedule.blocks import PAIR_BLOCK, ROWS, START, Part, parts_of
from exprc.schedule.bodies import (
    Scope,
    adds_up,
    close_sum,
    open_sum,
    place_node,
    turning_nests,
    write_nest,
)
from exprc.schedule.kernel import Loop, Statement

NO_LOOPS = Domain((), (), frozenset())
BODY_LIMIT = 400  # the cost of a body, which is about its instructions: code generation is superlinear in them


class GroupKey(NamedTuple):
    """What nodes of one nest have in common; `reduced` is set by the first reduction that joins."""

    step: int
    extents: tuple[Size, ...]
    stream_axis: int | None
    inner_axis: int | None
    own: int  # contractions keep to themselves: the number of the node, else -1


@dataclass(slots=True)
class Group:
    """A nest in the making."""

    key: GroupKey
    nodes: list[Node] = field(default_factory=list)
    reduced: frozenset[int] = frozenset()
    made: set[Node] = field(default_factory=set)
    cost: int = 0


def build_statements(nodes: Sequence[Node], scope: Scope, read_outside: frozenset[Node]) -> list[Statement]:
    """The statements that compute `nodes` (topological order) and store what others read.

    `read_outside` are the nodes whose values are needed after these statements; they have targets.
    """
    edges = {node: _edges(node, scope) for node in nodes}
    if not scope.stream or not scope.long_sizes:
        return _statements(nodes, scope, edges, read_outside)
    parts = parts_of(
        nodes, scope.reads, scope.homes, scope.long_sizes,
        lambda node: [(edge.producer, edge.in_registers) for edge in edges[node]],
    )  # fmt: skip
    part_of = {node: number for number, part in enumerate(parts) for node in part.nodes}
    crossing = {
        edge.base
        for node in nodes
        for edge in edges[node]
        if part_of.get(edge.producer, part_of[node]) != part_of[node]
    }
    statements: list[Statement] = []
    for part in parts:
        statements += _part(part, scope, edges, read_outside | crossing)
    return statements


def _part(
    part: Part, scope: Scope, edges: Mapping[Node, list[Edge]], read_outside: frozenset[Node]
) -> list[Statement]:
    """The statements of a part: within a loop over blocks where it has a second axis."""
    if part.inner is None:
        return _statements(part.nodes, scope, edges, read_outside)
    inside = replace(scope, inner=part.inner, turned={})
    sums = [node for node in part.nodes if adds_up(node, inside)]
    opened = [open_sum(node, inside) for node in sums]
    body = _statements(part.nodes, inside, edges, read_outside)
    loop = Loop(START, Affine((), part.inner.size), (*turning_nests(inside), *body), rows=ROWS, block=PAIR_BLOCK)
    closed = [nest for node in sums if (nest := close_sum(node, inside))]
    return [*opened, loop, *closed]


def _statements(
    nodes: Sequence[Node], scope: Scope, edges: Mapping[Node, list[Edge]], read_outside: frozenset[Node]
) -> list[Statement]:
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
            place_node(node, node in needed or node in read_outside, node in read_outside, scope)
        statements.append(write_nest(group.nodes, group.reduced, scope))
    return statements


class Edge(NamedTuple):
    """How a node reads a computed value: that of `base`, made by `producer`, in registers where it is at hand."""

    base: Node
    producer: Node
    in_registers: bool


def _edges(node: Node, scope: Scope) -> list[Edge]:
    found = []
    for access in scope.reads.sources(node):
        base = access.base
        if isinstance(base, Node):
            producer = base.args[0] if base.kind == PROJECT else base
            found.append(Edge(base, producer, _in_registers(node, base, access, scope)))
    return found


def _in_registers(node: Node, base: Node, access: Access, scope: Scope) -> bool:
    """Whether an elementwise value of the same domain is read at the same point, of the same slice."""
    return (
        base in scope.homes
        and scope.reads.same_point(node, access)
        and scope.homes[node].axis == scope.homes[base].axis
    )


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
        key = GroupKey(steps[node], loops.extents, scope.homes[node].axis, scope.inner_axis(node), own)
        group = open_groups.get(key)
        if group is not None and node.kind == REDUCE and group.reduced and group.reduced != loops.reduced:
            key = key._replace(own=-2 - _bits(loops.reduced))
            group = open_groups.get(key)
        if group is None or group.cost >= BODY_LIMIT:
            group = Group(key)
            open_groups[key] = group
            finished.append(group)
        group.nodes.append(node)
        new = [node] if node.kind not in NESTED else [node, *(scope.reads.remade(node) - group.made)]
        group.made.update(new)
        group.cost += sum(max(1, 2 * one.op.cost) for one in new)
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
