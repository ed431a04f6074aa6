"""A diagram as an SVG file: well-formed whatever the texts are, without scripts, the same bytes for the same diagram.

Owns colours, fonts and the one way in which text enters XML.
"""

from __future__ import annotations

from exprc.pictures.diagram import Box, Diagram, Section, columns, visible
from exprc.pictures.layout import Layout, Place, Way, lay_out

COLUMN, LINE, PADDING, MARGIN, TITLE = 7.3, 16.0, 9.0, 24.0, 30.0
ARROW = 6.0
_STYLES = {  # fill and border on light, then on dark
    "input": ("#e7f0fb", "#5b8bc4", "#1c2f45", "#6f9fd8"),
    "param": ("#fdf0dc", "#c98f2c", "#40301a", "#d9a44a"),
    "value": ("#f4f4f4", "#8a8a8a", "#2c2c2c", "#9a9a9a"),
    "output": ("#e6f4e8", "#4c9a58", "#1d3521", "#66b573"),
    "loss": ("#fbe6e6", "#c45b5b", "#421f1f", "#dd7c7c"),
    "derivative": ("#f0e8fa", "#8a62c0", "#2f2440", "#a986d8"),
    "kernel": ("#f4f4f4", "#666666", "#2c2c2c", "#b0b0b0"),
    "group": ("#ffffff", "#8a8a8a", "#1e1e1e", "#9a9a9a"),
}
_BASE = (
    ("svg", "background:#fff"),
    (".page", "fill:#fff"),
    ("text", "font:12px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#1a1a1a"),
    (".heading", "font-weight:bold;font-size:13px"),
    (".name", "font-weight:bold"),
    ("rect", "stroke-width:1.2"),
    (".group", "stroke-dasharray:5 3"),
    ("path", "fill:none;stroke:#7a7a7a;stroke-width:1.2"),
    ("path.tip", "fill:#7a7a7a;stroke:none"),
)
_DARK = (
    ("svg", "background:#161616"),
    (".page", "fill:#161616"),
    ("text", "fill:#ececec"),
    ("path", "stroke:#909090"),
    ("path.tip", "fill:#909090"),
)


def to_svg(diagram: Diagram, mark: str = "") -> str:
    """The picture; `mark` is a comment near its start."""
    parts: list[str] = []
    y, width = MARGIN, columns(visible(diagram.title)) * COLUMN
    for section in diagram.sections:
        if section.title:
            parts.append(_text(MARGIN, y + 14, visible(section.title), "heading"))
            width = max(width, columns(visible(section.title)) * COLUMN * 1.1)
            y += TITLE
        layout = lay_out([_size(box) for box in section.boxes], section.edges)
        parts.append(f'<g transform="translate({_number(MARGIN)},{_number(y)})">\n')
        parts += _ways(section, layout)
        parts += [_box(box, place) for box, place in zip(section.boxes, layout.places)]
        parts.append("</g>\n")
        width, y = max(width, layout.width), y + layout.height + MARGIN
    whole = f"{_number(width + 2 * MARGIN)}", f"{_number(y)}"
    head = [
        '<?xml version="1.0" encoding="UTF-8"?>\n',
        f"<!-- {xml_comment(mark)} -->\n" if mark else "",
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{whole[0]}" height="{whole[1]}"',
        f' viewBox="0 0 {whole[0]} {whole[1]}" role="img">\n',
        f"<title>{xml_text(diagram.title)}</title>\n<style>{_style_sheet(diagram)}</style>\n",
        f'<rect class="page" width="{whole[0]}" height="{whole[1]}"/>\n',
    ]
    return "".join((*head, *parts, "</svg>\n"))


def xml_text(text: str) -> str:
    """Text for the inside of an element or of a quoted attribute; what XML cannot hold becomes an escape."""
    lines = (visible(line) for line in text.split("\n"))
    shown = "\n".join(lines).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return shown.replace('"', "&quot;").replace("'", "&#39;")


def xml_comment(text: str) -> str:
    """Text for the inside of a comment, which must not have two hyphens or end in one."""
    shown = visible(text).replace("--", "- -").replace("--", "- -")
    return shown + " " if shown.endswith("-") else shown


def _size(box: Box) -> tuple[float, float]:
    longest = max(columns(visible(line)) for line in box.lines)
    return max(40.0, longest * COLUMN + 2 * PADDING), len(box.lines) * LINE + PADDING


def _box(box: Box, place: Place) -> str:
    rectangle = " ".join(f'{name}="{_number(value)}"' for name, value in zip(("x", "y", "width", "height"), place))
    rows = []
    for number, line in enumerate(box.lines):
        x, y = place.x + place.width / 2, place.y + PADDING / 2 + LINE * number + 12
        rows.append(_text(x, y, visible(line), "" if number else "name", ' text-anchor="middle"'))
    tooltip = f"<title>{xml_text(box.tooltip)}</title>" if box.tooltip else ""
    return f'<g>{tooltip}<rect class="{box.style}" {rectangle} rx="5"/>\n{"".join(rows)}</g>\n'


def _text(x: float, y: float, text: str, style: str, more: str = "") -> str:
    named = f' class="{style}"' if style else ""
    return f'<text x="{_number(x)}" y="{_number(y)}"{named}{more} xml:space="preserve">{xml_text(text)}</text>\n'


def _ways(section: Section, layout: Layout) -> list[str]:
    lines = []
    for way in layout.ways:
        source = section.boxes[way.source].lines[0]
        target = section.boxes[way.arrives].lines[0] if way.arrives is not None else "…"
        tooltip = xml_text(f"{visible(source)} → {visible(target)}")
        lines.append(f'<g><title>{tooltip}</title><path d="{_curve(way)}"/>{_tip(way)}</g>\n')
    return lines


def _curve(way: Way) -> str:
    (x0, y0), (_, y1), (x2, y2), (_, y3) = way.points
    end = y3 - ARROW if way.arrives is not None else y3
    y2 = min(y2, end)
    middle = (y1 + y2) / 2
    points = f"C{_pair(x0, middle)} {_pair(x2, middle)} {_pair(x2, y2)}"
    return f"M{_pair(x0, y0)} L{_pair(x0, y1)} {points} L{_pair(x2, end)}"


def _tip(way: Way) -> str:
    if way.arrives is None:
        return ""
    x, y = way.points[-1]
    corners = f"M{_pair(x, y)} L{_pair(x - ARROW / 2, y - ARROW)} L{_pair(x + ARROW / 2, y - ARROW)} Z"
    return f'<path class="tip" d="{corners}"/>'


def _style_sheet(diagram: Diagram) -> str:
    used = {box.style for section in diagram.sections for box in section.boxes}
    light = [*_BASE, *((f".{s}", f"fill:{c[0]};stroke:{c[1]}") for s, c in _STYLES.items() if s in used)]
    dark = [*_DARK, *((f".{s}", f"fill:{c[2]};stroke:{c[3]}") for s, c in _STYLES.items() if s in used)]
    return f"{_rules(light)}@media (prefers-color-scheme:dark){{{_rules(dark)}}}"


def _rules(rules: list[tuple[str, str]]) -> str:
    return "".join(f"{selector}{{{body}}}" for selector, body in rules)


def _pair(x: float, y: float) -> str:
    return f"{_number(x)},{_number(y)}"


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
