"""Conditions on values as ordinary nodes: of those indices for which one does not hold the lowest, found by `min`.

So a condition is computed in the same pass and the same vectors as everything else, and what it comes to does not
depend on the order of blocks, chunks or threads.  A statement afterwards looks at the result.  Works on what entries
say of themselves; must not know buffers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from exprc.ir.fault import LARGEST_ENTRY, Condition
from exprc.ir.node import Node, make, rebuild
from exprc.ops import constant_like, min_, where
from exprc.schedule.access import Place
from exprc.schedule.kernel import Expect

NONE = LARGEST_ENTRY + 1  # what `min` of no integers is


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
    for node in order:
        if node.op.fault is not None:
            condition = node.op.fault(make(node.op, (changed[node],), node.attrs))
            lowest = min_(where(condition.holds, constant_like(condition.entry, NONE), condition.entry))
            watches.setdefault(lowest, Watch(condition, lowest))
    return Watched(bare, tuple(watches.values()), changed)


def _without_condition(node: Node, arguments: tuple[Node, ...]) -> Node:
    if node.op.fault is not None:
        return arguments[0]
    return node if arguments == node.args else make(node.op, arguments, node.attrs)


def expectation(watch: Watch, place: Place) -> Expect:
    """The statement that looks at what a condition came to."""
    condition = watch.condition
    return Expect(place.buffer, place.prefix, condition.code, condition.line, condition.bound, condition.name)
