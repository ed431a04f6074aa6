"""`entries`: a view by any affine index, with conditions outside of which it is zero.

What index notation reads where no slice, transpose or broadcast says it: diagonals, windows `x[i + k]`, shifted entries
behind a condition.  Attributes: for each argument axis the coefficients of the result's axes and a constant; conditions
`0 <= position < extent` in the same form, the extent last; the result's shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from exprc.ir.index import Affine, Guard, IndexMap, axis
from exprc.ir.node import Node, make
from exprc.ir.op import VIEW, Op, TypeRuleError
from exprc.ir.sizes import ONE, ZERO, Size, constant
from exprc.ir.types import Type
from exprc.ops.table import expect_count, register
from exprc.ops.views import broadcast, slice_, squeeze, transpose

Shape = tuple[Size, ...]
Row = tuple[Size, ...]
MINUS_ONE = constant(-1)


def entries(x: Node, places: Sequence[Affine], guards: Sequence[Guard], shape: Shape) -> Node:
    """The array of a shape whose entry is that of `x` at `places`, in terms of its axes, or 0 outside the guards.

    What slices and transposes say is made of them.
    """
    places = tuple(_without_single(place, shape) for place in places)
    guards = tuple(guard._replace(position=_without_single(guard.position, shape)) for guard in guards)
    plain = None if guards else _plain_view(x, places, shape)
    if plain is not None:
        return plain
    rows = tuple(_row(place, len(shape)) for place in places)
    conditions = tuple(dict.fromkeys((*_row(guard.position, len(shape)), guard.extent) for guard in guards))
    return make(ENTRIES, (x,), (rows, conditions, shape))


def _without_single(place: Affine, shape: Shape) -> Affine:
    """An axis of size 1 has only the index 0."""
    return Affine(tuple(term for term in place.terms if shape[_number(term[0])] != ONE), place.constant)


def _number(variable: Any) -> int:
    assert isinstance(variable, int)
    return variable


def _plain_view(x: Node, places: tuple[Affine, ...], shape: Shape) -> Node | None:
    """A slice with its axes in another order and new ones, if each axis is read along one of its own."""
    starts, sizes, steps, order = [], [], [], []
    for place in places:
        if len(place.terms) > 1:
            return None
        variable, coefficient = place.terms[0] if place.terms else (-1, ONE)
        step = coefficient.constant
        if not step or variable in order:
            return None
        starts.append(place.constant)
        sizes.append(shape[_number(variable)] if place.terms else ONE)
        steps.append(step)
        if place.terms:
            order.append(_number(variable))
    whole = all(s == ZERO for s in starts) and all(s == 1 for s in steps) and tuple(sizes) == x.shape
    taken = x if whole else slice_(x, tuple(starts), tuple(sizes), tuple(steps))
    taken = squeeze(taken, tuple(i for i, place in enumerate(places) if not place.terms))
    ordered = transpose(taken, tuple(sorted(range(len(order)), key=order.__getitem__)))
    return broadcast(ordered, shape, tuple(sorted(order)))


def _row(place: Affine, rank: int) -> Row:
    return (*(place.coefficient(i) for i in range(rank)), place.constant)


def _affine(row: Row) -> Affine:
    return Affine(tuple((i, c) for i, c in enumerate(row[:-1]) if c != ZERO), row[-1])


def _rule(types: tuple[Type, ...], attrs: tuple[Any, ...]) -> Type:
    expect_count("entries", types, 1)
    rows, conditions, shape = attrs
    if len(rows) != types[0].rank or any(len(row) != len(shape) + 1 for row in rows):
        raise TypeRuleError(f"entries of {types[0]} needs {types[0].rank} places in terms of {len(shape)} axes")
    if any(len(condition) != len(shape) + 2 for condition in conditions):
        raise TypeRuleError(f"entries needs conditions in terms of {len(shape)} axes")
    return types[0].with_shape(shape)


def _map(attrs: tuple[Any, ...], argument: Type, result: Type) -> IndexMap:
    rows, conditions, _ = attrs
    guards = tuple(Guard(_affine(condition[:-1]), condition[-1]) for condition in conditions)
    return IndexMap(tuple(_affine(row) for row in rows), guards)


def _meaning(attrs: tuple[Any, ...], x: Any) -> Any:
    import numpy

    rows, conditions, shape = attrs
    axes = numpy.ogrid[tuple(slice(0, extent) for extent in shape)]

    def place(row: Sequence[int]) -> Any:
        return sum((c * one for c, one in zip(row[:-1], axes, strict=True)), numpy.int64(row[-1]))

    inside = numpy.ones(shape, "bool")
    for condition in conditions:
        position = place(condition[:-1])
        inside &= (position >= 0) & (position < condition[-1])
    places = [numpy.where(inside, place(row), 0) for row in rows]
    if not inside.any():
        return numpy.zeros(shape, x.dtype)
    if any((p < 0).any() for p in places):
        raise IndexError("entries before the first")
    return numpy.where(inside, x[tuple(places)], x.dtype.type(0))


# ---- the transpose


def _transposed(node: Node, cotangent: Node, index: int) -> Node:
    """Each entry of the argument is the sum of what was read of it.

    The index equations are solved for one axis of the result each, where its coefficient is 1 or -1; the other axes
    are summed over, and equations without such an axis become conditions.
    """
    from exprc.ops.reductions import sum_

    rows, conditions, shape = node.attrs
    (x,) = node.args
    rank = x.type.rank
    solved: dict[int, Affine] = {}  # in terms of -1, -2, …: axes of the argument, and of axes not solved for
    guards: list[Guard] = []
    for number, row in enumerate(rows):
        place = _affine(row).substitute(solved)  # type: ignore[arg-type]
        chosen = _solvable(place, shape)
        rest = axis(-1 - number).plus(place, MINUS_ONE)  # what has to be zero
        if chosen is None:
            guards.append(Guard(rest, ONE))
            continue
        coefficient = place.coefficient(chosen)
        value = Affine(tuple(t for t in rest.terms if t[0] != chosen), rest.constant)
        value = Affine(()).plus(value, coefficient)
        solved = {one: known.substitute({chosen: value}) for one, known in solved.items()}
        guards = [guard._replace(position=guard.position.substitute({chosen: value})) for guard in guards]
        solved[chosen] = value
    free = [i for i in range(len(shape)) if i not in solved]
    names = {-1 - i: axis(i) for i in range(rank)} | {one: axis(rank + at) for at, one in enumerate(free)}
    places = [(solved.get(i) or axis(i)).substitute(names) for i in range(len(shape))]  # type: ignore[arg-type]
    guards += [Guard(_affine(c[:-1]).substitute(solved), c[-1]) for c in conditions]  # type: ignore[arg-type]
    inside = [Guard(g.position.substitute(names), g.extent) for g in guards]  # type: ignore[arg-type]
    inside += [Guard(places[i], shape[i]) for i in solved if not _covers(places[i], x.shape, shape[i])]
    moved = entries(cotangent, places, inside, (*x.shape, *(shape[i] for i in free)))
    return sum_(moved, tuple(range(rank, rank + len(free)))) if free else moved


def _solvable(place: Affine, shape: Shape) -> int | None:
    """The axis to solve an equation for: one of many entries, so that few are left to be summed over."""
    found = [
        variable for variable, coefficient in place.terms
        if isinstance(variable, int) and variable >= 0 and coefficient in (ONE, MINUS_ONE)
    ]  # fmt: skip
    return min(found, key=lambda i: (shape[i].constant is not None, -len(shape[i].terms), i), default=None)


def _covers(place: Affine, given: Shape, extent: Size) -> bool:
    """Whether a place is certainly inside an axis: it is an axis of the same size."""
    variable = place.only_variable
    return isinstance(variable, int) and variable < len(given) and given[variable] == extent


ENTRIES = register(
    Op("entries", VIEW, "entries by affine indices, 0 outside of conditions", _rule,
       numpy=_meaning, index_map=_map, transpose=_transposed, latex="#1", cost=0,
       example="input X : f64[3, 3]; output r[i] = X[i, i]")
)  # fmt: skip
