"""The catalog of errors: what each code means, with a program that gives it and one that does not.

Owns the reading of `errors.txt`, where the entries are; it is read when somebody asks (`exprc explain`), never
to report a diagnostic.  Knows nothing of the rooms that raise the codes.
"""

from __future__ import annotations

import os
from typing import NamedTuple

CATALOG_FILE = os.path.join(os.path.dirname(__file__), "errors.txt")
COMMAND_MARK = "$ "


class ErrorEntry(NamedTuple):
    """One code.  `bad` gives exactly this code and `good` gives none: programs, or commands after `$ `.

    In both `\\xNN` stands for a byte that a text file cannot hold.
    """

    code: str
    title: str
    explanation: str
    bad: str
    good: str

    @property
    def is_command(self) -> bool:
        """Whether the examples are command lines on a `model.expr` that is itself correct."""
        return self.bad.startswith(COMMAND_MARK)


def read_catalog() -> tuple[ErrorEntry, ...]:
    """Every entry, in order of code."""
    with open(CATALOG_FILE, encoding="utf-8") as file:
        return parse_catalog(file.read())


def find_entry(code: str) -> ErrorEntry | None:
    """The entry of a code, in whatever case it is written; None if there is none."""
    wanted = code.strip().upper()
    return next((entry for entry in read_catalog() if entry.code == wanted), None)


def example_bytes(example: str) -> bytes:
    """What a file holding the example consists of, `\\xNN` replaced by the byte."""
    first, *others = example.encode("utf-8").split(b"\\x")
    return first + b"".join(bytes.fromhex(part[:2].decode("ascii")) + part[2:] for part in others)


def parse_catalog(text: str) -> tuple[ErrorEntry, ...]:
    """Read the form that the head of `errors.txt` describes."""
    entries: list[ErrorEntry] = []
    sections: dict[str, list[str]] = {}
    code = title = ""
    current: list[str] = []
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        if line[:1].strip():
            if code:
                entries.append(_entry(code, title, sections))
            code, _, title = line.partition("  ")
            current = []
            sections = {"explanation": current}
        elif line in ("  bad:", "  good:"):
            current = sections[line.strip().rstrip(":")] = []
        else:
            current.append(line[4:])
    return (*entries, _entry(code, title, sections))


def _entry(code: str, title: str, sections: dict[str, list[str]]) -> ErrorEntry:
    explanation, bad, good = ("\n".join(sections[name]).strip("\n") for name in ("explanation", "bad", "good"))
    return ErrorEntry(code, title.strip(), explanation, bad + "\n", good + "\n")
