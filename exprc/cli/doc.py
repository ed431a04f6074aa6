"""`exprc doc`: the reference of operations, drawn from their table."""

from __future__ import annotations

import importlib
from typing import Any

import click

from exprc.cli.options import HELP_NAMES
from exprc.cli.session import bold, say
from exprc.ir.op import Op, Parameter

NOT_A_LAW = "spelling"


@click.command("doc", context_settings=HELP_NAMES)
@click.argument("op", required=False)
def command(op: str | None) -> None:
    """Describe the operation OP; without it list all.

    \b
    Example:
      exprc doc logsumexp
    """
    operations = _operations()
    if op is None:
        say(_overview(operations))
    elif op in operations:
        say(_page(operations[op]))
    else:
        import difflib

        near = difflib.get_close_matches(op, operations, n=1)
        raise click.UsageError(f"there is no operation {op!r}" + (f"; did you mean {near[0]!r}?" if near else ""))


def _operations() -> dict[str, Op]:
    """What a program can call or write as an operator, by name."""
    importlib.import_module("exprc.ops")
    table: dict[str, Op] = importlib.import_module("exprc.ops.table").TABLE
    return {name: op for name, op in sorted(table.items()) if op.build is not None and (op.signature or op.infix)}


def _overview(operations: dict[str, Op]) -> str:
    kinds: dict[str, list[Op]] = {}
    for op in operations.values():
        kinds.setdefault(op.kind, []).append(op)
    parts = []
    for kind, members in kinds.items():
        widest = max(len(_signature(op)) for op in members)
        rows = [f"  {_signature(op):<{widest}}  {_first_line(op.doc)}" for op in members]
        parts.append("\n".join((bold(kind), *rows)))
    return "\n\n".join(parts) + "\n"


def _page(op: Op) -> str:
    lines = [bold(_signature(op)), "", f"  {op.doc}", "", f"  kind: {op.kind}"]
    laws = sorted(op.laws - {NOT_A_LAW})
    if laws:
        lines.append(f"  laws: {', '.join(laws)}")
    if op.no_gradient:
        lines.append(f"  no derivative: {op.no_gradient}")
    if op.example:
        lines.extend(("", bold("Example"), "", *(f"  {line}" for line in op.example.split("; "))))
    return "\n".join(lines) + "\n"


def _signature(op: Op) -> str:
    names = [parameter.name for parameter in op.signature]
    if op.infix and len(names) == 2:
        return f"{names[0]} {op.infix} {names[1]}"
    if op.infix and len(names) == 1:
        return f"{op.infix}{' ' * op.infix.isalpha()}{names[0]}"
    return f"{op.name}({', '.join(_parameter(parameter) for parameter in op.signature)})"


def _parameter(parameter: Parameter) -> str:
    return parameter.name if parameter.required else f"{parameter.name}={_literal(parameter.default)}"


def _literal(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _first_line(text: str) -> str:
    return text.split("\n")[0]
