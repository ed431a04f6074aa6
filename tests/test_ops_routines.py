"""Factorisations and triangular systems: meanings, derivatives, and the kernel statements of the routines, executed."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import scipy.linalg
from ops_support import TABLE, K, M, N, array, assert_adjoint, assert_tangent, leaf, value

from exprc import ops
from exprc.ir.evaluate import evaluate
from exprc.ir.index import Affine
from exprc.ir.node import make
from exprc.ir.sizes import Size, as_size
from exprc.ir.types import Type
from exprc.schedule import kernel

# ---- routines


def positive_definite(*batch: int, n: int = 4) -> np.ndarray:
    a = np.random.default_rng(7).normal(size=(*batch, n, n))
    return a @ np.swapaxes(a, -1, -2) + n * np.eye(n)


SQUARE = (M, K, K)


def test_cholesky_and_its_tangent() -> None:
    x = positive_definite(2)
    node = ops.cholesky(leaf("x", SQUARE))
    garbled = x + np.triu(np.ones((4, 4)), 1)
    np.testing.assert_allclose(value(node, x=garbled), np.linalg.cholesky(x), rtol=1e-14)
    assert_tangent(node, {"x": garbled})


@pytest.mark.parametrize(("lower", "transposed"), list(itertools.product([True, False], repeat=2)))
@pytest.mark.parametrize("shape", [(K,), (K, N), (M, K, N)])
def test_triangular_systems_and_their_derivatives(lower: bool, transposed: bool, shape: tuple[Size, ...]) -> None:
    matrix_shape = (M, K, K) if len(shape) == 3 else (K, K)
    matrix = array(matrix_shape, 1) + 4 * np.eye(4)
    b = array(shape, 2)
    node = ops.solve_triangular(leaf("L", matrix_shape), leaf("b", shape), lower, transposed)
    pairs = zip(matrix, b, strict=True) if len(shape) == 3 else [(matrix, b)]
    solved = [scipy.linalg.solve_triangular(m, r, lower=lower, trans=int(transposed)) for m, r in pairs]
    np.testing.assert_allclose(value(node, L=matrix, b=b), np.array(solved).reshape(b.shape), rtol=1e-12)
    assert_tangent(node, {"L": matrix, "b": b})
    assert_adjoint(node, 1, L=matrix)


def test_right_hand_sides_broadcast() -> None:
    matrix, b = array((M, K, K), 1) + 4 * np.eye(4), array((K, N), 2)
    node = ops.solve_triangular(leaf("L", (M, K, K)), leaf("b", (K, N)))
    expected = [scipy.linalg.solve_triangular(m, b, lower=True) for m in matrix]
    np.testing.assert_allclose(value(node, L=matrix, b=b), expected, rtol=1e-12)
    vector = ops.solve_triangular(leaf("L", (M, K, K)), leaf("v", (K,)))
    expected = [scipy.linalg.solve_triangular(m, b[:, 0], lower=True) for m in matrix]
    np.testing.assert_allclose(value(vector, L=matrix, v=b[:, 0]), expected, rtol=1e-12)


class Stored:
    """Where a test keeps an array: inside a larger one, at a fixed index."""

    def __init__(self, buffer: str, *prefix: int) -> None:
        self.buffer = buffer
        self.prefix = tuple(Affine((), as_size(index)) for index in prefix)


def run_statements(statements: Any, buffers: dict[str, np.ndarray], dims: dict[str, int]) -> list[tuple[Any, ...]]:
    """Executes kernel statements entry by entry; the faults they raise."""
    faults: list[tuple[Any, ...]] = []
    state: dict[Any, int] = {}

    def at(affine: Affine) -> int:
        return affine.constant.evaluate(dims) + sum(state[v] * c.evaluate(dims) for v, c in affine.terms)

    def body(nest: Any) -> list[Any]:
        values: list[Any] = []
        for item in nest.body:
            if isinstance(item, kernel.Load):
                values.append(buffers[item.buffer][tuple(at(i) for i in item.index)])
            elif isinstance(item, kernel.Constant):
                values.append(item.value)
            else:
                values.append(item.op.numpy(item.attrs, *[values[a] for a in item.args]))
        return values

    def run(statement: Any) -> None:
        if isinstance(statement, kernel.Loop):
            steps = range(at(statement.extent))
            for step in reversed(steps) if statement.reverse else steps:
                state[statement.variable] = step
                for inner in statement.body:
                    run(inner)
        elif isinstance(statement, kernel.Check):
            if not buffers[statement.buffer][tuple(at(i) for i in statement.index)] > 0:
                faults.append((statement.code, statement.line, at(statement.position)))
        else:
            run_nest(statement)

    def run_nest(nest: Any) -> None:
        (write,) = nest.writes
        kept = [axis for axis in nest.axes if axis.name not in nest.reduced]
        summed = [axis for axis in nest.axes if axis.name in nest.reduced]
        for outer in itertools.product(*[range(at(axis.extent)) for axis in kept]):
            state.update(zip([axis.name for axis in kept], outer, strict=True))
            total = 0.0
            for inner in itertools.product(*[range(at(axis.extent)) for axis in summed]):
                state.update(zip([axis.name for axis in summed], inner, strict=True))
                term = body(nest)[write.value]
                total = total + term if write.combine else term
            buffers[write.buffer][tuple(at(i) for i in write.index)] = total

    for statement in statements:
        run(statement)
    return faults


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_the_cholesky_routine(n: int) -> None:
    x = positive_definite(3, n=n) + np.triu(np.ones((n, n)), 1)
    buffers = {"A": np.stack([np.zeros_like(x), x]), "L": np.full(x.shape, np.nan)}
    types = (Type("f64", (as_size(3), N, N)),)
    statements = TABLE["cholesky"].routine(kernel, types, (), (Stored("A", 1),), (Stored("L"),), 12)
    assert run_statements(statements, buffers, {"n": n}) == []
    np.testing.assert_allclose(buffers["L"], np.linalg.cholesky(x), rtol=1e-13, atol=1e-14)


def test_the_cholesky_routine_faults_at_the_first_pivot_that_is_not_positive() -> None:
    for bad in (-1.0, 0.0, math.nan):
        x = np.diag([1.0, 4.0, bad, bad])
        types = (Type("f64", (K, K)),)
        statements = TABLE["cholesky"].routine(kernel, types, (), (Stored("A"),), (Stored("L"),), 12)
        faults = run_statements(statements, {"A": x, "L": np.zeros((4, 4))}, {"k": 4})
        assert faults[0] == (5, 12, 2)


@pytest.mark.parametrize(("lower", "transposed"), list(itertools.product([True, False], repeat=2)))
@pytest.mark.parametrize("shape", [(5,), (5, 3), (2, 5, 3), (2, 5), (0,), (1, 2)])
def test_the_triangular_routine(lower: bool, transposed: bool, shape: tuple[int, ...]) -> None:
    batched = shape[0] == 2
    n = shape[1] if batched else shape[0]
    matrix = np.random.default_rng(1).normal(size=(*shape[:batched], n, n)) + 4 * np.eye(n)
    b = np.random.default_rng(2).normal(size=shape)
    types = tuple(Type("f64", tuple(map(as_size, a.shape))) for a in (matrix, b))
    attrs = (lower, transposed)
    buffers = {"L": matrix, "b": b, "x": np.full((2, *shape), np.nan)}
    routine = TABLE["solve_triangular"].routine
    statements = routine(kernel, types, attrs, (Stored("L"), Stored("b")), (Stored("x", 1),), 3)
    assert run_statements(statements, buffers, {}) == []
    node = make(TABLE["solve_triangular"], tuple(ops.input_(s, t) for s, t in zip("Lb", types, strict=True)), attrs)
    np.testing.assert_allclose(buffers["x"][1], evaluate([node], {"L": matrix, "b": b}, {})[0], rtol=1e-12)
