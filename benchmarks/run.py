"""Speed of compiled programs against hand-written C and against other systems, in one command:

    python benchmarks/run.py --python PYTHON

PYTHON is an interpreter with the peers installed (`pip install .[bench]`); peers that it lacks are left out.  Builds
the programs of `workloads/`, measures all groups, and writes `docs/performance.md` with its pictures.

Everything that was measured is kept in `benchmarks/measurements.jsonl`, group by group, so a run can stop at any time:
the next one goes on with what has not been measured on this code.  A part of it, for at most four minutes:

    python benchmarks/run.py --python PYTHON --only logistic --minutes 4

`--again` measures what has been measured, `--page` measures nothing and writes the page.
"""

from __future__ import annotations

import argparse
import functools
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import cold
import machine
import measuring
import native
import report
import store
import workloads
from measuring import Setting
from peers import PEERS
from store import Key

HERE = Path(__file__).parent


def main() -> None:
    options = _options()
    if not options.page:
        deadline = time.monotonic() + 60 * options.minutes
        with tempfile.TemporaryDirectory(prefix="exprc-benchmarks-") as name:
            setting = Setting(Path(name), options.python, options.quick, options.rounds, tuple(options.peers))
            for measure in _due(setting, options):
                if time.monotonic() > deadline:
                    print("out of time: the same command goes on", file=sys.stderr)
                    break
                for found in measure():
                    report.show(found)
                    if options.store:
                        store.save(options.state, found)
            setting.stop()
    if options.store or options.page:
        for path in report.write(HERE.parent / "docs", store.load(options.state)):
            print(f"wrote {path}")


def _due(setting: Setting, options: argparse.Namespace) -> Iterator[Callable[[], Iterable[store.Group]]]:
    """What has not been measured on this code."""
    known, code = store.load(options.state), store.code()

    def wanted(key: Key) -> bool:
        found = known.get(key)
        return options.again or not options.store or found is None or found.code != code

    if "abi" in options.tables and native.compiler() is None:
        raise SystemExit("GCC is needed for the kernels to compare with; `--tables python` leaves them out")
    if wanted(Key("machine")):
        yield lambda: [machine.measure(setting)]
    for name, case, dtype in _cases(options):
        key = Key("abi", name, case.name, dtype)
        if "abi" in options.tables and wanted(key):
            yield functools.partial(_abi, key, setting)
    for threads in options.threads:
        for name, case, dtype in _cases(options):
            key = Key("python", name, case.name, dtype, False, threads)
            if "python" in options.tables and wanted(key):
                yield functools.partial(measuring.from_python, key, setting)
    if "cold" in options.tables and wanted(Key("cold")):
        yield lambda: [cold.measure(setting)]


def _abi(key: Key, setting: Setting) -> list[store.Group]:
    return [measuring.at_the_abi(key, setting)]


def _cases(options: argparse.Namespace) -> Iterator[tuple[str, workloads.Case, str]]:
    for name in workloads.names():
        for case in workloads.load(name).CASES:
            for dtype in options.dtypes:
                if options.only in name and options.case in ("", case.name):
                    yield name, case, dtype


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="the interpreter that has the peers")
    parser.add_argument("--only", default="", help="workloads with this in their name")
    parser.add_argument("--case", default="", help="sizes as in 1000x100")
    parser.add_argument("--tables", default="abi,python,cold", help="which of the three")
    parser.add_argument("--threads", default="1,2", help="of the peers: one run each")
    parser.add_argument("--dtypes", default=",".join(workloads.DTYPES))
    parser.add_argument("--peers", default="", help="names between commas, then nothing is stored")
    parser.add_argument("--rounds", type=float, default=1, help="multiplies the rounds of every case")
    parser.add_argument("--minutes", type=float, default=1e6, help="no new group is begun after so many")
    parser.add_argument("--quick", action="store_true", help="two short rounds, nothing stored: does it run?")
    parser.add_argument("--again", action="store_true", help="also what has been measured on this code")
    parser.add_argument("--page", action="store_true", help="only write the page from what was measured")
    parser.add_argument("--state", type=Path, default=store.FILE, help="the file of measurements")
    options = parser.parse_args()
    options.store = not (options.quick or options.peers or options.page)
    options.peers = options.peers.split(",") if options.peers else [peer.name for peer in PEERS]
    options.dtypes, options.tables = options.dtypes.split(","), options.tables.split(",")
    options.threads = [int(count) for count in options.threads.split(",")]
    options.case = options.case.replace("x", "×")
    return options


if __name__ == "__main__":
    os.chdir(HERE.parent)
    main()
