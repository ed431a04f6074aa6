"""`exprc check`: mistakes, lints, types and the use of sizes, without building anything."""

from __future__ import annotations

from typing import Any

import click

from exprc.cli.files import load_program
from exprc.cli.options import HELP_NAMES, common_options, file_argument, make_options, not_built, rewrite_options
from exprc.cli.progress import progress
from exprc.cli.session import say, session


@click.command("check", context_settings=HELP_NAMES)
@file_argument
@common_options
@click.option("--rewrites", is_flag=True, help="List each rewrite: where, before, after, why.")
@not_built("--grad", is_flag=True, help="Hold the derivatives against differences.")
@not_built("--data", multiple=True, metavar="FILE", help="Data for --grad.")
@click.option("--target", default="cpu", metavar="TARGET", help="Check for this target: cpu or ptx.")
@rewrite_options
def command(file: str, **given: Any) -> None:
    """Report the mistakes and lints of FILE, the type of every definition, how each size is used, and the memory plan.

    \b
    Example:
      exprc check model.expr
      exprc check model.expr --error-format json
    """
    source = load_program(file)
    from exprc import driver

    options = make_options(source, **given)
    with progress(f"checking {options.name}"):
        report = driver.check(source, options)
    session().report(report.diagnostics)
    say(report.text.rstrip("\n") + "\n")
