"""Messages about shapes: which sizes disagree, where they were declared, what would make them agree.

Owns how such a mistake is told.  Must not decide what is one.
"""

from __future__ import annotations

import re

from exprc.check.context import Context, describe_value, leaf_with
from exprc.check.operands import Operand, Place
from exprc.check.report import quoted, shortened
from exprc.check.scopes import Binding, Scope, find
from exprc.check.values import Value
from exprc.diagnostics import Edit, Label
from exprc.ir.sizes import Size
from exprc.source import Span
from exprc.syntax import ast

_TYPE = re.compile(r"[ \t]*:[ \t]*\w+\[[^\]\n]*\]")
ORDINALS = ("last", "last but one", "last but two", "last but three")


def report_broadcast(context: Context, place: Place, left: Operand, right: Operand, axis: int) -> None:
    """Two shapes do not broadcast, since they differ at an axis that is counted from the end."""
    mine, theirs = left.value.known.shape[axis], right.value.known.shape[axis]
    note = f"axes are matched from the last one: the {_ordinal(axis)} axis has sizes {mine} and {theirs}"
    if mine.constant is None or theirs.constant is None:
        note += "; only a size written as 1 is repeated, never a dim"
    help, edits = _broadcast_advice(context, place, left, right, axis)
    context.report.error(
        "E0401",
        f"shapes do not match in {place.title}",
        Label(place.span),
        *both_labels(context, place.scope, (left, mine), (right, theirs)),
        note=note,
        help=help,
        frame=place.scope.frame,
        edits=edits,
    )


def _broadcast_advice(
    context: Context, place: Place, left: Operand, right: Operand, axis: int
) -> tuple[str, tuple[Edit, ...]]:
    """What would make two shapes match, and how it is written."""
    for operand, other in ((left, right), (right, left)):
        meant = _meant_product(place.scope, operand, other)
        if meant is not None:
            span = operand.span
            return f"did you mean the product of matrix and vector, `{meant}`?", (Edit(span, meant),)
    for operand, other in ((left, right), (right, left)):
        index = _column_index(operand, other)
        if index:
            entry = "row" if index == "[:, None]" else "entry of the first axes"
            text = f"{_postfix(operand)}{index}"
            help = f"for one value of {quoted(operand.span)} per {entry}, write `{text}`"
            return help, (_closing(operand, index),)
    if _is_transposed(left, right):
        return f"the shapes match if one is transposed: `{_postfix(right)}'`", (_closing(right, "'"),)
    mine, theirs = left.value.known.shape[axis], right.value.known.shape[axis]
    return equal_advice(context, place.scope, (left, mine), (right, theirs))


def _meant_product(scope: Scope, operand: Operand, other: Operand) -> str | None:
    """`X @ w` for a product `X * w` of matrix and vector, where that has the shape of the other operand."""
    written = operand.expression
    if not isinstance(written, ast.Binary) or written.op != "*":
        return None
    found = [binding_of(scope, part) for part in (written.left, written.right)]
    nodes = [b.value.node if b is not None and isinstance(b.value, Value) else None for b in found]
    a, b = (None if node is None else node.shape for node in nodes)
    if a is None or b is None or len(a) != 2 or len(b) != 1:
        return None
    fits = a[1] == b[0] and other.value.known.shape == a[:1]
    return f"{written.left.span.text} @ {written.right.span.text}" if fits else None


def _closing(operand: Operand, text: str) -> Edit:
    """To write something behind an operand, in parentheses if it needs them."""
    span, source = operand.span, operand.span.source
    if isinstance(operand.expression, _POSTFIX):
        return Edit(Span(source, span.end, span.end), text)
    return Edit(span, f"({span.text}){text}")


