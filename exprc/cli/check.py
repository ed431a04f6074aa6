"""`exprc check`: mistakes, lints, types and the use of sizes, without building anything; derivatives compared."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from exprc.cli.files import load_program
from exprc.cli.options import (
    HELP_NAMES,
    PATH,
    common_options,
    file_argument,
    limit_options,
    make_options,
    rewrite_options,
    within_limits,
)
from exprc.cli.progress import progress
from exprc.cli.session import say, session
from exprc.diagnostics import EXIT_USER

if TYPE_CHECKING:
    from exprc.driver.comparison import Row


@click.command("check", context_settings=HELP_NAMES)
@file_argument
@click.argument("more_data", nargs=-1, metavar="", type=PATH)
@common_options
@click.option("--rewrites", is_flag=True, help="List each rewrite: where, before, after, why.")
@click.option("--grad", "gradients", is_flag=True, help="Hold the derivatives against differences.")
@click.option("--data", multiple=True, metavar="FILE...", type=PATH,
              help="Data for --grad; by default small random arrays.")  # fmt: skip
@click.option("--target", default="cpu", metavar="TARGET", help="Check for this target: cpu or ptx.")
@rewrite_options
@limit_options
def command(file: str, gradients: bool, data: tuple[str, ...], more_data: tuple[str, ...], **given: Any) -> None:
    """Report the mistakes and lints of FILE, the type of every definition, how each size is used, and the memory plan.

    \b
    Example:
      exprc check model.expr
      exprc check model.expr --error-format json
      exprc check model.expr --grad
    """
    if more_data and not data:
        raise click.UsageError(f"what is {more_data[0]!r}? Data files follow --data")
    if data and not gradients:
        raise click.UsageError("--data is for --grad")
    work = partial(_compare, file, (*data, *more_data)) if gradients else partial(_check, file)
    within_limits(given, partial(work, given))


def _check(file: str, given: dict[str, Any]) -> None:
    source = load_program(file)
    from exprc import driver

    options = make_options(source, **given)
    with progress(f"checking {options.name}"):
        report = driver.check(source, options)
    session().report(report.diagnostics)
    say(report.text.rstrip("\n") + "\n")


def _compare(file: str, data: tuple[str, ...], given: dict[str, Any]) -> None:
    """Exit code 1 where a derivative differs."""
    source = load_program(file)
    from exprc import driver
    from exprc.cli.data import load_data

    options = make_options(source, **given)
    found = driver.Given(*load_data(data)) if data else None
    with progress(f"comparing derivatives of {options.name}"):
        rows = driver.compare(source, options, found)
    say(_table(rows))
    if not all(row.agrees for row in rows):
        raise click.exceptions.Exit(EXIT_USER)


def _table(rows: Sequence[Row]) -> str:
    """A line for each derivative."""
    if not rows:
        return "no loss depends on a param\n"
    names = [f"d{row.loss}/d{row.param}" for row in rows]
    longest = max(map(len, names))
    lines = ["derivatives against differences"]
    for name, row in zip(names, rows):
        verdict = "agrees" if row.agrees else "DIFFERS"
        size = f"entries {row.compared} of {row.entries}"
        lines.append(f"  {name:<{longest}}  {verdict}  relative error {row.error:.1e}, {size}")
    return "\n".join(lines) + "\n"
