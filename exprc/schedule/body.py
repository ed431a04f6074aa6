"""The body of a nest as one scalar program: what the interpreter runs and the lowering writes out.

Must not know who asks.
"""

from __future__ import annotations

from exprc.scalar.builder import Builder
from exprc.schedule.kernel import Apply, Constant, Nest


def body_program(nest: Nest) -> tuple[Builder, list[int]]:
    """The program, with the instructions that bring values as inputs; entry k of the list is the value of number k."""
    builder = Builder()
    values: list[int] = []
    for instruction in nest.body:
        if isinstance(instruction, Constant):
            values.append(builder.const(instruction.dtype, instruction.value))
        elif isinstance(instruction, Apply):
            assert instruction.op.program is not None
            operands = [values[number] for number in instruction.args]
            values.append(instruction.op.program(builder, *operands, *instruction.attrs))
        else:
            values.append(builder.input(instruction, instruction.dtype))
    return builder, values
