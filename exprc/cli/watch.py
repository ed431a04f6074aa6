"""`exprc build --watch`: the work again whenever the program, or a file that it uses, has other content.

Owns what counts as a change.  Knows nothing of building.
"""

from __future__ import annotations

import gc
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterable

from exprc.cli.files import read_bytes
from exprc.cli.main import outcome
from exprc.cli.session import say, session
from exprc.cli.text import safe
from exprc.diagnostics import UserError

LOOK_EVERY = 0.2
_USE = re.compile(rb'^[ \t]*use[ \t]*"((?:[^"\\\n]|\\.)*)"', re.MULTILINE)
_Stamp = tuple[int, int, int] | None
UNSEEN = (-1, -1, -1)


def pause() -> None:
    """Wait until it is time to look again."""
    time.sleep(LOOK_EVERY)


def watch_program(file: str, work: Callable[[], None], wait: Callable[[], None] = pause) -> None:
    """Work now and after every change, for ever: only an exception that `wait` raises ends it, as Ctrl-C does.

    What goes wrong in the work is reported and does not end it.
    """
    read_bytes(file)  # a program that is not there at the start is a mistake
    while True:
        watched = _contents(used_files(file))
        outcome(work, session())
        gc.collect()
        session().source = None
        say(f"watching {', '.join(map(safe, watched))}; Ctrl-C ends it\n")
        changed = _next_change(file, watched, wait)
        say(f"\n{', '.join(map(safe, changed))} changed\n")


def used_files(file: str) -> list[str]:
    """The program and the files that it uses, directly or not, whether they can be read or not."""
    found, known = [file], {os.path.realpath(file)}
    for path in found:
        folder = os.path.dirname(path)
        for name in _USE.findall(_content(path) or b""):
            used = os.path.join(folder, name.decode("utf-8", "replace"))
            if os.path.realpath(used) not in known and "\0" not in used:
                known.add(os.path.realpath(used))
                found.append(used)
    return found


def _next_change(file: str, watched: dict[str, bytes | None], wait: Callable[[], None]) -> list[str]:
    """The files whose content has changed; a look at the times tells which to read."""
    stamps: dict[str, _Stamp] = dict.fromkeys(watched, UNSEEN)  # the work may have taken long enough for a change
    while True:
        changed = []
        for path, stamp in stamps.items():
            now = _stamp(path)
            if now != stamp and _hash(_content(path)) != watched[path]:
                changed.append(path)
            else:
                stamps[path] = now
        if changed and _stamp(file) is not None:  # editors take a file away for a moment
            return changed
        wait()


def _contents(paths: Iterable[str]) -> dict[str, bytes | None]:
    return {path: _hash(_content(path)) for path in paths}


def _hash(content: bytes | None) -> bytes | None:
    return None if content is None else hashlib.sha256(content).digest()


def _stamp(path: str) -> _Stamp:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _content(path: str) -> bytes | None:
    try:
        return read_bytes(path)
    except UserError:
        return None
