"""`exprc fmt`: the canonical form of programs."""

from __future__ import annotations

import os
import sys

import click

from exprc.cli.files import STANDARD_INPUT, load_program
from exprc.cli.options import HELP_NAMES
from exprc.cli.session import say
from exprc.diagnostics import EXIT_USER, Diagnostic, UserError


@click.command("fmt", context_settings=HELP_NAMES)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--check", is_flag=True, help="Change nothing; exit with 1 where a file is not in canonical form.")
@click.pass_context
def command(context: click.Context, files: tuple[str, ...], check: bool) -> None:
    """Bring programs into the canonical form, keeping their comments; `-` formats standard input to the screen.

    \b
    Example:
      exprc fmt model.expr
      exprc fmt --check *.expr
    """
    from exprc.syntax.format import format_program

    changed = []
    for file in files:
        source = load_program(file)
        formatted = format_program(source)
        if file == STANDARD_INPUT and not check:
            say(formatted)
        elif formatted != source.text:
            changed.append(file)
            if not check:
                _replace(file, formatted)
    for file in changed:
        say(f"{'would change' if check else 'formatted'} {file}\n", sys.stderr)
    if check and changed:
        context.exit(EXIT_USER)


def _replace(path: str, text: str) -> None:
    """The new text under the old name: whole, or the old one stays."""
    beside = f"{path}.{os.getpid()}.tmp"
    try:
        with open(beside, "x", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.chmod(beside, os.stat(path).st_mode & 0o777)
        os.replace(beside, path)
    except OSError as problem:
        if os.path.exists(beside):
            os.unlink(beside)
        reason = (problem.strerror or str(problem)).lower()
        raise UserError(Diagnostic("E0705", f"cannot write `{path}`: {reason}")) from None
