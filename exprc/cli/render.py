"""Diagnostics to text in the form that rustc made known, and to JSON.

Owns the arrangement on the screen: gutter, carets, several labels on a line, labels over several lines, long lines.
Knows nothing of what the codes mean.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from exprc.cli.text import cut, paint, safe, shown, width
from exprc.diagnostics import MOST_SHOWN, Diagnostic, Label
from exprc.source import Source, Span

LONGEST_LINE = 120
LEFT_CONTEXT = 30
MOST_INNER_LINES = 4


class Place(NamedTuple):
    """A label in lines (1-based) and character columns (0-based, half-open)."""

    first_line: int
    first_column: int
    last_line: int
    last_column: int
    text: str
    primary: bool

    @property
    def mark(self) -> str:
        """The character that underlines it."""
        return "^" if self.primary else "-"

    @property
    def style(self) -> str:
        """The colour of its underline and text."""
        return "error" if self.primary else "gutter"


class Row:
    """A line of the screen under construction: cells of one character, each with a style."""

    __slots__ = ("cells",)

    def __init__(self) -> None:
        self.cells: list[tuple[str, str]] = []

    def put(self, column: int, text: str, style: str = "") -> None:
        """Write over what stands at the column."""
        missing = column + len(text) - len(self.cells)
        self.cells.extend([(" ", "")] * missing)
        self.cells[column : column + len(text)] = [(character, style) for character in text]

    def paint(self, colour: bool) -> str:
        """The row as text, without spaces at its end."""
        parts: list[str] = []
        start = 0
        for end in range(1, len(self.cells) + 1):
            if end == len(self.cells) or self.cells[end][1] != self.cells[start][1]:
                run = "".join(character for character, _ in self.cells[start:end])
                parts.append(paint(run, self.cells[start][1], colour))
                start = end
        return "".join(parts).rstrip()


class Window(NamedTuple):
    """The shown part of a line: its text, and the screen column of each character from `first` on."""

    text: str
    first: int
    columns: tuple[int, ...]

    def column(self, character: int) -> int:
        """The screen column at which a character of the line starts; beyond the end one column a character."""
        index = max(character - self.first, 0)
        beyond = max(index - len(self.columns) + 1, 0)
        return self.columns[min(index, len(self.columns) - 1)] + min(beyond, 1)


def to_text(diagnostics: Sequence[Diagnostic], colour: bool = False) -> str:
    """At most 20 diagnostics with their places, a blank line after each, and a closing line on what was left out."""
    blocks = [diagnostic_text(diagnostic, colour) for diagnostic in diagnostics[:MOST_SHOWN]]
    blocks.extend(_closing_lines(diagnostics, colour))
    return "\n\n".join(blocks) + "\n" if blocks else ""


def to_json(diagnostics: Iterable[Diagnostic]) -> str:
    """One JSON object a line, all of them, in ASCII."""
    return "".join(json.dumps(_as_data(diagnostic)) + "\n" for diagnostic in diagnostics)


def diagnostic_text(diagnostic: Diagnostic, colour: bool = False) -> str:
    """One diagnostic without a newline at its end."""
    head = f"{diagnostic.severity}[{diagnostic.code}]" if diagnostic.code else diagnostic.severity
    lines = [paint(head, diagnostic.severity, colour) + paint(f": {safe(cut(diagnostic.message))}", "bold", colour)]
    groups = _by_source(diagnostic.labels)
    places = [(source, [_place(label) for label in labels]) for source, labels in groups]
    gutter = max((len(str(place.last_line)) for _, group in places for place in group), default=0)
    arrow = "-->"
    for source, group in places:
        main = next((place for place in group if place.primary), group[0])
        where = f"{safe(source.name)}:{main.first_line}:{main.first_column + 1}"
        lines.append(" " * gutter + paint(arrow, "gutter", colour) + " " + where)
        lines.extend(_snippet(source, group, gutter, colour))
        arrow = ":::"
    if places and (diagnostic.notes or diagnostic.help):
        lines.append(_gutter("", gutter, colour))
    for word, texts in (("note", diagnostic.notes), ("help", diagnostic.help)):
        lines.extend(_remark(word, text, gutter, colour) for text in texts)
    return "\n".join(lines)


def _closing_lines(diagnostics: Sequence[Diagnostic], colour: bool) -> list[str]:
    errors = [diagnostic for diagnostic in diagnostics if diagnostic.severity == "error"]
    lines = []
    if len(diagnostics) > MOST_SHOWN:
        lines.append(f"… and {len(diagnostics) - MOST_SHOWN} more")
    if errors:
        count = paint("1 error" if len(errors) == 1 else f"{len(errors)} errors", "error", colour)
        known = next((error.code for error in errors if error.code), None)
        lines.append(f"{count}; `exprc explain {known}` says more" if known else count)
    return lines


def _remark(word: str, text: str, gutter: int, colour: bool) -> str:
    first, *others = [safe(line) for line in cut(text).split("\n")]
    head = " " * gutter + paint(" = ", "gutter", colour) + paint(f"{word}:", word, colour) + f" {first}"
    return "\n".join((head, *(" " * (gutter + len(word) + 5) + line for line in others)))


def _gutter(number: str, digits: int, colour: bool) -> str:
    return paint(f"{number:>{digits}} |", "gutter", colour)


def _by_source(labels: Sequence[Label]) -> list[tuple[Source, list[Label]]]:
    """Labels by file, the file of the primary label first."""
    groups: dict[int, tuple[Source, list[Label]]] = {}
    for label in sorted(labels, key=lambda label: not label.primary):
        groups.setdefault(id(label.span.source), (label.span.source, []))[1].append(label)
    return list(groups.values())


def _place(label: Label) -> Place:
    source, text = label.span.source, label.span.source.text
    start, end = label.span.start, label.span.end
    if start >= len(text) or not text[start:].strip():
        start = end = min(start, len(text.rstrip()))
    while end > start + 1 and text[end - 1] in "\r\n":
        end -= 1
    first_line, first_column = source.line_column(start)
    last_line, last_column = source.line_column(max(end - 1, start))
    return Place(first_line, first_column - 1, last_line, last_column, safe(cut(label.text)), label.primary)


def _snippet(source: Source, places: list[Place], gutter: int, colour: bool) -> list[str]:
    tall = sorted((place for place in places if place.first_line != place.last_line), key=lambda place: place[:2])
    margin = len(tall) + 1 if tall else 0
    rows = [_gutter("", gutter, colour)]
    previous = 0
    for line in _lines_to_show(places):
        if previous and line > previous + 1:
            rows.append(paint("...", "gutter", colour))
        previous = line
        flat = [place for place in places if place.first_line == place.last_line == line]
        ends = [place.last_column - 1 for place in tall if place.last_line == line]
        starts = [place.first_column for place in tall if place.first_line == line]
        for group in _groups_in_reach(flat, starts + ends):
            window = _window(source.line_text(line), group, starts + ends)
            body = Row()
            _bars(body, tall, line, opening=False)
            body.put(margin, window.text)
            drawn = [body, *_flat_rows(group, window, margin, tall, line)]
            if group is flat or not group or group[-1] is flat[-1]:
                drawn.extend(_tall_rows(tall, window, margin, line))
            for index, row in enumerate(drawn):
                start = _gutter(str(line) if index == 0 else "", gutter, colour)
                rows.append(f"{start} {row.paint(colour)}".rstrip())
    return rows


def _lines_to_show(places: list[Place]) -> list[int]:
    """Lines of labels, short insides of labels over several lines, and single lines between two shown ones."""
    lines: set[int] = set()
    for place in places:
        inner = range(place.first_line + 1, place.last_line)
        lines.update((place.first_line, place.last_line), inner if len(inner) <= MOST_INNER_LINES else ())
    ordered = sorted(lines)
    lines.update(low + 1 for low, high in pairwise(ordered) if high == low + 2)
    return sorted(lines)


def _groups_in_reach(places: list[Place], others: list[int]) -> list[list[Place]]:
    """The labels of one line, in groups that fit on the screen together."""
    groups: list[list[Place]] = []
    for place in sorted(places, key=lambda place: (place.first_column, place.last_column)):
        if groups and place.last_column - groups[-1][0].first_column <= LONGEST_LINE - LEFT_CONTEXT:
            groups[-1].append(place)
        else:
            groups.append([place])
    return groups or [[]]


def _window(line: str, group: list[Place], others: list[int]) -> Window:
    """The whole line, or of a very long one the part around the labels."""
    first, last = 0, len(line)
    if last > LONGEST_LINE:
        anchor = min([place.first_column for place in group] + others, default=0)
        first = max(min(anchor - LEFT_CONTEXT, last - LONGEST_LINE), 0)
        last = min(first + LONGEST_LINE, last)
    parts = [shown(character) for character in line[first:last]]
    parts = ["…"] * (first > 0) + parts[first > 0 :]
    columns = [0]
    for part in parts:
        columns.append(columns[-1] + width(part))
    return Window("".join(parts) + "…" * (last < len(line)), first, tuple(columns))


def _bars(row: Row, tall: list[Place], line: int, opening: bool) -> None:
    """The verticals, left of the text, of the labels that are open on this line."""
    for index, place in enumerate(tall):
        below = place.first_line < line if not opening else place.first_line <= line
        if below and line <= place.last_line:
            row.put(index, "|", place.style)


def _flat_rows(group: list[Place], window: Window, margin: int, tall: list[Place], line: int) -> list[Row]:
    """The underlines of a line's labels; the last text beside them, the others below, each under its start."""
    if not group:
        return []
    spots = [(margin + window.column(p.first_column), margin + window.column(p.last_column), p) for p in group]
    underline = Row()
    _bars(underline, tall, line, opening=False)
    for start, end, place in sorted(spots, key=lambda spot: spot[2].primary):
        underline.put(start, place.mark * max(end - start, 1), place.style)
    spots.sort(key=lambda spot: (spot[0], spot[1]))
    start, end, last = spots[-1]
    hanging = [spot for spot in spots if spot[2].text]
    if last.text and all(other[1] <= max(end, start + 1) for other in spots):
        underline.put(len(underline.cells) + 1, last.text, last.style)
        hanging.pop()
    rows = [underline]
    if hanging:
        rows.append(_hangers(hanging, tall, line))
    while hanging:
        start, _, place = hanging.pop()
        row = _hangers([spot for spot in hanging if spot[0] < start], tall, line)
        row.put(start, place.text, place.style)
        rows.append(row)
    return rows


