"""Every rule of rewriting by its class, drawn from the table of rules; the rules on axes on examples.

`exact`: the same bits. `rounding`: the error grows by no more than a few ulp of the largest term.
`improving`: the error
against mpmath does not grow.  All keep type, shape and derivatives, cost no more, and are applied where they fit.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from exact_support import LEAST, NUMPY, assert_same_bits, exact, run, ulp

from exprc import autodiff, ops
from exprc.ir.evaluate import evaluate
from exprc.ir.node import Node, make, toposort
from exprc.ir.op import CONTRACT, LEAF, REDUCE, VIEW
from exprc.ir.sizes import ONE, as_size, constant, dim, product
from exprc.ir.types import Type
from exprc.rewrite import Rewritten, Settings, close, expand_composites, finish, simplify
from exprc.rewrite.engine import ALL_RULES
from exprc.rewrite.polynomial import COLLECT
from exprc.rewrite.rule import CLOSED_FORM, EXACT, FINAL_FORM, IMPROVING, ROUNDING, STABILIZE, Rule, instantiate
from exprc.rewrite.rules import REFLECTIONS

PATTERNS = [rule for rule in ALL_RULES if isinstance(rule.before, Node)]
STRUCTURAL = [rule for rule in ALL_RULES if rule.function is not None and rule is not COLLECT]
FLOATS = ("f64", "f32")
FACTORS = (2.0, -3.0, 0.1, -1.0, 1e-9, 1e10)  # what stands for the constants of a rule
ULPS = 4.0  # for how many operations the forms of `rounding` rules have
SLACK_OF_ACCURATE = 2.6  # ulp: what counts as accurate for `improving`, a bit above the worst function in use
RANGE = 2.0**42  # near the ends of the range of numbers: by how much constants of moderate size move them
DEAREST = 1.5  # by how much `improving` may cost more: accuracy is what it is for


def name_of(rule: Rule) -> str:
    return rule.name


# ---- pattern rules: both sides


@cache
def sides(rule: Rule, dtype: str, shape: tuple[Any, ...] = ()) -> tuple[tuple[Node, Node], ...]:
    """Before and after, with inputs for the wildcards and all constants for which the rule applies."""
    assert isinstance(rule.before, Node)
    wildcards = [n for n in toposort((rule.before,)) if n.op is ops.TABLE["placeholder"]]
    free = {w: ops.input_(w.attrs[0], Type("bool" if w.dtype == "bool" else dtype, shape)) for w in wildcards}
    like = ops.input_("like", Type(dtype, shape))
    choices = [[free[w], *[ops.full(f, shape, dtype) for f in FACTORS]] if rule.when else [free[w]] for w in wildcards]
    found = []
    for chosen in itertools.product(*choices):
        before = instantiate(rule.before, dict(zip(wildcards, chosen, strict=True)), like)
        after = rule.apply(before) if before.op is rule.root else None
        if after is not None:
            found.append((before, after))
    return tuple(dict.fromkeys(found))


def names_of(node: Node) -> list[str]:
    return sorted({n.attrs[0] for n in toposort((node,)) if n.op is ops.TABLE["input"]})


def dtypes_of(rule: Rule) -> Iterator[str]:
    """The dtypes in which a rule can be written down."""
    for dtype in (*FLOATS, "i64"):
        pairs = sides(rule, dtype)
        if dtype in FLOATS or (pairs and all(n.dtype in ("i64", "bool") for pair in pairs for n in toposort(pair))):
            yield dtype


CASES = [pytest.param(rule, dtype, id=f"{rule.name}-{dtype}") for rule in PATTERNS for dtype in dtypes_of(rule)]
FLOAT_CASES = [case for case in CASES if case.values[1] in FLOATS]


def edges(dtype: str) -> np.ndarray:
    """Zeros, infinities, NaN, the ends of the range, where exponentials end, and a few of every size."""
    if dtype == "i64":
        return np.array([0, 1, -1, 2, 7, -1000, 2**31, 2**62 + 1, -(2**63), 2**63 - 1])
    if dtype == "bool":
        return np.array([False, True])
    limits = np.finfo(NUMPY[dtype])
    positive = [0.0, 1.0, 0.5, 3.0, 0.1, 1e-3, 17.0, 36.9, 87.5, 700.3, 746.0, 1000.0, 1e4, 1e9, 1e20, 1e30]
    positive += [1e-5, 1e-9, 1e-17, 1e-30, float(limits.tiny), float(limits.smallest_subnormal), float(limits.max)]
    positive += [math.inf, float(limits.eps)]
    return np.array([*positive, *[-p for p in positive], math.nan], NUMPY[dtype])


def samples(names: list[str], types: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Edges in all combinations (of three arguments a part of them), and random numbers of all sizes."""
    generator = np.random.default_rng(len(names))
    grid = [array.ravel() for array in np.meshgrid(*[edges(types[name]) for name in names], indexing="ij")]
    if len(names) > 2:
        chosen = generator.permutation(grid[0].size)[:3000]
        grid = [array[chosen] for array in grid]
    sampled = {}
    for name, array in zip(names, grid, strict=True):
        dtype = types[name]
        if dtype in FLOATS:
            near = generator.normal(size=120) * generator.choice([1e-3, 1.0, 20.0], 120)
            wide = generator.choice([-1, 1], 80) * 2.0 ** generator.uniform(*((-1000, 1000) if dtype == "f64" else (-120, 120)), 80)  # noqa: E501
            extra = np.concatenate([near, wide]).astype(NUMPY[dtype])
        else:
            extra = generator.choice(edges(dtype), 200)
        sampled[name] = np.concatenate([array, extra])
    return sampled


