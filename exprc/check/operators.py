"""The operators of the language on checked values.

Owns arithmetic, comparisons, logic, choice, `@`, transposes and array literals, with what is known of integers made
of sizes.  Must not know names or scopes but to pass them on.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from exprc.check.context import Context, describe, describe_value
from exprc.check.domains import watch
from exprc.check.meeting import clashing_axis, elementwise, expect_numbers, expect_truth, meet_dtypes, whole
from exprc.check.mismatch import report_broadcast, report_product
from exprc.check.operands import Operand, Place
from exprc.check.report import NOT_BUILT, quoted
from exprc.check.scopes import Scope
from exprc.check.values import POISON, Value
from exprc.diagnostics import Edit, Label
from exprc.ir.node import make
from exprc.ir.op import ELEMENTWISE, Op
from exprc.ir.sizes import ONE, Size, divide_exactly, floordiv
from exprc.ir.sizes import constant as constant_size
from exprc.ir.types import F64, FLOATS, I64, INTEGERS
from exprc.ops import TABLE
from exprc.ops.compare import eq, where
from exprc.ops.contraction import matmul
from exprc.ops.leaves import iota
from exprc.ops.views import broadcast, transpose
from exprc.source import Span
from exprc.syntax import ast

MOST_TERMS = 64  # of a size that arithmetic makes; beyond that it is computed when running
MOST_ATOMS = 16  # of the divisions, minima and maxima in it
MOST_ENTRIES = 64  # of an array literal

_UNARY = TABLE["neg"]
_INFIX = {op.infix: op for op in TABLE.values() if op.infix and op.kind == ELEMENTWISE and len(op.signature) == 2}


def negative(context: Context, scope: Scope, expression: ast.Unary, value: Value) -> Value:
    """`-x`."""
    if value.node is not None and value.size is not None and value.known.dtype == I64:
        return whole(context, Place("`-`", expression.span, scope), -value.size)
    place = Place("`-`", _operator_span(expression.span, "-"), scope)
    return elementwise(context, place, _UNARY, [Operand(value, expression.operand)])


def negated(context: Context, scope: Scope, expression: ast.Not, value: Value) -> Value:
    """`not c`."""
    place = Place("`not`", expression.span, scope)
    return elementwise(context, place, TABLE["not"], [Operand(value, expression.operand)])


def binary(context: Context, scope: Scope, expression: ast.Binary, left: Value, right: Value) -> Value:
    """`a + b` and its like."""
    if left.node is None or right.node is None:
        return POISON
    value = _binary(context, scope, expression, left, right)
    if expression.op in "/^" and value.node is not None and not _is_plain(expression):
        watch(context, value.node, (expression.left.span, expression.right.span), scope.frame)
    return value


def _is_plain(expression: ast.Binary) -> bool:
    """Whether any number can be taken: divided by a number, or raised to a whole one."""
    right = expression.right
    return isinstance(right, ast.Number) and (expression.op == "/" or not right.is_float)


def _binary(context: Context, scope: Scope, expression: ast.Binary, left: Value, right: Value) -> Value:
    assert left.node is not None and right.node is not None
    plain = _of_one_float_type(expression.op, left, right)
    if plain is not None:
        return plain
    place = Place(f"`{expression.op}`", between(expression.left.span, expression.right.span, expression.op), scope)
    operands = [Operand(left, expression.left), Operand(right, expression.right)]
    if expression.op == "@":
        return _product(context, place, *operands)
    op = _INFIX[expression.op]
    size = _size_of(expression.op, left.size, right.size)
    if size is not None and left.node.dtype == right.node.dtype == I64 and expression.op != "/":
        return whole(context, Place(place.title, expression.span, scope), size)
    if expression.op == "^":
        return _power(context, place, op, operands)
    value = elementwise(context, place, op, operands)
    return value if size is None or value.node is None else Value(value.node, value.weak, size)


def _of_one_float_type(operator: str, left: Value, right: Value) -> Value | None:
    """The common case, in which nothing has to meet; None in any other."""
    op = _INFIX.get(operator)
    if op is None or left.node is None or right.node is None or left.size is not None or right.size is not None:
        return None
    type = left.node.types[0]
    if type != right.node.types[0] or type.dtype not in FLOATS:
        return None
    return Value(make(op, (left.node, right.node)), left.weak and right.weak)


def compare(context: Context, scope: Scope, expression: ast.Compare, values: list[Value]) -> Value:
    """`a < b <= c`."""
    result: Value | None = None
    operands = [Operand(value, written) for value, written in zip(values, expression.operands, strict=True)]
    for name, (left, right) in zip(expression.ops, pairwise(operands), strict=True):
        place = Place(f"`{name}`", between(left.span, right.span, name), scope)
        step = elementwise(context, place, _INFIX[name], [left, right])
        if result is None:
            result = step
        else:
            both = [Operand(result, expression), Operand(step, right.expression)]
            result = elementwise(context, place, _INFIX["and"], both)
    assert result is not None
    return result


def logical(context: Context, scope: Scope, expression: ast.Logical, left: Value, right: Value) -> Value:
    """`a and b`, `a or b`."""
    span = between(expression.left.span, expression.right.span, expression.op)
    operands = [Operand(left, expression.left), Operand(right, expression.right)]
    return elementwise(context, Place(f"`{expression.op}`", span, scope), _INFIX[expression.op], operands)


def choose(context: Context, scope: Scope, expression: ast.If, values: list[Value]) -> Value:
    """`if c then a else b`."""
    condition = values[0]
    written = (expression.condition, expression.then, expression.otherwise)
    operands = [Operand(value, part) for value, part in zip(values, written, strict=True)]
    place = Place("`if`", Span(expression.span.source, expression.span.start, expression.span.start + 2), scope)
    if condition.node is None or not expect_truth(context, place, operands[0]):
        return POISON
    if condition.node.shape:
        context.report.error(
            "E0306",
            "condition of `if` is not a scalar",
            Label(expression.condition.span, f"this is {condition.node.type}"),
            help=f"for a choice per entry write `where({', '.join(quoted(part.span).strip('`') for part in written)})`",
            frame=scope.frame,
            edits=(Edit(expression.span, f"where({', '.join(part.span.text for part in written)})"),),
        )
        return POISON
    return elementwise(context, place, TABLE["where"], operands)


def transposed(value: Value) -> Value:
    """`X'`: the last two axes exchanged; vectors and scalars as they are."""
    return value if value.node is None else Value(transpose(value.node), value.weak, value.size)


def stacked(context: Context, scope: Scope, expression: ast.ArrayLiteral, values: list[Value]) -> Value:
    """`[a, b, c]`: entries of one shape along a new first axis."""
    operands = [Operand(value, written) for value, written in zip(values, expression.items, strict=True)]
    place = Place("`[ ]`", expression.span, scope)
    if not values or len(values) > MOST_ENTRIES:
        what = "an empty array" if not values else f"an array literal of more than {MOST_ENTRIES} entries"
        context.report.error(NOT_BUILT, f"{what} is not built yet", Label(expression.span), frame=scope.frame)
        return POISON
    if any(value.node is None for value in values):
        return POISON
    first = operands[0]
    for other in operands[1:]:
        if other.value.known.shape != first.value.known.shape:
            context.report.error(
                "E0417",
                "entries of an array have different shapes",
                Label(other.span, describe_value(other.value)),
                Label(first.span, describe_value(first.value)),
                frame=scope.frame,
            )
            return POISON
    nodes = meet_dtypes(context, place, operands)
    if nodes is None:
        return POISON
    shape = (constant_size(len(nodes)), *nodes[0].shape)
    kept = tuple(range(1, len(shape)))
    place_of = iota(shape, 0)
    result = broadcast(nodes[-1], shape, kept)
    for index in range(len(nodes) - 2, -1, -1):
        result = where(eq(place_of, index), broadcast(nodes[index], shape, kept), result)
    return Value(result, all(value.weak for value in values))


def between(left: Span, right: Span, text: str) -> Span:
    """Where an operator stands: between its operands, brackets and comments skipped."""
    source, position = left.source.text, left.end
    spelled = ("^", "**") if text == "^" else (text,)
    while position < right.start:
        if source[position] == "#":
            position = source.find("\n", position)
            if position < 0:
                break
        for word in spelled:
            if source.startswith(word, position):
                return Span(left.source, position, position + len(word))
        position += 1
    return left.to(right)


def _operator_span(span: Span, text: str) -> Span:
    return Span(span.source, span.start, span.start + len(text))


# ---- integers made of sizes


def _quotient(left: Size, right: Size) -> Size | None:
    return None if right.constant == 0 else floordiv(left, right)


def _remainder(left: Size, right: Size) -> Size | None:
    """The remainder of integers that are known, or are made of indices: that of sizes is computed when running."""
    a, b = left.constant, right.constant
    if a is not None and b:
        return constant_size(a % b)
    return left - right * floordiv(left, right) if b != 0 and any("#" in name for name in left.dims()) else None


def _power_of_size(left: Size, right: Size) -> Size | None:
    exponent, base = right.constant, left.constant
    if exponent is None or not 0 <= exponent <= 64 or (base is None and len(left.terms) * exponent > 16):
        return None if base is None or exponent is None or exponent < 0 else _small_power(base, exponent)
    result = ONE
    for _ in range(exponent):
        result = result * left
    return result


def _small_power(base: int, exponent: int) -> Size | None:
    """The power of an integer, or one that certainly does not fit where the power is huge."""
    if abs(base) <= 1:
        return constant_size(base ** (exponent % 2 or 2))
    return constant_size(base ** min(exponent, 5000))


_SIZE_RULES: dict[str, Callable[[Size, Size], Size | None]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "//": _quotient,
    "%": _remainder,
    "^": _power_of_size,
    "/": lambda left, right: divide_exactly(left, right) if right.terms else None,
}


def _size_of(operator: str, left: Size | None, right: Size | None) -> Size | None:
    if left is None or right is None or len(left.terms) * len(right.terms) > MOST_TERMS:
        return None
    size = _SIZE_RULES[operator](left, right)
    return size if size is not None and len(size.terms) <= MOST_TERMS and is_small(size) else None


def is_small(size: Size) -> bool:
    """Whether few divisions, minima and maxima are in a size: within each other they are costly to handle."""
    count = 0
    pending = [size]
    while pending:
        for monomial, _ in pending.pop().terms:
            for atom, _ in monomial:
                if not isinstance(atom, str):
                    count += 1
                    pending.extend(atom.arguments)
        if count > MOST_ATOMS:
            return False
    return True


def _power(context: Context, place: Place, op: Op, operands: list[Operand]) -> Value:
    """`x^y`; an integer to a negative constant power is a fraction, of which an integer array has no room."""
    base, exponent = operands
    number = exponent.value.size.constant if exponent.value.size is not None else None
    if number is not None and number < 0 and base.value.known.dtype in INTEGERS:
        if not base.value.weak:
            context.report.error(
                "E0311",
                f"an integer to the power {number} is not an integer",
                Label(base.span, describe(base.value.known.type)),
                help=f"make it a float: `f64({quoted(base.span).strip('`')})^{number}`",
                frame=place.scope.frame,
                edits=(Edit(base.span, f"f64({base.span.text})"),),
            )
            return POISON
        from exprc.check.meeting import convert

        base = Operand(Value(convert(base.value.known, F64), True), base.expression)
    return elementwise(context, place, op, [base, exponent])


def _product(context: Context, place: Place, left: Operand, right: Operand) -> Value:
    """`A @ B`."""
    for operand in (left, right):
        if not operand.value.known.shape:
            context.report.error(
                "E0404",
                "`@` needs arrays",
                Label(operand.span, f"this is {describe_value(operand.value)}"),
                help="write `*` to multiply by a number",
                frame=place.scope.frame,
                edits=(Edit(place.span, "*"),) if place.span.text == "@" else (),
            )
            return POISON
    if not expect_numbers(context, place, [left, right]):
        return POISON
    a, b = left.value.known.shape, right.value.known.shape
    if a[-1] != b[-2 if len(b) > 1 else -1]:
        report_product(context, place, left, right)
        return POISON
    clash = clashing_axis(a[:-2], b[:-2])
    if clash is not None:
        report_broadcast(context, place, left, right, clash - 2)
        return POISON
    nodes = meet_dtypes(context, place, [left, right])
    if nodes is None:
        return POISON
    _lint_order(context, place, left, right)
    return Value(matmul(*nodes), left.value.weak and right.value.weak)


def _lint_order(context: Context, place: Place, left: Operand, right: Operand) -> None:
    """A remark on `X @ X' @ v`: from the left it makes a matrix that grows with the square of a dim."""
    written, shape = left.expression, left.value.known.shape
    if not isinstance(written, ast.Binary) or written.op != "@" or len(right.value.known.shape) != 1:
        return
    if len(shape) != 2 or shape[0] != shape[1] or shape[0].constant is not None:
        return
    first, second, vector = (quoted(part.span).strip("`") for part in (written.left, written.right, right.expression))
    context.report.lint(
        "L0109",
        f"a matrix of {shape[0]} * {shape[1]} entries for the product with a vector",
        Label(left.span, f"this is {describe_value(left.value)}"),
        note="`@` goes from left to right",
        help=f"multiply by the vector first: `{first} @ ({second} @ {vector})`",
    )
