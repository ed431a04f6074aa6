"""Speed of compiled programs against other systems, in one command:

    python benchmarks/run.py --python PYTHON

PYTHON is an interpreter with the peers installed (`pip install .[bench]`); peers that it lacks are left out.  Builds
the programs of `workloads/`, measures all cases, and writes `docs/performance.md`.  A part of it:

    python benchmarks/run.py --only logistic --peers exprc,NumPy --quick --output -
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import machine
import report
import workloads
from cold import cold_times
from peers import PEERS, READING, Peer, environment
from report import Measured
from workloads import Case, Data

HERE = Path(__file__).parent
DTYPES = {"f64": "float64", "f32": "float32"}
BOUNDS = {"f64": 1e-12, "f32": 1e-5}
SHOWN_PACKAGES = ("numpy", "numba", "jax", "jaxlib", "torch", "pytensor", "casadi")


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="exprc-benchmarks-") as name:
        folder = Path(name)
        facts = machine.facts()
        workers = {peer.name: Worker(peer, options.python) for peer in PEERS if peer.name in options.peers}
        described = {name: worker.ask(do="describe", packages=SHOWN_PACKAGES) for name, worker in workers.items()}
        absent = [name for name, worker in workers.items() if worker.peer.package not in described[name]["versions"]]
        for name in absent:
            workers.pop(name).stop()
        measured: list[Measured] = []
        for workload in workloads.names():
            if options.only in workload:
                for found in measure_workload(workload, workers, folder, options):
                    measured.append(found)
        for worker in workers.values():
            worker.stop()
        cold = {} if options.no_cold else cold_times(options.python, folder / "cold", 3 if options.quick else 11)
    some = described[next(iter(workers))]
    versions = {"Python": _python_version(options.python), **some["versions"]}
    setting = report.Setting(_command(), facts, versions, some["blas"], tuple(workers), tuple(absent))
    text = report.page(setting, measured, cold)
    if options.output == "-":
        print(text)
    else:
        Path(options.output).write_text(text)
        print(f"wrote {options.output}")


class Worker:
    """A process that runs one peer."""

    def __init__(self, peer: Peer, python: str) -> None:
        self.peer = peer
        command = [python, str(HERE / "worker.py"), peer.name]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment(dict(os.environ)),
        )

    def ask(self, **request: object) -> dict[str, Any]:
        """Sends a request and waits for the answer."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the process of {self.peer.name} died at {request}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def stop(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def measure_workload(
    name: str, workers: dict[str, Worker], folder: Path, options: argparse.Namespace
) -> Iterator[Measured]:
    """All cases of a workload, dtype by dtype."""
    workload = workloads.load(name)
    for dtype in options.dtypes:
        model = build(name, dtype, folder)
        for case in workload.CASES:
            if options.case and options.case != case.name:
                continue
            data = workload.data(case.sizes, DTYPES[dtype])
            stored = store_case(workload, data, folder / f"{name}_{dtype}_{case.name}")
            size = sum(array.nbytes for array in data.inputs.values())
            del data
            for bound in (False, True):
                for found in measure_case(name, case, dtype, bound, stored, model, workers, options):
                    show(found)
                    yield found._replace(bytes=size)


def build(name: str, dtype: str, folder: Path) -> Path:
    """Compiles a program for both; returns the folder of the module, which has its name."""
    module = f"{name}_{dtype}"
    target = folder / module
    target.mkdir()
    (target / f"{module}.expr").write_text(workloads.program(name, dtype))
    command = [sys.executable, "-m", "exprc", "build", str(target / f"{module}.expr"), "-o", str(target)]
    subprocess.run(command, cwd=HERE.parent, check=True, stdout=subprocess.DEVNULL)
    return target


