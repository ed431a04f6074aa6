"""The chained function of Rosenbrock: neighbours along one axis, nothing but additions and multiplications."""

from __future__ import annotations

from typing import Any

import numpy as np

from workloads import Array, Case, Data, Reference, Work

TITLE = "Chained Rosenbrock"
PROGRAM = """\
## The chained function of Rosenbrock.

dim n

param x : f64[n]

loss E = sum(100 * (x[1:] - x[:-1]^2)^2 + (1 - x[:-1])^2)
"""
RESULT = "E"
IS_LOSS = True
CASES = (Case({"n": 1_000_000}),)


def data(sizes: dict[str, int], dtype: str) -> Data:
    generator = np.random.default_rng(sizes["n"])
    return Data({}, {"x": generator.uniform(-2, 2, sizes["n"]).astype(dtype)})


def reference(data: Data) -> Reference:
    x = data.params["x"].astype(np.longdouble)
    before, after = x[:-1], x[1:]
    bend, away = after - before**2, 1 - before
    bend_scale, away_scale = np.abs(after) + before**2, 1 + np.abs(before)
    gradient, scale = np.zeros_like(x), np.zeros_like(x)
    gradient[:-1] = -400 * before * bend - 2 * away
    gradient[1:] += 200 * bend
    scale[:-1] = 400 * np.abs(before) * bend_scale + 2 * away_scale
    scale[1:] += 200 * bend_scale
    value, value_scale = (100 * bend**2 + away**2).sum(), (100 * bend_scale**2 + away_scale**2).sum()
    return Reference((value, gradient), (value_scale, scale))


def work(sizes: dict[str, int]) -> Work:
    return Work(14 * sizes["n"])


def numpy() -> Any:
    def value_and_grad(x: Array) -> tuple[float, Array]:
        before = x[:-1]
        bend = x[1:] - before * before
        away = 1 - before
        gradient = np.empty_like(x)
        np.multiply(before, bend, out=gradient[:-1])
        gradient[:-1] *= -400
        gradient[:-1] -= 2 * away
        gradient[-1] = 0
        gradient[1:] += 200 * bend
        return float(100 * (bend @ bend) + away @ away), gradient

    return value_and_grad


def numba(parallel: bool) -> Any:
    """One pass by hand: each entry from its neighbours."""
    import numba as nb

    @nb.njit(fastmath={"reassoc", "nsz", "contract"}, error_model="numpy", parallel=parallel)
    def value_and_grad(x: Array) -> tuple[float, Array]:
        n = len(x)
        one, hundred, two_hundred = x.dtype.type(1), x.dtype.type(100), x.dtype.type(200)
        gradient = np.empty_like(x)
        first = x[1] - x[0] * x[0]
        value = hundred * first * first + (one - x[0]) * (one - x[0])
        gradient[0] = -(two_hundred + two_hundred) * x[0] * first - (one + one) * (one - x[0])
        gradient[n - 1] = two_hundred * (x[n - 1] - x[n - 2] * x[n - 2])
        for i in nb.prange(1, n - 1):
            bend = x[i + 1] - x[i] * x[i]
            away = one - x[i]
            value += hundred * bend * bend + away * away
            before = x[i] - x[i - 1] * x[i - 1]
            gradient[i] = two_hundred * (before - (x[i] + x[i]) * bend) - (away + away)
        return value, gradient

    return value_and_grad


def jax() -> Any:
    import jax.numpy as jnp

    return lambda x: jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def torch() -> Any:
    return lambda x: (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def pytensor() -> Any:
    import pytensor.tensor as pt

    return lambda x: pt.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def casadi() -> Any:
    import casadi as ca

    return lambda x: ca.sum1(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)
