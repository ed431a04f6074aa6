"""What one run of the command line remembers from its options until its end, and how it speaks.

Owns the choice between text and JSON and whether there is colour.  Knows nothing of the commands.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TextIO

import click

from exprc.cli.text import paint
from exprc.diagnostics import Diagnostic
from exprc.source import Source

TEXT, JSON = "text", "json"


class Session:
    """The state of one run: the command line, the form of messages, the program at hand, where reports of bugs go."""

    __slots__ = ("arguments", "memory_limit", "message_form", "report_folder", "source")

    def __init__(self) -> None:
        self.arguments: tuple[str, ...] = ()
        self.memory_limit = ""  # as the user wrote it
        self.message_form = TEXT
        self.source: Source | None = None
        self.report_folder: str | None = None

    def report(self, diagnostics: Sequence[Diagnostic]) -> None:
        """Write diagnostics to the error stream."""
        if not diagnostics:
            return
        from exprc.cli.render import to_json, to_text

        as_json = self.message_form == JSON
        text = to_json(diagnostics) if as_json else to_text(diagnostics, has_colour(sys.stderr))
        with suppress(OSError):  # where nobody can be told, the exit code still tells
            say(text, sys.stderr)


def session() -> Session:
    """That of the command which is running."""
    found = click.get_current_context().find_root().obj
    assert isinstance(found, Session)
    return found


def say(text: str, stream: TextIO | None = None) -> None:
    """Write text that ends as it is; what the stream's encoding lacks becomes an escape."""
    stream = stream or sys.stdout
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def say_file(text: str) -> None:
    """Write what is to become a file: as UTF-8 whatever the locale says, unless a terminal shows it."""
    if sys.stdout.isatty():
        say(text)
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode())
    sys.stdout.buffer.flush()


def bold(text: str) -> str:
    """A heading on standard output."""
    return paint(text, "bold", has_colour(sys.stdout))


def has_colour(stream: TextIO) -> bool:
    """Whether the stream is a terminal and the user did not say no."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
