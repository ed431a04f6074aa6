"""Conditions on values as ordinary nodes: of those indices for which one does not hold the lowest, found by `min`.

So a condition is computed in the same pass and the same vectors as everything else, and what it comes to does not
depend on the order of blocks, chunks or threads.  A statement afterwards looks at the result.  What is needed only
where a scalar condition chooses it has to hold only there.  Works on what entries say of themselves; must not know
buffers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from exprc.ir.fault import LARGEST_ENTRY, Condition
from exprc.ir.node import Node, make, rearranges, rebuild
from exprc.ops import TABLE, broadcast_to, constant_like, min_, not_, or_, where
from exprc.schedule.access import Place
from exprc.schedule.kernel import Expect

NONE = LARGEST_ENTRY + 1  # what `min` of no integers is
AND, OR, NOT = TABLE["and"], TABLE["or"], TABLE["not"]
MOST_CHOICES = 8  # that are kept in mind around a node
Choices: TypeAlias = frozenset[tuple[Node, bool]]


class Watch(NamedTuple):
    """A condition and the i64 scalar that is the lowest index for which it does not hold."""

    condition: Condition
    lowest: Node


class Watched(NamedTuple):
    """A graph without its conditions, these beside it, and what became of the nodes that changed."""

    roots: tuple[Node, ...]
    watches: tuple[Watch, ...]
    changed: dict[Node, Node]


def separate(roots: tuple[Node, ...], order: Sequence[Node]) -> Watched:
    """The conditions of a graph taken out of it; `order` has all its nodes.  Bodies of loops are left alone."""
    if not any(node.op.fault for node in order):
        return Watched(roots, (), {})
    changed: dict[Node, Node] = {}
    bare = rebuild(roots, _without_condition, changed)
    watches: dict[Node, Watch] = {}
    chosen = _chosen_by(roots, order)
    for node in order:
        if node.op.fault is not None:
            condition = node.op.fault(make(node.op, (changed[node],), node.attrs))
            holds = condition.holds
            for choice, side in sorted(chosen[node], key=lambda literal: order.index(literal[0])):
                bare_choice = changed[choice]
                other = not_(bare_choice) if side else bare_choice
                holds = or_(holds, broadcast_to(other, holds.shape))
            lowest = min_(where(holds, constant_like(condition.entry, NONE), condition.entry))
            watches.setdefault(lowest, Watch(condition, lowest))
    return Watched(bare, tuple(watches.values()), changed)


def _chosen_by(roots: Sequence[Node], order: Sequence[Node]) -> dict[Node, Choices]:
    """For each node the scalar conditions, and their sides, without which no root needs it."""
    needed: dict[Node, Choices] = dict.fromkeys(roots, frozenset())
    for node in reversed(order):
        around = needed[node]
        for index, argument in enumerate(node.args):
            inner = around
            if node.op.dtype_rule == "select" and index and len(around) < MOST_CHOICES:
                inner = around | _literals(node.args[0], index == 1)
            needed[argument] = needed[argument] & inner if argument in needed else inner
    return needed


def _literals(condition: Node, side: bool) -> Choices:
    """The scalar conditions, and their sides, that hold where a condition has a side: all those of a conjunction."""
    found: set[tuple[Node, bool]] = set()
    pending = [(condition, side)]
    while pending and len(found) < MOST_CHOICES:
        one, holds = pending.pop()
        scalar = _scalar_of(one)
        if scalar is None:
            continue
        if scalar.op is NOT:
            pending.append((scalar.args[0], not holds))
        elif scalar.op is (AND if holds else OR):
            pending += [(argument, holds) for argument in scalar.args]
        else:
            found.add((scalar, holds))
    return frozenset(found)


def _scalar_of(condition: Node) -> Node | None:
    """The scalar that a condition is everywhere, if it is one."""
    while condition.shape and rearranges(condition):
        (condition,) = condition.args
    return None if condition.shape else condition


def _without_condition(node: Node, arguments: tuple[Node, ...]) -> Node:
    if node.op.fault is not None:
        return arguments[0]
    return node if arguments == node.args else make(node.op, arguments, node.attrs)


def expectation(watch: Watch, place: Place) -> Expect:
    """The statement that looks at what a condition came to."""
    condition = watch.condition
    return Expect(place.buffer, place.prefix, condition.code, condition.line, condition.bound, condition.name)
