"""Arguments of calls: which parameter each is for, and those that have to be known when compiling.

Owns arity, keywords, axes and flags.  Knows no operation.
"""

from __future__ import annotations

from typing import Any

from exprc.check.context import Context, describe
from exprc.check.report import counted, listed, shortened
from exprc.check.scopes import Scope, find
from exprc.check.values import UserFunction, Value
from exprc.check.vocabulary import is_operation
from exprc.check.walking import values_of
from exprc.diagnostics import Edit, Label
from exprc.ir.op import Parameter
from exprc.ir.types import I64, Type
from exprc.source import Span
from exprc.spelling import nearest
from exprc.syntax import ast

Bound = dict[str, Any]  # the expression, or the list of expressions, for each parameter that is given


def bind_arguments(
    context: Context,
    scope: Scope,
    expression: ast.Call,
    name: str,
    signature: tuple[Parameter, ...],
    declared: Span | None = None,
) -> Bound | None:
    """The expression for each parameter; None after a message.  `declared` is where a user's function stands."""
    bound: Bound = {}
    others = [Label(declared, "declared here")] if declared is not None else []
    note = f"it is called as `{signature_text(name, signature)}`"
    positional = [argument for argument in expression.arguments if argument.name is None]
    rest = next((i for i, parameter in enumerate(signature) if parameter.role == "sizes"), len(signature))
    for index, argument in enumerate(positional):
        if index >= rest:
            bound.setdefault(signature[rest].name, []).append(argument.value) if rest < len(signature) else None
        else:
            bound[signature[index].name] = argument.value
    most = len(signature) if rest == len(signature) else len(positional)
    if len(positional) > most:
        _report_count(context, scope, expression, name, signature, positional[most].span, others, note)
        return None
    if not _bind_keywords(context, scope, expression, name, signature, bound, others, note):
        return None
    missing = [p.name for p in signature if p.required and p.role != "sizes" and p.name not in bound]
    if missing:
        span = Span(expression.span.source, expression.span.end - 1, expression.span.end)
        _report_count(context, scope, expression, name, signature, span, others, note, missing)
        return None
    if rest < len(signature) and signature[rest].name not in bound:
        bound[signature[rest].name] = []
    return bound


def visit_rest(context: Context, scope: Scope, expression: ast.Call) -> Any:
    """The arguments of a call that is wrong as a whole: their own mistakes are told too."""
    written = [argument.value for argument in expression.arguments]
    yield from values_of(context, scope, tuple(part for part in written if not _is_option(scope, part)))


def _is_option(scope: Scope, written: ast.Expression) -> bool:
    """Whether an argument can be right without having a value: an option, a list of axes, a function."""
    if isinstance(written, ast.Name):
        found = find(scope, written.text)
        return isinstance(found[0].value, UserFunction) if found else is_operation(written.text)
    return isinstance(written, (ast.ArrayLiteral, ast.NoneLiteral, ast.String, ast.BoolLiteral))


def _bind_keywords(
    context: Context,
    scope: Scope,
    expression: ast.Call,
    name: str,
    signature: tuple[Parameter, ...],
    bound: Bound,
    others: list[Label],
    note: str,
) -> bool:
    names = [parameter.name for parameter in signature if parameter.role != "sizes"]
    for argument in expression.arguments:
        if argument.name is None:
            continue
        keyword = argument.name.text
        if keyword not in names:
            meant = _KEYWORDS.get(keyword) or nearest(keyword, names)
            meant = meant if meant in names else None
            help = f"did you mean `{meant}`?" if meant else ""
            if keyword == "dtype":
                help = f"a result is cast: `f32({name}(…))`"
            context.report.error(
                "E0308",
                f"`{name}` has no argument `{keyword}`",
                Label(argument.name.span, "unknown argument"),
                *others,
                note=note,
                help=help,
                frame=scope.frame,
                edits=(Edit(argument.name.span, meant),) if meant else (),
            )
            return False
        if keyword in bound:
            context.report.error(
                "E0309",
                f"argument `{keyword}` of `{name}` is given twice",
                Label(argument.span, "given again"),
                Label(bound[keyword].span, "given here"),
                note=note,
                frame=scope.frame,
            )
            return False
        bound[keyword] = argument.value
    return True


