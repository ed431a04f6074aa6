"""Opaque operations as kernel statements: Cholesky's factorisation by columns, substitution in triangular systems.

A routine is `routine(sink, types, attrs, arguments, results, line) -> tuple of statements`.  `sink` makes statements
(see `Sink`), `types` are those of the arguments, `arguments` and `results` say where they are stored (see `Place`),
`line` is the line of the program to which a fault belongs.  Every buffer is whole before the statements run, no result
overlaps an argument, and results are read back by the statements that follow.

Owns the algorithms; must not know targets, nor how statements are run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from exprc.ir.index import Affine, affine_constant, axis
from exprc.ir.sizes import Size, constant
from exprc.ir.types import Type
from exprc.ops.table import TABLE

NOT_POSITIVE_DEFINITE = 5  # the code of the fault
Index = tuple[Affine, ...]


class Place(Protocol):
    """Where an array is stored: `buffer[prefix + index]`."""

    @property
    def buffer(self) -> str:
        """The buffer's name."""

    @property
    def prefix(self) -> Index:
        """The indices of axes before the array's own."""


class Sink(Protocol):
    """Makes kernel statements; `exprc.schedule.kernel`, the module itself, is one.

    The names are those of its classes, and so are the arguments: a nest is loops around a straight body of numbered
    instructions whose writes may reduce; a loop repeats statements; a check faults unless an entry is positive.
    """

    def Axis(self, name: str, extent: Affine) -> Any:  # noqa: N802
        """A loop variable from 0 to its extent."""

    def Load(self, buffer: str, index: Index, guards: tuple[Any, ...], dtype: str) -> Any:  # noqa: N802
        """An entry of a buffer."""

    def Apply(self, op: Any, attrs: tuple[Any, ...], args: tuple[int, ...], dtype: str) -> Any:  # noqa: N802
        """An elementwise operation on instructions before it."""

    def Constant(self, value: float, dtype: str) -> Any:  # noqa: N802
        """A literal."""

    def Write(self, buffer: str, index: Index, value: int, combine: str = "") -> Any:  # noqa: N802
        """Stores an instruction's value, combined over the nest's reduced axes first if so named."""

    def Nest(  # noqa: N802
        self, axes: tuple[Any, ...], reduced: frozenset[str], body: tuple[Any, ...], writes: tuple[Any, ...],
        vector: str = "",
    ) -> Any:  # fmt: skip
        """Loops around a body, the reduced ones last."""

    def Loop(self, variable: str, extent: Affine, body: tuple[Any, ...], reverse: bool = False) -> Any:  # noqa: N802
        """Statements repeated in order, downwards if reverse."""

    def Gather(self, target: str, *parts: Any) -> Any:  # noqa: N802
        """Entries at places that a buffer tells."""

    def Scatter(self, target: str, *parts: Any) -> Any:  # noqa: N802
        """Entries added at places that a buffer tells."""

    def Check(self, buffer: str, index: Index, code: int, line: int, position: Affine) -> Any:  # noqa: N802
        """A fault unless the entry is positive."""


