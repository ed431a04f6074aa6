"""Slips that are repeated on a line: one message for all of a kind.  Reached only after an error."""

from __future__ import annotations

from itertools import groupby

from exprc.diagnostics import Diagnostic, Label

MERGED = frozenset(("E0104", "E0106", "E0110"))
MOST_SHOWN_PLACES = 3


def merged(diagnostics: list[Diagnostic]) -> list[Diagnostic]:
    """The diagnostics, in the order of their places, those of one kind on one line as one."""
    return [_as_one(list(group)) for _, group in groupby(diagnostics, _kind)]


def _kind(diagnostic: Diagnostic) -> object:
    if diagnostic.code not in MERGED or not diagnostic.help:
        return id(diagnostic)
    text = diagnostic.notes or (diagnostic.message,)
    return diagnostic.code, diagnostic.labels[0].span.line, text


def _as_one(group: list[Diagnostic]) -> Diagnostic:
    first, *others = group
    if not others:
        return first
    labels = [Label(other.labels[0].span, _said(first, other), False) for other in others[:MOST_SHOWN_PLACES]]
    labels = [label for label in labels if label.span.end > label.span.start]
    edits = tuple(edit for one in group for edit in one.edits)
    notes = (*first.notes, f"{len(group)} times in this line") if len(group) > 1 + MOST_SHOWN_PLACES else first.notes
    labels = [*first.labels, *labels]
    edits = tuple(dict.fromkeys(edits))
    return Diagnostic(first.code, first.message, tuple(labels), notes, first.help, first.severity, edits)


def _said(first: Diagnostic, other: Diagnostic) -> str:
    return "and here" if other.help == first.help else f"and here: {other.help[0]}"
