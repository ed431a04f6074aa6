"""Operations with long programs that are applied very often: one function for each instead of a copy at every use.

Owns the decision, taken by what all of a plan's programs cost together, and those functions.  In a plan of ordinary
size programs stay where they are used, and share what they have in common.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from exprc.ir.op import Op
from exprc.lower.emit import Function, Module, literal, overload, register_type
from exprc.lower.rare import in_turn
from exprc.lower.values import emit_instruction, open_detour
from exprc.scalar.builder import Builder, reachable
from exprc.schedule.kernel import Apply, Kernel, Loop, Nest, Plan, Statement, statements_of

LONG, MOST_COST = 8, 1000  # costs: of a program worth a call, and of all such programs that are copied


class Routine(NamedTuple):
    """An operation with its attributes on values of given dtypes."""

    op: Op
    attrs: tuple[Any, ...]
    arguments: tuple[str, ...]
    dtype: str

    def program(self, builder: Builder, *given: Any) -> int:
        """What is written where the operation is used, instead of its own program: a call."""
        return builder.call(self, given[: len(self.arguments)], self.dtype)


def outline(plans: Sequence[Plan]) -> tuple[Plan, ...]:
    """The plans with their long programs called, where copies of them would be too much code.

    A kernel that several plans have stays one kernel.
    """
    known: dict[int, Kernel] = {}
    for plan in reversed(plans):  # a plan that has only some of another's kernels comes before that one
        called = _called(plan)
        for kernel in plan.kernels:
            if id(kernel) not in known:
                known[id(kernel)] = kernel._replace(body=_outlined(kernel.body, called)) if called else kernel
    return tuple(plan._replace(kernels=tuple(known[id(kernel)] for kernel in plan.kernels)) for plan in plans)


def _called(plan: Plan) -> dict[Routine, Op]:
    """What is called in a plan, each with the operation that does so."""
    uses = Counter(
        _routine(nest, apply)
        for kernel in plan.kernels
        for nest in statements_of(kernel.body)
        if isinstance(nest, Nest)
        for apply in nest.body
        if isinstance(apply, Apply) and apply.op.cost >= LONG
    )
    if sum(routine.op.cost * count for routine, count in uses.items()) <= MOST_COST:
        return {}
    return {routine: replace(routine.op, program=routine.program) for routine in uses}


def call_routine(function: Function, routine: Routine, operands: list[str], lanes: int) -> str:
    """Calls the function of a routine for so many lanes, which is defined at its first call."""
    attributes = ".".join(str(attribute) for attribute in routine.attrs)
    overloads = [overload(dtype, lanes) for dtype in routine.arguments]
    name = ".".join(filter(None, ("exprc", routine.op.name, attributes, *overloads)))
    kinds = [register_type(dtype, lanes) for dtype in routine.arguments]
    if not function.module.has(name):
        _define(function.module, name, routine, kinds, lanes)
    given = ", ".join(f"{kind} {operand}" for kind, operand in zip(kinds, operands, strict=True))
    return function.value(f"call {register_type(routine.dtype, lanes)} @{name}({given})")


def _routine(nest: Nest, apply: Apply) -> Routine:
    return Routine(apply.op, apply.attrs, tuple([nest.body[arg].dtype for arg in apply.args]), apply.dtype)


def _outlined(body: tuple[Statement, ...], called: Mapping[Routine, Op]) -> tuple[Statement, ...]:
    """Statements with calls; as deep as loops nest."""
    found: list[Statement] = []
    for statement in body:
        if isinstance(statement, Nest):
            statement = statement._replace(body=tuple([
                one._replace(op=called[_routine(statement, one)])
                if isinstance(one, Apply) and one.op.cost >= LONG
                else one
                for one in statement.body
            ]))  # fmt: skip
        elif isinstance(statement, Loop):
            statement = statement._replace(body=_outlined(statement.body, called))
        found.append(statement)
    return tuple(found)


def _define(module: Module, name: str, routine: Routine, kinds: list[str], lanes: int) -> None:
    """The function of a routine: its program, one instruction after another."""
    function, builder = Function(module), Builder()
    inputs = [builder.input(number, dtype) for number, dtype in enumerate(routine.arguments)]
    assert routine.op.program is not None
    result = routine.op.program(builder, *inputs, *routine.attrs)
    names = {value: f"%x{number}" for number, value in enumerate(inputs)}
    order = reachable(builder, [result])
    for step in in_turn(builder.instructions, order, (result,)):
        if isinstance(step, int):
            _write(function, builder, names, step, lanes)
            continue
        branch = open_detour(function, [names[step.condition]], lanes)
        for value in (*step.inside, *step.results):
            _write(function, builder, names, value, lanes)
        joined = [
            (register_type(builder.dtype(value), lanes), names[value], names[builder.instructions[value].args[2]])
            for value in step.results
        ]
        names.update(zip(step.results, function.close_branch(branch, joined), strict=True))
    parameters = ", ".join(f"{kind} {names[value]}" for kind, value in zip(kinds, inputs, strict=True))
    kind = register_type(routine.dtype, lanes)
    function.do(f"ret {kind} {names[result]}")
    module.define_once(name, function.text(f"define internal {kind} @{name}({parameters}) #0"))


def _write(function: Function, builder: Builder, names: dict[int, str], value: int, lanes: int) -> None:
    """One instruction of a routine."""
    op, args, dtype, immediate = builder.instructions[value]
    if op == "const":
        names[value] = literal(dtype, immediate, lanes)  # type: ignore[arg-type]
    elif op != "input":
        operands = [names[arg] for arg in args]
        names[value] = emit_instruction(function, op, builder.dtype(args[-1]), dtype, operands, lanes)
