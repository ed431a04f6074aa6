"""Entries moved to or from places that are read: one after another, so that sums have one order.

Nothing outside of a buffer is touched.
"""

from __future__ import annotations

from exprc.ir.index import Affine
from exprc.lower.address import Scope, flat_index, scalar_index
from exprc.lower.emit import MEMORY_TYPES
from exprc.lower.memory import load_scalar, store_scalar
from exprc.schedule.kernel import Gather, Scatter


def lower_move(scope: Scope, move: Gather | Scatter) -> None:
    """Emits the loop of a gather or a scatter."""
    function = scope.function
    dtype = scope.places[move.target].buffer.dtype
    target = _first(scope, move.target, move.target_index)
    source = _first(scope, move.source, move.source_index)
    places = _first(scope, move.places, move.places_index)
    bound = scope.size(move.bound)
    loop = function.open_loop("0", scope.size(move.length), "1")
    place = load_scalar(function, "i64", _entry(scope, "i64", places, loop.variable))
    inside = function.value(f"icmp ult i64 {place}, {bound}")
    if isinstance(move, Gather):
        value = load_scalar(function, dtype, _entry(scope, dtype, source, place), inside)
        store_scalar(function, dtype, value, _entry(scope, dtype, target, loop.variable))
    else:
        value = load_scalar(function, dtype, _entry(scope, dtype, source, loop.variable))
        branch = function.open_branch(inside)
        pointer = _entry(scope, dtype, target, place)
        total = function.value(f"fadd {MEMORY_TYPES[dtype]} {load_scalar(function, dtype, pointer)}, {value}")
        store_scalar(function, dtype, total, pointer)
        function.close_branch(branch)
    function.close_loop(loop)


def _first(scope: Scope, name: str, index: tuple[Affine, ...]) -> str:
    """The pointer to the entry from which others are counted."""
    place = scope.places[name]
    number = scalar_index(scope, flat_index(place.buffer, index), scope.variables)
    return _entry(scope, place.buffer.dtype, place.pointer, number)


def _entry(scope: Scope, dtype: str, pointer: str, number: str) -> str:
    return scope.function.value(f"getelementptr {MEMORY_TYPES[dtype]}, ptr {pointer}, i64 {number}")
