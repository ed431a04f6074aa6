"""One peer in a process of its own: `python worker.py PEER THREADS`, requests and answers as lines of JSON.

    {"do": "prepare", "workload": …, "data": FOLDER, "model": FOLDER, "bound": …}   makes the call and calls it once
    {"do": "results", "folder": …}                                                  calls, writes the results
    {"do": "measure", "seconds": …}                                                 calls for so long
    {"do": "describe", "packages": …}                                               the versions at work
    {"do": "forget"}                                                                drops call and data

With one thread the process stays on one processor and its seconds are processor time, of all its threads, so that
what else the machine does is not counted; with more they are the clock's.  Started by `run.py`; needs NumPy and the
peer, not exprc.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.metadata
import json
import math
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import frameworks
import peers
import workloads
from workloads import Data

BATCH_SECONDS = 2e-4


def main() -> None:
    peer, threads = peers.by_name(sys.argv[1]), int(sys.argv[2])
    if threads == 1:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    clock = time.process_time if threads == 1 else time.perf_counter
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a framework prints must not get between the answers
    with contextlib.suppress(ImportError):
        frameworks.prepare(peer.package)
    call: frameworks.Call | None = None
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        answer: dict[str, Any] = {}
        try:
            if request["do"] == "prepare":
                call = None
                call, answer = prepare(peer, threads, request)
            elif request["do"] == "results":
                assert call is not None
                write_results(call(), Path(request["folder"]))
            elif request["do"] == "measure":
                assert call is not None
                answer = measure(call, request["seconds"], clock)
            elif request["do"] == "describe":
                answer = describe(request["packages"])
            else:
                call = None
                gc.collect()
        except Exception as problem:
            call, answer = None, {"problem": f"{type(problem).__name__}: {problem}".strip().splitlines()[0][:200]}
        print(json.dumps(answer), file=answers, flush=True)


def prepare(peer: peers.Peer, threads: int, request: dict[str, Any]) -> tuple[frameworks.Call, dict[str, Any]]:
    """The call; the seconds by the clock until its first results are there, and the memory that it took to get them."""
    data = load_data(Path(request["data"]))
    workload = workloads.load(request["workload"])
    held = sum(array.nbytes for array in data.arrays)
    before = _forget_peak()
    start = time.perf_counter()
    last = _model(request["model"]) if peer.name == peers.OWN else threads
    call = frameworks.MAKERS[peer.name](workload, data, request["bound"], last)
    call()
    first = time.perf_counter() - start
    peak = _memory("VmHWM")
    return call, {"first": first, "process": peak - held, "memory": peak - before}


def load_data(folder: Path) -> Data:
    """The arrays that `run.py` wrote, in their order."""
    parts = [sorted((folder / part).iterdir()) for part in ("inputs", "params")]
    return Data(*({path.stem.split("-")[1]: np.load(path) for path in part} for part in parts))


def write_results(results: tuple[Any, ...], folder: Path) -> None:
    for index, result in enumerate(results):
        np.save(folder / f"{index}.npy", np.asarray(result))


def measure(call: frameworks.Call, seconds: float, clock: Callable[[], float]) -> dict[str, Any]:
    """Seconds a call in batches long enough for the clock, and how many processors were busy with it.

    The first call, which finds the caches full of other processes' data, is not counted unless one call takes longer
    than all of them should.
    """
    gc.collect()
    gc.disable()
    began, used = time.perf_counter(), time.process_time()
    times = [_batch(call, 1, clock)]
    total = times[0]
    if total < seconds:
        repeats = max(1, math.ceil(BATCH_SECONDS / max(_batch(call, 1, clock), 1e-9)))
        times, total = [], 0.0
        while len(times) < 3 or total < seconds:
            times.append(_batch(call, repeats, clock))
            total += times[-1] * repeats
    busy = (time.process_time() - used) / (time.perf_counter() - began)
    gc.enable()
    return {"times": times, "busy": busy}


def _batch(call: Callable[[], object], repeats: int, clock: Callable[[], float]) -> float:
    start = clock()
    for _ in range(repeats):
        call()
    return (clock() - start) / repeats


def describe(packages: list[str]) -> dict[str, Any]:
    """Versions of packages that are there, and the kernels that OpenBLAS runs in this process."""
    versions = {"Python": sys.version.split()[0]}
    for package in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return {"versions": versions, "blas": _blas()}


def _blas() -> str:
    try:
        threadpoolctl = importlib.import_module("threadpoolctl")
    except ImportError:
        return "unknown (threadpoolctl is not installed)"
    np.ones((2, 2)) @ np.ones((2, 2))
    infos = [info for info in threadpoolctl.threadpool_info() if info["user_api"] == "blas"]
    return ", ".join(f"{i['internal_api']} {i['version']}, kernels {i.get('architecture', '?')}" for i in infos)


def _model(folder: str) -> Any:
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return importlib.import_module(Path(folder).name)


def _forget_peak() -> int:
    """Lets the peak start from what is held now, where the system can; returns that."""
    gc.collect()
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _memory("VmRSS")


def _memory(field: str) -> int:
    """Bytes, by Linux's account of this process."""
    try:
        text = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    line = next(line for line in text.splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
