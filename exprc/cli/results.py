"""Results of `exprc run`: to the screen, and to `.npz`, `.json` and `.csv` files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from exprc.cli.files import write_whole
from exprc.cli.session import bold
from exprc.diagnostics import Diagnostic, UserError
from exprc.ir.types import NUMPY_NAMES

FORMS = (".npz", ".json", ".csv")
DTYPE_NAMES = {numpy_name: name for name, numpy_name in NUMPY_NAMES.items()}
MOST_ENTRIES, EDGE, WIDTH = 100, 3, 100


def save_results(path: str, results: Mapping[str, Any]) -> None:
    """Write results in the form that the ending of the path names."""
    ending = os.path.splitext(path)[1].lower()
    form = {".json": _json, ".csv": _csv}.get(ending, _npz)
    write_whole(path, form(results))


def listing(results: Mapping[str, Any]) -> str:
    """Each result for the screen: a number or a short vector behind its name, others with their type and indented below
    it, the middle of large ones left out."""
    import numpy

    lines = []
    for name, value in results.items():
        array = numpy.asarray(value)
        if array.ndim == 0:
            lines.append(f"{bold(name)} = {array.item()!r}")
            continue
        text = numpy.array2string(array, threshold=MOST_ENTRIES, edgeitems=EDGE, max_line_width=WIDTH, prefix="    ")
        if array.ndim == 1 and "\n" not in text and "..." not in text and len(name) + len(text) < WIDTH:
            lines.append(f"{bold(name)} = {text}")
        else:
            sizes = ", ".join(map(str, array.shape))
            lines.append(f"{bold(name)} : {DTYPE_NAMES.get(array.dtype.name, array.dtype.name)}[{sizes}]\n    {text}")
    return "\n".join(lines) + "\n" if lines else ""


def _npz(results: Mapping[str, Any]) -> bytes:
    import io

    import numpy

    file = io.BytesIO()
    numpy.savez(file, **{_array_name(name, results): value for name, value in results.items()})
    return file.getvalue()


def _array_name(name: str, results: Mapping[str, Any]) -> str:
    """`dE_dw` for `dE/dw`, unless something else has that name."""
    plain = name.replace("/", "_")
    return name if plain in results else plain


def _json(results: Mapping[str, Any]) -> bytes:
    import json

    import numpy

    values = {name: _finite(numpy.asarray(value).tolist()) for name, value in results.items()}
    return (json.dumps(values, ensure_ascii=False, allow_nan=False, indent=1) + "\n").encode()


def _finite(value: Any) -> Any:
    """Nested lists of numbers, with the names of what JSON has no number for: `nan`, `inf`, `-inf`."""
    if isinstance(value, list):
        return [_finite(entry) for entry in value]
    return value if not isinstance(value, float) or abs(value) < float("inf") else str(value)


def _csv(results: Mapping[str, Any]) -> bytes:
    """A column for each vector, several for a matrix; numbers alone make a table of one line."""
    import csv
    import io

    import numpy

    columns: dict[str, Any] = {}
    for name, value in results.items():
        array = numpy.asarray(value)
        if array.ndim > 2:
            raise _no_table(f"`{name}` has {array.ndim} axes")
        if array.ndim < 2:
            columns[name] = array.reshape(-1)
        else:
            columns |= {f"{name}[{at}]": array[:, at] for at in range(array.shape[1])}
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"`{name}` {length}" for name, length in list(lengths.items())[:8])
        raise _no_table(f"the results have different numbers of rows: {listed}")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*(column.tolist() for column in columns.values())))
    return text.getvalue().encode()


def _no_table(reason: str) -> UserError:
    help = ("choose results with `--only`, or write them to a .npz or .json file",)
    return UserError(Diagnostic("E0709", f"the results are no table: {reason}", help=help))
