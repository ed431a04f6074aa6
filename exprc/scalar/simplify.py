"""Simplifications that change no bit of any result, applied while a program is built.

Rules of structure (`abs(neg x)` is `abs(x)`) and folding of constants.  Folding leaves NaN results to the machine,
whose sign and payload of a NaN are its own.
"""

from __future__ import annotations

from collections.abc import Callable
from math import copysign, isinf, isnan, sqrt
from struct import pack, unpack
from typing import TYPE_CHECKING

from exprc.ir.types import BOOL, F32, F64, FLOATS

if TYPE_CHECKING:
    from exprc.scalar.builder import Builder

    Constant = float | int | bool


def simplify(builder: Builder, op: str, args: tuple[int, ...], dtype: str) -> int | None:
    """An existing or simpler value equal to the instruction, or None."""
    rule = _STRUCTURE.get(op)
    known = rule(builder, args) if rule is not None else None
    return known if known is not None else _fold(builder, op, args, dtype)


def _defining(builder: Builder, value: int, op: str) -> tuple[int, ...] | None:
    instruction = builder.instructions[value]
    return instruction.args if instruction.op == op else None


def _constant(builder: Builder, value: int) -> Constant | None:
    instruction = builder.instructions[value]
    return instruction.immediate if instruction.op == "const" else None  # type: ignore[return-value]


def _is(builder: Builder, value: int, wanted: Constant) -> bool:
    """Whether a value is this constant; 0.0 and -0.0 are different ones."""
    constant = _constant(builder, value)
    return constant is not None and constant == wanted and copysign(1.0, constant) == copysign(1.0, wanted)


def _neg(builder: Builder, args: tuple[int, ...]) -> int | None:
    inner = _defining(builder, args[0], "neg")
    return inner[0] if inner else None


def _abs(builder: Builder, args: tuple[int, ...]) -> int | None:
    for op in ("neg", "abs", "copysign"):
        inner = _defining(builder, args[0], op)
        if inner:
            return builder.abs(inner[0])
    return None


def _copysign(builder: Builder, args: tuple[int, ...]) -> int | None:
    for op in ("neg", "abs", "copysign"):
        inner = _defining(builder, args[0], op)
        if inner:
            return builder.copysign(inner[0], args[1])
    return None


def _add(builder: Builder, args: tuple[int, ...]) -> int | None:
    zero = -0.0 if builder.dtype(args[0]) in FLOATS else 0
    for a, b in (args, args[::-1]):
        if _is(builder, b, zero):
            return a
        negated = _defining(builder, b, "neg")
        if negated:
            return builder.sub(a, negated[0])
    return None


def _sub(builder: Builder, args: tuple[int, ...]) -> int | None:
    if _is(builder, args[1], 0):
        return args[0]
    negated = _defining(builder, args[1], "neg")
    return builder.add(args[0], negated[0]) if negated else None


def _mul(builder: Builder, args: tuple[int, ...]) -> int | None:
    for a, b in (args, args[::-1]):
        if _is(builder, b, 1):
            return a
        if _is(builder, b, -1):
            return builder.neg(a)
    left, right = _defining(builder, args[0], "neg"), _defining(builder, args[1], "neg")
    return builder.mul(left[0], right[0]) if left and right else None


def _div(builder: Builder, args: tuple[int, ...]) -> int | None:
    if _is(builder, args[1], 1):
        return args[0]
    return builder.neg(args[0]) if _is(builder, args[1], -1) else None


def _select(builder: Builder, args: tuple[int, ...]) -> int | None:
    condition, a, b = args
    if a == b:
        return a
    known = _constant(builder, condition)
    if known is not None:
        return a if known else b
    negated = _defining(builder, condition, "not")
    return builder.select(negated[0], b, a) if negated else None


def _rare(builder: Builder, args: tuple[int, ...]) -> int | None:
    known = _constant(builder, args[0])
    return args[1] if args[1] == args[2] or known else args[2] if known is not None else None


def _not(builder: Builder, args: tuple[int, ...]) -> int | None:
    inner = _defining(builder, args[0], "not")
    return inner[0] if inner else None


