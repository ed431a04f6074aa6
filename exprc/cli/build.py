"""`exprc build`: a program to a library, its header, manifest and module."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import click

from exprc.cli.files import STANDARD_INPUT, load_program, undisturbed
from exprc.cli.options import (
    FOLDER,
    HELP_NAMES,
    common_options,
    file_argument,
    limit_options,
    make_options,
    names_option,
    not_built,
    refuse,
    rewrite_options,
    stage_options,
    within_limits,
)
from exprc.cli.progress import progress
from exprc.cli.report import show_files, show_times
from exprc.cli.session import say, session
from exprc.spelling import nearest

FORMS = ("lib", "header", "manifest", "py", "obj", "llvm", "asm", "graph", "kernels")
FORMS_NOT_BUILT = ("ptx",)


@click.command("build", context_settings=HELP_NAMES)
@file_argument
@click.option("-o", "--out", "out_dir", default=".", metavar="DIR", type=FOLDER,
              help="Where to write; by default this folder.")  # fmt: skip
@common_options
@click.option(
    "--target", default="cpu", metavar="TARGET", help="cpu, a triple, as aarch64-linux-gnu, or ptx [not built yet]."
)
@click.option("--cpu", default="native", metavar="CPU", help="The processor; of a list the library takes the best.")
@names_option("--only", metavar="NAMES", help="Build only these losses and outputs, as in E,p.")
@names_option("--wrt", metavar="NAMES", help="Differentiate by these inputs too.")
@names_option("--emit", metavar="FORMS", help=f"What to write: {', '.join(FORMS)}; by default the first four.")
@click.option(
    "--order",
    type=click.IntRange(0, 2),
    default=1,
    help="Derivatives: 0 none, 1 gradients (the default), 2 second ones [not built yet].",
)
@rewrite_options
@click.option("--force", is_flag=True, help="Overwrite files that exprc did not write.")
@stage_options
@not_built("--sm", metavar="N", help="The GPU's generation.")
@not_built("--blas", metavar="NAME", help="Take matrix products from a library.")
@not_built("--guard", is_flag=True, help="Check every access.")
@click.option("--watch", is_flag=True, help="Build again whenever the program changes, until Ctrl-C.")
@limit_options
def command(file: str, show_stage: str | None, stop_after: str | None, watch: bool, order: int, **given: Any) -> None:
    """Compile FILE to a library, its C header, a manifest and a Python module.

    \b
    Example:
      exprc build model.expr -o build
      exprc build model.expr --max-time 60 --max-memory 2G --force
    """
    _expect_forms(given["emit"])
    if order == 2:
        raise refuse("`--order 2`, second derivatives in the library,")
    last = show_stage or stop_after
    if file == STANDARD_INPUT and (watch or not given["name"]) and not last:
        reason = "standard input cannot be watched" if watch else "standard input has no name to give to the library"
        raise click.UsageError(f"{reason}: say --name NAME" if not watch else reason)
    if watch and last:
        raise click.UsageError("--watch builds; it does not go with --show and --stop-after")
    if last:
        within_limits(given, partial(_show, file, last, bool(show_stage), order, given))
    elif watch:
        from exprc.cli.watch import watch_program

        watch_program(file, lambda: within_limits(dict(given), partial(_build, file, order, dict(given))))
    else:
        within_limits(given, partial(_build, file, order, given))


def _show(file: str, last: str, is_shown: bool, order: int, given: dict[str, Any]) -> None:
    source = load_program(file)
    from exprc import driver

    given.pop("with_times")
    text = driver.show(source, make_options(source, order=order, **given), last)
    say(text.rstrip("\n") + "\n" if is_shown else "")


def _build(file: str, order: int, given: dict[str, Any]) -> None:
    source = load_program(file)
    from exprc import driver

    with_times = given.pop("with_times")
    options = make_options(source, order=order, **given)
    start = time.process_time()  # what Python, the imports and the reading have taken by now
    with progress(f"building {options.name}"):
        report = driver.build(source, options, undisturbed())
    session().report(report.diagnostics)
    show_files(report.files, report.seconds, report.notes)
    if with_times:
        show_times((("start", start), *report.timings))


def _expect_forms(forms: tuple[str, ...]) -> None:
    for form in forms:
        if form in FORMS_NOT_BUILT:
            raise refuse(f"`--emit {form}`")
        if form not in FORMS:
            near = nearest(form, FORMS)
            hint = f"; did you mean {near!r}?" if near else ""
            raise click.BadParameter(f"{form!r} is none of {', '.join(FORMS)}{hint}", param_hint="--emit")
