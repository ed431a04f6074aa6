"""Softmax regression with integer labels: narrow matrix products on both sides of a row softmax."""

from __future__ import annotations

from typing import Any

import numpy as np

from workloads import Array, Case, Data, Reference, Work

TITLE = "Softmax regression"
PROGRAM = """\
## Softmax regression with integer labels.

dim n, d, k

input X : f64[n, d]
input labels : i64[n]
param W : f64[d, k]
param b : f64[k]

loss E = mean(cross_entropy(X @ W + b, labels))
"""
RESULT = "E"
IS_LOSS = True
CASES = (
    Case({"n": 1000, "d": 64, "k": 10}),
    Case({"n": 60_000, "d": 784, "k": 10}, rounds=5, seconds=0.4),
)


def data(sizes: dict[str, int], dtype: str) -> Data:
    n, d, k = sizes["n"], sizes["d"], sizes["k"]
    generator = np.random.default_rng(n)
    X = generator.standard_normal((n, d), dtype=dtype)
    W = (generator.standard_normal((d, k)) / d**0.5).astype(dtype)
    b = generator.standard_normal(k).astype(dtype)
    return Data({"X": X, "labels": generator.integers(0, k, n)}, {"W": W, "b": b})


def reference(data: Data) -> Reference:
    X, labels = data.inputs["X"], data.inputs["labels"]
    W, b = (data.params[name].astype(np.longdouble) for name in ("W", "b"))
    n = len(X)
    value = value_scale = np.longdouble(0)
    gradient, gradient_scale = np.zeros_like(W), np.zeros_like(W)
    offset, offset_scale = np.zeros_like(b), np.zeros_like(b)
    for start in range(0, n, 1000):  # a long double is 16 bytes
        rows = X[start : start + 1000].astype(np.longdouble)
        hot = labels[start : start + 1000, None] == np.arange(len(b))
        spread = np.abs(rows) @ np.abs(W) + np.abs(b)
        logits = rows @ W + b
        shifted = logits - logits.max(axis=1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        p = np.exp(log_p)
        value -= log_p[hot].sum()
        value_scale += np.abs(log_p[hot]).sum() + spread.max(axis=1).sum()
        terms = p + hot + p * spread.max(axis=1, keepdims=True)
        gradient += rows.T @ (p - hot)
        gradient_scale += np.abs(rows).T @ terms
        offset += (p - hot).sum(axis=0)
        offset_scale += terms.sum(axis=0)
    scales = (value_scale, gradient_scale, offset_scale)
    return Reference((value / n, gradient / n, offset / n), tuple(scale / n for scale in scales))


def work(sizes: dict[str, int]) -> Work:
    n, d, k = sizes["n"], sizes["d"], sizes["k"]
    return Work(4 * n * d * k + 6 * n * k, {"exp": n * k, "log": n, "divide": n})


def numpy() -> Any:
    def value_and_grad(X: Array, labels: Array, W: Array, b: Array) -> tuple[Any, ...]:
        rows = np.arange(len(X))
        logits = X @ W + b
        logits -= logits.max(axis=1, keepdims=True)
        p = np.exp(logits)
        total = p.sum(axis=1, keepdims=True)
        value = (np.log(total[:, 0]) - logits[rows, labels]).mean()
        p /= total
        p[rows, labels] -= 1
        p /= len(X)
        return float(value), X.T @ p, p.sum(axis=0)

    return value_and_grad


def numba(parallel: bool) -> Any:
    """Products by BLAS, which has threads of its own; the rest in loops by hand."""
    import math

    import numba as nb

    @nb.njit(fastmath={"reassoc", "nsz", "contract"}, error_model="numpy", parallel=parallel)
    def value_and_grad(X: Array, labels: Array, W: Array, b: Array) -> tuple[float, Array, Array]:
        p = np.dot(X, W)
        n, k = p.shape
        value = 0.0
        for i in nb.prange(n):
            largest = p[i, 0] + b[0]
            for j in range(k):
                p[i, j] += b[j]
                largest = max(largest, p[i, j])
            total = b.dtype.type(0)
            chosen = p[i, labels[i]]
            for j in range(k):
                p[i, j] = math.exp(p[i, j] - largest)
                total += p[i, j]
            value += math.log(total) + largest - chosen
            scale = b.dtype.type(1) / (total * b.dtype.type(n))
            for j in range(k):
                p[i, j] *= scale
            p[i, labels[i]] -= b.dtype.type(1) / b.dtype.type(n)
        offset = np.zeros_like(b)
        for i in range(n):
            for j in range(k):
                offset[j] += p[i, j]
        return value / n, np.dot(X.T, p), offset

    return value_and_grad


def jax() -> Any:
    import jax.numpy as jnp
    from jax.nn import log_softmax

    def loss(X: Any, labels: Any, W: Any, b: Any) -> Any:
        return -jnp.mean(jnp.take_along_axis(log_softmax(X @ W + b), labels[:, None], axis=1))

    return loss


def torch() -> Any:
    from torch.nn.functional import cross_entropy

    def loss(X: Any, labels: Any, W: Any, b: Any) -> Any:
        return cross_entropy(X @ W + b, labels)

    return loss


def pytensor() -> Any:
    import pytensor.tensor as pt

    def loss(X: Any, labels: Any, W: Any, b: Any) -> Any:
        log_p = pt.special.log_softmax(X @ W + b, axis=1)
        return -pt.mean(log_p[pt.arange(labels.shape[0]), labels])

    return loss
