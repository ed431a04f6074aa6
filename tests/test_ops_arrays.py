"""Operations on whole arrays: views, reductions, products, composites, routines.

Values against NumPy and SciPy, index maps against meanings, transposes by adjointness, tangents by differences.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

from exprc import ops
from exprc.ir.evaluate import NUMPY_NAMES, evaluate, resolve
from exprc.ir.index import Affine, IndexMap, Quotient, compose, identity_map
from exprc.ir.node import Node, make
from exprc.ir.op import COMPOSITE, OPAQUE, REDUCE, VIEW, TypeRuleError
from exprc.ir.sizes import Size, as_size, dim
from exprc.ir.types import Type
from exprc.scalar import program as scalar
from exprc.schedule import kernel

TABLE = ops.TABLE
OF_KIND = {kind: [op for op in TABLE.values() if op.kind == kind] for kind in (VIEW, REDUCE, COMPOSITE, OPAQUE)}
M, N, K = dim("m"), dim("n"), dim("k")
DIMS = {"m": 2, "n": 3, "k": 4}


def leaf(name: str, shape: tuple[Size, ...], dtype: str = "f64") -> Node:
    return ops.input_(name, Type(dtype, shape))


def concrete(shape: tuple[Size, ...]) -> tuple[int, ...]:
    return tuple(size.evaluate(DIMS) for size in shape)


def array(shape: tuple[Size, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=concrete(shape))


def value(node: Node, **inputs: Any) -> np.ndarray:
    return evaluate([node], inputs, DIMS)[0]


# ---- views


def view_cases() -> list[Node]:
    x = leaf("x", (M, N, K))
    column = leaf("x", (M, as_size(1)))
    zero, one = as_size(0), as_size(1)
    return [
        ops.transpose(x),
        ops.transpose(x, (2, 0, 1)),
        ops.broadcast(x, (K, M, N, K)),
        ops.broadcast(column, (M, N)),
        ops.broadcast(column, (M, K, N, one), (0, 2)),
        ops.broadcast(leaf("x", (N,)), (N, K), (0,)),
        ops.broadcast(leaf("x", ()), (N, K)),
        ops.reshape(x, (M * N, K)),
        ops.reshape(x, (M, N * K)),
        ops.reshape(x, (N * K, M)),
        ops.reshape(x, (one, M, one, N, K)),
        ops.reshape(leaf("x", (M * N * K,)), (M, N, K)),
        ops.reshape(leaf("x", (M * N, K)), (M, N * K)),
        ops.squeeze(leaf("x", (one, M, one)), (0, 2)),
        ops.insert_axes(x, (0, 2)),
        ops.slice_(x, (one, zero, as_size(2)), (M - 1, N, as_size(2))),
        ops.slice_(leaf("x", (as_size(7),)), (one,), (as_size(3),), (2,)),
        ops.slice_(leaf("x", (N,)), (N - 1,), (N,), (-1,)),
        ops.slice_(leaf("x", (N,)), (N,), (zero,)),
        ops.pad(x, (one, zero, as_size(2)), (M + 2, N, K + 2)),
        ops.pad(leaf("x", (as_size(3),)), (one,), (as_size(9),), (3,)),
        ops.pad(leaf("x", (N,)), (N * 2 - 1,), (N * 2,), (-2,)),
        ops.pad(leaf("x", ()), (), ()),
    ]


VIEWS = [node for node in view_cases() if node.kind == VIEW]


def read_by_map(map_: IndexMap, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The entries that an index map reads, one after another."""
    result = np.zeros(shape, array.dtype)
    for index in np.ndindex(shape):
        variables = dict(enumerate(index))
        if all(_holds(guard, variables) for guard in map_.guards):
            places = tuple(_index(affine, variables) for affine in map_.indices)
            assert all(0 <= p < extent for p, extent in zip(places, array.shape, strict=True))
            result[index] = array[places]
    return result


def _holds(guard: Any, variables: dict[Any, int]) -> bool:
    position = _index(guard.position, variables)
    return 0 <= position < guard.extent.evaluate(DIMS) and position % guard.step == 0


