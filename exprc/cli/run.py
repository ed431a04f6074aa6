"""`exprc run`: a program evaluated on data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from exprc.cli.data import load_data, save_results
from exprc.cli.files import load_program
from exprc.cli.options import HELP_NAMES, common_options, file_argument, make_options, names_option, rewrite_options
from exprc.cli.progress import progress
from exprc.cli.session import bold, say


@click.command("run", context_settings=HELP_NAMES)
@file_argument
@click.argument("more_data", nargs=-1, metavar="", type=click.Path())
@click.option("--data", multiple=True, metavar="FILE...", help="Arrays by name: .npz, .npy, .csv. May be repeated.")
@common_options
@click.option("--grad", "gradients", is_flag=True, help="Also the gradient of each loss.")
@names_option("--show-value", "values", metavar="NAMES", help="Also these definitions.")
@names_option("--only", metavar="NAMES", help="Only these losses and outputs.")
@click.option("-o", "--out", metavar="FILE", help="Write the results to this .npz file instead of the screen.")
@rewrite_options
def command(file: str, data: tuple[str, ...], more_data: tuple[str, ...], out: str | None, **given: Any) -> None:
    """Evaluate the losses and outputs of FILE on arrays that are found by name in the data.

    \b
    Example:
      exprc run model.expr --data data.npz --grad
      exprc run model.expr --data X.npy y.npy w.npy -o result.npz
    """
    if more_data and not data:
        raise click.UsageError(f"what is {more_data[0]!r}? Data files follow --data")
    source = load_program(file)
    from exprc import driver

    options = make_options(source, **given)
    with progress(f"running {options.name}"):
        results = driver.run(source, options, load_data((*data, *more_data)))
    if out:
        save_results(out, results)
    else:
        say(_listing(results))


def _listing(results: Mapping[str, Any]) -> str:
    """Each result on the screen, arrays indented under their names."""
    import numpy

    lines = []
    for name, value in results.items():
        array = numpy.asarray(value)
        if array.ndim == 0:
            lines.append(f"{bold(name)} = {array.item()!r}")
        else:
            shape = " × ".join(map(str, array.shape))
            text = numpy.array2string(array, threshold=100, edgeitems=3, max_line_width=100, prefix="    ")
            lines.append(f"{bold(name)} = {shape} {array.dtype}\n    {text}")
    return "\n".join(lines) + "\n"
