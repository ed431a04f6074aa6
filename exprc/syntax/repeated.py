"""Slips that are repeated: one message for all of a kind.  Reached only after an error."""

from __future__ import annotations

from exprc.diagnostics import Diagnostic, Label

ON_A_LINE = frozenset(("E0106",))
IN_A_FILE = frozenset(("E0104", "E0110"))  # ways of writing, which go through a whole text
MOST_SHOWN_PLACES = 3


def merged(diagnostics: list[Diagnostic]) -> list[Diagnostic]:
    """The diagnostics, in the order of their places, those of one kind as one at the first place."""
    groups: dict[object, list[Diagnostic]] = {}
    for diagnostic in diagnostics:
        groups.setdefault(_kind(diagnostic), []).append(diagnostic)
    return [_as_one(group) for group in groups.values()]


def _kind(diagnostic: Diagnostic) -> object:
    code, text = diagnostic.code, diagnostic.notes or (diagnostic.message,)
    if diagnostic.help and code in IN_A_FILE:
        return code, text
    if diagnostic.help and code in ON_A_LINE:
        return code, diagnostic.labels[0].span.line, text
    return id(diagnostic)


def _as_one(group: list[Diagnostic]) -> Diagnostic:
    first, *others = group
    if not others:
        return first
    where = "in this line" if first.code in ON_A_LINE else "in this file"
    labels = [Label(other.labels[0].span, _said(first, other), False) for other in others[:MOST_SHOWN_PLACES]]
    labels = [label for label in labels if label.span.end > label.span.start]
    edits = tuple(edit for one in group for edit in one.edits)
    notes = (*first.notes, f"{len(group)} times {where}") if len(group) > 1 + MOST_SHOWN_PLACES else first.notes
    labels = [*first.labels, *labels]
    edits = tuple(dict.fromkeys(edits))
    return Diagnostic(first.code, first.message, tuple(labels), notes, first.help, first.severity, edits)


def _said(first: Diagnostic, other: Diagnostic) -> str:
    return "and here" if other.help == first.help else f"and here: {other.help[0]}"
