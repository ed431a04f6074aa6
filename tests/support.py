"""What several tests need: programs built and imported, derivatives by differences."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from exprc import driver
from exprc.source import Source

_numbers = itertools.count()


class Work(NamedTuple):
    """What was done, counted: the same on every machine, whatever else that does."""

    calls: int
    letters: int  # of the texts that were returned


def work_of(action: Callable[[], Any]) -> tuple[Any, Work]:
    """The action's result, and the work that it took: the functions that were called, in Python and in C."""
    calls = letters = 0

    def count(frame: object, event: str, value: Any) -> None:
        nonlocal calls, letters
        calls += 1
        text = value if isinstance(value, str) else getattr(value, "text", None) if event == "return" else None
        letters += len(text) if isinstance(text, str) else 0

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        result = action()
    finally:
        sys.setprofile(before)
    return result, Work(calls, letters)


def build(text: str, folder: Path, **options: Any) -> ModuleType:
    """The module of a program, built in a folder under a name of its own and imported."""
    name = f"model_{next(_numbers)}"
    source = Source(f"{name}.expr", text)
    driver.build(source, driver.Options(name=name, out_dir=str(folder), **options))
    specification = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    specification.loader.exec_module(module)
    return module


def differences(function: Callable[[np.ndarray], float], x: np.ndarray, width: float = 1e-2) -> np.ndarray:
    """The gradient of a scalar function by central differences of order eight."""
    weights = ((1, 4 / 5), (2, -1 / 5), (3, 4 / 105), (4, -1 / 280))
    gradient = np.zeros_like(x, dtype=np.float64)
    for index in np.ndindex(x.shape):
        step = np.zeros_like(x, dtype=np.float64)
        step[index] = width
        gradient[index] = sum(w * (function(x + k * step) - function(x - k * step)) for k, w in weights) / width
    return gradient
