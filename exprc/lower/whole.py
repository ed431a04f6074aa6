"""Nests whose guards hold everywhere: asked once before the loops instead of for each vector.

Nearly all blocks of a stream lie within what their guards allow; only the first and the last reach over an edge.  Must
not know what a nest computes.
"""

from __future__ import annotations

from exprc.ir.index import Affine, Guard
from exprc.ir.sizes import Size
from exprc.lower.address import Scope, scalar_index
from exprc.schedule.kernel import Holds, Load, Nest

MOST_INSTRUCTIONS = 60  # of a body that is emitted twice


def guards_of(nest: Nest) -> frozenset[Guard]:
    """The guards of a nest that can be asked about all of its points at once, where there are such."""
    if len(nest.body) > MOST_INSTRUCTIONS:
        return frozenset()
    found = {guard for one in nest.body if isinstance(one, (Load, Holds)) for guard in one.guards}
    names = {axis.name for axis in nest.axes}
    return frozenset(guard for guard in found if guard.step == 1 and _is_plain(guard.position, names))


def _is_plain(position: Affine, names: set[str]) -> bool:
    """Whether a position changes with axes of the nest, each of which makes it larger or smaller by a known number."""
    own = [(variable, coefficient) for variable, coefficient in position.terms if variable in names]
    others = [variable for variable, _ in position.terms if variable not in names]
    return bool(own) and all(c.constant for _, c in own) and all(isinstance(variable, str) for variable in others)


def all_inside(scope: Scope, nest: Nest, guards: frozenset[Guard]) -> str:
    """Whether guards hold at all points of a nest, an i1."""
    function = scope.function
    extents = {axis.name: scalar_index(scope, axis.extent, scope.variables) for axis in nest.axes}
    total = ""
    for guard in sorted(guards, key=repr):
        for end in (_corner(scope, guard.position, extents, lowest) for lowest in (True, False)):
            holds = function.value(f"icmp ult i64 {end}, {scope.size(guard.extent)}")
            total = function.value(f"and i1 {total}, {holds}") if total else holds
    return total


def _corner(scope: Scope, position: Affine, extents: dict[str, str], lowest: bool) -> str:
    """The least or the largest value of a position in the nest."""
    function = scope.function
    variables = dict(scope.variables)
    for variable, coefficient in position.terms:
        if variable in extents:
            assert isinstance(variable, str)
            at_start = _rises(coefficient) == lowest
            variables[variable] = "0" if at_start else function.value(f"sub i64 {extents[variable]}, 1")
    return scalar_index(scope, position, variables)


def _rises(coefficient: Size) -> bool:
    return (coefficient.constant or 0) > 0
