"""The programs that are measured: a folder entry each, found by name.

A workload NAME is two files.  `NAME.expr` is the program, written in f64 (f32 is made of it by replacing the dtype).
`NAME.py` has

    TITLE               what the tables are headed with
    CASES               sizes by name, the repeats of each: `Case(sizes, rounds, seconds)`
    data(sizes, dtype)  `Data(inputs, params)`, arrays by name
    reference(data)     `Reference` in long double
    PEERS               peer's name to a function (data, bound) that returns the call to be measured

A call takes nothing and returns the loss as a float and the gradients as NumPy arrays, in the order of the params.
`bound` says whether inputs may be handed to the framework beforehand; params are NumPy arrays in every call.  Peers
import their framework inside the function, since each runs in a process of its own; exprc gets the module that was
built of the program as a third argument.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

FOLDER = Path(__file__).parent
Array = np.ndarray[Any, Any]
Call = Callable[[], tuple[float, tuple[Array, ...]]]


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


class Reference(NamedTuple):
    """Loss and gradients, and for each entry the sum of the absolute values of its terms: what errors are held to."""

    value: Array
    gradients: tuple[Array, ...]
    value_scale: Array
    gradient_scales: tuple[Array, ...]


def names() -> list[str]:
    """All workloads."""
    return sorted(module.name for module in pkgutil.iter_modules([str(FOLDER)]))


def load(name: str) -> ModuleType:
    """A workload by name."""
    return importlib.import_module(f"workloads.{name}")


def reading(data: Data) -> Callable[[], object]:
    """What merely reads the inputs: a scale for what is bound by memory."""
    flat = [array.ravel() for array in data.inputs.values() if array.dtype.kind == "f"]
    return lambda: [array @ array for array in flat]


def program(name: str, dtype: str) -> str:
    """The text of a workload's program in a dtype."""
    return (FOLDER / f"{name}.expr").read_text().replace("f64", dtype)
