"""`exprc explain`: the catalog of errors on the screen."""

from __future__ import annotations

import re

import click

from exprc.cli.options import HELP_NAMES
from exprc.cli.session import bold, say
from exprc.errors import ErrorEntry, find_entry, read_catalog


@click.command("explain", context_settings=HELP_NAMES)
@click.argument("code", required=False, shell_complete=lambda context, parameter, start: [
    entry.code for entry in read_catalog() if entry.code.startswith(start.upper())
])  # fmt: skip
def command(code: str | None) -> None:
    """Explain the error or lint CODE, with a program that gives it and one that does not; without CODE list all.

    \b
    Example:
      exprc explain E0402
    """
    if code is None:
        say("".join(f"{bold(entry.code)}  {entry.title}\n" for entry in read_catalog()))
        return
    entry = find_entry(_plain(code))
    if entry is None:
        near = _near(_plain(code))
        hint = f"; near it are {', '.join(sorted(near))}" if near else ""
        raise click.UsageError(f"there is no error {code!r}{hint}; `exprc explain` lists them all")
    say(_page(entry))


def _near(code: str) -> list[str]:
    """The codes next to a number that is none."""
    if not code[1:].isdigit():
        return []
    codes = [one.code for one in read_catalog() if one.code[0] == code[0]]
    return sorted(codes, key=lambda one: abs(int(one[1:]) - int(code[1:])))[:3]


def _plain(code: str) -> str:
    """`E0402` for `e0402`, `402` and `error[E0402]`."""
    found = re.fullmatch(r"(?:\w+\[)?([EL]?)(\d{1,4})\]?:?", code.strip().upper())
    return f"{found[1] or 'E'}{found[2]:0>4}" if found else code


def _page(entry: ErrorEntry) -> str:
    bad, good = ("These give it:", "These do not:") if entry.is_command else ("This gives it:", "This does not:")
    return "\n".join(
        (
            bold(f"{entry.code}: {entry.title}"),
            "",
            entry.explanation,
            "",
            bold(bad if entry.bad.count("\n") > 1 or not entry.is_command else "This gives it:"),
            "",
            _indented(entry.bad),
            bold(good if entry.good.count("\n") > 1 or not entry.is_command else "This does not:"),
            "",
            _indented(entry.good),
        )
    )


def _indented(example: str) -> str:
    return "".join(f"    {line}\n" for line in example.splitlines())
