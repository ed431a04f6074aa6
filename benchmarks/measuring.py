"""Groups measured: all sides of one case in turn, each in a process of its own."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import native
import peers
import store
import workloads
from peers import OWN
from store import Entry, Group, Key
from workloads import DTYPES, Data, Reference

HERE = Path(__file__).parent
ERRORS = {"f64": 1e-12, "f32": 1e-5}
LOCK = Path(tempfile.gettempdir()) / "bench.lock"
FAR = 8.0  # times the fastest, beyond which a peer is measured in two rounds only
LONGEST = 120.0  # seconds of a first call, beyond which a peer is not measured
C, LIBMVEC, TOUCH = "C", "C, libmvec", "bytes"


class Setting:
    """What all groups of a run share: its folder, its processes, and what was built for it."""

    def __init__(self, folder: Path, python: str, quick: bool, rounds: float, chosen: tuple[str, ...]) -> None:
        self.folder, self.python, self.quick, self.rounds, self.chosen = folder, python, quick, rounds, chosen
        self.workers: dict[tuple[str, int], Worker] = {}
        self.models: dict[tuple[str, str], tuple[Path, float]] = {}

    def worker(self, peer: str, threads: int) -> Worker:
        """The peer's process, started when it is first asked for; those with other threads are stopped."""
        for key in [key for key in self.workers if key[1] != threads]:
            self.workers.pop(key).stop()
        if (peer, threads) not in self.workers:
            self.workers[peer, threads] = Worker(peer, threads, self.python)
        return self.workers[peer, threads]

    def model(self, name: str, dtype: str) -> tuple[Path, float]:
        """The folder of a program's library and module, which has the module's name, and the seconds of its build."""
        if (name, dtype) not in self.models:
            self.models[name, dtype] = build(name, dtype, self.folder)
        return self.models[name, dtype]

    def measured_rounds(self, case: workloads.Case) -> tuple[int, float]:
        """How often each side is measured, and for how long."""
        return (2, 0.02) if self.quick else (max(2, round(case.rounds * self.rounds)), case.seconds)

    def stop(self) -> None:
        """Ends all processes."""
        for worker in self.workers.values():
            worker.stop()


class Stored:
    """A case's data and reference, written to a folder for the processes."""

    def __init__(self, key: Key, folder: Path) -> None:
        workload, case = workloads.load(key.workload), workloads.case(key.workload, key.case)
        self.folder = folder / f"{key.workload}_{key.dtype}_{key.case}"
        self.data: Data = workload.data(case.sizes, DTYPES[key.dtype])
        self.reference: Reference = workload.reference(self.data)
        self.results = [np.empty(np.shape(found), DTYPES[key.dtype]) for found in self.reference.results]
        for part, arrays in (("inputs", self.data.inputs), ("params", self.data.params)):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
            for index, (name, array) in enumerate(arrays.items()):
                np.save(self.folder / part / f"{index}-{name}.npy", array)

    def remove(self) -> None:
        """Takes the files away."""
        shutil.rmtree(self.folder)


