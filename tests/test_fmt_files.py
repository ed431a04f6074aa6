"""`exprc fmt` on files, and comments in every position."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from exprc.cli.main import run
from exprc.source import Source
from exprc.syntax import ast
from exprc.syntax.format import format_program
from exprc.syntax.parse import parse

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = sorted([*(ROOT / "examples").glob("*.expr"), *(ROOT / "tests" / "programs" / "good").glob("*.expr")])
Captured = pytest.CaptureFixture[str]
UGLY, CANONICAL = "a=1;b   =2 # two\n", "a = 1\nb = 2  # two\n"

COMMENTS = r"""
# alone
---
dim n # after
---
dim n#glued
---
   # indented before
dim n
---
dim n, # in a list
    m  # after the list
---
dim n

# between

dim m
---
## model

## doc of n
dim n
---
input x : f64[ # open bracket
    3 # size
] # closed
---
a = ( # open
    1 + # plus
    # own line
    2 # two
    # last
) # end
---
a = 1 + # operator at the end
    2
---
a = if true # condition
    then 1 # yes
    else 2 # no
---
fn f(x) = # body follows
    x
---
fn f(x, # first
     y # second
    ) = x + y
---
fn f(x) { # block
    # first line
    a = x # local

    # between
    a * a # result
    # last in block
} # after block
---
fn f(x) {
    # only comment and result
    x
}
---
fn f(x) { ; # a
 ; # b
 x ; # c
 ; # d
 }
---
H = scan h = 0 # state
    over t in 0..3 # sequence
    { # body
        # in body
        h + t # step
    } # done
---
H = scan h = 0 over t in 0..3 { next h + t # with next
}
---
a = [1, # one
     2, # two
     # three
     3]
---
a = f(x, # positional
      axis = 1 # keyword
      )
---
a = 1; b = 2 # two on a line
---
a = 1; # after a semicolon
b = 2
---
;;; # only separators
a = 1
---
a = 1 # x
; # beside a separator
b = 2
---
; # nothing else
---
a = 1 ## doc beside
## doc above
b = 2
---
#!strange
#
##
###
#### heading ####
a = 1
---
a = 1 # "quotes" 'and' `ticks` \ ( [ {
---
a = "a # in a string" # outside
---
a = 1 # übergrößenträger ✓ 数
b = 2 # x
---
# one
# two

# three


# four
a = 1


# five
---
a = x[ # index
      1: # from
      , # all
      None]
---
a = -( # sign
  1)
---
a = 1 +

# after an empty line

2
---
loss E = sum[ # over
  i in 0..3 # range
  ]( # body
  i # term
  )
---
use "a.expr" # file
update w <- # rule
  w - 1 # step
---
a =     # aligned
  1       # more
bb = 2  # less
---
require n == # size
  3
"""
PLACES = COMMENTS.strip("\n").split("\n---\n")


def plain(program: ast.Program) -> list[str]:
    return [comment.text.lstrip("#").strip() for comment in program.comments]


def statements(program: ast.Program) -> ast.Program:
    return ast.Program(program.statements, program.doc, (), program.span)


@pytest.mark.parametrize("end", ["", "\n"], ids=["cut", "whole"])
@pytest.mark.parametrize("text", PLACES, ids=range(len(PLACES)))
def test_comments_are_kept_in_every_position(text: str, end: str) -> None:
    before = parse(Source("before", text + end))
    formatted = format_program(Source("before", text + end))
    after = parse(Source("after", formatted))
    assert plain(after) == plain(before)
    assert ast.same(statements(after), statements(before))
    assert format_program(Source("after", formatted)) == formatted


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.name)
def test_our_programs_are_in_canonical_form(path: Path) -> None:
    assert run(["fmt", "--check", str(path)]) == 0


# ---- files


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("a.expr").write_text(UGLY)
    return tmp_path


def test_a_file_is_formatted_once(capsys: Captured) -> None:
    os.chmod("a.expr", 0o640)
    assert run(["fmt", "--check", "a.expr"]) == 1
    assert Path("a.expr").read_text() == UGLY
    assert run(["fmt", "a.expr"]) == 0
    assert Path("a.expr").read_text() == CANONICAL
    assert os.stat("a.expr").st_mode & 0o777 == 0o640
    identity = os.stat("a.expr").st_ino
    assert run(["fmt", "a.expr"]) == run(["fmt", "--check", "a.expr"]) == 0
    assert os.stat("a.expr").st_ino == identity
    assert capsys.readouterr().err == "would change a.expr\nformatted a.expr\n"
    assert os.listdir() == ["a.expr"]


def test_links_lead_to_what_is_formatted() -> None:
    Path("deep").mkdir()
    os.rename("a.expr", "deep/a.expr")
    os.symlink("deep/a.expr", "link.expr")
    assert run(["fmt", "link.expr"]) == 0
    assert Path("link.expr").is_symlink()
    assert Path("deep/a.expr").read_text() == CANONICAL
    assert os.listdir("deep") == ["a.expr"]


def test_mistakes_leave_a_file_as_it_is_and_do_not_stop_the_others(capsys: Captured) -> None:
    Path("bad.expr").write_text("a=(1\n")
    Path("c.expr").write_text(UGLY)
    assert run(["fmt", "bad.expr", "missing.expr", "a.expr", "c.expr"]) == 1
    error = capsys.readouterr().err
    assert "--> bad.expr:1" in error
    assert "cannot read `missing.expr`" in error
    assert Path("bad.expr").read_text() == "a=(1\n"
    assert Path("a.expr").read_text() == Path("c.expr").read_text() == CANONICAL


@pytest.mark.parametrize("marks", [b"\xef\xbb\xbf", b""])
def test_marks_and_returns_go(marks: bytes) -> None:
    Path("a.expr").write_bytes(marks + CANONICAL.replace("\n", "\r\n").encode())
    assert run(["fmt", "--check", "a.expr"]) == 1
    assert run(["fmt", "a.expr"]) == 0
    assert Path("a.expr").read_bytes() == CANONICAL.encode()


def test_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    for arguments, text, status, printed in (
        (["-"], UGLY, 0, CANONICAL), (["-", "--check"], UGLY, 1, ""), (["-", "--check"], CANONICAL, 0, ""),
        (["-"], "a = (", 1, ""),
    ):  # fmt: skip
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        assert run(["fmt", *arguments]) == status
        assert capsys.readouterr().out == printed


def test_what_may_not_be_written(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("exprc.cli.files.os.replace", refuse)
        assert run(["fmt", "a.expr"]) == 1
    assert "cannot write `a.expr`: no space left on device" in capsys.readouterr().err
    with monkeypatch.context() as patch:
        patch.setattr("exprc.cli.files.os.access", lambda *_: False)
        assert run(["fmt", "a.expr"]) == 1
    assert "cannot write `a.expr`: permission denied" in capsys.readouterr().err
    assert Path("a.expr").read_text() == UGLY
    assert os.listdir() == ["a.expr"]


def test_a_file_without_end(capsys: Captured) -> None:
    assert run(["fmt", "/dev/zero"]) == 1
    assert "it is no regular file" in capsys.readouterr().err
