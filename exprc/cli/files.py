"""Programs from files and from standard input.  Owns what can go wrong before there is any text."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from exprc.cli.session import session
from exprc.diagnostics import Diagnostic, UserError
from exprc.source import Source

STANDARD_INPUT = "-"
MOST_BYTES = 1 << 28  # of a program; what is longer is none, or does not end


def load_program(path: str) -> Source:
    """The program at a path, `-` being standard input; remembered for reports of bugs."""
    from exprc.syntax.characters import read_source

    source = read_source(*_read(path))
    session().source = source
    return source


@contextmanager
def undisturbed() -> Iterator[None]:
    """A block that is not interrupted by a request to end, since it writes files that belong together."""
    import signal
    import threading

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def write_whole(path: str, content: bytes) -> None:
    """The content under a name: whole, or what was there before stays.  Links are followed and permissions kept."""
    with undisturbed():
        _write_whole(path, content)


def _write_whole(path: str, content: bytes) -> None:
    place = os.path.realpath(path)
    beside = f"{place}.{os.getpid()}.tmp"
    made = False
    try:
        if os.path.exists(place) and not os.path.isfile(place):  # a terminal, a pipe: nothing can be put beside it
            with open(place, "wb") as file:
                file.write(content)
            return
        if os.path.exists(place) and not os.access(place, os.W_OK):
            raise PermissionError(None, "Permission denied")
        with open(beside, "xb") as file:
            made = True
            file.write(content)
        if os.path.exists(place):
            os.chmod(beside, os.stat(place).st_mode & 0o7777)
        os.replace(beside, place)
    except BaseException as problem:
        if made and os.path.exists(beside):
            os.unlink(beside)
        if not isinstance(problem, (OSError, ValueError)):
            raise
        reason = problem.strerror if isinstance(problem, OSError) and problem.strerror else str(problem)
        raise UserError(Diagnostic("E0705", f"cannot write `{path}`: {reason.lower()}")) from None


def read_bytes(path: str) -> bytes:
    """What a file holds."""
    try:
        with open(path, "rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ValueError(f"it has more than {MOST_BYTES >> 20} MB")
        return content
    except (OSError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) and problem.strerror else str(problem)
        raise UserError(
            Diagnostic("E0704", f"cannot read `{path}`: {reason.lower()}", help=_nearest_programs(path))
        ) from None


def _read(path: str) -> tuple[str, bytes]:
    if path == STANDARD_INPUT:
        return "<stdin>", sys.stdin.buffer.read(MOST_BYTES + 1)
    return path, read_bytes(path)


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
