"""`exprc doc`: the reference of operations, drawn from their table.

Owns what the reference says of an operation; `tools/document.py` writes the same into `docs/operations.md`.  All that
is said of derivatives and dtypes is what the compiler answers for a small program that calls the operation.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from exprc.cli.options import HELP_NAMES
from exprc.cli.session import bold, say
from exprc.ir.op import COMPOSITE, CONTRACT, DERIVATIVE, ELEMENTWISE, LEAF, OPAQUE, REDUCE, VIEW, Op, Parameter
from exprc.ir.types import BOOL, DTYPES, FLOATS
from exprc.spelling import nearest_few

if TYPE_CHECKING:
    from exprc.ir.node import Node

NOT_A_LAW = "spelling"
LONGEST_FORMULA = 100
TOO_LONG = "a long formula, which `exprc grad` prints"
OPERATORS = "Operators"
TITLES = {
    ELEMENTWISE: "Functions of entries",
    REDUCE: "Reductions",
    COMPOSITE: "Functions made of others",
    LEAF: "Arrays",
    VIEW: "Arrays",
    OPAQUE: "Linear algebra",
    CONTRACT: "Linear algebra",
    DERIVATIVE: "Derivatives",
}
_FLOAT_INPUT = re.compile(rf"\binput (?=\w+ : (?:{'|'.join(FLOATS)})\b)")
_RESULT = re.compile(r"output r = (.*)")


class Family(NamedTuple):
    """Operations of one kind, in the order of the table."""

    title: str
    operations: tuple[Op, ...]


class Program(NamedTuple):
    """A small program that calls an operation: its declarations, and the call."""

    declarations: str
    call: str


@click.command("doc", context_settings=HELP_NAMES)
@click.argument("op", required=False, shell_complete=lambda context, parameter, start: [
    op.name for op in operations() if op.name.startswith(start)
])  # fmt: skip
def command(op: str | None) -> None:
    """Describe the operation OP, a name or an operator; without it list all.

    \b
    Example:
      exprc doc logsumexp
      exprc doc '@'
    """
    known = operations()
    if op is None:
        say("\n".join(_overview(family) for family in families()))
        return
    wanted = "^" if op == "**" else op
    found = [one for one in known if wanted in (one.name, one.infix)]
    if not found:
        raise click.UsageError(_nothing_called(op, [one.name for one in known]))
    say("\n".join(_page(one) for one in found))


def _nothing_called(name: str, known: list[str]) -> str:
    from exprc import driver
    from exprc.syntax.tables import LITERALS

    if name in (*LITERALS, *DTYPES, "T") or driver.is_form(name):
        return f"{name!r} is no operation but a part of the language; docs/language.md says what it does"
    if driver.is_later(name):
        return f"the operation {name!r} is not built yet; `exprc doc` lists those that are"
    near = nearest_few(name, known)
    listed = " or ".join(repr(one) for one in near)
    return f"there is no operation {name!r}; " + (f"did you mean {listed}?" if near else "`exprc doc` lists them all")


def operations() -> tuple[Op, ...]:
    """What a program can call or write as an operator, in the order of the table."""
    importlib.import_module("exprc.ops")
    table: dict[str, Op] = importlib.import_module("exprc.ops.table").TABLE
    return tuple(op for op in table.values() if op.build is not None and (op.signature or op.infix))


def families() -> tuple[Family, ...]:
    """All operations by title, the operators first."""
    members: dict[str, list[Op]] = {title: [] for title in (OPERATORS, *TITLES.values())}
    for op in operations():
        members[_title(op)].append(op)
    return tuple(Family(title, tuple(found)) for title, found in members.items() if found)


def signature_text(op: Op) -> str:
    """How an operation is called: `sum(x, axis=None, keepdims=false)`, `x + y`."""
    return _call(op, [_parameter(parameter) for parameter in op.signature])


def example_text(op: Op) -> str:
    """The example as a program, a statement a line."""
    return re.sub(r"; (?![^{]*})", "\n", op.example) + "\n"


def dtype_texts(op: Op) -> list[str]:
    """What dtypes an operation takes and gives: `f64, f32: the same`, `i64, i32, bool: i64`."""
    program = _sample(op)
    if program is None or not any(f": {dtype}" in program.declarations for dtype in FLOATS):
        return []
    results: dict[str, str] = {}
    for dtype in DTYPES:
        declared = program.declarations.replace(": f64", f": {dtype}")
        result = _last_value(f"{declared}output r = {program.call}\n")
        if result is not None:
            results[dtype] = result.dtype
    if len(results) > 1 and len(set(results.values())) == 1:
        return [f"{', '.join(results)}: {results.popitem()[1]}"]
    texts: dict[str, list[str]] = {}
    for dtype, given in results.items():
        texts.setdefault("the same" if given == dtype else given, []).append(dtype)
    return [f"{', '.join(taken)}: {given}" for given, taken in texts.items()]


def derivative_texts(op: Op) -> list[str]:
    """The derivatives of a call `r` by its float arguments, as `exprc grad` prints them; of an array those of `vjp`."""
    program = _sample(op)
    if program is None or op.no_gradient or op.kind in (DERIVATIVE, LEAF):
        return []
    declared = _FLOAT_INPUT.sub("param ", program.declarations)
    result = _last_value(f"{declared}output r = {program.call}\n")
    if result is None or "param" not in declared or not result.type.is_float:
        return []
    if not result.shape:
        lines = _derivatives(f"{declared}loss r = {program.call}\n")
    else:
        lines = _derivatives(f"{declared}input u : {result.type}\nr = {program.call}\nloss s = sum(u * r)\n")
        lines = [re.sub(r"^ds/d(\w+) =", r"vjp(r, \1, u) =", line) for line in lines]
        if any(re.search(r"\bs\b", line) for line in lines):
            lines.append("    where s = sum(u * r)")
    return lines if max(map(len, lines)) <= LONGEST_FORMULA else [TOO_LONG]


def called(op: Op) -> str:
    """The call `r` that the derivatives are of."""
    program = _sample(op)
    return "" if program is None else program.call


# ---- small programs


def _sample(op: Op) -> Program | None:
    """A program that calls an operation: with all its arguments where these are scalars, else its example."""
    if op.kind == ELEMENTWISE:
        names = [parameter.name for parameter in op.signature]
        dtypes = [BOOL if op.dtype_rule == "select" and name == names[0] else "f64" for name in names]
        lines = [f"input {name} : {dtype}\n" for name, dtype in zip(names, dtypes, strict=True)]
        return Program("".join(lines), _call(op, names))
    text = example_text(op)
    found = _RESULT.search(text)
    return Program(text[: found.start()], found[1]) if found else None


def _last_value(text: str) -> Node | None:
    """The graph of a program's last definition; None if the checker refuses the program."""
    from exprc.diagnostics import ExprcError
    from exprc.driver import Options
    from exprc.driver.pipeline import run_stages
    from exprc.source import Source

    try:
        model = run_stages(Source("example.expr", text), Options(), "check").model
    except ExprcError:
        return None
    return model.definitions[-1].node if model is not None else None


