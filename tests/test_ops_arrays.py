"""Views, reductions and products.

Values against NumPy, index maps against meanings, transposes by adjointness, tangents by differences.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ops_support import DIMS, OF_KIND, TABLE, K, M, N, array, assert_adjoint, assert_tangent, concrete, leaf, value

from exprc import ops
from exprc.ir.evaluate import NUMPY_NAMES, evaluate, resolve
from exprc.ir.index import Affine, Guard, IndexMap, Quotient, axis, compose, identity_map
from exprc.ir.node import Node, make
from exprc.ir.op import REDUCE, VIEW, TypeRuleError
from exprc.ir.sizes import Size, as_size
from exprc.scalar import program as scalar

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
        ops.entries(leaf("x", (N, N)), (axis(0), axis(0)), (), (N,)),
        ops.entries(leaf("x", (N,)), (axis(0).plus(axis(1)),), (Guard(axis(0).plus(axis(1)), N),), (N, K)),
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


def test_attributes_resolve_to_integers() -> None:
    assert resolve(((M, N + 1), "ab", (1, True)), DIMS) == ((2, 4), "ab", (1, True))
