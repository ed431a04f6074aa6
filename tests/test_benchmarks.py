"""The benchmarks' workloads at small sizes, against their references; what is kept of measurements and told of them.

Kernels by hand run in processes of their own, since they are linked with -ffast-math.
"""

from __future__ import annotations

import importlib
import re
import shutil
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import frameworks  # noqa: E402
import measuring  # noqa: E402
import native  # noqa: E402
import report  # noqa: E402
import special  # noqa: E402
import store  # noqa: E402
import workloads  # noqa: E402
from store import Key  # noqa: E402

NAMES = workloads.names()
DTYPES = dict(zip(NAMES, ("f64", "f32") * len(NAMES), strict=False))
needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="GCC is not installed")


def small(name: str) -> dict[str, int]:
    """Sizes with odd ends for every block and vector."""
    return dict(zip(workloads.load(name).CASES[0].sizes, (531, 77, 7), strict=False))


def data_of(name: str, dtype: str) -> workloads.Data:
    return workloads.load(name).data(small(name), workloads.DTYPES[dtype])


def checked(name: str, dtype: str, results: tuple[object, ...], data: workloads.Data) -> None:
    assert workloads.largest_error(results, workloads.load(name).reference(data)) <= measuring.ERRORS[dtype]


@needs_gcc
@pytest.mark.parametrize("name", NAMES)
def test_programs_and_peers_agree_with_the_reference(name: str, tmp_path: Path) -> None:
    workload, dtype = workloads.load(name), DTYPES[name]
    data = data_of(name, dtype)
    folder, _ = measuring.build(name, dtype, tmp_path)
    sys.path.insert(0, str(folder))
    model = importlib.import_module(folder.name)
    for bound in (False, True) if data.inputs else (False,):
        checked(name, dtype, frameworks.exprc(workload, data, bound, model)(), data)
    checked(name, dtype, frameworks.numpy(workload, data, False, 1)(), data)
    assert set(workload.work(small(name)).functions) <= {"exp", "log", "log1p", "erfc", "sqrt", "divide"}


@needs_gcc
@pytest.mark.parametrize("libmvec", [False, True])
def test_kernels_by_hand_agree_with_the_reference(libmvec: bool, tmp_path: Path) -> None:
    driver = native.driver(tmp_path)
    for name in NAMES:
        dtype = "f32" if (DTYPES[name] == "f64") == libmvec else "f64"
        data = data_of(name, dtype)
        reference = workloads.load(name).reference(data)
        results = [np.empty(np.shape(found), workloads.DTYPES[dtype]) for found in reference.results]
        words = native.arguments(small(name), native.write_arrays(data, tmp_path), results, tmp_path)
        process = native.Driver(driver, native.kernel(name, dtype, tmp_path, libmvec), words)
        process.ask("first")
        process.ask("write")
        assert len(process.ask("measure 1e-5")) >= 1
        process.stop()
        checked(name, dtype, native.read_results(results, tmp_path), data)


@needs_gcc
def test_the_long_reference_of_erfc() -> None:
    mpmath = pytest.importorskip("mpmath")
    mpmath.mp.dps = 30
    points = np.linspace(-6, 8, 29).astype(np.longdouble)
    for point, found in zip(points, special.erfc(points), strict=True):
        expected = mpmath.erfc(mpmath.mpf(float(point)))
        assert abs(mpmath.mpf(np.format_float_scientific(found, unique=True)) / expected - 1) < 1e-17


def test_wrong_results_are_noticed() -> None:
    data = data_of("rosenbrock", "f64")
    workload = workloads.load("rosenbrock")
    value, gradient = workload.numpy()(*data.arrays)
    reference = workload.reference(data)
    gradient[17] *= 1 + 1e-9
    assert workloads.largest_error((value, gradient), reference) > measuring.ERRORS["f64"]
    assert workloads.largest_error((value, gradient[1:]), reference) == np.inf
    assert workloads.largest_error((np.nan, gradient), reference) == np.inf
    assert workloads.largest_error((value,), reference) == np.inf


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """One row of each table."""
    file = tmp_path / "state.jsonl"
    sides = {"exprc": [3e-3, 2e-3, 4e-3], "C": [2e-3, 1e-3, 6e-3], "C, libmvec": [4e-3], "bytes": [5e-4]}
    entries = {side: store.entry(times, memory=300_000, error=1e-16) for side, times in sides.items()}
    store.save(file, store.group(Key("abi", "rosenbrock", "1000000", "f64"), entries, bytes=16_000_000))
    rows = {"exprc": store.entry([1e-3]), "NumPy": store.entry([5e-3]), "JAX": store.entry([2e-3], busy=1.9)}
    rows["PyTorch"] = store.Entry(problem="its process died")
    store.save(file, store.group(Key("python", "rosenbrock", "1000000", "f64"), rows, bytes=16_000_000))
    rates = {"f64": {"flops": 1e10}}
    facts = {"machine": {"processor": "some"}, "versions": {"numpy": "2"}, "blas": "none", "rates": rates}
    store.save(file, store.group(Key("machine"), **facts))
    return file


def test_what_is_measured_again_takes_the_place_of_the_older(state: Path) -> None:
    before = store.load(state)
    key = Key("abi", "rosenbrock", "1000000", "f64")
    assert before[key].entries["exprc"] == store.Entry(3e-3, 2e-3, 3, 1e-16, memory=300_000)
    store.save(state, store.group(key, {"exprc": store.entry([7e-3])}, bytes=1))
    after = store.load(state)
    assert list(after) == list(before)
    assert after[key].entries == {"exprc": store.Entry(7e-3, 7e-3, 1)}
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", after[key].date)


def test_the_page_tells_times_ratios_and_bounds(state: Path, tmp_path: Path) -> None:
    written = report.write(tmp_path, store.load(state))
    assert [path.name for path in written] == ["performance.md", "performance_c.svg", "performance_peers.svg"]
    lines = written[0].read_text().splitlines()
    (at_abi,) = (line for line in lines if "| 1000000 f64 | 3000" in line)
    # 14 operations an entry at 1e10 a second are 1400 microseconds, more than the 500 of the bytes
    assert "| 3000 (2000) | 2000 (1000) | 4000 (4000) | 1.50 (2.00) | 0.75 (0.50) |" in at_abi
    assert "| 1400 (arithmetic) | 1.43 |" in at_abi
    (from_python,) = (line for line in lines if "in each call" in line and line.startswith("| 1000000"))
    assert "| 1000 (1000) | 5000 (5000) | 2000 (2000) | JAX | 2.00 (2.00) |" in from_python
    assert "- PyTorch, rosenbrock 1000000 f64: its process died" in lines
    assert "- JAX, rosenbrock 1000000 f64: used up to 1.90 processors with 1 thread" in lines
    for picture in written[1:]:
        assert "Chained Rosenbrock 1000000 f64" in picture.read_text()


def test_every_workload_has_its_parts() -> None:
    for name in NAMES:
        workload: ModuleType = workloads.load(name)
        assert (workloads.FOLDER / f"{name}.c").is_file()
        assert {"jax", "torch", "numba", "numpy"} <= set(vars(workload)), name
        assert workload.RESULT in workload.PROGRAM
