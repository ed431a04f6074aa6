"""How each value uses each axis: free, carried, reduced or mixed (see DESIGN, the separable axis).

    free     does not depend on the axis
    carried  slice i needs slice i of what it is made of
    reduced  combines slices associatively
    mixed    needs several slices otherwise: a barrier

A value that is carried has its slices along one of its axes (any of several, where it is made of no data): inputs along
the first that has the size.  So `K @ K` is mixed for an input K with two axes of one size, and `exp(K)` is carried.

Works on kinds and index maps only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from exprc.ir.node import Node
from exprc.ir.op import CONTRACT, LEAF, PROJECT, VIEW
from exprc.ir.sizes import Size
from exprc.ops import leaves
from exprc.schedule.access import NESTED, Domain, Reads

FREE, CARRIED, REDUCED, MIXED = "free", "carried", "reduced", "mixed"
Axes = frozenset[int]  # those along which a carried value has its slices
NONE: Axes = frozenset()


def classify(order: Sequence[Node], reads: Reads, size: Size) -> dict[Node, str]:
    """The class of every node of a graph (in topological order) along the axes of one size."""
    classes: dict[Node, str] = {}
    slices: dict[Node, Axes] = {}
    for node in order:
        classes[node], slices[node] = _class_of(node, classes, slices, reads, size)
    return classes


def _class_of(
    node: Node, classes: Mapping[Node, str], slices: Mapping[Node, Axes], reads: Reads, size: Size
) -> tuple[str, Axes]:
    own = frozenset(axis for axis, extent in enumerate(node.shape) if extent == size) if len(node.types) == 1 else NONE
    inner = {classes[argument] for argument in node.args}
    if node.kind == LEAF:
        return (CARRIED, own if node.op in leaves.INLINE else frozenset((min(own),))) if own else (FREE, NONE)
    if MIXED in inner:
        return MIXED, NONE
    if node.kind == PROJECT:
        return classes[node.args[0]], NONE
    if node.kind == VIEW and CARRIED in inner:
        seen = _seen(node, slices[node.args[0]]) & own
        return (CARRIED, seen) if seen else (MIXED, NONE)
    if node.kind in NESTED:
        loops = reads.domains[node]
        common = _common(node, loops, slices, size)
        if common is None:
            return MIXED, NONE
        if common:
            kept = frozenset(loops.result.index(axis) for axis in common - loops.reduced)
            return (CARRIED, kept) if kept else (REDUCED, NONE)
    elif node.kind != VIEW and (CARRIED in inner or any(size in type_.shape for type_ in node.types)):
        return MIXED, NONE
    if own:
        return CARRIED, own
    return (REDUCED if REDUCED in inner else FREE), NONE


def _seen(view: Node, slices: Axes) -> Axes:
    """The axes of a view along which it has its argument's slices, each in its place."""
    assert view.op.index_map is not None
    indices = view.op.index_map(view.attrs, view.args[0].type, view.type).indices
    variables = [indices[axis].only_variable for axis in slices]
    return frozenset(variable for variable in variables if isinstance(variable, int))


def _common(node: Node, loops: Domain, slices: Mapping[Node, Axes], size: Size) -> Axes | None:
    """The loops in which all arguments with slices are read slice by slice; None where they have none in common."""
    common = frozenset(axis for axis, extent in enumerate(loops.extents) if extent == size)
    for number, argument in enumerate(node.args):
        if slices[argument]:
            common &= frozenset(_loop(node, number, axis) for axis in slices[argument])
            if not common:
                return None
    return common


def _loop(node: Node, number: int, axis: int) -> int:
    """The loop that runs over an axis of an argument."""
    if node.kind != CONTRACT:
        return axis
    *operands, out = node.attrs
    labels = [*out, *(label for label in dict.fromkeys("".join(operands)) if label not in out)]
    return labels.index(operands[number][axis])
