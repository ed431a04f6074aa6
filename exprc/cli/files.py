"""Programs from files and from standard input.  Owns what can go wrong before there is any text."""

from __future__ import annotations

import os
import sys

from exprc.cli.session import session
from exprc.diagnostics import Diagnostic, UserError
from exprc.source import Source

STANDARD_INPUT = "-"


def load_program(path: str) -> Source:
    """The program at a path, `-` being standard input; remembered for reports of bugs."""
    from exprc.syntax.characters import read_source

    source = read_source(*_read(path))
    session().source = source
    return source


def _read(path: str) -> tuple[str, bytes]:
    if path == STANDARD_INPUT:
        return "<stdin>", sys.stdin.buffer.read()
    try:
        with open(path, "rb") as file:
            return path, file.read()
    except (OSError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) and problem.strerror else str(problem)
        raise UserError(
            Diagnostic("E0704", f"cannot read `{path}`: {reason.lower()}", help=_nearest_programs(path))
        ) from None


def _nearest_programs(path: str) -> tuple[str, ...]:
    """Programs in the same folder whose names are close to the one that is missing."""
    import difflib

    folder, name = os.path.split(path)
    try:
        names = [entry for entry in os.listdir(folder or ".") if entry.endswith(".expr")]
    except (OSError, ValueError):
        return ()
    near = difflib.get_close_matches(name, [*names, *(entry.removesuffix(".expr") for entry in names)], n=1)
    if not near:
        return ()
    found = near[0] if near[0] in names else near[0] + ".expr"
    return (f"did you mean `{os.path.join(folder, found)}`?",)
