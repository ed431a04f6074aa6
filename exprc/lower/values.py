"""Scalar instructions as LLVM instructions, one for one, on scalars or on vectors of any number of lanes."""

from __future__ import annotations

from collections.abc import Sequence

from exprc.diagnostics import InternalError
from exprc.ir.types import BOOL, BYTES, FLOATS
from exprc.lower.emit import Branch, Function, literal, overload, register_type

_UNARY = {"abs": "fabs", "sqrt": "sqrt", "floor": "floor", "ceil": "ceil", "trunc": "trunc"}
_FLOAT = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv"}
_INTEGER = {"quotient": "sdiv"}
_FLOAT_COMPARE = {"lt": "olt", "le": "ole", "eq": "oeq", "ne": "une"}
_INTEGER_COMPARE = {"lt": "slt", "le": "sle", "eq": "eq", "ne": "ne"}


def emit_instruction(function: Function, op: str, source: str, result: str, operands: list[str], lanes: int) -> str:
    """A scalar instruction; `source` is the dtype of its last operand, `result` its own."""
    kind = register_type(source, lanes)
    if op in ("select", "rare"):
        condition = register_type(BOOL, lanes)
        return function.value(f"select {condition} {operands[0]}, {kind} {operands[1]}, {kind} {operands[2]}")
    if op in ("lt", "le", "eq", "ne"):
        compare = f"fcmp {_FLOAT_COMPARE[op]}" if source in FLOATS else f"icmp {_INTEGER_COMPARE[op]}"
        return function.value(f"{compare} {kind} {operands[0]}, {operands[1]}")
    if op == "convert":
        return convert(function, source, result, operands[0], lanes)
    if op == "bitcast":
        return function.value(f"bitcast {kind} {operands[0]} to {register_type(result, lanes)}")
    if op == "neg":
        if source in FLOATS:
            return function.value(f"fneg {kind} {operands[0]}")
        return function.value(f"sub {kind} {literal(source, 0, lanes)}, {operands[0]}")
    if op == "not":
        return function.value(f"xor {kind} {operands[0]}, {literal(source, True if source == BOOL else -1, lanes)}")
    if op in _UNARY or op in ("fma", "copysign"):
        name = f"llvm.{_UNARY.get(op, op)}.{overload(source, lanes)}"
        return function.call(kind, name, *((kind, operand) for operand in operands))
    if len(operands) != 2:
        raise InternalError(f"scalar instruction {op} has no lowering")
    name = _FLOAT.get(op, op) if source in FLOATS else _INTEGER.get(op, op)
    return function.value(f"{name} {kind} {operands[0]}, {operands[1]}")


def open_detour(function: Function, conditions: Sequence[str], lanes: int) -> Branch:
    """Starts what is done only if a condition holds in some lane."""
    kind, condition = register_type(BOOL, lanes), conditions[0]
    for other in conditions[1:]:
        condition = function.value(f"or {kind} {condition}, {other}")
    if lanes > 1:
        condition = function.call("i1", f"llvm.vector.reduce.or.{overload(BOOL, lanes)}", (kind, condition))
    return function.open_branch(condition, rare=True)


def convert(function: Function, source: str, result: str, value: str, lanes: int) -> str:
    """A value as another dtype."""
    if source == result:
        return value
    if source in FLOATS:
        how = ("fpext" if source == "f32" else "fptrunc") if result in FLOATS else "fptosi"
    elif result in FLOATS:
        how = "uitofp" if source == BOOL else "sitofp"
    elif source == BOOL:
        how = "zext"
    else:
        how = "sext" if BYTES[result] > BYTES[source] else "trunc"
    return function.value(f"{how} {register_type(source, lanes)} {value} to {register_type(result, lanes)}")
