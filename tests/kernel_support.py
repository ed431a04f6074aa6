"""Programs of every kind, their plans, and whether results are the same bits."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from lower_support import NUMPY
from test_compiled import CASES

from exprc.driver import Options
from exprc.driver.pipeline import run_stages
from exprc.schedule.kernel import Plan
from exprc.source import Source

XW = "dim n, d\ninput X : f64[n, d]\nparam w : f64[d]\n"
XWK = "dim n, d, k\ninput X : f64[n, d]\ninput Y : f64[n, k]\nparam W : f64[d, k]\nparam b : f64[k]\n"

LOGISTIC = XW + "input y : f64[n]\nmu = sigmoid(X @ w)\nloss E = -sum(y * log(mu) + (1 - y) * log(1 - mu))\n"
LABELLED = "dim n, d, k\ninput X : f64[n, d]\ninput t : i64[n]\nparam W : f64[d, k]\n"
SOFTMAX = LABELLED + "loss E = sum(cross_entropy(X @ W, t))\n"
STANDARDISED = XW + (
    "input y : f64[n]\nC = X - mean(X, axis=0)\nZ = C / sqrt(mean(C^2, axis=0) + 1e-6)\n"
    "loss E = sum(softplus(Z @ w) - y * (Z @ w))\n"
)

# Programs that any sizes suit.
PROGRAMS: dict[str, str] = {
    "logistic_regression": LOGISTIC,
    "softmax_regression": SOFTMAX,
    "mean_of_a_network": XWK + "param v : f64[k]\nloss E = mean((tanh(X @ W + b) @ v - sum(Y, axis=1))^2)",
    "standardised_data": STANDARDISED,
    "pads": XW + "loss E = sum(w[:-1]) + sum(X[:, 1:] * w[1:]) + sum(w[::2]^2) * 2",
    "padded_index": XW + "loss E = sum((X * iota(d))[1:, 1:] * w[1:])\noutput r = (iota(n) * 2)[::-1]",
    "strides": XW + "loss E = sum(X[1:, ::2]^3) * sum(w[::-2]^2)\noutput S = X[::-1, 1::3]",
    "transposes": "dim n, d\ninput X : f64[n, d]\nparam w : f64[d, n]\nloss E = sum(X' * w^2)\noutput T = X' + w",
    "reshapes": "dim n, d\ninput X : f64[n, d]\nparam w : f64[n * d]\nloss E = sum(reshape(X, n * d) * w^2)\n"
                "output R = reshape(w, d, n) * 2",
    "bools": "dim n\ninput m : bool[n]\ninput x : f64[n]\nparam w : f64\nloss E = sum(where(m, x * w, -x))\n"
             "output a = any(m)\noutput b = all(m or x > 0)\noutput c = sum(m)\noutput d = m and x < 0.5",
    "integers": "dim n\ninput k : i64[n]\ninput x : f64[n]\noutput c = sum(k)\noutput e = sum(k * x)\n"
                "output q = k // 3 + iota(n) * 2\noutput s = k[::-1]\noutput p = prod(k)\noutput f = f64(k) / 3",
    "outputs": XW + "output p = sigmoid(X @ w)\noutput s = sum(X, axis=0)\noutput g = X' @ X\n"
               "output o = X @ w + sum(w)",
    "norms_and_powers": XW + "loss E = sum(sqrt(sum(X^2 * w^2, axis=1) + 1)) + sum(abs(w)^1.5 + exp(w)^3)",
    "products": XW + "loss E = prod(1 + w * 0.1) + sum(prod(1 + X * w * 0.1, axis=1))",
    "neighbours": "dim n\ninput x : f64[n]\nparam w : f64\nloss E = sum((x[1:] - w * x[:-1])^2)",
    "one_axis": "dim n\ninput x : f64[n]\nparam w : f64\nloss E = sum(exp(w * x)) + sum(log1p(x^2))",
    "outer_product": "dim n, d\ninput x : f64[n]\nparam w : f64[d]\nloss E = sum(exp(x[:, None] * w))",
    "filter": "dim n\ninput x : f64[n]\nparam w : f64\nS = scan s = 0.0 over v in x { s * w + v }\nloss E = sum(S^2)",
    "two_dtypes": "dim n, d\ninput X : f32[n, d]\nparam w : f64[d]\nloss E = sum((X @ f32(w))^2) + sum(f64(X) @ w)",
    "long_body": "dim n\ninput x : f64[n]\nparam w : f64\n"
                 "loss E = sum(tanh(erf(x * w) + sin(x)) * log1p(exp(x)) + cos(w * x)^2 / (1 + x^2))",
}  # fmt: skip
# Programs that need entries to choose among.
CHOOSING: dict[str, str] = {
    "extremes": XW
    + "loss E = sum(max(X * w, axis=0)) + sum(min(X, axis=1) * w[0])\noutput m = max(X)\noutput r = X[0]",
    "log_sums": XW + "loss E = sum(logsumexp(X * w, axis=0)) + logsumexp(w)\noutput s = softmax(X, axis=1)",
}
SMALL = {case.name: case.text for case in CASES if case.sizes != CASES[0].sizes}  # loops of their own sizes
ORDINARY = {case.name: case.text for case in CASES if case.name not in SMALL}


@cache
def plans_of(text: str, **options: Any) -> tuple[Plan, ...]:
    """The plans of a program."""
    return run_stages(Source("m.expr", text), Options(name="m", **options), "schedule").plans


def gradient_plan(text: str) -> Plan:
    """The plan of value and gradient of a program's only loss."""
    (plan,) = [plan for plan in plans_of(text) if plan.symbol.endswith("_value_and_grad")]
    return plan


def as_f32(text: str) -> str:
    """A program with f32 for f64."""
    return text.replace("f64", "f32")


def draw_arguments(plan: Plan, dims: dict[str, int]) -> dict[str, Any]:
    """Arrays by the names of their buffers."""
    generator = np.random.default_rng(len(plan.arguments))
    found = {}
    for buffer in plan.arguments:
        shape = tuple(size.evaluate(dims) for size in buffer.shape)
        if buffer.dtype in ("f64", "f32"):
            array = generator.uniform(-0.9, 0.9, shape)
        else:
            array = generator.integers(0, 2, shape)
        found[buffer.name] = np.asarray(array, NUMPY[buffer.dtype])
    return found


def same_bits(left: Any, right: Any) -> bool:
    """Equal with the signs of zeros; any NaN is as good as another."""
    if left.shape != right.shape or left.dtype != right.dtype:
        return False
    if left.dtype.kind != "f":
        return bool(np.array_equal(left, right))
    equal = (left == right) & (np.signbit(left) == np.signbit(right))
    return bool((equal | (np.isnan(left) & np.isnan(right))).all())
