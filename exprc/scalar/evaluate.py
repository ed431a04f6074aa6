"""Runs scalar programs on NumPy arrays: the meaning of the instruction set, and the oracle of everything lowered.

NumPy is imported when a program is run, never before.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from exprc.diagnostics import InternalError
from exprc.ir.types import NUMPY_NAMES
from exprc.scalar.builder import Instruction, Instructions, reachable

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


def evaluate(program: Instructions, outputs: Sequence[int], inputs: Mapping[Hashable, Any]) -> list[Array]:
    """The values of `outputs` for arrays by the keys of the `input` instructions; all broadcast together."""
    import numpy as np

    values: dict[int, Array] = {}
    with np.errstate(all="ignore"):
        for value in reachable(program, outputs):
            instruction = program.instructions[value]
            operands = [values[arg] for arg in instruction.args]
            values[value] = _run(np, instruction, operands, inputs)
    return [values[output] for output in outputs]


def _run(np: Any, instruction: Instruction, operands: list[Array], inputs: Mapping[Hashable, Any]) -> Array:
    op, dtype = instruction.op, getattr(np, NUMPY_NAMES[instruction.dtype])
    if op == "const":
        return np.asarray(instruction.immediate, dtype)  # type: ignore[no-any-return]
    if op == "input":
        given = np.asarray(inputs[instruction.immediate])
        if given.dtype != dtype:
            raise InternalError(f"input {instruction.immediate} is {given.dtype}, not {instruction.dtype}")
        return given  # type: ignore[no-any-return]
    if op == "convert":
        return operands[0].astype(dtype)
    if op == "bitcast":
        return np.ascontiguousarray(operands[0]).view(dtype).reshape(np.shape(operands[0]))  # type: ignore[no-any-return]
    if op == "fma":
        from exprc.scalar.fused import fused_multiply_add

        return np.asarray(fused_multiply_add(*operands), dtype)  # type: ignore[no-any-return]
    return np.asarray(_NUMPY[op](np, *operands), dtype)  # type: ignore[no-any-return]


def _quotient(np: Any, a: Array, b: Array) -> Array:
    toward_minus_infinity = a // b
    inexact = (toward_minus_infinity * b != a) & (toward_minus_infinity < 0)
    return np.add(toward_minus_infinity, inexact, dtype=a.dtype)  # type: ignore[no-any-return]


def _lshr(np: Any, a: Array, b: Array) -> Array:
    unsigned = np.dtype(f"uint{8 * a.dtype.itemsize}")
    shifted: Array = (a.astype(unsigned) >> b.astype(unsigned)).astype(a.dtype)
    return shifted


def _named(name: str) -> Callable[..., Array]:
    return lambda np, *operands: getattr(np, name)(*operands)


_NUMPY: dict[str, Callable[..., Array]] = {
    "select": lambda np, condition, a, b: np.where(condition, a, b),
    "rare": lambda np, condition, a, b: np.where(condition, a, b),
    "quotient": _quotient,
    "lshr": _lshr,
    "neg": _named("negative"),
    "abs": _named("absolute"),
    "sqrt": _named("sqrt"),
    "floor": _named("floor"),
    "ceil": _named("ceil"),
    "trunc": _named("trunc"),
    "add": _named("add"),
    "sub": _named("subtract"),
    "mul": _named("multiply"),
    "div": _named("divide"),
    "copysign": _named("copysign"),
    "lt": _named("less"),
    "le": _named("less_equal"),
    "eq": _named("equal"),
    "ne": _named("not_equal"),
    "and": _named("bitwise_and"),
    "or": _named("bitwise_or"),
    "xor": _named("bitwise_xor"),
    "not": _named("invert"),
    "shl": _named("left_shift"),
    "ashr": _named("right_shift"),
}
