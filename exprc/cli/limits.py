"""`--max-memory` and `--max-time`: work in a child process that is watched and ended from outside.

Only a process of its own can be ended at any moment, inside LLVM too, and only from outside.  Without these options
nothing here is imported.  Before it is ended the child is asked for its call stack, which needs no cooperation either
(`faulthandler` answers from the signal handler), so that the message names the stage.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import re
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import click

from exprc.cli.main import limit_reached, outcome
from exprc.cli.session import Session, session
from exprc.diagnostics import EXIT_LIMIT, Diagnostic, KnownLimit

LOOK_EVERY = 0.01  # seconds between two looks at the memory
PATIENCE = 0.3  # how long a stack is waited for
LONGEST_WRITE = 10.0
CRASHES = (signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS)
_FRAME = re.compile(r'exprc/(?P<file>[\w/]+)\.py", line \d+ in (?P<function>\w+)')
_PLACES = {"write_artefacts": "write", "write_whole": "write", "evaluate": "run", "load_data": "reading the data"}


class Limits(NamedTuple):
    """Bytes and seconds that work may take, None for any number, and how the user wrote the bytes."""

    memory: int | None
    seconds: float | None
    memory_text: str = ""


def run_within(limits: Limits, work: Callable[[], None]) -> None:
    """Do the work in a child; leave with its exit code, or with the limit that it broke."""
    current = session()
    folder = tempfile.mkdtemp(prefix="exprc-")
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os._exit(_in_child(work, current, limits, folder, writing))
    os.close(writing)
    try:
        broken = _watch(child, limits, reading)
        status = _status(child)
    except BaseException:  # Ctrl-C ends the child too
        _end(child, signal.SIGKILL)
        _status(child)
        raise
    finally:
        os.close(reading)
        shutil.rmtree(folder, ignore_errors=True)
    if broken is None and limits.memory is not None and -status in CRASHES:
        broken = limit_reached(limits.memory_text, "")  # LLVM gives up on its own when it gets no memory
    if broken is not None and status != 0:
        raise KnownLimit(broken)
    if status != 0:
        raise click.exceptions.Exit(status if status > 0 else 128 - status)


# ---- the child


def _in_child(work: Callable[[], None], current: Session, limits: Limits, folder: str, writing: int) -> int:
    """The exit code.  Temporary files go to a folder that the parent removes."""
    status = EXIT_LIMIT
    with contextlib.suppress(BaseException):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        faulthandler.register(signal.SIGUSR1, file=writing, all_threads=True)
        current.report_folder = tempfile.gettempdir()
        os.environ["TMPDIR"] = tempfile.tempdir = folder
        if limits.memory is not None:  # what the parent's looks could miss
            current.memory_limit = limits.memory_text
            most = 2 * limits.memory + (1 << 29)
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_DATA, (most, resource.getrlimit(resource.RLIMIT_DATA)[1]))
        status = outcome(work, current)
        sys.stdout.flush()
        sys.stderr.flush()
    return status


# ---- the parent


def _watch(child: int, limits: Limits, reading: int) -> Diagnostic | None:
    """Wait for the child's end.  None, or why it was ended and in which stage."""
    deadline = None if limits.seconds is None else time.monotonic() + limits.seconds
    with _ends_of(child) as has_ended:
        while True:
            left = None if deadline is None else deadline - time.monotonic()
            too_late = left is not None and left <= 0
            if too_late or (limits.memory is not None and _memory(child) > limits.memory):
                stage = _stage(child, reading)
                _end_softly(child, has_ended)
                return limit_reached(limits.memory_text, stage, limits.seconds if too_late else None)
            pause = LOOK_EVERY if limits.memory is not None else 60.0
            if has_ended(pause if left is None else min(pause, left)):
                return None


@contextlib.contextmanager
def _ends_of(child: int) -> Iterator[Callable[[float], bool]]:
    """A function that waits so many seconds for the child's end and says whether it came."""
    descriptor = os.pidfd_open(child)
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    try:
        yield lambda seconds: bool(poll.poll(max(0.0, 1000 * seconds)))
    finally:
        os.close(descriptor)


def _end_softly(child: int, has_ended: Callable[[float], bool]) -> None:
    """End the child at once, but not while it writes files: then it ignores the signal, which is sent again."""
    until = time.monotonic() + LONGEST_WRITE
    while time.monotonic() < until:
        _end(child, signal.SIGTERM)
        if has_ended(0.05):
            return
    _end(child, signal.SIGKILL)


def _end(child: int, number: signal.Signals) -> None:
    for process in _family(child):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)


def _status(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _family(child: int) -> list[int]:
    """The child and what it has started, a linker."""
    found = [child]
    for process in found:
        with contextlib.suppress(OSError), open(f"/proc/{process}/task/{process}/children", encoding="ascii") as file:
            found += [int(word) for word in file.read().split()]
    return found


def _memory(child: int) -> int:
    """Bytes of memory that the child and its children have at this moment."""
    pages = 0
    for process in _family(child):
        with contextlib.suppress(OSError), open(f"/proc/{process}/statm", encoding="ascii") as file:
            pages += int(file.read().split()[1])
    return pages * resource.getpagesize()


def _stage(child: int, reading: int) -> str:
    """The stage that the child is in, by its call stack; empty if it does not answer."""
    with contextlib.suppress(OSError):
        os.kill(child, signal.SIGUSR1)
    text = b""
    until = time.monotonic() + PATIENCE
    while select.select([reading], [], [], max(0.0, until - time.monotonic()))[0]:
        part = os.read(reading, 65536)
        text += part
        if not part or b"runpy" in part or b"run_within" in part:
            break
    from exprc.driver import STAGES

    stages = {stage.run.__name__: stage.name for stage in STAGES}
    for frame in _FRAME.finditer(text.decode("utf-8", "replace")):
        known = stages if frame["file"] == "driver/pipeline" else _PLACES
        if frame["function"] in known:
            return known[frame["function"]]
    return ""