def report_product(context: Context, place: Place, left: Operand, right: Operand) -> None:
    """The axes that a product sums over differ."""
    rank = right.value.known.type.rank
    mine, theirs = left.value.known.shape[-1], right.value.known.shape[-2 if rank > 1 else -1]
    help, edits = _product_help(left, right), _product_edits(left, right)
    if not help:
        help, edits = equal_advice(context, place.scope, (left, mine), (right, theirs))
    which = "the only axis" if rank == 1 else "the last but one axis"
    context.report.error(
        "E0402",
        "shapes do not match in `@`",
        Label(place.span),
        *both_labels(context, place.scope, (left, mine), (right, theirs)),
        note=f"`@` sums over the last axis of {quoted(left.span)}, of size {mine}, "
        f"and {which} of {quoted(right.span)}, of size {theirs}",
        help=help,
        frame=place.scope.frame,
        edits=edits,
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


def declaration_labels(scope: Scope, operand: Operand) -> list[Label]:
    """Where the name that an operand consists of got its type."""
    binding = binding_of(scope, operand.expression)
    if binding is None or binding.role == "argument":
        return []
    declared = "declared " if binding.role in ("input", "param") else ""
    return [Label(binding.span, f"`{binding.name}` is {declared}{operand.value.known.type}", False)]


def binding_of(scope: Scope, expression: ast.Node) -> Binding | None:
    """What a name refers to; None for any other expression."""
    if not isinstance(expression, ast.Name):
        return None
    found = find(scope, expression.text)
    return found[0] if found else None


def equal_advice(
    context: Context, scope: Scope, left: tuple[Operand, Size], right: tuple[Operand, Size]
) -> tuple[str, tuple[Edit, ...]]:
    """Where both sizes are declared and may be equal: how to say so."""
    for (operand, size), (_, other) in ((right, left), (left, right)):
        binding = binding_of(scope, operand.expression)
        if binding is None or binding.role not in ("input", "param"):
            binding = leaf_with(context, operand.value.known, size)
        if binding is None or size.symbol is None:
            continue
        node = next(node for node, leaf in context.leaves.items() if leaf is binding)
        if node.shape.count(size) != 1:
            continue
        shape = ", ".join(str(other if extent == size else extent) for extent in node.shape)
        help = f"if {size} and {other} are always equal, declare `{binding.name}` as {node.dtype}[{shape}]"
        source, end = binding.span.source, binding.span.end
        written = _TYPE.match(source.text, end)
        edits = () if written is None else (Edit(Span(source, end, written.end()), f" : {node.dtype}[{shape}]"),)
        return help, edits
    return "", ()


def _column_index(operand: Operand, other: Operand) -> str:
    """The index that inserts axes at the end, if that makes the shapes match."""
    shape, target = operand.value.known.shape, other.value.known.shape
    missing = len(target) - len(shape)
    if not shape or missing < 1 or shape != target[: len(shape)]:
        return ""
    return f"[{', '.join([':'] * len(shape) + ['None'] * missing)}]"


def _is_transposed(left: Operand, right: Operand) -> bool:
    mine, theirs = left.value.known.shape, right.value.known.shape
    return len(mine) == len(theirs) == 2 and mine == theirs[::-1]


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


def _product_edits(left: Operand, right: Operand) -> tuple[Edit, ...]:
    """As the help says."""
    help = _product_help(left, right)
    if not help:
        return ()
    a, b = left.value.known.shape, right.value.known.shape
    inner = b[-2 if len(b) > 1 else -1]
    if len(a) == 2 and a[0] == inner:
        return (_closing(left, "'"),)
    if len(b) == 2 and b[1] == a[-1]:
        return (_closing(right, "'"),)
    texts = [_closing(operand, "").text or operand.span.text for operand in (right, left)]
    return (Edit(left.span, texts[0]), Edit(right.span, texts[1]))


_POSTFIX = (ast.Name, ast.Index, ast.Call, ast.Transpose)


def _postfix(operand: Operand) -> str:
    text = shortened(operand.span.text)
    simple = isinstance(operand.expression, _POSTFIX)
    return text if simple or (text.startswith("(") and text.endswith(")")) else f"({text})"


def _ordinal(axis: int) -> str:
    return ORDINALS[-axis - 1] if -axis <= len(ORDINALS) else f"{-axis}th from last"
