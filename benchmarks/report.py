"""Measurements as a page of Markdown with pictures."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import peers
import plots
import workloads
from measuring import LIBMVEC, TOUCH, C
from native import FLAGS
from peers import OWN
from store import Entry, Group, Key

Groups = Mapping[Key, Group]
NONE = "–"

INTRODUCTION = """\
# Performance

Written by `python benchmarks/run.py --python PYTHON` from `benchmarks/measurements.jsonl`; run it again rather than
edit this page. Each row tells on which commit of the compiler it was measured, when (UTC), and how many processes were
waiting for the machine's cores then: figures of a busy machine are worse, and their medians more than their ratios.

Libraries are built with the options that `exprc build` has by default, without `--dim`: all sizes are known at run time
only. All sides of a row are measured in turn, in several rounds, each in a process of its own, so that a busy moment
of the machine meets them alike. An entry is the median time of a call in microseconds, with the least one in
brackets. With one thread, processes stay on one processor and times are processor time: what else the machine does is
not counted. With more they are the clock's. exprc itself has one thread in this version.

Each side's results are held against NumPy's long double, or the C library's where NumPy lacks the function; a side
whose error is over 1e-12 (f32: 1e-5) of the sum of the absolute values of an entry's terms is reported and not timed.
"""

ABI = """\
The library's function through the C ABI, called by the same C program as a kernel written by hand for the workload:
`gcc {flags}`, in blocks, one pass. "C" has its exponential as a polynomial in line, "C, libmvec" calls libmvec's,
which looks up a table; other functions are libmvec's in both. A ratio is exprc's time over C's by medians, with that
of least times in brackets: below 1, exprc is the faster.

