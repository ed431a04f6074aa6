"""What help texts promise: every example runs, every shell completes, references list and suggest."""

from __future__ import annotations

import glob
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest

from exprc.cli.main import COMMANDS, command_line, run

ROOT = Path(__file__).resolve().parent.parent
Captured = pytest.CaptureFixture[str]
MODEL = """dim n, d
input X : f64[n, d]
input y : f64[n]
param w : f64[d]
loss E = sum((X @ w - y)^2)
"""


def examples() -> list[str]:
    context = click.Context(command_line)
    commands = [command_line, *(command_line.get_command(context, name) for name in COMMANDS)]
    found = []
    for command in commands:
        assert command is not None
        text = (command.help or "").partition("Example:\n")[2]
        lines = [line.strip() for line in text.splitlines()]
        assert lines and all(line.startswith("exprc ") for line in lines if line), command.name
        found += [line for line in lines if line]
    return found


@pytest.mark.parametrize("line", examples())
def test_every_example_of_a_help_text_runs(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("model.expr").write_text(MODEL)
    X, y, w = np.eye(3, 2), np.ones(3), np.zeros(2)
    np.savez("data.npz", X=X, y=y, w=w)
    for name, array in (("X", X), ("y", y), ("w", w)):
        np.save(f"{name}.npy", array)
    Path("start.csv").write_text("0\n1\n")
    Path("table.csv").write_text("y,t,age,height\n1,2,1,0\n3,4,0,1\n5,6,1,1\n")
    command, _, into = line.partition(" > ")
    command, _, source = command.partition(" < ")
    if source:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(Path(source).read_bytes())))
    words = [found for word in shlex.split(command)[1:] for found in (sorted(glob.glob(word)) or [word])]
    assert run(words) == 0, capfd.readouterr().err
    printed = capfd.readouterr()
    assert "Error" not in printed.err
    assert printed.out or printed.err or words[0] == "fmt"
    for word in words[words.index("-o") + 1 :][:1] if "-o" in words else []:
        assert Path(word).exists()
    assert not into or printed.out


def test_every_command_is_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text()
    assert [name for name in COMMANDS if f"`exprc {name}" not in text] == []


# ---- completion


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_for_shells(shell: str, capsys: Captured) -> None:
    assert run(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert f"_EXPRC_COMPLETE={shell}_complete" in script
    if shutil.which(shell):
        done = subprocess.run([shell, "-n"], input=script, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "at", "expected"),
    [
        ("exprc gr", 1, {"grad", "graph"}),
        ("exprc build model.expr --max", 3, {"--max-memory", "--max-time"}),
        ("exprc graph model.expr --of ", 4, {"model", "derivative", "kernels"}),
        ("exprc completion f", 2, {"fish"}),
        ("exprc explain e010", 2, {f"E010{at}" for at in range(1, 10)}),
        ("exprc doc soft", 2, {"softmax", "softplus"}),
    ],
)
def test_what_is_completed(words: str, at: int, expected: set[str]) -> None:
    environment = {**os.environ, "_EXPRC_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(at)}
    command = [sys.executable, "-m", "exprc"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, cwd=ROOT)
    assert done.stderr == ""
    assert {line.partition(",")[2] for line in done.stdout.splitlines()} == expected


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("exprc check mo", "file"),
        ("exprc fmt one.expr mo", "file"),
        ("exprc run model.expr --data mo", "file"),
        ("exprc run model.expr --data one.csv mo", "file"),
        ("exprc run model.expr -o mo", "file"),
        ("exprc check model.expr --grad --data mo", "file"),
        ("exprc graph model.expr -o mo", "file"),
        ("exprc build model.expr -o mo", "dir"),
    ],
)
def test_where_a_shell_completes_files(words: str, kind: str) -> None:
    environment = {"_EXPRC_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    command = [sys.executable, "-m", "exprc"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | environment, timeout=60, cwd=ROOT)
    assert (done.stdout.split(), done.stderr) == ([f"{kind},mo"], "")


# ---- references


def test_the_lists_are_sorted(capsys: Captured) -> None:
    assert run(["explain"]) == 0
    codes = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert codes == sorted(codes)
    assert run(["doc"]) == 0
    families = capsys.readouterr().out.split("\n\n")
    assert families[0].startswith("Operators\n")
    for family in families[1:]:
        names = [re.split(r"\W", line.strip())[0] for line in family.strip().splitlines()[1:]]
        assert names == sorted(names)


@pytest.mark.parametrize("code", ["E0402", "e0402", " e402", "402", "error[E0402]"])
def test_codes_are_found_as_they_are_written(code: str, capsys: Captured) -> None:
    assert run(["explain", code]) == 0
    assert capsys.readouterr().out.startswith("E0402: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("explain E0499", "there is no error 'E0499'; near it are E0501, E0502, E04"),
        ("explain nothing", "there is no error 'nothing'; `exprc explain` lists them all"),
        ("doc summ", "there is no operation 'summ'; did you mean 'sum'"),
        ("doc Sum", "did you mean 'sum'?"),
        ("doc qqqqq", "`exprc doc` lists them all"),
        ("doc scan", "'scan' is no operation but a part of the language"),
    ],
)
def test_what_is_not_there(arguments: str, message: str, capsys: Captured) -> None:
    assert run(arguments.split()) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert message.partition("E05")[0] in error


def test_an_operator_in_both_spellings(capsys: Captured) -> None:
    assert run(["doc", "^"]) == 0
    page = capsys.readouterr().out
    assert run(["doc", "**"]) == 0
    assert capsys.readouterr().out == page