class Worker:
    """A process that runs one peer."""

    def __init__(self, peer: str, threads: int, python: str) -> None:
        self.peer = peers.by_name(peer)
        self.process = subprocess.Popen(
            [python, str(HERE / "worker.py"), peer, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=peers.environment(dict(os.environ), threads),
        )

    def ask(self, **request: object) -> dict[str, Any]:
        """Sends a request and waits for the answer."""
        assert self.process.stdin and self.process.stdout
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        return json.loads(line) if line else {"problem": "its process died"}

    def stop(self) -> None:
        """Ends the process."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


@contextmanager
def alone() -> Iterator[None]:
    """One measurement at a time on this machine, whoever makes it."""
    with LOCK.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def build(name: str, dtype: str, folder: Path) -> tuple[Path, float]:
    """Compiles a program by the command, with the options that it ships with."""
    module = f"{name}_{dtype}"
    target = folder / module
    target.mkdir()
    (target / f"{module}.expr").write_text(workloads.program(name, dtype))
    command = [sys.executable, "-m", "exprc", "build", str(target / f"{module}.expr"), "-o", str(target)]
    start = time.perf_counter()
    done = subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return target, time.perf_counter() - start


def at_the_abi(key: Key, setting: Setting) -> Group:
    """The library's function, the kernel by hand with both exponentials, and the bytes, through one driver."""
    stored, case = Stored(key, setting.folder), workloads.case(key.workload, key.case)
    model, _ = setting.model(key.workload, key.dtype)
    functions = {
        OWN: library_function(key.workload, key.dtype, model),
        C: native.kernel(key.workload, key.dtype, setting.folder),
        LIBMVEC: native.kernel(key.workload, key.dtype, setting.folder, libmvec=True),
        TOUCH: native.touch(key.dtype, setting.folder),
    }
    program, arrays = native.driver(setting.folder), native.write_arrays(stored.data, stored.folder)
    drivers, memory, errors = {}, {}, {}
    for side, function in functions.items():
        folder = stored.folder / side.replace(", ", "_")
        folder.mkdir(exist_ok=True)
        if side == TOUCH:
            words = native.touch_arguments(stored.data, stored.results, key.dtype, folder)
        else:
            words = native.arguments(case.sizes, arrays, stored.results, folder)
        drivers[side] = native.Driver(program, function, words)
        memory[side] = int(drivers[side].ask("first")[1])
        if side != TOUCH:
            drivers[side].ask("write")
            errors[side] = workloads.largest_error(native.read_results(stored.results, folder), stored.reference)
    times: dict[str, list[float]] = {side: [] for side in drivers}
    rounds, seconds = setting.measured_rounds(case)
    with alone():
        for number in range(rounds):
            for side in list(drivers) if number % 2 else reversed(list(drivers)):
                times[side] += drivers[side].ask(f"measure {seconds}")
    for driver in drivers.values():
        driver.stop()
    stored.remove()
    entries = {
        side: store.entry(
            times[side],
            error=_digits(errors.get(side, 0.0)),
            memory=memory[side],
            problem=_wrong(errors.get(side, 0.0), key.dtype),
        )
        for side in drivers
    }
    return store.group(key, entries, bytes=_bytes(stored))


def library_function(name: str, dtype: str, model: Path) -> native.Function:
    """The function of a built library that computes the workload's results."""
    workload, module = workloads.load(name), f"{name}_{dtype}"
    symbol = f"{module}_{workload.RESULT}{'_value_and_grad' if workload.IS_LOSS else ''}"
    return native.Function(model / f"lib{module}.so", symbol, f"{symbol}_workspace")


def from_python(key: Key, setting: Setting) -> Iterator[Group]:
    """All peers with all arrays in each call, and, where the program has inputs, with the data bound."""
    stored = Stored(key, setting.folder)
    workload = workloads.load(key.workload)
    names = [peer.name for peer in peers.PEERS if peer.name in setting.chosen and hasattr(workload, peer.function)]
    running = {name: setting.worker(name, key.threads) for name in names}
    described = {name: worker.ask(do="describe", packages=[worker.peer.package]) for name, worker in running.items()}
    for name, worker in list(running.items()):
        if worker.peer.package not in described[name].get("versions", {}):
            del running[name]
    ways = (False, True) if stored.data.inputs else (False,)
    for bound in ways:
        yield _one_way(key._replace(bound=bound), stored, running, setting)
    stored.remove()


def _one_way(key: Key, stored: Stored, running: dict[str, Worker], setting: Setting) -> Group:
    model, seconds = setting.model(key.workload, key.dtype)
    entries, active = {}, []
    for name, worker in running.items():
        entries[name] = _prepared(key, stored, worker, model, seconds)
        if not entries[name].problem:
            active.append(name)
    times: dict[str, list[float]] = {name: [] for name in active}
    rounds, least = setting.measured_rounds(workloads.case(key.workload, key.case))
    with alone():
        for number in range(rounds):
            taking = active if number < 2 else _near(times)
            for name in taking if number % 2 else reversed(taking):
                answer = running[name].ask(do="measure", seconds=least)
                times[name] += answer.get("times", [])
                busy = max(entries[name].busy, round(answer.get("busy", 0.0), 2))
                entries[name] = entries[name]._replace(busy=busy, problem=answer.get("problem", ""))
    for name in active:
        running[name].ask(do="forget")
        found = store.entry(times[name])
        entries[name] = entries[name]._replace(median=found.median, least=found.least, count=found.count)
    return store.group(key, entries, bytes=_bytes(stored))


def _near(times: dict[str, list[float]]) -> list[str]:
    """Those that are not hopelessly slower than the fastest, which are not worth more than two rounds."""
    least = {name: min(found) for name, found in times.items() if found}
    return [name for name, found in least.items() if found <= FAR * min(least.values())]


def _prepared(key: Key, stored: Stored, worker: Worker, model: Path, build_seconds: float) -> Entry:
    """The first call: its time, its memory, its error; exprc's includes the build."""
    answer = worker.ask(do="prepare", workload=key.workload, data=str(stored.folder), model=str(model), bound=key.bound)
    if "problem" in answer:
        return Entry(problem=answer["problem"])
    first = answer["first"] + (build_seconds if worker.peer.name == OWN else 0.0)
    folder = stored.folder / "results"
    folder.mkdir(exist_ok=True)
    written = worker.ask(do="results", folder=str(folder))
    if "problem" in written:
        return Entry(problem=written["problem"])
    results = tuple(np.load(folder / f"{index}.npy") for index in range(len(stored.results)))
    error = workloads.largest_error(results, stored.reference)
    problem = _wrong(error, key.dtype) or (f"its first call took {first:.0f} s" if first > LONGEST else "")
    memory = {"memory": answer["memory"], "process": answer["process"]}
    return Entry(error=_digits(error), first=round(first, 3), problem=problem, **memory)


def _wrong(error: float, dtype: str) -> str:
    return f"error {error:.1e} is over the bound {ERRORS[dtype]:.0e}" if error > ERRORS[dtype] else ""


def _digits(error: float) -> float:
    return float(f"{error:.2g}")


def _bytes(stored: Stored) -> int:
    return sum(array.nbytes for array in (*stored.data.arrays, *stored.results))
