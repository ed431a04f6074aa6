"""Programs from files and from standard input, and what commands write into a file that the user names.

Owns what can go wrong before there is any text, and what is said where a file cannot be read or written.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from exprc.cli.session import session
from exprc.diagnostics import Diagnostic, UserError
from exprc.disk import replace_file
from exprc.source import Source
from exprc.spelling import nearest

STANDARD_INPUT = "-"
MOST_BYTES = 8_000_000  # of a program; what is longer is none, or does not end


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
    try:
        with undisturbed():
            replace_file(path, content)
    except (OSError, ValueError) as problem:
        raise UserError(Diagnostic("E0705", f"cannot write `{path}`: {_reason(problem)}")) from None


def is_same_file(path: str, other: str) -> bool:
    """Whether two paths lead to one file that is there."""
    try:
        return os.path.samefile(path, other)
    except (OSError, ValueError):
        return False


def read_bytes(path: str) -> bytes:
    """What the file of a program holds."""
    try:
        with open(path, "rb", opener=_open_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise _unreadable(path, "it is no regular file", ("a program from a pipe is read from `-`",))
            return _bounded(file, f"`{path}`")
    except (OSError, ValueError) as problem:
        raise _unreadable(path, _reason(problem), near_files(path, (".expr",))) from None


def _reason(problem: OSError | ValueError) -> str:
    text = problem.strerror if isinstance(problem, OSError) and problem.strerror else str(problem)
    return text.lower()


def _standard_input() -> BinaryIO:
    if sys.stdin is None:
        raise UserError(Diagnostic("E0704", "cannot read standard input: it is closed"))
    return sys.stdin.buffer


def _open_without_waiting(path: str, flags: int) -> int:
    """A pipe without a writer would wait for one for ever."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _bounded(file: BinaryIO, name: str) -> bytes:
    """The bytes of a file that is no larger than programs are."""
    data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise UserError(Diagnostic("E0704", f"cannot read {name}: programs have at most {MOST_BYTES} bytes"))
    return data


def _unreadable(path: str, reason: str, help: tuple[str, ...]) -> UserError:
    return UserError(Diagnostic("E0704", f"cannot read `{path}`: {reason}", help=help))


def _read(path: str) -> tuple[str, bytes]:
    if path == STANDARD_INPUT:
        return "<stdin>", _bounded(_standard_input(), "standard input")
    return path, read_bytes(path)


def near_files(path: str, endings: tuple[str, ...]) -> tuple[str, ...]:
    """A question for the file with one of these endings in the same folder whose name is close to the missing one."""
    folder, name = os.path.split(path)
    try:
        names = [entry for entry in os.listdir(folder or ".") if entry.endswith(endings)]
    except (OSError, ValueError):
        return ()
    whole = {spelling: entry for entry in names for spelling in (os.path.splitext(entry)[0], entry)}
    near = nearest(name, whole)
    return (f"did you mean `{os.path.join(folder, whole[near])}`?",) if near and not os.path.exists(path) else ()
