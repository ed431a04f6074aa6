"""What was measured, in a file of one line of JSON a group, so that a run can stop at any time and another go on.

A group is what was measured in turn: one table's row.  A newer measurement of a group takes the place of the older.
Each carries the commit that last changed the compiler, with `+` if it was changed since, and its date.
"""

from __future__ import annotations

import datetime
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

ROOT = Path(__file__).parent.parent
FILE = Path(__file__).parent / "measurements.jsonl"


class Key(NamedTuple):
    """Which group: `table` is `abi` (at the C ABI), `python`, `machine` or `cold`; the rest may be empty."""

    table: str
    workload: str = ""
    case: str = ""
    dtype: str = ""
    bound: bool = False
    threads: int = 1


class Entry(NamedTuple):
    """One side of a group: seconds a call, what its result was off by, its first call and its memory."""

    median: float = 0.0
    least: float = 0.0
    count: int = 0
    error: float = 0.0
    first: float = 0.0
    memory: int = 0
    process: int = 0
    busy: float = 0.0
    problem: str = ""


class Group(NamedTuple):
    """The sides of a group by name, where and when they were measured; `facts` is what else belongs to it."""

    key: Key
    code: str
    date: str
    load: float
    entries: dict[str, Entry]
    facts: dict[str, Any]


def entry(times: Sequence[float], **rest: Any) -> Entry:
    """Of the seconds of all calls."""
    if not times:
        return Entry(**rest)
    return Entry(_short(median(times)), _short(min(times)), len(times), **rest)


def group(key: Key, entries: Mapping[str, Entry] | None = None, **facts: Any) -> Group:
    """A group that was measured just now."""
    date = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M")
    return Group(key, code(), date, round(os.getloadavg()[0], 1), dict(entries or {}), facts)


def code() -> str:
    """The commit that last changed the compiler."""
    commit = _git("log", "-1", "--format=%h", "--", "exprc", "grammar")
    return commit + ("+" if _git("status", "--porcelain", "--", "exprc", "grammar") else "")


def load(file: Path) -> dict[Key, Group]:
    """All groups, the newest of each key, in the order in which they were first measured."""
    found: dict[Key, Group] = {}
    for line in file.read_text().splitlines() if file.exists() else ():
        fields = json.loads(line)
        key = Key(*fields["key"])
        entries = {name: Entry(**values) for name, values in fields["entries"].items()}
        found[key] = Group(key, fields["code"], fields["date"], fields["load"], entries, fields["facts"])
    return found


def save(file: Path, measured: Group) -> None:
    """Adds a group, in the place of an older one of the same key; the file is never half written."""
    groups = load(file)
    groups[measured.key] = measured
    scratch = file.with_suffix(".new")
    scratch.write_text("".join(_line(found) for found in groups.values()))
    scratch.replace(file)


def _line(measured: Group) -> str:
    default = Entry()._asdict()
    entries = {
        name: {field: value for field, value in found._asdict().items() if value != default[field]}
        for name, found in measured.entries.items()
    }
    fields = {"key": list(measured.key), "code": measured.code, "date": measured.date, "load": measured.load}
    return json.dumps({**fields, "entries": entries, "facts": measured.facts}, ensure_ascii=False) + "\n"


def _short(seconds: float) -> float:
    return float(f"{seconds:.4g}")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()
