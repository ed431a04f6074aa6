"""The command: ranges of programs, a state file that a later run goes on from, a summary of the faults by class."""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

from fuzz.programs import ALL, COMPILED, FRONT, PERIOD, Report, draw, is_compiled, kind_of, try_program
from fuzz.worker import reports, work

EXAMPLES = 6
_HELP = """
Programs are numbered: in each ten, four are right by construction, three have planted mistakes, three are stored
programs with bytes changed (these change when the stored ones do; the state file keeps those with faults). All go
through parser, checker, formatter and messages; of those chosen by --compile, the compiled functions are compared with the interpreter (as written, without rewrites, after
fmt), derivatives with differences and forward with reverse mode, on memory with guard pages.

examples, from the top of the repository:
  python -m tests.fuzz --programs 2000 --compile 100
  nice python -m tests.fuzz --state fuzz.json --programs 200000 --compile 10000     # goes on where it was stopped
  nice python -m tests.fuzz --state front.json --programs 200000 --part front       # the same in two processes:
  nice python -m tests.fuzz --state compiled.json --programs 200000 --compile 10000 --part compiled
  python -m tests.fuzz --show 4711                                                  # the program and its faults
  python -m tests.fuzz --minimise 4711
"""  # noqa: E501


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser("python -m tests.fuzz", description=__doc__, epilog=_HELP,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--programs", type=int, default=2000, metavar="N", help="how many programs, from --first on")
    parser.add_argument("--compile", type=int, default=100, metavar="M", help="how many right ones of them to compile")
    parser.add_argument("--first", type=int, default=0, metavar="I", help="the number of the first program")
    parser.add_argument("--part", choices=(ALL, FRONT, COMPILED), default=ALL, help="compile nothing, or skip the rest")
    parser.add_argument("--state", type=Path, metavar="FILE", help="remember what was done, and go on from there")
    parser.add_argument("--show", type=int, metavar="I", help="print one program and its faults")
    parser.add_argument(
        "--minimise", type=int, metavar="I", help="make one program smaller while its first fault stays"
    )
    parser.add_argument("--summary", action="store_true", help="only print what the state file holds")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    given = parser.parse_args()
    every = _every(given.programs, given.compile)
    if given.worker:
        *numbers, part = given.worker.split(":")
        work(*map(int, numbers), part)
    elif given.show is not None:
        _show(given.show)
    elif given.minimise is not None:
        _minimise(given.minimise)
    else:
        state = _read(given.state, given.first)
        if not given.summary:
            _run(state, given.first + given.programs, every, given.part, given.state)
        print(summary(state))
        raise SystemExit(bool(state["faults"]))


def _every(programs: int, compiled: int) -> int:
    """One program in so many is compiled: a multiple of the period, so that it is one that is right."""
    return max(PERIOD, programs // compiled // PERIOD * PERIOD) if compiled else 0


def _run(state: dict[str, Any], stop: int, every: int, part: str, file: Path | None) -> None:
    saved = time.monotonic()
    for number, report in reports(state["next"], stop, every, part):
        add(state, number, report)
        if file and time.monotonic() - saved > 10:
            _write(file, state)
            saved = time.monotonic()
    state["next"] = max(state["next"], stop)
    if file:
        _write(file, state)


def add(state: dict[str, Any], number: int, report: Report) -> None:
    """Count one program."""
    state["next"] = number + 1
    state["programs"] += 1
    state["compiled"] += report.was_compiled
    state["verdicts"][report.verdict] = state["verdicts"].get(report.verdict, 0) + 1
    for fault in report.faults:
        known = state["faults"].setdefault(fault.kind, {"count": 0, "examples": []})
        known["count"] += 1
        if len(known["examples"]) < EXAMPLES:
            known["examples"].append([number, fault.details, draw(number).decode(errors="backslashreplace")])


def new_state(first: int = 0) -> dict[str, Any]:
    """Nothing done yet."""
    return {"next": first, "programs": 0, "compiled": 0, "verdicts": {}, "faults": {}}


def summary(state: dict[str, Any]) -> str:
    """Counts, and each class of faults with examples."""
    verdicts = ", ".join(f"{count} {verdict or 'without end'}" for verdict, count in sorted(state["verdicts"].items()))
    lines = [f"{state['programs']} programs ({verdicts}), {state['compiled']} compiled; next is {state['next']}"]
    for kind, known in sorted(state["faults"].items(), key=lambda item: -item[1]["count"]):
        lines.append(f"{known['count']:6} {kind}")
        lines += [f"         {number}: {details}" for number, details, _ in known["examples"]]
    return "\n".join(lines if state["faults"] else [*lines, "no faults"])


def _read(file: Path | None, first: int) -> dict[str, Any]:
    if file is None or not file.exists():
        return new_state(first)
    state: dict[str, Any] = json.loads(file.read_text())
    return state


def _write(file: Path, state: dict[str, Any]) -> None:
    beside = file.with_suffix(f".{os.getpid()}.tmp")
    beside.write_text(json.dumps(state, indent=1))
    beside.replace(file)


def _show(number: int) -> None:
    print(draw(number).decode(errors="backslashreplace"))
    for fault in try_program(number, PERIOD).faults:
        print(f"# {fault.kind}: {fault.details}")


def _minimise(number: int) -> None:
    from fuzz.minimise import faults_of, minimise

    compiles = is_compiled(number, PERIOD)
    found = [kind for kind in faults_of(draw(number), kind_of(number), number, compiles) if kind]
    if not found:
        print(f"{number} has no fault")
        return
    print(f"# {found[0]}")
    print(minimise(draw(number), kind_of(number), number, compiles, found[0]).decode(errors="backslashreplace"))
