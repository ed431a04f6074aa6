"""From what a workload's file has for a peer to the call that is measured.

A maker takes the workload, its data, whether the inputs may be handed over beforehand, and the threads.  The call takes
nothing and returns all results: a loss as a float, arrays as NumPy arrays.  Params are NumPy arrays in every call.
Systems are imported inside the functions, since each runs in a process of its own.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from workloads import Array, Data

Call = Callable[[], tuple[Any, ...]]


def exprc(workload: ModuleType, data: Data, bound: bool, model: ModuleType) -> Call:
    """The module that was built of the program."""
    function = getattr(model, workload.RESULT)
    bound_here = function.bind(**data.inputs) if bound else function
    arguments = data.params if bound else {**data.inputs, **data.params}
    if not workload.IS_LOSS:
        return lambda: (bound_here(**arguments),)
    value_and_grad = bound_here.value_and_grad

    def call() -> tuple[Any, ...]:
        value, gradients = value_and_grad(**arguments)
        return (value, *gradients)

    return call


def numpy(workload: ModuleType, data: Data, bound: bool, threads: int) -> Call:
    function = workload.numpy()
    return lambda: tuple(function(*data.arrays))


def numba(workload: ModuleType, data: Data, bound: bool, threads: int) -> Call:
    function = _compiled_by_numba(workload, threads)
    return lambda: tuple(function(*data.arrays))


def jax(workload: ModuleType, data: Data, bound: bool, threads: int) -> Call:
    from jax import device_put

    function = _compiled_by_jax(workload, len(data.inputs), len(data.params))
    inputs = [device_put(array) for array in data.inputs.values()] if bound else list(data.inputs.values())
    params = list(data.params.values())
    if not workload.IS_LOSS:
        return lambda: (np.asarray(function(*inputs, *params)),)

    def call() -> tuple[Any, ...]:
        value, gradients = function(*inputs, *params)
        return (float(value), *map(np.asarray, gradients))

    return call


def torch(workload: ModuleType, data: Data, bound: bool, threads: int, compiled: bool = False) -> Call:
    import torch as framework

    function = _compiled_by_torch(workload) if compiled else workload.torch()
    tensor = framework.from_numpy
    arrays, params = list(data.inputs.values()), list(data.params.values())
    held = [tensor(array) for array in arrays]

    def inputs() -> list[Any]:
        return held if bound else [tensor(array) for array in arrays]

    def output() -> tuple[Any, ...]:
        with framework.inference_mode():
            return (function(*inputs(), *map(tensor, params)).numpy(),)

    def loss() -> tuple[Any, ...]:
        tensors = [tensor(array).requires_grad_() for array in params]
        value = function(*inputs(), *tensors)
        gradients = framework.autograd.grad(value, tensors)
        return (value.item(), *(gradient.numpy() for gradient in gradients))

    return loss if workload.IS_LOSS else output


def torch_compile(workload: ModuleType, data: Data, bound: bool, threads: int) -> Call:
    return torch(workload, data, bound, threads, compiled=True)


def pytensor(workload: ModuleType, data: Data, bound: bool, threads: int) -> Call:
    import pytensor as framework
    import pytensor.tensor as pt

    def variable(array: Array, name: str) -> Any:
        return pt.tensor(name, dtype=str(array.dtype), shape=(None,) * array.ndim)

    params = [variable(array, name) for name, array in data.params.items()]
    if bound:
        inputs = [framework.shared(array, borrow=True) for array in data.inputs.values()]
    else:
        inputs = [variable(array, name) for name, array in data.inputs.items()]
    value = workload.pytensor()(*inputs, *params)
    results = [value, *framework.grad(value, params)] if workload.IS_LOSS else [value]
    function = framework.function(params if bound else [*inputs, *params], results, trust_input=True)
    arguments = tuple(data.params.values()) if bound else data.arrays

    def loss() -> tuple[Any, ...]:
        value, *gradients = function(*arguments)
        return (float(value), *gradients)

    return loss if workload.IS_LOSS else lambda: tuple(function(*arguments))


def casadi(workload: ModuleType, data: Data, bound: bool, threads: int) -> Call:
    """Buffers where the data is bound: the way that CasADi's manual gives for calls without copies."""
    import casadi as framework

    if any(array.dtype != np.float64 for array in data.arrays):
        raise TypeError("computes in f64 only")
    arrays = [np.asfortranarray(array) for array in data.arrays]
    symbols = [framework.MX.sym(f"a{i}", *array.shape) for i, array in enumerate(arrays)]
    value = workload.casadi()(*symbols)
    results = [value]
    if workload.IS_LOSS:
        results += [framework.gradient(value, symbol) for symbol in symbols[len(data.inputs) :]]
    function = framework.Function("f", symbols, results)
    shapes = [(), *(array.shape for array in data.params.values())] if workload.IS_LOSS else [arrays[-1].shape]
    if not bound:
        return lambda: tuple(_shaped(np.asarray(found), shape) for found, shape in zip(function.call(arrays), shapes))
    buffer, trigger = function.buffer()
    outputs = [np.zeros(int(np.prod(shape))) for shape in shapes]
    columns = [array.ravel(order="K") for array in arrays]
    for index, column in enumerate(columns):
        buffer.set_arg(index, memoryview(column))
    for index, array in enumerate(outputs):
        buffer.set_res(index, memoryview(array))

    def call() -> tuple[Any, ...]:
        for index in range(len(data.inputs), len(columns)):
            buffer.set_arg(index, memoryview(columns[index]))
        trigger()
        return tuple(_shaped(found, shape) for found, shape in zip(outputs, shapes))

    return call


MAKERS: dict[str, Callable[..., Call]] = {
    "exprc": exprc,
    "NumPy": numpy,
    "Numba": numba,
    "JAX": jax,
    "PyTorch": torch,
    "torch.compile": torch_compile,
    "PyTensor": pytensor,
    "CasADi": casadi,
}


def prepare(package: str) -> None:
    """Imports what a peer needs, so that its first call does not."""
    if package == "pytensor":
        importlib.import_module("pytensor.tensor")
    if package == "jax":
        importlib.import_module("jax.scipy.special")
    importlib.import_module(package)


def _shaped(found: Array, shape: tuple[int, ...]) -> Any:
    return found.reshape(shape, order="F").copy() if shape else float(found.reshape(()))


# Compiled once for both ways of calling.


@functools.lru_cache(maxsize=1)
def _compiled_by_numba(workload: ModuleType, threads: int) -> Any:
    return workload.numba(threads > 1)


@functools.lru_cache(maxsize=1)
def _compiled_by_jax(workload: ModuleType, inputs: int, params: int) -> Any:
    from jax import jit, value_and_grad

    function = workload.jax()
    if not workload.IS_LOSS:
        return jit(function)
    return jit(value_and_grad(function, argnums=tuple(range(inputs, inputs + params))))


@functools.lru_cache(maxsize=1)
def _compiled_by_torch(workload: ModuleType) -> Any:
    import torch as framework

    return framework.compile(workload.torch(), dynamic=False)
