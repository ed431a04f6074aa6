"""Arrays from `.npz`, `.npy` and `.csv` files.  Knows nothing of programs.

A file is a stranger's: nothing in it is executed, and whatever is wrong with it is said of the file.  What is wrong
with one array or column only matters to who asks for it.
"""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from exprc.cli.files import near_files
from exprc.diagnostics import Diagnostic, UserError
from exprc.spelling import nearest, normal

if TYPE_CHECKING:
    import numpy

    Array = numpy.ndarray[Any, Any]

NUMBERS = "biuf"  # the kinds of dtypes that hold numbers
COLUMNS = re.compile(r"(.*\.csv):(.*)", re.IGNORECASE | re.DOTALL)  # the path of a table, and which of its columns
MOST_NAMES = 10
MISSING = frozenset(("", "na", "n/a", "#n/a", "nil", "none", "null", "missing", ".", "-", "?"))


class Data(NamedTuple):
    """Arrays by name; `texts` are the names of those that were written as text, whose numbers have no dtype of their
    own; `problems` says of further names why there is no array."""

    arrays: dict[str, Array]
    texts: frozenset[str]
    problems: dict[str, str]


class _Found(NamedTuple):
    array: Array | None
    is_text: bool = False
    problem: str = ""


class _Asked(NamedTuple):
    """One piece of data as it was asked for: its name or "", the file, and which columns of a table if not all."""

    name: str
    path: str
    columns: str | None = None


def load_data(given: Iterable[str]) -> Data:
    """What all files hold.  Each is a path, `NAME=PATH` for the one array of a file under a name, or `NAME=NUMBER`; the
    path of a table may be followed by columns, `:a,b` or `:a..b`, that make one array."""
    found: dict[str, _Found] = {}
    origin: dict[str, str] = {}
    named = sorted((_asked(one) for one in given), key=lambda asked: not asked.name)
    for name, path, columns in named:
        for key, entry in _read(path, name, columns).items():
            if key in origin and not name and any(key == other.name for other in named):
                continue  # `NAME=PATH` says which it is to be
            if key in origin:
                entry = _twice(key, path, origin[key], entry, found[key])
            found[key], origin[key] = entry, path
    return Data(
        {name: entry.array for name, entry in found.items() if entry.array is not None},
        frozenset(name for name, entry in found.items() if entry.is_text),
        {name: entry.problem for name, entry in found.items() if entry.array is None},
    )


def _twice(name: str, path: str, other: str, here: _Found, there: _Found) -> _Found:
    """A name in two files: an error, but for columns of tables, which may share names that nobody needs."""
    if here.is_text and there.is_text:
        return _Found(None, True, f"it is in {other} and in {path}")
    raise _unreadable(path, f"`{name}` is already in {other}", f"`--data {name}=FILE` says which file it is to be from")


def path_of(given: str) -> str:
    """The file of one piece of data."""
    return _asked(given).path


def _asked(given: str) -> _Asked:
    if os.path.exists(given):
        return _Asked("", given)
    name, equals, path = given.partition("=")
    name = normal(name)
    if not (equals and name.isidentifier()):
        name, path = "", given
    table = COLUMNS.fullmatch(path) if not os.path.exists(path) else None
    return _Asked(name, *table.groups()) if table else _Asked(name, path)


def _read(path: str, name: str, columns: str | None) -> dict[str, _Found]:
    if name and _is_number(path) and not os.path.exists(path):
        return {name: _number(path)}
    stem, ending = os.path.splitext(os.path.basename(path))
    stem = normal(stem)
    readers = {".npz": _read_archive, ".npy": _read_array, ".csv": _read_table}
    reader = readers.get(ending.lower())
    if os.path.exists(path) and not os.path.isfile(path):
        raise _unreadable(path, "it is no regular file")
    if reader is None:
        raise _unreadable(path, "data comes as .npz, .npy or .csv, or as NAME=NUMBER")
    if os.path.isfile(path) and not os.path.getsize(path):
        raise _unreadable(path, "it is empty")
    try:
        found = reader(path, name or stem) if columns is None else {name or stem: _chosen(path, columns)}
    except OSError as problem:
        raise _unreadable(path, (problem.strerror or str(problem)).lower(), *near_files(path, tuple(readers))) from None
    except UnicodeDecodeError as problem:
        reason = f"it is not UTF-8: byte {problem.object[problem.start]:#04x} at offset {problem.start}"
        raise _unreadable(path, reason, "save the table as UTF-8, as `CSV UTF-8` in a spreadsheet") from None
    except MemoryError:
        raise _unreadable(path, "it does not fit into memory") from None
    except Exception as problem:
        reason = str(problem).split("\n")[0] or type(problem).__name__
        if "pickle" in reason:
            reason = "it holds pickled objects, which could run code and are not loaded"
        raise _unreadable(path, reason) from None
    return _under(name, found, path) if name else found


