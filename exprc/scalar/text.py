"""The text form of scalar programs, and their verifier."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from exprc.diagnostics import InternalError
from exprc.ir.types import DTYPES, FLOATS
from exprc.scalar.builder import Instruction, Instructions, canonical_constant, reachable, result_dtype
from exprc.scalar.instructions import INSTRUCTIONS


def show(program: Instructions, outputs: Iterable[int]) -> str:
    """One line for each instruction that `outputs` need, and a last one that names them; floats in hexadecimal."""
    outputs = list(outputs)
    lines = [_line(value, program.instructions[value]) for value in reachable(program, outputs)]
    return "\n".join([*lines, "return " + ", ".join(f"%{output}" for output in outputs)]) + "\n"


def verify(program: Instructions) -> None:
    """Raises `InternalError` unless every instruction obeys the table and uses earlier values only."""
    instructions = program.instructions
    for value, instruction in enumerate(instructions):
        where = f"%{value} = {instruction.op}"
        if any(not 0 <= arg < value for arg in instruction.args):
            raise InternalError(f"{where} uses a value that is not before it")
        if instruction.op in ("input", "const"):
            _verify_given(where, instruction)
            continue
        operands = [instructions[arg].dtype for arg in instruction.args]
        if result_dtype(instruction.op, operands, instruction.dtype) != instruction.dtype:
            raise InternalError(f"{where} is not of dtype {instruction.dtype}")


def _verify_given(where: str, instruction: Instruction) -> None:
    if instruction.args or instruction.dtype not in DTYPES:
        raise InternalError(f"{where} has operands or no dtype")
    constant: Any = instruction.immediate
    is_number = instruction.op == "const" and constant == constant
    if is_number and canonical_constant(instruction.dtype, constant) != constant:
        raise InternalError(f"{where} {constant!r} is no {instruction.dtype}")


def _line(value: int, instruction: Instruction) -> str:
    operands = [f"%{arg}" for arg in instruction.args]
    if instruction.op == "const" and instruction.dtype in FLOATS:
        operands.append(instruction.immediate.hex())  # type: ignore[attr-defined]
    elif INSTRUCTIONS[instruction.op].result == "given":
        operands.append(str(instruction.immediate))
    return f"%{value} = {instruction.op}.{instruction.dtype} {', '.join(operands)}"