def inputs_of(before: Node) -> dict[str, np.ndarray]:
    types = {n.attrs[0]: n.dtype for n in toposort((before,)) if n.op is ops.TABLE["input"]}
    return samples(sorted(types), types)


def points(inputs: Mapping[str, np.ndarray], most: int = 300) -> Iterator[tuple[int, dict[str, Any]]]:
    """Some places of the inputs, the last ones (random) always among them."""
    count = len(next(iter(inputs.values()))) if inputs else 1
    step = max(1, count // most)
    for at in {*range(0, count, step), *range(max(0, count - 120), count)}:
        yield at, {name: array[at].item() for name, array in inputs.items()}


@pytest.mark.parametrize(("rule", "dtype"), CASES)
def test_patterns_keep_type_and_cost_no_more(rule: Rule, dtype: str) -> None:
    n = dim("n")
    for shape in ((), (n,), (n, dim("m"))):
        found = sides(rule, dtype, shape)
        assert found, "the rule does not fit what it is written for"
        for before, after in found:
            assert after.type == before.type
            allowed = DEAREST if rule.kind == IMPROVING else 1
            assert cost(after) <= allowed * cost(before), f"{cost(before)} becomes {cost(after)}"


@pytest.mark.parametrize("rule", [rule for rule in PATTERNS if rule not in REFLECTIONS], ids=name_of)
def test_patterns_are_applied(rule: Rule) -> None:
    rewrite = close if rule.group == CLOSED_FORM else simplify
    for shape in ((), (dim("n"),)):
        befores = [before for before, _ in sides(rule, "f64", shape)]
        if rule.group == FINAL_FORM:
            assert [finish((before,)) for before in befores] == [(after,) for _, after in sides(rule, "f64", shape)]
            off = [Settings(frozenset((name,))) for name in (rule.name, rule.group, rule.kind, STABILIZE)]
            assert all(finish((before,), one) == (before,) for before in befores for one in off)
            continue
        assert any(rule in rules_applied(rewrite((before,))) for before in befores)
        off = Settings(frozenset((rule.name,)))
        assert not any(rule in rules_applied(rewrite((before,), settings=off)) for before in befores)


def rules_applied(result: Rewritten) -> list[Rule]:
    return [applied.rule for applied in result.log]


@pytest.mark.parametrize(("rule", "dtype"), [case for case in CASES if case.values[0].kind == EXACT])
def test_exact_patterns(rule: Rule, dtype: str) -> None:
    for before, after in sides(rule, dtype):
        left, right = run((before, after), inputs_of(before))
        assert_same_bits(left, right, rule.name)


@pytest.mark.parametrize(("rule", "dtype"), [case for case in CASES if case.values[0].kind == ROUNDING])
def test_rounding_patterns(rule: Rule, dtype: str) -> None:
    for before, after in sides(rule, dtype)[:: 1 + len(sides(rule, dtype)) // 10]:
        inputs = inputs_of(before)
        left, right = run((before, after), inputs)
        if dtype not in FLOATS:
            np.testing.assert_array_equal(left, right)
            continue
        assert not np.any(np.isnan(right) & ~np.isnan(left)), "a number became NaN"
        given = np.logical_or.reduce([np.isnan(array) for array in inputs.values()])
        assert np.all(np.isnan(right[given & np.isnan(left)])), "NaN of the data is hidden"
        with mp.workdps(60):
            for at, place in points(inputs):
                if np.isfinite(left[at]) and np.isfinite(right[at]) and all(map(math.isfinite, place.values())):
                    true, other = exact(before, place), exact(after, place)
                    assert true is not None and other is not None
                    errors = [abs(mp.mpf(float(side[at])) - true.value) for side in (left, right)]
                    allowed = ULPS * ulp(max(true.largest, other.largest), dtype) + RANGE * LEAST[dtype]
                    assert errors[1] <= errors[0] + allowed, f"{place}: {left[at]} {right[at]}"


@pytest.mark.parametrize(("rule", "dtype"), [case for case in CASES if case.values[0].kind == IMPROVING])
def test_improving_patterns(rule: Rule, dtype: str) -> None:
    for before, after in sides(rule, dtype):
        inputs = inputs_of(before)
        left, right = run((before, after), inputs)
        given = np.logical_or.reduce([np.isnan(array) for array in inputs.values()])
        assert np.all(np.isnan(right[given])), "NaN of the data is hidden"
        infinite = np.logical_or.reduce([np.isinf(array) for array in inputs.values()])
        assert not np.any(np.isnan(right) & ~np.isnan(left) & (infinite | np.isfinite(left))), "a number became NaN"
        with mp.workdps(60):
            for at, place in points(inputs):
                finite = all(map(math.isfinite, place.values()))
                if finite or (left[at] != right[at] and not any(map(math.isnan, place.values())) and np.isfinite(right[at])):  # noqa: E501
                    assert_improved(after, place, (left[at], right[at]), dtype)


def assert_improved(after: Node, place: Mapping[str, float], values: tuple[Any, Any], dtype: str) -> None:
    """The stable form is exact in mpmath: its error there is the truth for both."""
    true = exact(after, place)
    if true is None:
        assert not np.isfinite(values[1]), f"{place}: {values}"
        return
    errors = [error_in_ulps(float(value), true.value, dtype) for value in values]
    assert errors[1] <= max(errors[0], SLACK_OF_ACCURATE), f"{place}: {values}, exactly {mp.nstr(true.value, 20)}: {errors}"  # noqa: E501


def error_in_ulps(value: float, true: Any, dtype: str) -> Any:
    limit = mp.mpf(float(np.finfo(NUMPY[dtype]).max))
    if not math.isfinite(value):
        return mp.mpf(0) if not math.isnan(value) and abs(true) >= limit and (value > 0) == (true > 0) else mp.inf
    return abs(mp.mpf(value) - true) / ulp(true, dtype)


@pytest.mark.parametrize("rule", PATTERNS, ids=name_of)
def test_both_sides_are_the_same_function_with_the_same_derivatives(rule: Rule) -> None:
    """In 700 digits, where both have a value; the forms of a reflection too."""
    for before, after in sides(rule, "f64")[:12]:
        if before.dtype != "f64":
            continue
        wrt = [node for node in toposort((before,)) if node.op is ops.TABLE["input"] and node.dtype == "f64"]
        pairs = [(before, after), *zip(gradient(before, wrt), gradient(after, wrt), strict=True)]
        compared = 0
        with mp.workdps(700):
            for x, y in itertools.product((0.3, -0.7, 2.5, -31.0, 200.0), (1.7, -0.4)):
                place = {"x": x, "y": y, "z": x - 2 * y, "c": 1.25, "d": -0.5, "b": x > 0}
                for left, right in pairs:
                    one, other = exact(left, place), exact(right, place)
                    if one is not None and other is not None:
                        compared += 1
                        scale = max(one.largest, other.largest)
                        assert abs(one.value - other.value) <= scale * 1e-15, (rule.name, place)
        assert compared


def gradient(node: Node, wrt: list[Node]) -> tuple[Node, ...]:
    found = autodiff.gradient(ops.sum_(node), wrt) if node.shape else autodiff.gradient(node, wrt)
    return tuple(simplify(found).roots)


@pytest.mark.parametrize(("rule", "dtype"), FLOAT_CASES)
def test_derivatives_of_the_new_form_are_right_in_both_modes(rule: Rule, dtype: str) -> None:
    for _, after in sides(rule, dtype)[:8]:
        wrt = [node for node in toposort((after,)) if node.op is ops.TABLE["input"] and node.dtype == dtype]
        if after.dtype != dtype or not wrt:
            continue
        ones = [ops.constant(1.0, dtype)] * len(wrt)
        forward = [autodiff.pushforward((after,), (v,), (one,))[0] for v, one in zip(wrt, ones, strict=True)]
        assert all(tangent is not None for tangent in forward)
        backward = gradient(after, wrt)
        inputs = inputs_of(after)
        results = run((*backward, *simplify([t for t in forward if t is not None]).roots), inputs)
        for node, one, other in zip(backward, results[: len(wrt)], results[len(wrt) :], strict=True):
            np.testing.assert_array_equal(np.isfinite(one), np.isfinite(other))
            with mp.workdps(60):
                for at, place in points(inputs, 100):
                    true = exact(node, place) if all(map(math.isfinite, place.values())) else None
                    if true is not None and abs(true.value) < np.finfo(NUMPY[dtype]).max and within_range(true, dtype):
                        for value in (one[at], other[at]):
                            assert abs(mp.mpf(float(value)) - true.value) <= 8 * ulp(true.largest, dtype), (place, value)  # noqa: E501


def within_range(true: Any, dtype: str) -> bool:
    return true.largest < float(np.finfo(NUMPY[dtype]).max) / 4


# ---- rules on axes and views: examples


M, N, K = dim("m"), dim("n"), dim("k")


def leaf(name: str, *shape: Any, dtype: str = "f64") -> Node:
    return ops.input_(name, Type(dtype, tuple(as_size(extent) for extent in shape)))


A, B, V, U, S, T = leaf("A", M, N), leaf("B", N, K), leaf("v", N), leaf("u", M), leaf("s"), leaf("t")
LENGTH = ops.cast(ops.leaves.size(N), "f64")
Q, W3 = leaf("Q", N, N), leaf("w3", K, M, N)
FLAG, FLAGS = leaf("c", dtype="bool"), leaf("cs", N, dtype="bool")


def spread(node: Node, shape: tuple[Any, ...], axes: tuple[int, ...] = ()) -> Node:
    return ops.broadcast(node, shape, axes)


def view(name: str, node: Node, *attrs: Any) -> Node:
    return make(ops.TABLE[name], (node,), attrs)


def einsum(x: Node, y: Node, left: str, right: str, out: str) -> Node:
    return make(ops.TABLE["contract"], (x, y), (left, right, out))


EXAMPLES: dict[str, list[Node]] = {
    "logsumexp": [ops.log(ops.sum_(ops.exp(A), 1)), ops.log(ops.sum_(ops.exp(V))), ops.log(ops.sum_(ops.exp(W3), (0, 2)))],  # noqa: E501
    "log_softmax": [ops.log(ops.softmax(A)), ops.log(ops.softmax(A, 0))],
    "softmax": [
        ops.div(ops.exp(A), ops.sum_(ops.exp(A), 1, keepdims=True)),
        ops.div(ops.exp(A), spread(ops.sum_(ops.exp(A), 0), A.shape, (1,))),
        ops.div(ops.exp(V), ops.sum_(ops.exp(V))),
    ],
    "norm": [ops.sqrt(ops.sum_(ops.square(V))), ops.sqrt(ops.sum_(ops.mul(A, A), 0)), ops.sqrt(ops.sum_(ops.square(A)))],  # noqa: E501
    "merge_broadcasts": [
        view("broadcast", view("broadcast", V, (M, N), (1,)), (K, M, N), (1, 2)),
        view("broadcast", view("broadcast", V, (ONE, N), (1,)), (M, N), (0, 1)),
        view("broadcast", view("broadcast", S, (N,), ()), (N, K), (0,)),
        view("broadcast", view("broadcast", leaf("r", 1, N), (ONE, M, N), (0, 2)), (K, M, N), (0, 1, 2)),
    ],
    "broadcast_of_reshape": [
        view("broadcast", ops.reshape(V, (N, ONE)), (N, K), (0, 1)),
        view("broadcast", ops.reshape(A, (ONE, M, ONE, N)), (K, M, K, N), (0, 1, 2, 3)),
    ],
    "merge_transposes": [
        ops.transpose(ops.transpose(W3, (1, 2, 0)), (1, 2, 0)),
        ops.transpose(ops.transpose(A, (1, 0)), (1, 0)),
        ops.transpose(ops.transpose(W3, (2, 0, 1)), (0, 2, 1)),
    ],
    "merge_reshapes": [
        ops.reshape(ops.reshape(A, (M * N,)), (N, M)),
        ops.reshape(ops.squeeze(leaf("r", 1, N), (0,)), (N, ONE)),
        ops.reshape(ops.reshape(A, (N, M)), (M, N)),
    ],
    "squeeze_of_reshape": [
        ops.squeeze(ops.reshape(V, (N, ONE)), (1,)),
        ops.squeeze(ops.squeeze(leaf("r", 1, N, 1), (2,)), (0,)),
    ],
    "whole_slice": [ops.slice_(A, (constant(0), constant(0)), (M, N)), ops.slice_(V, (constant(0),), (N,), (1,))],
    "slice_of_constant": [
        ops.slice_(spread(S, (N + 1,)), (constant(1),), (N,)),
        ops.slice_(spread(S, (M, N + 2)), (constant(0), constant(1)), (M, N)),
    ],
    "reshape_of_constant": [
        ops.reshape(spread(S, (M, N)), (N * M,)),
    ],
    "known_choice": [ops.where(ops.constant(True), S, T), ops.where(ops.full(False, (N,)), 2.0, V)],
    "slice_of_pad": [
        ops.slice_(ops.pad(V, (constant(1),), (2 * N + 1,), (2,)), (constant(1),), (N,), (2,)),
        ops.slice_(ops.pad(A, (M - 1, constant(3)), (M, N + 4), (-1, 1)), (M - 1, constant(3)), (M, N), (-1, 1)),
    ],
    "slice_of_choice": [
        ops.slice_(
            ops.where(ops.pad(ops.full(True, (N,)), (constant(1),), (N + 2,)), leaf("q", N + 2), leaf("r", N + 2)),
            (constant(1),), (N,),
        ),
    ],
    "factor_of_choice": [
        ops.where(FLAGS, ops.mul(S, V), ops.mul(ops.exp(V), S)),
        ops.where(FLAGS, ops.div(V, S), ops.div(ops.exp(V), S)),
        ops.where(FLAG, ops.neg(S), ops.neg(T)), ops.where(FLAGS, ops.mul(3.0, V), 0.0),
        ops.where(FLAGS, 0.0, ops.mul(V, -0.5)), ops.where(FLAGS, ops.mul(V, S), ops.mul(V, V)),
    ],
    "choice_by_negation": [
        ops.where(ops.not_(FLAG), S, T), ops.where(ops.not_(FLAGS), V, 0.0), ops.where(ops.ne(S, T), S, 1.0),
        ops.where(spread(ops.not_(FLAG), (N,)), V, 2.0), ops.where(spread(ops.ne(S, 0.0), (N,)), V, 0.0),
    ],
    "spread_later": [
        ops.exp(spread(S, (N,))), ops.mul(spread(V, (M, N), (1,)), spread(S, (M, N))),
        ops.add(spread(U, (M, N), (0,)), 2.0), ops.where(spread(ops.gt(V, 0.0), (M, N), (1,)), spread(V, (M, N), (1,)), 0.0),  # noqa: E501
        ops.cast(spread(V, (M, N), (1,)), "f32"), ops.lt(spread(S, (N,)), spread(T, (N,))),
    ],
    "sign_of_argument": [
        op.build(ops.neg(leaf("v", N, dtype=dtype)))
        for op in ops.TABLE.values() if op.laws & {"odd", "even"} and op.name not in ("neg", "sign")
        for dtype in FLOATS
    ],
    "contract_of_transpose": [
        ops.matmul(ops.transpose(A), U), einsum(U, ops.transpose(A), "a", "ba", "b"),
        einsum(ops.transpose(W3, (2, 0, 1)), A, "abc", "ca", "bca"),
    ],
    "contract_of_scalar": [einsum(S, V, "", "a", "a"), einsum(A, S, "ab", "", "ba"), einsum(S, T, "", "", "")],
    "contract_of_spread": [
        ops.matmul(A, spread(S, (N,))), ops.matmul(A, spread(V, (N, K), (0,))),
        ops.matmul(spread(V, (M, N), (1,)), B), ops.matmul(spread(U, (M, N), (0,)), B),
        einsum(spread(S, (M, N)), A, "ab", "ab", "ba"), einsum(spread(S, (M, N)), A, "ab", "ab", ""),
        einsum(spread(V, (M, N), (1,)), A, "ab", "ab", "b"), einsum(A, spread(U, (M, K), (0,)), "ab", "ac", "bc"),
        ops.matmul(A, ops.full(2.0, (N,))), einsum(spread(leaf("r", 1, N), (M, N), (0, 1)), A, "ab", "ab", "a"),
    ],
    "factor_of_contract": [
        ops.matmul(A, ops.mul(S, V)), ops.matmul(ops.neg(A), V), ops.matmul(A, ops.div(V, S)),
        ops.matmul(A, ops.div(ops.mul(V, ops.mul(2.0, V)), ops.add(1.0, V))), ops.matmul(ops.mul(A, ops.neg(A)), V),
        ops.matmul(A, ops.div(V, LENGTH)), ops.matmul(ops.mul(ops.div(2.0, LENGTH), A), V),
    ],
    "factor_of_sum": [
        ops.sum_(ops.mul(S, V)), ops.sum_(ops.neg(A), 0), ops.sum_(ops.div(A, S), 1),
        ops.sum_(ops.mul(V, ops.div(V, spread(S, (N,))))), ops.sum_(ops.div(V, LENGTH)),
        ops.sum_(ops.div(A, ops.mul(S, LENGTH)), 1), ops.sum_(ops.mul(V, ops.mul(ops.div(2.0, LENGTH), V))),
    ],
    "beside_nothing_empty": [
        make(ops.TABLE["beside"], (S,), ((ONE,), 1)), make(ops.TABLE["beside"], (S,), ((1 + N,), 0)),
        make(ops.TABLE["beside"], (V,), ((M, N), 1)), make(ops.TABLE["beside"], (ops.beside(S, (M,)),), ((N,), 1)),
    ],
    "beside_where_it_is_spread": [
        spread(ops.beside(S, (N,)), (N,)), spread(ops.beside(S, (M, N, K)), (M, N)),
        spread(ops.beside(U, (N,), 0), (M, N), (0,)),
    ],
    "zero_beside": [
        ops.beside(ops.mul(S, ops.sum_(V)), (N,), 0), ops.beside(ops.div(ops.neg(ops.matmul(A, V)), U), (N,), 0),
        ops.beside(ops.mul(ops.sum_(V), ops.mul(S, ops.sum_(U))), (M, N, K), 0), ops.beside(ops.neg(S), (N,), 0),
        ops.beside(ops.mul(LENGTH, S), (N,), 0), ops.beside(spread(ops.mul(S, ops.sum_(V)), (M,)), (N,), 0),
    ],
    "sum_of_spread": [
        ops.sum_(spread(S, (M, N))), ops.sum_(spread(V, (M, N), (1,)), 0), ops.sum_(spread(V, (M, N), (1,))),
        ops.sum_(spread(V, (M, N, K), (1,)), (1, 2)), ops.sum_(spread(V, (ONE, N), (1,)), 0),
        ops.sum_(spread(leaf("r", 1, N), (M, N), (0, 1)), (0, 1)),
    ],
    "sum_of_sum": [ops.sum_(ops.sum_(A, 1)), ops.sum_(ops.sum_(W3, 1), 1), ops.sum_(ops.sum_(W3, 0), 0)],
    "sum_of_products": [
        ops.sum_(ops.mul(A, spread(V, A.shape, (1,))), 1), ops.sum_(ops.mul(spread(U, A.shape, (0,)), A), 0),
        ops.sum_(ops.mul(W3, spread(A, W3.shape, (1, 2))), (1, 2)),
        ops.sum_(ops.mul(spread(A, (M, N, K), (0, 1)), spread(B, (M, N, K), (1, 2))), 1),
    ],
}  # fmt: skip
DIMS = [{"m": m, "n": n, "k": k} for m, n, k in ((3, 4, 2), (1, 1, 1), (2, 5, 1), (0, 3, 2), (3, 0, 2), (0, 0, 0))]
EXAMPLE_CASES = [
    pytest.param(rule, node, id=f"{rule.name}-{number}")
    for rule in STRUCTURAL
    for number, node in enumerate(EXAMPLES.get(rule.name, []))
]


def apply(rule: Rule, node: Node) -> Node:
    assert rule.function is not None
    after = rule.function(node, frozenset())
    assert after is not None, "the rule does not fit the example"
    return after


def arrays(node: Node, dims: Mapping[str, int], draw: Callable[[tuple[int, ...]], np.ndarray]) -> dict[str, np.ndarray]:
    found = {}
    for n in toposort((node,)):
        if n.op is ops.TABLE["input"]:
            values = draw(tuple(extent.evaluate(dims) for extent in n.shape))
            found[n.attrs[0]] = values.astype(NUMPY[n.dtype]) if n.dtype != "bool" else values > 0
    return found


def value(node: Node, inputs: Mapping[str, np.ndarray], dims: Mapping[str, int]) -> np.ndarray:
    with np.errstate(all="ignore"):
        return evaluate(expand_composites((node,)), inputs, dims)[0]


def test_every_structural_rule_has_an_example_and_no_other_has() -> None:
    assert {rule.name for rule in STRUCTURAL} == {name for name, nodes in EXAMPLES.items() if nodes}


@pytest.mark.parametrize(("rule", "node"), EXAMPLE_CASES)
def test_examples_keep_type_and_values(rule: Rule, node: Node) -> None:
    """On small integers, where sums are exact: the same, whatever the order of the sum."""
    after = apply(rule, node)
    assert after.type == node.type
    generator = np.random.default_rng(1)
    for dims in DIMS:
        divides = any(n.op is ops.TABLE["div"] for n in toposort((node,)))
        numbers = [-3.0, -2.0, 1.0, 2.0] if divides else [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0]
        inputs = arrays(node, dims, lambda shape: generator.choice(numbers, shape))  # noqa: B023
        left, right = value(node, inputs, dims), value(after, inputs, dims)
        if rule.kind == EXACT and rule.name != "sign_of_argument":
            assert_same_bits(left, right, rule.name)
        elif rule.kind == ROUNDING and not divides:
            np.testing.assert_array_equal(left, right)
        else:
            tolerance = 1e-6 if node.dtype == "f32" else 1e-14
            np.testing.assert_allclose(left, right, rtol=tolerance, atol=tolerance)


SUMS = [
    *EXAMPLES["factor_of_contract"], *EXAMPLES["factor_of_sum"], *EXAMPLES["sum_of_spread"],
    *(node for node in EXAMPLES["contract_of_spread"] if node.shape != (M, K)),  # these are spread, no sum is changed
    ops.sum_(ops.mul(S, ops.sum_(ops.mul(T, A), 1))), ops.sum_(ops.div(V, spread(ops.sum_(V), (N,)))),
    ops.add(ops.div(ops.sum_(ops.div(V, LENGTH)), LENGTH), ops.div(S, LENGTH)), ops.mul(S, ops.sum_(ops.mul(S, V))),
    ops.sqrt(ops.sum_(ops.mul(ops.log(S), V))),
]  # fmt: skip


@pytest.mark.parametrize("node", SUMS)
@pytest.mark.parametrize("number", [0.0, 1.0, -2.0, math.inf, math.nan])
def test_the_sum_of_nothing_stays_0(node: Node, number: float) -> None:
    """Whatever its terms would be multiplied or divided by: the value, its derivatives, and theirs in closed form.

    Another form may be that number where the one that was written is NaN.
    """
    wrt = [n for n in toposort((node,)) if n.op is ops.TABLE["input"]]
    (rewritten,) = simplify((node,)).roots
    plain, of_rewritten = (autodiff.gradient(ops.sum_(root), wrt) for root in (node, rewritten))
    closed, of_closed = close(of_rewritten).roots, close(plain).roots
    for dims in DIMS[-3:]:
        inputs = arrays(node, dims, lambda shape: np.full(shape, number))
        expected = evaluate(expand_composites((node, *plain)), inputs, dims)
        for roots in ((rewritten, *of_rewritten), (rewritten, *closed), (rewritten, *of_closed)):
            for known, found in zip(expected, evaluate(expand_composites(roots), inputs, dims), strict=True):
                np.testing.assert_array_equal(found[~np.isnan(known)], known[~np.isnan(known)])


@pytest.mark.parametrize("node", SUMS)
def test_what_leaves_a_sum_leaves_its_forward_derivative(node: Node) -> None:
    wrt = [n for n in toposort((node,)) if n.op is ops.TABLE["input"]]
    directions = [leaf("d" + n.attrs[0], *n.shape) for n in wrt]
    results = []
    for root in (node, simplify((node,)).roots[0]):
        tangent = autodiff.pushforward((root,), wrt, directions)[0]
        assert tangent is not None
        results.append(expand_composites(simplify((tangent,)).roots)[0])
    for dims in DIMS[-3:]:
        inputs = arrays(results[0], dims, lambda shape: np.full(shape, math.inf)) | arrays(node, dims, np.ones)
        np.testing.assert_array_equal(*(value(root, inputs, dims) for root in results))


@pytest.mark.parametrize("node", EXAMPLES["sign_of_argument"], ids=lambda node: f"{node.op.name}-{node.dtype}")
def test_odd_and_even_functions_are_so_to_the_bit(node: Node) -> None:
    (rule,) = [rule for rule in STRUCTURAL if rule.name == "sign_of_argument"]
    (argument,) = {n for n in toposort((node,)) if n.kind == LEAF}
    inputs = {"v": samples(["v"], {"v": argument.dtype})["v"]}
    left, right = run((node, apply(rule, node)), inputs)
    assert_same_bits(left, right, node.op.name)


@pytest.mark.parametrize(("rule", "node"), EXAMPLE_CASES)
def test_examples_on_random_numbers_with_nan(rule: Rule, node: Node) -> None:
    """Within rounding of the largest term; NaN of the data is where it was."""
    after = apply(rule, node)
    generator = np.random.default_rng(2)
    dims = DIMS[0]
    plain = arrays(node, dims, lambda shape: generator.normal(size=shape))
    largest = value(node, {name: np.abs(array) for name, array in plain.items()}, dims).astype(float)
    left, right = value(node, plain, dims), value(after, plain, dims)
    tolerance = 1e-6 if any(n.dtype == "f32" for n in toposort((node,))) else 2e-15
    np.testing.assert_array_equal(np.isnan(left), np.isnan(right))
    close_enough = np.abs(right.astype(float) - left) <= tolerance * (1 + np.nan_to_num(np.abs(largest)))
    assert np.all(close_enough | np.isnan(left))
    for name, array in plain.items():
        if array.dtype.kind == "f":
            holed = array.copy()
            holed[tuple(0 for _ in holed.shape)] = np.nan
            left, right = (value(side, {**plain, name: holed}, dims) for side in (node, after))
            if left.dtype.kind == "f":
                np.testing.assert_array_equal(np.isnan(left), np.isnan(right))


@pytest.mark.parametrize(("rule", "node"), EXAMPLE_CASES)
def test_examples_are_rewritten_at_no_greater_cost(rule: Rule, node: Node) -> None:
    rewrite = (lambda *given: close(given[0], frozenset(), *given[1:])) if rule.group == CLOSED_FORM else simplify
    assert rule in rules_applied(rewrite((node,)))
    assert rule not in rules_applied(rewrite((node,), Settings(frozenset((rule.name,)))))
    sizes = {"m": 30, "n": 40, "k": 20}
    allowed = DEAREST if rule.kind == IMPROVING else 1
    assert work(apply(rule, node), sizes) <= allowed * work(node, sizes)


@pytest.mark.parametrize(("rule", "node"), EXAMPLE_CASES)
def test_derivatives_of_examples(rule: Rule, node: Node) -> None:
    """Of a weighted sum, by every float argument, backwards and forwards, against those of the first form."""
    if node.dtype not in FLOATS:
        return
    after = apply(rule, node)
    generator = np.random.default_rng(3)
    dims = DIMS[0]
    inputs = arrays(node, dims, lambda shape: generator.uniform(0.2, 1.0, shape) * 0.9)
    weights = leaf("weights", *node.shape, dtype=node.dtype)
    inputs["weights"] = generator.normal(size=tuple(extent.evaluate(dims) for extent in node.shape)).astype(NUMPY[node.dtype])  # noqa: E501
    wrt = [n for n in toposort((node,)) if n.op is ops.TABLE["input"] and n.dtype in FLOATS]
    directions = [leaf("d" + n.attrs[0], *n.shape, dtype=n.dtype) for n in wrt]
    for direction, n in zip(directions, wrt, strict=True):
        inputs[direction.attrs[0]] = generator.normal(size=inputs[n.attrs[0]].shape).astype(NUMPY[n.dtype])
    results = []
    for side in (node, after):
        loss = ops.sum_(ops.mul(weights, side))
        tangent = autodiff.pushforward((loss,), wrt, directions)[0]
        assert tangent is not None
        found = expand_composites((*autodiff.gradient(loss, wrt), tangent))
        results.append(evaluate(found, inputs, dims))
    tolerance = 1e-4 if any(n.dtype == "f32" for n in toposort((node,))) else 1e-11
    for left, right in zip(*results, strict=True):
        np.testing.assert_allclose(left, right, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("scale", [1000.0, 3.0, 1e-3])
@pytest.mark.parametrize("name", [rule.name for rule in STRUCTURAL if rule.group == STABILIZE])
def test_stable_compositions(name: str, scale: float) -> None:
    """The error against long double is at most that before, or that of arguments moved by an ulp of the largest."""
    (rule,) = [rule for rule in STRUCTURAL if rule.name == name]
    generator = np.random.default_rng(4)
    for node in EXAMPLES[name]:
        inputs = arrays(node, DIMS[0], lambda shape: generator.uniform(-scale, scale, shape))
        left, right = value(node, inputs, DIMS[0]), value(apply(rule, node), inputs, DIMS[0])
        true = long_value(node, inputs)
        magnitude = np.maximum(np.abs(true), np.abs(true) * scale if name == "softmax" else scale)
        allowed = 4 * np.finfo(float).eps * magnitude.astype(float)
        before, after = (np.abs(side - true).astype(float) for side in (left, right))
        before = np.where(np.isnan(before), np.inf, before)
        assert np.all(after <= np.maximum(before, allowed))
        assert np.all(np.isfinite(right))


def long_value(node: Node, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """What the compositions are, in long double, by their definitions."""
    ((_, array),) = inputs.items()
    x = array.astype(np.longdouble)
    inner = node.args[0]
    if node.op is ops.TABLE["sqrt"]:
        return np.sqrt((x * x).sum(axis=inner.attrs[0]))
    if node.op is ops.TABLE["div"]:
        axes = next(n.attrs[0] for n in toposort((node,)) if n.op is ops.TABLE["sum"])
        powers = np.exp(x - x.max(axis=axes, keepdims=True))
        return powers / powers.sum(axis=axes, keepdims=True)
    axes = inner.attrs[0]
    top = x.max(axis=axes, keepdims=True)
    total = top + np.log(np.exp(x - top).sum(axis=axes, keepdims=True))
    return x - total if inner.op is ops.TABLE["softmax"] else total.reshape(total.max(axis=axes).shape)


# ---- cost


def cost(root: Node) -> int:
    """The operations of scalars; powers with small exponents are products."""
    return sum(own_cost(node) for node in toposort((root,)) if node.kind != LEAF and node.kind != VIEW)


def own_cost(node: Node) -> int:
    exponent = ops.constant_value(node.args[1]) if node.op is ops.TABLE["power"] else None
    return 2 if exponent in (1, 2, 3, 4) else node.op.cost


def work(root: Node, sizes: Mapping[str, int]) -> int:
    """The operations on entries: of a sum those that it reads, of a product of arrays those of all its labels."""
    total = 0
    for node in toposort(expand_composites((root,))):
        if node.kind == CONTRACT:
            extents = dict(zip("".join(node.attrs[:2]), [e for a in node.args for e in a.shape], strict=True))
            total += node.op.cost * product(tuple(extents.values())).evaluate(sizes)
        elif node.kind not in (LEAF, VIEW):
            shape = node.args[0].shape if node.kind == REDUCE else node.shape
            total += own_cost(node) * product(shape).evaluate(sizes)
    return total