def _number(text: str) -> _Found:
    """One number from the command line, of no dtype of its own."""
    import numpy

    if _is_beyond(text):
        return _Found(None, True, f"{text[:40]} is beyond the largest f64")
    try:
        return _Found(numpy.array(int(text), numpy.int64), True)
    except (ValueError, OverflowError):
        return _Found(numpy.array(float(text)), True)


def _under(name: str, found: dict[str, _Found], path: str) -> dict[str, _Found]:
    """The one array that `NAME=PATH` asks for."""
    if name in found:
        return {name: found[name]}
    if len(found) == 1:
        return {name: next(iter(found.values()))}
    raise _unreadable(path, f"it has {len(found)} arrays, and none is `{name}`")


def _read_archive(path: str, name: str) -> dict[str, _Found]:
    import numpy

    with numpy.load(path, allow_pickle=False) as archive:
        if not isinstance(archive, numpy.lib.npyio.NpzFile):
            raise ValueError("it is no archive of arrays")
        named = [(normal(key), _of_numbers(archive[key])) for key in archive.files]
    twice = {key for key, count in Counter(key for key, _ in named).items() if count > 1}
    return {key: _Found(None, problem=f"several arrays of {path} have this name") if key in twice else entry
            for key, entry in named}  # fmt: skip


def _read_array(path: str, name: str) -> dict[str, _Found]:
    import numpy

    array = numpy.load(path, allow_pickle=False)
    if not isinstance(array, numpy.ndarray):
        raise ValueError("it is an archive; call it .npz")
    return {name: _of_numbers(array)}


def _of_numbers(array: Any) -> _Found:
    import numpy

    if not isinstance(array, numpy.ndarray):
        return _Found(None, problem="it is no array")
    if array.dtype.kind not in NUMBERS:
        return _Found(None, problem=f"its dtype is {array.dtype}")
    return _Found(array)


# ---- tables


def _read_table(path: str, name: str) -> dict[str, _Found]:
    """The whole table under a name, and with a header each column under its own."""
    header, whole, columns = _table(path)
    found = {name: whole, **dict(zip(header, columns))}
    for title in {title for title in header if header.count(title) > 1}:
        found[title] = _Found(None, True, f"several columns of {path} have this name")
    found.pop("", None)
    return found


def _chosen(path: str, written: str) -> _Found:
    """Some columns of a table, `a,b` or from one to another `a..b`, as the columns of one array."""
    import csv

    import numpy

    header, _, columns = _table(path)
    places: list[int] = []
    for title in next(csv.reader([normal(written)], skipinitialspace=True), []) or [""]:
        first, dots, last = title.partition("..") if title not in header else (title, "", "")
        start = _place(header, first.strip())
        stop = _place(header, last.strip()) if dots else start
        if stop < start:
            raise ValueError(f"column `{last}` stands before `{first}`")
        places += range(start, stop + 1)
    chosen = [columns[place] for place in places]
    problem = next((column.problem for column in chosen if column.array is None), "")
    return _Found(None, True, problem) if problem else _Found(numpy.stack([c.array for c in chosen], 1), True)  # type: ignore[misc]


def _place(header: list[str], title: str) -> int:
    """Which column has a title."""
    if header.count(title) == 1:
        return header.index(title)
    if title in header:
        raise ValueError(f"several columns have the name `{title}`")
    near = nearest(title, header)
    known = ", ".join(header[:MOST_NAMES]) + (", …" if len(header) > MOST_NAMES else "")
    more = f"did you mean `{near}`?" if near else f"its columns are {known}" if header else "its columns have no names"
    raise ValueError(f"no column `{title}`; {more}")


def _table(path: str) -> tuple[list[str], _Found, list[_Found]]:
    """The names of the columns, the whole table, and its columns."""
    with open(path, encoding="utf-8-sig") as file:
        text = file.read()
    if not text.strip():
        raise ValueError("it is empty")
    header, body = _header(text)
    table = _fast(body, len(header))
    if table is not None:
        return header, _Found(table, True), [_Found(table[:, at].copy(), True) for at in range(table.shape[1])]
    return header, *_column_by_column(body, header, 1 + text[: len(text) - len(body)].count("\n"))


