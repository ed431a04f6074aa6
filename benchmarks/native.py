"""The C side: kernels by hand, the library's own functions through the same driver, and what the machine can do."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from workloads import DTYPES, FOLDER, Array, Data

NATIVE = Path(__file__).parent / "native"
FLAGS = ("-O3", "-march=native", "-ffast-math")
HALF_WIDTH = "-mprefer-vector-width=256"


class Function(NamedTuple):
    """A function of a library by the driver's rules; `workspace` is the one that tells its bytes, or `-`."""

    library: Path
    name: str
    workspace: str = "-"


def compiler() -> str | None:
    """GCC: the kernels use its vectors, and its loops over libmvec's functions."""
    return shutil.which("gcc")


def version() -> str:
    """The compiler's name and version."""
    return subprocess.run(["gcc", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]


def kernel(name: str, dtype: str, folder: Path, libmvec: bool = False) -> Function:
    """A workload's kernel, compiled."""
    target = folder / f"c_{name}_{dtype}{'_libmvec' if libmvec else ''}.so"
    shared = ["-shared", "-fPIC", *(["-DLIBMVEC"] if libmvec else [])]
    _compile([*shared, *_dtype(dtype), str(FOLDER / f"{name}.c")], target)
    return Function(target, "evaluate")


def touch(dtype: str, folder: Path) -> Function:
    """What merely reads and writes as many bytes."""
    target = folder / f"touch_{dtype}.so"
    _compile(["-shared", "-fPIC", *_dtype(dtype), str(NATIVE / "roofline.c")], target)
    return Function(target, "touch")


def driver(folder: Path) -> Path:
    """The program that calls them all."""
    target = folder / "driver"
    subprocess.run(["gcc", "-O2", str(NATIVE / "driver.c"), "-o", str(target), "-ldl"], check=True)
    return target


def rates(folder: Path) -> dict[str, dict[str, float]]:
    """Operations and evaluations of functions a second, by dtype: the better of full and half vectors."""
    found: dict[str, dict[str, float]] = {}
    for dtype in DTYPES:
        found[dtype] = {}
        for flags in ((), (HALF_WIDTH,)):
            target = folder / "rates"
            _compile([*_dtype(dtype), *flags, str(NATIVE / "roofline.c"), str(NATIVE / "rates.c")], target)
            text = subprocess.run([str(target)], capture_output=True, text=True, check=True).stdout
            for name, rate in (line.split() for line in text.splitlines()):
                found[dtype][name] = max(found[dtype].get(name, 0.0), float(rate))
    return found


class Driver:
    """A process of `driver.c` that calls one function."""

    def __init__(self, program: Path, function: Function, arguments: Sequence[str]) -> None:
        command = [str(program), str(function.library), function.name, function.workspace, *arguments]
        pinned = ["taskset", "-c", str(_last_processor())] if shutil.which("taskset") else []
        self.process = subprocess.Popen([*pinned, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, order: str) -> list[float]:
        """Gives an order and reads the numbers of its answer."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{order}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the driver stopped at {order!r}")
        return [float(word) for word in line.split()]

    def stop(self) -> None:
        """Ends the process."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def write_arrays(data: Data, folder: Path) -> list[Path]:
    """A raw file of `folder` for each array."""
    paths = [folder / f"in{index}.bin" for index in range(len(data.arrays))]
    for path, array in zip(paths, data.arrays):
        array.tofile(path)
    return paths


def arguments(sizes: dict[str, int], arrays: Sequence[Path], results: Sequence[Array], folder: Path) -> list[str]:
    """What `driver.c` is told of a case; the results are written to files of `folder`."""
    words = [f"size:{size}" for size in sizes.values()] + [f"in:{path}" for path in arrays]
    return words + [f"out:{folder / f'out{index}.bin'}:{array.nbytes}" for index, array in enumerate(results)]


def touch_arguments(data: Data, results: Sequence[Array], dtype: str, folder: Path) -> list[str]:
    """The same bytes in one array that is read and one that is written."""
    item = np.dtype(DTYPES[dtype]).itemsize
    read, written = (sum(array.nbytes for array in arrays) for arrays in (data.arrays, results))
    np.ones(read // item, DTYPES[dtype]).tofile(folder / "in.bin")
    sizes = [f"size:{read // item}", f"size:{written // item}"]
    return [*sizes, f"in:{folder / 'in.bin'}", f"out:{folder / 'out.bin'}:{written}"]


def read_results(results: Sequence[Array], folder: Path) -> tuple[Array, ...]:
    """What the driver wrote, in the shapes of `results`."""
    return tuple(
        np.fromfile(folder / f"out{index}.bin", array.dtype).reshape(array.shape) for index, array in enumerate(results)
    )


def _compile(sources: list[str], target: Path) -> None:
    command = ["gcc", *FLAGS, f"-I{NATIVE}", *sources, "-o", str(target), "-lmvec", "-lm"]
    subprocess.run(command, check=True)


def _dtype(dtype: str) -> list[str]:
    return ["-DSINGLE"] if dtype == "f32" else []


def _last_processor() -> int:
    return max(os.sched_getaffinity(0))
