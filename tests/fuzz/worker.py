"""A process that tries programs one after another, and its owner, who survives whatever becomes of it."""

from __future__ import annotations

import json
import os
import resource
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from fuzz.front import Fault
from fuzz.mutate import ROOT
from fuzz.programs import ALL, COMPILED, FRONT, Report, belongs, try_program

SECONDS, MEMORY = 10.0, 6 << 30
BATCH = 400  # programs for which one process lives


def work(start: int, stop: int, every: int, part: str) -> None:
    """Try the programs of a part and write a line before and after each, and one at the end."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for number in range(start, stop):
        if not belongs(number, every, part):
            continue
        _say({"start": number})
        began = time.process_time()
        report = try_program(number, every if part != FRONT else 0)
        _say({"done": number, "seconds": time.process_time() - began, **report._asdict()})
    _say({"start": stop})


def reports(start: int, stop: int, every: int, part: str = ALL) -> Iterator[tuple[int, Report]]:
    """The reports of a range of programs; one that ends or holds up its process has a fault for that."""
    while start < stop:
        end = min(stop, start + BATCH * (every // 4 if part == COMPILED else 1))
        for number, report in _batch(start, end, every, part):
            yield number, report
            start = number + 1
            if not report.verdict:
                break
        else:
            start = end


def _batch(start: int, stop: int, every: int, part: str) -> Iterator[tuple[int, Report]]:
    command = [sys.executable, "-m", "tests.fuzz", "--worker", f"{start}:{stop}:{every}:{part}"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        os.set_blocking(process.stderr.fileno(), False)
        current = start
        pending = b""
        while True:
            line, pending = _line(process, pending)
            if line is None:
                break
            told = json.loads(line)
            if "start" in told:
                current = told["start"]
                continue
            faults = [Fault(*fault) for fault in told["faults"]]
            if told["seconds"] > SECONDS:
                faults.append(Fault("takes more than 10 s", f"{told['seconds']:.1f} s"))
            yield told["done"], Report(told["verdict"], told["was_compiled"], tuple(faults))
            current = told["done"] + 1
        process.kill()
        status = process.wait()
        if current < stop:
            words = (process.stderr.read() or b"").decode(errors="replace").strip().splitlines()[-1:]
            hung = line is None and pending == b"hang"
            kind = "does not end in 300 s" if hung else f"ends the process: {-status if status < 0 else status}"
            yield current, Report("", False, (Fault(kind, "".join(words)[:300]),))


def _line(process: subprocess.Popen[bytes], pending: bytes) -> tuple[bytes | None, bytes]:
    """The next line and what came after it; no line at the end, or when nothing comes for long."""
    assert process.stdout is not None
    while b"\n" not in pending:
        ready, _, _ = select.select([process.stdout], [], [], 30 * SECONDS)  # the machine may be busy
        if not ready:
            return None, b"hang"
        more = os.read(process.stdout.fileno(), 1 << 16)
        if not more:
            return None, b""
        pending += more
    line, _, pending = pending.partition(b"\n")
    return line, pending


def _say(told: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
