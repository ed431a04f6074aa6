"""`exprc check --grad`: right derivatives agree with differences, others do not."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from exprc import driver
from exprc.cli.main import run
from exprc.driver.comparison import Row, _difference
from exprc.source import Source

FOLDER = Path(__file__).parent / "programs" / "good"
PROGRAMS = [path for path in sorted(FOLDER.glob("*.expr")) if re.search(r"^loss", path.read_text(), re.M)]
Captured = pytest.CaptureFixture[str]


def compare(text: str) -> dict[str, Row]:
    rows = driver.compare(Source("model.expr", text), driver.Options(), None)
    return {f"d{row.loss}/d{row.param}": row for row in rows}


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_our_programs(path: Path) -> None:
    rows = compare(path.read_text())
    assert rows
    assert [name for name, row in rows.items() if not row.agrees] == []


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("dim n, d, k\ninput X : f64[n, d]\nparam W : f64[d, k]\nloss E = sum(exp(X @ W) / 9)\n", {"dE/dW": (20, 20)}),
        ("dim n\nparam w : f32[n]\nloss E = sum(w^3 / 10)\n", {"dE/dw": (3, 3)}),
        ("dim n\nparam w : f64[30 * n]\nloss E = sum(sin(w))\n", {"dE/dw": (40, 90)}),
        ("param w : f64\nloss E = log(w) + sqrt(w)\n", {"dE/dw": (1, 1)}),
        ("dim n\ninput S : f64[n, n]\nparam w : f64[n]\nL = cholesky(S)\nloss E = sum((L @ w)^2)\n", {"dE/dw": (3, 3)}),
        ("dim n\ninput x : f64[n - 4]\nparam w : f64[n]\nloss E = sum(w) * sum(x)\n", {"dE/dw": (5, 5)}),
        (
            "dim n\ninput k : i64[n]\ninput c : bool[n]\nparam w : f64\nloss E = sum(where(c, w^2, w) * k)\n",
            {"dE/dw": (1, 1)},
        ),
        (
            "param a : f64\nparam b : f64\nloss E = abs(a) * b\nloss F = a\n",
            {"dE/da": (1, 1), "dE/db": (1, 1), "dF/da": (1, 1)},
        ),
    ],
    ids=range(8),
)
def test_derivatives_that_agree(text: str, entries: dict[str, tuple[int, int]]) -> None:
    rows = compare(text)
    assert {name: (row.compared, row.entries) for name, row in rows.items()} == entries
    assert [name for name, row in rows.items() if not row.agrees] == []


@pytest.mark.parametrize(
    "loss", ["stop_gradient(w) * w", "w^2 + 1e-4 * stop_gradient(w)", "stop_gradient(w)^2 + 0 * w"], ids=range(3)
)
def test_derivatives_that_differ(loss: str, tmp_path: Path, capsys: Captured) -> None:
    program = tmp_path / "model.expr"
    program.write_text(f"param w : f64\nparam v : f64\nloss E = {loss} + v^2\n")
    assert run(["check", str(program), "--grad"]) == 1
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()[1:]}
    assert "  agrees  " in lines["dE/dv"]
    assert "  DIFFERS  " in lines["dE/dw"]


def test_on_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.chdir(tmp_path)
    Path("model.expr").write_text(
        "dim n\ninput x : f64[n]\nparam w : f64[n]\nparam b : f64 = 1\nloss E = sum(log(x * w + b))\n"
    )
    np.savez("data.npz", x=np.array([1.0, 2.0]), w=np.array([3.0, 4.0]))
    np.savez("bad.npz", x=np.array([-9.0, -9.0]), w=np.array([3.0, 4.0]), b=0.0)
    assert run(["check", "model.expr", "--grad", "--data", "data.npz"]) == 0
    assert capsys.readouterr().out.count("agrees") == 2
    assert run(["check", "model.expr", "--grad", "--data", "bad.npz"]) == 1
    assert "`E` has no value on the data: it is nan" in capsys.readouterr().err
    np.savez("some.npz", w=np.array([3.0, 4.0]))
    assert run(["check", "model.expr", "--grad", "--data", "some.npz"]) == 1
    assert "the data has no array `x`" in capsys.readouterr().err


def test_losses_without_a_value(tmp_path: Path, capsys: Captured) -> None:
    program = tmp_path / "model.expr"
    program.write_text("param w : f64\nloss E = log(-1 - w^2)\n")
    assert run(["check", str(program), "--grad"]) == 1
    error = capsys.readouterr().err
    assert "`E` has no value on random data: it is nan" in error
    assert "`--data`" in error
    program.write_text("input x : f64\noutput y = x\n")
    assert run(["check", str(program), "--grad"]) == 1
    assert "error[E0510]" in capsys.readouterr().err


def test_differences_are_accurate() -> None:
    found, doubt = _difference(lambda x: float(np.exp(3 * x)), 0.02)
    assert abs(found - 3) < 1e-10
    assert doubt < 1e-8
