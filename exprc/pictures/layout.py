"""Places for the boxes of a section and ways for its arrows: the second half of Sugiyama's method.

In each layer the boxes keep their order and their distance, and are otherwise as near as can be to the boxes that they
are connected with (least squares, by pooling neighbours that get in each other's way).  Arrows bend only between the
layers, where there are no boxes, and pass a layer in a column of their own: none goes through a box.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from exprc.pictures.layers import Layered, make_layers

Point = tuple[float, float]
APART, LANE, GAP, MOST_GAP = 22.0, 10.0, 34.0, 110.0
SWEEPS, TRUNK = 12, 4.0  # trunk: how much straighter a long edge wants to be than a short one


class Place(NamedTuple):
    """A rectangle: its left upper corner and its size."""

    x: float
    y: float
    width: float
    height: float


class Way(NamedTuple):
    """One arrow, or the piece of a trunk: from box `source` on; `arrives` at a box, or None at a waypoint.

    Of the points the first and last two are joined by straight lines down, the middle two by a curve.
    """

    source: int
    arrives: int | None
    points: tuple[Point, Point, Point, Point]


class Layout(NamedTuple):
    """Places of boxes, ways of arrows, and the size of it all."""

    places: tuple[Place, ...]
    ways: tuple[Way, ...]
    width: float
    height: float


def lay_out(sizes: Sequence[tuple[float, float]], edges: Sequence[tuple[int, int]]) -> Layout:
    """Places for boxes of these sizes; edges go from smaller to larger numbers."""
    layered = make_layers(len(sizes), edges)
    widths = {vertex: sizes[vertex][0] if vertex < len(sizes) else LANE for layer in layered.layers for vertex in layer}
    centres = _centres(layered, widths)
    left = min((centres[v] - widths[v] / 2 for v in centres), default=0.0)
    centres = {vertex: centre - left for vertex, centre in centres.items()}
    tops, bottoms = _heights(layered, sizes, centres)
    heights = {vertex: number for number, layer in enumerate(layered.layers) for vertex in layer}
    places = []
    for vertex, (width, height) in enumerate(sizes):
        number = heights[vertex]
        y = tops[number] + (bottoms[number] - tops[number] - height) / 2
        places.append(Place(centres[vertex] - width / 2, y, width, height))
    ways = _ways(layered, places, centres, heights, tops, bottoms)
    right = max((centres[v] + widths[v] / 2 for v in centres), default=0.0)
    return Layout(tuple(places), ways, right, bottoms[-1] if bottoms else 0.0)


# ---- across


def _centres(layered: Layered, widths: dict[int, float]) -> dict[int, float]:
    """The middle of every vertex."""
    neighbours: dict[int, list[tuple[int, float]]] = {}
    for source, target in layered.steps:
        weight = TRUNK if source in layered.owner and target in layered.owner else 1.0
        neighbours.setdefault(source, []).append((target, weight))
        neighbours.setdefault(target, []).append((source, weight))
    centres: dict[int, float] = {}
    for layer in layered.layers:
        centres.update(_spread(layer, [0.0] * len(layer), [1.0] * len(layer), widths))
    for sweep in range(SWEEPS):
        for layer in layered.layers if sweep % 2 == 0 else layered.layers[::-1]:
            wanted, weights = [], []
            for vertex in layer:
                others = neighbours.get(vertex, [])
                total = sum(weight for _, weight in others)
                wanted.append(sum(centres[o] * w for o, w in others) / total if others else centres[vertex])
                weights.append(total or 0.1)
            centres.update(_spread(layer, wanted, weights, widths))
    return centres


def _spread(
    layer: Sequence[int], wanted: Sequence[float], weights: Sequence[float], widths: dict[int, float]
) -> dict[int, float]:
    """Places nearest to the wanted ones at which the vertices keep their order and distance."""
    offsets, offset = [], 0.0
    for at, vertex in enumerate(layer):
        if at:
            offset += (widths[layer[at - 1]] + widths[vertex]) / 2 + APART
        offsets.append(offset)
    pools: list[tuple[float, float, int]] = []  # mean of wanted minus offset, weight, members
    for want, weight, offset in zip(wanted, weights, offsets):
        mean, total, members = want - offset, weight, 1
        while pools and pools[-1][0] > mean:
            other, others, more = pools.pop()
            mean = (mean * total + other * others) / (total + others)
            total, members = total + others, members + more
        pools.append((mean, total, members))
    means = [mean for mean, _, members in pools for _ in range(members)]
    return {vertex: mean + offset for vertex, mean, offset in zip(layer, means, offsets)}


# ---- down


def _heights(
    layered: Layered, sizes: Sequence[tuple[float, float]], centres: dict[int, float]
) -> tuple[list[float], list[float]]:
    """Upper and lower end of each layer; where edges go far across, layers are further apart."""
    number = {vertex: at for at, layer in enumerate(layered.layers) for vertex in layer}
    across = [0.0] * len(layered.layers)
    for source, target in layered.steps:
        across[number[source]] = max(across[number[source]], abs(centres[source] - centres[target]))
    tops, bottoms, y = [], [], 0.0
    for at, layer in enumerate(layered.layers):
        tops.append(y)
        y += max((sizes[vertex][1] for vertex in layer if vertex < len(sizes)), default=0.0)
        bottoms.append(y)
        y += min(MOST_GAP, GAP + across[at] / 12)
    return tops, bottoms


def _ways(
    layered: Layered,
    places: Sequence[Place],
    centres: dict[int, float],
    heights: dict[int, int],
    tops: Sequence[float],
    bottoms: Sequence[float],
) -> tuple[Way, ...]:
    arriving: dict[int, list[int]] = {}
    for source, target in layered.steps:
        arriving.setdefault(target, []).append(source)
    ports: dict[tuple[int, int], float] = {}
    for target, sources in arriving.items():
        sources.sort(key=lambda source: centres[source])
        room = places[target].width * 0.6 if target < len(places) else 0.0
        for at, source in enumerate(sources):
            ports[source, target] = centres[target] + room * ((at + 1) / (len(sources) + 1) - 0.5)
    ways = []
    for source, target in layered.steps:
        is_box = target < len(places)
        start = places[source].y + places[source].height if source < len(places) else tops[heights[source]]
        end = places[target].y if is_box else tops[heights[target]]
        out, into = centres[source], ports[source, target]
        points = ((out, start), (out, bottoms[heights[source]]), (into, tops[heights[target]]), (into, end))
        ways.append(Way(layered.owner.get(source, source), target if is_box else None, points))
    return tuple(ways)
