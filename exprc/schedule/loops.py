"""Scans and opaque routines as statements: sequential loops around the statements of a body.

A scan keeps its states in buffers: each step reads them, writes the next ones beside them and copies these over.
Must not know LLVM.
"""

from __future__ import annotations

from dataclasses import replace

from exprc.ir.index import Affine, Guard, IndexMap, axis, identity_map
from exprc.ir.node import Node
from exprc.ir.op import SCAN
from exprc.ir.types import I64, Type
from exprc.ops import leaves
from exprc.schedule import kernel
from exprc.schedule.access import NESTED, Access, Place, computes, resolve
from exprc.schedule.bodies import Scope, copy_nest
from exprc.schedule.conditions import expectation, separate
from exprc.schedule.kernel import WORKSPACE, Loop, Statement, Swap
from exprc.schedule.nests import build_statements
from exprc.schedule.order import evaluation_order
from exprc.schedule.phases import NO_HOME


def special_statements(node: Node, scope: Scope) -> list[Statement]:
    """The statements of a node that is no nest: a scan or an opaque operation."""
    if node.kind == SCAN:
        return _scan(node, scope)
    sources = [_materialised(argument, scope) for argument in node.args]
    statements = [statement for _, copies in sources for statement in copies]
    results = [_result_place(node, k, scope) for k in range(len(node.types))]
    assert node.op.routine is not None
    types = [argument.type for argument in node.args]
    places = [place for place, _ in sources]
    return [*statements, *node.op.routine(kernel, types, node.attrs, places, results, scope.lines.get(node, 0))]


def _scan(node: Node, scope: Scope) -> list[Statement]:
    body, states, sequences, length, reverse = node.attrs
    finals = [_result_place(node, k, scope) for k in range(states)]
    emitted = [_result_place(node, k, scope) for k in range(states, len(node.types))]
    statements: list[Statement] = [
        copy_nest(scope.reads.accesses[start], start.shape, place, scope) for start, place in zip(node.args, finals)
    ]
    variable = f"step{scope.depth + 1}"
    known: dict[Node, Access] = {}
    for k, type_ in enumerate(body.parameters):
        parameter = leaves.arg(k, type_)
        if k < states:
            known[parameter] = Access(finals[k], identity_map(type_.rank), type_.dtype)
        else:
            outer = _located(scope.reads.accesses[node.args[k]], scope)
            known[parameter] = _slice_at(outer, variable, type_.rank) if k < states + sequences else outer
    nexts = [_next_place(k, body.results[k], body.parameters[k], scope) for k in range(states)]
    stores = [(r, p) for r, p in zip(body.results, nexts) if p is not None]
    stores += [
        (r, Place(p.buffer, (*p.prefix, axis(variable)))) for r, p in zip(body.results[states:], emitted)
    ]
    inner = _body_statements(list(body.results), stores, known, scope)
    inner += [Swap(final.buffer, place.buffer) for final, place in zip(finals, nexts) if place is not None]
    statements.append(Loop(variable, Affine((), length), tuple(inner), reverse))
    return statements


def _body_statements(
    results: list[Node], stores: list[tuple[Node, Place]], known: dict[Node, Access], scope: Scope
) -> list[Statement]:
    """The statements of a body, and its results stored."""
    order = evaluation_order(results)
    watched = separate(tuple(results), order)
    if watched.watches:
        stores = [(watched.changed[result], place) for result, place in stores]
        order = evaluation_order((*watched.roots, *(watch.lowest for watch in watched.watches)))
    reads = resolve(order, known)
    computing = [node for node in order if computes(node)]
    targets: dict[Node, list[Place]] = {}
    copies: list[tuple[Node, Place]] = []
    outside: set[Node] = set()
    for result, place in stores:
        if result.kind in NESTED:
            targets.setdefault(result, []).append(place)
            outside.add(result)
        else:
            copies.append((result, place))
            base = reads.accesses[result].base
            if isinstance(base, Node):
                outside.add(base)
    for watch in watched.watches:
        targets.setdefault(watch.lowest, [scope.new_slot(I64)])
        outside.add(watch.lowest)
    inner = replace(
        scope, reads=reads, homes=dict.fromkeys(computing, NO_HOME), places={}, targets=targets, stream=None,
        inner=None, depth=scope.depth + 1,
    )  # fmt: skip
    statements = build_statements(computing, inner, frozenset(outside))
    statements += [expectation(watch, targets[watch.lowest][0]) for watch in watched.watches]
    return statements + [copy_nest(reads.accesses[result], result.shape, place, inner) for result, place in copies]


def _result_place(node: Node, k: int, scope: Scope) -> Place:
    """Where result k of a node is kept: its first target or a buffer of its own."""
    value = leaves.project(node, k)
    if value not in scope.places:
        targets = scope.targets.get(value)
        type_ = node.types[k]
        scope.places[value] = targets[0] if targets else _new_place(type_, scope)
    return scope.places[value]


def _next_place(k: int, result: Node, type_: Type, scope: Scope) -> Place | None:
    """Where a next state waits for the end of the step; None where the state does not change."""
    return None if result is leaves.arg(k, type_) else _new_place(type_, scope)


def _new_place(type_: Type, scope: Scope) -> Place:
    return Place(scope.new_buffer("w", type_.dtype, type_.shape, WORKSPACE).name)


def _located(access: Access, scope: Scope) -> Access:
    """The access with its base as a place, so that it keeps its meaning inside a body."""
    base = access.base
    if isinstance(base, Node) and base.op not in leaves.INLINE:
        return access._replace(base=scope.places[base])
    return access


def _slice_at(access: Access, variable: str, rank: int) -> Access:
    """The slice of a sequence at a step: the first axis becomes the loop's variable."""
    values = {0: axis(variable), **{j + 1: axis(j) for j in range(rank)}}
    indices = tuple(index.substitute(values) for index in access.map.indices)  # type: ignore[arg-type]
    guards = tuple(Guard(g.position.substitute(values), g.extent, g.step) for g in access.map.guards)  # type: ignore[arg-type]
    return access._replace(map=IndexMap(indices, guards))


def _materialised(argument: Node, scope: Scope) -> tuple[Place, list[Statement]]:
    """A place that holds an argument whole and in its own order, with the copy that is needed for it."""
    access = scope.reads.accesses[argument]
    base = access.base
    place = base if isinstance(base, Place) else scope.places.get(base)
    if place is not None and access.map == identity_map(argument.type.rank):
        return place, []
    copy = _new_place(argument.type, scope)
    return copy, [copy_nest(access, argument.shape, copy, scope)]