def _and_or(builder: Builder, args: tuple[int, ...]) -> int | None:
    return args[0] if args[0] == args[1] else None


def _shift(builder: Builder, args: tuple[int, ...]) -> int | None:
    return args[0] if _is(builder, args[1], 0) else None


def _bitcast(builder: Builder, args: tuple[int, ...]) -> int | None:
    inner = _defining(builder, args[0], "bitcast")
    return inner[0] if inner else None


_STRUCTURE: dict[str, Callable[[Builder, tuple[int, ...]], int | None]] = {
    "neg": _neg,
    "abs": _abs,
    "copysign": _copysign,
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "div": _div,
    "select": _select,
    "rare": _rare,
    "not": _not,
    "and": _and_or,
    "or": _and_or,
    "shl": _shift,
    "lshr": _shift,
    "ashr": _shift,
    "bitcast": _bitcast,
}


def _fold(builder: Builder, op: str, args: tuple[int, ...], dtype: str) -> int | None:
    values = []
    for arg in args:
        value = _constant(builder, arg)
        if value is None or value != value:
            return None
        values.append(value)
    source = builder.dtype(args[0])
    fold = (_FOLD_FLOAT if source in FLOATS else _FOLD_INTEGER).get(op)
    result: Constant | None
    if op == "bitcast":
        result = _bits(source, values[0])
    elif op == "not":
        result = not values[0] if dtype == BOOL else ~values[0]  # type: ignore[operator]
    elif op == "convert":
        result = _converted(source, dtype, values[0])
    elif fold is None:
        return None
    else:
        result = fold(*values)
    if result is None or result != result:
        return None
    return builder.const(dtype, result)


def _divided(a: float, b: float) -> float | None:
    return a / b if b else None


def _root(a: float) -> float | None:
    return sqrt(a) if a > 0 else None


def _shifted_left(a: int, b: int) -> int:
    return a << b


def _shifted_right(a: int, b: int) -> int:
    return a >> b


def _bits(source: str, value: Constant) -> Constant:
    integer, number = ("<q", "<d") if source in (F64, "i64") else ("<i", "<f")
    codes = (number, integer) if source in FLOATS else (integer, number)
    return unpack(codes[1], pack(codes[0], value))[0]  # type: ignore[no-any-return]


def _converted(source: str, dtype: str, value: Constant) -> Constant | None:
    if dtype in FLOATS:
        # The host has no direct conversion of a wide integer to f32: by way of f64 it would round twice.
        return None if dtype == F32 and source == "i64" else value
    if source in FLOATS:
        limit = 2.0**63 if dtype == "i64" else 2.0**31
        return None if isinf(value) or not -limit <= value < limit else int(value)
    return int(value)


def _finite(function: Callable[[float, float], float | None]) -> Callable[[float, float], float | None]:
    """Python raises where the machine gives infinities or NaN: those cases stay unfolded."""

    def folded(a: float, b: float) -> float | None:
        result = None if isinf(a) or isinf(b) else function(a, b)
        return None if result is None or isnan(result) else result

    return folded


_COMPARE: dict[str, Callable[..., Constant | None]] = {
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
}

# An f32 result is the f64 one rounded again: for + - * / sqrt of f32 numbers that equals one rounding.
_FOLD_FLOAT: dict[str, Callable[..., Constant | None]] = {
    **_COMPARE,
    "neg": lambda a: -a,
    "abs": abs,
    "copysign": copysign,
    "add": _finite(lambda a, b: a + b),
    "sub": _finite(lambda a, b: a - b),
    "mul": _finite(lambda a, b: a * b),
    "div": _finite(_divided),
    "sqrt": _root,
}

_FOLD_INTEGER: dict[str, Callable[..., Constant | None]] = {
    **_COMPARE,
    "neg": lambda a: -a,
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "and": lambda a, b: a & b,
    "or": lambda a, b: a | b,
    "xor": lambda a, b: a ^ b,
    "shl": _shifted_left,
    "ashr": _shifted_right,
}