def cholesky_routine(
    sink: Sink,
    types: Sequence[Type],
    attrs: tuple[Any, ...],
    arguments: Sequence[Place],
    results: Sequence[Place],
    line: int,
) -> tuple[Any, ...]:
    """Column j from the columns before it; the upper triangle becomes zero."""
    (given,), (source,), (result,) = types, arguments, results
    names = _Names(result.buffer, given.rank - 2)
    n, dtype, j = given.shape[-1], given.dtype, names.loop
    here, i, k = axis(j), axis(names.row), axis(names.inner)
    row, below = here.plus(i), here.plus(i).plus(affine_constant(1))

    def at(place: Place, *index: Affine) -> tuple[str, Index]:
        return place.buffer, (*place.prefix, *names.batch_index, *index)

    def load(place: Place, *index: Affine) -> Any:
        return sink.Load(*at(place, *index), (), dtype)

    def nest(extent: Affine, body: tuple[Any, ...], target: tuple[Affine, ...]) -> Any:
        axes = (sink.Axis(names.row, extent),)
        write = sink.Write(*at(result, *target), len(body) - 1)
        return sink.Nest(axes, frozenset(), body, (write,), names.row)

    remaining = Affine(((j, constant(-1)),), n)
    products = sink.Nest(
        (sink.Axis(names.row, remaining), sink.Axis(names.inner, here)), frozenset((names.inner,)),
        (load(result, row, k), load(result, here, k), _apply(sink, "mul", dtype, 0, 1)),
        (sink.Write(*at(result, row, here), 2, "add"),), names.inner,
    )  # fmt: skip
    column = (
        nest(here, (sink.Constant(0.0, dtype),), (i, here)),
        products,
        nest(
            remaining,
            (load(source, row, here), load(result, row, here), _apply(sink, "sub", dtype, 0, 1)),
            (row, here),
        ),
        sink.Check(*at(result, here, here), NOT_POSITIVE_DEFINITE, line, here),
        nest(affine_constant(1), (load(result, row, here), _apply(sink, "sqrt", dtype, 0)), (row, here)),
        nest(
            remaining.plus(affine_constant(-1)),
            (load(result, below, here), load(result, here, here), _apply(sink, "div", dtype, 0, 1)),
            (below, here),
        ),
    )
    return names.batched(sink, given.shape, (sink.Loop(j, Affine((), n), column),))


def solve_triangular_routine(
    sink: Sink,
    types: Sequence[Type],
    attrs: tuple[Any, ...],
    arguments: Sequence[Place],
    results: Sequence[Place],
    line: int,
) -> tuple[Any, ...]:
    """Row i of the solution from the rows found before it: forward for a lower triangle, else backward."""
    (given, right), (matrix, source), (result,) = types, arguments, results
    lower, transposed = attrs
    forward = lower != transposed
    names = _Names(result.buffer, given.rank - 2)
    n, dtype, loop = given.shape[-1], given.dtype, names.loop
    here, k = axis(loop), axis(names.inner)
    known = k if forward else here.plus(k).plus(affine_constant(1))
    count = here if forward else Affine(((loop, constant(-1)),), n - 1)
    columns = (axis(names.row),) if right.rank == given.rank else ()
    outer = (sink.Axis(names.row, Affine((), right.shape[-1])),) if columns else ()

    def at(place: Place, *index: Affine) -> tuple[str, Index]:
        return place.buffer, (*place.prefix, *names.batch_index, *index)

    def load(place: Place, *index: Affine) -> Any:
        return sink.Load(*at(place, *index), (), dtype)

    factor = load(matrix, known, here) if transposed else load(matrix, here, known)
    products = sink.Nest(
        (*outer, sink.Axis(names.inner, count)), frozenset((names.inner,)),
        (factor, load(result, known, *columns), _apply(sink, "mul", dtype, 0, 1)),
        (sink.Write(*at(result, here, *columns), 2, "add"),), names.row if columns else names.inner,
    )  # fmt: skip
    quotient = sink.Nest(
        outer, frozenset(),
        (load(source, here, *columns), load(result, here, *columns), _apply(sink, "sub", dtype, 0, 1),
         load(matrix, here, here), _apply(sink, "div", dtype, 2, 3)),
        (sink.Write(*at(result, here, *columns), 4),), names.row if columns else "",
    )  # fmt: skip
    rows = sink.Loop(loop, Affine((), n), (products, quotient), not forward)
    return names.batched(sink, given.shape, (rows,))


class _Names:
    """The variables of one routine: made of the name of its result, they meet no other's."""

    def __init__(self, buffer: str, batch: int) -> None:
        self.loop, self.row, self.inner = f"{buffer}_j", f"{buffer}_i", f"{buffer}_k"
        self.batch = tuple(f"{buffer}_b{position}" for position in range(batch))
        self.batch_index = tuple(axis(name) for name in self.batch)

    def batched(self, sink: Sink, shape: tuple[Size, ...], body: tuple[Any, ...]) -> tuple[Any, ...]:
        """The statements repeated over the leading axes."""
        for position in reversed(range(len(self.batch))):
            body = (sink.Loop(self.batch[position], Affine((), shape[position]), body),)
        return body


def _apply(sink: Sink, name: str, dtype: str, *args: int) -> Any:
    return sink.Apply(TABLE[name], (), args, dtype)
