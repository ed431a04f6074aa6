"""Artefacts onto the disk: whole or not at all, and never over a file that exprc did not write.

Every text artefact carries `MARKER` near its start; a library or object is known by the symbols that it defines.
Builds into one folder take turns by a lock on the folder itself, which the system takes back however a process ends.
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from exprc.diagnostics import Diagnostic, UserError
from exprc.disk import write_beside
from exprc.package.elf import ELF_START, defined_symbols, is_elf

MARKER = "written by exprc; the next build overwrites this file"
MARKER_WITHIN = 4096
PATIENCE = 30.0  # seconds to wait for other builds that write into the folder

TEMPORARY = ".tmp"
_LEFTOVER = re.compile(r"\.exprc-[0-9a-f]{16}\.tmp")
_SIGNATURE_SYMBOLS = ("_build_id", "_abi_hash")
_OTHER_FORMATS = (b"\xcf\xfa\xed\xfe", b"MZ", b"\x64\x86", b"\x64\xaa")  # Mach-O; Windows: library, objects
_HELP = {
    errno.ENOSPC: "make room on the disk, or choose another folder with `-o DIR`",
    errno.EDQUOT: "make room on the disk, or choose another folder with `-o DIR`",
    errno.EFBIG: "allow larger files (`ulimit -f`), or choose another folder with `-o DIR`",
    errno.ENAMETOOLONG: "choose a shorter name with `--name`, or a shorter folder with `-o DIR`",
    errno.EEXIST: "choose another folder with `-o DIR`: this is a file",
    errno.ENOTDIR: "choose another folder with `-o DIR`: a part of this path is a file",
}


def write_artefacts(folder: str, files: Mapping[str, str | bytes], force: bool = False) -> tuple[str, ...]:
    """Write the named files into the folder and return their paths.

    All are written to temporary names first, so that a full disk leaves the old files as they were.  What a build
    that was killed has left of them is removed.
    """
    _make_folder(folder)
    paths = [os.path.join(folder, name) for name in files]
    with _alone_in(folder) as is_alone:
        if is_alone:
            _remove_leftovers(folder)
        _refuse_foreign_files(paths, force)
        _write_all(paths, [content.encode() if isinstance(content, str) else content for content in files.values()])
    return tuple(paths)


def is_artefact(data: bytes) -> bool:
    """Whether exprc wrote a file with this content."""
    if data.startswith(_OTHER_FORMATS):
        return _names_own_symbols(data)
    if not is_elf(data):
        return MARKER.encode() in data[:MARKER_WITHIN]
    try:
        defined = frozenset(defined_symbols(data))
    except ValueError:
        return False
    build_id, abi_hash = _SIGNATURE_SYMBOLS
    return any(name.removesuffix(build_id) + abi_hash in defined for name in defined if name.endswith(build_id))


def cannot_write(path: str, problem: OSError) -> UserError:
    """The error for a file or folder that the system refuses."""
    help_text = _HELP.get(problem.errno or 0, "choose a folder that you may write to with `-o DIR`")
    message = f"cannot write `{path or '.'}`: {(problem.strerror or str(problem)).lower()}"
    return UserError(Diagnostic("E0705", message, help=(help_text,)))


def _names_own_symbols(data: bytes) -> bool:
    """Whether the file's table of names, which these formats keep as plain text, has both symbols of one model."""
    build_id, abi_hash = (symbol.encode() + b"\0" for symbol in _SIGNATURE_SYMBOLS)
    models = re.findall(rb"(\w+)" + re.escape(build_id), data)
    return any(model + abi_hash in data for model in models)


def _make_folder(folder: str) -> None:
    try:
        os.makedirs(folder or ".", exist_ok=True)
    except OSError as problem:
        raise cannot_write(folder, problem) from None


@contextmanager
def _alone_in(folder: str) -> Iterator[bool]:
    """Keeps other builds out of the folder meanwhile; False where the file system has no locks."""
    descriptor = _lock(folder or ".")
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _lock(folder: str) -> int | None:
    """A descriptor that holds the folder's lock until it is closed."""
    try:
        import fcntl

        descriptor = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):
        return None
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise _is_busy(folder) from None
            time.sleep(0.01)
        except OSError:
            os.close(descriptor)
            return None


def _is_busy(folder: str) -> UserError:
    message = f"cannot write into `{folder}`: another process has held its lock for {PATIENCE:.0f} s"
    help_text = "wait for the other build, end it, or choose another folder with `-o DIR`"
    return UserError(Diagnostic("E0705", message, help=(help_text,)))


def _remove_leftovers(folder: str) -> None:
    """Temporary files of builds that were killed: whoever has the lock knows that nobody writes them any more."""
    try:
        names = [name for name in os.listdir(folder or ".") if _LEFTOVER.fullmatch(name)]
        for name in names:
            os.unlink(os.path.join(folder, name))
    except OSError:
        pass  # a folder that may not be listed or changed: the writing will tell


def _refuse_foreign_files(paths: list[str], force: bool) -> None:
    there = [path for path in paths if os.path.lexists(path)]
    strange = [path for path in there if not _may_replace(path, force)]
    is_beside_ours = len(strange) < len(there)
    foreign = [path for path in strange if not (is_beside_ours and _is_cut_off(path))]
    if foreign:
        raise UserError(*(_foreign(path) for path in foreign))


def _foreign(path: str) -> Diagnostic:
    if os.path.isdir(path):
        message, way_out = f"`{path}` is a folder", ""
    else:
        message, way_out = f"`{path}` exists and was not written by exprc", ", or overwrite with `--force`"
    help_text = f"choose another folder with `-o` or another name with `--name`{way_out}"
    return Diagnostic("E0703", message, notes=("nothing was written",), help=(help_text,))


def _may_replace(path: str, force: bool) -> bool:
    if force:
        return os.path.islink(path) or not os.path.isdir(path)
    if not os.path.isfile(path):
        return False
    try:
        with open(path, "rb") as file:
            start = file.read(MARKER_WITHIN)
            is_binary = is_elf(start) or start.startswith(_OTHER_FORMATS)
            return is_artefact(start + file.read() if is_binary else start)
    except OSError:
        return False


def _is_cut_off(path: str) -> bool:
    """Whether a file is empty, or a library or object of which only the beginning is there: after a crash, or a copy
    that found no room.  Beside other files of the same build it is a rest of that build, and nobody's work."""
    try:
        if os.path.islink(path) or not os.path.isfile(path):
            return False
        with open(path, "rb") as file:
            data = file.read()
        if is_elf(data):
            defined_symbols(data)
        return ELF_START.startswith(data)
    except OSError:
        return False
    except ValueError:
        return True


def _write_all(paths: list[str], contents: list[bytes]) -> None:
    """Every file under a temporary name, then all renamed: the library first, so that no module lacks its own."""
    temporary: list[str] = []
    path = ""
    try:
        for path, content in zip(paths, contents, strict=True):
            temporary.append(write_beside(path, content, TEMPORARY))
        for path in paths:
            _make_newer(temporary[0], path)
            os.replace(temporary[0], path)
            del temporary[0]
    except OSError as problem:
        raise cannot_write(path, problem) from None
    finally:
        for leftover in temporary:
            os.unlink(leftover)


def _make_newer(beside: str, path: str) -> None:
    """Python takes what it has compiled of a module for current while whole seconds and size are those of the file."""
    try:
        before = int(os.stat(path).st_mtime)
    except OSError:
        return
    if int(os.stat(beside).st_mtime) <= before:
        os.utime(beside, (before + 1, before + 1))
