"""Index notation: definitions by entries and reductions by index, `K[i, j] = …`, `sum[k in 0..n](…)`.

Owns the names of indices and their ranges, given or found from use.  Within the outermost form indices are dims, so
that everything is checked for one entry; when it ends their extents are known, and arrays are made of the entries
(`exprc.check.spread`).  Must not know how that is done.
"""

from __future__ import annotations

from typing import Any

from exprc.check.context import Context, describe
from exprc.check.facts import require_at_most
from exprc.check.names import is_later, is_taken, operation, report_later, report_unknown
from exprc.check.open_forms import Choosing, Form, Index
from exprc.check.operands import Operand, Place
from exprc.check.ranges import MARK, Range, indices_in
from exprc.check.reads import check_choosing, check_reads
from exprc.check.report import counted, listed, quoted
from exprc.check.scopes import Binding, Scope, find
from exprc.check.settling import box_of, settle
from exprc.check.spread import spread_entries
from exprc.check.values import POISON, Value
from exprc.check.waiting import fold
from exprc.check.walking import Visit, single, value_of, values_of
from exprc.diagnostics import Label
from exprc.ir.op import Op, TypeRuleError
from exprc.ir.sizes import ZERO, dim
from exprc.ir.types import I64
from exprc.ops.leaves import size as size_leaf
from exprc.syntax import ast


def visit_reduction(context: Context, scope: Scope, expression: ast.IndexedReduction) -> Visit:
    """`sum[i, j in 0..i](…)`."""
    op = _reduction(context, scope, expression)
    opened = _open(context)
    inner = scope.inner()
    indices = yield from _declare(context, inner, expression.binders)
    body = yield from value_of(context, inner, expression.body)
    value = POISON
    if op is not None and indices is not None and body.node is not None:
        value = _folded(context, scope, expression, op, indices, body)
    return _finish(context, scope, opened, value, ())


def visit_entries(context: Context, scope: Scope, statement: ast.Definition) -> Visit:
    """The value of `K[i, j] = …`: of one entry, for all."""
    target = statement.targets[0]
    if len(statement.targets) > 1:
        _report_several(context, scope, statement)
        return POISON
    assert target.indices is not None
    opened = _open(context)
    inner = scope.inner()
    indices = yield from _declare(context, inner, target.indices, target.name)
    value = single(context, inner, statement.value, (yield statement.value, inner))
    if indices is None or value.node is None:
        value, indices = POISON, ()
    elif opened is None:
        _report_nested(context, scope, target)
        value = POISON
    return _finish(context, scope, opened, value, tuple(index.symbol for index in indices))


def _open(context: Context) -> Form | None:
    """The form that is opened; None within another one, with which it ends."""
    if context.form is not None:
        return None
    context.form = Form()
    return context.form


def _finish(
    context: Context, scope: Scope, opened: Form | None, value: Value, targets: tuple[str, ...]
) -> Value:
    """The value of a form: still one of an entry within another form, else arrays."""
    if opened is None:
        return value
    context.form = None
    if value.node is None:
        return POISON
    ranges = settle(context, scope, opened, targets)
    if ranges is None:
        return POISON
    box = box_of(context, scope, opened, ranges)
    if box is None:
        return POISON
    checks = check_reads(context, opened, ranges, box)
    if checks is None or not check_choosing(context, opened, ranges, box):
        return POISON
    node = spread_entries(context, scope, value.node, targets, ranges, box, checks)
    return POISON if node is None else Value(node, value.weak)


# ---- the names


def _declare(
    context: Context, inner: Scope, binders: tuple[ast.IndexBinder, ...], defined: ast.Name | None = None
) -> Any:
    """Within a visitor: the indices of a list, whose names go into the scope; None after a message."""
    form = context.form
    assert form is not None
    sound = True
    found: list[Index] = []
    for binder in binders:
        name = binder.name
        given = None
        if binder.start is not None and binder.stop is not None:
            given = yield from _range(context, inner, binder, binder.start, binder.stop)
            sound = sound and given is not None
        sound = _is_free(context, inner, name, defined) and sound
        context.counted += 1
        index = Index(name.text, f"{name.text}{MARK}{context.counted}", binder, given)
        symbol = dim(index.symbol)
        form.indices[index.symbol] = index
        inner.names[name.text] = Binding(name.text, Value(size_leaf(symbol), True, symbol), name.span, "index")
        found.append(index)
    return tuple(found) if sound else None


