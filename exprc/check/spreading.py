"""What an entry's graph becomes when its indices become axes: which value has which of them, and how they are lined up.

Owns integers and places made of indices, and the checks of places.  Must not know the rules of operations, which it is
given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from exprc.check.context import Context
from exprc.check.limits import axes_of, refuse_axes
from exprc.check.ranges import Range, affine, indices_in
from exprc.check.reads import Check, Place
from exprc.check.settling import Box
from exprc.check.waiting import FOLD, waiting_under
from exprc.ir.index import Affine, Guard, affine_constant, axis
from exprc.ir.node import Node
from exprc.ir.op import LEAF
from exprc.ir.sizes import ONE, ZERO, Size, dim, product
from exprc.ir.sizes import constant as constant_size
from exprc.ir.types import I64
from exprc.ops import floor_divide, where
from exprc.ops.arithmetic import add, maximum, minimum, mul
from exprc.ops.checks import within
from exprc.ops.compare import and_, ge, le, lt, not_
from exprc.ops.entries import entries
from exprc.ops.gather import take
from exprc.ops.leaves import constant, iota
from exprc.ops.leaves import size as size_leaf
from exprc.ops.table import constant_like
from exprc.ops.views import broadcast


class Spread(NamedTuple):
    """What an entry's value is for all: `indices` are those of its first axes, in order of declaration."""

    node: Node
    indices: tuple[str, ...]


class NotSpread(Exception):
    """An operation on entries for which there is no rule: what it is."""


class Refused(Exception):
    """What has been told already."""


