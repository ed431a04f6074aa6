"""The schedule: passes over the data, memory, bounded bodies, and how each value uses each axis."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from kernel_support import LABELLED, LOGISTIC, PROGRAMS, SOFTMAX, STANDARDISED, XW, XWK, gradient_plan, plans_of

from exprc.driver import Options
from exprc.driver.pipeline import run_stages
from exprc.ir.node import toposort
from exprc.ir.sizes import Size, dim
from exprc.rewrite import expand_composites
from exprc.schedule.access import resolve
from exprc.schedule.classes import classify
from exprc.schedule.kernel import WORKSPACE, Kernel, Load, Nest, Plan, statements_of
from exprc.schedule.nests import BODY_LIMIT
from exprc.schedule.show import show_plan
from exprc.source import Source

N = dim("n")
DEARER = 200  # a body may be over its limit by the last operation that joined it


def nests_of(kernel: Kernel) -> list[Nest]:
    return [statement for statement in statements_of(kernel.body) if isinstance(statement, Nest)]


def loads_of(kernel: Kernel, buffer: str) -> int:
    return sum(isinstance(i, Load) and i.buffer == buffer for nest in nests_of(kernel) for i in nest.body)


def readers(plan: Plan, buffer: str) -> list[Kernel]:
    return [kernel for kernel in plan.kernels if loads_of(kernel, buffer)]


def passes(plan: Plan, size: Size = N) -> int:
    """How often a plan goes over an axis."""
    return sum(kernel.stream is not None and kernel.stream.extent == size for kernel in plan.kernels)


def kept(plan: Plan, size: Size = N) -> list[str]:
    """The buffers of the workspace that grow with a size."""
    return [buffer.name for buffer in plan.workspace if any(extent == size for extent in buffer.shape)]


# ---- one pass over the data

RIDGE = "input ridge : f64\n"
ONE_PASS: dict[str, str] = {
    "logistic regression": LOGISTIC,
    "logistic regression, mean": LOGISTIC.replace("-sum(", "-mean("),
    "logistic regression, ridge": LOGISTIC.rstrip() + " + 0.5 * sum(w^2)\n",
    "logistic regression, named penalty": (XW + RIDGE + LOGISTIC[len(XW) :]).rstrip() + " + ridge / 2 * sum(w^2) / n\n",
    "softmax regression": SOFTMAX,
    "softmax regression, mean": SOFTMAX.replace("sum(", "mean("),
    "softmax regression by hand": XWK + "loss E = -sum(Y * log(softmax(X @ W + b))) / n\n",
    "least squares": XW + "input y : f64[n]\nloss E = mean((X @ w - y)^2)\n",
    "weighted least squares": XW + "input y : f64[n]\ninput s : f64[n]\nloss E = sum(s * (X @ w - y)^2) / sum(s)\n",
    "data scaled by given columns": XW + "input c : f64[d]\ninput s : f64[d]\ninput y : f64[n]\n"
                                    "eta = ((X - c) / s) @ w\nloss E = sum(softplus(eta) - y * eta)\n",
    "positive coefficients": XW + "input y : f64[n]\nloss E = sum((X @ exp(w) - y)^2) + sum(w)\n",
    "noise as a param": XW + "param t : f64\ninput y : f64[n]\ns = exp(t)\n"
                        "loss E = sum(((X @ w - y) / s)^2) / 2 + n * t\n",
    "network": XWK + "param v : f64[k]\nloss E = mean((tanh(X @ W + b) @ v - Y[:, 0])^2)\n",
    "network of two layers": XWK + "param V : f64[k, k]\nloss E = mean((tanh(tanh(X @ W + b) @ V) - Y)^2)\n",
    "weights normalised": XW + "input y : f64[n]\nu = w / sqrt(sum(w^2))\nloss E = sum((X @ u - y)^2)\n",
}  # fmt: skip


@pytest.mark.parametrize("name", ONE_PASS)
def test_value_and_gradient_in_one_pass(name: str) -> None:
    for plan in plans_of(ONE_PASS[name]):
        assert passes(plan) == 1, show_plan(plan)
        (kernel,) = readers(plan, "in_X")
        assert kernel.stream is not None and kernel.stream.extent == N and kernel.accumulators
        assert kept(plan) == []


def test_blocks_of_rows() -> None:
    """Rows come in blocks that stay near the processor, entries of a single axis in long ones."""
    plan = gradient_plan(LOGISTIC)
    (stream,) = [kernel.stream for kernel in plan.kernels if kernel.stream]
    tiles = [tile for kernel in plan.kernels for tile in kernel.tiles]
    assert stream.block <= 64 and tiles and all(tile.shape[0].constant == stream.block for tile in tiles)
    for other in plans_of(PROGRAMS["one_axis"]):
        assert all(kernel.stream is None or kernel.stream.block >= 1024 for kernel in other.kernels)


# A program, and its passes over n for the value, and for value and gradient.
PASSES: dict[str, tuple[str, int, int]] = {
    "a mean": (XW + "c = mean(X, axis=0)\nloss E = sum(((X - c) @ w)^2)", 2, 2),
    "standardised": (STANDARDISED, 3, 3),
    "two means side by side": (XW + "loss E = sum((X - mean(X, axis=0) * mean(X^2, axis=0))^2 * w)", 2, 2),
    "a mean of a mean": (XW + "u = X @ w\nm = mean(u)\nloss E = mean((u - m - mean((u - m)^3))^2)", 3, 5),
    "maximum first": (XW + "loss E = sum(X @ w) / max(X)", 1, 1),
    "neighbours": ("dim n\nparam x : f64[n]\nloss E = sum(100 * (x[1:] - x[:-1]^2)^2 + (1 - x[:-1])^2)", 0, 1),
    "gram matrix": (XW + "G = (X * w)' @ (X * w)\nloss E = sum(G^2)", 1, 2),
    "two losses of rows": (XW + "loss E = sum((X @ w)^2) * sum(abs(X @ w))", 1, 2),
}


@pytest.mark.parametrize("name", PASSES)
def test_as_many_passes_as_barriers(name: str) -> None:
    text, for_value, for_gradient = PASSES[name]
    for plan in plans_of(text):
        expected = for_gradient if plan.symbol.endswith("_value_and_grad") else for_value
        assert passes(plan) == expected, show_plan(plan)


def test_loops_run_once_and_stream_over_nothing() -> None:
    (plan, _) = plans_of(PROGRAMS["filter"])
    first, second = plan.kernels
    assert first.stream is None and second.stream is not None and second.stream.extent == N


# ---- bodies of bounded size


def instructions(plan: Plan) -> int:
    return max(len(nest.body) for kernel in plan.kernels for nest in nests_of(kernel))


def chain(length: int, shape: str) -> str:
    steps = "".join(f"x{k + 1} = sin(x{k}) * 0.9 + {k % 7}.5\n" for k in range(length))
    return f"dim n, d\ninput x0 : f64{shape}\n{steps}output r = x{length}\n"


@pytest.mark.parametrize("shape", ("[n]", "[n, d]", ""))
def test_bodies_are_bounded(shape: str) -> None:
    (plan,) = plans_of(chain(1000, shape))
    assert instructions(plan) <= BODY_LIMIT + DEARER
    total = sum(len(nest.body) for kernel in plan.kernels for nest in nests_of(kernel))
    assert total <= 6 * 3000
    assert not any(buffer.space == WORKSPACE and "n" in str(buffer.shape) for buffer in plan.workspace)


def test_bodies_of_gradients_are_bounded() -> None:
    steps = "".join(f"x{k + 1} = sin(x{k} * w) + x{k}\n" for k in range(300))
    plan = gradient_plan(f"dim n\ninput x0 : f64[n]\nparam w : f64\n{steps}loss E = sum(x300)\n")
    assert instructions(plan) <= BODY_LIMIT + DEARER and passes(plan) == 1 and kept(plan) == []


def test_many_reductions_are_one_pass() -> None:
    terms = " + ".join(f"sum((X @ w - {k}.5)^2)" for k in range(200))
    for plan in plans_of(XW + f"loss E = {terms}\n"):
        assert passes(plan) == 1 and instructions(plan) <= BODY_LIMIT + DEARER


# ---- plans are functions of the program


def test_plans_do_not_depend_on_addresses_or_hashes() -> None:
    """Each process gives strings other hashes and nodes other addresses."""
    script = (
        "from kernel_support import PROGRAMS, plans_of\n"
        "from exprc.schedule.show import show_plan\n"
        "print(''.join(show_plan(plan) for name in sorted(PROGRAMS) for plan in plans_of(PROGRAMS[name])))\n"
    )
    texts = set()
    for seed in ("1", "2"):
        path = os.pathsep.join(sys.path)
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path}
        run = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
        )
        texts.add(run.stdout)
    assert len(texts) == 1 and "".join(texts).count("plan ") > 40


# ---- axis classes

# Definitions over X : f64[n, d], x : f64[n], K : f64[n, n], w : f64[d], s : f64, W : f64[d, d], with their class along
# n.  Data of several axes n have their slices along the first.
CLASSES: dict[str, str] = {
    "w": "free",
    "W @ w": "free",
    "sum(w^2) + s": "free",
    "f64(n) * s": "free",
    "x": "carried",
    "X @ w": "carried",
    "sigmoid(X @ w) * x": "carried",
    "sum(X, axis=1)": "carried",
    "softmax(X, axis=1)": "carried",
    "X'": "carried",
    "X @ W": "carried",
    "X[:, 0]": "carried",
    "X[:, ::-1]": "carried",
    "x[:, None] * w": "carried",
    "where(x > 0, x, s)": "carried",
    "exp(K)": "carried",
    "sum(K, axis=1)": "carried",
    "K[:, 0] + x": "carried",
    "x + f64(iota(n))": "carried",
    "zeros(n) + s": "carried",
    "X - mean(X, axis=0)": "carried",
    "K * x[:, None]": "carried",
    "sum(x)": "reduced",
    "2 * max(x) + s": "reduced",
    "X' @ x": "reduced",
    "x @ K": "reduced",
    "X' @ X": "reduced",
    "sum(X, axis=0) * w": "reduced",
    "mean(X)": "reduced",
    "prod(x) + sum(x)": "reduced",
    "sum(X @ W)": "reduced",
    "any(x > 0)": "reduced",
    "x[1:]": "mixed",
    "x[::-1]": "mixed",
    "x[0] * s": "mixed",
    "sum(x[1:] * x[:-1])": "mixed",
    "reshape(X, n * d)": "mixed",
    "X @ X'": "mixed",
    "K @ K": "mixed",
    "K @ x": "mixed",
    "K + K'": "mixed",
    "x[:, None] - x[None, :]": "mixed",
    "K * x[None, :]": "mixed",
    "cholesky(K)": "mixed",
    "exp(cholesky(K)) @ x": "mixed",
    "last(scan a = 0.0 over v in x { a + v * s }, 0.0)": "mixed",
    "scan a = s over v in w { a * v }": "free",
}


def classes_of(expression: str) -> dict[str, str]:
    text = (
        "dim n, d\ninput X : f64[n, d]\ninput x : f64[n]\ninput K : f64[n, n]\ninput w : f64[d]\ninput s : f64\n"
        f"input W : f64[d, d]\noutput r = {expression}\n"
    )
    state = run_stages(Source("m.expr", text), Options(name="m"), "simplify")
    roots = expand_composites([state.values["r"]])
    order = toposort(roots)
    reads = resolve(order)
    return {name: classify(order, reads, dim(name))[roots[0]] for name in ("n", "d")}


@pytest.mark.parametrize("expression", CLASSES)
def test_classes_along_the_data(expression: str) -> None:
    assert classes_of(expression)["n"] == CLASSES[expression]


def test_classes_along_both_axes() -> None:
    assert classes_of("X * 2") == {"n": "carried", "d": "carried"}
    assert classes_of("X @ w") == {"n": "carried", "d": "reduced"}
    assert classes_of("X' @ x") == {"n": "reduced", "d": "carried"}
    assert classes_of("sum(X)") == {"n": "reduced", "d": "reduced"}
    assert classes_of("X' @ X") == {"n": "reduced", "d": "mixed"}
    assert classes_of("softmax(X, axis=1)") == {"n": "carried", "d": "carried"}


def test_labels_are_data_of_rows() -> None:
    text = LABELLED + "output r = X @ W - f64(t)[:, None]\n"
    state = run_stages(Source("m.expr", text), Options(name="m"), "simplify")
    order = toposort([state.values["r"]])
    assert classify(order, resolve(order), dim("n"))[state.values["r"]] == "carried"
