"""What several tests need: programs built and imported, derivatives by differences."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from exprc import driver
from exprc.source import Source

_numbers = itertools.count()


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
