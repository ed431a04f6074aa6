"""The closed instruction set of scalar programs: one row for each instruction.

Owns names, operand rules and meanings.  Knows nothing of how programs are built, run or lowered.
"""

from __future__ import annotations

from typing import NamedTuple

from exprc.ir.types import BOOL, F32, F64, FLOATS, I32, I64, INTEGERS

NUMBERS = FLOATS | INTEGERS
LOGICALS = INTEGERS | {BOOL}
EVERYTHING = NUMBERS | {BOOL}

BITCAST = {F64: I64, I64: F64, F32: I32, I32: F32}
CONVERSIONS = frozenset(
    [
        (F64, F32),
        (F32, F64),
        (I64, F64),
        (I64, F32),
        (I32, F64),
        (I32, F32),
        (F64, I64),
        (F64, I32),
        (F32, I64),
        (F32, I32),
        (I32, I64),
        (I64, I32),
        (BOOL, F64),
        (BOOL, F32),
        (BOOL, I64),
        (BOOL, I32),
    ]
)
WIDTH = {F64: 64, I64: 64, F32: 32, I32: 32}


class Rule(NamedTuple):
    """What an instruction accepts and means.  All operands share one dtype of `accepts`, unless `result` says more."""

    arity: int
    accepts: frozenset[str]
    result: str  # same: the operands' dtype | bool | select | bitcast | convert | given: stated by the instruction
    commutative: bool
    meaning: str


_FLOAT, _INTEGER, _NUMBER = FLOATS, INTEGERS, frozenset(NUMBERS)
_LOGICAL, _ANY = frozenset(LOGICALS), frozenset(EVERYTHING)

INSTRUCTIONS: dict[str, Rule] = {
    "input": Rule(0, _ANY, "given", False, "the argument whose key is the immediate"),
    "const": Rule(0, _ANY, "given", False, "the immediate"),
    "neg": Rule(1, _NUMBER, "same", False, "-a; flips the sign bit of a float, wraps for integers"),
    "abs": Rule(1, _FLOAT, "same", False, "clears the sign bit"),
    "sqrt": Rule(1, _FLOAT, "same", False, "correctly rounded square root"),
    "floor": Rule(1, _FLOAT, "same", False, "greatest integer <= a, as a float"),
    "ceil": Rule(1, _FLOAT, "same", False, "least integer >= a, as a float"),
    "trunc": Rule(1, _FLOAT, "same", False, "a without its fraction, as a float"),
    "add": Rule(2, _NUMBER, "same", True, "a + b, rounded to nearest even or wrapping"),
    "sub": Rule(2, _NUMBER, "same", False, "a - b, rounded to nearest even or wrapping"),
    "mul": Rule(2, _NUMBER, "same", True, "a * b, rounded to nearest even or wrapping"),
    "div": Rule(2, _FLOAT, "same", False, "a / b, rounded to nearest even"),
    "fma": Rule(3, _FLOAT, "same", False, "a * b + c with a single rounding"),
    "copysign": Rule(2, _FLOAT, "same", False, "a with the sign bit of b"),
    "quotient": Rule(2, _INTEGER, "same", False, "a / b towards zero; b = 0 and least / -1 must not occur"),
    "lt": Rule(2, _NUMBER, "bool", False, "a < b; false if either is NaN"),
    "le": Rule(2, _NUMBER, "bool", False, "a <= b; false if either is NaN"),
    "eq": Rule(2, _ANY, "bool", True, "a == b; false if either is NaN"),
    "ne": Rule(2, _ANY, "bool", True, "a != b; true if either is NaN"),
    "select": Rule(3, _ANY, "select", False, "b if the bool a, else c; both are evaluated"),
    "rare": Rule(3, _ANY, "select", False, "as select; what only b needs may be passed by where a holds in no lane"),
    "and": Rule(2, _LOGICAL, "same", True, "bitwise and, or logical for bool"),
    "or": Rule(2, _LOGICAL, "same", True, "bitwise or, or logical for bool"),
    "xor": Rule(2, _LOGICAL, "same", True, "bitwise exclusive or, or logical for bool"),
    "not": Rule(1, _LOGICAL, "same", False, "bitwise complement, or logical for bool"),
    "shl": Rule(2, _INTEGER, "same", False, "a shifted left by b, 0 <= b < width"),
    "lshr": Rule(2, _INTEGER, "same", False, "a shifted right by b, zeros shifted in"),
    "ashr": Rule(2, _INTEGER, "same", False, "a shifted right by b, the sign shifted in"),
    "bitcast": Rule(1, _NUMBER, "bitcast", False, "the same bits as the number of the other kind and equal width"),
    "convert": Rule(
        1,
        _ANY,
        "convert",
        False,
        "a as the instruction's dtype: rounded to nearest even into a float; a float into an integer towards zero, "
        "any value if that does not fit; i64 into i32 keeps the low bits; bool is 0 or 1",
    ),
}
