"""`exprc build`: a program to a library, its header, manifest and module."""

from __future__ import annotations

import time
from typing import Any

import click

from exprc.cli.files import STANDARD_INPUT, load_program
from exprc.cli.options import (
    HELP_NAMES,
    common_options,
    file_argument,
    make_options,
    names_option,
    not_built,
    refuse,
    rewrite_options,
    stage_options,
)
from exprc.cli.progress import progress
from exprc.cli.report import show_files, show_times
from exprc.cli.session import say, session

FORMS = ("lib", "header", "manifest", "py", "obj", "llvm", "asm", "graph", "kernels")
FORMS_NOT_BUILT = ("ptx",)


@click.command("build", context_settings=HELP_NAMES)
@file_argument
@click.option("-o", "--out", "out_dir", default=".", metavar="DIR", help="Where to write; by default this folder.")
@common_options
@click.option("--target", default="cpu", metavar="TARGET", help="cpu, ptx, or a triple, as aarch64-linux-gnu.")
@click.option("--cpu", default="native", metavar="CPU", help="The processor; of a list the library takes the best.")
@names_option("--only", metavar="NAMES", help="Build only these losses and outputs, as in E,p.")
@names_option("--wrt", metavar="NAMES", help="Differentiate by these inputs too.")
@names_option("--emit", metavar="FORMS", help=f"What to write: {', '.join(FORMS)}; by default the first four.")
@click.option("--order", type=click.IntRange(0, 2), default=1, help="Derivatives: 0 none, 1 gradients (the default).")
@rewrite_options
@click.option("--force", is_flag=True, help="Overwrite files that exprc did not write.")
@stage_options
@not_built("--sm", metavar="N", help="The GPU's generation.")
@not_built("--blas", metavar="NAME", help="Take matrix products from a library.")
@not_built("--guard", is_flag=True, help="Check every access.")
@not_built("--watch", is_flag=True, help="Build again whenever the program changes.")
@not_built("--max-memory", metavar="SIZE", help="Give up when compiling takes more memory.")
@not_built("--max-time", metavar="S", help="Give up when compiling takes more seconds.")
def command(
    file: str, show_stage: str | None, stop_after: str | None, with_times: bool, order: int, **given: Any
) -> None:
    """Compile FILE to a library, its C header, a manifest and a Python module.

    \b
    Example:
      exprc build model.expr -o build
      PYTHONPATH=build python -c "import model; help(model)"
    """
    _expect_forms(given["emit"])
    if order == 2:
        raise refuse("`--order 2`, second derivatives in the library,")
    if file == STANDARD_INPUT and not given["name"] and not (show_stage or stop_after):
        raise click.UsageError("standard input has no name to give to the library: say --name NAME")
    source = load_program(file)
    from exprc import driver

    options = make_options(source, order=order, **given)
    last = show_stage or stop_after
    if last:
        text = driver.show(source, options, last)
        say(text.rstrip("\n") + "\n" if show_stage else "")
        return
    start = time.process_time()  # what Python, the imports and the reading have taken by now
    with progress(f"building {options.name}"):
        report = driver.build(source, options)
    session().report(report.diagnostics)
    show_files(report.files, report.seconds, report.notes)
    if with_times:
        show_times((("start", start), *report.timings))


def _expect_forms(forms: tuple[str, ...]) -> None:
    for form in forms:
        if form in FORMS_NOT_BUILT:
            raise refuse(f"`--emit {form}`")
        if form not in FORMS:
            from difflib import get_close_matches

            near = "".join(f"; did you mean {one!r}?" for one in get_close_matches(form, FORMS, 1))
            raise click.BadParameter(f"{form!r} is none of {', '.join(FORMS)}{near}", param_hint="--emit")
