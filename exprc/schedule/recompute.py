"""What is cheaper to compute again than to keep: a graph rewritten so that the schedule keeps less in memory.

A value that is read at other places than its own (a slice of it, an entry placed among zeros) has to be kept whole,
and so has one that a sum of products reads.  Where it takes a few instructions, made of what is in memory anyway, its
readers make it themselves:

    pad(a * b)        becomes  where(inside, pad(a) * pad(b), 0)
    contract(K, D)    becomes  sum(K * D)     where D, such as x[:, None] - x[None, :], has more axes than its parts
    sum(t)            becomes  sum(pad(t))    where t is a little shorter than what is computed beside it

The last brings loops of nearly equal length together, so that what they have in common is loaded and computed once.
Values keep their bits.  Works on kinds, index maps and scalar programs; must not know memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from exprc.ir.index import IndexMap
from exprc.ir.node import Node, make, rebuild, toposort
from exprc.ir.op import CONTRACT, ELEMENTWISE, REDUCE, VIEW
from exprc.ir.sizes import ONE, ZERO, Size
from exprc.ops import leaves
from exprc.ops.arithmetic import mul
from exprc.ops.compare import where
from exprc.ops.reductions import sum_
from exprc.ops.table import broadcast_to, constant_like
from exprc.ops.views import broadcast, pad, transpose
from exprc.scalar.builder import Builder, reachable
from exprc.schedule.access import Reads

MOVED_WORK = 24  # instructions of a value that are made again rather than written to memory and read back
SPREAD_WORK = 3  # of one that would be larger than what it is made of: made once for each product
WIDENED_WORK = 64  # of the terms of a sum that is made over a longer axis
REMADE_WORK = 4  # of one that each nest makes for itself rather than read it
LONGEST_TAIL = 4  # by how many entries the longer axis may be longer
MOST_NODES, MUCH = 64, 10**6  # what has more nodes than that is not looked at
SLOW = {"div": 4, "sqrt": 4, "call": 30}  # instructions that take as long as several


def recomputed(roots: Sequence[Node]) -> tuple[tuple[Node, ...], dict[Node, Node]]:
    """The graph with less to keep, and what became of each node."""
    order = toposort(roots)
    if not any(node.kind in (VIEW, CONTRACT, REDUCE) for node in order):
        return tuple(roots), {node: node for node in order}
    rows: dict[Node, Node] = {}
    roots = rebuild(tuple(roots), _as_rows, rows)
    order = toposort(roots)
    kept, longer = _kept(roots, order), _longer_sizes(order)
    work: dict[Node, int] = {}
    changed: dict[Node, Node] = {}

    def step(node: Node, arguments: tuple[Node, ...]) -> Node:
        new = node if arguments == node.args else make(node.op, arguments, node.attrs)
        if node.kind == VIEW and node.args[0] not in kept:
            return _moved(new, work)
        if node.kind == CONTRACT and any(_spread(argument, work) for argument in arguments):
            return _summed(new, work)
        return _widened(new, longer, work) if node.kind == REDUCE and longer else new

    found = rebuild(tuple(roots), step, changed)
    return found, {node: changed[row] for node, row in rows.items()}


def _as_rows(node: Node, arguments: tuple[Node, ...]) -> Node:
    new = node if arguments == node.args else make(node.op, arguments, node.attrs)
    if node.kind not in (CONTRACT, REDUCE) or not any(_has_equal_axes(argument) for argument in arguments):
        return new
    from exprc.rewrite.symmetry import with_sums_as_rows

    return with_sums_as_rows(new)


def _has_equal_axes(node: Node) -> bool:
    return len(set(node.shape)) < len(node.shape)


def with_light_values(reads: Reads, order: Sequence[Node], roots: Sequence[Node]) -> tuple[Reads, list[Node]]:
    """Reads that know which element-wise values each nest makes for itself, since that takes no longer than to read
    them, and the order without those that need not be there for another reason."""
    work: dict[Node, int] = {}
    results = frozenset(roots)
    light = frozenset(
        node for node in order
        if node.kind == ELEMENTWISE and node.shape and _is_light(node, work) and node not in results
    )  # fmt: skip
    if not light:
        return reads, list(order)
    reads = reads._replace(light=light)
    wanted: set[object] = {reads.accesses[root].base for root in roots if root in reads.accesses}
    for node in reversed(order):
        if node in reads.operands and (node not in light or node in wanted):
            wanted.update(access.base for access in reads.sources(node))
    return reads, [node for node in order if node not in light or node in wanted]


def _is_light(node: Node, work: dict[Node, int]) -> bool:
    """Whether a value takes little work; in the order of the graph, for it is more than that of its arguments."""
    if any(work.get(argument, 0) > REMADE_WORK for argument in node.args):
        work[node] = MUCH
    return _work(node, work) <= REMADE_WORK


def _kept(roots: Sequence[Node], order: Sequence[Node]) -> frozenset[Node]:
    """The nodes that are in memory anyway: results, and what others than element-wise work and shifts read."""
    found = set(roots)
    for node in order:
        if node.kind not in (ELEMENTWISE, REDUCE) and not (node.kind == VIEW and _shifts(node)):
            found.update(node.args)
    return frozenset(found)


def _map(view: Node) -> IndexMap:
    assert view.op.index_map is not None
    result: IndexMap = view.op.index_map(view.attrs, view.args[0].type, view.type)
    return result


def _shifts(view: Node) -> bool:
    """Whether a view reads each entry at most once, axes in their order."""
    last = -1
    for index in _map(view).indices:
        if not index.terms:
            continue
        (variable, coefficient), *others = index.terms
        if others or not isinstance(variable, int) or coefficient.constant is None or variable <= last:
            return False
        last = variable
    used = {variable for index in _map(view).indices for variable, _ in index.terms}
    return all(axis in used or extent == ONE for axis, extent in enumerate(view.shape))


def _moved(view: Node, work: dict[Node, int]) -> Node:
    """A view of element-wise work as element-wise work on views."""
    (value,) = view.args
    if value.kind != ELEMENTWISE or not _shifts(view) or _work(value, work) > MOVED_WORK:
        return view
    return _seen(view)


def _seen(view: Node) -> Node:
    """The element-wise work under a view, down to what is in memory, on views of that."""
    inside = _element_wise(view.args[0])
    seen = {leaf: _viewed(view, leaf) for leaf in _leaves(inside)}
    (result,) = rebuild((view.args[0],), _remade, seen)
    if not _map(view).guards:
        return result
    everywhere = leaves.full(True, view.args[0].shape)
    there = make(view.op, (everywhere,), view.attrs)
    return where(there, result, constant_like(result, 0))


def _remade(node: Node, arguments: tuple[Node, ...]) -> Node:
    return make(node.op, arguments, node.attrs)


def _viewed(view: Node, leaf: Node) -> Node:
    """A view of another array; what is the same everywhere is so outside of it too."""
    value = leaf
    while value.kind == VIEW and value.shape and not _map(value).guards:
        (value,) = value.args
    return make(view.op, (leaf,), view.attrs) if value.shape else broadcast_to(value, view.shape)


def _element_wise(root: Node, most: int = MOST_NODES) -> list[Node]:
    """The element-wise nodes under a node that are reached through such only, arguments first; none where there are
    more than so many."""
    return toposort((root,), lambda node: [a for a in node.args if a.kind == ELEMENTWISE], most)


def _leaves(inside: Sequence[Node]) -> dict[Node, None]:
    """What element-wise nodes are made of."""
    return dict.fromkeys(a for node in inside for a in node.args if a.kind != ELEMENTWISE)


def _work(value: Node, known: dict[Node, int]) -> int:
    """The instructions that an element-wise value takes, from what is in memory on; `MUCH` where they are many."""
    if value not in known:
        if any(known.get(argument, 0) > WIDENED_WORK for argument in value.args):
            known[value] = MUCH
        else:
            order = _element_wise(value)
            known[value] = _instructions(order) if order else MUCH
    return known[value]


def _instructions(order: Sequence[Node]) -> int:
    """The instructions of element-wise nodes, of which the last is wanted."""
    builder = Builder()
    numbers: dict[Node, int] = {}
    for node in order:
        operands = [numbers[a] if a in numbers else _operand(builder, a) for a in node.args]
        assert node.op.program is not None
        numbers[node] = node.op.program(builder, *operands, *node.attrs)
    instructions = [builder.instructions[number] for number in reachable(builder, [numbers[order[-1]]])]
    return sum(SLOW.get(one.op, 1) for one in instructions if one.op not in ("input", "const"))


def _operand(builder: Builder, node: Node) -> int:
    value = leaves.constant_value(node)
    return builder.input(node, node.dtype) if value is None else builder.const(node.dtype, value)


def _spread(value: Node, work: dict[Node, int]) -> bool:
    """Whether a value has more axes than each of the values it is made of, and takes hardly any work."""
    if value.kind != ELEMENTWISE or _work(value, work) > SPREAD_WORK:
        return False
    rank = sum(size != ONE for size in value.shape)
    return all(_axes(leaf) < rank for leaf in _leaves(_element_wise(value)))


def _axes(node: Node) -> int:
    """How many axes a value depends on."""
    while node.kind == VIEW:
        if not _map(node).indices:
            return 0
        (inner,) = node.args
        if sum(size != ONE for size in inner.shape) < sum(size != ONE for size in node.shape):
            return _axes(inner)
        node = inner
    return sum(size != ONE for size in node.shape)


def _summed(node: Node, work: dict[Node, int]) -> Node:
    """A sum of products as products that are summed."""
    left, right, out = node.attrs
    labels = [*out, *(label for label in dict.fromkeys(left + right) if label not in out)]
    sizes = dict(zip(left + right, node.args[0].shape + node.args[1].shape, strict=True))
    shape = tuple(sizes[label] for label in labels)
    factors = [_laid_out(a, own, labels, shape, work) for a, own in zip(node.args, (left, right), strict=True)]
    return sum_(mul(*factors), tuple(range(len(out), len(labels))))


def _laid_out(value: Node, own: str, labels: Sequence[str], shape: tuple[Size, ...], work: dict[Node, int]) -> Node:
    """A factor with its axes in the order of all labels, repeated along those it lacks."""
    order = sorted(range(len(own)), key=lambda i: labels.index(own[i]))
    if value.kind == ELEMENTWISE and len(own) == len(labels) and order != sorted(order):
        inside = _element_wise(value)
        seen = {leaf: transpose(leaf, tuple(order)) for leaf in _leaves(inside)}
        (result,) = rebuild((value,), _remade, seen)
        return result
    return broadcast(transpose(value, tuple(order)), shape, tuple(labels.index(own[i]) for i in order))


def _longer_sizes(order: Sequence[Node]) -> Mapping[Size, Size]:
    """For a size the one, a little larger, of which element-wise work is done too."""
    made = {node.shape[0] for node in order if node.shape and node.kind == VIEW and _map(node).guards}
    summed = {node.args[0].shape[0] for node in order if node.kind == REDUCE and node.args[0].type.rank == 1}
    found: dict[Size, Size] = {}
    for size in summed:
        for other in sorted(made, key=str):
            tail = (other - size).constant
            if tail is not None and 0 < tail <= LONGEST_TAIL and size.constant is None:
                found[size] = other
    return found


def _widened(node: Node, longer: Mapping[Size, Size], work: dict[Node, int]) -> Node:
    """A sum over a vector as one over a longer vector, the rest of which is zero."""
    (value,) = node.args
    if value.kind != ELEMENTWISE or value.type.rank != 1 or node.op.combine != "add":
        return node
    target = longer.get(value.shape[0])
    if target is None or _work(value, work) > WIDENED_WORK:
        return node
    return make(node.op, (_seen(pad(value, (ZERO,), (target,))),), node.attrs)