def _index(affine: Affine, variables: dict[Any, int]) -> int:
    total = affine.constant.evaluate(DIMS)
    for variable, coefficient in affine.terms:
        if isinstance(variable, Quotient):
            part = _index(variable.numerator, variables) // variable.divisor.evaluate(DIMS)
        else:
            part = variables[variable]
        total += part * coefficient.evaluate(DIMS)
    return total


def map_of(node: Node) -> IndexMap:
    assert node.op.index_map is not None
    result: IndexMap = node.op.index_map(node.attrs, node.args[0].type, node.type)
    return result


def test_every_view_has_a_case() -> None:
    assert {node.op for node in VIEWS} == set(OF_KIND[VIEW])


@pytest.mark.parametrize("node", VIEWS, ids=str)
def test_an_index_map_reads_what_the_meaning_says(node: Node) -> None:
    x = array(node.args[0].shape)
    np.testing.assert_array_equal(read_by_map(map_of(node), x, concrete(node.shape)), value(node, x=x))


@pytest.mark.parametrize("node", VIEWS, ids=str)
def test_a_view_and_its_transpose_are_adjoint(node: Node) -> None:
    assert_adjoint(node, 0)


def assert_adjoint(node: Node, position: int, **others: np.ndarray) -> None:
    """<transpose(g), x> = <g, node(x)>, where node is linear in the argument at the position."""
    argument = node.args[position]
    cotangent = leaf("g", node.shape)
    back = node.op.transpose(node, cotangent, position)
    assert back.type == argument.type
    x, g = array(argument.shape, 1), array(node.shape, 2)
    given = {**others, argument.attrs[0]: x, "g": g}
    forward, backward = evaluate([node, back], given, DIMS)
    np.testing.assert_allclose(np.sum(backward * x), np.sum(g * forward), rtol=1e-12, atol=1e-13)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_reshapes_and_chains_of_views_compose(data: st.DataObject) -> None:
    """Random views, one upon another: the composed map reads what NumPy gives."""
    symbols = [M, N, K, as_size(1), as_size(2)]
    shape = tuple(data.draw(st.lists(st.sampled_from(symbols), max_size=3)))
    node = start = leaf("x", shape)
    map_ = identity_map(len(shape))
    for _ in range(data.draw(st.integers(1, 4))):
        following = data.draw(st.sampled_from(_views_of(node, data)))
        if following.kind == VIEW and following is not node:
            map_, node = compose(map_of(following), map_), following
    x = array(start.shape)
    np.testing.assert_array_equal(read_by_map(map_, x, concrete(node.shape)), value(node, x=x))


def _views_of(node: Node, data: st.DataObject) -> list[Node]:
    rank, shape = node.type.rank, node.shape
    total = math.prod(shape, start=as_size(1))
    found = [ops.reshape(node, (total,)), ops.insert_axes(node, (0,)), ops.transpose(node)]
    found.append(ops.transpose(node, tuple(data.draw(st.permutations(range(rank))))))
    found.append(ops.reshape(node, tuple(data.draw(st.permutations(shape)))))
    found.append(ops.broadcast(node, (K, *shape)))
    for position in range(rank):
        whole = [as_size(0)] * rank
        back = [*whole[:position], shape[position] - 1, *whole[position + 1 :]]
        steps = tuple(-1 if i == position else 1 for i in range(rank))
        found.append(ops.slice_(node, tuple(back), shape, steps))
        wide = tuple(extent * 2 + 1 if i == position else extent for i, extent in enumerate(shape))
        low = tuple(as_size(1) if i == position else as_size(0) for i in range(rank))
        found.append(ops.pad(node, low, wide, tuple(2 if i == position else 1 for i in range(rank))))
    return found


