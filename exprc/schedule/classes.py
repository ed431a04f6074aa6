"""How each value uses each axis: free, carried, reduced or mixed (see DESIGN, the separable axis).

    free     does not depend on the axis
    carried  slice i needs slice i of what it is made of
    reduced  combines slices associatively
    mixed    needs several slices otherwise: a barrier

Works on kinds and index maps only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from exprc.ir.index import axis
from exprc.ir.node import Node
from exprc.ir.op import LEAF, PROJECT, VIEW
from exprc.ir.sizes import Size
from exprc.schedule.access import NESTED, Access, domain, operand_maps
from exprc.schedule.phases import computes

FREE, CARRIED, REDUCED, MIXED = "free", "carried", "reduced", "mixed"


def classify(order: Sequence[Node], accesses: Mapping[Node, Access], size: Size) -> dict[Node, str]:
    """The class of every node of a graph (in topological order) along the axes of one size."""
    classes: dict[Node, str] = {}
    for node in order:
        if node.kind == LEAF:
            classes[node] = CARRIED if size in node.shape else FREE
        elif node.kind in (VIEW, PROJECT):
            classes[node] = _of_view(node, classes, accesses, size)
        else:
            classes[node] = _of_work(node, classes, accesses, size)
    return classes


def _of_view(node: Node, classes: Mapping[Node, str], accesses: Mapping[Node, Access], size: Size) -> str:
    inner = classes[node.args[0]]
    if inner in (MIXED, REDUCED):
        return inner
    has_axis = any(size in t.shape for t in node.types)
    if inner == FREE or node.kind == PROJECT:
        return CARRIED if has_axis else inner
    positions = [i for i, extent in enumerate(node.args[0].shape) if extent == size]
    assert node.op.index_map is not None
    indices = node.op.index_map(node.attrs, node.args[0].type, node.type).indices
    whole = all(indices[i].only_variable is not None and node.shape[_number(indices[i])] == size for i in positions)
    return CARRIED if whole else MIXED


def _number(index: object) -> int:
    variable = index.only_variable  # type: ignore[attr-defined]
    assert isinstance(variable, int)
    return variable


def _of_work(node: Node, classes: Mapping[Node, str], accesses: Mapping[Node, Access], size: Size) -> str:
    inner = {classes[argument] for argument in node.args}
    if MIXED in inner:
        return MIXED
    if node.kind not in NESTED:
        depends = CARRIED in inner or any(size in t.shape for t in node.types)
        return MIXED if depends else REDUCED if REDUCED in inner else FREE
    loops = domain(node)
    axes = [i for i, extent in enumerate(loops.extents) if extent == size]
    if not axes:
        return REDUCED if REDUCED in inner else FREE
    if len(axes) > 1 and not _one_axis_enough(node, axes, accesses):
        return MIXED
    return REDUCED if any(i in loops.reduced for i in axes) else CARRIED


def _one_axis_enough(node: Node, axes: list[int], accesses: Mapping[Node, Access]) -> bool:
    """Whether computed operands are read at one and the same of several axes of this size."""
    used: set[int] = set()
    for access in operand_maps(node, accesses):
        if isinstance(access.base, Node) and computes(access.base):
            used.update(i for i in axes if any(index == axis(i) for index in access.map.indices))
    return len(used) <= 1
