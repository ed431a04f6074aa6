"""Index notation: entries and sums by index against NumPy, their derivatives, what they compile to, their limits."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from support import build, differences

from exprc import driver
from exprc.check import check_program
from exprc.cli.main import run
from exprc.diagnostics import KnownLimit, UserError
from exprc.driver.pipeline import run_stages
from exprc.ir.evaluate import evaluate
from exprc.schedule.interpret import interpret
from exprc.schedule.read import read_plan
from exprc.schedule.show import show_plan
from exprc.source import Source
from exprc.syntax.format import format_program
from exprc.syntax.parse import parse

Array = np.ndarray[Any, Any]
Data = Mapping[str, Any]

HEAD = """dim n, m, d
input A : f64[n, d]
input B : f64[m, d]
input C : f64[n, n]
input x : f64[n]
input y : f64[m]
input u : f64[d]
input w : f64[3]
input z : f64[n + 2]
input t : f64[m, n * (n - 1) // 2]
input q : i64[n]
input p : i32[n]
input b : bool[n]
input f : f32[n, d]
"""


def data(n: int, m: int, d: int) -> dict[str, Any]:
    rng = np.random.default_rng(n * 100 + m * 10 + d)
    return {
        "A": rng.normal(size=(n, d)), "B": rng.normal(size=(m, d)), "C": rng.normal(size=(n, n)),
        "x": rng.normal(size=n), "y": rng.normal(size=m), "u": rng.normal(size=d), "w": rng.normal(size=3),
        "z": rng.normal(size=n + 2), "t": rng.normal(size=(m, n * (n - 1) // 2)),
        "q": rng.integers(-3, 4, n), "p": rng.integers(-3, 4, n).astype("i4"),
        "b": rng.random(n) > 0.5, "f": rng.normal(size=(n, d)).astype("f4"),
        "n": n, "m": m, "d": d,
    }  # fmt: skip


def each(entry: Callable[..., Any], *extents: int) -> Array:
    """The array of these extents, entry by entry."""
    found = [entry(*index) for index in itertools.product(*map(range, extents))]
    return np.array(found).reshape(*extents, *np.shape(found[0])) if found else np.zeros(extents)


def lower(D: Any, k: int = 0) -> Array:
    return np.tril(D["C"], k)


# What a statement defines as `r`, in NumPy.
VALUES: dict[str, Callable[[Any], Any]] = {
    # names of axes: copies, transposes, rows, constants
    "r[i, j] = A[i, j]": lambda D: D["A"],
    "r[j, i] = A[i, j]": lambda D: D["A"].T,
    "r[i] = A[i]": lambda D: D["A"],
    "r[i] = C'[i, 0] + A'[0, i]": lambda D: D["C"][0] + D["A"][:, 0],
    "r[i] = (C @ A)[i, 0]": lambda D: (D["C"] @ D["A"])[:, 0],
    "r[i, k] = A[i, k] * w[1]": lambda D: D["A"] * D["w"][1],
    "r[i] = A[i, 1:] * 2": lambda D: D["A"][:, 1:] * 2,
    "r[k] = A[n - 1, k] + A[0, k]": lambda D: D["A"][-1] + D["A"][0],
    "r[i in 0..n] = 7": lambda D: np.full(D["n"], 7),
    # the value of an index
    "r[i in 0..n] = i": lambda D: np.arange(D["n"]),
    "r[i in 1..n] = i * i": lambda D: np.arange(1, D["n"]) ** 2,
    "r[i in 0..n, j in 0..4] = 1 / (i + j + 1)": lambda D: each(lambda i, j: 1 / (i + j + 1), D["n"], 4),
    "r[i in 0..n, j in 0..n] = (i - j) // 2 + i % 3": lambda D: each(lambda i, j: (i - j) // 2 + i % 3, D["n"], D["n"]),
    "r[i in 0..n, j in 0..n] = min(i, j)": lambda D: each(min, D["n"], D["n"]),
    "r[i] = q[i] * i": lambda D: D["q"] * np.arange(D["n"]),
    "r[i] = p[i] * i": lambda D: D["p"] * np.arange(D["n"], dtype="i4"),
    "r[i] = f[i, 0] * i": lambda D: D["f"][:, 0] * np.arange(D["n"], dtype="f4"),
    # places
    "r[i] = C[i, i]": lambda D: np.diag(D["C"]),
    "r[i in 0..n - 1] = x[i + 1] - x[i]": lambda D: np.diff(D["x"]),
    "r[i in 0..n] = x[-1 - i]": lambda D: D["x"][::-1],
    "r[i in 0..n] = x[n - 1 - i]": lambda D: D["x"][::-1],
    "r[i in 0..n // 2] = x[2 * i + 1] * x[2 * i]": lambda D: D["x"][1::2] * D["x"][: D["n"] // 2 * 2 : 2],
    "r[i in 0..n, k] = z[i + k] * w[k]": lambda D: each(lambda i, k: D["z"][i + k] * D["w"][k], D["n"], 3),
    "r[i in 0..n - 1] = sum(x[i:i + 2])": lambda D: D["x"][1:] + D["x"][:-1],
    "r[i in 0..n] = z[i:i + 3][::-1] @ w": lambda D: each(lambda i: D["z"][i : i + 3][::-1] @ D["w"], D["n"]),
    "r[i] = set(w[0], x[i])": lambda D: each(lambda i: [D["x"][i], *D["w"][1:]], D["n"]),
    "r[i in 0..n] = set(x[i], 9.0)": lambda D: np.where(np.eye(D["n"]) > 0, 9.0, D["x"]),
    "r[i in 0..n] = increment(x[i], i)": lambda D: D["x"] + np.diag(np.arange(D["n"])),
    # places that are no sums of multiples
    "r[i] = C[i // 2, i]": lambda D: each(lambda i: D["C"][i // 2, i], D["n"]),
    "r[i in 0..n] = w[i % 3]": lambda D: D["w"][np.arange(D["n"]) % 3],
    "r[i in 0..n, k in 0..3] = w[i * k % 3]": lambda D: each(lambda i, k: D["w"][i * k % 3], D["n"], 3),
    "r[j, i in 0..n] = B[j, i * i % d:i * i % d + 1]": lambda D: each(
        lambda j, i: D["B"][j, i * i % D["d"]][None], D["m"], D["n"]
    ),
    "r[k, i in 0..n, j in 0..n] = if j < i then t[k, i*(i - 1)//2 + j] else 0": lambda D: each(
        lambda k, i, j: D["t"][k, i * (i - 1) // 2 + j] if j < i else 0.0, D["m"], D["n"], D["n"]
    ),
    # choices, which guard places
    "r[i] = if b[i] then x[i] else -x[i]": lambda D: np.where(D["b"], D["x"], -D["x"]),
    "r[i] = if i > 0 then x[i] - x[i - 1] else x[i]": lambda D: np.diff(D["x"], prepend=0),
    "r[i in 0..n] = if not (i == n - 1) then x[i + 1] else x[0]": lambda D: np.roll(D["x"], -1),
    "r[i in 0..n, j in 0..n] = if i <= j then C[i, j - i] else 0": lambda D: each(
        lambda i, j: D["C"][i, j - i] if i <= j else 0.0, D["n"], D["n"]
    ),
    "r[i in 0..n, j in 0..n] = if i == j then 1 else 0": lambda D: np.eye(D["n"], dtype=int),
    "r[i in 0..n] = if i >= 1 and i < n - 1 then [x[i - 1], x[i + 1]] else [0, 0]": lambda D: each(
        lambda i: [D["x"][i - 1], D["x"][i + 1]] if 1 <= i < D["n"] - 1 else [0.0, 0.0], D["n"]
    ),
    # sums and their like
    "r[i, j] = sum[k](A[i, k] * B[j, k])": lambda D: D["A"] @ D["B"].T,
    "r = sum[i, j](C[i, j] * x[i] * x[j])": lambda D: D["x"] @ D["C"] @ D["x"],
    "r = sum[i, j, k](A[i, k] * B[j, k] * x[i] * y[j])": lambda D: D["x"] @ D["A"] @ D["B"].T @ D["y"],
    "r[i, j] = sum[k](A[i, k] * u[k] * B[j, k])": lambda D: (D["A"] * D["u"]) @ D["B"].T,
    "r[i] = sum[k](A[i, k]^2 * u[k]) / 2 + x[i]": lambda D: D["A"] ** 2 @ D["u"] / 2 + D["x"],
    "r = sum[i](x[i] * sum[j](C[i, j] * sum[k](A[j, k])))": lambda D: D["x"] @ D["C"] @ D["A"].sum(1),
    "r[j] = sum[i](A[i] * B[j])": lambda D: D["A"].sum(0) * D["B"],
    "r = sum[i](b[i])": lambda D: D["b"].sum(),
    "r = sum[i](p[i])": lambda D: D["p"].sum(dtype="i8"),
    "r = any[i](b[i] and x[i] > 0)": lambda D: (D["b"] & (D["x"] > 0)).any(),
    "r[i] = all[j](C[i, j] < 2)": lambda D: (D["C"] < 2).all(1),
    "r[i] = prod[j](C[i, j])": lambda D: D["C"].prod(1),
    "r[i] = mean[j](C[i, j])": lambda D: D["C"].sum(1) / max(D["n"], 1),
    "r[i] = norm[j](C[i, j])": lambda D: np.sqrt((D["C"] ** 2).sum(1)),
    "r[i] = logsumexp[j](C[i, j])": lambda D: np.log(np.exp(D["C"]).sum(1)),
    "r[j] = max[i](C[i, j])": lambda D: D["C"].max(0),
    "r = min[i, j](C[i, j])": lambda D: D["C"].min(),
    "r[i in 0..n] = sum[k](z[i + k] * w[k])": lambda D: each(lambda i: D["z"][i : i + 3] @ D["w"], D["n"]),
    "r = sum[i](C[i, i])": lambda D: np.trace(D["C"]),
    "r = sum[i in 0..0](x[0] / i)": lambda D: 0.0,
    # ranges that depend on other indices
    "r = sum[i in 0..n, j in 0..i](C[i, j])": lambda D: lower(D, -1).sum(),
    "r = sum[i in 0..n, j in i + 1..n](C[i, j])": lambda D: np.triu(D["C"], 1).sum(),
    "r = sum[i, j in 0..i + 1](C[i, j] * x[i])": lambda D: (lower(D) * D["x"][:, None]).sum(),
    "r[i in 0..n] = sum[j in 0..i](x[j])": lambda D: np.cumsum(D["x"]) - D["x"],
    "r = sum[i in 0..n, j in i + 1..n](x[i + 1] * x[j])": lambda D: sum(
        (D["x"][i + 1] * D["x"][i + 1 :].sum() for i in range(D["n"] - 1)), 0.0
    ),
    "r = sum[i in 0..n, j in 0..i](x[i - 1] * x[j])": lambda D: sum(
        (D["x"][i - 1] * D["x"][:i].sum() for i in range(1, D["n"])), 0.0
    ),
    "r[i] = sum[j in 0..i, k in 0..j](C[i, j] * C[j, k])": lambda D: (lower(D, -1) @ lower(D, -1)).sum(1),
    "r[i] = mean[j in 0..i + 1](C[i, j])": lambda D: (lower(D).sum(1) / np.arange(1, D["n"] + 1)),
    "r[i in 0..n] = mean[j in 0..i + 1](q[j])": lambda D: np.cumsum(D["q"]) / np.arange(1, D["n"] + 1),
    "r[i] = max[j in 0..i + 1](C[i, j])": lambda D: each(lambda i: D["C"][i, : i + 1].max(), D["n"]),
    "r[i] = prod[j in 0..i](C[i, j])": lambda D: each(lambda i: D["C"][i, :i].prod(), D["n"]),
    "r[i] = norm[j in i..n](C[i, j])": lambda D: each(lambda i: np.sqrt((D["C"][i, i:] ** 2).sum()), D["n"]),
    "r[i] = any[j in 0..i](C[i, j] > 1)": lambda D: (lower(D, -1) > 1).any(1),
    "r[i] = logsumexp[j in 0..i + 1](C[i, j])": lambda D: each(
        lambda i: np.log(np.exp(D["C"][i, : i + 1]).sum()), D["n"]
    ),
    "r[i] = if i > 0 then max[j in 0..i](x[j]) else x[i]": lambda D: each(
        lambda i: D["x"][: max(i, 1)].max(), D["n"]
    ),
    # operations on what an entry is made of
    "r[i] = sum(A[i])": lambda D: D["A"].sum(1),
    "r[i] = softmax(A[i])": lambda D: np.exp(D["A"]) / np.exp(D["A"]).sum(1, keepdims=True),
    "r[i, j] = norm(A[i] - B[j])": lambda D: np.sqrt(((D["A"][:, None] - D["B"]) ** 2).sum(2)),
    "r[i, j] = A[i] @ B[j]": lambda D: D["A"] @ D["B"].T,
    "r[i] = outer(A[i], u)[0]": lambda D: D["A"][:, :1] * D["u"],
    "r[i] = [x[i], 2 * x[i]]": lambda D: np.stack([D["x"], 2 * D["x"]], 1),
    "r[i] = reshape(A[i], d, 1)": lambda D: D["A"][:, :, None],
    "r[i] = cross_entropy(A[i], 0)": lambda D: np.log(np.exp(D["A"]).sum(1)) - D["A"][:, 0],
    "r[i] = flip(A[i])[None, :]": lambda D: D["A"][:, None, ::-1],
    "r[i in 0..n] = cholesky([[2.0 + i, 1], [1, 3]])": lambda D: each(
        lambda i: np.linalg.cholesky([[2.0 + i, 1], [1, 3]]), D["n"]
    ),
    "r[i] = last(scan s = x[i] over v in w { s * v + i }, 0.0)": lambda D: each(
        lambda i: ((D["x"][i] * D["w"][0] + i) * D["w"][1] + i) * D["w"][2] + i, D["n"]
    ),
    "r[i] = scan s = 0.0 over t in A[i] { s + t }": lambda D: np.cumsum(D["A"], axis=1),
    "r[i] = sum(scan s = 0.0 over v in w { s + v * sum[j](C[i, j]) })": lambda D: (
        D["C"].sum(1) * np.cumsum(D["w"]).sum()
    ),
}  # fmt: skip
NEEDS_ENTRIES = ("max[", "min[", "A[n - 1", "0..n - 1]", "1..n]", "else x[0]", "C'[i, 0]", "x[0]")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """One library that has every row of the table as an output."""
    lines = [f"output {statement.replace('r', f'r{at}', 1)}" for at, statement in enumerate(VALUES)]
    return build(HEAD + "\n".join(lines) + "\n", tmp_path_factory.mktemp("values"))


@pytest.mark.parametrize("sizes", [(5, 4, 3), (1, 1, 1), (37, 2, 5), (0, 0, 1)], ids=str)
def test_values(library: ModuleType, sizes: tuple[int, int, int]) -> None:
    given = data(*sizes)
    wrong = []
    for at, (statement, oracle) in enumerate(VALUES.items()):
        if not sizes[0] and any(text in statement for text in NEEDS_ENTRIES):  # what the sizes are asked for
            continue
        call = getattr(library, f"r{at}")
        got = np.asarray(call(**{name: given[name] for name in inspect.signature(call).parameters if name in given}))
        with np.errstate(all="ignore"):
            expected = np.asarray(oracle(given))
        if got.size == expected.size == 0 and got.shape[0] == 0:
            continue
        same_kind = got.dtype.kind == expected.dtype.kind or not sizes[0]
        if got.shape != expected.shape or not same_kind or not np.allclose(got, expected, 1e-6, 1e-12, True):
            wrong.append((statement, got, expected))
    assert wrong == []


def test_the_interpreter_agrees() -> None:
    lines = [f"output {statement.replace('r', f'r{at}', 1)}" for at, statement in enumerate(VALUES)]
    source = Source("model.expr", HEAD + "\n".join(lines) + "\n")
    model = check_program(parse(source), source)
    given = data(5, 4, 3)
    found = evaluate([d.node for d in model.definitions], given, {"n": 5, "m": 4, "d": 3})
    for statement, oracle, got in zip(VALUES, VALUES.values(), found, strict=True):
        assert np.allclose(got, oracle(given), 1e-6, 1e-12), statement


# ---- derivatives

LOSSES = """dim n, m, d
input x : f64[n]
param A : f64[n, d]
param B : f64[m, d]
param C : f64[n, n]
param w : f64[3]
param z : f64[n + 2]
param s : f64
param v : f64[n * (n - 1) // 2]
K[i, j] = exp(-sum[k]((A[i, k] - B[j, k])^2) / (2 + s^2))
loss kernel = sum[i, j](K[i, j])
loss form = sum[i, j](C[i, j] * x[i] * z[j + 1] * z[i + 2])
loss window = sum[i in 0..n]((x[i] - sum[k](z[i + k] * w[k]))^2)
loss diagonal = sum[i](C[i, i]^2)
loss pairs = sum[i in 0..n, j in i + 1..n](exp(-(C[i, j] - C[j, i])^2))
loss guarded = sum[i](if i > 0 then (z[i] - z[i - 1])^3 else z[i]^2)
loss entropy = sum[i](x[i] * log(sum[j](exp(C[i, j]))))
loss rows = sum[i](logsumexp[j in 0..i + 1](C[i, j])^2)
loss toeplitz = sum[i in 0..n, j in 0..n](if j < i then x[i] * z[i - j - 1]^3 * x[j] else 0)
loss rosenbrock = sum[i in 0..n - 1](100 * (z[i + 1] - z[i]^2)^2 + (1 - z[i])^2)
loss product = sum[i, j](sum[k](A[i, k] * B[j, k] * w[1])^2)
loss looped = sum[i](last(scan h = C[i, 0] over v in w { tanh(h * v + C[i, i]) }, 0.0))
loss unpacked = sum[i in 0..n, j in 0..n](if j < i then x[i] * sin(v[i*(i - 1)//2 + j])^2 * x[j] else 0)
loss wrapped = sum[i](C[i // 2, i]^3 * w[i % 3]^2)
loss placed = sum[i in 0..n](sum(set(w[1], z[i])^2) * i)
"""


def test_derivatives_agree_with_differences() -> None:
    rows = driver.compare(Source("model.expr", LOSSES), driver.Options(), None)
    assert len({row.loss for row in rows}) == LOSSES.count("loss ")
    assert [f"d{row.loss}/d{row.param}" for row in rows if not row.agrees] == []


def test_second_derivatives_agree_with_differences() -> None:
    wanted = {"kernel": "B", "window": "z", "guarded": "z", "pairs": "C", "toeplitz": "z", "diagonal": "C",
              "unpacked": "v", "wrapped": "w"}  # fmt: skip
    text = LOSSES + "".join(
        f"g{at} = grad({loss}, {param})\nloss second{at} = sum(g{at}^3)\n"
        for at, (loss, param) in enumerate(wanted.items())
    )
    rows = driver.compare(Source("model.expr", text), driver.Options(), None)
    found = [row for row in rows if row.loss.startswith("second")]
    assert {row.loss for row in found} == {f"second{at}" for at in range(len(wanted))}
    assert [f"d{row.loss}/d{row.param}" for row in found if not row.agrees] == []


def test_forward_mode_agrees_with_reverse_mode(tmp_path: Path) -> None:
    text = LOSSES.replace("loss ", "E_") + (
        "input dz : f64[n + 2]\noutput forward = jvp(E_window + E_guarded + E_toeplitz, z, dz)\n"
        "g = grad(E_window + E_guarded + E_toeplitz, z)\noutput reverse = sum(g * dz)\n"
    ).replace("E_window + E_guarded + E_toeplitz", "T")
    text = text.replace("input dz", "T = E_window + E_guarded + E_toeplitz\ninput dz")
    module = build(text, tmp_path)
    rng = np.random.default_rng(1)
    given = {"x": rng.normal(size=4), "w": rng.normal(size=3), "z": rng.normal(size=6), "dz": rng.normal(size=6)}
    assert np.isclose(module.forward(**given), module.reverse(**given), rtol=1e-12)


# ---- the same as with arrays

ARRAYS = """dim n, m, d
input X : f64[n, d]
input y : f64[n]
param A : f64[n, m]
param B : f64[m, d]
param w : f64[d]
"""
SAME = {
    "sum[i, j](sum[k](A[i, k] * B[k, j])^2)": "sum((A @ B)^2)",
    "sum[i]((y[i] - sum[j](X[i, j] * w[j]))^2)": "sum((y - X @ w)^2)",
    "sum[i](log(1 + exp(-y[i] * sum[j](X[i, j] * w[j]))))": "sum(log(1 + exp(-y * (X @ w))))",
    "sum[j](w[j]^2)": "sum(w^2)",
    "sum[i](logsumexp[j](A[i, j]))": "sum(logsumexp(A, axis=1))",
    "sum[i, j](exp(-sum[k]((X[i, k] - B[j, k])^2)))": "sum(exp(-sum((X[:, None] - B)^2, axis=2)))",
    "sum[i, j](X[j, i] * w[i] * y[j])": "sum((X @ w) * y)",
    "sum[i in 0..d - 1]((w[i + 1] - w[i])^2)": "sum((w[1:] - w[:-1])^2)",
}


@pytest.mark.parametrize("by_index", SAME, ids=range(len(SAME)))
def test_index_notation_compiles_to_what_arrays_do(
    by_index: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shown = []
    for form in (by_index, SAME[by_index]):
        path = tmp_path / "model.expr"
        path.write_text(f"{ARRAYS}loss E = {form}\n")
        assert run(["build", str(path), "-o", str(tmp_path), "--show", "schedule", "--stop-after", "schedule"]) == 0
        shown.append([line for line in capsys.readouterr().out.splitlines() if "require " not in line])
    assert shown[0] == shown[1]


def test_derivatives_read_as_those_of_arrays(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "model.expr"
    path.write_text(f"{ARRAYS}R[i, j] = sum[k](A[i, k] * B[k, j])\nloss E = sum[i, j](R[i, j] * X[i, j])\n")
    assert run(["grad", str(path)]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == ["dE/dA = X @ B'", "dE/dB = A' @ X"]
    path.write_text("dim n\nparam C : f64[n, n]\nloss E = sum[i](C[i, i]^2)\n")
    assert run(["grad", str(path)]) == 0
    assert capsys.readouterr().out.splitlines() == ["dE/dC = diag(2 * diag(C))"]


def test_no_array_of_all_pairs_is_kept() -> None:
    loss = "sum[i, j](exp(-sum[k]((A[i, k] - B[j, k])^2)))"
    text = f"dim n, m, d\nparam A : f64[n, d]\ninput B : f64[m, d]\nloss E = {loss}\n"
    state = run_stages(Source("model.expr", text), driver.Options(), "schedule")
    kept = [{str(size) for size in buffer.shape} for plan in state.plans for buffer in plan.workspace]
    assert [sizes for sizes in kept if {"n", "m"} <= sizes] == []


WRITTEN = """dim n,m
input A:f64[n,m]
# before
K[i,j]=A[i,j]*2   # behind
s=sum[ i , j in 0 .. m-1 ]( # inside
   K[i,j] +
   A[i , j+1])
output r[i in 0..n-1,  # one
  j,]=if i>0 then K[i-1,j] else 0
loss E = sum [i,] (max[j](K[i,j])^2)
"""
FORMATTED = """dim n, m
input A : f64[n, m]
# before
K[i, j] = A[i, j] * 2       # behind
s = sum[i, j in 0..m - 1](  # inside
    K[i, j] +
    A[i, j + 1])
output r[i in 0..n - 1,  # one
    j] = if i > 0 then K[i - 1, j] else 0
loss E = sum[i](max[j](K[i, j])^2)
"""


def test_forms_are_formatted_once_with_their_comments() -> None:
    assert format_program(Source("model.expr", WRITTEN)) == FORMATTED
    assert format_program(Source("model.expr", FORMATTED)) == FORMATTED


# ---- local and nested


def test_functions_blocks_and_loops_have_forms_of_their_own(tmp_path: Path) -> None:
    text = """dim n, d
input X : f64[n, d]
param w : f64[d]
fn dist(a, b) = sum[k]((a[k] - b[k])^2)
fn gram(M) = sum[i](dist(M[i], w))
D[i, j] = dist(X[i], X[j])
output D
output g = gram(X)
output H = scan h = w over x in X {
    P[k] = h[k] * sum[l](x[l] * w[l])
    P + sum[k](x[k])
}
loss E = sum[i](dist(X[i], w)^2)
"""
    module = build(text, tmp_path)
    rng = np.random.default_rng(3)
    X, w = rng.normal(size=(5, 3)), rng.normal(size=3)
    assert np.allclose(module.D(X=X), ((X[:, None] - X) ** 2).sum(2))
    assert np.isclose(module.g(X=X, w=w), ((X - w) ** 2).sum())
    h, rows = w, []
    for x in X:
        h = h * (x @ w) + x.sum()
        rows.append(h)
    assert np.allclose(module.H(X=X, w=w), rows)
    distances = ((X - w) ** 2).sum(1)
    assert np.isclose(module.E(X=X, w=w), (distances**2).sum())
    expected = -4 * (distances[:, None] * (X - w)).sum(0)
    assert np.allclose(module.E.grad(X=X, w=w).w, expected)


def test_the_example_finds_where_particles_rest(tmp_path: Path) -> None:
    module = build((Path(__file__).parent.parent / "examples" / "particles.expr").read_text(), tmp_path)
    rng = np.random.default_rng(5)
    x, q, r = rng.normal(size=(6, 2)), rng.uniform(0.5, 2, 6), 0.8
    kernel = np.exp(-((x[:, None] - x) ** 2).sum(2) / (2 * r**2))
    pairs = np.triu(np.outer(q, q) * kernel, 1).sum()
    assert np.isclose(module.U(x=x, q=q, r=r), (x**2).sum() / 2 + pairs, rtol=1e-13)
    by_differences = differences(lambda at: module.U(x=at, q=q, r=r), x)
    assert np.allclose(module.U.grad(x=x, q=q, r=r).x, by_differences, rtol=1e-9, atol=1e-9)
    assert np.allclose(module.force(x=x, q=q, r=r), -by_differences, rtol=1e-9, atol=1e-9)
    assert np.allclose(module.centre(x=x), x.mean(0))
    assert np.allclose(module.felt(x=x, q=q, r=r), (kernel - np.eye(6)) @ q)
    energy = module.U.bind(q=q, r=r)
    for _ in range(3000):
        x = x - 0.1 * energy.grad(x=x).x
    assert np.abs(module.force(x=x, q=q, r=r)).max() < 1e-9


# ---- places that the data or the sizes decide


def test_sizes_that_leave_no_room_are_refused_on_entry(tmp_path: Path) -> None:
    module = build("dim n, m\ninput x : f64[n]\noutput r[i in 0..m] = x[i + 1]\n", tmp_path)
    assert np.allclose(module.r(x=np.arange(4.0), m=3), [1, 2, 3])
    with pytest.raises(ValueError, match="line 3"):
        module.r(x=np.arange(4.0), m=4)


def test_a_place_that_a_choice_does_not_guard_is_a_fault(tmp_path: Path) -> None:
    text = "dim n\ninput b : bool[n]\ninput x : f64[n]\noutput r[i in 0..n] = if b[i] then x[i + 1] else 0\n"
    module = build(text, tmp_path)
    b, x = np.array([True, False, True, False]), np.arange(4.0)
    assert np.array_equal(module.r(b=b, x=x), [1, 0, 3, 0])
    with pytest.raises(IndexError, match=r"line 4.*index 4.*n = 4|index 4"):
        module.r(b=~b, x=x)


def test_the_text_of_a_plan_with_moves_reads_back_and_runs() -> None:
    text = "dim n\ninput x : f64[n]\nparam w : f64[3]\nloss E = sum[i](x[i] * w[i * i % 3])\n"
    state = run_stages(Source("model.expr", text), driver.Options(name="model"), "schedule")
    plan = state.plans[-1]
    shown = show_plan(plan)
    assert "gather" in shown and "scatter" in shown
    assert show_plan(read_plan(shown)) == shown
    x, w = np.arange(7.0), np.array([2.0, 3.0, 5.0])
    found = interpret(plan, {"in_x": x, "in_w": w}, {"n": 7})
    places = np.arange(7) ** 2 % 3
    assert np.isclose(found["out_E"], (x * w[places]).sum())
    assert np.allclose(found["out_grad_w"], [x[places == k].sum() for k in range(3)])


# ---- hostile

MANY = [f"i{k}" for k in range(17)]
HOSTILE = {
    "large range": ("output r[i in 0..10^18, j in 0..10^18] = i", None),
    "huge sum": ("output r = sum[i in 0..9223372036854775807](0)", None),
    "beyond 64 bits": ("output r = sum[i in 0..2^70](0)", "E0105"),
    "negative": ("output r = sum[i in 0..-1](1)", "E0414"),
    "many indices": (f"output r = sum[{' in 0..2, '.join(MANY)} in 0..2]({' + '.join(MANY)})", "E0605"),
    "nested": ("output r = " + "".join(f"sum[i{k} in 0..2](i{k} + " for k in range(300)) + "1" + ")" * 300, None),
    "a long product": (f"output r = sum[i in 0..3]({' * '.join(['i'] * 3000)})", None),
    "many sums": ("output r = " + " + ".join(["sum[i in 0..3](i)"] * 2000), None),
    "indices of indices": ("input x : f64[9]\noutput r[i in 0..3] = " + "x[" * 1 + "i" + " + 0" * 2000 + "]", None),
    "division by an index": ("output r[i in 0..3] = 7 // i", None),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_forms(name: str) -> None:
    text, code = HOSTILE[name]
    source = Source("model.expr", text + "\n")
    try:
        check_program(parse(source), source)
    except (UserError, KnownLimit) as refusal:
        assert code in [diagnostic.code for diagnostic in refusal.diagnostics]
    else:
        assert code is None
