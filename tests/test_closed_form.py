"""The closed form of arithmetic, and folding: equal values, never costlier, nothing hidden, the same
in every process.
"""

from __future__ import annotations

import itertools
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from exact_support import EPSILON, NUMPY, Value, assert_same_bits, exact, run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exprc import ops
from exprc.ir.node import Node, make, toposort
from exprc.ir.op import LEAF
from exprc.ir.sizes import dim
from exprc.ir.types import Type
from exprc.rewrite import Settings, close
from exprc.rewrite.fold import fold
from exprc.rewrite.polynomial import collect
from exprc.rewrite.rules import REFLECTIONS

N, M = dim("n"), dim("m")
DIMS = {"n": 7, "m": 3}
NOTHING: frozenset[Node] = frozenset()
CONSTANTS = (0.0, 0.5, 1.0, -1.0, 2.0, 3.0, 0.1, -0.75, 1e5, -1e-5)


def leaf(name: str, dtype: str = "f64", shape: tuple[Any, ...] = (N,)) -> Node:
    return ops.input_(name, Type(dtype, shape))


def atoms(dtype: str) -> list[Node]:
    x, y, s = leaf("x", dtype), leaf("y", dtype), leaf("s", dtype, ())
    size = ops.cast(ops.size(2 * N), dtype)
    root = ops.sqrt(ops.constant(2.0, dtype))
    others = [ops.power(x, ops.full(exponent, (N,), dtype)) for exponent in (0, 0.5)]
    beside = [ops.beside(x, (M,)), ops.broadcast_to(ops.beside(s, (M,)), (N,)), ops.beside(ops.add(x, y), (M,))]
    return [x, y, ops.broadcast_to(s, (N,)), ops.sigmoid(x), ops.sigmoid(ops.neg(x)), *others, *beside, *(
        ops.broadcast_to(scalar, (N,)) for scalar in (size, root, *(ops.constant(c, dtype) for c in CONSTANTS))
    )]  # fmt: skip


def expressions(dtype: str) -> st.SearchStrategy[Node]:
    """Random arithmetic; weights towards sums and products of a few atoms, so that terms meet."""
    pair = {name: getattr(ops, name) for name in ("add", "sub", "mul", "div")}
    powers = st.sampled_from((-2, -1, 2, 3, 4))
    return st.recursive(
        st.sampled_from(atoms(dtype)),
        lambda inner: st.one_of(
            *[st.builds(build, inner, inner) for build in (*pair.values(), ops.mul, ops.add)],
            st.builds(ops.neg, inner),
            st.builds(lambda x, p: ops.power(x, ops.full(p, (N,), dtype)), inner, powers),
        ),
        max_leaves=14,
    )


PLACES = tuple(
    {"x": x, "y": y, "s": s} for x, y, s in ((0.75, -1.5, 0.3), (-2.0, 0.4, -1.25), (1.0, 1.0, 1.0), (0.0, 3.0, 0.5))
)


def cost(root: Node) -> int:
    """Of all but products of sizes and a number."""
    total = 0
    for node in toposort((root,)):
        inside = {n.op.name for n in toposort((node,)) if n.op.name not in ("mul", "cast", "broadcast", "power")}
        if inside in ({"size"}, {"size", "constant"}):
            continue
        if node.kind != LEAF and ops.constant_value(node) is None and node.op is not ops.TABLE["broadcast"]:
            exponent = ops.constant_value(node.args[1]) if node.op is ops.TABLE["power"] else None
            small = exponent is not None and abs(exponent) <= 4
            total += node.op.cost if not small else 2 if exponent > 0 else 6
    return total


