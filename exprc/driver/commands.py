"""What each command of the command line needs from the pipeline."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

from exprc.diagnostics import Diagnostic
from exprc.driver.options import Given, Options
from exprc.driver.pipeline import STAGES, run_stages
from exprc.source import Source

if TYPE_CHECKING:
    from exprc.driver.comparison import Row
    from exprc.driver.evaluation import RunReport

CPU, GPU = "cpu", "ptx"


class BuildReport(NamedTuple):
    """What was written (path and bytes), how long it took, stage by stage, the lints, and notes on the files."""

    files: tuple[tuple[str, int], ...]
    seconds: float
    timings: tuple[tuple[str, float], ...]
    diagnostics: tuple[Diagnostic, ...]
    notes: tuple[str, ...] = ()


class CheckReport(NamedTuple):
    """The report as text, and the lints."""

    text: str
    diagnostics: tuple[Diagnostic, ...]


def build(
    source: Source, options: Options, writing: AbstractContextManager[None] | None = None
) -> BuildReport:
    """Compiles and writes the artefacts, these under `writing`."""
    from exprc.package.write import write_artefacts

    start = time.perf_counter()
    state = run_stages(source, options, "package")
    before = time.perf_counter()
    with writing or nullcontext():
        paths = write_artefacts(options.out_dir, state.files, options.force)
    end = time.perf_counter()
    sizes = [len(c.encode() if isinstance(c, str) else c) for c in state.files.values()]
    assert state.model is not None
    timings = (*state.timings, ("write", end - before))
    return BuildReport(tuple(zip(paths, sizes)), end - start, timings, state.model.lints, state.notes)


def grad(source: Source, options: Options) -> str:
    """The derivatives in closed form."""
    from exprc.driver.derivatives import print_derivatives

    return print_derivatives(run_stages(source, options, "differentiate"))


def check(source: Source, options: Options) -> CheckReport:
    """Types, use of sizes and the memory plan; the rewrites, and what a GPU can run, where they are asked for."""
    from exprc.driver.report import make_report

    for_gpu = options.target == GPU
    state = run_stages(source, options._replace(target=CPU) if for_gpu else options, "schedule")
    assert state.model is not None
    text = make_report(state)
    if for_gpu:
        from exprc.driver.gpu import check_ptx

        text += "\n" + check_ptx(state)
    return CheckReport(text, state.model.lints)


def graph(source: Source, options: Options, what: str, most: int, form: str) -> str:
    """A picture of the model, its derivative or its kernels, with at most about so many boxes."""
    from exprc.driver.drawing import STAGE_OF, draw

    return draw(run_stages(source, options, STAGE_OF[what]), what, most, form)


def compare(source: Source, options: Options, data: Given | None) -> list[Row]:
    """Gradients held against differences: a row for each loss and param."""
    from exprc.driver.comparison import compare_gradients

    return compare_gradients(source, options, data)


def run(source: Source, options: Options, data: Mapping[str, Any]) -> dict[str, Any]:
    """The values of losses, outputs and other definitions on arrays, by the compiled library."""
    return run_on(source, options, Given(data)).values


def run_on(source: Source, options: Options, data: Given) -> RunReport:
    """The same on data as files have it, with what is worth saying about the data."""
    from exprc.driver.evaluation import evaluate

    return evaluate(source, options, data)


def show(source: Source, options: Options, stage: str) -> str:
    """What a stage makes, as text."""
    state = run_stages(source, options, stage)
    return next(one.show(state) for one in STAGES if one.name == stage)


def is_form(name: str) -> bool:
    """Whether the language itself gives the name a meaning: a constant, or what is called and is no operation."""
    from exprc.check.names import CONSTANTS, FORMS

    return name in CONSTANTS or name in FORMS


def is_later(name: str) -> bool:
    """Whether the language has an operation of this name that is not built yet."""
    from exprc.check import names

    return names.is_later(name)
