"""The price of European calls by the formula of Black and Scholes: nothing but functions of single entries."""

from __future__ import annotations

from typing import Any

import numpy as np

import special
from workloads import Array, Case, Data, Reference, Work

TITLE = "Black–Scholes, prices"
FORMULA = """\
dim n

input K, T : f64[n]
param S, sigma, r : f64[n]

root  = sigma * sqrt(T)
d1    = (log(S / K) + (r + sigma^2 / 2) * T) / root
d2    = d1 - root
price = S * erfc(-d1 / sqrt(2)) / 2 - K * exp(-r * T) * erfc(-d2 / sqrt(2)) / 2
"""
PROGRAM = f"## Prices of European calls.\n\n{FORMULA}output price\n"
RESULT = "price"
IS_LOSS = False
CASES = (Case({"n": 1_000_000}, seconds=0.2),)


def data(sizes: dict[str, int], dtype: str) -> Data:
    generator = np.random.default_rng(sizes["n"])

    def between(low: float, high: float) -> Array:
        return generator.uniform(low, high, sizes["n"]).astype(dtype)

    inputs = {"K": between(80, 120), "T": between(0.1, 2)}
    return Data(inputs, {"S": between(80, 120), "sigma": between(0.1, 0.5), "r": between(0, 0.05)})


def terms(data: Data) -> tuple[Array, ...]:
    """In long double: both chances, the discounted strike, root, the density at d1, and how far errors of d1 spread."""
    K, T, S, sigma, r = (array.astype(np.longdouble) for array in data.arrays)
    root = sigma * np.sqrt(T)
    ratio = np.log(S / K)
    drift = (r + sigma**2 / 2) * T
    d1 = (ratio + drift) / root
    half = np.sqrt(np.longdouble(0.5))
    above, below = special.erfc(-d1 * half) / 2, special.erfc(-(d1 - root) * half) / 2
    density = np.exp(-(d1**2) / 2) / np.sqrt(2 * np.arccos(np.longdouble(-1)))
    spread = (1 + np.abs(d1)) * (1 + (1 + np.abs(ratio) + drift) / root)
    return above, below, K * np.exp(-r * T), root, density, spread


def reference(data: Data) -> Reference:
    above, below, strike, _, density, spread = terms(data)
    S = data.params["S"]
    return Reference((S * above - strike * below,), (S + strike + S * density * spread,))


def work(sizes: dict[str, int]) -> Work:
    n = sizes["n"]
    return Work(16 * n, {"log": n, "exp": n, "erfc": 2 * n, "sqrt": n, "divide": 2 * n})


def numpy() -> Any:
    from scipy.special import ndtr

    def price(K: Array, T: Array, S: Array, sigma: Array, r: Array) -> tuple[Array]:
        root = sigma * np.sqrt(T)
        d1 = (np.log(S / K) + (r + sigma * sigma / 2) * T) / root
        return (S * ndtr(d1) - K * np.exp(-r * T) * ndtr(d1 - root),)

    return price


def numba(parallel: bool) -> Any:
    import math

    import numba as nb

    @nb.njit(fastmath={"reassoc", "nsz", "contract"}, error_model="numpy", parallel=parallel)
    def price(K: Array, T: Array, S: Array, sigma: Array, r: Array) -> tuple[Array]:
        result = np.empty_like(S)
        half, scale = S.dtype.type(0.5), S.dtype.type(-math.sqrt(0.5))
        for i in nb.prange(len(S)):
            root = sigma[i] * math.sqrt(T[i])
            d1 = (math.log(S[i] / K[i]) + (r[i] + half * sigma[i] * sigma[i]) * T[i]) / root
            above, below = math.erfc(scale * d1), math.erfc(scale * (d1 - root))
            result[i] = half * (S[i] * above - K[i] * math.exp(-r[i] * T[i]) * below)
        return (result,)

    return price


def jax() -> Any:
    """Of `ndtr`, `erf` and `erfc` the fastest in each dtype."""
    import jax.numpy as jnp
    from jax.scipy.special import erf, erfc

    def ndtr(x: Any) -> Any:
        return 0.5 * erfc(x * -(0.5**0.5)) if x.dtype == np.float64 else 0.5 + 0.5 * erf(x * 0.5**0.5)

    def price(K: Any, T: Any, S: Any, sigma: Any, r: Any) -> Any:
        root = sigma * jnp.sqrt(T)
        d1 = (jnp.log(S / K) + (r + sigma**2 / 2) * T) / root
        return S * ndtr(d1) - K * jnp.exp(-r * T) * ndtr(d1 - root)

    return price


def torch() -> Any:
    """Of `ndtr`, `erf` and `erfc` the fastest in each dtype, compiled and not."""
    import torch as framework

    def ndtr(x: Any) -> Any:
        if x.dtype == framework.float64 and framework.compiler.is_compiling():
            return 0.5 * framework.erfc(x * -(0.5**0.5))
        return 0.5 + 0.5 * framework.erf(x * 0.5**0.5)

    def price(K: Any, T: Any, S: Any, sigma: Any, r: Any) -> Any:
        root = sigma * T.sqrt()
        d1 = ((S / K).log() + (r + sigma**2 / 2) * T) / root
        return S * ndtr(d1) - K * (-r * T).exp() * ndtr(d1 - root)

    return price


def pytensor() -> Any:
    import pytensor.tensor as pt

    def price(K: Any, T: Any, S: Any, sigma: Any, r: Any) -> Any:
        half, scale = np.asarray(0.5, S.dtype), np.asarray(-(0.5**0.5), S.dtype)
        root = sigma * pt.sqrt(T)
        d1 = (pt.log(S / K) + (r + half * sigma**2) * T) / root
        return half * (S * pt.erfc(scale * d1) - K * pt.exp(-r * T) * pt.erfc(scale * (d1 - root)))

    return price


def casadi() -> Any:
    import casadi as ca

    def price(K: Any, T: Any, S: Any, sigma: Any, r: Any) -> Any:
        root = sigma * ca.sqrt(T)
        d1 = (ca.log(S / K) + (r + sigma**2 / 2) * T) / root
        above, below = (0.5 + 0.5 * ca.erf(d * 0.5**0.5) for d in (d1, d1 - root))
        return S * above - K * ca.exp(-r * T) * below

    return price
