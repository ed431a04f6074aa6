"""Object code to a shared library, by whichever linker there is.

Owns the choice of linker and its options.  Starts one process without a shell, in a private folder; knows nothing
of what the code does.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from exprc.diagnostics import Diagnostic, InternalError, KnownLimit, UserError
from exprc.package.elf import is_elf, machine, undefined_symbols

ALLOWED_UNDEFINED = frozenset(("malloc", "free", "calloc", "aligned_alloc", "memset", "memcpy", "memmove", "memcmp"))

_EMULATIONS = {"x86_64": "elf_x86_64", "aarch64": "aarch64linux"}
_NATIVE, _ANY_ELF, _COMPILER = "native", "any", "compiler"
_BY_NAME = (
    ("ld", _NATIVE),
    ("ld.lld", _ANY_ELF),
    ("lld", _ANY_ELF),
    ("cc", _COMPILER),
    ("gcc", _COMPILER),
    ("clang", _COMPILER),
)


class Linker(NamedTuple):
    """A linker that was found: the start of its command line, and which objects it takes."""

    command: tuple[str, ...]
    kind: str  # native | any | compiler


def link_shared(
    objects: Sequence[bytes],
    library_name: str,
    exported: Sequence[str],
    allowed_undefined: frozenset[str] = ALLOWED_UNDEFINED,
) -> bytes:
    """The bytes of a shared library that shows the exported symbols and no others.

    The same objects and linker give the same bytes.  `library_name` is what programs linked with it look for.  The
    first linker that works is taken.
    """
    architecture = _common_architecture(objects)
    failures: list[str] = []
    for linker in find_linkers(architecture):
        folder = _private_folder()
        try:
            library, failure = _run(linker, architecture, folder, objects, library_name, exported)
        finally:
            _remove(folder)
        if library is not None:
            check_undefined(library, allowed_undefined)
            return library
        failures.append(failure)
    raise _no_linker(architecture, failures)


def find_linkers(architecture: str) -> Iterator[Linker]:
    """`ld`, `ld.lld`, `lld`, `cc`, `gcc`, `clang` as the PATH has them, then what `ziglang` brings."""
    native = architecture == os.uname().machine
    for name, kind in _BY_NAME:
        path = _which(name) if native or kind == _ANY_ELF else None
        if path:
            yield Linker((path, "-flavor", "gnu") if name == "lld" else (path,), kind)
    zig = _ziglang()
    if zig:
        yield Linker((zig, "ld.lld"), _ANY_ELF)


def check_undefined(library: bytes, allowed: frozenset[str] = ALLOWED_UNDEFINED) -> None:
    """Hold what the library expects from the process that loads it against the allow-list."""
    surplus = [name for name in undefined_symbols(library) if name not in allowed]
    if surplus:
        raise InternalError(f"the library needs symbols that are not on the allow-list: {', '.join(surplus)}")


def _common_architecture(objects: Sequence[bytes]) -> str:
    architectures = sorted({machine(data) if is_elf(data) else "" for data in objects})
    if len(architectures) != 1 or architectures[0] not in _EMULATIONS or not sys.platform.startswith("linux"):
        raise KnownLimit(
            Diagnostic(
                "E0602",
                "libraries are linked for x86-64 and 64-bit ARM Linux, on Linux, only",
                help=("`--emit obj,header` writes the object file, for a linker of your own",),
            )
        )
    return architectures[0]


def _no_linker(architecture: str, failures: list[str]) -> UserError:
    wanted = "ld, ld.lld, lld, cc, gcc and clang" if architecture == os.uname().machine else "ld.lld and lld"
    searched = f"looked on the PATH for {wanted}, then for the Python package ziglang"
    return UserError(
        Diagnostic(
            "E0701",
            f"no linker {'works' if failures else 'found'} for {architecture}",
            notes=(searched, *failures),
            help=("`pip install ziglang` brings one",),
        )
    )


def _run(
    linker: Linker, architecture: str, folder: str, objects: Sequence[bytes], library_name: str, exported: Sequence[str]
) -> tuple[bytes | None, str]:
    """The library, or None and why this linker does not work.

    A linker that refuses the object means that the object is wrong; a compiler may merely have no linker to call.
    """
    inputs = [_write(folder, f"{index}.o", data) for index, data in enumerate(objects)]
    script = _write(folder, "symbols", _version_script(exported).encode("ascii"))
    library = os.path.join(folder, "library")
    options = [
        f"--version-script={script}",
        f"-soname={library_name}",
        "--build-id=none",
        "--hash-style=gnu",
        "-znoexecstack",
        "-zrelro",
        "-znow",
        "-znoseparate-code",
    ]
    if linker.kind == _COMPILER:
        options = ["-nostdlib", *(f"-Wl,{option}" for option in options)]
    else:
        options = ["-m", _EMULATIONS[architecture], *options]
    try:
        status, report = _spawn([*linker.command, "-shared", *options, "-o", library, *inputs], folder)
    except OSError as problem:
        return None, f"`{linker.command[0]}` cannot be started: {problem.strerror}"
    if status == 0:
        return _read(library), ""
    failure = f"`{linker.command[0]}` ended with {status}: {report[-2000:]}"
    if linker.kind != _COMPILER:
        raise InternalError(failure)
    return None, failure


def _version_script(exported: Sequence[str]) -> str:
    return "{\n  global:\n" + "".join(f"    {name};\n" for name in sorted(exported)) + "  local: *;\n};\n"


def _spawn(command: list[str], folder: str) -> tuple[int, str]:
    """Run and wait; the exit status and what was printed.

    Only what a linker needs of the environment is passed on, so that no variable changes the bytes.
    """
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    report = os.path.join(folder, "report")
    process = os.posix_spawn(
        command[0],
        command,
        {**environment, "LC_ALL": "C"},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, report, os.O_WRONLY | os.O_CREAT, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
    )
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    return status, _read(report).decode("utf-8", "replace").strip()


def _which(name: str) -> str | None:
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        path = os.path.join(folder, name)
        if folder and os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


def _ziglang() -> str | None:
    """The program inside the package, found without importing it."""
    for folder in sys.path:
        path = os.path.join(folder, "ziglang", "zig")
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


def _private_folder() -> str:
    base = os.environ.get("TMPDIR") or "/tmp"
    path = os.path.join(base, f"exprc-{os.getpid()}-{os.urandom(8).hex()}")
    try:
        os.mkdir(path, 0o700)
    except OSError as problem:
        raise UserError(
            Diagnostic(
                "E0705",
                f"cannot make a temporary folder in `{base}`: {problem.strerror}",
                help=("set TMPDIR to a folder that you may write to",),
            )
        ) from None
    return path


def _write(folder: str, name: str, data: bytes) -> str:
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(data)
    return path


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _remove(folder: str) -> None:
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))
    os.rmdir(folder)