def assert_equal(before: Node, after: Node, dtype: str) -> None:
    """In 50 digits but for the rounding of coefficients, and computed, at the scale of rounding every operation."""
    inputs = {name: np.array([place[name] for place in PLACES], NUMPY[dtype]) for name in ("x", "y", "s")}
    left, right = run((before, after), inputs, DIMS)
    for at, place in enumerate(PLACES):
        place = {name: float(NUMPY[dtype](value)) for name, value in place.items()}
        with mp.workdps(50):
            one, other = exact(before, place, DIMS), exact(after, place, DIMS)
            if one is None or other is None or beyond(one, dtype) or beyond(other, dtype):
                continue
            scale = one.error + other.error
            assert abs(one.value - other.value) <= 4 * EPSILON[dtype] * scale, place
            if np.isfinite(left[at]) and np.isfinite(right[at]) and EPSILON[dtype] * scale < abs(one.value) * 1e-2:
                assert abs(float(left[at]) - float(right[at])) <= 8 * EPSILON[dtype] * scale, place


def beyond(value: Value, dtype: str) -> bool:
    return value.largest > float(np.finfo(NUMPY[dtype]).max) / 1e3


@pytest.mark.parametrize("dtype", ["f64", "f32"])
def test_random_arithmetic(dtype: str) -> None:
    changed = 0

    @settings(max_examples=350, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
    @given(expressions(dtype))
    def check(node: Node) -> None:
        nonlocal changed
        after = collect(node, NOTHING, REFLECTIONS)
        if after is not None:
            changed += 1
            assert after.type == node.type
            assert cost(after) <= cost(node)
            assert_equal(node, after, dtype)
        whole = close((node,)).roots[0]
        assert whole.type == node.type
        assert close((whole,)).roots[0] is whole, "the closed form of a closed form is itself"
        assert_keeps_nan(node, whole, dtype)

    check()
    assert changed > 60


def assert_keeps_nan(node: Node, after: Node, dtype: str) -> None:
    """NaN of any input stays NaN, but where the formula does not have it as a number: x^0 is 1."""
    for name in ("x", "y", "s"):
        place = {**PLACES[0], name: math.nan}
        left, right = run((node, after), {k: np.array([v], NUMPY[dtype]) for k, v in place.items()}, DIMS)
        plain = run((node,), {k: np.array([v], NUMPY[dtype]) for k, v in PLACES[0].items()}, DIMS)[0]
        if np.isnan(left[0]) and np.isfinite(plain[0]):
            assert np.isnan(right[0]), f"NaN of {name} is hidden"


X, Y, Z, S = leaf("x"), leaf("y"), leaf("z"), leaf("s", shape=())
SCALAR = leaf("a", shape=())
ONE_WAY = [
    # before, after
    (ops.sub(ops.mul(Y, ops.sub(1.0, X)), ops.mul(ops.sub(1.0, Y), X)), ops.sub(Y, X)),
    (ops.add(ops.mul(X, Y), ops.mul(Z, Y)), ops.mul(Y, ops.add(X, Z))),
    (ops.div(ops.mul(2.0, X), 6.0), ops.div(X, 3.0)),
    (ops.add(ops.mul(0.1, X), ops.mul(0.2, X)), ops.mul(0.3, X)),
    (ops.sub(ops.mul(-2.0, X), ops.mul(2.0, Y)), ops.mul(-2.0, ops.add(X, Y))),
    (ops.div(ops.mul(Y, ops.cast(ops.size(2 * N), "f64")), ops.mul(2.0, ops.cast(ops.size(N * N), "f64"))),
     ops.div(Y, ops.cast(ops.size(N), "f64"))),
    (ops.div(ops.div(ops.add(Y, Y), ops.cast(ops.size(N * M), "f64")), 2.0),
     ops.div(Y, ops.cast(ops.size(N * M), "f64"))),
    (ops.mul(ops.cast(ops.size(N), "f64"), ops.mul(2.0, ops.mul(Y, ops.cast(ops.size(3 * N * M), "f64")))),
     ops.mul(ops.mul(6.0, ops.mul(ops.power(ops.cast(ops.size(N), "f64"), 2), ops.cast(ops.size(M), "f64"))), Y)),
    (ops.sub(ops.mul(Y, ops.sigmoid(ops.neg(X))), ops.mul(ops.sub(1.0, Y), ops.sigmoid(X))), ops.sub(Y, ops.sigmoid(X))),  # noqa: E501
    (ops.sub(ops.div(Y, X), ops.div(ops.sub(1.0, Y), ops.sub(1.0, X))),
     ops.div(ops.sub(Y, X), ops.mul(X, ops.sub(1.0, X)))),
    (ops.neg(ops.square(ops.div(X, ops.sqrt(ops.constant(2.0))))), ops.mul(-0.5, ops.square(X))),
    (ops.div(ops.mul(X, X), ops.mul(X, Y)), ops.div(X, Y)),
    (ops.mul(ops.mul(2.0, Y), ops.div(1.0, ops.cast(ops.size(6), "f64"))), ops.div(Y, 3.0)),
    (ops.mul(ops.mul(2.0, Y), ops.div(1.0, ops.cast(ops.size(2), "f64"))), Y),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after"), ONE_WAY)
def test_known_forms(before: Node, after: Node) -> None:
    assert close((before,)).roots[0] is after
    assert close((after,)).roots[0] is after


KEPT = [
    ops.sub(X, X), ops.div(X, X), ops.mul(0.0, X), ops.sub(ops.add(X, Y), X), ops.div(ops.mul(X, Y), X),
    ops.mul(0.0, ops.add(X, Y)), ops.sub(ops.mul(X, Y), ops.mul(Y, X)), ops.power(X, 0.0),
    ops.mul(ops.mul(X, 1e300), 1e300), ops.square(ops.mul(X, 1e200)), ops.div(X, ops.mul(1e-200, ops.mul(1e-200, Y))),
    ops.power(ops.mul(2.0, X), math.inf), ops.power(ops.neg(X), math.nan), ops.mul(math.inf, ops.mul(2.0, X)),
    ops.add(X, ops.mul(math.nan, ops.add(Y, Y))), ops.div(ops.add(X, Y), ops.sub(1.0, 1.0)), ops.power(ops.add(X, Y), 300.0),  # noqa: E501
]  # fmt: skip


@pytest.mark.parametrize("node", KEPT)
def test_what_hides_nothing_and_passes_no_range_stays(node: Node) -> None:
    """Whatever else becomes of them: special values are what they were."""
    (after,) = close((node,)).roots
    grid = np.array(list(itertools.product((0.0, 1.0, -2.0, 1e-200, math.inf, math.nan), repeat=2))).T
    left, right = run((node, after), {"x": grid[0], "y": grid[1]})
    np.testing.assert_array_equal(np.isnan(left), np.isnan(right))
    np.testing.assert_allclose(left, right, rtol=1e-15)


def test_what_an_atom_carries_need_not_stay() -> None:
    """NaN in y makes E NaN, so y may go; NaN in z does not."""
    total = ops.div(ops.sum_(X), ops.mul(S, SCALAR))
    form = ops.mul(ops.div(total, S), ops.div(S, SCALAR))
    kept = close((form,), names=frozenset((total,))).roots[0]
    assert kept is ops.div(total, SCALAR)
    assert close((ops.mul(ops.div(total, Z), ops.div(Z, SCALAR)),)).roots[0] is not ops.div(total, SCALAR)


def test_integers_are_left_alone() -> None:
    i = leaf("i", "i64")
    for node in (ops.sub(ops.add(i, i), i), ops.mul(ops.add(i, 1), ops.sub(i, 1)), ops.neg(ops.sub(i, ops.mul(2, i)))):
        assert collect(node, NOTHING, REFLECTIONS) is None


def test_names_are_not_taken_apart() -> None:
    r = ops.sub(X, Y)
    form = ops.add(ops.mul(2.0, r), ops.mul(3.0, r))
    assert close((form,), names=frozenset((r,))).roots[0] is ops.mul(5.0, r)
    product = ops.mul(2.0, X)
    for outer in (ops.sum_(product), ops.matmul(product, Y)):
        assert close((outer,), names=frozenset((product,))).roots[0] is outer
        assert close((outer,)).roots[0] is not outer


def test_it_can_be_switched_off() -> None:
    before, after = ONE_WAY[0]
    for name in ("collect", "rounding", "closed form"):
        assert close((before,), settings=Settings(frozenset((name,)))).roots[0] is not after
    assert [applied.rule.name for applied in close((before,)).log][-1] == "collect"


def test_a_large_sum_is_left_as_it_is() -> None:
    node: Node = X
    for number in range(1000):
        node = ops.add(ops.mul(float(number), node), Y)
    (after,) = close((node,)).roots
    assert after.type == node.type


SCRIPT = """
from exprc import driver
from exprc.source import Source
text = '''dim n, d
input X : f64[n, d]
input y, c : f64[n]
param w : f64[d]
param s, b : f64
m = 0.5 * (1 + erf((X @ w + b) / sqrt(2)))
loss E = -sum(c * (y * log(m) + (1 - y) * log(1 - m))) / (2 * n) + sum((X @ w - y)^2 / s^2 + log(s)) + s * b * b
'''
print(driver.grad(Source("model.expr", text), driver.Options(expand=True)))
"""


def test_the_form_does_not_depend_on_the_process() -> None:
    texts = set()
    for seed in ("0", "1", "77"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
        done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, timeout=60)  # noqa: E501
        assert done.returncode == 0, done.stderr
        texts.add(done.stdout)
    assert len(texts) == 1


# ---- folding


@pytest.mark.parametrize("dtype", ["f64", "f32", "i64", "i32"])
def test_folded_constants_are_what_would_be_computed(dtype: str) -> None:
    floats = (0.0, -0.0, 1.0, -2.5, 0.1, 1e30, 1e-30, 4.0, 2.0, math.inf, math.nan, 3e38)
    values = floats if dtype in EPSILON else (0, 1, -1, 7, 2**31 - 1, -(2**31), 2**62)
    for name in ("add", "sub", "mul", "div", "neg", "sqrt", "abs"):
        op = ops.TABLE[name]
        if op.dtype_rule == "float" and dtype not in EPSILON:
            continue
        for chosen in itertools.product(values, repeat=len(op.signature)):
            constants = [ops.constant(value, dtype) for value in chosen]
            folded = fold(make(op, tuple(constants)))
            if folded is not None:
                numpy_dtype = {**NUMPY, "i32": np.int32}[dtype]
                inputs = {f"x{k}": np.array(c.attrs[1] if c.attrs[2] == "" else -0.0, numpy_dtype) for k, c in enumerate(constants)}  # noqa: E501
                names = [ops.input_(f"x{k}", Type(dtype)) for k in range(len(chosen))]
                assert_same_bits(*run((folded, make(op, tuple(names))), inputs), message=f"{name}{chosen}")


def test_folded_casts() -> None:
    for value, source, target in ((3, "i64", "f64"), (2**53 + 1, "i64", "f32"), (2**62 + 2**38 + 1, "i64", "f32"),
                                  (True, "bool", "f64"), (-1, "i64", "i32"), (2**40, "i64", "i32"), (0.1, "f64", "f32")):  # fmt: skip  # noqa: E501
        node = ops.cast(ops.constant(value, source), target)
        folded = fold(node)
        numpy_dtype = {**NUMPY, "i32": np.int32}[target]
        if folded is not None:
            assert folded.type == node.type
            assert run((folded,), {})[0] == np.asarray(value).astype(numpy_dtype)
    assert fold(ops.cast(ops.constant(2.5), "i64")) is None
    assert fold(ops.add(ops.constant(math.inf), ops.constant(-math.inf))) is None
