"""Bounds on what a short program can ask for: stated limits instead of hours and gigabytes.

Owns the numbers and their messages.  Must not know what is being checked.
"""

from __future__ import annotations

from exprc.check.context import Context
from exprc.check.scopes import Frame
from exprc.diagnostics import Diagnostic, KnownLimit, Label
from exprc.ir.node import Node
from exprc.source import Span

BEYOND_LIMIT = "E0605"
MOST_AXES = 16
MOST_CALLS = 60_000


def refuse_axes(context: Context, count: int, span: Span, frame: Frame | None) -> bool:
    """Whether there are more axes than arrays can have; with a message."""
    if count <= MOST_AXES:
        return False
    context.report.error(
        BEYOND_LIMIT,
        f"arrays have at most {MOST_AXES} axes",
        Label(span, f"this has {count}"),
        help="put several axes into one with `reshape`",
        frame=frame,
    )
    return True


def axes_of(node: Node) -> int:
    """The most axes of one of the node's results."""
    return max(type.rank for type in node.types)


def refuse_calls(context: Context, name: str, span: Span) -> None:
    """End the check where calls of functions multiply without end."""
    if len(context.calls) >= MOST_CALLS:
        raise KnownLimit(
            Diagnostic(
                BEYOND_LIMIT,
                f"the program's functions are called more than {MOST_CALLS} times with different arguments",
                (Label(span, f"`{name}` is called once more"),),
                ("a function is expanded at each call, and calls inside calls multiply",),
                ("for a step that is repeated, write a `scan`",),
            )
        )
