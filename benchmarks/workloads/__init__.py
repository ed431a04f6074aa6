"""The programs that are measured: a file each, found by name, all of one form.

A workload NAME is `NAME.py`, with its kernel written by hand in `NAME.c` beside it.  `NAME.py` has

    TITLE               what the tables call it
    PROGRAM             the program in f64; f32 is made of it by replacing the dtype
    RESULT              the loss whose value and gradients are computed, or the output that is
    IS_LOSS             which of the two it is
    CASES               the sizes that are measured
    data(sizes, dtype)  `Data(inputs, params)`: arrays by name, in the order of their declarations
    reference(data)     `Reference` of every result, in long double
    work(sizes)         `Work`: the arithmetic that any program for it has to do

and what a person who knows each system well would write for it.  Each of these is a function that imports the system
and returns a function of all arrays in order:

    numpy(), numba(parallel)                  give all results: the loss and its gradients, or the output
    jax(), torch(), pytensor(), casadi()      give the loss, which `frameworks.py` differentiates, or the output

A system that cannot, or that nobody would use for it, has no function.  All compute a numerically sound form; only the
exprc program is written as the formula stands, since finding the sound form is its compiler's work.

`NAME.c` defines `evaluate` with the parameters of the library's own function: sizes, arrays, results.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

FOLDER = Path(__file__).parent
DTYPES = {"f64": "float64", "f32": "float32"}
Array = np.ndarray[Any, Any]


class Case(NamedTuple):
    """Sizes, and how they are measured: rounds over all peers, the least seconds that a peer runs in each."""

    sizes: dict[str, int]
    rounds: int = 7
    seconds: float = 0.15

    @property
    def name(self) -> str:
        """Sizes as in `1000×100`."""
        return "×".join(str(size) for size in self.sizes.values())


class Data(NamedTuple):
    """The arrays of a case by name."""

    inputs: dict[str, Array]
    params: dict[str, Array]

    @property
    def arrays(self) -> tuple[Array, ...]:
        """All of them in order of declaration."""
        return (*self.inputs.values(), *self.params.values())


class Reference(NamedTuple):
    """All results, and for each entry the sum of the absolute values of its terms: what errors are held to."""

    results: tuple[Array, ...]
    scales: tuple[Array, ...]


class Work(NamedTuple):
    """Additions and multiplications, and evaluations of functions (`exp`, `log`, `divide`, …) by name."""

    flops: float
    functions: Mapping[str, float] = {}


def names() -> list[str]:
    """All workloads."""
    return sorted(module.name for module in pkgutil.iter_modules([str(FOLDER)]))


def load(name: str) -> ModuleType:
    """A workload by name."""
    return importlib.import_module(f"workloads.{name}")


def case(name: str, title: str) -> Case:
    """A case of a workload by its name."""
    return next(case for case in load(name).CASES if case.name == title)


def program(name: str, dtype: str) -> str:
    """The text of a workload's program in a dtype."""
    text: str = load(name).PROGRAM
    return text.replace("f64", dtype)


def largest_error(results: tuple[Any, ...], reference: Reference) -> float:
    """The largest error over all entries of all results, in units of their scales; infinite for a wrong shape."""
    if len(results) != len(reference.results):
        return float("inf")
    return max(map(_error, results, reference.results, reference.scales))


def _error(got: Any, expected: Array, scale: Array) -> float:
    if np.shape(got) != np.shape(expected):
        return float("inf")
    if not np.all(np.isfinite(got)):
        return float("inf")
    error = np.abs(np.asarray(got, np.longdouble) - expected) / scale
    return float(np.max(error, initial=0.0))
