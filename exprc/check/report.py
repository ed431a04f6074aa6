"""The collecting of diagnostics: each mistake once, with the calls that led to it.

Owns what all messages of this room share.  Knows nothing of what is checked.
"""

from __future__ import annotations

from exprc.check.scopes import Frame
from exprc.diagnostics import Diagnostic, Edit, Label
from exprc.source import Span

NOT_BUILT = "E0601"
LONGEST_TEXT = 40


class Report:
    """Diagnostics in the order in which they were found; the same code at the same place counts once."""

    __slots__ = ("_seen", "errors", "lints")

    def __init__(self) -> None:
        self.errors: list[Diagnostic] = []
        self.lints: list[Diagnostic] = []
        self._seen: set[tuple[str, int, int]] = set()

    def error(
        self,
        code: str,
        message: str,
        primary: Label,
        *others: Label,
        note: str | tuple[str, ...] = (),
        help: str | tuple[str, ...] = (),
        frame: Frame | None = None,
        edits: tuple[Edit, ...] = (),
    ) -> None:
        """Add a mistake; `frame` is the call in whose expansion it showed."""
        labels = (primary, *(_aside(label) for label in others), *_call_labels(frame))
        self._add(self.errors, Diagnostic(code, message, labels, _texts(note), _texts(help), edits=edits))

    def lint(
        self,
        code: str,
        message: str,
        primary: Label,
        *others: Label,
        note: str | tuple[str, ...] = (),
        help: str | tuple[str, ...] = (),
        frame: Frame | None = None,
    ) -> None:
        """Add a remark on a program that compiles; `frame` as of a mistake."""
        labels = (primary, *(_aside(label) for label in others), *_call_labels(frame))
        self._add(self.lints, Diagnostic(code, message, labels, _texts(note), _texts(help), "lint"))

    def mark(self) -> int:
        """How many mistakes there are; `take_back(mark)` forgets those that came after."""
        return len(self.errors)

    def take_back(self, mark: int) -> None:
        """Forget the mistakes of a trial."""
        for diagnostic in self.errors[mark:]:
            self._seen.discard(_key(diagnostic))
        del self.errors[mark:]

    def _add(self, where: list[Diagnostic], diagnostic: Diagnostic) -> None:
        key = _key(diagnostic)
        if key not in self._seen:
            self._seen.add(key)
            where.append(diagnostic)


def shortened(text: str) -> str:
    """A piece of source for a message: one line, not long."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_TEXT else line[: LONGEST_TEXT - 1] + "…"


def quoted(span: Span) -> str:
    """The source at a span, for a message."""
    return f"`{shortened(span.text)}`"


def counted(count: int, noun: str, plural: str = "") -> str:
    """`1 argument`, `2 arguments`."""
    return f"{count} {noun if count == 1 else plural or noun + 's'}"


def listed(words: list[str] | tuple[str, ...], last: str = "and") -> str:
    """`a, b and c`."""
    return f"{', '.join(words[:-1])} {last} {words[-1]}" if len(words) > 1 else "".join(words)


def _texts(given: str | tuple[str, ...]) -> tuple[str, ...]:
    return ((given,) if given else ()) if isinstance(given, str) else tuple(text for text in given if text)


def _aside(label: Label) -> Label:
    return Label(label.span, label.text, False)


def _call_labels(frame: Frame | None) -> tuple[Label, ...]:
    if frame is None:
        return ()
    frames = (frame,) if frame is frame.outermost else (frame, frame.outermost)
    return tuple(Label(f.span, f"in this call of `{f.name}`", False) for f in frames)


def _key(diagnostic: Diagnostic) -> tuple[str, int, int]:
    span = diagnostic.labels[0].span
    return diagnostic.code, span.start, span.end