def _derivatives(text: str) -> list[str]:
    from exprc import driver
    from exprc.source import Source

    return driver.grad(Source("example.expr", text), driver.Options()).splitlines()


# ---- text


def _title(op: Op) -> str:
    if op.infix or op.kind == CONTRACT:
        return OPERATORS
    if NOT_A_LAW not in op.laws:
        return TITLES[op.kind]
    if not any(parameter.role == "array" for parameter in op.signature):
        return TITLES[LEAF]
    result = _last_value(example_text(op))
    return TITLES[result.kind if result is not None else COMPOSITE]


def _overview(family: Family) -> str:
    operations = family.operations
    if family.title != OPERATORS:  # these stay in the order of how tightly they bind
        operations = tuple(sorted(operations, key=lambda op: op.name))
    widest = max(len(signature_text(op)) for op in operations)
    rows = [f"  {signature_text(op):<{widest}}  {_first_line(op.doc)}\n" for op in operations]
    return "".join((bold(family.title), "\n", *rows))


def _page(op: Op) -> str:
    parts = [f"{bold(signature_text(op))}\n", f"  {op.doc}\n"]
    if dtype_texts(op):
        parts.append(_section("Dtypes (of the arguments: of the result)", dtype_texts(op)))
    if op.no_gradient:
        parts.append(_section("No derivative", [op.no_gradient]))
    elif derivative_texts(op):
        parts.append(_section(f"Derivative, where r = {called(op)}", derivative_texts(op)))
    laws = sorted(op.laws - {NOT_A_LAW})
    if laws:
        parts.append(_section("Laws", [", ".join(laws)]))
    if op.example:
        parts.append(_section("Example", example_text(op).splitlines()))
    return "\n".join(parts)


def _section(title: str, lines: Iterable[str]) -> str:
    return "".join((bold(title), "\n", *(f"  {line}\n" for line in lines)))


def _call(op: Op, arguments: list[str]) -> str:
    if op.infix and len(arguments) == 2:
        return f"{arguments[0]} {op.infix} {arguments[1]}"
    if op.infix and len(arguments) == 1:
        return f"{op.infix}{' ' * op.infix.isalpha()}{arguments[0]}"
    return f"{op.name}({', '.join(arguments)})"


def _parameter(parameter: Parameter) -> str:
    if parameter.role == "sizes":
        return "n, …"
    return parameter.name if parameter.required else f"{parameter.name}={_literal(parameter.default)}"


def _literal(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _first_line(text: str) -> str:
    return text.split("\n")[0]
