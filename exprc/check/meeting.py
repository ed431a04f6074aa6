"""How operands meet: weak ones take the dtype of the others, all get one dtype and one shape.

Owns the number rules of the language and elementwise operations on checked values.  Must not know expressions but as
what a message points at.
"""

from __future__ import annotations

from exprc.check.context import Context, describe
from exprc.check.mismatch import report_broadcast
from exprc.check.operands import Operand, Place
from exprc.check.report import quoted, shortened
from exprc.check.values import POISON, Value
from exprc.diagnostics import Edit, Label
from exprc.ir.node import Node, make
from exprc.ir.op import LEAF, VIEW, Op
from exprc.ir.sizes import ONE, Size
from exprc.ir.types import BOOL, F32, F64, FLOATS, I32, I64, INTEGERS, promote
from exprc.ops.arithmetic import cast
from exprc.ops.leaves import constant, constant_value
from exprc.ops.leaves import size as size_leaf
from exprc.ops.table import broadcast_all, broadcast_to
from exprc.source import Span
from exprc.syntax import ast

_ANY_DTYPE = frozenset(("any", "equal", "select", "logical"))
_REAL = frozenset(("float", "test"))
_NONE: list[Operand] = []
I64_LEAST, I64_MOST = -(2**63), 2**63 - 1


def elementwise(context: Context, place: Place, op: Op, operands: list[Operand]) -> Value:
    """An elementwise operation on values of any dtypes and shapes that may meet."""
    for operand in operands:
        if operand.value.node is None:
            return POISON
    conditions, numbers = _split(op, operands)
    if conditions and not expect_truths(context, place, conditions):
        return POISON
    if op.dtype_rule not in _ANY_DTYPE and not expect_numbers(context, place, numbers):
        return POISON
    nodes = meet_dtypes(context, place, numbers, op.dtype_rule in _REAL)
    if nodes is None:
        return POISON
    nodes = [operand.value.known for operand in conditions] + nodes
    shape = nodes[0].shape
    if not _same_shape(nodes, shape):
        if not shapes_meet(context, place, operands):
            return POISON
        _lint_square(context, place, operands)
        nodes = broadcast_all(nodes)
    return Value(make(op, tuple(nodes)), _all_weak(numbers or conditions))


def _lint_square(context: Context, place: Place, operands: list[Operand]) -> None:
    """A remark where [n, 1] meets [n]: the result has n * n entries, which is seldom meant."""
    for column in operands:
        shape = column.value.known.shape
        if len(shape) != 2 or shape[1] != ONE or shape[0].constant is not None or _is_column(column.expression):
            continue
        for row in operands:
            if row.value.known.shape == shape[:1] and isinstance(row.expression, (ast.Name, ast.Call, ast.Binary)):
                text = f"{quoted(column.span).strip('`')}[:, 0]"
                context.report.lint(
                    "L0109",
                    f"{place.title} of [{shape[0]}, 1] and [{shape[0]}] has {shape[0]} * {shape[0]} entries",
                    Label(place.span),
                    Label(column.span, describe(column.value.known.type)),
                    Label(row.span, describe(row.value.known.type)),
                    note="axes are matched from the last one, so every entry meets every other",
                    help=f"for entry by entry, write `{text}`",
                )


def _is_column(expression: ast.Node) -> bool:
    """Whether it is written as a column, `x[:, None]`, so that the square is meant."""
    return isinstance(expression, ast.Index) and any(isinstance(item, ast.NoneLiteral) for item in expression.items)


def _same_shape(nodes: list[Node], shape: tuple[Size, ...]) -> bool:
    return all(node.types[0].shape == shape for node in nodes)


def _all_weak(operands: list[Operand]) -> bool:
    return all(operand.value.weak for operand in operands)


def _split(op: Op, operands: list[Operand]) -> tuple[list[Operand], list[Operand]]:
    """The operands that are truth values, and those that meet in one dtype."""
    if op.dtype_rule == "logical":
        return operands, []
    return (operands[:1], operands[1:]) if op.dtype_rule == "select" else (_NONE, operands)


def expect_truths(context: Context, place: Place, operands: list[Operand]) -> bool:
    """Whether all operands are conditions, else a message for each that is none."""
    known = [expect_truth(context, place, operand) for operand in operands]
    return all(known)


def expect_truth(context: Context, place: Place, operand: Operand) -> bool:
    """Whether an operand is a condition, else a message."""
    node = operand.value.known
    if node.dtype == BOOL:
        return True
    context.report.error(
        "E0305",
        f"condition of {place.title} is {node.dtype}, not bool",
        Label(operand.span, f"this is {node.type}"),
        help=f"write the comparison: `{_compared(operand.span)}`",
        frame=place.scope.frame,
        edits=(Edit(operand.span, _comparison(operand)),),
    )
    return False


def _comparison(operand: Operand) -> str:
    simple = isinstance(operand.expression, (ast.Name, ast.Call, ast.Index))
    return f"{operand.span.text} != 0" if simple else f"({operand.span.text}) != 0"


def _compared(span: Span) -> str:
    text = shortened(span.text)
    return f"{text} != 0" if text.isidentifier() or text.endswith((")", "]")) else f"({text}) != 0"


def expect_numbers(context: Context, place: Place, operands: list[Operand]) -> bool:
    """Whether no operand is a truth value, else a message."""
    wrong = next((operand for operand in operands if operand.value.known.dtype == BOOL), None)
    return wrong is None or _refuse(
        context, place, wrong, "E0303", "act on truth values", "count with `{}`, choose with `where`", I64
    )


