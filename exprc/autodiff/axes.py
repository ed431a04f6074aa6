"""Moving axes of values whose axes have labels, and on which axes a guard depends.

Knows broadcasts and transpositions by their index maps only.
"""

from __future__ import annotations

from exprc import ops
from exprc.ir.node import Node
from exprc.ir.op import ELEMENTWISE, VIEW
from exprc.ir.sizes import Size

# A guard is a few comparisons, conjunctions and broadcasts; beyond that it counts as depending on all its axes.
_MOST_NODES_LOOKED_AT = 64


def axes_used(node: Node) -> frozenset[int]:
    """The axes along which the node can vary."""
    found: set[int] = set()
    # Each entry is a node with the final axis for each of its own.
    pending = [(node, tuple(range(len(node.shape))))]
    looked_at = 0
    while pending:
        current, final = pending.pop()
        looked_at += 1
        moved = moved_axes(current)
        if looked_at > _MOST_NODES_LOOKED_AT:
            found.update(final)
        elif moved is not None:
            pending.append((current.args[0], tuple(final[axis] for axis in moved)))
        elif current.kind == ELEMENTWISE:
            pending.extend((argument, final) for argument in current.args)
        else:
            found.update(final)
    return frozenset(found)


def moved_axes(node: Node) -> tuple[int, ...] | None:
    """For a view that only permutes axes and repeats along new ones: where each axis of the argument went."""
    if node.kind != VIEW or len(node.args) != 1:
        return None
    assert node.op.index_map is not None
    reading = node.op.index_map(node.attrs, node.args[0].type, node.type)
    axes = [index.only_variable for index in reading.indices]
    places = tuple(axis for axis in axes if isinstance(axis, int))
    if reading.guards or len(set(places)) != len(axes):
        return None
    return places if tuple(node.shape[place] for place in places) == node.args[0].shape else None


def any_over(node: Node, axes: tuple[int, ...]) -> Node:
    """Whether any entry along the axes is true; the axes vanish.

    Axes along which the node merely repeats itself are taken away instead, unless they are empty, when nothing that
    is guarded has entries either.
    """
    kept = [axis for axis in range(len(node.shape)) if axis not in axes]
    shape = tuple(node.shape[axis] for axis in kept)
    # Where each axis of the node that is looked at is found in the result; None where it vanishes.
    places = [kept.index(axis) if axis in kept else None for axis in range(len(node.shape))]
    looked_at = 0
    while None in places and looked_at < _MOST_NODES_LOOKED_AT:
        moved = moved_axes(node)
        if moved is None:
            break
        node, places = node.args[0], [places[axis] for axis in moved]
        looked_at += 1
    vanishing = tuple(axis for axis, place in enumerate(places) if place is None)
    reduced = ops.any_(node, vanishing) if vanishing else node
    return _place(reduced, [place for place in places if place is not None], shape)


def spread(node: Node, labels: str, wanted: str, sizes: dict[str, Size]) -> Node:
    """The node with its axes, named by `labels`, in the order of `wanted`.

    New axes repeat it; of axes that are not wanted it is true if any entry is (there are none unless it is bool).
    """
    node = any_over(node, tuple(axis for axis, label in enumerate(labels) if label not in wanted))
    kept = [label for label in labels if label in wanted]
    return _place(node, [wanted.index(label) for label in kept], tuple(sizes[label] for label in wanted))


def _place(node: Node, places: list[int], shape: tuple[Size, ...]) -> Node:
    """The node with its axes at the given places of a shape."""
    order = sorted(range(len(places)), key=places.__getitem__)
    if order != list(range(len(order))):
        node = ops.transpose(node, tuple(order))
    if len(places) == len(shape):
        return node
    return ops.broadcast(node, shape, tuple(sorted(places)))
