"""Cold builds: `exprc build` of the example as a whole process, against a process that calls JAX for the first time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import store
from measuring import Setting, alone
from peers import UNSET

HERE = Path(__file__).parent
PROGRAM = HERE.parent / "examples" / "logistic_regression.expr"
ROUNDS = 11


def measure(setting: Setting) -> store.Group:
    """A group of the three."""
    with alone():
        times = cold_times(setting.python, setting.folder / "cold", 2 if setting.quick else ROUNDS)
    return store.group(store.Key("cold"), {name: store.entry(found) for name, found in times.items()})


def cold_times(python: str, folder: Path, rounds: int) -> dict[str, list[float]]:
    """Seconds of each process in turn; the first of each, which fills the system's caches, is not counted."""
    commands = {
        "`exprc build`": [sys.executable, "-m", "exprc", "build", str(PROGRAM), "-o", str(folder)],
        "JAX, first call": [python, str(HERE / "cold_jax.py")],
        "Python and NumPy": [python, "-c", "import numpy"],
    }
    environment = {name: value for name, value in os.environ.items() if name not in UNSET}
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds + 1):
        for name, command in commands.items():
            start = time.perf_counter()
            done = subprocess.run(command, env=environment, cwd=HERE.parent, capture_output=True, check=False)
            if done.returncode == 0:
                times[name].append(time.perf_counter() - start)
    return {name: found[1:] for name, found in times.items() if len(found) > 1}
