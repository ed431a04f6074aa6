"""The code blocks of the manual: what each is, and the commands in them run anew.

In a page a block that is marked

    ```expr             is a program that compiles; it is `model.expr` of the commands after it
    ```expr NAME.expr   the same under another name
    ```expr wrong       is `model.expr` too, but has mistakes, which the next block shows
    ```expr refused     has declarations, an empty line, and statements of which each is refused as not built yet
    ```console          has `$ exprc …` commands, each followed by what it prints
    ```python           is a part of the page's one script, which runs after the commands, with `build` importable

and all others are only read.  `<!-- excerpt: A … B -->` before a console block leaves only the lines of the output from
the first that holds A to the next that holds B.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PROGRAM, CONSOLE, PYTHON = "expr", "console", "python"
MODEL = "model.expr"
WRONG, REFUSED = "wrong", "refused"
PROMPT, CUT = "$ ", "…"
_BLOCK = re.compile(
    r"(?:^<!-- excerpt: (?P<first>.+?) … (?P<last>.+?) -->\n)?"
    r"^```(?P<language>\w+) ?(?P<mark>[^\n]*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """A code block: where its text stands in the page, and what is written beside its language."""

    language: str
    mark: str
    text: str
    start: int
    end: int
    excerpt: tuple[str, str] | None

    @property
    def file(self) -> str:
        """The file that a program is written to."""
        return self.mark if self.mark.endswith(".expr") else MODEL


def blocks_of(page: str) -> Iterator[Block]:
    """The blocks of a page in order."""
    for found in _BLOCK.finditer(page):
        excerpt = (found["first"], found["last"]) if found["first"] else None
        yield Block(found["language"], found["mark"], found["text"], *found.span("text"), excerpt)


def statements_refused(block: Block) -> list[str]:
    """The programs of a block of refused statements: its declarations with one of the statements each."""
    declarations, _, statements = block.text.partition("\n\n")
    return [f"{declarations}\n{statement}\n" for statement in statements.splitlines() if statement.strip()]


def refreshed(page: str) -> str:
    """The page with the output of every command as it is now."""
    parts, end = [], 0
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for block in blocks_of(page):
            if block.language == PROGRAM and block.mark != REFUSED:
                Path(block.file).write_text(block.text, encoding="utf-8")
            elif block.language == CONSOLE:
                parts += [page[end : block.start], _console(block)]
                end = block.end
    return "".join((*parts, page[end:]))


def output_of(command: str) -> str:
    """What `exprc …` prints in the current folder, both streams."""
    from exprc.cli.main import run

    name, *arguments = shlex.split(command)
    if name != "exprc":
        raise ValueError(f"a console block runs exprc only, not {command!r}")
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
        run(arguments)
    return stream.getvalue().replace(os.getcwd(), ".")


def _console(block: Block) -> str:
    lines = []
    for command in (line for line in block.text.splitlines() if line.startswith(PROMPT)):
        printed = output_of(command.removeprefix(PROMPT)).rstrip("\n").splitlines()
        lines += [command, *(_excerpt(printed, *block.excerpt) if block.excerpt else printed)]
    return "".join(f"{line}\n" for line in lines)


def _excerpt(lines: list[str], first: str, last: str) -> list[str]:
    start = next((at for at, line in enumerate(lines) if first in line), -1)
    end = next((at for at, line in enumerate(lines) if at >= start and last in line), -1)
    if start < 0 or end < 0:
        raise ValueError(f"no excerpt from {first!r} to {last!r} in\n" + "\n".join(lines))
    return [CUT] * (start > 0) + lines[start : end + 1] + [CUT] * (end + 1 < len(lines))
