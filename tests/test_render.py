"""Diagnostics on the screen and as JSON."""

from __future__ import annotations

import json

import pytest

from exprc.cli.render import diagnostic_text, to_json, to_text
from exprc.cli.text import safe, width
from exprc.diagnostics import Diagnostic, Label
from exprc.source import Source, Span


def label(source: Source, text: str, words: str = "", primary: bool = True, nth: int = 0) -> Label:
    """A label at the nth place where the text stands in the source."""
    start = -1
    for _ in range(nth + 1):
        start = source.text.index(text, start + 1)
    return Label(Span(source, start, start + len(text)), words, primary)


def screen(
    *labels: Label, message: str = "something is wrong", notes: tuple[str, ...] = (), help: tuple[str, ...] = ()
) -> str:
    return diagnostic_text(Diagnostic("E0999", message, labels, notes, help)) + "\n"


def test_several_labels_on_a_line_and_remarks() -> None:
    source = Source("model.expr", "dim n, d\nmu = X * b + a\n")
    shown = screen(
        label(source, "+"),
        label(source, "X * b", "`[n, d]`", primary=False),
        label(source, "a", "`[n]`", primary=False),
        message="shapes do not match in `+`",
        notes=("`a` is a vector",),
        help=("index it:\n`a[:, None]`",),
    )
    assert shown == """\
error[E0999]: shapes do not match in `+`
 --> model.expr:2:12
  |
2 | mu = X * b + a
  |      ----- ^ - `[n]`
  |      |
  |      `[n, d]`
  |
  = note: `a` is a vector
  = help: index it:
          `a[:, None]`
"""


def test_lines_apart_and_lines_between() -> None:
    source = Source("m.expr", "".join(f"a{at} = {at}\n" for at in range(1, 13)))
    shown = screen(
        label(source, "a10", "here"),
        label(source, "a12", "", primary=False),
        label(source, "a2", "there", primary=False),
    )
    assert shown == """\
error[E0999]: something is wrong
  --> m.expr:10:1
   |
 2 | a2 = 2
   | -- there
...
10 | a10 = 10
   | ^^^ here
11 | a11 = 11
12 | a12 = 12
   | ---
"""


def test_labels_over_several_lines() -> None:
    source = Source("m.expr", "loss E = sum(w\n   + 3\n   + 4)\n")
    shown = screen(label(source, "(w\n   + 3\n   + 4)", "all this"), label(source, "E", "the loss", primary=False))
    assert shown == """\
error[E0999]: something is wrong
 --> m.expr:1:13
  |
1 |   loss E = sum(w
  |        - the loss
  |  _____________^
2 | |    + 3
3 | |    + 4)
  | |_______^ all this
"""


def test_labels_over_several_lines_inside_each_other() -> None:
    source = Source("m.expr", "f(w\n   + g(3\n   + 4),\n 5)\n")
    outer, inner = "(w\n   + g(3\n   + 4),\n 5)", "(3\n   + 4)"
    shown = screen(label(source, outer, "outer"), label(source, inner, "inner", primary=False))
    assert shown == """\
error[E0999]: something is wrong
 --> m.expr:1:2
  |
1 |    f(w
  |  ___^
2 | |     + g(3
  | | _______-
3 | ||    + 4),
  | ||_______- inner
4 | |   5)
  | |____^ outer
"""


def test_the_middle_of_a_long_span_is_left_out() -> None:
    source = Source("m.expr", "(\n" + "1 +\n" * 20 + "1)\n")
    shown = screen(Label(Span(source, 0, len(source.text) - 1), "long"))
    assert shown.count("\n") == 8
    assert "\n...\n" in shown


def test_wide_characters_tabs_and_controls_keep_the_carets_in_place() -> None:
    source = Source("m.expr", 'a\t= "日本é" + \x1b[31m\u202e + bad\n')
    shown = screen(label(source, "bad", "this"))
    _, _, _, line, marks = shown.splitlines()
    assert line == '1 | a    = "日本é" + \\x1b[31m\\u202e + bad'
    assert width(line.split("bad")[0]) == marks.index("^")
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_what_users_write_is_shown_safely_everywhere() -> None:
    source = Source("a\x1bb.expr", "x\n")
    shown = screen(label(source, "x", "l\x07"), message="m\x1b[2J", notes=("n\u2028",), help=("h\x9b",))
    assert all(character == "\n" or character.isprintable() for character in shown)
    assert safe("a\nb") == "a\\x0ab"


