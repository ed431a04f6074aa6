"""Which axis of a nest runs in vector lanes: the one along which most of the memory is contiguous.

A function of the nest alone, so that the order of sums is one of the program.  Must not know targets.
"""

from __future__ import annotations

from exprc.ir.index import Affine
from exprc.ir.sizes import ONE
from exprc.schedule.kernel import Load, Nest

CONTIGUOUS, UNIFORM, STRIDED_LOAD, STRIDED_STORE = 2, 0, -3, -4


def choose_vector(nest: Nest, wanted: str = "") -> Nest:
    """The nest with its vector axis chosen, if it is not given, and moved to the end of its part (the others, or the
    reduced ones)."""
    if not nest.axes:
        return nest
    last = len(nest.axes) - 1
    scores = [(_score(nest, a.name), a.name not in nest.reduced, i == last, i) for i, a in enumerate(nest.axes)]
    chosen = nest.axes[max(scores)[-1]]
    if wanted:
        (chosen,) = (a for a in nest.axes if a.name == wanted)
    others = [a for a in nest.axes if a.name not in nest.reduced and a != chosen]
    reduced = [a for a in nest.axes if a.name in nest.reduced and a != chosen]
    (reduced if chosen.name in nest.reduced else others).append(chosen)
    return nest._replace(axes=(*others, *reduced), vector=chosen.name)


def _score(nest: Nest, name: str) -> int:
    loads = sum(_merit(i.index, name, STRIDED_LOAD) for i in nest.body if isinstance(i, Load))
    return loads + sum(_merit(w.index, name, STRIDED_STORE) for w in nest.writes)


def _merit(index: tuple[Affine, ...], name: str, strided: int) -> int:
    using = [position for position, affine in enumerate(index) if name in affine.variables()]
    if not using:
        return UNIFORM
    contiguous = using == [len(index) - 1] and index[-1].coefficient(name) == ONE
    return CONTIGUOUS if contiguous and _plain(index[-1], name) else strided


def _plain(affine: Affine, name: str) -> bool:
    """Whether the variable stands in no quotient."""
    return all(variable == name or isinstance(variable, str) for variable, _ in affine.terms)
