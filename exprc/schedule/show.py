"""Plans as text, one line for a declaration, statement or instruction, which `exprc.schedule.read` reads back.

    plan model_E(n, d)
      argument in_X : f64[n, d]
      kernel kernel0 over {n}: rows from row, blocks of 32, chunks of 1024
        accumulator a0 : f64 add into out_E
        nest i < rows; j < {d} (reduced, vector), panel 256
          %0 = load in_X[row + i, 2*j + 1] where 0 <= j - 1 < {d} : f64
          a0[] <- add %0

In index expressions a bare name is a loop variable, and a size that is no number stands in braces.  What belongs to a
line is indented below it.  Owns the form; must not know what plans are for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from exprc.diagnostics import InternalError
from exprc.ir.index import Affine, Guard, Quotient, Variable
from exprc.ir.sizes import ONE, ZERO, Size
from exprc.schedule.kernel import (
    SUM_PANEL,
    Apply,
    Axis,
    Buffer,
    Check,
    Constant,
    Expect,
    Gather,
    Holds,
    IndexValue,
    Instruction,
    Kernel,
    Load,
    Loop,
    Nest,
    Plan,
    Scatter,
    Statement,
    Write,
)

INDENT = "  "


def show_plan(plan: Plan) -> str:
    """The text of a plan."""
    lines = [f"plan {plan.symbol}({', '.join(plan.dims)})"]
    for r in plan.requirements:
        sides = f"{show_factor(r.left)} {r.relation} {show_factor(r.right)}"
        lines.append(f"{INDENT}require {sides} at line {r.line} {_quoted(r.text)}")
    for buffer in (*plan.arguments, *plan.results, *plan.workspace):
        lines.append(f"{INDENT}{show_buffer(buffer)}")
    for kernel in plan.kernels:
        lines.extend(INDENT + line for line in _kernel(kernel))
    return "\n".join(lines) + "\n"


def show_buffer(buffer: Buffer) -> str:
    """`tile t0 : f64[32]`."""
    shape = f"[{', '.join(map(str, buffer.shape))}]" if buffer.shape else ""
    return f"{buffer.space} {buffer.name} : {buffer.dtype}{shape}"


def show_statement(statement: Statement) -> str:
    """The first line of a statement."""
    if isinstance(statement, Nest):
        return _nest_head(statement)
    if isinstance(statement, Loop):
        direction = " downwards" if statement.reverse else ""
        if statement.rows:
            direction += f": {statement.rows} in blocks of {statement.block}"
        return f"loop {statement.variable} < {show_affine(statement.extent)}{direction}"
    if isinstance(statement, Check):
        fault = f"{statement.code} at line {statement.line} index {show_affine(statement.position)}"
        return f"check {_place(statement.buffer, statement.index)} > 0 else fault {fault}"
    if isinstance(statement, Expect):
        fault = f"{statement.code} at line {statement.line} below {show_factor(statement.bound)}"
        entry = _place(statement.buffer, statement.index)
        return f"expect {entry} none else fault {fault} {_attribute(statement.name)}"
    if isinstance(statement, (Gather, Scatter)):
        verb = "gather" if isinstance(statement, Gather) else "scatter"
        target = _place(statement.target, statement.target_index)
        source = _place(statement.source, statement.source_index)
        places = _place(statement.places, statement.places_index)
        count = f"{show_factor(statement.length)} of {show_factor(statement.bound)}"
        return f"{verb} {target} <- {source} at {places}, {count}"
    return f"copy {statement.target} <- {statement.source}"


def show_affine(affine: Affine) -> str:
    """`row + i`, `{2*n}*i - 1`, `floor((i + 1) / {k})`."""
    done: list[str] = []
    pending: list[str | Affine] = [affine]
    while pending:
        piece = pending.pop()
        if isinstance(piece, str):
            done.append(piece)
        else:
            pending.extend(reversed(_pieces(piece)))
    return "".join(done)


def show_factor(size: Size) -> str:
    """A number as it is, any other size in braces."""
    return str(size) if (size.constant or 0) > 0 or size == ZERO else f"{{{size}}}"


def _pieces(affine: Affine) -> list[str | Affine]:
    pieces: list[str | Affine] = []
    for variable, coefficient in affine.terms:
        pieces += [_sign(coefficient, not pieces), *_variable(variable, coefficient)]
    if affine.constant != ZERO or not pieces:
        pieces += [_sign(affine.constant, not pieces), show_factor(_absolute(affine.constant))]
    return pieces


def _variable(variable: Variable, coefficient: Size) -> list[str | Affine]:
    size = _absolute(coefficient)
    times = "" if size == ONE else f"{show_factor(size)}*"
    if isinstance(variable, Quotient):
        return [f"{times}floor((", variable.numerator, f") / {show_factor(variable.divisor)})"]
    return [f"{times}{variable}"]


def _sign(size: Size, first: bool) -> str:
    negative = (size.constant or 0) < 0
    if first:
        return "-" if negative else ""
    return " - " if negative else " + "


def _absolute(size: Size) -> Size:
    return -size if (size.constant or 0) < 0 else size


def _kernel(kernel: Kernel) -> Iterator[str]:
    head = f"kernel {kernel.name}"
    if kernel.stream:
        s = kernel.stream
        head += f" over {show_factor(s.extent)}: {s.rows} from {s.start}, blocks of {s.block}, chunks of {s.chunk}"
    yield head
    for buffer in kernel.tiles:
        yield INDENT + show_buffer(buffer)
    for accumulator in kernel.accumulators:
        yield f"{INDENT}{show_buffer(accumulator.buffer)} {accumulator.combine} into {accumulator.target}"
    pending: list[tuple[int, Statement]] = [(1, statement) for statement in reversed(kernel.body)]
    while pending:
        depth, statement = pending.pop()
        yield INDENT * depth + show_statement(statement)
        if isinstance(statement, Loop):
            pending.extend((depth + 1, inner) for inner in reversed(statement.body))
        elif isinstance(statement, Nest):
            yield from (INDENT * (depth + 1) + line for line in _body(statement))


def _nest_head(nest: Nest) -> str:
    head = f"nest {'; '.join(_axis(nest, axis) for axis in nest.axes)}".rstrip()
    if nest.panel != SUM_PANEL:
        head += f", panel {nest.panel}"
    return head + "".join(f", unroll {name} by {steps}" for name, steps in nest.unroll)


def _axis(nest: Nest, axis: Axis) -> str:
    marks = [("reduced", axis.name in nest.reduced), ("vector", axis.name == nest.vector)]
    given = ", ".join(mark for mark, holds in marks if holds)
    return f"{axis.name} < {show_affine(axis.extent)}" + (f" ({given})" if given else "")


def _body(nest: Nest) -> Iterator[str]:
    for number, instruction in enumerate(nest.body):
        yield f"%{number} = {_instruction(instruction)}"
    for write in nest.writes:
        yield show_write(write)


def _instruction(instruction: Instruction) -> str:
    if isinstance(instruction, Load):
        text = f"load {_place(instruction.buffer, instruction.index)}{_guards(instruction.guards)}"
    elif isinstance(instruction, Constant):
        text = f"constant {_attribute(instruction.value)}"
    elif isinstance(instruction, IndexValue):
        text = f"index {show_affine(instruction.index)}"
    elif isinstance(instruction, Holds):
        text = f"holds{_guards(instruction.guards)}"
    else:
        assert isinstance(instruction, Apply)
        attributes = f"[{', '.join(map(_attribute, instruction.attrs))}]" if instruction.attrs else ""
        text = " ".join([instruction.op.name + attributes, *(f"%{number}" for number in instruction.args)])
    return f"{text} : {instruction.dtype}"


def show_write(write: Write) -> str:
    """`r[i] = %3`, `r[] = max %3`, `a0[i] <- add %3`."""
    target = _place(write.buffer, write.index)
    if not write.combine:
        return f"{target} = %{write.value}"
    return f"{target} {'<-' if write.accumulate else '='} {write.combine} %{write.value}"


def _place(buffer: str, index: tuple[Affine, ...]) -> str:
    return f"{buffer}[{', '.join(map(show_affine, index))}]"


def _guards(guards: tuple[Guard, ...]) -> str:
    texts = []
    for guard in guards:
        step = f" step {guard.step}" if guard.step != 1 else ""
        texts.append(f"0 <= {show_affine(guard.position)} < {show_factor(guard.extent)}{step}")
    return f" where {' and '.join(texts)}" if texts else ""


def _attribute(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, Size):
        return f"{{{value}}}"
    if isinstance(value, str):
        return _quoted(value)
    raise InternalError(f"an attribute without a text form: {value!r}")


def _quoted(text: str) -> str:
    from json import dumps

    return dumps(text)
