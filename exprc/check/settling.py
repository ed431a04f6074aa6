"""What indices run over, once all their uses are known: ranges, and the boxes in which arrays are computed.

Owns the rule that an index runs over every axis that it indexes alone, and the messages where these do not agree.  Must
not know graphs.
"""

from __future__ import annotations

from typing import NamedTuple

from exprc.check.context import Context
from exprc.check.open_forms import Form, Index, described
from exprc.check.ranges import Range, indices_in, is_certain, least
from exprc.check.report import NOT_BUILT
from exprc.check.scopes import Scope
from exprc.diagnostics import Label
from exprc.ir.sizes import ZERO, Size, maximum


class Box(NamedTuple):
    """The axis that an index becomes: its first place and its size.

    `whole` says that this is the range itself; else entries outside of the range are left out.
    """

    low: Size
    extent: Size
    whole: bool


def settle(context: Context, scope: Scope, form: Form, targets: tuple[str, ...]) -> dict[str, Range] | None:
    """The range of each index, in order; None after messages."""
    found: dict[str, Range] = {}
    sound = True
    for symbol, index in form.indices.items():
        extent = _extent(context, scope, index)
        if extent is None:
            sound = False
            continue
        found[symbol] = extent
        if symbol in targets and indices_in(extent.high - extent.low):
            _report_ragged(context, scope, index)
            sound = False
    return found if sound else None


def _extent(context: Context, scope: Scope, index: Index) -> Range | None:
    if index.given is not None:
        return index.given
    if not index.uses:
        context.report.error(
            "E0419",
            f"nothing says what `{index.name}` runs over",
            Label(index.binder.span, "no axis is indexed by it alone"),
            note="an index runs over the axes that it indexes alone, as in `A[i]`, or over a range",
            help=f"give it a range: `{index.name} in 0..n`",
            frame=scope.frame,
        )
        return None
    first = index.uses[0]
    for use in index.uses[1:]:
        if use.extent != first.extent:
            context.report.error(
                "E0418",
                f"`{index.name}` runs over axes of different sizes",
                Label(use.span, f"this axis has the size {use.extent}"),
                Label(first.span, f"this one has the size {first.extent}"),
                *first.owner,
                *use.owner,
                note="an index runs over all of every axis that it indexes alone",
                help=(
                    f"if {first.extent} and {use.extent} are always equal, declare both arrays with one of them",
                    f"else give it a range within which both are indexed: `{index.name} in 0..…`",
                ),
                frame=scope.frame,
            )
            return None
    return Range(ZERO, first.extent)


def _report_ragged(context: Context, scope: Scope, index: Index) -> None:
    context.report.error(
        "E0420",
        f"the range of `{index.name}` depends on another index",
        Label(index.binder.span, "rows of different lengths are no array"),
        note="of what is defined by its entries, each index has a range of its own; in a sum they may depend on others",
        help="let it run over all, and choose: `if j < i then … else 0`",
        frame=scope.frame,
    )


def box_of(context: Context, scope: Scope, form: Form, ranges: dict[str, Range]) -> dict[str, Box] | None:
    """The boxes around the ranges; None after a message."""
    boxes: dict[str, Box] = {}
    for symbol, (low, high) in ranges.items():
        if not indices_in(low) and not indices_in(high):
            boxes[symbol] = Box(low, high - low, True)
            continue
        first = _first(low, ranges)
        last = _last(high, ranges)
        if first is None or last is None:
            _report_unbounded(context, scope, form.indices[symbol])
            return None
        extent = last - first
        boxes[symbol] = Box(first, extent if is_certain(extent, {}) else maximum(extent, ZERO), False)
    return boxes


def _first(low: Size, ranges: dict[str, Range]) -> Size | None:
    """A place before which a range never starts: the first of all axes where that holds."""
    if not indices_in(low):
        return low
    return ZERO if is_certain(low, ranges) else next(least(low, ranges), None)


def _last(high: Size, ranges: dict[str, Range]) -> Size | None:
    """A place at which a range has ended: the end of an index that it depends on where that is near."""
    if not indices_in(high):
        return high
    bound = next(least(-high, ranges), None)
    if bound is None:
        return None
    for symbol in sorted(indices_in(high)):
        end = ranges[symbol].high
        if 0 <= ((end + bound).constant or 0) <= 8 and (end + bound).constant is not None:
            return end
    return -bound


def _report_unbounded(context: Context, scope: Scope, index: Index) -> None:
    context.report.error(
        NOT_BUILT,
        f"the range of `{index.name}` is not built yet: its ends neither rise nor fall with the other indices",
        Label(index.binder.span, described(index.given.high) if index.given else ""),
        help="let it run over a larger range, and choose: `if … then … else 0`",
        frame=scope.frame,
    )
