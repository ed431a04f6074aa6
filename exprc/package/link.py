"""Object code to a shared library, by whichever linker there is.

Starts one process without a shell, in a private folder; knows nothing of what the code does.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from exprc.diagnostics import Diagnostic, InternalError, KnownLimit, UserError
from exprc.package.elf import is_elf
from exprc.package.linkers import ALLOWED_UNDEFINED, KNOWN, Job, Linker, files_for, find_linkers, names_of
from exprc.package.objects import Format, defined_symbols, object_format, undefined_symbols

_FULL = ("No space left on device", "File too large", "Disk quota exceeded", "Read-only file system")
_SIGXFSZ = -25


def link_shared(objects: Sequence[bytes], library_name: str, exported: Sequence[str]) -> bytes:
    """The bytes of a shared library that shows the exported symbols and no others.

    The same objects and linker give the same bytes.  `library_name` is what programs linked with it look for.  The
    first linker that works is taken; UserError E0701: there is none.
    """
    format_ = _common_format(objects)
    given = [name for data in objects for name in defined_symbols(data)]
    for data in objects:
        check_undefined(data, format_, given)
    failures: list[str] = []
    for linker in find_linkers(format_):
        folder = _private_folder()
        try:
            library, failure = _run(linker, format_, folder, objects, library_name, exported)
        except OSError as problem:
            raise _temporary_failure(folder, problem.strerror or str(problem)) from None
        finally:
            _remove(folder)
        if library is not None:
            if is_elf(library):
                check_undefined(library, format_)
            return library
        failures.append(failure)
    raise _no_linker(format_, failures)


def check_undefined(data: bytes, format_: Format, given: Sequence[str] = ()) -> None:
    """Hold what an object or library expects from the process that loads it against the system's allow-list."""
    allowed = ALLOWED_UNDEFINED[format_.name]
    surplus = [name for name in undefined_symbols(data) if name not in allowed and name not in given]
    if surplus:
        raise InternalError(f"the library needs symbols that are not on the allow-list: {', '.join(surplus)}")


def _common_format(objects: Sequence[bytes]) -> Format:
    formats = {object_format(data) for data in objects}
    found = formats.pop() if len(formats) == 1 else None
    if found is None or found.architecture not in KNOWN[found.name] or not sys.platform.startswith("linux"):
        raise KnownLimit(
            Diagnostic(
                "E0602",
                "libraries for this system are not linked here",
                help=("`--emit obj,header` writes the object file, for a linker of your own",),
            )
        )
    return found


def _no_linker(format_: Format, failures: list[str]) -> UserError:
    searched = f"looked on the PATH for {names_of(format_)}, then for the Python package ziglang"
    system = {"elf": "", "mach-o": " macOS", "coff": " Windows"}[format_.name]
    return UserError(
        Diagnostic(
            "E0701",
            f"no linker {'works' if failures else 'found'} for {format_.architecture}{system}",
            notes=(searched, *failures),
            help=("`pip install ziglang` brings one",),
        )
    )


def _run(
    linker: Linker, format_: Format, folder: str, objects: Sequence[bytes], library_name: str, exported: Sequence[str]
) -> tuple[bytes | None, str]:
    """The library, or None and why this linker does not work.

    A linker that refuses the object means that the object is wrong; a compiler may merely have no linker to call.
    """
    inputs = tuple(_write(folder, f"{index}.o", data) for index, data in enumerate(objects))
    job = Job(format_.architecture, folder, inputs, library_name, tuple(exported))
    for name, content in files_for(format_, job).items():
        _write(folder, name, content)
    report_path = os.path.join(folder, "report")
    _write(folder, "report", b"")
    try:
        status = _spawn([*linker.command, *linker.arguments(job)], report_path)
    except OSError as problem:
        return None, f"`{linker.command[0]}` cannot be started: {problem.strerror}"
    report = _read(report_path).decode("utf-8", "replace").strip()
    if status == 0:
        return _read(job.output), ""
    full = next((reason for reason in _FULL if reason in report), "File too large" if status == _SIGXFSZ else "")
    if full:
        raise _temporary_failure(folder, full)
    failure = f"`{linker.command[0]}` ended with {status}: {report[-2000:]}"
    if not linker.is_compiler:
        raise InternalError(failure)
    return None, failure


def _spawn(command: list[str], report: str) -> int:
    """Run and wait; the exit status.  What is printed goes to the report.

    Only what a linker needs of the environment is passed on, so that no variable changes the bytes.
    """
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    process = os.posix_spawn(
        command[0],
        command,
        {**environment, "LC_ALL": "C"},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, report, os.O_WRONLY, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
    )
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _private_folder() -> str:
    base = os.environ.get("TMPDIR") or "/tmp"
    path = os.path.join(base, f"exprc-{os.getpid()}-{os.urandom(8).hex()}")
    try:
        os.mkdir(path, 0o700)
    except OSError as problem:
        text = f"cannot make a temporary folder in `{base}`: {problem.strerror}"
        raise UserError(Diagnostic("E0705", text, help=("set TMPDIR to a folder that you may write to",))) from None
    return path


def _temporary_failure(folder: str, reason: str) -> UserError:
    base = os.path.dirname(folder)
    text = f"cannot write temporary files in `{base}`: {reason.lower()}"
    return UserError(Diagnostic("E0705", text, help=("make room there, or set TMPDIR to another folder",)))


def _write(folder: str, name: str, data: bytes) -> str:
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(data)
    return path


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _remove(folder: str) -> None:
    """The private folder; some linkers make folders of their own in it."""
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if os.path.isdir(path):
            import shutil

            shutil.rmtree(path, ignore_errors=True)
        else:
            os.unlink(path)
    os.rmdir(folder)