def test_a_very_long_line_is_cut_around_each_label() -> None:
    source = Source("m.expr", "z = " + "x + " * 1000 + "yy" + " + x" * 1000 + "\n")
    shown = screen(label(source, "yy", "here"), label(source, "z", "there", primary=False))
    lines = shown.splitlines()
    assert len(lines) == 7
    assert all(len(line) < 140 for line in lines)
    assert lines[3].startswith("1 | z = x + ")
    assert lines[3].endswith("…")
    assert lines[4] == "  | - there"
    assert lines[5].startswith("1 | …")
    assert lines[5][lines[6].index("^") :].startswith("yy")


@pytest.mark.parametrize("text", ["loss E =", "loss E =\n", "loss E =\n\n  \n"])
def test_the_end_of_the_file_is_where_its_text_ends(text: str) -> None:
    source = Source("m.expr", text)
    shown = screen(Label(Span(source, len(text), len(text)), "an expression"))
    assert shown.splitlines()[1:] == [" --> m.expr:1:9", "  |", "1 | loss E =", "  |         ^ an expression"]


def test_an_empty_file() -> None:
    source = Source("m.expr", "")
    assert screen(Label(Span(source, 0, 0), "nothing")).endswith("1 |\n  | ^ nothing\n")


def test_labels_in_two_files() -> None:
    one, two = Source("one.expr", "a = b\n"), Source("two.expr", "\n\nb = 1\n")
    shown = screen(label(two, "b", "first", primary=False), label(one, "b", "again"))
    assert shown == """\
error[E0999]: something is wrong
 --> one.expr:1:5
  |
1 | a = b
  |     ^ again
 ::: two.expr:3:1
  |
3 | b = 1
  | - first
"""


def test_no_labels() -> None:
    assert screen(help=("do it",)) == "error[E0999]: something is wrong\n = help: do it\n"


def test_at_most_twenty_and_a_count() -> None:
    source = Source("m.expr", "x\n")
    many = [Diagnostic("E0201", f"number {at}", (label(source, "x"),)) for at in range(23)]
    shown = to_text(many)
    assert "number 19" in shown
    assert "number 20" not in shown
    assert shown.endswith("… and 3 more\n\n23 errors; `exprc explain E0201` says more\n")
    assert to_text([]) == ""
    assert "errors" not in to_text([Diagnostic("L0101", "a lint", severity="lint")])


def test_colour_changes_nothing_but_colour() -> None:
    import re

    source = Source("m.expr", "mu = X * b + a\n")
    labels = (label(source, "+", "here"), label(source, "X * b", "left", primary=False))
    diagnostic = Diagnostic("E0401", "wrong", labels, ("a note",), ("help",))
    coloured, plain = to_text([diagnostic], colour=True), to_text([diagnostic])
    assert "\x1b[1;31m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


def test_json_has_one_object_a_line() -> None:
    source = Source("m.expr", "dim n\nmü = X + a\n")
    labels = (label(source, "+", "here"), label(source, "mü", "there", primary=False))
    text = to_json([Diagnostic("E0401", "wrong", labels, ("n",), ("h",)), Diagnostic("L0101", "lint", severity="lint")])
    first, second = [json.loads(line) for line in text.splitlines()]
    assert text.isascii()
    assert (first["code"], first["severity"], first["message"]) == ("E0401", "error", "wrong")
    assert (first["notes"], first["help"]) == (["n"], ["h"])
    assert first["labels"][0] == {
        "file": "m.expr", "line": 2, "column": 8, "end_line": 2, "end_column": 9, "start": 14, "end": 15,
        "text": "here", "primary": True,
    }  # fmt: skip
    assert first["labels"][1]["primary"] is False
    assert second["labels"] == []


def test_a_megabyte_on_one_line_takes_no_time() -> None:
    source = Source("m.expr", "x + " * 300_000)
    marks = [Label(Span(source, at * 40_000, at * 40_000 + 1), "x") for at in range(20)]
    shown = to_text([Diagnostic("E0201", "unknown", (mark,)) for mark in marks])
    assert len(shown) < 20_000
