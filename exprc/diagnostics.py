"""Diagnostics as data, and the three classes of failure with their exit codes.

Owns what a message *is*; `exprc.cli.render` turns it into text or JSON, `exprc.errors` holds the catalog of codes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from exprc.source import Span

EXIT_USER, EXIT_USAGE, EXIT_LIMIT, EXIT_BUG = 1, 2, 3, 70
MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Label:
    """A span with a short text; the primary one is underlined with carets, the others with dashes."""

    span: Span
    text: str = ""
    primary: bool = True


@dataclass(frozen=True, slots=True)
class Edit:
    """What to write in place of the characters of a span; an empty span inserts."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake.  `message` stands alone: lower-case, no full stop; the remedy is in `help` only.

    `edits`, made together, do what the first line of `help` says; they do not overlap.
    """

    code: str
    message: str
    labels: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()
    help: tuple[str, ...] = ()
    severity: str = "error"  # error | warning | lint
    edits: tuple[Edit, ...] = ()


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """The text with the edits made, all of which speak of the text as it is given."""
    for edit in sorted(edits, key=lambda edit: (edit.span.start, edit.span.end), reverse=True):
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    return text


class ExprcError(Exception):
    """Compilation ended with diagnostics.  Subclasses say whose fault it is."""

    exit_code = EXIT_USER

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__("; ".join(d.message for d in diagnostics))
        self.diagnostics = diagnostics


class UserError(ExprcError):
    """The program or the request is wrong."""


class KnownLimit(ExprcError):
    """A form of the language that this version does not build, or a stated bound that is exceeded."""

    exit_code = EXIT_LIMIT


class InternalError(Exception):
    """A bug of exprc: a broken invariant, never the user's fault."""
