"""The catalog of errors: every bad example gives exactly its code and every good one none, through the commands."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
from pathlib import Path

import numpy as np
import pytest

from exprc.cli.main import run
from exprc.errors import ErrorEntry, example_bytes, find_entry, parse_catalog, read_catalog

CATALOG = read_catalog()
LIMITS = ("E0601", "E0602", "E0604", "E0605")
MODEL = """dim n
input x : f64[n]
param w : f64
loss E = sum((x - w)^2)
"""
NO_LOSS = "param w : f64\noutput p = w^2\n"

needs_pipeline = pytest.mark.skipif(importlib.util.find_spec("exprc.driver") is None, reason="there is no driver yet")


def expected_status(entry: ErrorEntry) -> int:
    return 3 if entry.code in LIMITS else 0 if entry.code.startswith("L") else 1


def codes(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    """The exit status of a command and the codes that it reports."""
    status = run([*arguments, "--error-format", "json"])
    lines = capfd.readouterr().err.splitlines()
    assert all(line.startswith("{") for line in lines), lines
    return status, [json.loads(line)["code"] for line in lines]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with what the command lines of the catalog name."""
    (tmp_path / "model.expr").write_text(MODEL)
    (tmp_path / "noloss.expr").write_text(NO_LOSS)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "model.py").write_text("print('mine')\n")
    np.savez(tmp_path / "data.npz", x=np.arange(4.0), w=1.0)
    np.savez(tmp_path / "other.npz", x=np.ones((4, 4)), w=1.0)
    (tmp_path / "start.expr").write_text("input x : f64\nparam w : f64 = 0\nloss E = (x - w)^2\n")
    for name in ("x", "w"):
        np.save(tmp_path / f"{name}.npy", 2.0)
    monkeypatch.chdir(tmp_path)
    return tmp_path


HOSTILE = {
    "escape": b"input x : f64\noutput y = x\x1b]0;title\x07 + 1\n",
    "no UTF-8": b"input x : f64\noutput y = \xff\xfe\n",
    "null": b"input x : f64\0\n",
    "reversed": "output y = 1 \u202e + q\n".encode(),
    "separator": "output y = q\u2028 + \u2029r\n".encode(),
    "surrogate": b"output y = \xed\xa0\x80\n",
    "quotes": b'output y = q + "a\\"</script>]]>\n',
    "beyond the basic plane": "output y = \U0001d54f + \U0001f600\n".encode(),
    "marks": "output y = q\u0301\u0301 + 1\n".encode(),
    "carriage returns": b"output y = q\r + \r\n",
    "many": b"output y = " + b"(" * 5000,
    "a long line": b"output y = q" + b" + q" * 20_000 + b"\n",
}


@needs_pipeline
@pytest.mark.parametrize("command", ["check", "grad", "build"])
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_json_for_hostile_programs(
    text: bytes, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """One object a line, lines that every reader splits alike, bounded length, and nothing that a terminal obeys."""
    monkeypatch.chdir(tmp_path)
    Path("model.expr").write_bytes(text)
    assert run([command, "model.expr", "--error-format", "json"]) in (0, 1, 3)
    written = capfd.readouterr().err
    assert written.isascii() and written.replace("\n", "").isprintable()
    assert len(written) < 100_000
    for line in written.splitlines():
        told = json.loads(line)
        assert set(told) >= {"code", "message", "severity"}


def run_commands(
    example: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> tuple[int, list[str]]:
    """Carry out the `$ ` lines of an example, each of which may set variables first."""
    found: list[str] = []
    status = 0
    for line in example.splitlines():
        words = shlex.split(line.removeprefix("$ "))
        with monkeypatch.context() as patch:
            while "=" in words[0]:
                name, _, value = words.pop(0).partition("=")
                patch.setenv(name, value)
            assert words.pop(0) == "exprc"
            status, reported = codes(words, capfd)
        found += reported
    return status, found


@needs_pipeline
@pytest.mark.parametrize("entry", [entry for entry in CATALOG if not entry.is_command], ids=lambda entry: entry.code)
def test_examples_that_are_programs(entry: ErrorEntry, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    program = tmp_path / "example.expr"
    program.write_bytes(example_bytes(entry.bad))
    assert codes(["check", str(program)], capfd) == (expected_status(entry), [entry.code])
    program.write_bytes(example_bytes(entry.good))
    assert codes(["check", str(program)], capfd) == (0, [])


@needs_pipeline
@pytest.mark.parametrize("entry", [entry for entry in CATALOG if entry.is_command], ids=lambda entry: entry.code)
def test_examples_that_are_commands(
    entry: ErrorEntry, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_commands(entry.bad, monkeypatch, capfd) == (expected_status(entry), [entry.code])
    status, found = run_commands(entry.good, monkeypatch, capfd)
    assert status == 0
    assert not [code for code in found if code.startswith("E")]


def test_codes_are_in_order_and_each_is_there_once() -> None:
    listed = [entry.code for entry in CATALOG]
    assert listed == sorted(set(listed))


@pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry.code)
def test_entries_are_complete(entry: ErrorEntry) -> None:
    assert entry.title
    assert not entry.title.endswith(".")
    assert len(entry.explanation) > 20
    assert entry.explanation.endswith((".", "`"))
    assert entry.bad.strip() != entry.good.strip()
    assert entry.is_command == entry.good.startswith("$ ")


def test_an_entry_is_found_in_any_case() -> None:
    assert find_entry(" e0401") == find_entry("E0401")
    assert find_entry("E9999") is None


def test_bytes_of_examples() -> None:
    assert example_bytes("a\\x00é\\xff\n") == b"a\x00\xc3\xa9\xff\n"


def test_the_form_of_the_catalog() -> None:
    text = """\
# a comment
E0001  one
    why.

  bad:
    a
      b

  good:
    # c

E0002  two
    so.
  bad:
    x
  good:
    y
"""
    first, second = parse_catalog(text)
    assert first == ErrorEntry("E0001", "one", "why.", "a\n  b\n", "# c\n")
    assert second == ErrorEntry("E0002", "two", "so.", "x\n", "y\n")


def test_the_catalog_is_in_the_package() -> None:
    import exprc.errors

    assert os.path.dirname(exprc.errors.CATALOG_FILE) == os.path.dirname(exprc.errors.__file__)
