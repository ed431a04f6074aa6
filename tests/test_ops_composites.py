"""Composites against SciPy, their tangents against differences; names that are spelled with other operations."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special
from ops_support import OF_KIND, TABLE, M, N, array, assert_tangent, leaf, value

from exprc import ops
from exprc.ir.node import make
from exprc.ir.op import COMPOSITE
from exprc.ir.sizes import as_size

# ---- composites


def cross_entropy(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    logarithms = scipy.special.log_softmax(z, -1)
    if y.dtype.kind == "f":
        return -np.where(y == 0, 0, y * logarithms).sum(-1)
    return -np.take_along_axis(logarithms, y[..., None], -1)[..., 0]


COMPOSITES: dict[str, Callable[..., np.ndarray]] = {
    "mean": lambda x, axes: np.mean(x, axes),
    "logsumexp": lambda x, axes: scipy.special.logsumexp(x, axes),
    "norm": lambda x, axes: np.sqrt(np.sum(x * x, axes)),
    "softmax": lambda x, axes: scipy.special.softmax(x, axes),
    "log_softmax": lambda x, axes: scipy.special.log_softmax(x, axes),
}
OTHER_COMPOSITES = {"cross_entropy", "one_hot", "log_sigmoid", "beside"}
ARRAYS = {
    "ordinary": np.random.default_rng(0).normal(size=(3, 4)),
    "large": np.array([[1000.0, -1000.0, 999.0], [-1000.0, -1000.0, -1000.0], [1000.0, 1000.0, 0.0]]),
    "one": np.random.default_rng(1).normal(size=(1, 1)),
    "row": np.random.default_rng(2).normal(size=(1, 5)),
    "no rows": np.zeros((0, 3)),
    "no columns": np.zeros((3, 0)),
}


def test_every_composite_has_a_case() -> None:
    named = {op.name for op in OF_KIND[COMPOSITE] if "spelling" not in op.laws}
    assert named == set(COMPOSITES) | OTHER_COMPOSITES


@pytest.mark.parametrize("name", COMPOSITES)
@pytest.mark.parametrize("label", ARRAYS)
@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_composites_mean_what_scipy_means(name: str, label: str, axes: tuple[int, ...]) -> None:
    x = ARRAYS[label]
    node = make(TABLE[name], (leaf("x", tuple(map(as_size, x.shape))),), (axes,))
    if name == "norm" and label == "large":
        x = x / 1000
    empty = math.prod(x.shape[axis] for axis in axes) == 0
    if empty and "softmax" in name:
        expected = np.zeros(x.shape)
    elif empty and name == "logsumexp":
        expected = np.full(np.sum(x, axes).shape, -math.inf)
    else:
        expected = COMPOSITES[name](x, axes)
    np.testing.assert_allclose(value(node, x=x), expected, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("dtype", ["f64", "f32"])
def test_composites_keep_their_dtype(dtype: str) -> None:
    for name in COMPOSITES:
        x = leaf("x", (M, N), dtype)
        node = TABLE[name].build(x)
        assert node.dtype == node.op.expand(node).dtype == node.op.jvp(node, (x,)).dtype == dtype


INF = math.inf


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ([-INF, -INF], -INF), ([INF, 1.0], INF), ([-INF, 3.0], 3.0), ([INF, -INF], INF), ([math.nan, 1.0], math.nan),
        ([1e308, 1e308], 1e308), ([-1e308, -1e308], -1e308), ([math.nan, INF], math.nan),
    ],
)  # fmt: skip
def test_logsumexp_at_the_edges(row: list[float], expected: float) -> None:
    actual = value(ops.logsumexp(leaf("x", (M,))), x=np.array(row))
    assert actual == expected or (actual != actual and expected != expected)


@pytest.mark.parametrize("scale", [1.0, 1000.0])
@pytest.mark.parametrize("rows", [(), (3,), (2, 3), (0,)])
def test_cross_entropy_takes_labels_and_probabilities(scale: float, rows: tuple[int, ...]) -> None:
    rng = np.random.default_rng(4)
    z = rng.normal(size=(*rows, 4)) * scale
    labels, probabilities = rng.integers(0, 4, rows), rng.dirichlet(np.ones(4), rows)
    probabilities[..., 0] = 0
    shape = tuple(map(as_size, z.shape))
    for given_labels, dtype in ((labels, "i64"), (labels.astype("int32"), "i32"), (probabilities, "f64")):
        other = leaf("y", shape if dtype == "f64" else shape[:-1], dtype)
        node = ops.cross_entropy(leaf("z", shape), other)
        expected = cross_entropy(z, given_labels.astype("int64") if dtype == "i32" else given_labels)
        np.testing.assert_allclose(value(node, z=z, y=given_labels), expected, rtol=1e-13)
        if scale == 1.0 and rows != (0,):
            assert_tangent(node, {"z": z, "y": given_labels})
    one_hot = ops.one_hot(leaf("y", shape[:-1], "i64"), 4)
    np.testing.assert_array_equal(value(one_hot, y=labels), np.eye(4)[labels])


def test_cross_entropy_of_impossible_classes() -> None:
    z = np.array([[-INF, 0.0, 0.0], [1000.0, -1000.0, 0.0]])
    by_label = ops.cross_entropy(leaf("z", (M, N)), leaf("y", (M,), "i64"))
    np.testing.assert_allclose(value(by_label, z=z, y=np.array([1, 1])), [math.log(2), 2000.0])
    by_weight = ops.cross_entropy(leaf("z", (M, N)), leaf("y", (M, N)))
    np.testing.assert_allclose(value(by_weight, z=z, y=np.array([[0.0, 1, 0], [0, 1, 0]])), [math.log(2), 2000.0])


def test_log_sigmoid_is_accurate_everywhere() -> None:
    x = np.array([-1000.0, -40.0, -1.0, 0.0, 1.0, 40.0, 1000.0, INF, -INF])
    node = ops.log_sigmoid(leaf("x", (as_size(9),)))
    np.testing.assert_allclose(value(node, x=x), scipy.special.log_expit(x), rtol=1e-15)
    assert_tangent(ops.log_sigmoid(leaf("x", (N,))), {"x": np.array([-2.0, 0.1, 3.0])})


SPELLINGS: dict[str, tuple[dict[str, Any], Callable[..., np.ndarray]]] = {
    "zeros": ({"sizes": (M, 3)}, lambda x: np.zeros((2, 3))),
    "ones": ({"sizes": (M, 3)}, lambda x: np.ones((2, 3))),
    "eye": ({"n": M, "m": as_size(3)}, lambda x: np.eye(2, 3)),
    "full": ({"value": 2.5, "sizes": (M,)}, lambda x: np.full(2, 2.5)),
    "square": ({"x": leaf("x", (M, N))}, lambda x: x * x),
    "flatten": ({"x": leaf("x", (M, N))}, lambda x: x.ravel()),
    "broadcast_to": ({"x": leaf("x", (M, N)), "sizes": (4, M, N)}, lambda x: np.broadcast_to(x, (4, 2, 3))),
    "flip": ({"x": leaf("x", (M, N)), "axis": -1}, lambda x: x[:, ::-1]),
    "outer": (
        {"x": ops.reshape(leaf("x", (M, N)), (M * N,)), "y": ops.reshape(leaf("x", (M, N)), (M * N,))},
        lambda x: np.outer(x, x),
    ),
}


LOG_DENSITIES = ("_logpdf", "_logpmf")  # in `test_densities`


def test_every_spelling_has_a_case() -> None:
    spelled = {op.name for op in TABLE.values() if "spelling" in op.laws}
    assert spelled - {name for name in spelled if name.endswith(LOG_DENSITIES)} == set(SPELLINGS)


@pytest.mark.parametrize("name", SPELLINGS)
def test_spellings(name: str) -> None:
    arguments, expected = SPELLINGS[name]
    x = array((M, N))
    np.testing.assert_array_equal(value(TABLE[name].build(**arguments), x=x), expected(x))
