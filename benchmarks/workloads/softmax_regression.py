"""Softmax regression with integer labels, value and gradient: narrow matrix products on both sides of a row softmax."""

from __future__ import annotations

from typing import Any

import numpy as np

from workloads import Array, Call, Case, Data, Reference

TITLE = "Softmax regression"
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
    return Reference(value / n, (gradient / n, offset / n), value_scale / n, (gradient_scale / n, offset_scale / n))


def exprc(data: Data, bound: bool, model: Any) -> Call:
    X, labels, W, b = _arrays(data)
    if bound:
        value_and_grad = model.E.bind(X=X, labels=labels).value_and_grad
        return lambda: value_and_grad(W=W, b=b)
    value_and_grad = model.E.value_and_grad
    return lambda: value_and_grad(X=X, labels=labels, W=W, b=b)


def numpy(data: Data, bound: bool) -> Call:
    X, labels, W, b = _arrays(data)
    rows = np.arange(len(X))

    def call() -> tuple[float, tuple[Array, ...]]:
        logits = X @ W + b
        logits -= logits.max(axis=1, keepdims=True)
        p = np.exp(logits)
        total = p.sum(axis=1, keepdims=True)
        value = (np.log(total[:, 0]) - logits[rows, labels]).mean()
        p /= total
        p[rows, labels] -= 1
        p /= len(X)
        return float(value), (X.T @ p, p.sum(axis=0))

    return call


def numba(data: Data, bound: bool) -> Call:
    """Products by BLAS, the rest in loops by hand."""
    import math

    import numba as nb

    @nb.njit(fastmath={"reassoc", "nsz", "contract"}, error_model="numpy")
    def value_and_grad(X: Array, labels: Array, W: Array, b: Array) -> tuple[float, Array, Array]:
        p = np.dot(X, W)
        n, k = p.shape
        offset = np.zeros_like(b)
        value = 0.0
        for i in range(n):
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
            for j in range(k):
                offset[j] += p[i, j]
        return value / n, np.dot(X.T, p), offset

    X, labels, W, b = _arrays(data)

    def call() -> tuple[float, tuple[Array, ...]]:
        value, gradient, offset = value_and_grad(X, labels, W, b)
        return value, (gradient, offset)

    return call


def jax(data: Data, bound: bool) -> Call:
    import jax as framework
    import jax.numpy as jnp

    def loss(params: Any, X: Any, labels: Any) -> Any:
        log_p = framework.nn.log_softmax(X @ params[0] + params[1])
        return -jnp.mean(jnp.take_along_axis(log_p, labels[:, None], axis=1))

    value_and_grad = framework.jit(framework.value_and_grad(loss))
    X, labels, W, b = _arrays(data)
    if bound:
        X, labels = framework.device_put(X), framework.device_put(labels)

    def call() -> tuple[float, tuple[Array, ...]]:
        value, gradients = value_and_grad((W, b), X, labels)
        return float(value), tuple(map(np.asarray, gradients))

    return call


def torch(data: Data, bound: bool, compiled: bool = False) -> Call:
    import torch as framework

    def loss(W: Any, b: Any, X: Any, labels: Any) -> Any:
        return framework.nn.functional.cross_entropy(X @ W + b, labels)

    chosen = framework.compile(loss, dynamic=False) if compiled else loss
    tensor = framework.from_numpy
    X, labels, W, b = _arrays(data)
    held = tensor(X), tensor(labels)

    def call() -> tuple[float, tuple[Array, ...]]:
        params = tensor(W).requires_grad_(), tensor(b).requires_grad_()
        value = chosen(*params, *(held if bound else (tensor(X), tensor(labels))))
        gradients = framework.autograd.grad(value, params)
        return value.item(), tuple(gradient.numpy() for gradient in gradients)

    return call


def torch_compile(data: Data, bound: bool) -> Call:
    return torch(data, bound, compiled=True)


def pytensor(data: Data, bound: bool) -> Call:
    import pytensor as framework
    import pytensor.tensor as pt

    X, labels, W, b = _arrays(data)
    dtype = str(W.dtype)
    Xs = framework.shared(X, borrow=True) if bound else pt.matrix("X", dtype=dtype)
    labels_s = framework.shared(labels, borrow=True) if bound else pt.lvector("labels")
    Ws, bs = pt.matrix("W", dtype=dtype), pt.vector("b", dtype=dtype)
    log_p = pt.special.log_softmax(Xs @ Ws + bs, axis=1)
    value = -pt.mean(log_p[pt.arange(labels_s.shape[0]), labels_s])
    arguments = [Ws, bs] if bound else [Xs, labels_s, Ws, bs]
    function = framework.function(arguments, [value, *framework.grad(value, [Ws, bs])], trust_input=True)

    def call() -> tuple[float, tuple[Array, ...]]:
        value, *gradients = function(W, b) if bound else function(X, labels, W, b)
        return float(value), tuple(gradients)

    return call


def _arrays(data: Data) -> tuple[Array, Array, Array, Array]:
    return data.inputs["X"], data.inputs["labels"], data.params["W"], data.params["b"]


PEERS = {
    "exprc": exprc,
    "NumPy": numpy,
    "Numba": numba,
    "JAX": jax,
    "PyTorch": torch,
    "torch.compile": torch_compile,
    "PyTensor": pytensor,
}
