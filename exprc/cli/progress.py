"""A line on the terminal while work takes longer than a second: what, which stage, how long."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE = 1.0
INTERVAL = 0.2
ERASE = "\r\x1b[K"


@contextmanager
def progress(what: str) -> Iterator[None]:
    """Show the line for as long as the block runs; nothing where the error stream is no terminal."""
    if not sys.stderr.isatty():
        yield
        return
    done = threading.Event()
    writer = threading.Thread(target=_write, args=(what, threading.get_ident(), done), daemon=True)
    writer.start()
    try:
        yield
    finally:
        done.set()
        writer.join()


def _write(what: str, worker: int, done: threading.Event) -> None:
    start = time.perf_counter()
    if done.wait(PATIENCE):
        return
    from exprc.cli.stages import stage_of_thread

    while not done.wait(INTERVAL):
        seconds = time.perf_counter() - start
        sys.stderr.write(f"{ERASE}{what}: {stage_of_thread(worker) or 'working'}, {seconds:.1f} s")
        sys.stderr.flush()
    sys.stderr.write(ERASE)
    sys.stderr.flush()
