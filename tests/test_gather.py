"""Entries at indices that are data, alone and by index notation: against NumPy, their gradients, and faults."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from support import build

from exprc import driver
from exprc.check import check_program
from exprc.cli.main import run
from exprc.diagnostics import KnownLimit, UserError
from exprc.ir.evaluate import evaluate
from exprc.source import Source
from exprc.syntax.parse import parse

HEAD = """dim n, m, d
input A : f64[n, d]
input T : f32[n, d, n]
input x : f64[n]
input b : bool[n]
input g : i64[m]
input h : i32[n]
input k : i64
"""
VALUES: dict[str, Callable[[Any], Any]] = {
    "r = x[k]": lambda D: D["x"][D["k"]],
    "r = b[g]": lambda D: D["b"][D["g"]],
    "r = g[k]": lambda D: D["g"][D["k"]],
    "r = x[-1 - g % n]": lambda D: D["x"][-1 - D["g"] % D["n"]],
    "r = x[[0, 2, -1]]": lambda D: D["x"][[0, 2, -1]],
    "r = x[reshape(g, m, 1)]": lambda D: D["x"][D["g"][:, None]],
    "r = A[g]": lambda D: D["A"][D["g"]],
    "r = A[g, 1]": lambda D: D["A"][D["g"], 1],
    "r = A[g, 1:]": lambda D: D["A"][D["g"], 1:],
    "r = A[:, h]": lambda D: D["A"][:, D["h"]],
    "r = A[::-1, h]": lambda D: D["A"][::-1, D["h"]],
    "r = A[iota(n), h]": lambda D: D["A"][np.arange(D["n"]), D["h"]],
    "r = A[g[:, None], h]": lambda D: D["A"][D["g"][:, None], D["h"]],
    "r = A[None, g]": lambda D: D["A"][None, D["g"]],
    "r = A[g, None]": lambda D: D["A"][D["g"], None],
    "r = T[g, :, g]": lambda D: D["T"][D["g"], :, D["g"]],
    "r = T[1, :, g]": lambda D: D["T"][1, :, D["g"]],
    "r = T[:, 1, g]": lambda D: D["T"][:, 1, D["g"]],
    "r = T[:, h[:2], g[:2]]": lambda D: D["T"][:, D["h"][:2], D["g"][:2]],
    "r = T[k, :, k]": lambda D: D["T"][D["k"], :, D["k"]],
    "r[i] = x[g[i]]": lambda D: D["x"][D["g"]],
    "r[i] = A[i, h[i]]": lambda D: D["A"][np.arange(D["n"]), D["h"]],
    "r[j, i] = T[i, h[i], g[j]]": lambda D: D["T"][np.arange(D["n"]), D["h"]][:, D["g"]].T,
    "r[i, l] = A[g[i], l] * l": lambda D: D["A"][D["g"]] * np.arange(D["d"]),
    "r[i] = (A[i] * A[0])[h[i]]": lambda D: (D["A"] * D["A"][0])[np.arange(D["n"]), D["h"]],
    "r[i] = sum(A[g[i], h])": lambda D: D["A"][D["g"]][:, D["h"]].sum(1),
    "r[i in 0..n] = sum[j in 0..i](x[h[j]])": lambda D: np.cumsum(D["x"][D["h"]]) - D["x"][D["h"]],
    "r[i in 0..n] = x[abs(i - 2)]": lambda D: D["x"][abs(np.arange(D["n"]) - 2)],
    "r[i] = if h[i] < 2 then x[h[i] + n - 2] else 0": lambda D: np.where(
        D["h"] < 2, D["x"][np.minimum(D["h"] + D["n"] - 2, D["n"] - 1)], 0
    ),
}


def data(n: int, m: int) -> dict[str, Any]:
    rng = np.random.default_rng(n)
    return {
        "A": rng.normal(size=(n, 3)), "T": rng.normal(size=(n, 3, n)).astype("f4"), "x": rng.normal(size=n),
        "b": rng.random(n) > 0.5, "g": rng.integers(-n, n, m), "h": rng.integers(0, 3, n).astype("i4"), "k": n - 2,
        "n": n, "m": m, "d": 3,
    }  # fmt: skip


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """One library that has every row of the table as an output."""
    lines = [f"output {statement.replace('r', f'r{at}', 1)}" for at, statement in enumerate(VALUES)]
    return build(HEAD + "\n".join(lines) + "\n", tmp_path_factory.mktemp("values"))


@pytest.mark.parametrize("sizes", [(5, 4), (40, 0), (3, 1000)], ids=str)
def test_values(library: ModuleType, sizes: tuple[int, int]) -> None:
    given = data(*sizes)
    wrong = []
    for at, (statement, oracle) in enumerate(VALUES.items()):
        if sizes[1] < 2 and ("[:2]" in statement or "g[k]" in statement):
            continue
        call = getattr(library, f"r{at}")
        got = np.asarray(call(**{name: given[name] for name in inspect.signature(call).parameters if name in given}))
        expected = np.asarray(oracle(given))
        if got.shape != expected.shape or got.dtype != expected.dtype or not np.allclose(got, expected, 1e-12, 1e-12):
            wrong.append((statement, got, expected))
    assert wrong == []


def test_the_interpreter_agrees() -> None:
    lines = [f"output {statement.replace('r', f'r{at}', 1)}" for at, statement in enumerate(VALUES)]
    source = Source("model.expr", HEAD + "\n".join(lines) + "\n")
    model = check_program(parse(source), source)
    given = data(5, 4)
    found = evaluate(
        [definition.node for definition in model.definitions],
        {name: np.asarray(value) for name, value in given.items()},
        {"n": 5, "m": 4, "d": 3},
    )
    for statement, oracle, got in zip(VALUES, VALUES.values(), found, strict=True):
        assert np.allclose(got, oracle(given), 1e-12, 1e-12), statement


LOSSES = """dim n, g, k
input y : f64[n]
param b : f64[g]
param Z : f64[n, k]
param f : f32[g]
group = i64([0, 2, 2, 1, 2])
label = i32([0, 1, 1, 0, 0])
at = iota(n) % g
loss intercepts = sum((y - b[at])^3)
loss repeated = sum(exp(b[group]) * b[group[::-1]])
loss classes = -sum[i](Z[i, i % k] - logsumexp(Z[i]))
loss narrow = sum(f[group]^2 * f[0])
loss pairs = sum[i, j](sin(b[(i + j) % g] * Z[i, j]))
"""


def test_gradients_agree_with_differences() -> None:
    g = "".join(f"h{at} = grad({loss}, {param})\nloss second{at} = sum(h{at}^2)\n" for at, (loss, param) in enumerate(
        (("intercepts", "b"), ("repeated", "b"), ("classes", "Z"), ("pairs", "b"))
    ))  # fmt: skip
    rows = driver.compare(Source("model.expr", LOSSES + g), driver.Options(dims=(("g", 3), ("k", 4))), None)
    assert len({row.loss for row in rows}) == 9
    assert [f"d{row.loss}/d{row.param}" for row in rows if not row.agrees] == []


def test_forward_mode_agrees_with_reverse_mode(tmp_path: Path) -> None:
    text = LOSSES.replace("loss ", "E_") + (
        "input db : f64[g]\nT = E_intercepts + E_repeated + E_pairs\noutput forward = jvp(T, b, db)\n"
        "G = grad(T, b)\noutput reverse = sum(G * db)\n"
    )
    module = build(text, tmp_path)
    rng = np.random.default_rng(1)
    given = {"y": rng.normal(size=7), "b": rng.normal(size=3), "Z": rng.normal(size=(7, 3)), "db": rng.normal(size=3)}
    assert np.isclose(module.forward(**given), module.reverse(**given), rtol=1e-12)


def test_many_f32_for_one_place_are_added_up_in_f64(tmp_path: Path) -> None:
    text = "dim n, g\ninput c : i64[n]\ninput y : f32[n]\nparam b : f32[g]\nloss E = sum(y * b[c])\n"
    module = build(text, tmp_path)
    y = np.random.default_rng(0).random(300_000).astype("f4")
    gradient = module.E.grad(c=np.zeros(len(y), "i8"), y=y, b=np.ones(2, "f4")).b
    assert gradient.dtype == np.float32
    assert abs(gradient[0] - y.sum(dtype="f8")) <= 2**-18 * y.sum(dtype="f8") and gradient[1] == 0


def test_gradients_read_as_what_is_added_up(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "model.expr"
    path.write_text("dim n, g\ninput y : f64[n]\ninput c : i64[n]\nparam b : f64[g]\nloss E = sum((y - b[c])^2) / 2\n")
    assert run(["grad", str(path)]) == 0
    assert capsys.readouterr().out == "dE/db = increment(zeros(g)[c], b[c] - y)\n"


# ---- faults and limits


def test_an_index_outside_of_its_axis_is_a_fault(tmp_path: Path) -> None:
    text = """dim n, m
