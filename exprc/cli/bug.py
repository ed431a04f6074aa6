"""What happens after a bug of ours: a file with all that reproduces it, and two lines on the screen.

Must not fail itself, whatever went wrong before.
"""

from __future__ import annotations

import os
import platform
import shlex
import sys
import tempfile
import traceback
from collections.abc import Sequence

from exprc import __version__
from exprc.cli.session import Session
from exprc.cli.stages import stage_of_failure
from exprc.diagnostics import Diagnostic


def report_bug(error: Exception, arguments: Sequence[str], session: Session) -> None:
    """Save the report, and say what failed, where, and which file tells the rest."""
    stage = stage_of_failure(error.__traceback__) or "command line"
    path = save_report(error, arguments, session, stage)
    summary = f"{type(error).__name__}: {error}".split("\n")[0][:200]
    diagnostic = Diagnostic(
        code="",
        message=f"exprc itself failed in the stage `{stage}`",
        notes=(summary, f"what is needed to reproduce it is saved in {path}" if path else "no report could be saved"),
        help=("this is a bug of exprc and not of your program; please report it with that file",),
        severity="bug",
    )
    session.report((diagnostic,))


def save_report(error: Exception, arguments: Sequence[str], session: Session, stage: str) -> str:
    """Write versions, command, traceback and program to a new private file; its path, empty if that fails."""
    source = session.source
    parts = [
        f"exprc {__version__}, Python {platform.python_version()}, {platform.platform()}",
        f"stage: {stage}",
        f"folder: {os.getcwd()}",
        f"command: exprc {shlex.join(arguments)}",
        "".join(traceback.format_exception(error)),
        f"program: {source.name}\n{source.text}" if source else "no program was read",
    ]
    try:
        handle, path = tempfile.mkstemp(prefix="exprc-bug-", suffix=".txt", dir=session.report_folder)
        with open(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write("\n\n".join(parts))
    except OSError as problem:
        print(f"cannot save a report: {problem}", file=sys.stderr)
        return ""
    return path