REFUSED = [
    lambda: ops.transpose(leaf("x", (M, N)), (0, 0)),
    lambda: ops.broadcast(leaf("x", (M,)), (N,)),
    lambda: ops.broadcast(leaf("x", (M, N)), (M, N, K), (1, 0)),
    lambda: ops.reshape(leaf("x", (M, N)), (M, K)),
    lambda: ops.squeeze(leaf("x", (M, N)), (0,)),
    lambda: ops.slice_(leaf("x", (as_size(3),)), (as_size(2),), (as_size(2),)),
    lambda: ops.slice_(leaf("x", (N,)), (as_size(-1),), (as_size(2),)),
    lambda: ops.slice_(leaf("x", (N,)), (as_size(0),), (as_size(2),), (0,)),
    lambda: ops.pad(leaf("x", (as_size(3),)), (as_size(0),), (as_size(4),), (2,)),
    lambda: ops.sum_(leaf("x", (N,)), 1),
    lambda: ops.sum_(leaf("x", (N, M)), (0, -2)),
    lambda: make(TABLE["sum"], (leaf("x", (N,), "bool"),), ((0,),)),
    lambda: make(TABLE["max"], (leaf("x", (N,), "bool"),), ((0,),)),
    lambda: make(TABLE["any"], (leaf("x", (N,)),), ((0,),)),
    lambda: make(TABLE["sum"], (leaf("x", (N, M)),), ((1, 0),)),
    lambda: ops.matmul(leaf("x", (N, M)), leaf("y", (N,))),
    lambda: ops.matmul(leaf("x", ()), leaf("y", (N,))),
    lambda: ops.matmul(leaf("x", (N, M, K)), leaf("y", (M, K, M))),
    lambda: make(TABLE["contract"], (leaf("x", (N,)), leaf("y", (N,))), ("a", "b", "a")),
    lambda: make(TABLE["contract"], (leaf("x", (N, N)), leaf("y", (N,))), ("aa", "a", "")),
    lambda: make(TABLE["contract"], (leaf("x", (N,)), leaf("y", (M,))), ("a", "a", "")),
    lambda: make(TABLE["contract"], (leaf("x", (N,)), leaf("y", (N,), "f32")), ("a", "a", "")),
    lambda: ops.softmax(leaf("x", ()), 0),
    lambda: ops.cross_entropy(leaf("x", (N, K)), leaf("y", (K,), "i64")),
    lambda: ops.cross_entropy(leaf("x", (N, K)), leaf("y", (N,))),
    lambda: ops.cross_entropy(leaf("x", ()), leaf("y", (), "i64")),
    lambda: ops.one_hot(leaf("y", (N,)), K),
    lambda: ops.cholesky(leaf("x", (N, M))),
    lambda: ops.solve_triangular(leaf("x", (N, N)), leaf("b", (M,))),
    lambda: ops.grad(leaf("x", (N,)), leaf("w", ())),
    lambda: ops.grad(leaf("x", ()), leaf("w", (), "i64")),
    lambda: ops.jvp(leaf("x", ()), leaf("w", (N,)), leaf("v", ())),
    lambda: ops.vjp(leaf("x", (N,)), leaf("w", ()), leaf("v", ())),
    lambda: make(TABLE["zeros"], (), ()),
    lambda: make(TABLE["cast"], (leaf("x", ()),), ("f16",)),
    lambda: make(TABLE["project"], (leaf("x", ()),), (0,)),
    lambda: make(TABLE["iota"], (), ((N,), 1)),
    lambda: make(TABLE["constant"], (), ("i64", 1.5, "")),
]


@pytest.mark.parametrize("build", REFUSED)
def test_what_makes_no_sense_is_refused(build: Callable[[], Node]) -> None:
    with pytest.raises(TypeRuleError):
        build()


# ---- reductions


@pytest.mark.parametrize("op", OF_KIND[REDUCE], ids=str)
@pytest.mark.parametrize("dtype", ["f64", "f32", "i64", "i32", "bool"])
def test_a_reduction_folds_its_instruction_from_its_identity(op: Any, dtype: str) -> None:
    x = (np.random.default_rng(0).normal(size=7) * 3).astype(NUMPY_NAMES[dtype])
    wide = op.build(leaf("x", (as_size(7),), dtype)).args[0]
    (widened,) = evaluate([wide], {"x": x}, DIMS)
    if op is not wide and TABLE[op.name].build(leaf("x", (as_size(7),), dtype)).op is not op:
        return  # max of truth values is `any`
    builder = scalar.Builder()
    total = builder.const(wide.dtype, op.identity(wide.dtype))
    combine = getattr(builder, {"and": "and_", "or": "or_"}.get(op.combine, op.combine))
    for entry in widened:
        total = combine(total, builder.const(wide.dtype, entry.item()))
    (folded,) = scalar.evaluate(builder, [total], {})
    node = op.build(leaf("x", (as_size(7),), dtype))
    np.testing.assert_allclose(value(node, x=x), folded, rtol=1e-6)
    (of_nothing,) = evaluate([op.build(leaf("x", (as_size(0),), dtype))], {"x": x[:0]}, {})
    assert of_nothing == op.identity(wide.dtype)


