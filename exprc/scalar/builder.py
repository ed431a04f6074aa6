"""Builds scalar programs: typed instructions in static single assignment, numbered by value.

The same instruction asked for twice is the same value, so functions that share a part share its instructions.
Knows the instruction set; knows no target and no mathematical function.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from struct import pack, unpack
from typing import NamedTuple, Protocol

from exprc.diagnostics import InternalError
from exprc.ir.types import BOOL, F64, FLOATS, INTEGERS
from exprc.scalar.instructions import BITCAST, CONVERSIONS, INSTRUCTIONS, WIDTH
from exprc.scalar.simplify import simplify

Constant = float | int | bool | str


class Instruction(NamedTuple):
    """One operation on earlier values.  Its own value is its position in the program."""

    op: str
    args: tuple[int, ...]
    dtype: str
    immediate: Hashable = None


class Instructions(Protocol):
    """What can be read as a program: a builder, or a finished `Program`."""

    @property
    def instructions(self) -> Sequence[Instruction]:
        """Every instruction uses earlier ones only."""
        ...


class Program(NamedTuple):
    """A finished program without dead instructions."""

    instructions: tuple[Instruction, ...]
    outputs: tuple[int, ...]


class Builder:
    """Appends instructions; every method returns the handle of a value."""

    __slots__ = ("_numbers", "instructions")

    def __init__(self) -> None:
        self.instructions: list[Instruction] = []
        self._numbers: dict[Hashable, int] = {}

    def dtype(self, value: int) -> str:
        """The dtype of a value."""
        return self.instructions[value].dtype

    def input(self, key: Hashable, dtype: str) -> int:
        """An argument of the program, the same value for the same key."""
        return self._number(("input", key, dtype), Instruction("input", (), dtype, key))

    def const(self, dtype: str, value: Constant) -> int:
        """A constant.  Floats may be hexadecimal text; for f32 they are rounded to nearest, integers wrap."""
        constant = canonical_constant(dtype, value)
        key = pack("<d", constant) if dtype in FLOATS else constant
        return self._number(("const", key, dtype), Instruction("const", (), dtype, constant))

    def emit(self, op: str, *args: int, dtype: str | None = None) -> int:
        """Any instruction of the table by name; `dtype` is needed by `convert` only."""
        result = self._result_dtype(op, args, dtype)
        known = simplify(self, op, args, result)
        if known is not None:
            return known
        ordered = _ordered(op, args)
        return self._number((op, ordered, result), Instruction(op, ordered, result))

    def call(self, routine: Hashable, args: tuple[int, ...], dtype: str) -> int:
        """A program that is kept elsewhere, applied to values: whoever asks for it knows what it does."""
        return self._number(("call", routine, args, dtype), Instruction("call", args, dtype, routine))

    def program(self, outputs: Sequence[int]) -> Program:
        """The instructions that `outputs` need, renumbered densely."""
        order = reachable(self, outputs)
        position = {value: index for index, value in enumerate(order)}
        renumbered = tuple(
            self.instructions[value]._replace(args=tuple(position[arg] for arg in self.instructions[value].args))
            for value in order
        )
        return Program(renumbered, tuple(position[output] for output in outputs))

    def reachable(self, outputs: Iterable[int]) -> list[int]:
        """The values that `outputs` need, in order."""
        return reachable(self, outputs)

    def neg(self, a: int) -> int:
        """-a."""
        return self.emit("neg", a)

    def abs(self, a: int) -> int:
        """|a|; of the least integer itself."""
        if self.dtype(a) in INTEGERS:
            return self.larger(a, self.neg(a))
        return self.emit("abs", a)

    def sqrt(self, a: int) -> int:
        """The square root."""
        return self.emit("sqrt", a)

    def floor(self, a: int) -> int:
        """Greatest integer <= a, as a float."""
        return self.emit("floor", a)

    def ceil(self, a: int) -> int:
        """Least integer >= a, as a float."""
        return self.emit("ceil", a)

    def trunc(self, a: int) -> int:
        """a without its fraction, as a float."""
        return self.emit("trunc", a)

    def round(self, a: int) -> int:
        """Nearest integer as a float, ties to even: composed with the number above which floats are integers."""
        dtype = self.dtype(a)
        limit = self.const(dtype, 2.0**52 if dtype == F64 else 2.0**23)
        size = self.abs(a)
        nearest = self.copysign(self.sub(self.add(size, limit), limit), a)
        return self.select(self.lt(size, limit), nearest, a)

    def add(self, a: int, b: int) -> int:
        """a + b."""
        return self.emit("add", a, b)

    def sub(self, a: int, b: int) -> int:
        """a - b."""
        return self.emit("sub", a, b)

    def mul(self, a: int, b: int) -> int:
        """a * b."""
        return self.emit("mul", a, b)

    def div(self, a: int, b: int) -> int:
        """a / b of floats."""
        return self.emit("div", a, b)

    def fma(self, a: int, b: int, c: int) -> int:
        """a * b + c, rounded once."""
        return self.emit("fma", a, b, c)

    def copysign(self, a: int, b: int) -> int:
        """a with the sign of b."""
        return self.emit("copysign", a, b)

    def quotient(self, a: int, b: int) -> int:
        """a / b of integers towards zero; the divisor must be sound, see the table."""
        return self.emit("quotient", a, b)

    def idiv(self, a: int, b: int) -> int:
        """a // b as in Python, by `quotient`; a // 0 is 0 and least // -1 wraps, as in NumPy."""
        quotient, remainder, divisor = self._divide(a, b)
        zero, one = self.const(self.dtype(a), 0), self.const(self.dtype(a), 1)
        down = self.and_(self.ne(remainder, zero), self.lt(self.xor(remainder, divisor), zero))
        result = self.sub(quotient, self.select(down, one, zero))
        negated = self.select(self.eq(b, self.const(self.dtype(a), -1)), self.neg(a), result)
        return self.select(self.eq(b, zero), zero, negated)

    def imod(self, a: int, b: int) -> int:
        """a % b as in Python: the sign of b; a % 0 is 0, as in NumPy."""
        _, remainder, divisor = self._divide(a, b)
        zero = self.const(self.dtype(a), 0)
        other = self.and_(self.ne(remainder, zero), self.lt(self.xor(remainder, divisor), zero))
        return self.add(remainder, self.select(other, divisor, zero))

    def smaller(self, a: int, b: int) -> int:
        """a if a < b else b: one instruction of most machines; b if either is NaN."""
        return self.select(self.lt(a, b), a, b)

    def larger(self, a: int, b: int) -> int:
        """a if a > b else b: one instruction of most machines; b if either is NaN."""
        return self.select(self.gt(a, b), a, b)

    def min(self, a: int, b: int) -> int:
        """The smaller one; NaN if either is NaN."""
        return self._or_nan(a, self.smaller(a, b))

    def max(self, a: int, b: int) -> int:
        """The larger one; NaN if either is NaN."""
        return self._or_nan(a, self.larger(a, b))

    def lt(self, a: int, b: int) -> int:
        """a < b."""
        return self.emit("lt", a, b)

    def le(self, a: int, b: int) -> int:
        """a <= b."""
        return self.emit("le", a, b)

    def gt(self, a: int, b: int) -> int:
        """a > b, as b < a."""
        return self.emit("lt", b, a)

    def ge(self, a: int, b: int) -> int:
        """a >= b, as b <= a."""
        return self.emit("le", b, a)

    def eq(self, a: int, b: int) -> int:
        """a == b."""
        return self.emit("eq", a, b)

    def ne(self, a: int, b: int) -> int:
        """a != b, true if either is NaN."""
        return self.emit("ne", a, b)

    def isnan(self, a: int) -> int:
        """Whether a is NaN."""
        return self.ne(a, a)

    def select(self, condition: int, a: int, b: int) -> int:
        """a if condition else b."""
        return self.emit("select", condition, a, b)

    def rare(self, condition: int, a: int, b: int) -> int:
        """As `select`, where the condition seldom holds: no time is spent on a unless it holds in some lane."""
        return self.emit("rare", condition, a, b)

    def and_(self, a: int, b: int) -> int:
        """a and b, bitwise."""
        return self.emit("and", a, b)

    def or_(self, a: int, b: int) -> int:
        """a or b, bitwise."""
        return self.emit("or", a, b)

    def xor(self, a: int, b: int) -> int:
        """Exclusive or, bitwise."""
        return self.emit("xor", a, b)

    def not_(self, a: int) -> int:
        """The complement, bitwise."""
        return self.emit("not", a)

    def shl(self, a: int, b: int) -> int:
        """a shifted left by b bits."""
        return self.emit("shl", a, b)

    def lshr(self, a: int, b: int) -> int:
        """a shifted right by b bits, zeros shifted in."""
        return self.emit("lshr", a, b)

    def ashr(self, a: int, b: int) -> int:
        """a shifted right by b bits, the sign shifted in."""
        return self.emit("ashr", a, b)

    def bitcast(self, a: int) -> int:
        """The bits of a float as an integer of its width, or back."""
        return self.emit("bitcast", a)

    def convert(self, dtype: str, a: int) -> int:
        """a as `dtype`.  To bool: a != 0.  Where a float does not fit an integer, any value: see `math.to_integer`."""
        if dtype == self.dtype(a):
            return a
        if dtype == BOOL:
            return self.ne(a, self.const(self.dtype(a), 0))
        return self.emit("convert", a, dtype=dtype)

    def _number(self, key: Hashable, instruction: Instruction) -> int:
        known = self._numbers.get(key)
        if known is None:
            known = self._numbers[key] = len(self.instructions)
            self.instructions.append(instruction)
        return known

    def _or_nan(self, a: int, other: int) -> int:
        return self.select(self.isnan(a), a, other) if self.dtype(a) in FLOATS else other

    def _divide(self, a: int, b: int) -> tuple[int, int, int]:
        """Quotient towards zero, remainder, and the divisor used: 1 where b cannot divide."""
        dtype = self.dtype(a)
        unsound = self.or_(self.eq(b, self.const(dtype, 0)), self.eq(b, self.const(dtype, -1)))
        divisor = self.select(unsound, self.const(dtype, 1), b)
        quotient = self.quotient(a, divisor)
        return quotient, self.sub(a, self.mul(quotient, divisor)), divisor

    def _result_dtype(self, op: str, args: tuple[int, ...], dtype: str | None) -> str:
        instructions = self.instructions
        return result_dtype(op, [instructions[arg].dtype for arg in args], dtype)


