"""Compiled programs of every kind: values against NumPy, gradients against differences of the NumPy form."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from support import build, differences


class Case(NamedTuple):
    """A program with one loss E and a param w; `reference` computes E from arrays by name."""

    name: str
    text: str
    shapes: dict[str, tuple[str | int, ...]]
    reference: Callable[..., float]
    sizes: tuple[dict[str, int], ...] = ({"n": 5, "d": 3}, {"n": 1, "d": 1}, {"n": 67, "d": 17})
    tolerance: float = 1e-8
    width: float = 1e-3  # of the differences: small where kinks are near


def softplus(x):
    return np.logaddexp(0, x)


def logsumexp(x, axis):
    top = x.max(axis=axis, keepdims=True)
    return (top + np.log(np.exp(x - top).sum(axis=axis, keepdims=True))).squeeze(axis)


def rnn(X, w):
    h = np.zeros(w.shape[0])
    total = 0.0
    for x in X:
        h = np.tanh(w @ h + x)
        total += (h**2).sum()
    return total


def two_states(X, w):
    a, b, total = np.zeros_like(w), np.ones_like(w), 0.0
    for x in X:
        a, b = np.sin(a * b + x), b * 0.9 + a * w
        total += (a * b).sum()
    return total


def nested(X, w):
    s, total = np.zeros_like(w), 0.0
    for x in X:
        q = s
        for v in X:
            q = np.tanh(q * w + v)
        s = q + 0.1 * x
        total += s.sum()
    return total


XW = "dim n, d\ninput X : f64[n, d]\nparam w : f64[d]\n"
SHAPES = {"X": ("n", "d"), "w": ("d",)}
CASES = [
    Case("linear", XW + "loss E = sum(X @ w)", SHAPES, lambda X, w: (X @ w).sum()),
    Case("squares", XW + "r = X @ w\nloss E = sum(r^2) / 2", SHAPES, lambda X, w: ((X @ w) ** 2).sum() / 2),
    Case("mean", XW + "loss E = mean(sin(X * w))", SHAPES, lambda X, w: np.sin(X * w).mean()),
    Case("row_sums", XW + "loss E = sum(exp(sum(X * w, axis=1) / 4))", SHAPES,
         lambda X, w: np.exp((X * w).sum(1) / 4).sum()),
    Case("column_sums", XW + "loss E = sum(sum(X * w, axis=0)^3)", SHAPES, lambda X, w: ((X * w).sum(0) ** 3).sum()),
    Case("logsumexp_rows", XW + "loss E = sum(logsumexp(X * w, axis=1))", SHAPES,
         lambda X, w: logsumexp(X * w, 1).sum()),
    Case("logsumexp_columns", XW + "loss E = sum(logsumexp(X * w, axis=0))", SHAPES,
         lambda X, w: logsumexp(X * w, 0).sum()),
    Case("softmax", XW + "P = softmax(X * w)\nloss E = sum(P * X)", SHAPES,
         lambda X, w: (np.exp(X * w - logsumexp(X * w, 1)[:, None]) * X).sum()),
    Case("standardised", XW + "c = mean(X * w, axis=0)\nloss E = sum(((X * w - c)^2) * X)", SHAPES,
         lambda X, w: ((X * w - (X * w).mean(0)) ** 2 * X).sum()),
    Case("gram", XW + "G = (X * w)' @ (X * w)\nloss E = sum(G^2) / 10", SHAPES,
         lambda X, w: (((X * w).T @ (X * w)) ** 2).sum() / 10),
    Case("outer_gram", XW + "K = (X * w) @ (X * w)'\nloss E = sum(tanh(K))", SHAPES,
         lambda X, w: np.tanh((X * w) @ (X * w).T).sum()),
    Case("slices", XW + "u = X @ w\nloss E = sum((u[1:] - u[:-1])^2 * u[1:])", SHAPES,
         lambda X, w: (np.diff(X @ w) ** 2 * (X @ w)[1:]).sum()),
    Case("strided", XW + "u = w[::-1]\nloss E = sum(X @ u) + sum(w * u)", SHAPES,
         lambda X, w: (X @ w[::-1]).sum() + (w * w[::-1]).sum()),
    Case("columns", XW + "loss E = sum(sin(X[:, 0] * w[0])) + sum(X[0, :] * w)", SHAPES,
         lambda X, w: np.sin(X[:, 0] * w[0]).sum() + (X[0] * w).sum()),
    Case("prod", XW + "loss E = prod(1 + w / 4) * mean(X)", SHAPES, lambda X, w: np.prod(1 + w / 4) * X.mean()),
    Case("max_rows", XW + "loss E = sum(max(X * w, axis=1))", SHAPES, lambda X, w: (X * w).max(1).sum(), tolerance=1e-6, width=1e-6),  # noqa: E501
    Case("norms", XW + "loss E = sqrt(sum(w^2)) + sum(sqrt(sum((X * w)^2, axis=1)))", SHAPES,
         lambda X, w: np.sqrt((w**2).sum()) + np.sqrt(((X * w) ** 2).sum(1)).sum(), tolerance=1e-5),
    Case("logistic", XW + "loss E = sum(log(1 + exp(-(X @ w))))", SHAPES, lambda X, w: softplus(-(X @ w)).sum()),
    Case("functions", XW + "u = X @ w\nloss E = sum(erf(u) + tanh(u) * cos(u) + log1p(u^2) + expm1(u / 9) + sqrt(1 + u^2))",  # noqa: E501
         SHAPES, lambda X, w: (_erf(X @ w) + np.tanh(X @ w) * np.cos(X @ w) + np.log1p((X @ w) ** 2)
                               + np.expm1((X @ w) / 9) + np.sqrt(1 + (X @ w) ** 2)).sum()),
    Case("guard", XW + "u = X @ w\nloss E = sum(where(u > 0, log(1 + u) * u, -u))", SHAPES,
         lambda X, w: np.where(X @ w > 0, np.log1p(np.abs(X @ w)) * (X @ w), -(X @ w)).sum(), tolerance=1e-6, width=1e-6),  # noqa: E501
    Case("rnn", "dim n, d\ninput X : f64[n, d]\nparam w : f64[d, d]\n"
         "H = scan h = zeros(d) over x in X { tanh(w @ h + x) }\nloss E = sum(H^2)",
         {"X": ("n", "d"), "w": ("d", "d")}, rnn, ({"n": 4, "d": 3}, {"n": 1, "d": 1}, {"n": 9, "d": 17})),
    Case("two_states", XW + "A, B = scan a = zeros(d), b = ones(d) over x in X { sin(a * b + x), b * 0.9 + a * w }\n"
         "loss E = sum(A * B)", SHAPES, two_states, ({"n": 4, "d": 3}, {"n": 1, "d": 2})),
    Case("nested", XW + "S = scan s = zeros(d) over x in X {\n    Q = scan q = s over v in X { tanh(q * w + v) }\n"
         "    last(Q, s) + 0.1 * x\n}\nloss E = sum(S)", SHAPES, nested, ({"n": 4, "d": 3}, {"n": 1, "d": 2})),
    Case("cholesky", "dim n, d\ninput X : f64[n, d]\nparam w : f64[d]\n"
         "A = (X * w) @ (X * w)'\nL = cholesky(A + 3 * reshape(full(1.0, n), n, 1) * where(iota(n) == reshape(iota(n), n, 1), 1.0, 0.0))\n"  # noqa: E501
         "loss E = sum(L^3)", SHAPES,
         lambda X, w: (np.linalg.cholesky((X * w) @ (X * w).T + 3 * np.eye(len(X))) ** 3).sum(),
         ({"n": 4, "d": 3}, {"n": 1, "d": 1}, {"n": 9, "d": 2}), tolerance=1e-6),
]  # fmt: skip


def _erf(x):
    from math import erf

    return np.vectorize(erf, otypes=[float])(x)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_value_and_gradient(case: Case, tmp_path) -> None:
    module = build(case.text, tmp_path)
    for sizes in case.sizes:
        generator = np.random.default_rng(0)
        arrays = {
            name: generator.uniform(-0.9, 0.9, tuple(sizes[s] if isinstance(s, str) else s for s in shape))
            for name, shape in case.shapes.items()
        }
        value, gradient = module.E.value_and_grad(**arrays)
        assert value == pytest.approx(case.reference(**arrays), rel=1e-12, abs=1e-12)
        others = {name: array for name, array in arrays.items() if name != "w"}
        with np.errstate(all="ignore"):
            expected = differences(lambda w, others=others: case.reference(w=w, **others), arrays["w"], case.width)
        np.testing.assert_allclose(gradient.w, expected, rtol=case.tolerance, atol=case.tolerance)
        assert module.E(**arrays) == pytest.approx(value, rel=1e-13, abs=1e-13)