REDUCTIONS = {"sum": "sum", "prod": "prod", "max": "max", "min": "min", "any": "any", "all": "all", "mean": "mean"}


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), (), (0, 1, 2)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_reductions_are_numpys(name: str, axis: Any, keepdims: bool) -> None:
    x = array((M, N, K)) - 0.2
    node = TABLE[name].build(x=leaf("x", (M, N, K)), axis=axis, keepdims=keepdims)
    expected = getattr(np, REDUCTIONS[name])(x, axis=axis, keepdims=keepdims)
    np.testing.assert_allclose(value(node, x=x), expected, rtol=1e-14)


@pytest.mark.parametrize("name", ["prod", "max", "min", "mean", "logsumexp", "norm"])
@pytest.mark.parametrize("axis", [None, 0, 1, (0, 2)])
def test_tangents_of_reductions_are_the_limits_of_differences(name: str, axis: Any) -> None:
    node = TABLE[name].build(x=leaf("x", (M, N, K)), axis=axis)
    apart = np.random.default_rng(3).permutation(np.linspace(-1.1, 1.2, 24)).reshape(2, 3, 4)  # no ties within reach
    assert_tangent(node, {"x": apart})


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_tangents_that_keep_the_shape(name: str, axis: int) -> None:
    node = TABLE[name].build(x=leaf("x", (M, N)), axis=axis)
    assert_tangent(node, {"x": array((M, N))})


def assert_tangent(node: Node, inputs: dict[str, np.ndarray]) -> None:
    """The tangent of a node in all its float arguments, alone and together, against differences of order 8."""
    every = [a.attrs[0] for a in node.args if a.type.is_float]
    for varied in [[name] for name in every] + [every]:
        directions = {"d" + n: np.random.default_rng(5 + i).normal(size=inputs[n].shape) for i, n in enumerate(varied)}
        tangents = tuple(leaf("d" + a.attrs[0], a.shape) if a.attrs[0] in varied else None for a in node.args)
        tangent = node.op.jvp(node, tangents)
        assert tangent.type == node.type

        weights = [(1, 4 / 5), (2, -1 / 5), (3, 4 / 105), (4, -1 / 280)]
        step = 4e-3
        ends = [(w * s, moved(inputs, directions, s * k * step)) for k, w in weights for s in (1, -1)]
        expected = sum(weight * value(node, **end) for weight, end in ends) / step
        np.testing.assert_allclose(value(tangent, **inputs, **directions), expected, rtol=1e-8, atol=1e-9)


def moved(inputs: dict[str, np.ndarray], directions: dict[str, np.ndarray], t: float) -> dict[str, np.ndarray]:
    return {n: a + t * directions["d" + n] if "d" + n in directions else a for n, a in inputs.items()}


@pytest.mark.parametrize("zeros", [0, 1, 2, 3])
def test_products_have_tangents_with_any_number_of_zeros(zeros: int) -> None:
    x = np.array([2.0, 3.0, -0.5, 4.0])
    x[:zeros] = 0
    node = ops.prod(leaf("x", (K,)))
    for position, direction in enumerate(np.eye(4)):
        tangent = node.op.jvp(node, (leaf("t", (K,)),))
        assert value(tangent, x=x, t=direction) == np.prod(np.delete(x, position))


@pytest.mark.parametrize("name", ["max", "min"])
def test_ties_share_the_tangent(name: str) -> None:
    node = TABLE[name].build(x=leaf("x", (M, N)), axis=1)
    tangent = node.op.jvp(node, (leaf("t", (M, N)),))
    x = np.array([[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]])
    x[1, 0] = 3.0 if name == "max" else 1.0
    t = np.array([[3.0, 6.0, 9.0], [5.0, 7.0, 8.0]])
    np.testing.assert_array_equal(value(tangent, x=x, t=t), [6.0, 5.0])