"Bound" is what no program of one thread can beat on this machine: the larger of the time to read all arguments and
write all results once (measured, by a loop that does nothing else) and of the arithmetic (additions and
multiplications at the measured peak of multiply-adds, functions at the rate of vectorised loops over the first cache);
in brackets which of the two it is. "Memory" is how much the first call takes beside arguments and results.
"""

PYTHON = """\
A call takes NumPy arrays and gives a loss as a number and arrays as NumPy arrays. "Bound" means that the data was
handed over before (`model.E.bind(X=X, y=y)`, JAX's and PyTorch's own arrays, PyTensor's shared variables, CasADi's
buffers), and that a call takes the params only; NumPy and Numba make no difference between the two. The ratio is the
best peer's time over exprc's, by medians and by least times: above 1, exprc is the faster. Peers have the numerically
sound form of each program that a person who knows them would write, Numba loops by hand. Those more than eight times
slower than the fastest are measured in two rounds only.
"""

COMPILING = """\
Seconds from the program to the first results: `exprc build` as a whole process and the first call, and the first call
of the others, compilation included, imports not; with nothing kept from earlier runs. One thread.
"""

MEMORY = """\
Peak memory of the whole process above its arguments up to the end of the first call, in MB; in brackets how much of it
came from compiling and calling: the peak less what the process held with its framework imported and its data loaded.
"""


def write(folder: Path, groups: Groups) -> list[Path]:
    """The page and its pictures; returns what was written."""
    written = [folder / "performance.md"]
    pictures = {
        "performance_c.svg": plots.against_c(_abi(groups)),
        "performance_peers.svg": plots.against_peers(_python(groups)),
    }
    for name, text in pictures.items():
        if text:
            (folder / name).write_text(text)
            written.append(folder / name)
    written[0].write_text(page(groups, {name for name, text in pictures.items() if text}))
    return written


def page(groups: Groups, pictures: Iterable[str] = ()) -> str:
    """The whole page."""
    parts = [INTRODUCTION, _machine(groups)]
    if _abi(groups):
        parts += ["## At the C ABI, against C\n", ABI.format(flags=" ".join(FLAGS))]
        if "performance_c.svg" in pictures:
            parts.append("![Time of exprc over that of C](performance_c.svg)\n")
        parts.append(_abi_table(groups))
    if _python(groups):
        parts += ["## From Python, against the peers\n", PYTHON]
        if "performance_peers.svg" in pictures:
            parts.append("![How many times as long as exprc each peer takes](performance_peers.svg)\n")
        parts += [_python_tables(groups), "## Compiling\n", COMPILING]
        parts += [_first_calls(groups, lambda entry: f"{entry.first:.2f}"), "## Memory\n", MEMORY]
        parts.append(_first_calls(groups, lambda entry: f"{entry.process / 1e6:.0f} ({entry.memory / 1e6:.0f})"))
    cold = groups.get(Key("cold"))
    if cold:
        parts += ["## Cold build\n", _cold(cold)]
    parts += ["## Errors\n", _errors(groups)]
    remarks = _remarks(groups)
    if remarks:
        parts += ["## Remarks\n", "\n".join(remarks) + "\n"]
    return "\n".join(parts)


def show(group: Group) -> None:
    """A line of progress for each side of a group."""
    key = group.key
    words = (key.table, key.workload, key.case, key.dtype, "bound" if key.bound else "", str(key.threads))
    case = " ".join(filter(None, words))
    for name, entry in group.entries.items():
        times = f"{microseconds(entry.least):>8} {microseconds(entry.median):>8}" if entry.count else ""
        print(f"{case:55} {name:14} {times} {entry.problem}", file=sys.stderr)


def microseconds(seconds: float) -> str:
    """Three digits, more for large numbers."""
    value = seconds * 1e6
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def best_peer(group: Group, statistic: str) -> str | None:
    """The fastest of those that are not exprc."""
    ran = [name for name, entry in group.entries.items() if entry.count and name != OWN]
    return min(ran, key=lambda name: getattr(group.entries[name], statistic), default=None)


def bound(group: Group, rates: Mapping[str, Mapping[str, float]]) -> tuple[float, str] | None:
    """The roofline of a group at the C ABI in seconds, and whether bytes or arithmetic make it."""
    if TOUCH not in group.entries or group.key.dtype not in rates:
        return None
    work = workloads.load(group.key.workload).work(workloads.case(group.key.workload, group.key.case).sizes)
    rate = rates[group.key.dtype]
    arithmetic = work.flops / rate["flops"] + sum(count / rate[name] for name, count in work.functions.items())
    touched = group.entries[TOUCH].least
    return (touched, "bytes") if touched > arithmetic else (arithmetic, "arithmetic")


def _abi(groups: Groups) -> list[Group]:
    return _ordered(group for group in groups.values() if group.key.table == "abi")


def _python(groups: Groups) -> list[Group]:
    return _ordered(group for group in groups.values() if group.key.table == "python")


def _ordered(groups: Iterable[Group]) -> list[Group]:
    """By workload, sizes as they stand there, threads, data, dtype."""

    def place(group: Group) -> tuple[object, ...]:
        key = group.key
        cases = [case.name for case in workloads.load(key.workload).CASES]
        return key.workload, cases.index(key.case), key.threads, key.bound, list(workloads.DTYPES).index(key.dtype)

    return sorted(groups, key=place)


def _machine(groups: Groups) -> str:
    found = groups.get(Key("machine"))
    if found is None:
        return ""
    rows = dict(found.facts["machine"])
    rows["versions"] = ", ".join(f"{name} {version}" for name, version in found.facts["versions"].items())
    rows["BLAS of NumPy"] = found.facts["blas"]
    for dtype, rates in found.facts["rates"].items():
        shown = ", ".join(f"{name} {rate / 1e9:.2f}" for name, rate in rates.items() if name != "flops")
        rows[f"multiply-adds, {dtype}"] = f"{rates['flops'] / 1e9:.0f} Gflop/s; functions, 10⁹ a second: {shown}"
    settings = " ".join(f"{name}={value}" for name, value in peers.settings(1).items())
    rows["environment, one thread"] = f"`{settings}`; unset: {', '.join(peers.UNSET)}"
    return _table(("", ""), "ll", [(name, str(value)) for name, value in rows.items()])


def _abi_table(groups: Groups) -> str:
    machine = groups.get(Key("machine"))
    rates = machine.facts["rates"] if machine else {}
    ratios = (f"{OWN} / C", f"{OWN} / libmvec", "bound", f"{OWN} / bound")
    heads = ("workload", "case", OWN, C, LIBMVEC, *ratios, "GB/s", "memory", "measured")
    rows = []
    for group in _abi(groups):
        entries, key = group.entries, group.key
        own, limit = entries[OWN], bound(group, rates)
        rows.append(
            (
                workloads.load(key.workload).TITLE,
                f"{key.case} {key.dtype}",
                *(_cell(entries.get(side)) for side in (OWN, C, LIBMVEC)),
                _ratio(own, entries.get(C)),
                _ratio(own, entries.get(LIBMVEC)),
                f"{microseconds(limit[0])} ({limit[1]})" if limit else NONE,
                f"{own.least / limit[0]:.2f}" if limit and own.count else NONE,
                f"{group.facts['bytes'] / own.least / 1e9:.1f}" if own.count else NONE,
                _megabytes(own.memory),
                _when(group),
            )
        )
    return _table(heads, "llrrrrrrrrrl", rows)


def _python_tables(groups: Groups) -> str:
    parts = []
    for title, own in _by_title(_python(groups)).items():
        names = [peer.name for peer in peers.PEERS if any(group.entries.get(peer.name, Entry()).count for group in own)]
        heads = ("case", "data", "threads", *names, "best peer", "ratio", "measured")
        rows = []
        for group in own:
            best = best_peer(group, "median")
            data = "bound" if group.key.bound else "in each call"
            cells = [_cell(group.entries.get(name)) for name in names]
            ratio = _ratio_of_best(group)
            case = f"{group.key.case} {group.key.dtype}"
            rows.append((case, data, str(group.key.threads), *cells, best or NONE, ratio, _when(group)))
        parts.append(f"### {title}\n\n{_table(heads, 'llr' + 'r' * len(names) + 'lrl', rows)}")
    return "\n".join(parts)


def _first_calls(groups: Groups, cell: Callable[[Entry], str]) -> str:
    """A table of what `cell` tells of each peer's first call."""
    own = [group for group in _python(groups) if not group.key.bound and group.key.threads == 1]
    names = [peer.name for peer in peers.PEERS if any(group.entries.get(peer.name, Entry()).first for group in own)]
    rows = []
    for group in own:
        cells = []
        for name in names:
            entry = group.entries.get(name, Entry())
            cells.append(cell(entry) if entry.first else NONE)
        rows.append((workloads.load(group.key.workload).TITLE, f"{group.key.case} {group.key.dtype}", *cells))
    return _table(("workload", "case", *names), "ll" + "r" * len(names), rows)


