"""Tables about finished work: the files that were written, the time that each stage took."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from exprc.cli.session import say
from exprc.cli.text import safe


def show_files(files: Sequence[tuple[str, int]], seconds: float, notes: Sequence[str] = ()) -> None:
    """What was written, how large it is, how long it took, and what else there is to say."""
    longest = max((len(path) for path, _ in files), default=0)
    lines = [f"wrote {safe(path):<{longest}}  {_amount(size):>9}" for path, size in files]
    say("\n".join((*lines, f"in {seconds:.2f} s", *(f"note: {safe(note)}" for note in notes))) + "\n")


def show_times(timings: Sequence[tuple[str, float]]) -> None:
    """A row for each stage, on the error stream."""
    total = sum(seconds for _, seconds in timings)
    rows = [*timings, ("total", total)]
    longest = max(len(stage) for stage, _ in rows)
    lines = [f"{stage:<{longest}}  {1000 * seconds:8.1f} ms  {_share(seconds, total):>4}" for stage, seconds in rows]
    say("\n".join(lines) + "\n", sys.stderr)


def _share(seconds: float, total: float) -> str:
    return f"{100 * seconds / total:.0f} %" if total else ""


def _amount(size: int) -> str:
    return f"{size} B" if size < 1000 else f"{size / 1000:.1f} kB" if size < 1_000_000 else f"{size / 1e6:.1f} MB"