def _hangers(spots: list[tuple[int, int, Place]], tall: list[Place], line: int) -> Row:
    row = Row()
    _bars(row, tall, line, opening=False)
    for start, _, place in spots:
        row.put(start, "|", place.style)
    return row


def _tall_rows(tall: list[Place], window: Window, margin: int, line: int) -> list[Row]:
    """For labels over several lines: the line that closes one, then the lines that open others."""
    rows = []
    closed = [index for index, place in enumerate(tall) if place.last_line == line]
    for index in reversed(closed):
        place, row = tall[index], Row()
        _bars(row, [p for i, p in enumerate(tall) if i not in closed or i <= index], line, opening=False)
        column = margin + window.column(place.last_column - 1)
        row.put(index + 1, "_" * (column - index - 1), place.style)
        row.put(column, f"{place.mark} {place.text}".rstrip(), place.style)
        rows.append(row)
    for index, place in enumerate(tall):
        if place.first_line == line:
            row = Row()
            _bars(row, [p for p in tall if p.last_line > line], line, opening=False)
            column = margin + window.column(place.first_column)
            row.put(index + 1, "_" * (column - index - 1), place.style)
            row.put(column, place.mark, place.style)
            rows.append(row)
    return rows


def _as_data(diagnostic: Diagnostic) -> dict[str, Any]:
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": cut(diagnostic.message),
        "labels": [_label_data(label) for label in diagnostic.labels],
        "notes": [cut(text) for text in diagnostic.notes],
        "help": [cut(text) for text in diagnostic.help],
        "edits": [{**_span_data(edit.span), "replacement": edit.text} for edit in diagnostic.edits],
    }


def _label_data(label: Label) -> dict[str, Any]:
    return {**_span_data(label.span), "text": cut(label.text), "primary": label.primary}


def _span_data(span: Span) -> dict[str, Any]:
    """Where a span is: lines and columns from 1, in characters; `start` and `end` in bytes of the file."""
    line, column = span.source.line_column(span.start)
    end_line, end_column = span.source.line_column(span.end)
    return {
        "file": span.source.name,
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
        "start": span.source.byte_offset(span.start),
        "end": span.source.byte_offset(span.end),
    }
