"""Which linkers there are for a format, and how each is told to make a shared library.

Owns names and options.  Starts nothing: the link itself is `link`'s.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from exprc.package.objects import COFF, ELF, MACH_O, Format

# What the libraries of each system may expect from the process that loads them, by who has it.
MEMORY = ("malloc", "free", "calloc", "memset", "memcpy", "memmove", "memcmp")
ALLOWED_UNDEFINED = {
    ELF: frozenset((*MEMORY, "aligned_alloc")),
    MACH_O: frozenset((*MEMORY, "bzero")),
    COFF: frozenset((*MEMORY, "__chkstk", "___chkstk_ms")),
}
_WINDOWS_LIBRARIES: Mapping[str, Sequence[str]] = {"ucrtbase.dll": MEMORY, "ntdll.dll": ("__chkstk",)}
_OLDEST_MACOS = "11.0"
_EMULATIONS = {"x86_64": "elf_x86_64", "aarch64": "aarch64linux", "riscv64": "elf64lriscv"}
KNOWN = {ELF: tuple(_EMULATIONS), MACH_O: ("x86_64", "aarch64"), COFF: ("x86_64", "aarch64")}


class Job(NamedTuple):
    """What a linker gets: files in a private folder, and the name that the library has in it and later."""

    architecture: str
    folder: str
    inputs: tuple[str, ...]
    library: str
    exported: tuple[str, ...]

    def path(self, name: str) -> str:
        """A file of the private folder."""
        return os.path.join(self.folder, name)

    @property
    def output(self) -> str:
        """Where the library is written."""
        return self.path(self.library)


class Linker(NamedTuple):
    """A linker that was found: the start of its command line, and how the rest is made.

    `is_compiler`: it may merely have no linker to call, so that its refusal says nothing of the objects.
    """

    command: tuple[str, ...]
    arguments: Callable[[Job], list[str]]
    is_compiler: bool = False


def find_linkers(format_: Format) -> Iterator[Linker]:
    """As the PATH has them, in order of preference, then what the Python package `ziglang` brings."""
    is_native = format_ == Format(ELF, os.uname().machine)
    for name, arguments, is_compiler in _BY_NAME[format_.name]:
        is_bound = name == "ld" or is_compiler  # to the architecture that it was built for
        path = _which(name) if is_native or not is_bound else None
        if path:
            yield Linker((path, "-flavor", "gnu") if name == "lld" else (path,), arguments, is_compiler)
    zig = _ziglang()
    if zig:
        command, arguments = _ZIG[format_.name]
        yield Linker((zig, *command), arguments)


def names_of(format_: Format) -> str:
    """The programs that are looked for."""
    is_native = format_ == Format(ELF, os.uname().machine)
    names = [name for name, _, is_compiler in _BY_NAME[format_.name] if is_native or not (is_compiler or name == "ld")]
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


def files_for(format_: Format, job: Job) -> dict[str, bytes]:
    """What the linkers of a format read besides the objects."""
    if format_.name == ELF:
        return {"symbols": _version_script(job.exported).encode("ascii")}
    from exprc.package.imports import import_library, text_stub

    if format_.name == MACH_O:
        return {"system.tbd": text_stub(job.architecture, sorted(ALLOWED_UNDEFINED[MACH_O]))}
    return {"system.lib": import_library(job.architecture, _WINDOWS_LIBRARIES)}


def _gnu(job: Job) -> list[str]:
    return ["-m", _EMULATIONS[job.architecture], "-shared", *_gnu_options(job), "-o", job.output, *job.inputs]


def _compiler(job: Job) -> list[str]:
    options = [f"-Wl,{option}" for option in _gnu_options(job)]
    return ["-shared", "-nostdlib", *options, "-o", job.output, *job.inputs]


def _gnu_options(job: Job) -> tuple[str, ...]:
    return (
        f"--version-script={job.path('symbols')}",
        f"-soname={job.library}",
        "--build-id=none",
        "--hash-style=gnu",
        "-znoexecstack",
        "-zrelro",
        "-znow",
        "-znoseparate-code",
    )


def _apple(job: Job) -> list[str]:
    architecture = {"aarch64": "arm64"}.get(job.architecture, job.architecture)
    platform = ("-platform_version", "macos", _OLDEST_MACOS, _OLDEST_MACOS)
    name = ("-install_name", f"@rpath/{job.library}")
    return ["-dylib", "-arch", architecture, *platform, *name, "-o", job.output, *job.inputs, job.path("system.tbd")]


def _zig_apple(job: Job) -> list[str]:
    target = ("-target", f"{job.architecture}-macos.{_OLDEST_MACOS}")
    caches = [word for cache in ("--cache-dir", "--global-cache-dir") for word in (cache, job.path("cache"))]
    plain = ("-dynamic", "-fno-compiler-rt", "-O", "ReleaseSmall", "-install_name", f"@rpath/{job.library}")
    return [*target, *plain, *caches, f"-femit-bin={job.output}", *job.inputs]


def _microsoft(job: Job) -> list[str]:
    machine = {"aarch64": "arm64", "x86_64": "x64"}[job.architecture]
    options = ("/nologo", "/dll", "/noentry", "/nodefaultlib", "/brepro", f"/machine:{machine}")
    return [*options, f"/out:{job.output}", *job.inputs, job.path("system.lib")]


_BY_NAME: dict[str, tuple[tuple[str, Callable[[Job], list[str]], bool], ...]] = {
    ELF: (
        ("ld", _gnu, False),
        ("ld.lld", _gnu, False),
        ("lld", _gnu, False),
        ("cc", _compiler, True),
        ("gcc", _compiler, True),
        ("clang", _compiler, True),
    ),
    MACH_O: (("ld64.lld", _apple, False),),
    COFF: (("lld-link", _microsoft, False),),
}
_ZIG: dict[str, tuple[tuple[str, ...], Callable[[Job], list[str]]]] = {
    ELF: (("ld.lld",), _gnu),
    MACH_O: (("build-lib",), _zig_apple),
    COFF: (("lld-link",), _microsoft),
}


def _version_script(exported: Sequence[str]) -> str:
    return "{\n  global:\n" + "".join(f"    {name};\n" for name in sorted(exported)) + "  local: *;\n};\n"


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
