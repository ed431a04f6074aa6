"""`exprc graph`: a picture of a program."""

from __future__ import annotations

import click

from exprc.cli.options import HELP_NAMES, file_argument, refuse


@click.command("graph", context_settings=HELP_NAMES)
@file_argument
@click.option("-o", "--out", metavar="FILE", required=True, help="The picture to write, as g.svg.")
def command(file: str, out: str) -> None:
    """Draw the model of FILE, its derivative or its kernels. [not built yet]

    \b
    Example:
      exprc graph model.expr -o model.svg
    """
    raise refuse("the command `exprc graph`")
