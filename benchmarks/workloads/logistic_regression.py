"""Logistic regression, value and gradient: one matrix that is read in both directions, little arithmetic beside it.

All peers compute the sound form `log(1 + exp(eta)) - y eta` of the loss that exprc finds by itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from workloads import Array, Call, Case, Data, Reference

TITLE = "Logistic regression"
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
    X, y = (data.inputs[name].astype(np.longdouble) for name in ("X", "y"))
    w = data.params["w"].astype(np.longdouble)
    eta = X @ w
    spread = np.abs(X) @ np.abs(w)
    terms = np.logaddexp(0, eta) - y * eta
    mu = 1 / (1 + np.exp(-eta))
    scale = np.abs(X).T @ (mu + y + spread)
    return Reference(terms.sum(), (X.T @ (mu - y),), (np.abs(terms) + spread).sum(), (scale,))


def exprc(data: Data, bound: bool, model: Any) -> Call:
    X, y, w = data.inputs["X"], data.inputs["y"], data.params["w"]
    if bound:
        value_and_grad = model.E.bind(X=X, y=y).value_and_grad
        return lambda: value_and_grad(w=w)
    value_and_grad = model.E.value_and_grad
    return lambda: value_and_grad(X=X, y=y, w=w)


def numpy(data: Data, bound: bool) -> Call:
    X, y, w = data.inputs["X"], data.inputs["y"], data.params["w"]

    def call() -> tuple[float, tuple[Array, ...]]:
        eta = X @ w
        small = np.exp(-np.abs(eta))
        value = (np.maximum(eta, 0) - y * eta + np.log1p(small)).sum()
        mu = np.where(eta >= 0, 1, small) / (1 + small)
        return float(value), ((mu - y) @ X,)

    return call


def numba(data: Data, bound: bool) -> Call:
    """Loops by hand in one pass over the rows, sums in an order that the compiler may choose."""
    import math

    import numba as nb

    @nb.njit(fastmath={"reassoc", "nsz", "contract"}, error_model="numpy")
    def value_and_grad(X: Array, y: Array, w: Array) -> tuple[float, Array]:
        n, d = X.shape
        gradient = np.zeros_like(w)
        zero = w.dtype.type(0)
        one = w.dtype.type(1)
        value = 0.0
        for i in range(n):
            eta = zero
            for j in range(d):
                eta += X[i, j] * w[j]
            small = math.exp(-abs(eta))
            value += max(eta, zero) - y[i] * eta + math.log1p(small)
            residual = (one if eta >= 0 else small) / (one + small) - y[i]
            for j in range(d):
                gradient[j] += residual * X[i, j]
        return value, gradient

    X, y, w = data.inputs["X"], data.inputs["y"], data.params["w"]

    def call() -> tuple[float, tuple[Array, ...]]:
        value, gradient = value_and_grad(X, y, w)
        return value, (gradient,)

    return call


def jax(data: Data, bound: bool) -> Call:
    import jax as framework
    import jax.numpy as jnp

    def loss(w: Any, X: Any, y: Any) -> Any:
        eta = X @ w
        return jnp.sum(jnp.logaddexp(0, eta) - y * eta)

    value_and_grad = framework.jit(framework.value_and_grad(loss))
    X, y, w = data.inputs["X"], data.inputs["y"], data.params["w"]
    if bound:
        X, y = framework.device_put(X), framework.device_put(y)

    def call() -> tuple[float, tuple[Array, ...]]:
        value, gradient = value_and_grad(w, X, y)
        return float(value), (np.asarray(gradient),)

    return call


def torch(data: Data, bound: bool, compiled: bool = False) -> Call:
    import torch as framework

    def loss(w: Any, X: Any, y: Any) -> Any:
        eta = X @ w
        return (framework.nn.functional.softplus(eta, threshold=40) - y * eta).sum()

    chosen = framework.compile(loss, dynamic=False) if compiled else loss
    tensor = framework.from_numpy
    X, y, w = data.inputs["X"], data.inputs["y"], data.params["w"]
    X_bound, y_bound = tensor(X), tensor(y)

    def call() -> tuple[float, tuple[Array, ...]]:
        param = tensor(w).requires_grad_()
        value = chosen(param, X_bound, y_bound) if bound else chosen(param, tensor(X), tensor(y))
        (gradient,) = framework.autograd.grad(value, param)
        return value.item(), (gradient.numpy(),)

    return call


def torch_compile(data: Data, bound: bool) -> Call:
    return torch(data, bound, compiled=True)


def pytensor(data: Data, bound: bool) -> Call:
    import pytensor as framework
    import pytensor.tensor as pt

    dtype = str(data.params["w"].dtype)
    X, y, w = data.inputs["X"], data.inputs["y"], data.params["w"]
    Xs = framework.shared(X, borrow=True) if bound else pt.matrix("X", dtype=dtype)
    ys = framework.shared(y, borrow=True) if bound else pt.vector("y", dtype=dtype)
    ws = pt.vector("w", dtype=dtype)
    eta = Xs @ ws
    value = pt.sum(pt.softplus(eta) - ys * eta)
    function = framework.function([ws] if bound else [Xs, ys, ws], [value, framework.grad(value, ws)], trust_input=True)

    def call() -> tuple[float, tuple[Array, ...]]:
        value, gradient = function(w) if bound else function(X, y, w)
        return float(value), (gradient,)

    return call


def casadi(data: Data, bound: bool) -> Call:
    """Buffers where the data is bound: the way that CasADi's manual gives for calls without copies."""
    import casadi as framework

    X, y, w = np.asfortranarray(data.inputs["X"]), data.inputs["y"], data.params["w"]
    if w.dtype != np.float64:
        raise TypeError("computes in f64 only")
    n, d = X.shape
    Xs, ys, ws = framework.MX.sym("X", n, d), framework.MX.sym("y", n), framework.MX.sym("w", d)
    eta = framework.mtimes(Xs, ws)
    terms = framework.fmax(eta, 0) + framework.log1p(framework.exp(-framework.fabs(eta))) - ys * eta
    value = framework.sum1(terms)
    function = framework.Function("f", [Xs, ys, ws], [value, framework.gradient(value, ws)])
    if not bound:

        def call_with_arrays() -> tuple[float, tuple[Array, ...]]:
            value, gradient = function(X, y, w)
            return float(value), (np.asarray(gradient).reshape(-1),)

        return call_with_arrays
    buffer, trigger = function.buffer()
    value_out, gradient_out = np.zeros(1), np.zeros(d)
    columns = X.ravel(order="K")
    buffer.set_arg(0, memoryview(columns))
    buffer.set_arg(1, memoryview(y))
    buffer.set_res(0, memoryview(value_out))
    buffer.set_res(1, memoryview(gradient_out))

    def call(held: Array = columns) -> tuple[float, tuple[Array, ...]]:
        buffer.set_arg(2, memoryview(w))
        trigger()
        return float(value_out[0]), (gradient_out.copy(),)

    return call


PEERS = {
    "exprc": exprc,
    "NumPy": numpy,
    "Numba": numba,
    "JAX": jax,
    "PyTorch": torch,
    "torch.compile": torch_compile,
    "PyTensor": pytensor,
    "CasADi": casadi,
}
