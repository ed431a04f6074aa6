"""Symmetry: what happens to a value when two of its axes are exchanged, and sums that come to the same by it.

    K[i, j] = exp(-sum[k]((x[i, k] - x[j, k])^2))   stays as it is,
    D[i, j, k] = x[i, k] - x[j, k]                  changes its sign,

so the sums of K * D over i and over j are one sum, up to the sign.  Works on kinds, index maps and laws.
"""

from __future__ import annotations

from exprc.ir.index import Affine, IndexMap, axis, compose, identity_map
from exprc.ir.node import Node, make
from exprc.ir.op import CONTRACT, ELEMENTWISE, REDUCE, VIEW
from exprc.ir.sizes import Size
from exprc.ops.arithmetic import neg
from exprc.ops.contraction import contract
from exprc.ops.leaves import constant_value
from exprc.scalar.builder import Builder

DEEPEST = 40  # of the expressions that are looked into
MOST_NODES = 400


def exchange_sign(node: Node, first: int, second: int) -> int:
    """1 where a value is the same with two axes exchanged, -1 where it is negated, 0 where nothing is known."""
    return _Search().sign(node, first, second, DEEPEST)


def with_sums_as_rows(node: Node) -> Node:
    """A sum (of products) over the earlier of two axes whose exchange is known: over the later one, perhaps negated."""
    if node.kind == CONTRACT:
        return _contraction(node)
    if node.kind == REDUCE and node.op.combine == "add":
        return _sum(node)
    return node


def _contraction(node: Node) -> Node:
    """Each factor on its own is read with the axis that stays before the one that is summed."""
    left, right, out = node.attrs
    total, labels = 1, []
    for value, own in zip(node.args, (left, right), strict=True):
        for summed, kept in _out_of_order(own, out, value.shape):
            sign = exchange_sign(value, own.index(summed), own.index(kept))
            if sign:
                total *= sign
                own = own.translate(str.maketrans(summed + kept, kept + summed))
        labels.append(own)
    if labels == [left, right]:
        return node
    result = contract(node.args[0], node.args[1], labels[0], labels[1], out)
    return result if total > 0 else neg(result)


def _out_of_order(labels: str, out: str, shape: tuple[Size, ...]) -> list[tuple[str, str]]:
    """Pairs of labels of one size of which the first is summed and the second is not."""
    return [
        (first, second)
        for i, first in enumerate(labels)
        for j, second in enumerate(labels)
        if i < j and first not in out and second in out and shape[i] == shape[j]
    ]


def _sum(node: Node) -> Node:
    (value,), (axes,) = node.args, node.attrs
    for summed in axes:
        for kept in range(summed + 1, value.type.rank):
            if kept in axes or value.shape[kept] != value.shape[summed]:
                continue
            if all(between in axes for between in range(summed + 1, kept)):
                sign = exchange_sign(value, summed, kept)
                if sign:
                    exchanged = tuple(sorted((*(a for a in axes if a != summed), kept)))
                    result = make(node.op, (value,), (exchanged,))
                    return result if sign > 0 else neg(result)
    return node


class _Search:
    """One question; it gives up where an expression is deep or large."""

    def __init__(self) -> None:
        self.asked = 0

    def sign(self, node: Node, first: int, second: int, depth: int) -> int:
        self.asked += 1
        if depth == 0 or self.asked > MOST_NODES:
            return 0
        if node.kind == VIEW:
            return self._of_view(node, first, second, depth)
        if node.kind == ELEMENTWISE:
            return self._of_element_wise(node, first, second, depth)
        if node.kind == REDUCE:
            kept = [a for a in range(node.args[0].type.rank) if a not in node.attrs[0]]
            inner = self.sign(node.args[0], kept[first], kept[second], depth - 1)
            return inner if node.op.combine == "add" or inner > 0 else 0
        if node.kind == CONTRACT:
            return self._of_contraction(node, first, second)
        return 0

    def _of_view(self, node: Node, first: int, second: int, depth: int) -> int:
        base, seen = _resolved(node)
        if _exchanged(seen, first, second) == seen:
            return 1
        places = [index.only_variable for index in seen.indices]
        if seen.guards or first not in places or second not in places:
            return 0
        inner = self.sign(base, places.index(first), places.index(second), depth - 1)
        others = [i for i in seen.indices if i.only_variable not in (first, second)]
        return 0 if any({first, second} & i.variables() for i in others) else inner

    def _of_element_wise(self, node: Node, first: int, second: int, depth: int) -> int:
        signs = [self.sign(argument, first, second, depth - 1) for argument in node.args]
        if all(signs):
            return 1 if min(signs) > 0 else _sign_of_result(node, signs)
        if len(node.args) == 2 and node.op.laws & {"commutative", "anticommutative"}:
            if self._swapped(node.args[0], node.args[1], first, second, depth - 1):
                return 1 if "commutative" in node.op.laws else -1
        return 0

    def _swapped(self, one: Node, other: Node, first: int, second: int, depth: int) -> bool:
        """Whether one value with two axes exchanged is the other."""
        self.asked += 1
        if depth == 0 or self.asked > MOST_NODES:
            return False
        (base, seen), (other_base, other_seen) = _resolved(one), _resolved(other)
        if base is other_base and base.kind != ELEMENTWISE:
            return _exchanged(seen, first, second) == other_seen
        if one.kind == ELEMENTWISE and one.op is other.op and one.attrs == other.attrs:
            pairs = zip(one.args, other.args, strict=True)
            return all(self._swapped(a, b, first, second, depth - 1) for a, b in pairs)
        return False

    def _of_contraction(self, node: Node, first: int, second: int) -> int:
        """The matrix of products of one matrix's rows is symmetric."""
        left, right, out = node.attrs
        exchange = str.maketrans(out[first] + out[second], out[second] + out[first])
        same = node.args[0] is node.args[1] and (left.translate(exchange), right.translate(exchange)) == (right, left)
        return int(same)


def _resolved(node: Node) -> tuple[Node, IndexMap]:
    """What a view reads in the end, and where."""
    seen = identity_map(node.type.rank)
    while node.kind == VIEW:
        assert node.op.index_map is not None
        seen = compose(seen, node.op.index_map(node.attrs, node.args[0].type, node.type))
        (node,) = node.args
    return node, seen


def _exchanged(seen: IndexMap, first: int, second: int) -> IndexMap:
    values: dict[int, Affine] = {first: axis(second), second: axis(first)}
    indices = tuple(index.substitute(values) for index in seen.indices)  # type: ignore[arg-type]
    guards = tuple(g._replace(position=g.position.substitute(values)) for g in seen.guards)  # type: ignore[arg-type]
    return IndexMap(indices, guards)


def _sign_of_result(node: Node, signs: list[int]) -> int:
    """What an element-wise operation makes of arguments of which some are negated, by laws or by its program."""
    laws = node.op.laws
    if "signed" in laws:
        return -1 if signs.count(-1) % 2 else 1
    if laws & {"additive", "odd"} and max(signs) < 0:
        return -1
    builder = Builder()
    plain, changed = [], []
    for argument, sign in zip(node.args, signs, strict=True):
        value = constant_value(argument)
        number = builder.input(argument, argument.dtype) if value is None else builder.const(argument.dtype, value)
        plain.append(number)
        changed.append(number if sign > 0 else builder.neg(number))
    assert node.op.program is not None
    before, after = (node.op.program(builder, *operands, *node.attrs) for operands in (plain, changed))
    return 1 if before == after else -1 if after == builder.neg(before) else 0
