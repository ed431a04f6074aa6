"""Measurements as a page of Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from peers import ONE_THREAD, READING, UNSET


class Measured(NamedTuple):
    """One peer at one case: seconds a call of all batches, or the problem that kept it from running."""

    workload: str
    title: str
    case: str
    dtype: str
    bound: bool
    peer: str
    times: tuple[float, ...] = ()
    error: float = 0.0
    first: float = 0.0
    processor: float = 0.0
    problem: str = ""
    bytes: int = 0


class Setting(NamedTuple):
    """What was run where."""

    command: str
    machine: dict[str, str]
    versions: dict[str, str]
    blas: str
    peers: tuple[str, ...]
    absent: tuple[str, ...]


INTRODUCTION = """\
# Performance

Written by `{command}` from the measurements of one run; run it again rather than edit this page.

Each peer runs in a process of its own with one thread. All peers of a case are measured in turn, in several rounds, so
that a busy moment of the machine meets them alike. An entry is the median time of a call in microseconds, with the
least one in brackets. A call takes NumPy arrays and gives the loss as a number and the gradients as NumPy arrays. "Data
bound" means that the data was handed over before (`model.E.bind(X=X, y=y)`, JAX's and PyTorch's own arrays, PyTensor's
shared variables, CasADi's buffers), and that a call takes the params only; NumPy and Numba make no difference between
the two. The ratio is the best peer's time over exprc's, by medians and by least times. Libraries are built without
`--dim`: all sizes are known at run time only. "reading" is no peer but the dot product of each input with itself: how
long it takes to read the data. "GB/s" are the bytes of the inputs over exprc's least time. Results are held against
NumPy's long double.
"""


def page(setting: Setting, measured: Sequence[Measured], cold: dict[str, list[float]]) -> str:
    """The whole page."""
    parts = [INTRODUCTION.format(command=setting.command), _setting(setting)]
    for title in dict.fromkeys(m.title for m in measured):
        parts.append(f"## {title}\n")
        own = [m for m in measured if m.title == title]
        for bound in dict.fromkeys(m.bound for m in own):
            heading = "Data bound, params in each call" if bound else "All arrays in each call"
            parts += [f"### {heading}\n", _table([m for m in own if m.bound == bound], setting.peers)]
    if cold:
        parts += ["## Cold build\n", _cold(cold)]
    parts += ["## Results checked\n", _errors(measured, setting.peers)]
    problems = dict.fromkeys(f"- {m.peer}, {m.workload} {m.case} {m.dtype}: {m.problem}" for m in measured if m.problem)
    problems |= dict.fromkeys(f"- {peer} is not installed" for peer in setting.absent)
    if problems:
        parts += ["## Remarks\n", "\n".join(problems) + "\n"]
    return "\n".join(parts)


def microseconds(seconds: float) -> str:
    """Three digits, more for large numbers."""
    value = seconds * 1e6
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def best_peer(entries: Sequence[Measured], statistic: str = "median") -> Measured | None:
    """The fastest of those that are not exprc."""
    ran = [m for m in entries if m.times and m.peer not in ("exprc", READING)]
    return min(ran, key=lambda m: _statistic(m, statistic), default=None)


def ratio(entries: Sequence[Measured], statistic: str) -> float | None:
    """How many times as long as exprc the best peer takes."""
    own = next((m for m in entries if m.peer == "exprc" and m.times), None)
    best = best_peer(entries, statistic)
    return _statistic(best, statistic) / _statistic(own, statistic) if own and best else None


def _statistic(m: Measured, statistic: str) -> float:
    return median(m.times) if statistic == "median" else min(m.times)


def _setting(setting: Setting) -> str:
    threads = " ".join(f"{name}={value}" for name, value in ONE_THREAD.items())
    versions = ", ".join(f"{name} {version}" for name, version in setting.versions.items())
    rows = {
        **setting.machine,
        "versions": versions,
        "BLAS of NumPy": setting.blas,
        "environment": f"`{threads}`; unset: {', '.join(UNSET)}",
    }
    return "| | |\n| --- | --- |\n" + "".join(f"| {name} | {value} |\n" for name, value in rows.items())


def _table(entries: Sequence[Measured], peers: Sequence[str]) -> str:
    ran = [peer for peer in peers if any(m.peer == peer and m.times for m in entries)]
    lines = [
        f"| case | {' | '.join(ran)} | best peer | ratio (least times) | GB/s |",
        f"| --- |{' --: |' * len(ran)} --- | --: | --: |",
    ]
    for case, dtype in dict.fromkeys((m.case, m.dtype) for m in entries):
        own = [m for m in entries if (m.case, m.dtype) == (case, dtype)]
        cells = [_cell(next((m for m in own if m.peer == peer), None)) for peer in ran]
        best, by_median, by_least = best_peer(own), ratio(own, "median"), ratio(own, "least")
        last = f"{by_median:.2f} ({by_least:.2f})" if by_median and by_least else "–"
        rate = next((f"{m.bytes / min(m.times) / 1e9:.1f}" for m in own if m.peer == "exprc" and m.times), "–")
        lines.append(f"| {case} {dtype} | {' | '.join(cells)} | {best.peer if best else '–'} | {last} | {rate} |")
    return "\n".join(lines) + "\n"


def _cell(m: Measured | None) -> str:
    return f"{microseconds(median(m.times))} ({microseconds(min(m.times))})" if m and m.times else "–"


def _cold(cold: dict[str, list[float]]) -> str:
    lines = [
        "The whole process, in seconds; all of them in turn.\n",
        "| process | median | least | runs |",
        "| --- | --: | --: | --: |",
    ]
    lines += [f"| {name} | {median(t):.3f} | {min(t):.3f} | {len(t)} |" for name, t in cold.items()]
    own, peer = cold.get("`exprc build`"), cold.get("JAX, first call")
    if own and peer:
        lines.append(
            f"\n`exprc build` takes {median(own) / median(peer):.2f} of JAX's time by medians, "
            f"{min(own) / min(peer):.2f} by least times."
        )
    return "\n".join(lines) + "\n"


def _errors(measured: Sequence[Measured], peers: Sequence[str]) -> str:
    lines = [
        "The largest error over the value and all entries of the gradients, divided by the sum of the absolute values",
        "of the terms of that entry; and how long the longest first call took, compilation included.\n",
        "| peer | error f64 | error f32 | longest first call, s |",
        "| --- | --: | --: | --: |",
    ]
    for peer in peers:
        own = [m for m in measured if m.peer == peer and m.times]
        if not own or peer == READING:
            continue
        errors = [[m.error for m in own if m.dtype == dtype] for dtype in ("f64", "f32")]
        cells = [f"{max(found):.1e}" if found else "–" for found in errors]
        lines.append(f"| {peer} | {' | '.join(cells)} | {max(m.first for m in own):.2f} |")
    return "\n".join(lines) + "\n"
