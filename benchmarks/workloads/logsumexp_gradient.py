"""The sum of the rows' logsumexp, with its gradient by the whole matrix: the row softmax, as much written as read."""

from __future__ import annotations

from typing import Any

import numpy as np

from workloads import Array, Data, Reference, Work, logsumexp

TITLE = "Row logsumexp with gradient"
PROGRAM = """\
## The sum of the logarithms of the rows' sums of exponentials, as the formula stands.

dim n, d

param X : f64[n, d]

loss E = sum(log(sum(exp(X), axis=1)))
"""
RESULT = "E"
IS_LOSS = True
CASES = logsumexp.CASES
data = logsumexp.data


def reference(data: Data) -> Reference:
    (X,) = data.arrays
    value = value_scale = np.longdouble(0)
    gradient, scale = np.empty(X.shape, np.longdouble), np.empty(X.shape, np.longdouble)
    for start in range(0, len(X), 5000):
        part = Data({}, {"X": X[start : start + 5000]})
        (rows,), (spread,) = logsumexp.reference(part)
        value += rows.sum()
        value_scale += spread.sum()
        p = np.exp(part.params["X"] - rows[:, None])
        gradient[start : start + 5000] = p
        scale[start : start + 5000] = p * (1 + spread[:, None])
    return Reference((value, gradient), (value_scale, scale))


def work(sizes: dict[str, int]) -> Work:
    n, d = sizes["n"], sizes["d"]
    return Work(4 * n * d + 2 * n, {"exp": n * d, "log": n, "divide": n})


def numpy() -> Any:
    def value_and_grad(X: Array) -> tuple[float, Array]:
        largest = X.max(axis=1, keepdims=True)
        p = X - largest
        np.exp(p, out=p)
        total = p.sum(axis=1, keepdims=True)
        p /= total
        return float((largest + np.log(total)).sum()), p

    return value_and_grad


def numba(parallel: bool) -> Any:
    import math

    import numba as nb

    @nb.njit(fastmath={"reassoc", "nsz", "contract"}, error_model="numpy", parallel=parallel)
    def value_and_grad(X: Array) -> tuple[float, Array]:
        n, d = X.shape
        gradient = np.empty_like(X)
        value = 0.0
        for i in nb.prange(n):
            largest = X[i, 0]
            for j in range(d):
                largest = max(largest, X[i, j])
            total = X.dtype.type(0)
            for j in range(d):
                gradient[i, j] = math.exp(X[i, j] - largest)
                total += gradient[i, j]
            scale = X.dtype.type(1) / total
            for j in range(d):
                gradient[i, j] *= scale
            value += largest + math.log(total)
        return value, gradient

    return value_and_grad


def jax() -> Any:
    import jax.numpy as jnp

    rows = logsumexp.jax()
    return lambda X: jnp.sum(rows(X))


def torch() -> Any:
    return lambda X: X.logsumexp(dim=1).sum()


def pytensor() -> Any:
    import pytensor.tensor as pt

    return lambda X: pt.sum(pt.logsumexp(X, axis=1))
