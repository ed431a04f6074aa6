"""Arrays from `.npz`, `.npy` and `.csv` files, and results to `.npz`.  Knows nothing of programs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from exprc.diagnostics import Diagnostic, UserError

if TYPE_CHECKING:
    import numpy

    Arrays = dict[str, numpy.ndarray[Any, Any]]


def load_data(paths: Iterable[str]) -> Arrays:
    """The arrays of all files by name; a name in two files is an error."""
    arrays: Arrays = {}
    origin: dict[str, str] = {}
    for path in paths:
        for name, array in _read(path).items():
            if name in arrays:
                raise _unreadable(path, f"`{name}` is already in {origin[name]}")
            arrays[name], origin[name] = array, path
    return arrays


def save_results(path: str, results: Mapping[str, Any]) -> None:
    """Write results to an `.npz` file, which appears whole or not at all."""
    import numpy

    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "wb") as file:
            numpy.savez(file, **{name.replace("/", "_"): value for name, value in results.items()})
        os.replace(temporary, path)
    except OSError as problem:
        raise UserError(Diagnostic("E0705", f"cannot write `{path}`: {problem.strerror}")) from None


def _read(path: str) -> Arrays:
    import numpy

    stem, suffix = os.path.splitext(os.path.basename(path))
    try:
        if suffix == ".npz":
            with numpy.load(path, allow_pickle=False) as archive:
                return dict(archive)
        if suffix == ".npy":
            return {stem: numpy.load(path, allow_pickle=False)}
        if suffix == ".csv":
            return _read_columns(path, stem)
    except OSError as problem:
        raise _unreadable(path, (problem.strerror or str(problem)).lower()) from None
    except Exception as problem:
        # Whatever a stranger's file makes the readers say, the file is at fault.
        raise _unreadable(path, str(problem).split("\n")[0]) from None
    raise _unreadable(path, "data comes as .npz, .npy or .csv")


def _read_columns(path: str, stem: str) -> Arrays:
    """The whole table under the file's name, and with a header each column under its own."""
    import numpy

    with open(path, encoding="utf-8-sig") as file:
        first = [cell.strip().strip('"') for cell in file.readline().split(",")]
        has_header = not all(_is_number(cell) for cell in first)
        file.seek(0)
        table = numpy.loadtxt(file, delimiter=",", skiprows=int(has_header), ndmin=2)
    columns = {name: table[:, index].copy() for index, name in enumerate(first)} if has_header else {}
    return {stem: table, **columns}


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _unreadable(path: str, reason: str) -> UserError:
    return UserError(Diagnostic("E0708", f"cannot read data from `{path}`: {reason}"))
