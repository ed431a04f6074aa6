"""The sum of exp(-|xi - xj|^2) over all pairs of points: many exponentials for little data, half of them the same."""

from __future__ import annotations

from typing import Any

import numpy as np

from workloads import Array, Case, Data, Reference, Work

TITLE = "Sum over all pairs"
PROGRAM = """\
## The sum of a kernel over all pairs of points.

dim n, d

param X : f64[n, d]

loss E = sum(exp(-sum((X[:, None, :] - X[None, :, :])^2, axis=2)))
"""
RESULT = "E"
IS_LOSS = True
CASES = (Case({"n": 1000, "d": 3}),)


def data(sizes: dict[str, int], dtype: str) -> Data:
    generator = np.random.default_rng(sizes["n"])
    return Data({}, {"X": generator.standard_normal((sizes["n"], sizes["d"])).astype(dtype)})


def reference(data: Data) -> Reference:
    X = data.params["X"].astype(np.longdouble)
    difference = X[:, None] - X[None]
    spread = np.abs(X)[:, None] + np.abs(X)[None]
    terms = np.exp(-(difference**2).sum(axis=2))
    scale = terms * (1 + (spread**2).sum(axis=2))
    results = terms.sum(), -4 * (terms[:, :, None] * difference).sum(axis=1)
    return Reference(results, (scale.sum(), 4 * (scale[:, :, None] * spread).sum(axis=1)))


def work(sizes: dict[str, int]) -> Work:
    pairs, d = sizes["n"] * (sizes["n"] - 1) / 2, sizes["d"]
    return Work(pairs * (7 * d + 1), {"exp": pairs})


def numpy() -> Any:
    """Squares of distances from products of points would be faster, and wrong for points that are close together."""

    def value_and_grad(X: Array) -> tuple[float, Array]:
        terms = np.zeros((len(X), len(X)), X.dtype)
        for column in X.T:
            difference = column[:, None] - column
            difference *= difference
            terms -= difference
        np.exp(terms, out=terms)
        return float(terms.sum()), -4 * (terms.sum(axis=1)[:, None] * X - terms @ X)

    return value_and_grad


def numba(parallel: bool) -> Any:
    """Columns, so that vectors run over points; half of the pairs with one thread, all of them with several."""
    import math

    import numba as nb

    @nb.njit(fastmath={"reassoc", "nsz", "contract"}, error_model="numpy", parallel=parallel)
    def value_and_grad(X: Array) -> tuple[float, Array]:
        n, d = X.shape
        columns = np.ascontiguousarray(X.T)
        pulls = np.zeros_like(columns)
        value = 0.0
        for i in nb.prange(n):
            end = n if parallel else i
            terms = np.zeros(end, X.dtype)
            for k in range(d):
                column = columns[k]
                for j in range(end):
                    terms[j] -= (column[i] - column[j]) ** 2
            total = X.dtype.type(0)
            for j in range(end):
                terms[j] = math.exp(terms[j])
                total += terms[j]
            value += total
            for k in range(d):
                column, pull = columns[k], pulls[k]
                own = X.dtype.type(0)
                for j in range(end):
                    force = terms[j] * (column[j] - column[i])
                    own += force
                    if not parallel:
                        pull[j] -= force
                pull[i] += own
        gradient = np.ascontiguousarray(pulls.T) * X.dtype.type(4)
        return (value if parallel else 2 * value + n), gradient

    return value_and_grad


def jax() -> Any:
    import jax.numpy as jnp

    return lambda X: jnp.sum(jnp.exp(-jnp.sum((X[:, None, :] - X[None, :, :]) ** 2, axis=2)))


def torch() -> Any:
    return lambda X: (-((X[:, None, :] - X[None, :, :]) ** 2).sum(dim=2)).exp().sum()


def pytensor() -> Any:
    import pytensor.tensor as pt

    return lambda X: pt.sum(pt.exp(-pt.sum((X[:, None, :] - X[None, :, :]) ** 2, axis=2)))
