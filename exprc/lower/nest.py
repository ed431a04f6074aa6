"""A nest as code: the loops over the axes that are not reduced, and what happens within them.

The decisions come from `analysis` and `shape`, loops from `loops`, the body's values from `frame`, reductions from
`running` and `rows`; what is written is `writes`'.
"""

from __future__ import annotations

from exprc.ir.index import Guard
from exprc.lower.address import Scope
from exprc.lower.analysis import analyse
from exprc.lower.frame import Frame
from exprc.lower.loops import extent_of, run_axis
from exprc.lower.rows import rows_in_groups
from exprc.lower.running import reduced
from exprc.lower.shape import shaped
from exprc.lower.target import Target
from exprc.lower.writes import finish, put_value, store_all
from exprc.schedule.kernel import Holds, Load, Nest

NO_GUARDS: frozenset[Guard] = frozenset()


def lower_nest(scope: Scope, nest: Nest, target: Target, compact: bool = False) -> None:
    """Emits a nest; in as little code as possible if `compact`."""
    if not any(isinstance(one, (Load, Holds)) and one.guards for one in nest.body):
        _lower(scope, nest, target, compact, NO_GUARDS)
        return
    from exprc.lower.whole import all_inside, guards_of

    guards = guards_of(nest)
    if not guards:
        _lower(scope, nest, target, compact, guards)
        return
    function = scope.function
    inside = all_inside(scope, nest, guards)
    for condition, settled in ((inside, guards), (function.value(f"xor i1 {inside}, true"), NO_GUARDS)):
        branch = function.open_branch(condition)
        _lower(scope, nest, target, compact, settled)
        function.close_branch(branch)


def _lower(scope: Scope, nest: Nest, target: Target, compact: bool, settled: frozenset[Guard]) -> None:
    """A nest for which some guards are known to hold."""
    frame = Frame(scope, shaped(analyse(scope, nest), scope, target))
    frame.compact, frame.settled = compact, settled
    frame.enter(0)
    _outer(frame, 0)


def _outer(frame: Frame, position: int) -> list[str]:
    """The loops over axes that are not reduced, from `position` inwards; they carry nothing."""
    work = frame.work
    if position == work.first_reduced - 1 and work.group > 1:
        rows_in_groups(frame)
    elif position < work.first_reduced:
        run_axis(frame, position, "0", extent_of(frame, position), [], lambda _: _outer(frame, position + 1))
    elif position == len(work.nest.axes):
        store_all(frame)
        for reduction in work.reductions:
            for copy in frame.copies(-1):
                value = frame.operand(reduction.value, copy, work.lanes)
                put_value(frame, reduction, reduction.dtype, value, copy)
    else:
        for reduction, running in zip(work.reductions, reduced(frame, position), strict=True):
            finish(frame, reduction, running)
    return []
