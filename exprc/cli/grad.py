"""`exprc grad`: derivatives as formulas."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from exprc.cli.files import load_program
from exprc.cli.options import (
    HELP_NAMES,
    common_options,
    file_argument,
    limit_options,
    make_options,
    names_option,
    refuse,
    rewrite_options,
    within_limits,
)
from exprc.cli.progress import progress
from exprc.cli.session import say


@click.command("grad", context_settings=HELP_NAMES)
@file_argument
@click.argument("loss", required=False)
@common_options
@click.option("--expand", is_flag=True, help="Write definitions out.")
@names_option("--wrt", metavar="NAMES", help="Differentiate by these, as in w,b; by default by every param.")
@click.option("--of", metavar="NAME", help="Differentiate this loss. Definitions and outputs: [not built yet].")
@click.option(
    "--order",
    type=click.IntRange(1, 2),
    default=1,
    help="1: gradients (default); 2: second derivatives [not built yet].",
)
@click.option(
    "--format",
    type=click.Choice(("text", "latex", "python", "expr")),
    default="text",
    help="How to write; all but text: [not built yet].",
)
@click.option("--sizes", is_flag=True, help="Write the shape of each derivative beside it.")
@click.option("--no-simplify", "simplify", flag_value=False, default=True, type=bool, help="Print it as derived.")
@rewrite_options
@limit_options
def command(file: str, loss: str | None, of: str | None, order: int, **given: Any) -> None:
    """Print the derivatives of the losses of FILE, or of one LOSS, in closed form and in the program's own names.

    \b
    Example:
      exprc grad model.expr
      exprc grad model.expr E --wrt w --expand
    """
    if loss and of:
        raise click.UsageError("name a loss or say --of NAME, not both")
    if order == 2:
        raise refuse("`--order 2`, second derivatives,")
    if given["format"] != "text":
        raise refuse(f"`--format {given['format']}`")
    given |= {"of": of or loss, "order": order}
    within_limits(given, partial(_grad, file, given))


def _grad(file: str, given: dict[str, Any]) -> None:
    source = load_program(file)
    from exprc import driver

    options = make_options(source, **given)
    with progress(f"differentiating {options.name}"):
        text = driver.grad(source, options)
    say(text.rstrip("\n") + "\n")
