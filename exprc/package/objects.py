"""The formats of object files: which it is, for which architecture, and the names that are defined or wanted.

ELF is read by `elf`; here are 64-bit Mach-O and COFF.  Knows nothing of what the names mean.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct, error
from typing import NamedTuple

from exprc.package import elf

ELF, MACH_O, COFF = "elf", "mach-o", "coff"

_MACH_O_MAGIC = b"\xcf\xfa\xed\xfe"
_MACH_O_MACHINES = {0x01000007: "x86_64", 0x0100000C: "aarch64"}
_MACH_O_HEADER, _COMMAND, _SYMBOL_COMMAND = Struct("<IIIIIIII"), Struct("<II"), Struct("<IIIIII")
_MACH_O_SYMBOL = Struct("<IBBHQ")
_SYMBOL_TABLE, _EXTERNAL, _KIND = 2, 1, 0x0E

_COFF_MACHINES = {0x8664: "x86_64", 0xAA64: "aarch64"}
_COFF_HEADER, _COFF_SYMBOL = Struct("<HHIIIHH"), Struct("<8sIhHBB")
_COFF_EXTERNAL = 2


class Format(NamedTuple):
    """What an object file is: its format and its architecture as `os.uname` names it."""

    name: str
    architecture: str


def object_format(data: bytes) -> Format | None:
    """The format of an object file; None of something else."""
    if elf.is_elf(data):
        return Format(ELF, elf.machine(data))
    number = int.from_bytes(data[4:8], "little")
    if data.startswith(_MACH_O_MAGIC) and number in _MACH_O_MACHINES:
        return Format(MACH_O, _MACH_O_MACHINES[number])
    number = int.from_bytes(data[:2], "little")
    return Format(COFF, _COFF_MACHINES[number]) if number in _COFF_MACHINES else None


def undefined_symbols(data: bytes) -> tuple[str, ...]:
    """The names that an object expects from elsewhere, as C spells them, sorted.  ValueError: the file is broken."""
    return _names(data, is_defined=False)


def defined_symbols(data: bytes) -> tuple[str, ...]:
    """The names that an object gives to others, as C spells them, sorted.  ValueError: the file is broken."""
    return _names(data, is_defined=True)


def _names(data: bytes, is_defined: bool) -> tuple[str, ...]:
    found = object_format(data)
    if found is None:
        raise ValueError("not an object file of a known format")
    if found.name == ELF:
        return elf.defined_symbols(data) if is_defined else elf.undefined_symbols(data)
    read = _mach_o_symbols if found.name == MACH_O else _coff_symbols
    try:
        return tuple(sorted({name for name, defined in read(data) if defined is is_defined and name}))
    except (error, IndexError) as problem:
        raise ValueError(f"broken object file: {problem}") from None


def _mach_o_symbols(data: bytes) -> Iterator[tuple[str, bool]]:
    """External names, which have an underscore before them, and whether each is defined."""
    position = _MACH_O_HEADER.size
    for _ in range(_MACH_O_HEADER.unpack_from(data)[4]):
        command, size = _COMMAND.unpack_from(data, position)
        if command == _SYMBOL_TABLE:
            _, _, table, count, strings, _ = _SYMBOL_COMMAND.unpack_from(data, position)
            for number in range(count):
                name, kind, _, _, _ = _MACH_O_SYMBOL.unpack_from(data, table + number * _MACH_O_SYMBOL.size)
                if kind & _EXTERNAL:
                    yield _text(data, strings + name).removeprefix("_"), bool(kind & _KIND)
        position += max(size, _COMMAND.size)


def _coff_symbols(data: bytes) -> Iterator[tuple[str, bool]]:
    """External names and whether each is defined.  Names over eight bytes are in the table after the symbols."""
    _, _, _, table, count, _, _ = _COFF_HEADER.unpack_from(data)
    strings = table + count * _COFF_SYMBOL.size
    number = 0
    while number < count:
        name, _, section, _, kind, further = _COFF_SYMBOL.unpack_from(data, table + number * _COFF_SYMBOL.size)
        number += 1 + further
        if kind == _COFF_EXTERNAL:
            is_long = name[:4] == bytes(4)
            text = _text(data, strings + int.from_bytes(name[4:], "little")) if is_long else _plain(name)
            yield text, section > 0


def _text(data: bytes, start: int) -> str:
    end = data.find(b"\0", start)
    if not 0 <= start < end:
        raise IndexError("a name lies outside")
    return _plain(data[start:end])


def _plain(name: bytes) -> str:
    return name.rstrip(b"\0").decode("utf-8", "replace")
