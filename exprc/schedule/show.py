"""Plans as text that `exprc.schedule.read` reads back: one line for a declaration or instruction, loops indented."""

from __future__ import annotations

from collections.abc import Iterator

from exprc.ir.index import Affine, Guard, Quotient
from exprc.ir.sizes import ONE, ZERO, Size
from exprc.schedule.kernel import (
    Apply,
    Buffer,
    Check,
    Constant,
    IndexValue,
    Instruction,
    Kernel,
    Load,
    Loop,
    Masked,
    Nest,
    Plan,
    Statement,
    Swap,
    Write,
)

INDENT = "  "


def show_plan(plan: Plan) -> str:
    """The text of a plan."""
    lines = [f"plan {plan.symbol}({', '.join(plan.dims)})"]
    for r in plan.requirements:
        lines.append(f"{INDENT}require {r.left} {r.relation} {r.right} at {r.line} {r.text!r}")
    for buffer in (*plan.arguments, *plan.results, *plan.workspace):
        lines.append(f"{INDENT}{show_buffer(buffer)}")
    for kernel in plan.kernels:
        lines.extend(INDENT + line for line in _kernel(kernel))
    return "\n".join(lines) + "\n"


def show_buffer(buffer: Buffer) -> str:
    """`tile t0 : f64[32]`."""
    shape = f"[{', '.join(map(str, buffer.shape))}]" if buffer.shape else ""
    return f"{buffer.space} {buffer.name} : {buffer.dtype}{shape}"


def show_affine(affine: Affine) -> str:
    """`row + i`, `2*n*i + 1`, `(i + 1) // k`."""
    parts: list[str] = []
    for variable, coefficient in affine.terms:
        name = _variable(variable)
        if coefficient == ONE:
            parts.append(f"+ {name}")
        elif coefficient == -ONE:
            parts.append(f"- {name}")
        else:
            parts.append(f"+ {_factor(coefficient)}*{name}")
    if affine.constant != ZERO or not parts:
        parts.append(f"+ {_factor(affine.constant)}")
    text = " ".join(parts)
    return text[2:] if text.startswith("+ ") else "-" + text[2:]


def _variable(variable: int | str | Quotient) -> str:
    if isinstance(variable, Quotient):
        return f"[({show_affine(variable.numerator)}) // {_factor(variable.divisor)}]"
    return str(variable)


def _factor(size: Size) -> str:
    text = str(size)
    return text if text.isalnum() else f"({text})"


def _kernel(kernel: Kernel) -> Iterator[str]:
    head = f"kernel {kernel.name}"
    if kernel.stream:
        s = kernel.stream
        head += f" streams {s.rows} of {s.extent} from {s.start}, blocks of {s.block}, chunks of {s.chunk}"
    yield head
    for buffer in kernel.tiles:
        yield INDENT + show_buffer(buffer)
    for accumulator in kernel.accumulators:
        yield f"{INDENT}{show_buffer(accumulator.buffer)} {accumulator.combine} into {accumulator.target}"
    for line in _statements(kernel.body):
        yield INDENT + line


def _statements(body: tuple[Statement, ...]) -> Iterator[str]:
    pending: list[tuple[int, Statement]] = [(0, statement) for statement in reversed(body)]
    while pending:
        depth, statement = pending.pop()
        indent = INDENT * depth
        if isinstance(statement, Loop):
            direction = "down from" if statement.reverse else "up to"
            yield f"{indent}loop {statement.variable} {direction} {show_affine(statement.extent)}"
            pending.extend((depth + 1, inner) for inner in reversed(statement.body))
        elif isinstance(statement, Nest):
            for line in _nest(statement):
                yield indent + line
        elif isinstance(statement, Check):
            place = _place(statement.buffer, statement.index)
            yield f"{indent}check {place} > 0 else {statement.code} line {statement.line} at {show_affine(statement.position)}"
        else:
            assert isinstance(statement, Swap)
            yield f"{indent}copy {statement.target} <- {statement.source}"


def _nest(nest: Nest) -> Iterator[str]:
    axes = []
    for a in nest.axes:
        marks = [mark for mark, given in (("sum", a.name in nest.reduced), ("vector", a.name == nest.vector)) if given]
        axes.append(f"{a.name} < {show_affine(a.extent)}" + (f" ({', '.join(marks)})" if marks else ""))
    yield f"nest {'; '.join(axes)} panel {nest.panel}".replace("nest  panel", "nest panel")
    for number, instruction in enumerate(nest.body):
        yield f"{INDENT}%{number} = {_instruction(instruction)}"
    for write in nest.writes:
        yield INDENT + _write(write)


def _instruction(instruction: Instruction) -> str:
    if isinstance(instruction, Load):
        text = f"load {_place(instruction.buffer, instruction.index)}{_guards(instruction.guards)}"
    elif isinstance(instruction, Constant):
        value = instruction.value
        text = f"constant {value.hex() if isinstance(value, float) else value}"
        if isinstance(value, float):
            text += f" ({value!r})"
    elif isinstance(instruction, IndexValue):
        text = f"index {show_affine(instruction.index)}"
    elif isinstance(instruction, Masked):
        text = f"masked %{instruction.value}{_guards(instruction.guards)}"
    else:
        assert isinstance(instruction, Apply)
        attributes = f"[{', '.join(map(str, instruction.attrs))}]" if instruction.attrs else ""
        text = f"{instruction.op.name}{attributes} {' '.join(f'%{k}' for k in instruction.args)}".rstrip()
    return f"{text} : {instruction.dtype}"


def _write(write: Write) -> str:
    target = _place(write.buffer, write.index)
    if not write.combine:
        return f"{target} = %{write.value}"
    sign = "<-" if write.accumulate else "="
    return f"{target} {sign} {write.combine} %{write.value}"


def _place(buffer: str, index: tuple[Affine, ...]) -> str:
    return f"{buffer}[{', '.join(map(show_affine, index))}]"


def _guards(guards: tuple[Guard, ...]) -> str:
    texts = [f"0 <= {show_affine(g.position)} < {g.extent}" + (f" step {g.step}" if g.step != 1 else "") for g in guards]
    return f" where {' and '.join(texts)}" if texts else ""
