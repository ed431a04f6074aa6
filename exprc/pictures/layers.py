"""Layers of a directed graph and the order within each: the first half of Sugiyama's method.

A layer is the longest way from a source; an edge over several layers passes through waypoints, one for each source and
layer, so that long edges of one source share a trunk.  The order is found by barycentres.  Knows numbers only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

SWEEPS = 8


class Layered(NamedTuple):
    """Vertices 0 … count - 1 are the boxes, those after them waypoints; `steps` go from one layer to the next.

    `owner` gives for each waypoint the box whose edges pass through it.
    """

    layers: tuple[tuple[int, ...], ...]
    steps: tuple[tuple[int, int], ...]
    owner: dict[int, int]


def make_layers(count: int, edges: Sequence[tuple[int, int]]) -> Layered:
    """Layers with waypoints, ordered so that few edges cross.  Edges go from smaller to larger numbers."""
    level = _levels(count, edges)
    steps: set[tuple[int, int]] = set()
    owner: dict[int, int] = {}
    waypoints: dict[tuple[int, int], int] = {}
    for source, target in edges:
        previous = source
        for height in range(level[source] + 1, level[target]):
            waypoint = waypoints.get((source, height))
            if waypoint is None:
                waypoint = waypoints[source, height] = len(level)
                level.append(height)
                owner[waypoint] = source
            steps.add((previous, waypoint))
            previous = waypoint
        steps.add((previous, target))
    layers: list[list[int]] = [[] for _ in range(max(level, default=-1) + 1)]
    for vertex, height in enumerate(level):
        layers[height].append(vertex)
    ordered = tuple(sorted(steps))
    return Layered(_with_few_crossings(layers, ordered), ordered, owner)


def crossings(layers: Sequence[Sequence[int]], steps: Sequence[tuple[int, int]]) -> int:
    """How many pairs of steps between the same two layers cross."""
    place = {vertex: at for layer in layers for at, vertex in enumerate(layer)}
    height = {vertex: number for number, layer in enumerate(layers) for vertex in layer}
    between: list[list[tuple[int, int]]] = [[] for _ in layers]
    for source, target in steps:
        between[height[source]].append((place[source], place[target]))
    return sum(_inversions([target for _, target in sorted(ends)]) for ends in between)


def _levels(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """Longest ways from the sources; a source then moves down to where it is needed first."""
    level = [0] * count
    following: list[list[int]] = [[] for _ in range(count)]
    has_source = [False] * count
    for source, target in edges:
        following[source].append(target)
        has_source[target] = True
    for vertex in range(count):
        for target in following[vertex]:
            level[target] = max(level[target], level[vertex] + 1)
    for vertex in range(count):
        if following[vertex] and not has_source[vertex]:
            level[vertex] = min(level[target] for target in following[vertex]) - 1
    return level


def _with_few_crossings(layers: list[list[int]], steps: Sequence[tuple[int, int]]) -> tuple[tuple[int, ...], ...]:
    above: dict[int, list[int]] = {}
    below: dict[int, list[int]] = {}
    for source, target in steps:
        above.setdefault(target, []).append(source)
        below.setdefault(source, []).append(target)
    best, fewest = [list(layer) for layer in layers], crossings(layers, steps)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        downwards = sweep % 2 == 0
        for layer, fixed in zip(layers[1:], layers) if downwards else zip(layers[-2::-1], layers[::-1]):
            _sort_by_barycentre(layer, fixed, above if downwards else below)
        found = crossings(layers, steps)
        if found < fewest:
            best, fewest = [list(layer) for layer in layers], found
    return tuple(tuple(layer) for layer in best)


def _sort_by_barycentre(layer: list[int], fixed: Sequence[int], neighbours: dict[int, list[int]]) -> None:
    """Sort a layer by the mean places of the neighbours; who has none stays about where it is."""
    place = {vertex: at / max(1, len(fixed) - 1) for at, vertex in enumerate(fixed)}
    wanted = {}
    for at, vertex in enumerate(layer):
        others = neighbours.get(vertex, ())
        wanted[vertex] = sum(place[o] for o in others) / len(others) if others else at / max(1, len(layer) - 1)
    layer.sort(key=lambda vertex: wanted[vertex])


def _inversions(values: list[int]) -> int:
    """How many pairs stand in the wrong order: by merging, in n log n."""
    count, width = 0, 1
    while width < len(values):
        merged: list[int] = []
        for start in range(0, len(values), 2 * width):
            left, right = values[start : start + width], values[start + width : start + 2 * width]
            at = 0
            for value in left:
                while at < len(right) and right[at] < value:
                    merged.append(right[at])
                    at += 1
                count += at
                merged.append(value)
            merged += right[at:]
        values, width = merged, 2 * width
    return count
