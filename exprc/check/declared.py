"""Types as declarations write them: a dtype and sizes.

Owns their reading and the messages about them.  Must not know what is declared.
"""

from __future__ import annotations

from typing import Any

from exprc.check.context import Context, describe
from exprc.check.facts import always_negative, require_at_most
from exprc.check.scopes import Scope, find, visible_names
from exprc.check.values import Value
from exprc.check.walking import value_of
from exprc.diagnostics import Edit, Label
from exprc.ir.sizes import ZERO, Size
from exprc.ir.types import DTYPES, FLOATS
from exprc.source import Span
from exprc.spelling import nearest
from exprc.syntax import ast

_ALIASES = {
    "float": "f64", "double": "f64", "real": "f64", "float64": "f64", "float32": "f32", "single": "f32",
    "matrix": "f64", "array": "f64", "row_vector": "f64", "double64": "f64", "number": "f64",
    **dict.fromkeys(("f16", "bf16", "f8", "float16", "bfloat16", "half"), "f32"),
    "int": "i64", "integer": "i64", "long": "i64", "int64": "i64", "int32": "i32", "boolean": "bool", "vector": "f64",
}  # fmt: skip


def declared_dtype(context: Context, declared: ast.TypeExpr) -> str | None:
    """The dtype of a type expression; None after a message."""
    if declared.dtype in DTYPES:
        return declared.dtype
    meant = _ALIASES.get(declared.dtype.lower()) or nearest(declared.dtype, DTYPES)
    start = declared.span.start
    span = type(declared.span)(declared.span.source, start, start + len(declared.dtype))
    context.report.error(
        "E0301",
        f"unknown dtype `{declared.dtype}`",
        Label(span, "dtypes are f64, f32, i64, i32, bool"),
        help=f"did you mean `{meant}`?" if meant else "",
        edits=(Edit(span, meant),) if meant else (),
    )
    return None


def declared_shape(context: Context, scope: Scope, declared: ast.TypeExpr) -> Any:
    """Within a visitor: the shape of a type expression; None after a message."""
    sizes: list[Size] = []
    sound = True
    for written in declared.shape:
        if isinstance(written, ast.Name) and find(scope, written.text) is None and written.text not in context.defined:
            _report_unknown_size(context, scope, written)
            sound = False
            continue
        value = yield from value_of(context, scope, written)
        size = size_of(context, scope, written, value)
        sound = sound and size is not None
        sizes.append(size or ZERO)
    return tuple(sizes) if sound else None


def size_of(context: Context, scope: Scope, written: ast.Expression, value: Value) -> Size | None:
    """A value as a size of an array; None after a message."""
    if value.node is None:
        return None
    size = value.size
    if size is None:
        _report_no_size(context, scope, written, value)
        return None
    if context.form is not None:
        from exprc.check.open_forms import refuse_ragged

        if refuse_ragged(context, scope, written.span, size, "a size"):
            return None
    if always_negative(size):
        label = Label(written.span, "sizes are 0 or more")
        context.report.error("E0414", f"size is {size}, which is negative", label, frame=scope.frame)
        return None
    require_at_most(context, written.span, ZERO, size)
    return size


def _report_no_size(context: Context, scope: Scope, written: ast.Expression, value: Value) -> None:
    node = value.known
    if value.weak and node.dtype in FLOATS:
        quotient = isinstance(written, ast.Binary) and written.op == "/"
        context.report.error(
            "E0312",
            "size is not a whole number",
            Label(written.span, "`/` is not exact here" if quotient else "this has a fraction"),
            help="`//` divides and rounds down" if quotient else "write a whole number",
            frame=scope.frame,
            edits=_floor_edits(written) if quotient else (),
        )
        return
    found = find(scope, written.text) if isinstance(written, ast.Name) else None
    is_declared = found is not None and found[0].role in ("input", "param")
    context.report.error(
        "E0310",
        "size must be known before the data",
        Label(written.span, f"this is {describe(node.type)}"),
        *([Label(found[0].span, f"declared as {found[0].role}")] if found else []),
        note="sizes are made of numbers and dims by `+ - * // min max`",
        help=f"declare it as a size: `dim {written.span.text}`" if is_declared else "",
        frame=scope.frame,
    )


def _floor_edits(written: ast.Expression) -> tuple[Edit, ...]:
    assert isinstance(written, ast.Binary)
    place = written.span.source.text.find("/", written.left.span.end, written.right.span.start)
    return (Edit(Span(written.span.source, place, place + 1), "//"),) if place >= 0 else ()


def _report_unknown_size(context: Context, scope: Scope, name: ast.Name) -> None:
    if name.text in context.unknown:
        return
    context.unknown.add(name.text)
    dims = [known for known in visible_names(scope) if (found := find(scope, known)) and found[0].role == "dim"]
    meant = nearest(name.text, dims)
    start = name.span.source.text.rfind("\n", 0, name.span.start) + 1
    context.report.error(
        "E0201",
        f"unknown size `{name.text}`",
        Label(name.span, "no dim of this name is declared above"),
        help=f"did you mean `{meant}`?" if meant else f"declare it: `dim {name.text}`",
        frame=scope.frame,
        edits=(Edit(name.span, meant) if meant else Edit(Span(name.span.source, start, start), f"dim {name.text}\n"),),
    )
