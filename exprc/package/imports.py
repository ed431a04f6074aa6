"""What linkers for macOS and Windows want to know of the system's own libraries, written from an allow-list.

Owns the two file formats: Apple's text stubs and Microsoft's short import libraries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from struct import pack

SYSTEM_LIBRARY = "/usr/lib/libSystem.B.dylib"
_MACHINES = {"x86_64": 0x8664, "aarch64": 0xAA64}
_IMPORT_BY_NAME = 1 << 2  # of a function


def text_stub(architecture: str, functions: Sequence[str]) -> bytes:
    """A stub of macOS's system library with these functions."""
    target = {"aarch64": "arm64"}.get(architecture, architecture) + "-macos"
    symbols = ", ".join((*(f"_{name}" for name in sorted(functions)), "dyld_stub_binder"))
    return (
        "--- !tapi-tbd\ntbd-version: 4\n"
        f"targets: [ {target} ]\ninstall-name: '{SYSTEM_LIBRARY}'\n"
        f"exports:\n  - targets: [ {target} ]\n    symbols: [ {symbols} ]\n...\n"
    ).encode("ascii")


def import_library(architecture: str, providers: Mapping[str, Sequence[str]]) -> bytes:
    """An import library for Windows; `providers` are functions by the DLL that has them."""
    names, members = [], []
    for dll, functions in providers.items():
        for function in functions:
            names.append(function)
            members.append(_member(dll, _import(_MACHINES[architecture], dll, function)))
    spellings = [(f"__imp_{name}", name) for name in names]
    table = b"".join(spelling.encode() + b"\0" for pair in spellings for spelling in pair)
    start = 8 + len(_member("/", b"\0" * (4 + 8 * len(names) + len(table))))
    offsets = b""
    for member in members:
        offsets += pack(">II", start, start)
        start += len(member)
    return b"!<arch>\n" + _member("/", pack(">I", 2 * len(names)) + offsets + table) + b"".join(members)


def _import(machine: int, dll: str, function: str) -> bytes:
    content = function.encode() + b"\0" + dll.encode() + b"\0"
    return pack("<HHHHIIHH", 0, 0xFFFF, 0, machine, 0, len(content), 0, _IMPORT_BY_NAME) + content


def _member(name: str, content: bytes) -> bytes:
    header = f"{name if name == '/' else name + '/':<16}{0:<12}{0:<6}{0:<6}{644:<8}{len(content):<10}`\n"
    return header.encode() + content + b"\n" * (len(content) % 2)
