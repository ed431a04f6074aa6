"""The driver: the pipeline as a tuple of named stages, and what the commands ask of it.

Stages are data, so that showing, timing and stopping after one are loops over the tuple.  Must not print or exit.
"""

from exprc.driver.commands import (
    BuildReport,
    CheckReport,
    build,
    check,
    compare,
    grad,
    graph,
    is_form,
    is_later,
    run,
    run_on,
    show,
)
from exprc.driver.compilation import Compilation
from exprc.driver.options import Given, Options
from exprc.driver.pipeline import STAGES, Stage

__all__ = [
    "STAGES",
    "BuildReport",
    "CheckReport",
    "Compilation",
    "Given",
    "Options",
    "Stage",
    "build",
    "check",
    "compare",
    "grad",
    "graph",
    "is_form",
    "is_later",
    "run",
    "run_on",
    "show",
]
