"""What an operation's own type rule refuses, as a message with its operands.

Owns the choice of the code.  Must not know any operation by name.
"""

from __future__ import annotations

from exprc.check.context import Context, describe
from exprc.check.mismatch import distinct, operand_labels
from exprc.check.operands import Operand, Place
from exprc.diagnostics import Label
from exprc.ir.op import OPAQUE, VIEW, Op, TypeRuleError
from exprc.ir.types import FLOATS

_MESSAGES = {
    "E0311": "does not take this dtype",
    "E0401": "cannot combine these shapes",
    "E0404": "is given the wrong number of axes",
    "E0408": "changes the number of entries",
    "E0415": "needs square matrices",
}


def report_refusal(context: Context, place: Place, op: Op, operands: list[Operand], refusal: TypeRuleError) -> None:
    """Tell what the type rule says of the operands."""
    code = _code(op, operands)
    labels = distinct([label for operand in operands for label in _labels(context, place, operand)])
    primary = Label(place.span)
    if len(operands) == 1 and op.kind != VIEW:
        primary, *labels = labels
    context.report.error(
        code,
        f"{place.title} {_MESSAGES[code]}",
        Label(primary.span, primary.text),
        *labels,
        note=str(refusal),
        frame=place.scope.frame,
    )


def _labels(context: Context, place: Place, operand: Operand) -> list[Label]:
    node = operand.value.known
    if not node.shape:
        return [Label(operand.span, describe(node.type), False)]
    return operand_labels(context, place.scope, operand, node.shape[-1])


def _code(op: Op, operands: list[Operand]) -> str:
    types = [operand.value.known.type for operand in operands]
    if op.kind == VIEW:
        return "E0408"
    if op.kind == OPAQUE:
        first = types[0]
        if first.rank < 2 or any(not type.shape for type in types):
            return "E0404"
        return "E0415" if first.shape[-1] != first.shape[-2] else "E0401"
    if any(not type.shape for type in types):
        return "E0404"
    return "E0311" if len(types) == 1 and types[0].dtype in FLOATS and op.no_gradient else "E0401"
