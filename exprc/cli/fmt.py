"""`exprc fmt`: the canonical form of programs."""

from __future__ import annotations

import click

from exprc.cli.options import HELP_NAMES, refuse


@click.command("fmt", context_settings=HELP_NAMES)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--check", is_flag=True, help="Change nothing; exit with 1 where a file is not in canonical form.")
def command(files: tuple[str, ...], check: bool) -> None:
    """Bring programs into the canonical form, keeping their comments. [not built yet]

    \b
    Example:
      exprc fmt model.expr
      exprc fmt --check *.expr
    """
    raise refuse("the command `exprc fmt`")
