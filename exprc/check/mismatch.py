"""Messages about shapes: which sizes disagree, where they were declared, what would make them agree.

Owns how such a mistake is told.  Must not decide what is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exprc.check.context import Context, describe_value, leaf_with
from exprc.check.report import quoted, shortened
from exprc.check.scopes import Binding, Scope, find
from exprc.diagnostics import Label
from exprc.ir.sizes import Size
from exprc.syntax import ast

if TYPE_CHECKING:
    from exprc.check.meeting import Operand, Place

ORDINALS = ("last", "last but one", "last but two", "last but three")


def report_broadcast(context: Context, place: Place, left: Operand, right: Operand, axis: int) -> None:
    """Two shapes do not broadcast, since they differ at an axis that is counted from the end."""
    mine, theirs = left.value.known.shape[axis], right.value.known.shape[axis]
    note = f"axes are lined up from the last: at the {_ordinal(axis)} axis {mine} meets {theirs}"
    if mine.constant is None or theirs.constant is None:
        note += "; only a size that is written as 1 is repeated, a dim never is"
    context.report.error(
        "E0401",
        f"shapes do not match in {place.title}",
        Label(place.span),
        *both_labels(context, place.scope, (left, mine), (right, theirs)),
        note=note,
        help=(
            _column_help(left, right) or _column_help(right, left) or _transpose_help(left, right)
            or equal_help(context, place.scope, (left, mine), (right, theirs))
        ),
        frame=place.scope.frame,
    )  # fmt: skip


def report_product(context: Context, place: Place, left: Operand, right: Operand) -> None:
    """The axes that a product sums over differ."""
    rank = right.value.known.type.rank
    mine, theirs = left.value.known.shape[-1], right.value.known.shape[-2 if rank > 1 else -1]
    which = "the only axis" if rank == 1 else "the last but one axis"
    context.report.error(
        "E0402",
        "shapes do not match in `@`",
        Label(place.span),
        *both_labels(context, place.scope, (left, mine), (right, theirs)),
        note=f"`@` sums over the last axis of {quoted(left.span)}, of size {mine}, "
        f"and {which} of {quoted(right.span)}, of size {theirs}",
        help=_product_help(left, right) or equal_help(context, place.scope, (left, mine), (right, theirs)),
        frame=place.scope.frame,
    )


def both_labels(
    context: Context, scope: Scope, left: tuple[Operand, Size], right: tuple[Operand, Size]
) -> list[Label]:
    """Two operands with their types, and the declarations that fixed the sizes which disagree."""
    return distinct([*operand_labels(context, scope, *left), *operand_labels(context, scope, *right)])


def distinct(labels: list[Label]) -> list[Label]:
    """One label for each place: of several the last, unless it only says where a size comes from."""
    kept: dict[tuple[int, int], Label] = {}
    for label in labels:
        key = (label.span.start, label.span.end)
        if key not in kept or "comes from" not in label.text:
            kept[key] = label
    return list(kept.values())


def operand_labels(context: Context, scope: Scope, operand: Operand, size: Size) -> list[Label]:
    """The operand with its type, and the declaration that fixed the size which disagrees."""
    node = operand.value.known
    labels = [Label(operand.span, describe_value(operand.value), False)]
    binding = binding_of(scope, operand.expression)
    if binding is not None and binding.role in ("input", "param"):
        return [*labels, Label(binding.span, f"`{binding.name}` is declared {node.type}", False)]
    if binding is not None and binding.role != "argument":
        labels.append(Label(binding.span, f"`{binding.name}` is {node.type}", False))
    leaf = leaf_with(context, node, size)
    if leaf is not None and size.constant is None:
        declared = next(node for node, binding in context.leaves.items() if binding is leaf)
        labels.append(Label(leaf.span, f"{size} comes from `{leaf.name}`, declared {declared.type}", False))
    return labels


def binding_of(scope: Scope, expression: ast.Node) -> Binding | None:
    """What a name refers to; None for any other expression."""
    if not isinstance(expression, ast.Name):
        return None
    found = find(scope, expression.text)
    return found[0] if found else None


def equal_help(
    context: Context, scope: Scope, left: tuple[Operand, Size], right: tuple[Operand, Size]
) -> str:
    """Where both sizes are declared and may be equal: how to say so."""
    for (operand, size), (_, other) in ((right, left), (left, right)):
        binding = binding_of(scope, operand.expression)
        if binding is None or binding.role not in ("input", "param") or size.symbol is None:
            continue
        node = operand.value.known
        shape = ", ".join(str(other if extent == size else extent) for extent in node.shape)
        return f"if {size} and {other} are always equal, declare `{binding.name}` as {node.dtype}[{shape}]"
    return ""


def _column_help(operand: Operand, other: Operand) -> str:
    """Whether inserted axes at the end make the shapes match."""
    shape, target = operand.value.known.shape, other.value.known.shape
    missing = len(target) - len(shape)
    if not shape or missing < 1 or shape != target[: len(shape)]:
        return ""
    index = ", ".join([":"] * len(shape) + ["None"] * missing)
    entry = "row" if len(shape) == missing == 1 else "entry of the first axes"
    return f"for one value of {quoted(operand.span)} per {entry}, write `{_postfix(operand)}[{index}]`"


def _transpose_help(left: Operand, right: Operand) -> str:
    mine, theirs = left.value.known.shape, right.value.known.shape
    if len(mine) == len(theirs) == 2 and mine == theirs[::-1]:
        return f"the shapes match if one is transposed: `{_postfix(right)}'`"
    return ""


def _product_help(left: Operand, right: Operand) -> str:
    a, b = left.value.known.shape, right.value.known.shape
    inner = b[-2 if len(b) > 1 else -1]
    if len(a) == 2 and a[0] == inner:
        return f"the sizes match in `{_postfix(left)}' @ {_postfix(right)}`"
    if len(b) == 2 and b[1] == a[-1]:
        return f"the sizes match in `{_postfix(left)} @ {_postfix(right)}'`"
    if len(a) <= 2 and len(b) <= 2 and b[-1] == a[-2 if len(a) > 1 else -1]:
        return f"the sizes match in `{_postfix(right)} @ {_postfix(left)}`"
    return ""


def _postfix(operand: Operand) -> str:
    text = shortened(operand.span.text)
    simple = isinstance(operand.expression, (ast.Name, ast.Index, ast.Call, ast.Transpose))
    return text if simple or (text.startswith("(") and text.endswith(")")) else f"({text})"


def _ordinal(axis: int) -> str:
    return ORDINALS[-axis - 1] if -axis <= len(ORDINALS) else f"{-axis}th from last"
