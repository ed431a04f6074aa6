"""Values where a type is declared or required: widened if need be, never narrowed unasked.

Owns the rule and its message.  Must not know who declares the type.
"""

from __future__ import annotations

from exprc.check.context import Context, describe
from exprc.check.meeting import convert
from exprc.check.operands import Operand
from exprc.check.report import shortened
from exprc.check.scopes import Scope
from exprc.diagnostics import Edit, Label
from exprc.ir.node import Node
from exprc.ir.types import BOOL, FLOATS, promote


def fits(operand: Operand, dtype: str) -> bool:
    """Whether a value becomes this dtype unasked."""
    given = operand.value.known.dtype
    if given == dtype:
        return True
    if BOOL in (given, dtype):
        return False
    if operand.value.weak:
        return dtype in FLOATS or given not in FLOATS
    return promote(given, dtype) == dtype


def fit_dtype(
    context: Context, scope: Scope, operand: Operand, dtype: str, what: str, declared: Label | None
) -> Node | None:
    """The value in a dtype; None after a message that calls what is wanted `what`."""
    if fits(operand, dtype):
        return convert(operand.value.known, dtype)
    node = operand.value.known
    text = shortened(operand.span.text)
    context.report.error(
        "E0302",
        f"{node.dtype} is not converted to {dtype} automatically",
        Label(operand.span, f"this is {describe(node.type)}"),
        *([declared] if declared is not None else []),
        note=f"{what} is {dtype}",
        help=f"count true as 1: `{dtype}({text})`" if node.dtype == BOOL
        else f"to accept the loss of precision, write `{dtype}({text})`",
        frame=scope.frame,
        edits=(Edit(operand.span, f"{dtype}({operand.span.text})"),),
    )  # fmt: skip
    return None