def result_dtype(op: str, operands: Sequence[str], dtype: str | None = None) -> str:
    """The dtype of an instruction on operands of these dtypes, or an `InternalError` if the table forbids it."""
    rule = INSTRUCTIONS.get(op)
    if rule is None or rule.arity != len(operands) or rule.arity == 0:
        raise InternalError(f"no scalar instruction {op} of {len(operands)} operands")
    if rule.result == "select":
        if operands[0] != BOOL:
            raise InternalError(f"select on {operands[0]}, not bool")
        operands = operands[1:]
    first = operands[0]
    if first not in rule.accepts or any(other != first for other in operands):
        raise InternalError(f"scalar instruction {op} on {', '.join(operands)}")
    if rule.result == "convert":
        if dtype is None or (first, dtype) not in CONVERSIONS:
            raise InternalError(f"no conversion of {first} to {dtype}")
        return dtype
    if rule.result == "bitcast":
        return BITCAST[first]
    return BOOL if rule.result == "bool" else first


def reachable(program: Instructions, outputs: Iterable[int]) -> list[int]:
    """The values that `outputs` need, themselves included, in program order."""
    instructions = program.instructions
    pending, needed = list(outputs), set()
    while pending:
        value = pending.pop()
        if value not in needed:
            needed.add(value)
            pending.extend(instructions[value].args)
    return sorted(needed)


def canonical_constant(dtype: str, value: Constant) -> float | int | bool:
    """The value as the dtype holds it."""
    if dtype == BOOL:
        return bool(value)
    if dtype in FLOATS:
        number = float.fromhex(value) if isinstance(value, str) else float(value)
        return number if dtype == F64 else round_to_f32(number)
    half = 1 << (WIDTH[dtype] - 1)
    return (int(value) + half) % (2 * half) - half


def round_to_f32(number: float) -> float:
    """The nearest f32, infinite where it overflows."""
    try:
        return float(unpack("<f", pack("<f", number))[0])
    except OverflowError:
        return number * float("inf")


def _ordered(op: str, args: tuple[int, ...]) -> tuple[int, ...]:
    if INSTRUCTIONS[op].commutative and args[1] < args[0]:
        return (args[1], args[0])
    if op == "fma" and args[1] < args[0]:
        return (args[1], args[0], args[2])
    return args
