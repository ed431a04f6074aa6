"""How each operating system calls its files, and how a library is linked there by hand."""

from __future__ import annotations

from typing import NamedTuple

from exprc.lower.target import MACOS, WINDOWS, system_of


class FileNames(NamedTuple):
    """The names of a model's library and object file."""

    library: str
    object: str


def file_names(model: str, triple: str) -> FileNames:
    """The names on the system of a triple."""
    system = system_of(triple)
    if system == MACOS:
        return FileNames(f"lib{model}.dylib", f"{model}.o")
    if system == WINDOWS:
        return FileNames(f"lib{model}.dll", f"{model}.o" if triple.endswith("-gnu") else f"{model}.obj")
    return FileNames(f"lib{model}.so", f"{model}.o")


def link_by_hand(names: FileNames, triple: str) -> str:
    """The command that makes the library on a machine of that system."""
    system = system_of(triple)
    if system == MACOS:
        return f"cc -dynamiclib -install_name @rpath/{names.library} -o {names.library} {names.object}"
    if system == WINDOWS and not triple.endswith("-gnu"):
        return f"cl /LD {names.object} /Fe:{names.library}"
    if system == WINDOWS:
        return f"gcc -shared -o {names.library} {names.object}"
    return f"cc -shared -Wl,-soname,{names.library} -o {names.library} {names.object}"
