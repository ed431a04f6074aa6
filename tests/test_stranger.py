"""What somebody who meets the compiler for the first time tries: odd values of options."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support import build

from exprc.cli.main import run

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


IMPOSSIBLE = ("n", "n=", "n=x", "n=-1", "n=_5", "n=1__0", "n=1.0", "1=2", f"n={2**63}", f"n={10**30}")


@pytest.mark.parametrize("text", IMPOSSIBLE)
def test_a_size_that_cannot_be_is_refused(text: str, tmp_path: Path, capsys: Captured) -> None:
    program = tmp_path / "model.expr"
    program.write_text("dim n\ninput x : f64[n]\noutput y = 2 * x\n")
    assert run(["check", str(program), "--dim", text]) == 2
    assert "--dim" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["n=0", " n = 1_000", f"n={2**63 - 1}"])
def test_a_size_that_can_be_is_taken(text: str, tmp_path: Path) -> None:
    program = tmp_path / "model.expr"
    program.write_text("dim n\ninput x : f64[n]\noutput y = 2 * x\n")
    assert run(["check", str(program), "--dim", text]) == 0


# ---- results of a scan that nobody wants

COUNTING = "_, b, c = scan s = 0, t = 1 over i in 0..3 { next s + i, t * 2 emit s + t }\noutput c\n"


def run_text(text: str, capsys: Captured, command: str = "run", *more: str) -> tuple[int, str, str]:
    Path("model.expr").write_text(text)
    code = run([command, "model.expr", *more])
    return (code, *capsys.readouterr())


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        (COUNTING.replace("b", "_"), "c = [1 2 5]\n"),
        (
            "P, _, _ = scan s = 0, t = 1 over i in 0..3 { next s + i, t emit t }\noutput P\n",
            "P = [0 1 3]\n",
        ),
        (
            """S = scan s = 0 over i in 0..2 {
                _, _, c = scan u = i, v = 1 over j in 0..2 { next u + v, v emit u }
                s + last(c, 0)
            }
            output S""",
            "S = [1 3]\n",
        ),
    ],
    ids=range(3),
)
def test_several_results_that_are_not_wanted(text: str, printed: str, folder: Path, capsys: Captured) -> None:
    assert run_text(text, capsys) == (0, printed, "")
    checked = run_text(text, capsys, "check")
    assert checked[2] == ""
    assert "definition" not in checked[1]


def test_what_is_thrown_away_has_no_name(folder: Path, capsys: Captured) -> None:
    code, _, error = run_text(COUNTING.replace("b", "_") + "output d = 2 * _\n", capsys, "check")
    assert code == 1
    assert error.startswith("error[E0201]: unknown name `_`")


def test_the_order_of_results_is_told(folder: Path, capsys: Captured) -> None:
    assert "write `_` for a result that is not wanted" in run_text(COUNTING, capsys, "check")[2]
    code, _, error = run_text(COUNTING.replace("_, ", ""), capsys, "check")
    assert code == 1
    assert "in order, `s` and `t` after each step, then 1 value after `emit`" in error


# ---- data


def test_numbers_as_data(folder: Path, capsys: Captured) -> None:
    text = "input a : f32\ninput k : i64\noutput y = a * k\n"
    assert run_text(text, capsys, "run", "--data", "a=-1.5e0", "k=2") == (0, "y = -3.0\n", "")
    assert "takes i64" in run_text(text, capsys, "run", "--data", "a=1", "k=2.5")[2]
    assert "`--data k=0.5` gives a number" in run_text(text, capsys, "run", "--data", "a=1")[2]
    assert "comes as .npz, .npy or .csv" in run_text(text, capsys, "run", "--data", "2.5")[2]


def test_a_file_called_like_a_number(folder: Path, capsys: Captured) -> None:
    Path("1e3").write_text("7")
    text = "input a : f64\noutput y = a\n"
    assert run_text(text, capsys, "run", "--data", "a=1e3")[0] == 1
    assert run_text(text, capsys, "run", "--data", "a=1e4") == (0, "y = 10000.0\n", "")


def test_a_param_that_has_no_value_may_get_one_in_the_program(folder: Path, capsys: Captured) -> None:
    assert "`param w : f64 = 0`" in run_text("param w : f64\nloss E = w^2\n", capsys)[2]


def test_an_array_in_two_files(folder: Path, capsys: Captured) -> None:
    Path("a.csv").write_text("x\n1\n")
    np.savez("b.npz", x=2.0)
    text = "input x : f64\noutput y = x\n"
    assert "`--data x=FILE` says which" in run_text(text, capsys, "run", "--data", "a.csv", "b.npz")[2]


@pytest.mark.parametrize("command", [["run"], ["check", "--grad"]])
def test_no_option_of_a_call_is_advised_for_a_file(command: list[str], folder: Path, capsys: Captured) -> None:
    np.savez("a.npz", w=np.full(2, 0.1))
    text = "dim n\nparam w : f32[n]\nloss E = sum(w^2)\n"
    code, _, error = run_text(text, capsys, *command, "--data", "a.npz")
    assert code == 1
    assert "takes f32\n" in error
    assert "allow_downcast" not in error
    assert "= help: save the array with the declared dtype" in error


def test_a_table_that_is_not_utf_8(folder: Path, capsys: Captured) -> None:
    Path("x.csv").write_bytes("x\n1\n".encode("utf-16"))
    _, _, error = run_text("input x : f64\noutput y = x\n", capsys, "run", "--data", "x.csv")
    assert "cannot read data from `x.csv`: it is not UTF-8: byte 0xff" in error
    assert "codec" not in error


def test_a_misspelt_data_file(folder: Path, capsys: Captured) -> None:
    Path("points.csv").write_text("x\n1\n")
    _, _, error = run_text("input x : f64\noutput y = x\n", capsys, "run", "--data", "point.csv")
    assert "did you mean `points.csv`?" in error


@pytest.mark.parametrize("given", ["x.csv", "./x.csv", "x=x.csv"])
def test_results_do_not_replace_data(given: str, folder: Path, capsys: Captured) -> None:
    Path("x.csv").write_text("x\n1\n")
    text = "input x : f64\noutput y = x\n"
    code, _, error = run_text(text, capsys, "run", "--data", given, "-o", "x.csv")
    assert (code, Path("x.csv").read_text()) == (2, "x\n1\n")
    assert "'x.csv' is one of the data files" in error
    assert run_text(text, capsys, "run", "--data", given, "-o", "y.csv")[0] == 0


# ---- the command line


def test_a_misspelt_command(capsys: Captured) -> None:
    assert run(["chekc", "model.expr"]) == 2
    assert "did you mean 'check'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cumsum", "'cumsum' is not built yet"),
        ("last", "'last' is no operation but a part of the language"),
        ("pi", "a part of the language"),
        ("f32", "a part of the language"),
        ("expp", "did you mean 'exp'"),
    ],
)
def test_what_the_reference_does_not_describe(name: str, words: str, capsys: Captured) -> None:
    assert run(["doc", name]) == 2
    assert words in capsys.readouterr().err


def test_what_is_not_listed_is_counted(folder: Path, capsys: Captured) -> None:
    names = [f"p{at}" for at in range(10)]
    text = f"param {', '.join(names)} : f64\nloss E = ({' + '.join(names)})^2\n"
    assert "`p7`, 2 more" in run_text(text, capsys, "grad", "--wrt", "zzz")[2]
    assert "it has `E`\n" in run_text(text, capsys, "grad", "zzz")[2]


def test_a_report_has_no_empty_section(folder: Path, capsys: Captured) -> None:
    assert "functions" not in run_text("param w : f64\n", capsys, "check")[1]


def test_mistakes_that_fmt_finds_as_json(folder: Path, capsys: Captured) -> None:
    code, printed, error = run_text("loss E = (\n", capsys, "fmt", "--error-format", "json")
    assert (code, printed, json.loads(error)["code"]) == (1, "", "E0102")


@pytest.mark.parametrize("command", [["fmt", "-"], ["graph", "-", "-o", "-"]])
def test_what_becomes_a_file_is_utf_8_in_every_locale(command: list[str]) -> None:
    program = "param μ : f64  ## Größe\nloss E = μ^2\n".encode()
    outputs = []
    for encoding in ("utf-8", "latin-1", "ascii"):
        environment = {**os.environ, "PYTHONIOENCODING": encoding}
        ended = subprocess.run([sys.executable, "-m", "exprc", *command], input=program, capture_output=True,
                               env=environment, check=True, timeout=60)  # fmt: skip
        outputs.append(ended.stdout)
    assert "μ".encode() in outputs[0]
    assert outputs == outputs[:1] * 3


# ---- the module


def test_flat_tells_all_that_it_needs(tmp_path: Path) -> None:
    text = "dim n, h, c\ninput x, y : f64[n]\nparam V : f64[h, c]\nloss E = sum(x * y) + sum(V^2)\n"
    model = build(text, tmp_path)
    with pytest.raises(TypeError, match=r"flat needs x bound: .*line 2\), y bound: "):
        _ = model.E.bind(h=1).flat
    with pytest.raises(TypeError, match=r"needs the sizes h, c: pass h=\.\.\., c=\.\.\."):
        _ = model.E.bind(x=[1], y=[2]).flat
    flat = model.E.bind(x=[1], y=[2], h=2, c=3, copy=True).flat
    assert repr(flat) == f"<{model.__name__}.E.bind(...).flat of V, size 6>"


def test_floats_for_integers_come_with_a_way_out(tmp_path: Path) -> None:
    model = build("input k : i64[2]\noutput y = 2 * k\n", tmp_path)
    for given in (np.array([1.0, 2.0]), [1.0, 2.0]):
        with pytest.raises(TypeError, match=r"takes i64; numpy\.asarray\(k, 'int64'\) converts whole numbers"):
            model.y(k=given)
    np.testing.assert_array_equal(model.y(k=np.asarray([1.0, 2.0], "int64")), [2, 4])
