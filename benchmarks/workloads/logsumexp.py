"""The logarithm of the sum of exponentials of each row: one exponential an entry, one matrix read."""

from __future__ import annotations

from typing import Any

import numpy as np

from workloads import Array, Case, Data, Reference, Work

TITLE = "Row logsumexp"
PROGRAM = """\
## The logarithm of the sum of exponentials of each row, as the formula stands.

dim n, d

param X : f64[n, d]

output rows = log(sum(exp(X), axis=1))
"""
RESULT = "rows"
IS_LOSS = False
CASES = (Case({"n": 100_000, "d": 100}, rounds=7, seconds=0.2),)


def data(sizes: dict[str, int], dtype: str) -> Data:
    generator = np.random.default_rng(sizes["n"])
    return Data({}, {"X": (3 * generator.standard_normal((sizes["n"], sizes["d"]))).astype(dtype)})


def reference(data: Data) -> Reference:
    (X,) = data.arrays
    rows = [_rows(X[start : start + 5000].astype(np.longdouble)) for start in range(0, len(X), 5000)]
    result = np.concatenate(rows)
    return Reference((result,), (np.abs(result) + np.abs(X).max(axis=1),))


def _rows(X: Array) -> Array:
    largest = X.max(axis=1)
    result: Array = largest + np.log(np.exp(X - largest[:, None]).sum(axis=1))
    return result


def work(sizes: dict[str, int]) -> Work:
    n, d = sizes["n"], sizes["d"]
    return Work(3 * n * d + n, {"exp": n * d, "log": n})


def numpy() -> Any:
    def rows(X: Array) -> tuple[Array]:
        largest = X.max(axis=1)
        terms = X - largest[:, None]
        np.exp(terms, out=terms)
        return (largest + np.log(terms.sum(axis=1)),)

    return rows


def numba(parallel: bool) -> Any:
    import math

    import numba as nb

    @nb.njit(fastmath={"reassoc", "nsz", "contract"}, error_model="numpy", parallel=parallel)
    def rows(X: Array) -> tuple[Array]:
        n, d = X.shape
        result = np.empty(n, X.dtype)
        for i in nb.prange(n):
            largest = X[i, 0]
            for j in range(d):
                largest = max(largest, X[i, j])
            total = X.dtype.type(0)
            for j in range(d):
                total += math.exp(X[i, j] - largest)
            result[i] = largest + math.log(total)
        return (result,)

    return rows


def jax() -> Any:
    from jax.scipy.special import logsumexp

    return lambda X: logsumexp(X, axis=1)


def torch() -> Any:
    return lambda X: X.logsumexp(dim=1)


def pytensor() -> Any:
    import pytensor.tensor as pt

    return lambda X: pt.logsumexp(X, axis=1)
