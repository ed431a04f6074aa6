"""Measures the vector math against mpmath, and writes the largest errors found to docs/accuracy.json.

`python tools/accuracy.py` takes 10^5 points for each function and dtype, and for f32 every exponent against the f64
form besides.  Names choose functions; `--points N` and `--processes N` change the work.  A function whose program has
not changed since it was last measured with as many points is not measured again, so that a run that was stopped goes
on where it was; `python tools/document.py` puts the figures into docs/numerics.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import multiprocessing
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

import exact  # noqa: E402

from exprc.scalar import math as functions  # noqa: E402
from exprc.scalar.accuracy import MAX_ULP  # noqa: E402
from exprc.scalar.program import Builder, evaluate, show  # noqa: E402

MEASURED = Path(__file__).resolve().parent.parent / "docs" / "accuracy.json"
DTYPES = ("f64", "f32")
PART = 5000  # points that are measured at a time
MANTISSAS = 200  # of each exponent and sign, in f32


class Part(NamedTuple):
    """Some of the points of a function and dtype; the last part of an f32 function is every exponent."""

    name: str
    dtype: str
    number: int
    count: int


def measure(part: Part) -> tuple[Part, float, float]:
    """The largest error among the points of a part, and the first argument where it is."""
    if part.count == 0:
        return part, *_every_exponent(part.name)
    arguments = exact.points(part.name, part.dtype, part.count, part.number)
    error = exact.errors(part.name, arguments, run(part.name, *arguments))
    worst = int(np.argmax(error))
    return part, float(error[worst]), float(arguments[0][worst])


def run(name: str, *arrays: exact.Array) -> exact.Array:
    """A function of the vector math on arrays of one dtype."""
    dtype = {"float64": "f64", "float32": "f32"}[str(arrays[0].dtype)]
    builder, result = program(name, dtype, len(arrays))
    return evaluate(builder, [result], dict(enumerate(arrays)))[0]


def program(name: str, dtype: str, count: int = 1) -> tuple[Builder, int]:
    """The scalar program of a function, and its result."""
    builder = Builder()
    return builder, getattr(functions, name)(builder, *[builder.input(index, dtype) for index in range(count)])


def _every_exponent(name: str) -> tuple[float, float]:
    """f32 against the f64 form of the same function."""
    case, draw = exact.CASES[name], np.random.default_rng(7)
    high = np.repeat(np.arange(512, dtype=np.uint32) << np.uint32(23), MANTISSAS)
    columns = [
        (high | draw.integers(0, 1 << 23, len(high), dtype=np.uint32)).view(np.float32) for _ in range(case.arguments)
    ]
    for column in columns[1:]:
        draw.shuffle(column)
    usable = np.all(np.isfinite(columns), axis=0)
    columns = [column[usable] for column in columns]
    found, wanted = run(name, *columns), run(name, *(column.astype(np.float64) for column in columns))
    scale = np.zeros(len(found))
    if case.scale is not None:
        scale = np.array([case.scale(*given) for given in zip(*(column.tolist() for column in columns), strict=True)])
    error = exact.differences(found, wanted, scale)
    worst = int(np.argmax(error))
    return float(error[worst]), float(columns[0][worst])


def parts_of(name: str, dtype: str, count: int) -> Iterator[Part]:
    """The work on one function and dtype."""
    for number in range(math.ceil(count / PART)):
        yield Part(name, dtype, number, min(PART, count - number * PART))
    if dtype == "f32":
        yield Part(name, dtype, -1, 0)


def main(arguments: list[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="measures the vector math against mpmath")
    parser.add_argument("names", nargs="*", metavar="function")
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count())
    given = parser.parse_args(arguments)
    known = json.loads(MEASURED.read_text()) if MEASURED.exists() else {}
    wanted = [(name, dtype) for name in given.names or MAX_ULP for dtype in DTYPES]
    missing = [key for key in wanted if not _is_known(known, *key, given.points)]
    parts = [part for key in missing for part in parts_of(*key, given.points)]
    left = {key: sum(part[:2] == key for part in parts) for key in missing}
    largest: dict[tuple[str, str], tuple[float, float]] = {}
    with multiprocessing.Pool(given.processes) as pool:
        for part, error, where in pool.imap_unordered(measure, parts):
            key = part[:2]
            largest[key] = max(largest.get(key, (0.0, 0.0)), (error, where))
            left[key] -= 1
            if not left[key]:
                known.setdefault(key[0], {})[key[1]] = _entry(*key, given.points, *largest[key])
                _save(known)
                sys.stdout.write(f"{key[0]:10} {key[1]}  {largest[key][0]:.4f} ulp at {largest[key][1]!r}\n")
                sys.stdout.flush()
    beyond = [(name, dtype) for name, dtype in wanted if known[name][dtype]["ulp"] > MAX_ULP[name][DTYPES.index(dtype)]]
    sys.stdout.write("".join(f"{name} {dtype} is beyond its stated bound\n" for name, dtype in beyond))
    return int(bool(beyond))


def known_errors() -> dict[tuple[str, str], dict[str, float]]:
    """What was measured of the programs as they are, by function and dtype."""
    known = json.loads(MEASURED.read_text()) if MEASURED.exists() else {}
    entries = {(name, dtype): known.get(name, {}).get(dtype) for name in MAX_ULP for dtype in DTYPES}
    return {key: entry for key, entry in entries.items() if entry and entry["program"] == fingerprint(*key)}


def _is_known(known: dict[str, dict[str, dict[str, object]]], name: str, dtype: str, count: int) -> bool:
    entry = known.get(name, {}).get(dtype)
    return entry is not None and entry["program"] == fingerprint(name, dtype) and entry["points"] == count


def _entry(name: str, dtype: str, count: int, error: float, where: float) -> dict[str, object]:
    return {"ulp": round(error, 3), "at": where, "points": count, "program": fingerprint(name, dtype)}


def fingerprint(name: str, dtype: str) -> str:
    """A hash of a function's program."""
    builder, result = program(name, dtype, exact.CASES[name].arguments)
    return hashlib.sha256(show(builder, [result]).encode()).hexdigest()[:16]


def _save(known: dict[str, dict[str, dict[str, object]]]) -> None:
    ordered = {name: known[name] for name in MAX_ULP if name in known}
    lines = [f"  {json.dumps(name)}: {json.dumps(entries, sort_keys=True)}" for name, entries in ordered.items()]
    MEASURED.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