def _is_free(context: Context, inner: Scope, name: ast.Name, defined: ast.Name | None) -> bool:
    """Whether a name stands for nothing else here, else a message."""
    binding = find(inner, name.text)
    if binding is None and (defined is None or defined.text != name.text):
        return True
    span = binding[0].span if binding is not None else defined.span if defined is not None else name.span
    role = binding[0].role if binding is not None else "definition"
    what = {"index": "an index already", "dim": "a size", "state": "a state", "element": "an element"}.get(role)
    context.report.error(
        "E0231",
        f"`{name.text}` is {what or f'the name of {_article(role)}'}",
        Label(name.span, "an index is named here"),
        Label(span, f"`{name.text}` has this meaning"),
        note="the names of indices are local to the definition or the sum, and stand for nothing else in it",
        help="give the index another name",
        frame=inner.frame,
    )
    return False


def _article(role: str) -> str:
    word = "argument" if role == "argument" else role
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


def _range(
    context: Context, scope: Scope, binder: ast.IndexBinder, start: ast.Expression, stop: ast.Expression
) -> Any:
    """Within a visitor: the range of `i in a..b`; None after a message."""
    ends = yield from values_of(context, scope, (start, stop))
    if any(end.node is None for end in ends):
        return None
    for end, part in zip(ends, (start, stop), strict=True):
        if end.size is None or end.known.dtype != I64:
            context.report.error(
                "E0310",
                "the ends of a range have to be known before the data",
                Label(part.span, f"this is {describe(end.known.type)}"),
                note="they are made of numbers, dims and indices by `+ - * // min max`",
                frame=scope.frame,
            )
            return None
    low, high = (end.size or ZERO for end in ends)
    if not indices_in(high - low) and not require_at_most(context, start.span.to(stop.span), low, high):
        span = start.span.to(stop.span)
        label = Label(span, "it ends before it starts")
        context.report.error("E0414", f"range has {high - low} entries", label, frame=scope.frame)
        return None
    return Range(low, high)


# ---- reductions


def _reduction(context: Context, scope: Scope, expression: ast.IndexedReduction) -> Op | None:
    """The operation that combines the entries; None after a message."""
    name = expression.function
    found = find(scope, name.text)
    op = operation(name.text) if found is None and name.text not in context.defined else None
    if op is not None and any(parameter.name == "keepdims" for parameter in op.signature):
        return op
    if found is None and op is None and not is_taken(name.text):
        if is_later(name.text) and name.text not in context.defined:
            report_later(context, scope, name)
        else:
            report_unknown(context, scope, name, called=True)
        return None
    what = "a value" if found is not None else "an operation that keeps the axes of its argument"
    index = expression.binders[0].span.to(expression.binders[-1].span).text
    context.report.error(
        "E0205",
        f"`{name.text}` does not combine entries",
        Label(name.span, what),
        *([Label(found[0].span, "declared here")] if found is not None else []),
        note=f"a list of indices has {listed([f'`{one}`' for one in _names_of_reductions()], 'or')}",
        help=f"for a product, write `{name.text}[{index}] * {quoted(expression.body.span).strip('`')}`"
        if found is not None else "",
        frame=scope.frame,
    )  # fmt: skip
    return None


def _names_of_reductions() -> list[str]:
    from exprc.ops import TABLE

    return [op.name for op in TABLE.values() if any(parameter.name == "keepdims" for parameter in op.signature)]


def _folded(
    context: Context,
    scope: Scope,
    expression: ast.IndexedReduction,
    op: Op,
    indices: tuple[Index, ...],
    body: Value,
) -> Value:
    """The reduction of an entry's value, over axes that it is still to get."""
    form = context.form
    assert form is not None
    symbols = tuple(index.symbol for index in indices)
    if "nonempty" in op.laws:
        around = tuple(symbol for symbol, index in form.indices.items() if _is_visible(scope, index))
        form.choosing.append(Choosing(op.name, symbols, around, expression.span, scope))
    try:
        node = fold(op.name, body.known, symbols)
    except TypeRuleError as refusal:
        from exprc.check.refusals import report_refusal

        place = Place(f"`{op.name}`", expression.function.span, scope)
        report_refusal(context, place, op, [Operand(body, expression.body)], refusal)
        return POISON
    return Value(node, body.weak)


def _is_visible(scope: Scope, index: Index) -> bool:
    found = find(scope, index.name)
    return found is not None and found[0].span == index.binder.name.span


# ---- messages


def _report_several(context: Context, scope: Scope, statement: ast.Definition) -> None:
    first = next(target for target in statement.targets if target.indices is not None)
    context.report.error(
        "E0230",
        f"{counted(len(statement.targets), 'result')} of which one has indices",
        Label(first.span, "a definition by entries has one result"),
        help="take the results apart first, and define entries in a statement of their own",
        frame=scope.frame,
    )


def _report_nested(context: Context, scope: Scope, target: ast.Target) -> None:
    context.report.error(
        "E0601",
        "a definition by entries within an indexed expression is not built yet",
        Label(target.span, "known, but not compiled by this version"),
        frame=scope.frame,
    )
