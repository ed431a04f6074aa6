"""Artefacts onto the disk: whole or not at all, and never over a file that exprc did not write.

Every text artefact carries `MARKER` near its start; a library or object is known by the symbols that it defines.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from exprc.diagnostics import Diagnostic, UserError
from exprc.package.elf import defined_symbols, is_elf

MARKER = "written by exprc; the next build overwrites this file"
MARKER_WITHIN = 4096
_SIGNATURE_SYMBOLS = ("_build_id", "_abi_hash")
_EXECUTABLE = (".so", ".dylib", ".dll")


def write_artefacts(folder: str, files: Mapping[str, str | bytes], force: bool = False) -> tuple[str, ...]:
    """Write the named files into the folder and return their paths.

    All are written to temporary names first, so that a full disk leaves the old files as they were.
    """
    _make_folder(folder)
    paths = [os.path.join(folder, name) for name in files]
    _refuse_foreign_files(paths, force)
    temporary: list[str] = []
    path = folder
    try:
        for path, content in zip(paths, files.values(), strict=True):
            temporary.append(_write_beside(path, content.encode() if isinstance(content, str) else content))
        for path in paths:
            os.replace(temporary[0], path)
            del temporary[0]
    except OSError as problem:
        raise _cannot_write(path, problem) from None
    finally:
        for leftover in temporary:
            os.unlink(leftover)
    return tuple(paths)


def is_artefact(data: bytes) -> bool:
    """Whether exprc wrote a file with this content."""
    if not is_elf(data):
        return MARKER.encode() in data[:MARKER_WITHIN]
    try:
        defined = frozenset(defined_symbols(data))
    except ValueError:
        return False
    build_id, abi_hash = _SIGNATURE_SYMBOLS
    return any(name.removesuffix(build_id) + abi_hash in defined for name in defined if name.endswith(build_id))


def _make_folder(folder: str) -> None:
    try:
        os.makedirs(folder or ".", exist_ok=True)
    except OSError as problem:
        raise _cannot_write(folder, problem) from None


def _refuse_foreign_files(paths: list[str], force: bool) -> None:
    foreign = [path for path in paths if os.path.lexists(path) and not _may_replace(path, force)]
    if foreign:
        raise UserError(
            *(
                Diagnostic(
                    "E0703",
                    f"`{path}` exists and was not written by exprc",
                    notes=("nothing was written",),
                    help=(
                        "choose another folder with `-o` or another name with `--name`, or overwrite with `--force`",
                    ),
                )
                for path in foreign
            )
        )


def _may_replace(path: str, force: bool) -> bool:
    if not os.path.isfile(path):
        return force and os.path.islink(path)
    if force:
        return True
    try:
        with open(path, "rb") as file:
            return is_artefact(file.read())
    except OSError:
        return False


def _write_beside(path: str, content: bytes) -> str:
    """Write to a new hidden file in the same folder, whose name it returns; nothing is left behind on failure."""
    folder, name = os.path.split(path)
    mode = 0o777 if name.endswith(_EXECUTABLE) else 0o666
    beside = os.path.join(folder, f".{name}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
    except BaseException:
        os.unlink(beside)
        raise
    return beside


def _cannot_write(path: str, problem: OSError) -> UserError:
    return UserError(
        Diagnostic(
            "E0705",
            f"cannot write `{path or '.'}`: {problem.strerror or problem}",
            help=("choose a folder that you may write to with `-o DIR`",),
        )
    )