def store_case(workload: ModuleType, data: Data, folder: Path) -> Path:
    """Writes data and reference for the workers."""
    reference = workload.reference(data)
    expected = {"value": reference.value, "value_scale": reference.value_scale}
    for index, (gradient, scale) in enumerate(zip(reference.gradients, reference.gradient_scales, strict=True)):
        expected |= {f"gradient{index}": gradient, f"scale{index}": scale}
    for part, arrays in (("inputs", data.inputs), ("params", data.params), ("expected", expected)):
        (folder / part).mkdir(parents=True)
        for name, array in arrays.items():
            np.save(folder / part / f"{name}.npy", array)
    return folder


def measure_case(
    name: str,
    case: Case,
    dtype: str,
    bound: bool,
    stored: Path,
    model: Path,
    workers: dict[str, Worker],
    options: argparse.Namespace,
) -> list[Measured]:
    """All peers at one case, in turn, round by round."""
    peers = [peer for peer in workers if peer in (*workloads.load(name).PEERS, READING)]
    request = {"do": "prepare", "workload": name, "case": str(stored), "model": str(model), "bound": bound}
    prepared = {peer: workers[peer].ask(**request) for peer in peers}
    running = [peer for peer in peers if "problem" not in prepared[peer]]
    answers: dict[str, list[dict[str, Any]]] = {peer: [] for peer in peers}
    rounds, seconds = (2, 0.05) if options.quick else (case.rounds * options.rounds, case.seconds)
    for number in range(rounds):
        for peer in running if number % 2 else reversed(running):
            answers[peer].append(workers[peer].ask(do="measure", seconds=seconds))
    for peer in peers:
        workers[peer].ask(do="forget")
    title = workloads.load(name).TITLE
    return [
        Measured(
            workload=name,
            title=title,
            case=case.name,
            dtype=dtype,
            bound=bound,
            peer=peer,
            times=tuple(time for answer in answers[peer] for time in answer.get("times", ())),
            error=prepared[peer].get("error", 0.0),
            first=prepared[peer].get("first", 0.0),
            processor=max((answer.get("processor", 0.0) for answer in answers[peer]), default=0.0),
            problem=_problem(prepared[peer], answers[peer], dtype),
        )
        for peer in peers
    ]


def _problem(prepared: dict[str, Any], answers: list[dict[str, Any]], dtype: str) -> str:
    for answer in (prepared, *answers):
        if "problem" in answer:
            return str(answer["problem"])
    if prepared["error"] > BOUNDS[dtype]:
        return f"error {prepared['error']:.1e} is over the bound {BOUNDS[dtype]:.0e}"
    busiest = max((answer["processor"] for answer in answers), default=0.0)
    return f"used up to {busiest:.2f} processors at once" if busiest > 1.25 else ""


def show(found: Measured) -> None:
    """A line of progress."""
    times = sorted(found.times)
    text = " ".join(map(report.microseconds, (times[0], times[len(times) // 2], times[-1]))) if times else ""
    case = f"{found.workload} {found.case} {found.dtype} {'bound' if found.bound else 'call '}"
    print(f"{case} {found.peer:14} {text} {found.problem}", file=sys.stderr)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="the interpreter that has the peers")
    parser.add_argument("--only", default="", help="workloads with this in their name")
    parser.add_argument("--case", default="", help="sizes as in 1000x100")
    parser.add_argument("--peers", default=",".join(peer.name for peer in PEERS), help="names between commas")
    parser.add_argument("--dtypes", default=",".join(DTYPES))
    parser.add_argument("--rounds", type=int, default=1, help="multiplies the rounds of every case")
    parser.add_argument("--quick", action="store_true", help="two short rounds: whether it runs, not how fast")
    parser.add_argument("--no-cold", action="store_true", help="leave out cold builds")
    parser.add_argument("--output", default=str(HERE.parent / "docs" / "performance.md"), help="- for the screen")
    options = parser.parse_args()
    options.peers, options.dtypes = options.peers.split(","), options.dtypes.split(",")
    options.case = options.case.replace("x", "×")
    return options


def _command() -> str:
    return " ".join(["python", "benchmarks/run.py", *sys.argv[1:]])


def _python_version(python: str) -> str:
    text = subprocess.run([python, "--version"], capture_output=True, text=True, check=True).stdout
    return text.split()[-1]


if __name__ == "__main__":
    main()