class Spreader:
    """What has been spread so far."""

    def __init__(
        self,
        context: Context,
        rules: Rules,
        ranges: dict[str, Range],
        boxes: dict[str, Box],
        checks: dict[Place, Check],
    ) -> None:
        self.context = context
        self.rules = rules
        self.order = {symbol: number for number, symbol in enumerate(ranges)}
        self.ranges = ranges
        self.boxes = boxes
        self.checks = checks
        self.done: dict[Node, Spread] = {}
        self.results: dict[Node, list[Spread]] = {}  # of loops
        self.waiting = context.waiting
        self.depth = 0
        self.at: Node

    def within(self, parameters: dict[Node, Spread]) -> Spreader:
        """One for the body of a loop, whose parameters have been spread."""
        inner = Spreader(self.context, self.rules, self.ranges, self.boxes, self.checks)
        inner.done, inner.waiting = dict(parameters), dict.fromkeys(parameters, True)
        inner.depth = self.depth + 1
        return inner

    def spread(self, root: Node) -> Spread:
        """The value of an entry for all; what it is made of is spread first, without recursion."""
        for node in waiting_under(root, self.waiting):
            if node in self.done:
                continue
            self.at = node
            made = self.done[node] = self._made(node)
            span = self.context.origins.get(node)
            if not made.node.args or span is None:
                continue
            if refuse_axes(self.context, axes_of(made.node), span, None):
                raise Refused
            self.context.remember(made.node, span)
            if node in self.context.watched:
                self.context.watched.setdefault(made.node, self.context.watched[node])
        return self.of(root)

    def of(self, node: Node) -> Spread:
        """What a node has become; one that does not depend on indices is as it was."""
        return self.done.get(node) or Spread(node, ())

    def _made(self, node: Node) -> Spread:
        if node.kind == LEAF:
            return self.integer(node.attrs[0])
        rule = self.rules.get(node.op.name if node.op is FOLD else node.kind)
        if rule is None:
            raise NotSpread(f"`{node.op.name}`")
        return rule(self, node, [self.of(argument) for argument in node.args])

    # ---- axes

    def sorted(self, *indices: Iterable[str]) -> tuple[str, ...]:
        """The indices of several values, each once, in order of declaration."""
        return tuple(sorted({one for some in indices for one in some}, key=self.order.__getitem__))

    def extents(self, indices: tuple[str, ...]) -> tuple[Size, ...]:
        """The sizes of their axes."""
        return tuple(self.boxes[symbol].extent for symbol in indices)

    def aligned(self, value: Spread, indices: tuple[str, ...]) -> Node:
        """The array with the axes of all these indices first."""
        if value.indices == indices:
            return value.node
        own = len(value.indices)
        rest = value.node.shape[own:]
        shape = self.extents(indices) + rest
        axes = [indices.index(one) for one in value.indices] + list(range(len(indices), len(shape)))
        if axes == sorted(axes):
            return broadcast(value.node, shape, tuple(axes))
        places = [axis(i) for i in axes]
        return entries(value.node, places, (), shape)

    # ---- integers

    def integer(self, size: Size) -> Spread:
        """An integer made of sizes and indices."""
        total: Spread | None = None
        for monomial, coefficient in size.terms:
            term: Spread | None = None
            rest = Size(((tuple(f for f in monomial if not _depends(f[0])), coefficient),))
            for atom, power in monomial:
                for _ in range(power if _depends(atom) else 0):
                    factor = self._index(atom) if isinstance(atom, str) else self._atom(atom)
                    term = factor if term is None else self._both(mul, term, factor)
            own = Spread(_number(rest), ())
            term = own if term is None else term if rest == ONE else self._both(mul, own, term)
            total = term if total is None else self._both(add, total, term)
        return total or Spread(constant(0), ())

    def _index(self, symbol: str) -> Spread:
        box = self.boxes[symbol]
        places = iota((box.extent,))
        return Spread(places if box.low == ZERO else add(places, _number(box.low)), (symbol,))

    def _atom(self, atom: Any) -> Spread:
        left, right = (self.integer(argument) for argument in atom.arguments)
        return self._both({"floordiv": floor_divide, "min": minimum, "max": maximum}[atom.kind], left, right)

    def _both(self, function: Any, left: Spread, right: Spread) -> Spread:
        indices = self.sorted(left.indices, right.indices)
        return Spread(function(self.aligned(left, indices), self.aligned(right, indices)), indices)

    # ---- places

    def place(self, size: Size, indices: tuple[str, ...]) -> Affine:
        """A place as an index in terms of the axes of indices."""
        parts = affine(size)
        if parts is None:
            raise NotSpread("an index that is not a sum of multiples of indices")
        total = affine_constant(parts.constant)
        for symbol, coefficient in parts.terms:
            assert isinstance(symbol, str)
            own = axis(indices.index(symbol)).plus(affine_constant(self.boxes[symbol].low))
            total = total.plus(own, coefficient)
        return total

    def taken(self, source: Spread, node: Node, dropped: Sequence[int]) -> Spread:
        """A slice of an entry that starts at places made of indices, without some of its axes, all of size 1."""
        starts, sizes, steps = node.attrs
        extents = node.args[0].shape
        if any(affine(start) is None for start in starts):
            return self._gathered(source, node, dropped)
        indices = self.sorted(source.indices, *(indices_in(start) for start in starts))
        places = [axis(indices.index(one)) for one in source.indices]
        shape = list(self.extents(indices))
        guards: list[Guard] = []
        watched: list[Any] = []
        for number, (start, extent, step) in enumerate(zip(starts, sizes, steps, strict=True)):
            place = self.place(start, indices)
            if number not in dropped:
                place = place.plus(axis(len(shape)), constant_size(step))
                shape.append(extent)
            places.append(place)
            check = self.checks.get((start, extents[number]))
            if check is not None and check.guarded and indices_in(start):
                guards.append(Guard(place, extents[number]))
                watched += check.watched
        result = Spread(entries(source.node, places, guards, tuple(shape)), indices)
        for read in dict.fromkeys(watched):
            result = self._watched(result, read)
        return result

    def _gathered(self, source: Spread, node: Node, dropped: Sequence[int]) -> Spread:
        """A slice of an entry that starts at places which are no sums of multiples of indices."""
        starts, sizes, steps = node.attrs
        extents = node.args[0].shape
        indices = self.sorted(source.indices, *(indices_in(start) for start in starts))
        kept = [number for number in range(len(starts)) if number not in dropped]
        shape = (*self.extents(indices), *(sizes[number] for number in kept))
        strides = [product(source.node.shape[at + 1 :]) for at in range(source.node.type.rank)]
        total = constant_like(iota(shape), 0) if shape else constant(0)
        watched: list[Any] = []
        for symbol, stride in zip(source.indices, strides, strict=False):
            total = add(total, mul(iota(shape, indices.index(symbol)), _number(stride)))
        for number, (start, step, stride) in enumerate(
            zip(starts, steps, strides[len(source.indices) :], strict=True)
        ):
            own = self.aligned(self.integer(start), indices)
            place = broadcast(own, shape, tuple(range(len(indices))))
            if number in kept:
                along = iota(shape, len(indices) + kept.index(number))
                place = add(place, mul(along, constant(step)))
            check = self.checks.get((start, extents[number]))
            total = add(total, mul(place, _number(stride)))
            if check is not None and check.guarded:
                inside = and_(ge(place, 0), lt(place, _number(extents[number])))
                total = where(inside, total, -1)
                watched += check.watched
        result = Spread(take(source.node, total), indices)
        for read in dict.fromkeys(watched):
            result = self._watched(result, read)
        return result

    def _watched(self, value: Spread, read: Any) -> Spread:
        """The value, where a read that is chosen leaves its axis the end of the program."""
        last = read.extent - (read.high - read.low) + 1
        index = self.integer(read.low)
        chosen = [self._chosen(condition, wanted) for condition, wanted in read.scope.choices]
        chosen += [mask for one in read.narrowed if (mask := self.mask(one.symbol)) is not None]
        for condition in chosen:
            indices = self.sorted(index.indices, condition.indices)
            places = self.aligned(index, indices)
            index = Spread(where(self.aligned(condition, indices), places, constant_like(places, 0)), indices)
        name = str(read.extent) if read.extent.constant is None else "an axis"
        inside = Spread(ge(within(index.node, ZERO, last, name, read.span.line), 0), index.indices)
        indices = self.sorted(value.indices, inside.indices)
        node = self.aligned(value, indices)
        holds = broadcast(self.aligned(inside, indices), node.shape, tuple(range(len(indices))))
        return Spread(where(holds, node, constant_like(node, 0)), indices)

    def _chosen(self, condition: Node, wanted: bool) -> Spread:
        value = self.spread(condition)
        return value if wanted else Spread(not_(value.node), value.indices)

    def mask(self, symbol: str) -> Spread | None:
        """Where an index is inside of a range that depends on others; None for one that does not."""
        if self.boxes[symbol].whole:
            return None
        low, high = self.ranges[symbol]
        box, index = self.boxes[symbol], dim(symbol)
        tests = [self._less(index, high)] if high != box.low + box.extent else []
        if low != box.low:
            tests.append(self._less(low - 1, index))
        result = tests[0]
        for test in tests[1:]:
            result = self._both(and_, result, test)
        return result

    def _less(self, left: Size, right: Size) -> Spread:
        """A comparison of integers without a 1 that is added."""
        if ((), -1) in left.terms or ((), 1) in right.terms:
            more = 1 if ((), -1) in left.terms else 0
            return self._both(le, self.integer(left + more), self.integer(right - 1 + more))
        return self._both(lt, self.integer(left), self.integer(right))


def _depends(atom: Any) -> bool:
    return bool(indices_in(Size(((((atom, 1),), 1),))))


def _number(size: Size) -> Node:
    return size_leaf(size) if size.constant is None else constant(size.constant, I64)


Rules: TypeAlias = Mapping[str, Callable[[Spreader, Node, list[Spread]], Spread]]
