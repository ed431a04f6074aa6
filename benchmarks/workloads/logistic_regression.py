"""Logistic regression: one matrix that is read in both directions, little arithmetic beside it.

All peers compute the sound form `log(1 + exp(eta)) - y eta` of the loss that exprc finds by itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from workloads import Array, Case, Data, Reference, Work

TITLE = "Logistic regression"
PROGRAM = """\
## Logistic regression as in Theano's tutorial.

dim n, d

input X : f64[n, d]
input y : f64[n]
param w : f64[d]

mu = sigmoid(X @ w)
loss E = -sum(y * log(mu) + (1 - y) * log(1 - mu))
"""
RESULT = "E"
IS_LOSS = True
CASES = (
    Case({"n": 100, "d": 10}),
    Case({"n": 1000, "d": 100}),
    Case({"n": 100_000, "d": 100}, rounds=15, seconds=0.2),
)


def data(sizes: dict[str, int], dtype: str) -> Data:
    n, d = sizes["n"], sizes["d"]
    generator = np.random.default_rng(n)
    X = generator.standard_normal((n, d)).astype(dtype)
    y = (generator.random(n) < 0.5).astype(dtype)
    return Data({"X": X, "y": y}, {"w": (generator.standard_normal(d) / d**0.5).astype(dtype)})


def reference(data: Data) -> Reference:
    X, y, w = (array.astype(np.longdouble) for array in data.arrays)
    eta = X @ w
    spread = np.abs(X) @ np.abs(w)
    terms = np.logaddexp(0, eta) - y * eta
    mu = 1 / (1 + np.exp(-eta))
    scale = np.abs(X).T @ (mu + y + spread)
    return Reference((terms.sum(), X.T @ (mu - y)), ((np.abs(terms) + spread).sum(), scale))


def work(sizes: dict[str, int]) -> Work:
    n, d = sizes["n"], sizes["d"]
    return Work(4 * n * d + 8 * n, {"exp": n, "log1p": n, "divide": n})


def numpy() -> Any:
    def value_and_grad(X: Array, y: Array, w: Array) -> tuple[float, Array]:
        eta = X @ w
        small = np.exp(-np.abs(eta))
        value = (np.maximum(eta, 0) - y * eta + np.log1p(small)).sum()
        mu = np.where(eta >= 0, 1, small) / (1 + small)
        return float(value), (mu - y) @ X

    return value_and_grad


def numba(parallel: bool) -> Any:
    """Loops by hand in one pass over the rows, sums in an order that the compiler may choose."""
    import math

    import numba as nb

    @nb.njit(fastmath={"reassoc", "nsz", "contract"}, error_model="numpy", parallel=parallel)
    def value_and_grad(X: Array, y: Array, w: Array) -> tuple[float, Array]:
        n, d = X.shape
        chunks = min(n, nb.get_num_threads()) if parallel else 1
        gradients = np.zeros((chunks, d), w.dtype)
        values = np.zeros(chunks)
        zero, one = w.dtype.type(0), w.dtype.type(1)
        for chunk in nb.prange(chunks):
            gradient = gradients[chunk]
            value = 0.0
            for i in range(n * chunk // chunks, n * (chunk + 1) // chunks):
                eta = zero
                for j in range(d):
                    eta += X[i, j] * w[j]
                small = math.exp(-abs(eta))
                value += max(eta, zero) - y[i] * eta + math.log1p(small)
                residual = (one if eta >= 0 else small) / (one + small) - y[i]
                for j in range(d):
                    gradient[j] += residual * X[i, j]
            values[chunk] = value
        total = gradients[0]
        for chunk in range(1, chunks):
            total += gradients[chunk]
        return values.sum(), total

    return value_and_grad


def jax() -> Any:
    import jax.numpy as jnp

    def loss(X: Any, y: Any, w: Any) -> Any:
        eta = X @ w
        return jnp.sum(jnp.logaddexp(0, eta) - y * eta)

    return loss


def torch() -> Any:
    from torch.nn.functional import softplus

    def loss(X: Any, y: Any, w: Any) -> Any:
        eta = X @ w
        return (softplus(eta, threshold=40) - y * eta).sum()

    return loss


def pytensor() -> Any:
    import pytensor.tensor as pt

    def loss(X: Any, y: Any, w: Any) -> Any:
        eta = X @ w
        return pt.sum(pt.softplus(eta) - y * eta)

    return loss


def casadi() -> Any:
    import casadi as ca

    def loss(X: Any, y: Any, w: Any) -> Any:
        eta = ca.mtimes(X, w)
        return ca.sum1(ca.fmax(eta, 0) + ca.log1p(ca.exp(-ca.fabs(eta))) - y * eta)

    return loss
