"""`exprc graph`: a picture of a program."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

import click

from exprc.cli.files import STANDARD_INPUT, is_same_file, load_program, write_whole
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
from exprc.cli.session import say, say_file
from exprc.cli.text import safe

SUBJECTS, FORMS = ("model", "derivative", "kernels"), ("svg", "dot")


@click.command("graph", context_settings=HELP_NAMES)
@file_argument
@click.option("-o", "--out", metavar="FILE", type=PATH, required=True,
              help="The picture, .svg or .dot; - is the screen.")  # fmt: skip
@click.option("--of", "subject", type=click.Choice(SUBJECTS), default=SUBJECTS[0],
              help="What to draw: the model as it is written (the default), its derivative, its kernels.")  # fmt: skip
@click.option("--boxes", default=40, type=click.IntRange(4, 2000), metavar="N",
              help="Where there is more than so much to draw (40), neighbours share a box.")  # fmt: skip
@common_options
@names_option("--only", metavar="NAMES", help="Only these losses and outputs, for derivative and kernels.")
@rewrite_options
@limit_options
def command(file: str, out: str, subject: str, boxes: int, **given: Any) -> None:
    """Draw the model of FILE, its derivative or its kernels.

    Boxes and arrows tell more to who points at them. A `.dot` file is for Graphviz, which the picture does not need.

    \b
    Example:
      exprc graph model.expr -o model.svg
      exprc graph model.expr -o gradient.svg --of derivative
      exprc graph model.expr -o kernels.dot --of kernels
    """
    ending = "svg" if out == STANDARD_INPUT else os.path.splitext(out)[1].lower().removeprefix(".")
    if ending not in FORMS:
        raise click.BadParameter(f"{out!r} ends neither in .svg nor in .dot", param_hint="-o")
    if is_same_file(out, file):
        raise click.BadParameter(f"{out!r} is the program", param_hint="-o")
    within_limits(given, partial(_graph, file, out, subject, boxes, ending, given))


def _graph(file: str, out: str, subject: str, boxes: int, ending: str, given: dict[str, Any]) -> None:
    source = load_program(file)
    from exprc import driver

    options = make_options(source, **given)
    with progress(f"drawing {options.name}"):
        text = driver.graph(source, options, subject, boxes, ending)
    if out == STANDARD_INPUT:
        say_file(text)
        return
    write_whole(out, text.encode())
    say(f"wrote {safe(out)}\n")