def _header(text: str) -> tuple[list[str], str]:
    """The names of the columns, none where the first line consists of numbers; and the lines after them."""
    import csv

    lines = text.splitlines(keepends=True)
    start = next(at for at, line in enumerate(lines) if line.strip())
    cells = [normal(cell.strip()) for cell in next(csv.reader([lines[start]], skipinitialspace=True))]
    if len(cells) == 1 and (";" in cells[0] or "\t" in cells[0].strip("\t")):
        raise ValueError("columns are separated by commas")
    if all(_is_number(cell) or not cell for cell in cells):
        return [], text
    return cells, "".join(lines[start + 1 :])


def _fast(body: str, width: int) -> Array | None:
    """A table of numbers only; None where it is not one, or has not the width of its header."""
    import io

    import numpy

    if not body.strip():
        return numpy.zeros((0, width))
    if body.count('"') % 2:  # the careful reader says where
        return None
    whole = not any(mark in body for mark in ".eEnN")
    for dtype in (numpy.int64, numpy.float64) if whole else (numpy.float64,):
        try:
            table = numpy.loadtxt(io.StringIO(body), dtype, None, ",", quotechar='"', ndmin=2)
        except (ValueError, OverflowError):
            continue
        return table if width in (0, table.shape[1]) and not numpy.isinf(table).any() else None
    return None


def _column_by_column(body: str, header: list[str], first: int) -> tuple[_Found, list[_Found]]:
    """A table that is not all numbers, and its columns; lines with a wrong number of cells make it no table."""
    import csv
    import io

    import numpy

    reader = csv.reader(io.StringIO(body), skipinitialspace=True, strict=True)
    rows: list[tuple[int, list[str]]] = []
    for row in _unbroken(reader):
        if not any(cell.strip() for cell in row) and len(row) < 2:
            continue
        width = len(header) or len(rows[0][1] if rows else row)
        if len(row) != width:
            cells = "1 cell" if len(row) == 1 else f"{len(row)} cells"
            raise ValueError(f"line {first + reader.line_num - 1} has {cells}, not {width}")
        rows.append((first + reader.line_num - 1, row))
    columns = [_column(at, rows, header) for at in range(len(rows[0][1]))]
    wrong = next((column.problem for column in columns if column.problem), "")
    if wrong and not header:
        raise ValueError(wrong)
    whole = _Found(None, True, wrong) if wrong else _Found(numpy.stack([c.array for c in columns], 1), True)  # type: ignore[misc]
    return whole, columns


def _unbroken(reader: Iterator[list[str]]) -> Iterator[list[str]]:
    """The rows, of which the last may begin a cell that does not end."""
    import csv

    try:
        yield from reader
    except csv.Error as problem:
        raise ValueError(str(problem).replace("unexpected end of data", "a cell in quotes does not end")) from None


def _column(at: int, rows: list[tuple[int, list[str]]], header: list[str]) -> _Found:
    import numpy

    cells = [row[at].strip() for _, row in rows]
    if all(cell.lower() in ("true", "false") for cell in cells):
        return _Found(numpy.array([cell.lower() == "true" for cell in cells]), True)
    for (line, _), cell in zip(rows, cells):
        wrong = _wrong(cell)
        if wrong:
            where = f"line {line}, column " + (f"`{header[at]}`" if header else str(at + 1))
            return _Found(None, True, f"{where}: {wrong}")
    return _Found(numpy.array([float(cell) for cell in cells]), True)


def _wrong(cell: str) -> str:
    """What is wrong with a cell that should be a number."""
    if not _is_number(cell):
        what = f"{cell[:40]!r} is no number" if cell else "a cell is empty"
        return f"{what}; write nan where a value is missing" if cell.lower() in MISSING else what
    return f"{cell[:40]} is beyond the largest f64" if _is_beyond(cell) else ""


def _is_beyond(cell: str) -> bool:
    """Whether digits, and not the word `inf`, make an infinite number."""
    return math.isinf(float(cell)) and "n" not in cell.lower()


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _unreadable(path: str, reason: str, *help: str) -> UserError:
    return UserError(Diagnostic("E0708", f"cannot read data from `{path}`: {reason}", help=help))
