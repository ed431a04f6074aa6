"""The prices of `black_scholes_price.py`, summed, with their sensitivities to spot, volatility and rate."""

from __future__ import annotations

from typing import Any

import numpy as np

from workloads import Array, Data, Reference, Work
from workloads import black_scholes_price as prices

TITLE = "Black–Scholes, prices and three sensitivities"
PROGRAM = f"## European calls; the gradients are delta, vega, rho.\n\n{prices.FORMULA}\nloss total = sum(price)\n"
RESULT = "total"
IS_LOSS = True
CASES = prices.CASES
data = prices.data


def reference(data: Data) -> Reference:
    above, below, strike, _, density, spread = prices.terms(data)
    S, T = data.params["S"], data.inputs["T"]
    value, scale = S * above - strike * below, S + strike + S * density * spread
    root_t = np.sqrt(T.astype(np.longdouble))
    vega, rho = S * root_t * density, T * strike * below
    scales = 1 + density * spread, vega * spread, T * strike * (1 + density * spread)
    return Reference((value.sum(), above, vega, rho), (scale.sum(), *scales))


def work(sizes: dict[str, int]) -> Work:
    n = sizes["n"]
    return Work(23 * n, {"log": n, "exp": 2 * n, "erfc": 2 * n, "sqrt": n, "divide": 2 * n})


def numpy() -> Any:
    """Sensitivities by their textbook formulas."""
    from scipy.special import ndtr

    def value_and_grad(K: Array, T: Array, S: Array, sigma: Array, r: Array) -> tuple[Any, ...]:
        root_t = np.sqrt(T)
        root = sigma * root_t
        d1 = (np.log(S / K) + (r + sigma * sigma / 2) * T) / root
        delta = ndtr(d1)
        below = K * np.exp(-r * T) * ndtr(d1 - root)
        vega = S * root_t * np.exp(d1 * d1 / -2)
        vega *= (2 * np.pi) ** -0.5
        return float(S @ delta - below.sum()), delta, vega, T * below

    return value_and_grad


def numba(parallel: bool) -> Any:
    import math

    import numba as nb

    @nb.njit(fastmath={"reassoc", "nsz", "contract"}, error_model="numpy", parallel=parallel)
    def value_and_grad(K: Array, T: Array, S: Array, sigma: Array, r: Array) -> tuple[Any, ...]:
        delta, vega, rho = np.empty_like(S), np.empty_like(S), np.empty_like(S)
        half, scale = S.dtype.type(0.5), S.dtype.type(-math.sqrt(0.5))
        density = S.dtype.type((2 * math.pi) ** -0.5)
        value = 0.0
        for i in nb.prange(len(S)):
            root_t = math.sqrt(T[i])
            root = sigma[i] * root_t
            d1 = (math.log(S[i] / K[i]) + (r[i] + half * sigma[i] * sigma[i]) * T[i]) / root
            above = half * math.erfc(scale * d1)
            below = half * K[i] * math.exp(-r[i] * T[i]) * math.erfc(scale * (d1 - root))
            value += S[i] * above - below
            delta[i] = above
            vega[i] = S[i] * root_t * density * math.exp(-half * d1 * d1)
            rho[i] = T[i] * below
        return value, delta, vega, rho

    return value_and_grad


def jax() -> Any:
    import jax.numpy as jnp

    price = prices.jax()
    return lambda *arrays: jnp.sum(price(*arrays))


def torch() -> Any:
    price = prices.torch()
    return lambda *arrays: price(*arrays).sum()


def pytensor() -> Any:
    import pytensor.tensor as pt

    price = prices.pytensor()
    return lambda *arrays: pt.sum(price(*arrays))


def casadi() -> Any:
    import casadi as ca

    price = prices.casadi()
    return lambda *arrays: ca.sum1(price(*arrays))