def _report_count(
    context: Context,
    scope: Scope,
    expression: ast.Call,
    name: str,
    signature: tuple[Parameter, ...],
    span: Span,
    others: list[Label],
    note: str,
    missing: list[str] | None = None,
) -> None:
    required = sum(1 for parameter in signature if parameter.required)
    takes = counted(len(signature), "argument")
    if required < len(signature):
        takes = f"{required} to {len(signature)} arguments"
    if any(parameter.role == "sizes" for parameter in signature):
        takes = f"at least {counted(required - 1, 'argument')}"
    label = f"missing: {listed([f'`{one}`' for one in missing])}" if missing else "one too many"
    given = [argument.span for argument in expression.arguments]
    help = "remove it"
    edits: tuple[Edit, ...] = ()
    if missing:
        seen = all(find(scope, one) is not None for one in missing)
        if seen and all(argument.name is None for argument in expression.arguments):
            text = ", ".join(missing) if not given else f", {', '.join(missing)}"
            edits = (Edit(Span(span.source, span.start, span.start), text),)
        help = f"write `{name}({', '.join([*(shortened(one.text) for one in given), *missing])})`"
    elif span in given[1:]:
        edits = (Edit(Span(span.source, given[given.index(span) - 1].end, span.end), ""),)
    context.report.error(
        "E0307",
        f"`{name}` takes {takes}, but got {len(expression.arguments)}",
        Label(span, label),
        *others,
        note=note,
        help=help,
        frame=scope.frame,
        edits=edits,
    )


_KEYWORDS = {"axes": "axis", "dims": "axis", "along": "axis", "keep_dims": "keepdims", "keepdim": "keepdims"}


def signature_text(name: str, signature: tuple[Parameter, ...]) -> str:
    """How an operation is called: `sum(x, axis=None, keepdims=false)`."""
    parts = []
    for parameter in signature:
        default = {True: "true", False: "false", None: "None"}.get(parameter.default, str(parameter.default))
        spread = "n, …" if parameter.role == "sizes" else parameter.name
        parts.append(spread if parameter.required else f"{parameter.name}={default}")
    return f"{name}({', '.join(parts)})"


def static_flag(context: Context, scope: Scope, name: str, written: ast.Expression) -> bool | None:
    """A `true` or `false` that is known when compiling; None after a message."""
    if isinstance(written, ast.BoolLiteral):
        return written.value
    python = {"True": "`true`", "False": "`false`"}.get(written.span.text)
    context.report.error(
        "E0310",
        f"`{name}` must be `true` or `false`",
        Label(written.span, "must be known when compiling"),
        help=f"write {python}" if python else "",
        frame=scope.frame,
        edits=(Edit(written.span, python.strip("`")),) if python else (),
    )
    return None


def static_axis(context: Context, scope: Scope, name: str, written: ast.Expression) -> Any:
    """Within a visitor: an axis, a tuple of axes or None for all, and whether that is known."""
    if isinstance(written, ast.NoneLiteral):
        return None, True
    many = isinstance(written, ast.ArrayLiteral)
    expressions = written.items if isinstance(written, ast.ArrayLiteral) else (written,)
    values = yield from values_of(context, scope, expressions)
    axes = [_axis_number(context, scope, name, part, value) for part, value in zip(expressions, values, strict=True)]
    if any(axis is None for axis in axes):
        return None, False
    return (tuple(axes) if many else axes[0]), True


def _axis_number(context: Context, scope: Scope, name: str, written: ast.Expression, value: Value) -> int | None:
    if value.node is None:
        return None
    number = value.size.constant if value.size is not None and value.node.dtype == I64 else None
    if number is None:
        context.report.error(
            "E0310",
            f"`{name}` must be a number that is known when compiling",
            Label(written.span, f"this is {describe(value.node.type)}"),
            help="write the number of the axis, `axis=0`, or several: `axis=[0, 1]`",
            frame=scope.frame,
        )
    return number


def check_axes(
    context: Context,
    scope: Scope,
    written: ast.Expression,
    axes: int | tuple[int, ...] | None,
    type: Type,
    help: str = "",
    others: tuple[Label, ...] = (),
) -> bool:
    """Whether the axes are axes of the array, each once; else a message."""
    if axes is None:
        return True
    listed_axes = (axes,) if isinstance(axes, int) else axes
    spans = written.items if isinstance(written, ast.ArrayLiteral) else (written,)
    seen: set[int] = set()
    for axis, part in zip(listed_axes, spans, strict=True):
        if not -type.rank <= axis < type.rank:
            has = f"axes 0 to {type.rank - 1}" if type.rank > 1 else "axis 0 only" if type.rank else "no axes"
            counted_from_one = axis == type.rank > 0
            context.report.error(
                "E0405",
                f"axis {axis} is out of range",
                Label(part.span, f"{describe(type)} has {has}"),
                *others,
                help=f"axes are counted from 0: the last is {axis - 1}, or -1" if counted_from_one else help,
                frame=scope.frame,
                edits=(Edit(part.span, str(axis - 1)),) if counted_from_one else (),
            )
            return False
        if axis % type.rank in seen:
            context.report.error("E0405", f"axis {axis} is named twice", Label(part.span, "again"), frame=scope.frame)
            return False
        seen.add(axis % type.rank)
    return True
