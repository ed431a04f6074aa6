"""A small reader of 64-bit little-endian ELF: machine, and the symbols that are defined or wanted.

Knows the file format and nothing of what the symbols mean.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct, error
from typing import NamedTuple

ELF_START = b"\x7fELF\x02\x01"  # 64-bit, little-endian
MACHINES = {62: "x86_64", 183: "aarch64", 243: "riscv64"}

_HEADER = Struct("<4s5B7xHHIQQQIHHHHHH")
_SECTION = Struct("<IIQQQQIIQQ")
_SYMBOL = Struct("<IBBHQQ")
_SYMBOL_TABLE, _DYNAMIC_SYMBOL_TABLE = 2, 11
_LOCAL = 0


class Symbol(NamedTuple):
    """A global or weak symbol; `section` 0 means that somebody else has to define it."""

    name: str
    section: int


def is_elf(data: bytes) -> bool:
    """Whether the bytes start as a 64-bit little-endian ELF file does."""
    return data.startswith(ELF_START)


def machine(data: bytes) -> str:
    """The architecture's name as `os.uname` has it, or the number in the header."""
    number = int.from_bytes(data[18:20], "little")
    return MACHINES.get(number, f"machine {number}")


def undefined_symbols(data: bytes) -> tuple[str, ...]:
    """The names that the object or library expects from elsewhere, sorted."""
    return tuple(sorted({symbol.name for symbol in _symbols(data) if symbol.section == 0 and symbol.name}))


def defined_symbols(data: bytes) -> tuple[str, ...]:
    """The names that the object or library gives to others, sorted."""
    return tuple(sorted({symbol.name for symbol in _symbols(data) if symbol.section and symbol.name}))


def _symbols(data: bytes) -> Iterator[Symbol]:
    """The dynamic table of a library, the symbol table of an object.  ValueError: not a file of this form."""
    try:
        sections = _sections(data)
        kind = _DYNAMIC_SYMBOL_TABLE if any(s[1] == _DYNAMIC_SYMBOL_TABLE for s in sections) else _SYMBOL_TABLE
        for section in sections:
            if section[1] == kind:
                yield from _table(data, section, sections[section[6]])
    except (error, IndexError) as problem:
        raise ValueError(f"broken ELF file: {problem}") from None


def _sections(data: bytes) -> list[tuple[int, ...]]:
    if not is_elf(data):
        raise ValueError("not a 64-bit little-endian ELF file")
    header = _HEADER.unpack_from(data)
    offset, size, count = header[11], header[16], header[17]
    return [_SECTION.unpack_from(data, offset + size * index) for index in range(count)]


def _table(data: bytes, table: tuple[int, ...], strings: tuple[int, ...]) -> Iterator[Symbol]:
    for position in range(table[4], table[4] + table[5], _SYMBOL.size):
        name, info, _, section, _, _ = _SYMBOL.unpack_from(data, position)
        if info >> 4 != _LOCAL:
            start = strings[4] + name
            yield Symbol(data[start : data.index(b"\0", start)].decode("utf-8", "replace"), section)