def _cold(cold: Group) -> str:
    rows = []
    for name, entry in cold.entries.items():
        rows.append((name, f"{entry.median:.3f}", f"{entry.least:.3f}", str(entry.count)))
    text = "The whole process, in seconds; all of them in turn.\n\n"
    text += _table(("process", "median", "least", "runs"), "lrrr", rows)
    own, peer = cold.entries.get("`exprc build`"), cold.entries.get("JAX, first call")
    if own and peer:
        text += f"\n`exprc build` takes {own.median / peer.median:.2f} of JAX's time by medians, "
        text += f"{own.least / peer.least:.2f} by least times. Measured: {_when(cold)}.\n"
    return text


def _errors(groups: Groups) -> str:
    text = "The largest over all entries of all results and all cases, in units of the sum of absolute values.\n\n"
    measured = [*_abi(groups), *_python(groups)]
    names = [*(peer.name for peer in peers.PEERS), C, LIBMVEC]
    rows = []
    for name in names:
        found = [(group.key.dtype, group.entries[name]) for group in measured if name in group.entries]
        cells = []
        for dtype in workloads.DTYPES:
            errors = [entry.error for where, entry in found if where == dtype and entry.count]
            cells.append(f"{max(errors):.1e}" if errors else NONE)
        if set(cells) != {NONE}:
            rows.append((name, *cells))
    return text + _table(("side", *workloads.DTYPES), "lrr", rows)


def _remarks(groups: Groups) -> list[str]:
    """What kept a side from running, and who used more than the threads it was given; each once."""
    found: dict[str, None] = {}
    for group in [*_abi(groups), *_python(groups)]:
        key = group.key
        for name, entry in group.entries.items():
            if entry.problem:
                found[f"- {name}, {key.workload} {key.case} {key.dtype}: {entry.problem}"] = None
            elif entry.busy > key.threads + 0.25:
                text = f"used up to {entry.busy:.2f} processors with {key.threads} thread{'s' * (key.threads > 1)}"
                found[f"- {name}, {key.workload} {key.case} {key.dtype}: {text}"] = None
    return list(found)


def _by_title(groups: Sequence[Group]) -> dict[str, list[Group]]:
    found: dict[str, list[Group]] = {}
    for group in groups:
        found.setdefault(workloads.load(group.key.workload).TITLE, []).append(group)
    return found


def _ratio_of_best(group: Group) -> str:
    def over(statistic: str) -> str:
        best, own = best_peer(group, statistic), group.entries.get(OWN)
        if best is None or own is None or not own.count:
            return NONE
        value: float = getattr(group.entries[best], statistic) / getattr(own, statistic)
        return f"{value:.2f}"

    return f"{over('median')} ({over('least')})"


def _ratio(own: Entry, other: Entry | None) -> str:
    if other is None or not own.count or not other.count:
        return NONE
    return f"{own.median / other.median:.2f} ({own.least / other.least:.2f})"


def _cell(entry: Entry | None) -> str:
    return f"{microseconds(entry.median)} ({microseconds(entry.least)})" if entry and entry.count else NONE


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _when(group: Group) -> str:
    return f"{group.code}, {group.date}, {group.load:.0f}"


def _table(heads: Sequence[str], sides: str, rows: Sequence[Sequence[str]]) -> str:
    """A table of Markdown; `sides` has `l` or `r` for each column."""
    marks: Callable[[str], str] = {"l": "---", "r": "--:"}.__getitem__
    lines = [heads, tuple(map(marks, sides)), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