def expect_floats(context: Context, place: Place, operands: list[Operand]) -> bool:
    """Whether every operand is a float, or can be one without a cast; else a message."""
    for operand in operands:
        dtype = operand.value.known.dtype
        if dtype not in FLOATS and not operand.value.weak:
            return _refuse(context, place, operand, "E0311", f"take {dtype}", "make it a float: `{}`", F64)
    return True


def _refuse(
    context: Context, place: Place, operand: Operand, code: str, what: str, help: str, dtype: str
) -> bool:
    """False, after saying that something does not do `what` with an operand, and with which cast it does."""
    context.report.error(
        code,
        f"{place.title} does not {what}",
        Label(operand.span, f"this is {describe(operand.value.known.type)}"),
        help=help.format(f"{dtype}({quoted(operand.span).strip('`')})"),
        frame=place.scope.frame,
        edits=(Edit(operand.span, f"{dtype}({operand.span.text})"),),
    )
    return False


def meet_dtypes(context: Context, place: Place, operands: list[Operand], real: bool = False) -> list[Node] | None:
    """The operands in the one dtype in which they meet; None if a literal does not fit it."""
    if not operands:
        return []
    values = [operand.value for operand in operands]
    dtype = meeting_dtype(values)
    if dtype == F64:
        _lint_mixed(context, place, operands)
    if real and dtype not in FLOATS:
        dtype = F64
    for operand in operands if dtype == I32 else ():
        if not _fits_i32(operand.value):
            context.report.error(
                "E0105",
                "the constant does not fit the dtype i32 that it meets",
                Label(operand.span, "beyond 32 bits"),
                help="compute in i64: `i64(…)` of the other operand",
                frame=place.scope.frame,
            )
            return None
    return [convert(value.known, dtype) for value in values]


def _lint_mixed(context: Context, place: Place, operands: list[Operand]) -> None:
    """A remark where f32 is widened by an f64 array, once for a program: what follows is f64 too."""
    wide, narrow = (
        next((o for o in operands if not o.value.weak and o.value.known.dtype == dtype), None) for dtype in (F64, F32)
    )
    if wide is None or narrow is None or any(lint.code == "L0105" for lint in context.report.lints):
        return
    context.report.lint(
        "L0105",
        f"f32 meets f64 in {place.title}, and the result is f64",
        Label(place.span),
        Label(narrow.span, describe(narrow.value.known.type)),
        Label(wide.span, describe(wide.value.known.type)),
        help=f"declare both alike, or cast where it is meant: `f64({quoted(narrow.span).strip('`')})`",
    )


def meeting_dtype(values: list[Value]) -> str:
    """The dtype in which values meet.

    Weak values give way: to a float always, to an integer if they have no fraction.
    """
    strong: list[str] = []
    weak: list[str] = []
    for value in values:
        (weak if value.weak else strong).append(value.known.dtype)
    if not strong:
        return _promoted(weak)
    dtype = _promoted(strong)
    if dtype in FLOATS or not weak:
        return dtype
    fraction = [other for other in weak if other in FLOATS]
    return F64 if fraction else dtype if dtype in INTEGERS else promote(dtype, _promoted(weak))


def _promoted(dtypes: list[str]) -> str:
    dtype = dtypes[0]
    for other in dtypes:
        if other != dtype:
            dtype = promote(dtype, other)
    return dtype


def _fits_i32(value: Value) -> bool:
    number = value.size.constant if value.weak and value.size is not None else None
    return number is None or -(2**31) <= number < 2**31


def convert(node: Node, dtype: str) -> Node:
    """The node in a dtype; a literal, also one that fills an array, stays one."""
    if node.dtype == dtype:
        return node
    inner = node.args[0] if node.kind == VIEW else node
    number = constant_value(inner) if inner.kind == LEAF and not inner.shape else None
    return cast(node, dtype) if number is None else broadcast_to(constant(number, dtype), node.shape)


def shapes_meet(context: Context, place: Place, operands: list[Operand]) -> bool:
    """Whether shapes broadcast to a common one, else a message."""
    first = operands[0]
    for other in operands[1:]:
        clash = clashing_axis(first.value.known.shape, other.value.known.shape)
        if clash is not None:
            report_broadcast(context, place, first, other, clash)
            return False
        if len(other.value.known.shape) > len(first.value.known.shape):
            first = other
    return True


def clashing_axis(left: tuple[Size, ...], right: tuple[Size, ...]) -> int | None:
    """The last axis, counted from the end (-1, -2, …), at which two shapes do not broadcast; None if they do."""
    for axis in range(-1, -min(len(left), len(right)) - 1, -1):
        if left[axis] != right[axis] and left[axis] != ONE and right[axis] != ONE:
            return axis
    return None


def whole(context: Context, place: Place, size: Size) -> Value:
    """A value that is an integer known in terms of sizes."""
    number = size.constant
    if number is None:
        return Value(size_leaf(size), True, size)
    if not I64_LEAST <= number <= I64_MOST:
        shown = str(number) if abs(number) < 10**30 else f"about 10^{number.bit_length() * 3 // 10}"
        context.report.error(
            "E0105",
            f"the integer constant is {shown} and does not fit i64",
            Label(place.span, "beyond 64 bits"),
            help="for a float, write one of the numbers with a fraction: `2.0^70`",
            frame=place.scope.frame,
        )
        return POISON
    return Value(constant(number, I64), True, size)
