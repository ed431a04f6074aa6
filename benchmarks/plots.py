"""Pictures of measurements, drawn as SVG: one line a group, time ratios along a logarithmic axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

import workloads
from measuring import LIBMVEC, C
from peers import OWN, PEERS
from store import Group

LINE, LEFT, WIDTH, TOP, LEGEND = 17, 410, 560, 62, 26
COLOURS = ("#1f6feb", "#d1242f", "#8250df", "#bf8700", "#1a7f37", "#cf5fa2", "#57606a", "#0a9ba8")
STYLE = (
    "svg{background:#fff}text{font:11px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#1a1a1a}"
    ".title{font-size:13px;font-weight:bold}.grid{stroke:#ddd}.one{stroke:#888;stroke-width:1.5}"
    "@media (prefers-color-scheme:dark){svg{background:#161616}text{fill:#ececec}.grid{stroke:#333}}"
)


class Line(NamedTuple):
    """A name and its points, each in a series."""

    name: str
    points: dict[str, float]


def against_c(groups: Sequence[Group]) -> str:
    """The time of exprc over that of each C, by least times; left of 1, exprc is the faster."""
    lines = []
    for group in groups:
        own = group.entries[OWN]
        others = {side: group.entries[side] for side in (C, LIBMVEC) if side in group.entries}
        ran = {side: other for side, other in others.items() if own.count and other.count}
        points = {f"over {side}": own.least / other.least for side, other in ran.items()}
        lines.append(Line(_name(group), points))
    return drawn("exprc at the C ABI: its time over that of C, one thread", lines)


def against_peers(groups: Sequence[Group]) -> str:
    """Each peer's time over that of exprc, by medians, one thread, all arrays in each call; right of 1, exprc wins."""
    lines = []
    for group in groups:
        own = group.entries.get(OWN)
        if group.key.bound or group.key.threads != 1 or own is None or not own.count:
            continue
        found = {peer.name: group.entries[peer.name] for peer in PEERS if peer.name in group.entries}
        ran = {name: entry for name, entry in found.items() if name != OWN and entry.count}
        lines.append(Line(_name(group), {name: entry.median / own.median for name, entry in ran.items()}))
    return drawn("From Python: each peer's time over that of exprc, one thread, all arrays in each call", lines)


def drawn(title: str, lines: Sequence[Line]) -> str:
    """The picture; the empty string where there is nothing to draw."""
    series = list(dict.fromkeys(name for line in lines for name in line.points))
    values = [value for line in lines for value in line.points.values()]
    if not values:
        return ""
    low, high = min(0.5, min(values) / 1.1), max(2.0, max(values) * 1.1)
    scale = WIDTH / math.log(high / low)

    def across(value: float) -> float:
        return LEFT + scale * math.log(value / low)

    height = TOP + LINE * len(lines) + 30
    body = [_text(12, 20, title, "title")]
    place = 12.0
    for index, name in enumerate(series):
        body += [_dot(place + 4, 38, index), _text(place + 12, 42, name)]
        place += LEGEND + 7 * len(name)
    bottom = TOP + LINE * len(lines)
    for tick in _ticks(low, high):
        kind = "one" if tick == 1 else "grid"
        x = f"{across(tick):.1f}"
        body.append(f'<line class="{kind}" x1="{x}" x2="{x}" y1="{TOP - 8}" y2="{bottom}"/>')
        body.append(_text(across(tick) - 4, bottom + 16, f"{tick:g}"))
    for row, line in enumerate(lines):
        middle = TOP + LINE * row + LINE / 2 - 4
        body.append(_text(12, middle + 4, line.name))
        body += [_dot(across(value), middle, series.index(name)) for name, value in line.points.items()]
    start = f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 30}" height="{height}" role="img">'
    return "\n".join([start, f"<title>{escape(title)}</title>", f"<style>{STYLE}</style>", *body, "</svg>\n"])


def _name(group: Group) -> str:
    key = group.key
    return f"{workloads.load(key.workload).TITLE} {key.case} {key.dtype}"


def _ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [tick for tick in (digit * 10.0**power for power in decades for digit in (1, 2, 5)) if low <= tick <= high]


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    attribute = f' class="{kind}"' if kind else ""
    return f'<text{attribute} x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _dot(x: float, y: float, series: int) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{COLOURS[series % len(COLOURS)]}" fill-opacity="0.85"/>'
