"""The reading of `mistakes.txt`: programs with a mistake, and what is said of them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).parent / "mistakes.txt"


class Expected(NamedTuple):
    """A message: its code, its words, the first line of its help, and whether following that repairs the program."""

    code: str
    message: str
    help: str
    fixed: bool


class Mistake(NamedTuple):
    """A program, the parts of it that messages point at, and the messages."""

    title: str
    typical: bool
    text: str
    spans: tuple[tuple[int, int], ...]
    expected: tuple[Expected, ...]


def read_mistakes(file: Path = FILE) -> list[Mistake]:
    """All of them, the typical ones first."""
    _, *blocks = file.read_text(encoding="utf-8").split("\n=== ")
    return [_mistake(block) for block in blocks]


def _mistake(block: str) -> Mistake:
    title, _, rest = block.partition("\n")
    marked, *told = rest.split("--- ")
    expected = [line.strip().split(" | ") for line in told]
    text, spans = _unmarked(marked)
    return Mistake(
        title.removesuffix(" *"),
        title.endswith(" *"),
        text,
        spans,
        tuple(Expected(code, message, help, fixed == "fixed") for code, message, help, fixed in expected),
    )


def _unmarked(marked: str) -> tuple[str, tuple[tuple[int, int], ...]]:
    """The program without its marks, and where they were."""
    first, *parts = marked.split("«")
    text, spans = first, []
    for part in parts:
        inside, _, after = part.partition("»")
        spans.append((len(text), len(text) + len(inside)))
        text += inside + after
    return text, tuple(spans)
