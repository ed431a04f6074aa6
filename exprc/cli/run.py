"""`exprc run`: a program evaluated on data."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

import click

from exprc.cli.files import is_same_file, load_program
from exprc.cli.options import (
    HELP_NAMES,
    PATH,
    common_options,
    file_argument,
    limit_options,
    make_options,
    names_option,
    rewrite_options,
    within_limits,
)
from exprc.cli.progress import progress
from exprc.cli.session import say, session
from exprc.cli.text import safe

FORMS = (".npz", ".json", ".csv")


@click.command("run", context_settings=HELP_NAMES)
@file_argument
@click.argument("more_data", nargs=-1, metavar="", type=PATH)
@click.option("--data", multiple=True, metavar="FILE...", type=PATH,
              help="Arrays by name: .npz, .npy, .csv; NAME=FILE gives the array a name, NAME=t.csv:a,b takes columns "
                   "as a matrix, NAME=0.5 is a number. May be repeated.")  # fmt: skip
@common_options
@click.option("--grad", "gradients", is_flag=True, help="Also the gradient of each loss.")
@names_option("--show-value", "values", metavar="NAMES", help="Also these definitions.")
@names_option("--only", metavar="NAMES", help="Only these losses and outputs.")
@click.option("-o", "--out", metavar="FILE", type=PATH,
              help="Write the results to this .npz, .json or .csv file.")  # fmt: skip
@rewrite_options
@limit_options
def command(file: str, data: tuple[str, ...], more_data: tuple[str, ...], out: str | None, **given: Any) -> None:
    """Evaluate the losses and outputs of FILE on arrays that are found by name in the data.

    A .npy file is an array under the file's name. So is a .csv file, and each column that its first line names.

    \b
    Example:
      exprc run model.expr --data data.npz --grad
      exprc run model.expr --data X.npy y.npy w.npy -o result.npz
      exprc run model.expr --data w=start.csv table.csv X.npy rate=0.5
      exprc run model.expr --data table.csv X=table.csv:age,height w.npy
    """
    if more_data and not data:
        raise click.UsageError(f"what is {more_data[0]!r}? Data files follow --data")
    if out and os.path.splitext(out)[1].lower() not in FORMS:
        raise click.BadParameter(f"{out!r} ends in none of {', '.join(FORMS)}", param_hint="-o")
    if out and _is_one_of(out, (*data, *more_data)):
        raise click.BadParameter(f"{out!r} is one of the data files", param_hint="-o")
    if out and is_same_file(out, file):
        raise click.BadParameter(f"{out!r} is the program", param_hint="-o")
    within_limits(given, partial(_run, file, (*data, *more_data), out, given))


def _is_one_of(out: str, data: tuple[str, ...]) -> bool:
    from exprc.cli.data import path_of

    return any(is_same_file(out, path_of(one)) for one in data)


def _run(file: str, data: tuple[str, ...], out: str | None, given: dict[str, Any]) -> None:
    source = load_program(file)
    from exprc import driver
    from exprc.cli.data import load_data
    from exprc.cli.results import listing, save_results

    options = make_options(source, **given)
    found = load_data(data)
    with progress(f"running {options.name}"):
        report = driver.run_on(source, options, driver.Given(*found))
    session().report(report.diagnostics)
    if out:
        save_results(out, report.values)
        say(f"wrote {safe(out)}\n")
    else:
        say(listing(report.values))
