"""`exprc fmt`: the canonical form of programs."""

from __future__ import annotations

import os
import sys

import click

from exprc.cli.files import STANDARD_INPUT, load_program, read_bytes, write_whole
from exprc.cli.options import HELP_NAMES, PATH, message_form_option
from exprc.cli.session import say, say_file, session
from exprc.cli.text import safe
from exprc.diagnostics import EXIT_USER, Diagnostic, UserError


@click.command("fmt", context_settings=HELP_NAMES)
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=PATH)
@click.option("--check", is_flag=True, help="Change nothing; exit with 1 where a file is not in canonical form.")
@message_form_option
@click.pass_context
def command(context: click.Context, files: tuple[str, ...], check: bool) -> None:
    """Bring programs into the canonical form, keeping their comments; `-` formats standard input to the screen.

    A file with mistakes in its syntax stays as it is, and the others are formatted.

    \b
    Example:
      exprc fmt model.expr
      exprc fmt --check *.expr
      exprc fmt - < model.expr
    """
    failed = False
    for file in files:
        try:
            is_canonical = _format(file, check)
            failed = failed or (check and not is_canonical)
        except UserError as error:
            session().report(error.diagnostics)
            failed = True
    if failed:
        context.exit(EXIT_USER)


def _format(file: str, check: bool) -> bool:
    """Bring a file into canonical form unless it is only to be checked; whether it was so before."""
    from exprc.syntax.format import format_program

    source = load_program(file)
    formatted = format_program(source)
    if file == STANDARD_INPUT:
        if not check:
            say_file(formatted)
        elif formatted != source.text:
            say("would change standard input\n", sys.stderr)
        return formatted == source.text
    if formatted.encode() == read_bytes(file):
        return True
    if not check:
        if not os.path.isfile(file):
            raise UserError(Diagnostic("E0705", f"cannot write `{file}`: it is no regular file"))
        write_whole(file, formatted.encode())
    say(f"{'would change' if check else 'formatted'} {safe(file)}\n", sys.stderr)
    return False
