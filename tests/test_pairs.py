"""Tables over pairs: never there as a whole, in blocks along both axes; and sums that symmetry makes one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from kernel_support import as_f32, plans_of, same_bits
from support import build, differences

from exprc.diagnostics import InternalError
from exprc.driver import Options
from exprc.driver.pipeline import run_stages
from exprc.ir.node import toposort
from exprc.rewrite.symmetry import exchange_sign
from exprc.schedule.interpret import interpret
from exprc.schedule.kernel import Buffer, Loop, statements_of
from exprc.schedule.read import read_plan
from exprc.schedule.show import show_plan
from exprc.schedule.verify import verify_plan
from exprc.source import Source

POINTS = "dim n, d\nparam X : f64[n, d]\n"
TWO = "dim n, m, d\ninput A : f64[n, d]\ninput B : f64[m, d]\ninput u : f64[m]\nparam s : f64\nparam t : f64[d]\n"
DISTANCES = "D = sum((X[:, None, :] - X[None, :, :])^2, axis=2)\n"
CROSSED = "D = sum(((A[:, None, :] - B[None, :, :]) * t)^2, axis=2)\n"


def _distances(X: Any) -> Any:
    return ((X[:, None] - X[None]) ** 2).sum(2)


def _crossed(A: Any, B: Any, t: Any) -> Any:
    return (((A[:, None] - B[None]) * t) ** 2).sum(2)


class Case(NamedTuple):
    """A program, its loss in NumPy, and the param by which it is differentiated."""

    text: str
    loss: Callable[..., Any]
    wrt: str


CASES: dict[str, Case] = {
    "sum over pairs": Case(POINTS + DISTANCES + "loss E = sum(exp(-D))", lambda X: np.exp(-_distances(X)).sum(), "X"),
    "written in one line": Case(
        POINTS + "loss E = sum(exp(-sum((X[:, None] - X)^2, axis=2)))", lambda X: np.exp(-_distances(X)).sum(), "X"
    ),
    "of each row": Case(
        POINTS + DISTANCES + "loss E = sum(log(sum(exp(-D), axis=1)))",
        lambda X: np.log(np.exp(-_distances(X)).sum(1)).sum(), "X",
    ),
    "nearest of a row, softly": Case(
        POINTS + DISTANCES + "loss E = sum(logsumexp(-D, axis=1))",
        lambda X: np.log(np.exp(-_distances(X)).sum(1)).sum(), "X",
    ),
    "farthest of a row": Case(
        POINTS + DISTANCES + "loss E = sum(max(D, axis=1))", lambda X: _distances(X).max(1, initial=0).sum(), "X"
    ),
    "weights of a smoother": Case(
        TWO + CROSSED + "f = exp(-s * D) @ u\nloss E = sum(f^2)",
        lambda A, B, u, s, t: ((np.exp(-s * _crossed(A, B, t)) @ u) ** 2).sum(), "t",
    ),
    "normalised": Case(
        TWO + CROSSED + "K = exp(-D)\nloss E = sum((K @ u) / (1 + sum(K, axis=1))) * s",
        lambda A, B, u, s, t: s * ((k := np.exp(-_crossed(A, B, t))) @ u / (1 + k.sum(1))).sum(), "t",
    ),
    "differences of a vector": Case(
        "dim n\nparam x : f64[n]\nloss E = sum(tanh(x[:, None] - x[None, :])^2)",
        lambda x: (np.tanh(x[:, None] - x) ** 2).sum(), "x",
    ),
    "antisymmetric": Case(
        "dim n\nparam x : f64[n]\ninput a : f64[n]\nloss E = sum(sin(x[:, None] - x[None, :]) * a)",
        lambda x, a: (np.sin(x[:, None] - x) * a).sum(), "x",
    ),
}  # fmt: skip
SIZES = ({"n": 0, "m": 0, "d": 3}, {"n": 1, "m": 2, "d": 1}, {"n": 17, "m": 5, "d": 3}, {"n": 3, "m": 40, "d": 0},
         {"n": 261, "m": 300, "d": 2})  # fmt: skip
SHAPES = {"X": ("n", "d"), "A": ("n", "d"), "B": ("m", "d"), "u": ("m",), "s": (), "t": ("d",), "x": ("n",),
          "a": ("n",)}  # fmt: skip


def arguments(case: Case, sizes: dict[str, int]) -> dict[str, Any]:
    generator = np.random.default_rng(7)
    names = [name for name in SHAPES if f" {name} :" in case.text]
    return {name: generator.uniform(-0.9, 0.9, tuple(sizes[s] for s in SHAPES[name])) for name in names}


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    module = build(case.text, tmp_path)
    for sizes in SIZES:
        if sizes["n"] == 0 and "max(" in case.text:
            continue
        given = arguments(case, sizes)
        value, gradient = module.E.value_and_grad(**given)
        assert value == pytest.approx(case.loss(**given), rel=1e-12, abs=1e-12)
        if given[case.wrt].size > 60:
            continue
        others = {k: v for k, v in given.items() if k != case.wrt}
        width = 1e-4 if "max(" in case.text else 1e-2  # so that no other entry becomes the largest one
        expected = differences(lambda w, others=others: case.loss(**{case.wrt: w}, **others), given[case.wrt], width)
        np.testing.assert_allclose(gradient[case.wrt], expected, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("dtype", ["f64", "f32"])
@pytest.mark.parametrize("name", CASES)
def test_the_interpreter_gives_the_same_bits(name: str, dtype: str, tmp_path: Path) -> None:
    case = CASES[name]
    text = case.text if dtype == "f64" else as_f32(case.text)
    module = build(text, tmp_path)
    (plan,) = [plan for plan in plans_of(text) if plan.symbol.endswith("_value_and_grad")]
    for sizes in SIZES[1:]:
        given = {k: v.astype({"f64": "f8", "f32": "f4"}[dtype]) for k, v in arguments(case, sizes).items()}
        value, gradient = module.E.value_and_grad(**given)
        found = interpret(plan, {f"in_{k}": v for k, v in given.items()}, {name: sizes[name] for name in plan.dims})
        assert float(found["out_E"]) == value
        assert same_bits(found[f"out_grad_{case.wrt}"], np.asarray(gradient[case.wrt]))


def _long_axes(buffer: Buffer) -> int:
    return sum(str(size) in ("n", "m") for size in buffer.shape)


@pytest.mark.parametrize("name", CASES)
def test_no_table_is_kept_as_a_whole(name: str) -> None:
    for plan in plans_of(CASES[name].text):
        tiles = [tile for kernel in plan.kernels for tile in kernel.tiles]
        assert all(_long_axes(buffer) <= 1 for buffer in (*plan.workspace, *tiles)), show_plan(plan)


@pytest.mark.parametrize("name", ["sum over pairs", "written in one line", "differences of a vector"])
def test_memory_does_not_grow_with_the_points(name: str) -> None:
    for plan in plans_of(CASES[name].text):
        tiles = [tile for kernel in plan.kernels for tile in kernel.tiles]
        assert not plan.workspace and not any(_long_axes(tile) for tile in tiles), show_plan(plan)


def test_blocks_along_the_second_axis() -> None:
    """The table is made and read in one loop, from a turned copy of the points, and rows are added up in it."""
    plan = next(p for p in plans_of(CASES["sum over pairs"].text) if p.symbol.endswith("grad"))
    (kernel,) = plan.kernels
    loops = [s for s in statements_of(kernel.body) if isinstance(s, Loop)]
    assert [loop.rows for loop in loops] == ["columns"] and plan.workspace == ()
    text = show_plan(plan)
    assert show_plan(read_plan(text)) == text
    verify_plan(read_plan(text))




def test_a_tile_must_be_started_before_it_adds_up() -> None:
    text = show_plan(next(p for p in plans_of(CASES["sum over pairs"].text) if p.symbol.endswith("grad")))
    start = text.index("    nest i < rows; j < {d} (vector)\n      %0 = constant 0.0")
    without = text[:start] + text[text.index("    loop column") :]
    assert without != text
    with pytest.raises(InternalError, match="nothing wrote t0 before"):
        verify_plan(read_plan(without))


# ---- symmetry

SIGNS: dict[str, int] = {
    "x[:, None] - x[None, :]": -1,
    "x[:, None] + x[None, :]": 1,
    "x[:, None] * x[None, :]": 1,
    "x[:, None] / x[None, :]": 0,
    "(x[:, None] - x[None, :])^2": 1,
    "(x[:, None] - x[None, :])^3": 0,
    "abs(x[:, None] - x[None, :])": 1,
    "sin(x[:, None] - x[None, :])": -1,
    "exp(x[:, None] - x[None, :])": 0,
    "exp(-(x[:, None] - x[None, :])^2)": 1,
    "(x[:, None] - x[None, :]) * exp(-(x[:, None] - x[None, :])^2)": -1,
    "(x[:, None] - x[None, :]) + sin(x[:, None] - x[None, :])": -1,
    "(x[:, None] - x[None, :]) + (x[:, None] - x[None, :])^2": 0,
    "x[:, None] + 2 * x[None, :]": 0,
    "x[:, None] + y[None, :]": 0,
    "x[:, None] * y[None, :] + y[:, None] * x[None, :]": 0,
    "maximum(x[:, None], x[None, :])": 1,
    "sum((X[:, None, :] - X[None, :, :])^2, axis=2)": 1,
    "sum(X[:, None, :] - X[None, :, :], axis=2)": -1,
    "max(X[:, None, :] - X[None, :, :], axis=2)": 0,
    "X @ X'": 1,
    "X @ Y'": 0,
    "(x[:, None] - x[None, :]) + x": 0,
    "full(1.5, n, n)": 1,
    "K": 0,
    "where(x[:, None] > x[None, :], 1.0, 2.0)": 0,
}  # fmt: skip


@pytest.mark.parametrize("expression", SIGNS)
def test_what_exchanging_two_axes_does(expression: str, tmp_path: Path) -> None:
    declared = (
        "dim n, d\ninput x : f64[n]\ninput y : f64[n]\ninput X : f64[n, d]\ninput Y : f64[n, d]\n"
        "input K : f64[n, n]\n"
    )
    text = declared + f"output r = {expression}\n"
    state = run_stages(Source("m.expr", text), Options(name="m"), "differentiate")
    (entry,) = state.entries
    sign = exchange_sign(entry.value, 0, 1)
    assert sign == SIGNS[expression]
    generator = np.random.default_rng(3)
    shapes = {"x": (5,), "y": (5,), "X": (5, 3), "Y": (5, 3), "K": (5, 5)}
    used = {name: generator.standard_normal(shape) for name, shape in shapes.items()}
    module = build(text, tmp_path)
    needed = {node.attrs[0] for node in toposort([entry.value]) if node.op.name == "input"}
    found = module.r(**{k: v for k, v in used.items() if k in needed}, **({} if needed else {"n": 5}))
    if sign:
        np.testing.assert_array_equal(found.T, sign * found)