def test_the_tangent_of_a_norm_is_zero_at_zero_and_not_a_number_at_none() -> None:
    node = ops.norm(leaf("x", (M, N)), 1)
    tangent = node.op.jvp(node, (leaf("t", (M, N)),))
    x = np.array([[0.0, 0.0, 0.0], [np.nan, 1.0, 1.0]])
    np.testing.assert_array_equal(value(tangent, x=x, t=np.ones((2, 3))), [0.0, np.nan])


# ---- products


RANKS = [
    ((N,), (N,)), ((M, N), (N,)), ((N,), (N, K)), ((M, N), (N, K)), ((K, M, N), (N, M)), ((M, N), (K, N, M)),
    ((K, M, N), (K, N, M)), ((as_size(1), M, N), (K, N, M)), ((K, M, N), (as_size(1), N, M)), ((K, M, N), (N,)),
    ((N,), (K, N, M)), ((K, as_size(1), M, N), (M, N, K)), ((as_size(1), as_size(1), M, N), (as_size(1), N, K)),
    ((as_size(1), N), (N, as_size(1))), ((M, as_size(1), M, N), (as_size(1), K, N, M)),
]  # fmt: skip


@pytest.mark.parametrize(("left", "right"), RANKS)
def test_products_of_all_ranks_are_numpys(left: tuple[Size, ...], right: tuple[Size, ...]) -> None:
    x, y = array(left, 1), array(right, 2)
    node = ops.matmul(leaf("x", left), leaf("y", right))
    np.testing.assert_allclose(value(node, x=x, y=y), x @ y, rtol=1e-13)
    assert concrete(node.shape) == (x @ y).shape


@pytest.mark.parametrize("labels", ["ab,bc->ac", "ab,ab->b", "a,b->ab", "ab,b->ba", "abc,cbd->dab", "ab,ab->", ",a->a"])
def test_products_are_linear_in_both_arguments(labels: str) -> None:
    pair, out = labels.split("->")
    left, right = pair.split(",")
    sizes = {"a": M, "b": N, "c": K, "d": M}
    x, y = (leaf(n, tuple(sizes[c] for c in labels)) for n, labels in zip("xy", (left, right), strict=True))
    node = ops.contract(x, y, left, right, out)
    np.testing.assert_allclose(
        value(node, x=array(x.shape, 1), y=array(y.shape, 2)), np.einsum(labels, array(x.shape, 1), array(y.shape, 2))
    )
    assert_adjoint(node, 0, y=array(y.shape, 3))
    assert_adjoint(node, 1, x=array(x.shape, 3))


def test_products_sum_lonely_labels_first_and_share_nodes() -> None:
    x, y = leaf("x", (M, N)), leaf("y", (K,))
    node = ops.contract(x, y, "ab", "c", "a")
    a, b = array(x.shape, 1), array(y.shape, 2)
    np.testing.assert_allclose(value(node, x=a, y=b), a.sum(1) * b.sum())
    assert ops.contract(x, y, "uv", "w", "uvw") is ops.contract(x, y, "ab", "c", "abc")


def test_sums_are_linear() -> None:
    assert_adjoint(ops.sum_(leaf("x", (M, N, K)), (0, 2)), 0)


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
OTHER_COMPOSITES = {"cross_entropy", "one_hot", "log_sigmoid"}
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
    "full": ({"value": 2.5, "sizes": (M,)}, lambda x: np.full(2, 2.5)),
    "square": ({"x": leaf("x", (M, N))}, lambda x: x * x),
    "flatten": ({"x": leaf("x", (M, N))}, lambda x: x.ravel()),
    "broadcast_to": ({"x": leaf("x", (M, N)), "sizes": (4, M, N)}, lambda x: np.broadcast_to(x, (4, 2, 3))),
    "flip": ({"x": leaf("x", (M, N)), "axis": -1}, lambda x: x[:, ::-1]),
}


def test_every_spelling_has_a_case() -> None:
    assert {op.name for op in TABLE.values() if "spelling" in op.laws} == set(SPELLINGS)


@pytest.mark.parametrize("name", SPELLINGS)
def test_spellings(name: str) -> None:
    arguments, expected = SPELLINGS[name]
    x = array((M, N))
    np.testing.assert_array_equal(value(TABLE[name].build(**arguments), x=x), expected(x))


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


def test_attributes_resolve_to_integers() -> None:
    assert resolve(((M, N + 1), "ab", (1, True)), DIMS) == ((2, 4), "ab", (1, True))
