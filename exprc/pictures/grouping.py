"""Many things to few groups: runs of neighbours, so that what depends on each other forwards still does in groups.

Knows numbers only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def group_runs(kinds: Sequence[str], single: Sequence[bool], most: int) -> list[list[int]]:
    """The numbers 0 … in groups of neighbours, at most about `most`: alone what is `single`, if there is room for that.

    A group has members of one kind only.  Where arrows go from smaller to larger numbers, they do so between groups.
    """
    if len(kinds) <= most:
        return [[number] for number in range(len(kinds))]
    most = max(4, most * 3 // 5)  # boxes that stand for many have many arrows
    keep = list(single) if 2 * sum(single) < most else [False] * len(kinds)
    runs = _runs(kinds, keep)
    while len(runs) > most and any(keep):
        keep = [False] * len(kinds)
        runs = _runs(kinds, keep)
    crowded = sum(len(run) for run in runs if len(run) > 1)
    room = max(1, most - len(runs))
    length = max(2, -(-crowded // room))
    return [run[start : start + length] for run in runs for start in range(0, len(run), length)]


def group_edges(groups: Sequence[Sequence[int]], edges: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """The edges between different groups, each once, in order."""
    home = {member: number for number, group in enumerate(groups) for member in group}
    found = {(home[source], home[target]) for source, target in edges if home[source] != home[target]}
    return tuple(sorted(found))


def _runs(kinds: Sequence[str], keep: Sequence[bool]) -> list[list[int]]:
    runs: list[list[int]] = []
    for number, kind in enumerate(kinds):
        previous = runs[-1][-1] if runs else -1
        if previous < 0 or keep[number] or keep[previous] or kinds[previous] != kind:
            runs.append([])
        runs[-1].append(number)
    return runs
