"""What pictures are made of: items that may become a box each, or share one with their neighbours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from exprc.pictures import Box, Section, group_runs
from exprc.pictures.grouping import group_edges

INPUT, PARAM, VALUE, OUTPUT, LOSS = "input", "param", "value", "output", "loss"
GRADIENT, KERNEL, GROUP = "derivative", "kernel", "group"
_PLURAL = {INPUT: "inputs", PARAM: "params", KERNEL: "kernels"}
_ALONE = frozenset((OUTPUT, LOSS, GRADIENT))
LONGEST, MOST_NAMES = 56, 40


class Item(NamedTuple):
    """A thing with a name, the style of its box, its line in the program (0: none), and how to describe it."""

    name: str
    style: str
    line: int
    describe: Callable[[], Box]


def make_section(title: str, items: Sequence[Item], edges: Sequence[tuple[int, int]], most: int) -> Section:
    """A section of at most about `most` boxes.  Edges go from smaller to larger numbers."""
    kinds = [VALUE if item.style in _ALONE else item.style for item in items]
    groups = group_runs(kinds, [item.style in _ALONE for item in items], most)
    boxes = [items[group[0]].describe() if len(group) == 1 else _shared(title, items, group) for group in groups]
    return Section(title, tuple(boxes), group_edges(groups, edges))


def shortened(text: str, longest: int = LONGEST) -> str:
    """The text on one line, its end left out where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 2]} …"


def about(*parts: str) -> str:
    """A tooltip of the parts that say something."""
    return "\n".join(part for part in parts if part)


def _shared(title: str, items: Sequence[Item], group: Sequence[int]) -> Box:
    members = [items[number] for number in group]
    first, last = members[0], members[-1]
    lines = sorted({member.line for member in members if member.line})
    where = "" if not lines else f"line {lines[0]}" if len(lines) == 1 else f"lines {lines[0]} to {lines[-1]}"
    names = ", ".join(member.name for member in members[:MOST_NAMES])
    more = f" and {len(members) - MOST_NAMES} more" if len(members) > MOST_NAMES else ""
    heading = f"{len(members)} {_PLURAL.get(first.style, 'values')}"
    text = f"{shortened(first.name, 20)} … {shortened(last.name, 20)}"
    return Box(tuple(part for part in (heading, text, where) if part), GROUP, f"{names}{more}")