input x : f64[n]
input g : i64[m]
input b : bool[m]
output r = x[g]
output s[i] = if b[i] then x[g[i]] else 0
"""
    module = build(text, tmp_path)
    x, g = np.arange(5.0), np.array([0, 7, -6, 5])
    with pytest.raises(IndexError, match=r"index -6 .*line 5"):
        module.r(x=x, g=g)
    with pytest.raises(IndexError, match=r"index 7 .*line 5"):
        module.r(x=x, g=abs(g) % 8 * (g == 7))
    b = np.array([True, False, False, False])
    assert np.array_equal(module.s(x=x, g=g, b=b), [0, 0, 0, 0])
    with pytest.raises(IndexError, match=r"index 5 .*line 6"):
        module.s(x=x, g=g, b=g == 5)
    with pytest.raises(IndexError, match="line 5"):
        module.r(x=np.zeros(0), g=np.zeros(1, "i8"))


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("r = x[g, k]", "E0406"),
        ("r = A[g, h]", "E0401"),
        ("r = x[x]", "E0304"),
        ("r = x[b]", "E0304"),
        ("r = set(x[k], 1)", "E0601"),
        ("r = scan s = 0.0 over v in h { s + x[v] }", "E0601"),
        ("r = x[k:]", "E0601"),
    ],
    ids=str,
)
def test_what_is_refused(line: str, code: str) -> None:
    source = Source("model.expr", f"{HEAD}output {line}\n")
    with pytest.raises((UserError, KnownLimit)) as caught:
        check_program(parse(source), source)
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == [code]
