"""One peer in a process of its own: `python worker.py PEER`, requests and answers as lines of JSON.

    {"do": "prepare", "workload": …, "case": FOLDER, "model": FOLDER, "bound": …}   make the call, check its result
    {"do": "measure", "seconds": …}                                                 run the call for so long
    {"do": "describe", "packages": …}                                               the versions at work
    {"do": "forget"}                                                                drop call and data

Started by `run.py`; needs NumPy and the peer, not exprc.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.metadata
import json
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import workloads
from peers import READING
from workloads import Call, Data

BATCH_SECONDS = 2e-4


def main() -> None:
    peer = sys.argv[1]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a framework prints must not get between the answers
    call: Callable[[], object] | None = None
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        try:
            if request["do"] == "prepare":
                call, answer = prepare(peer, request)
            elif request["do"] == "measure":
                assert call is not None
                answer = measure(call, request["seconds"])
            elif request["do"] == "describe":
                answer = describe(request["packages"])
            else:
                call, answer = None, {}
                gc.collect()
        except Exception as problem:
            call, answer = None, {"problem": f"{type(problem).__name__}: {problem}".strip().splitlines()[0][:200]}
        print(json.dumps(answer), file=answers, flush=True)


def prepare(peer: str, request: dict[str, Any]) -> tuple[Callable[[], object], dict[str, Any]]:
    """The call, how long its making and its first run took, and its largest error in units of the reference's scale."""
    folder = Path(request["case"])
    data = Data(*(_load_arrays(folder, part) for part in ("inputs", "params")))
    if peer == READING:
        return workloads.reading(data), {"first": 0.0, "error": 0.0}
    make = workloads.load(request["workload"]).PEERS[peer]
    start = time.perf_counter()
    call: Call = make(data, request["bound"], *([_model(request["model"])] if peer == "exprc" else []))
    value, gradients = call()
    first = time.perf_counter() - start
    expected = _load_arrays(folder, "expected")
    errors = [_error(value, expected["value"], expected["value_scale"])]
    for index, gradient in enumerate(gradients):
        errors.append(_error(gradient, expected[f"gradient{index}"], expected[f"scale{index}"]))
    return call, {"first": first, "error": max(errors)}


def measure(call: Callable[[], object], seconds: float) -> dict[str, Any]:
    """Seconds a call in batches long enough for the clock, and how much processor time went with a second.

    The first call, which finds the caches full of other processes' data, is not counted unless one call takes longer
    than all of them should.
    """
    gc.collect()
    gc.disable()
    processor = time.process_time()
    times = [_batch(call, 1)]
    total = times[0]
    if total < seconds:
        repeats = max(1, math.ceil(BATCH_SECONDS / _batch(call, 1)))
        times, total, processor = [], 0.0, time.process_time()
        while len(times) < 3 or total < seconds:
            times.append(_batch(call, repeats))
            total += times[-1] * repeats
    used = (time.process_time() - processor) / total
    gc.enable()
    return {"times": times, "processor": used}


def _batch(call: Callable[[], object], repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def describe(packages: list[str]) -> dict[str, Any]:
    """Versions of packages that are there, and the kernels that OpenBLAS runs in this process."""
    versions = {}
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


def _load_arrays(folder: Path, part: str) -> dict[str, Any]:
    return {path.stem: np.load(path) for path in sorted((folder / part).iterdir())}


def _error(got: Any, expected: Any, scale: Any) -> float:
    if np.shape(got) != np.shape(expected):
        return math.inf
    error = np.abs(np.asarray(got, np.longdouble) - expected) / scale
    return float(np.max(error)) if np.all(np.isfinite(error)) else math.inf


if __name__ == "__main__":
    main()
