"""Derivatives against high-order differences and mode against mode, first and second order; guards; growth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pytest

from exprc import ops
from exprc.autodiff import expand_derivatives, gradient, merge_scans, pullback, pushforward
from exprc.ir.evaluate import evaluate as interpret
from exprc.ir.evaluate import resolve
from exprc.ir.node import Function, Node, substitute, toposort
from exprc.ir.op import DERIVATIVE, ELEMENTWISE, SCAN
from exprc.ir.sizes import Size, as_size, dim
from exprc.ir.types import Type
from exprc.rewrite import close, simplify

DIMS = {"n": 4, "d": 3, "k": 2, "m": 5, "e": 0}
N, D, K, M, E = (dim(name) for name in DIMS)


def with_integers(value: Any) -> Any:
    return resolve(value, DIMS)


def evaluate(roots: tuple[Node, ...], leaves: Mapping[Node, Any]) -> list[Any]:
    return interpret(roots, {leaf.attrs[0]: value for leaf, value in leaves.items()}, DIMS)


def value(root: Node, leaves: Mapping[Node, Any]) -> Any:
    return evaluate((root,), leaves)[0]


# ---- programs


class Program(NamedTuple):
    name: str
    build: Callable[..., Node]
    shapes: tuple[tuple[Size, ...], ...]
    low: float = -1.5
    high: float = 1.5
    domain: tuple[tuple[float, float], ...] = ()


def variable(name: str, shape: tuple[Size | int, ...], dtype: str = "f64") -> Node:
    return ops.input_(name, Type(dtype, tuple(as_size(extent) for extent in shape)))


def body_of(types: list[Type], step: Callable[..., list[Node]]) -> Function:
    return ops.make_function(tuple(types), step)


def row(*shape: Size) -> Type:
    return Type("f64", shape)


def recurrence(h0: Node, x: Node, w: Node) -> Node:
    """h <- tanh(W h + x), every state."""
    body = body_of([row(D), row(D), row(D, D)], lambda h, v, a: [s := ops.tanh(ops.add(ops.matmul(a, h), v)), s])
    return ops.scan(body, [h0], [x], [w], N)[1]


def two_states(h0: Node, c0: Node, x: Node, w: Node) -> Node:
    """An LSTM-like loop, of which last states and emitted values are used."""

    def step(h: Node, c: Node, v: Node, a: Node) -> list[Node]:
        z = ops.add(ops.matmul(a, h), v)
        c = ops.add(ops.mul(ops.sigmoid(z), c), ops.sin(v))
        h = ops.mul(ops.tanh(c), ops.sigmoid(ops.neg(z)))
        return [h, c, ops.mul(h, c)]

    h, c, y = ops.scan(body_of([row(D)] * 3 + [row(D, D)], step), [h0, c0], [x], [w], N)
    return ops.add(ops.sum_(y, 0), ops.add(h, ops.mul(2.0, c)))


def nested_scan(s0: Node, x: Node, a: Node) -> Node:
    """For each row of x a loop over its entries, with the outer state and a captured scalar inside."""

    def inner(s: Node, v: Node, b: Node) -> list[Node]:
        return [s := ops.sin(ops.add(ops.mul(b, s), v)), s]

    def outer(s: Node, r: Node, b: Node) -> list[Node]:
        end, path = ops.scan(body_of([row()] * 3, inner), [s], [r], [b], D)
        return [ops.mul(end, b), ops.sum_(path)]

    end, sums = ops.scan(body_of([row(), row(D), row()], outer), [s0], [x], [a], N)
    return ops.add(end, ops.sum_(sums))


def backward_scan(s0: Node, x: Node) -> Node:
    body = body_of([row(), row()], lambda s, v: [ops.add(ops.mul(0.5, ops.mul(s, s)), v), ops.mul(s, v)])
    end, path = ops.scan(body, [s0], [x], [], N, reverse=True)
    return ops.add(path, end)


def counting_scan(x: Node) -> Node:
    """A loop with an integer state, which has no derivative but is used."""

    def step(i: Node, s: Node, v: Node) -> list[Node]:
        return [ops.add(i, 1), ops.add(s, ops.mul(ops.cast(i, "f64"), ops.mul(v, v)))]

    return ops.scan(body_of([Type("i64"), row(), row()], step), [ops.constant(1), ops.zeros()], [x], [], N)[1]


def spd(x: Node) -> Node:
    """A positive definite matrix made of any square one."""
    eye = ops.cast(ops.eq(ops.iota(x.shape, 0), ops.iota(x.shape, 1)), "f64")
    return ops.add(ops.matmul(x, ops.transpose(x)), ops.mul(3.0, eye))


def lower(x: Node) -> Node:
    return ops.cholesky(spd(x))


LABELS = ops.cast(ops.remainder(ops.iota((N,)), 3), "i64")
A = (N,)
MATRIX, SQUARE = (N, D), (D, D)
PROGRAMS = [
    Program("chain", lambda x: ops.exp(ops.sin(ops.mul(x, ops.tanh(x)))), (A,)),
    Program("shared", lambda x: ops.mul(s := ops.sin(x), ops.add(s, ops.mul(s, x))), (A,)),
    Program("quotient", lambda x, y: ops.div(ops.sin(x), ops.add(2.0, ops.cos(y))), (A, A)),
    Program("power of both", lambda x, y: ops.power(x, y), (A, A), 0.5, 2.0),
    Program("cube", lambda x: ops.power(x, 3), (A,)),
    Program("negative power", lambda x: ops.power(x, -2), (A,), 0.5, 2.0),
    Program("minimum, maximum", lambda x, y: ops.minimum(ops.sin(x), ops.maximum(y, ops.mul(x, y))), (A, A)),
    Program("absolute", lambda x: ops.mul(ops.abs_(x), ops.relu(ops.add(x, 0.1))), (A,)),
    Program("remainder", lambda x: ops.mul(x, ops.remainder(x, 0.7)), (A,)),
    Program("stop", lambda x: ops.mul(x, x), (A,)),
    Program("row and column", lambda x, b: ops.tanh(ops.mul(x, ops.add(b, x))), (MATRIX, (D,))),
    Program("scalar and matrix", lambda s, x: ops.exp(ops.mul(s, ops.sin(x))), ((), MATRIX)),
    Program("unit axis", lambda x: ops.mul(x, ops.sum_(ops.sin(x), 1, keepdims=True)), (MATRIX,)),
    Program("outer", lambda x, y: ops.sin(ops.mul(ops.insert_axes(x, (1,)), ops.insert_axes(y, (0,)))), (A, (D,))),
    Program("sum of an axis", lambda x: ops.power(ops.sum_(ops.exp(x), 0), 2), (MATRIX,)),
    Program("sum of all", lambda x: ops.sin(ops.sum_(ops.mul(x, x))), (MATRIX,)),
    Program("mean", lambda x: ops.mul(ops.mean(ops.exp(x), 1), 2.0), (MATRIX,)),
    Program("max", lambda x: ops.mul(ops.max_(ops.sin(x), 1), 2.0), (MATRIX,)),
    Program("min of all", lambda x: ops.exp(ops.min_(x)), (MATRIX,)),
    Program("prod", lambda x: ops.prod(ops.add(x, 2.0), 1), (MATRIX,)),
    Program("prod of the first axis", lambda x: ops.prod(x, 0), (MATRIX,), 0.5, 1.5),
    Program("norm", lambda x: ops.norm(ops.sin(x), 1), (MATRIX,), 0.5, 1.5),
    Program("logsumexp", lambda x: ops.logsumexp(ops.mul(x, x), 1), (MATRIX,)),
    Program("logsumexp of all", lambda x: ops.logsumexp(x), (MATRIX,)),
    Program("softmax", lambda x: ops.softmax(ops.mul(2.0, x)), (MATRIX,)),
    Program("softmax of the first axis", lambda x: ops.softmax(ops.sin(x), 0), (MATRIX,)),
    Program("log softmax", lambda x: ops.mul(x, ops.log_softmax(x)), (MATRIX,)),
    Program("log sigmoid", lambda x: ops.log_sigmoid(ops.mul(x, x)), (MATRIX,)),
    Program("labels", lambda x: ops.cross_entropy(ops.sin(x), LABELS), (MATRIX,)),
    Program("probabilities", lambda x, z: ops.cross_entropy(x, ops.softmax(z)), (MATRIX, MATRIX)),
    Program("vector @ vector", lambda x, y: ops.exp(ops.matmul(x, y)), (A, A)),
    Program("matrix @ vector", lambda x, y: ops.sin(ops.matmul(x, y)), (MATRIX, (D,))),
    Program("vector @ matrix", lambda x, y: ops.sin(ops.matmul(x, y)), (A, MATRIX)),
    Program("matrix @ matrix", lambda x, y: ops.sin(ops.matmul(x, y)), (MATRIX, (D, K))),
    Program("matrix @ itself", lambda x: ops.matmul(ops.transpose(x), x), (MATRIX,)),
    Program("batch @ batch", lambda x, y: ops.matmul(x, y), ((K, N, D), (K, D, M))),
    Program("batch @ matrix", lambda x, y: ops.sin(ops.matmul(x, y)), ((K, N, D), (D, M))),
    Program("matrix @ batch", lambda x, y: ops.matmul(ops.sin(x), y), ((N, D), (K, D, M))),
    Program("batch @ vector", lambda x, y: ops.matmul(x, y), ((K, N, D), (D,))),
    Program("all labels kept", lambda x, y: ops.contract(x, y, "ab", "bc", "cab"), (MATRIX, (D, K))),
    Program("transposed product", lambda x, y: ops.contract(x, y, "ab", "cb", "ca"), (MATRIX, (K, D))),
    Program(
        "slice", lambda x: ops.sin(ops.slice_(x, (as_size(1), as_size(0)), (N - 1, as_size(2)), (1, 1))), (MATRIX,)
    ),
    Program("slice with steps", lambda x: ops.exp(ops.slice_(x, (as_size(3),), (as_size(2),), (-2,))), (A,)),
    Program("pad", lambda x: ops.cos(ops.pad(x, (as_size(2),), (N + 3,))), (A,)),
    Program("pad with steps", lambda x: ops.cos(ops.pad(x, (as_size(1),), (2 * N,), (2,))), (A,)),
    Program("differences", lambda x: ops.square(ops.sub(tail(x), head(x))), (A,)),
    Program("reshape", lambda x: ops.matmul(ops.reshape(x, (N * D,)), ops.sin(ops.reshape(x, (D * N,)))), (MATRIX,)),
    Program("transpose", lambda x: ops.mul(ops.transpose(x), ops.sin(ops.transpose(x))), (MATRIX,)),
    Program("axes", lambda x: ops.sum_(ops.exp(ops.transpose(x, (2, 0, 1))), 1), ((K, N, D),)),
    Program("squeeze", lambda x: ops.sin(ops.squeeze(ops.sum_(ops.mul(x, x), 1, keepdims=True), (1,))), (MATRIX,)),
    Program("cholesky", lambda x: ops.cholesky(spd(x)), (SQUARE,)),
    Program("log determinant", lambda x: log_determinant(spd(x)), (SQUARE,)),
    Program("solve vector", lambda x, b: ops.solve_triangular(lower(x), b), (SQUARE, (D,))),
    Program("solve matrix", lambda x, b: ops.solve_triangular(lower(x), b), (SQUARE, (D, K))),
    Program("solve transposed", lambda x, b: ops.solve_triangular(lower(x), b, transposed=True), (SQUARE, (D, K))),
    Program("solve upper", lambda x, b: ops.solve_triangular(ops.transpose(lower(x)), b, lower=False), (SQUARE, (D,))),
    Program("gaussian", lambda x, b: ops.sum_(ops.square(ops.solve_triangular(lower(x), b))), (SQUARE, (D,))),
    Program("scan", recurrence, ((D,), MATRIX, SQUARE)),
    Program("scan of two states", two_states, ((D,), (D,), MATRIX, SQUARE)),
    Program("nested scan", nested_scan, ((), MATRIX, ()), -0.7, 0.7),
    Program("reverse scan", backward_scan, ((), A), -0.7, 0.7),
    Program("scan that counts", counting_scan, (A,)),
    Program("scan of no steps", lambda h, x: ops.mul(ops.sin(empty_scan(h, x)), h), ((D,), (E, D))),
    Program("where", lambda x, y: ops.where(ops.gt(x, y), ops.sin(ops.mul(x, y)), ops.exp(x)), (A, A)),
    Program("where in where", lambda x, y: nested_where(x, y), (A, A)),
    Program("where of one", lambda x: ops.mul(x, ops.where(ops.gt(x, 0.2), ops.exp(x), 3.0)), (A,)),
    Program("where of rows", lambda x, w: ops.sin(ops.matmul(chosen_rows(x), w)), (MATRIX, (D, K))),
    Program("where of entries", lambda x, w: ops.matmul(ops.where(ops.gt(x, 0), x, 1.0), w), (MATRIX, (D, K))),
    Program("where after @", lambda x, w: masked_product(x, w), (MATRIX, (D, K))),
    Program("where in a scan", lambda s, x: choosing_scan(s, x), ((), A)),
    Program("where around a scan", lambda s, x: ops.where(ops.gt(x, 0), backward_scan(s, x), x), ((), A), -0.7, 0.7),
    Program("where of softmax", lambda x: ops.where(ops.gt(x, 0), ops.softmax(x), ops.mul(x, x)), (MATRIX,)),
    Program("where of cholesky", lambda x: ops.where(ops.gt(x, 0), ops.cholesky(spd(x)), x), (SQUARE,)),
    Program("where of slices", lambda x: ops.where(ops.gt(head(x), 0), ops.sin(tail(x)), ops.exp(head(x))), (A,)),
    Program("relu of relu", lambda x: ops.relu(ops.sub(ops.relu(ops.mul(x, x)), ops.where(ops.gt(x, 0), x, 0))), (A,)),
]


def head(x: Node) -> Node:
    return ops.slice_(x, (as_size(0),), (x.shape[0] - 1,))


def tail(x: Node) -> Node:
    return ops.slice_(x, (as_size(1),), (x.shape[0] - 1,))


def log_determinant(x: Node) -> Node:
    diagonal = ops.eq(ops.iota(x.shape, 0), ops.iota(x.shape, 1))
    return ops.mul(2.0, ops.sum_(ops.where(diagonal, ops.log(ops.cholesky(x)), 0)))


def empty_scan(h: Node, x: Node) -> Node:
    body = body_of([row(D), row(D)], lambda s, v: [ops.mul(s, v), s])
    end, path = ops.scan(body, [h], [x], [], E)
    return ops.add(end, ops.sum_(path, 0))


def nested_where(x: Node, y: Node) -> Node:
    inner = ops.where(ops.lt(y, 0.3), ops.sin(x), ops.mul(x, y))
    return ops.where(ops.gt(x, 0), ops.exp(inner), ops.where(ops.gt(y, 0), ops.cos(y), inner))


def chosen_rows(x: Node) -> Node:
    first = ops.squeeze(ops.slice_(x, (as_size(0), as_size(0)), (x.shape[0], as_size(1))), (1,))
    return ops.where(ops.spread(ops.gt(first, 0), x, (1,)), ops.sin(x), ops.exp(x))


def masked_product(x: Node, w: Node) -> Node:
    product = ops.matmul(x, w)
    return ops.where(ops.gt(product, 0), ops.sin(product), 0)


def choosing_scan(s0: Node, x: Node) -> Node:
    def step(s: Node, v: Node) -> list[Node]:
        return [t := ops.where(ops.gt(v, 0), ops.sin(ops.mul(s, v)), ops.add(ops.mul(0.5, s), v)), t]

    end, path = ops.scan(body_of([row(), row()], step), [s0], [x], [], N)
    return ops.add(ops.mul(end, end), path)


# ---- the checks


def sample(program: Program, seed: int) -> tuple[list[Node], list[Any], list[Any], list[Any]]:
    random = np.random.default_rng(seed)
    nodes = [variable(f"x{i}", shape) for i, shape in enumerate(program.shapes)]
    shapes = [with_integers(shape) for shape in program.shapes]
    domain = program.domain or ((program.low, program.high),) * len(shapes)
    points = [np.asarray(random.uniform(*bounds, shape)) for bounds, shape in zip(domain, shapes, strict=True)]
    return nodes, points, *([np.asarray(random.normal(size=shape)) for shape in shapes] for _ in range(2))


def difference(function: Callable[[float], Any], step: float = 2e-3) -> Any:
    """The derivative at 0 by differences of sixth order."""
    weights = {1: 45, 2: -9, 3: 1}
    return sum(w * (function(i * step) - function(-i * step)) for i, w in weights.items()) / (60 * step)


def inner(left: Any, right: Any) -> float:
    return float(sum(np.sum(a * b) for a, b in zip(left, right, strict=True)))


def assert_close(left: Any, right: Any, tolerance: float) -> None:
    for a, b in zip(left, right, strict=True):
        assert np.shape(a) == np.shape(b)
        scale = 1 + np.max(np.abs(b), initial=0)
        assert np.max(np.abs(a - b), initial=0) <= tolerance * scale, (a, b)


def zeros_for_none(found: tuple[Node | None, ...], nodes: list[Node]) -> tuple[Node, ...]:
    pairs = zip(found, nodes, strict=True)
    return tuple(ops.zeros(node.shape, node.dtype) if part is None else part for part, node in pairs)


def check_program(program: Program, seed: int = 0) -> None:
    nodes, points, v, w = sample(program, seed)
    out = program.build(*nodes)
    weight_node, directions = variable("u", out.shape), [variable(f"v{i}", x.shape) for i, x in enumerate(nodes)]
    weight = np.random.default_rng(seed + 7).normal(size=with_integers(out.shape))
    leaves = {**dict(zip(nodes, points, strict=True)), **dict(zip(directions, v, strict=True)), weight_node: weight}

    def moved(t: float) -> dict[Node, Any]:
        return {**leaves, **{node: p + t * q for node, p, q in zip(nodes, points, v, strict=True)}}

    (tangent,) = zeros_for_none(pushforward((out,), nodes, directions), [out])
    cotangents = zeros_for_none(pullback((out,), (weight_node,), nodes), nodes)
    assert [part.type for part in cotangents] == [node.type for node in nodes] and tangent.type == out.type
    j_v, *jt_u = evaluate((tangent, *cotangents), leaves)
    assert_close([j_v], [difference(lambda t: value(out, moved(t)))], 1e-8)
    forward, backward = inner([weight], [j_v]), inner(jt_u, v)
    assert abs(forward - backward) <= 1e-12 * (1 + abs(forward))

    slope = ops.sum_(ops.mul(weight_node, tangent))
    terms = [ops.sum_(ops.mul(direction, part)) for direction, part in zip(directions, cotangents, strict=True)]
    total = terms[0]
    for term in terms[1:]:
        total = ops.add(total, term)
    reverse_reverse = gradient(total, nodes)
    reverse_forward = gradient(slope, nodes)
    forward_reverse = zeros_for_none(pushforward(cotangents, nodes, directions), nodes)
    expected = [difference(lambda t, part=part: value(part, moved(t))) for part in cotangents]
    found = [evaluate(way, leaves) for way in (reverse_reverse, reverse_forward, forward_reverse)]
    for way in found:
        assert_close(way, expected, 1e-7)
    assert_close(found[0], found[1], 1e-11)
    assert_close(found[0], found[2], 1e-11)
    swapped = evaluate(reverse_reverse, {**leaves, **dict(zip(directions, w, strict=True))})
    assert abs(inner(swapped, v) - inner(found[0], w)) <= 1e-10 * (1 + abs(inner(swapped, v)))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_modes_agree_with_differences(program: Program) -> None:
    check_program(program)


SMOOTH = [op for op in ops.TABLE.values() if op.kind == ELEMENTWISE and op.partials and op.build]


OF_NUMBERS = [op for op in SMOOTH if op.dtype_rule in ("number", "float") and len(op.domain) == len(op.signature)]


@pytest.mark.parametrize("op", OF_NUMBERS, ids=lambda op: op.name)
def test_every_elementwise_operation(op: Any) -> None:
    domain = tuple((max(low, -2.0), min(high, 2.5)) for low, high in op.domain)
    check_program(Program(op.name, op.build, tuple([A] * len(domain)), domain=domain), seed=3)


# ---- guards: what is not chosen never reaches the derivative

ROWS, PLACES = ops.iota((N,)), ops.iota(MATRIX)
EVEN = ops.eq(ops.remainder(ROWS, 2), 0)
EVEN_ROWS = ops.eq(ops.remainder(PLACES, 2), 0)
NAN_ROWS = ops.where(EVEN_ROWS, 1.0, float("nan"))  # in row 1 and 3
INFINITE = ops.where(EVEN, 1.0, float("inf"))
ZERO = ops.where(EVEN, 1.0, 0.0)
SIGNS = ops.sign(ops.sin(ops.cast(ops.add(PLACES, ops.iota(MATRIX, 1)), "f64")))
FIRST_COLUMN = ops.eq(ops.iota((D, K), 1), 0)
NAN_COLUMN = ops.where(FIRST_COLUMN, 1.0, float("nan"))


def never(shape: tuple[Size, ...]) -> Node:
    """False everywhere, which nobody knows before it runs."""
    return ops.lt(ops.iota(shape), 0) if shape else ops.lt(ops.size(N), 0)


def reset_scan(s0: Node, x: Node) -> Node:
    """States that become NaN, forgotten by the last step."""

    def step(s: Node, v: Node, t: Node) -> list[Node]:
        return [ops.where(ops.eq(t, 3), ops.sin(v), ops.log(ops.sub(ops.mul(-1.0, ops.mul(s, s)), ops.mul(v, v)))), s]

    return ops.scan(body_of([row(), row(), Type("i64")], step), [s0], [x, ROWS], [], N)[0]


def stepwise_scan(s0: Node, x: Node) -> Node:
    def step(s: Node, v: Node) -> list[Node]:
        s = ops.where(ops.gt(v, 0), ops.mul(s, ops.log(v)), ops.add(s, v))
        return [s, ops.where(ops.gt(v, 0.5), ops.sqrt(ops.sub(v, 0.5)), ops.mul(s, v))]

    end, path = ops.scan(body_of([row(), row()], step), [s0], [x], [], N)
    return ops.add(path, end)


def chosen_emits(s0: Node, x: Node, w: Node) -> Node:
    """Emitted rows of which every second is NaN and not chosen."""

    def step(s: Node, v: Node, bad: Node, a: Node) -> list[Node]:
        s = ops.tanh(ops.add(ops.matmul(a, s), v))
        return [s, ops.mul(bad, ops.matmul(a, v))]

    types = [row(D), row(D), row(D), row(D, D)]
    path = ops.scan(body_of(types, step), [s0], [x, NAN_ROWS], [w], N)[1]
    return ops.where(EVEN_ROWS, path, x)


def choice_of_last_state(s0: Node, x: Node) -> Node:
    """A last step that is infinitely steep and chosen nowhere, beside emitted states that are used."""
    steep = body_of([row(), row(), row()], lambda s, v, f: [ops.mul(f, ops.add(ops.sin(s), v)), s])
    end, path = ops.scan(steep, [s0], [x, ops.where(ops.eq(ROWS, 3), float("inf"), 1.0)], [], N)
    return ops.add(ops.where(never(()), end, ops.mul(s0, s0)), ops.sum_(path))


def chosen_norms(x: Node) -> Node:
    return ops.sqrt(ops.sum_(ops.where(EVEN_ROWS, ops.mul(x, x), 0), 1))


def solve_of_some(x: Node, b: Node) -> Node:
    """Entries of a solution, of which the others have an infinite slope."""
    first = ops.eq(ops.iota((D,)), 0)
    slopes = ops.where(first, 1.0, float("inf"))
    return ops.where(first, ops.mul(slopes, ops.solve_triangular(lower(x), b)), b)


def captured_at_times(w: Node, x: Node) -> Node:
    """A captured value that the first step, which comes last in reverse, does not reach."""

    def step(s: Node, even: Node, v: Node, a: Node) -> list[Node]:
        return [ops.where(even, ops.mul(s, v), ops.add(ops.mul(a, v), s))]

    types = [row(), Type("bool"), row(), row()]
    return ops.scan(body_of(types, step), [ops.zeros()], [EVEN, x], [ops.sin(w)], N)[0]


def repeated_and_turned(x: Node) -> Node:
    """A guard that comes back from a broadcast, with its axes in another order than those of its condition."""
    condition = ops.transpose(ops.broadcast(ops.gt(SIGNS, 0), (N, D, K), (0, 1)), (2, 1, 0))
    values = ops.broadcast(ops.log(ops.mul(x, ops.transpose(SIGNS))), (K, D, N), (1, 2))
    return ops.where(condition, ops.mul(values, values), 0)


GUARDED = [
    Program("log", lambda x: ops.where(ops.gt(x, 0), ops.log(x), 0), (A,)),
    Program("square root", lambda x: ops.where(ops.gt(x, 0), ops.sqrt(x), ops.sin(x)), (A,)),
    Program("reciprocal", lambda x: ops.where(EVEN, ops.div(1.0, ops.mul(x, ZERO)), ops.mul(x, x)), (A,), 0.5),
    Program("power", lambda x: ops.where(ops.gt(x, 0), ops.power(x, 1.5), 0), (A,)),
    Program("chain below", lambda x: ops.where(ops.gt(x, 0), ops.exp(ops.sqrt(ops.log(ops.add(x, 1.0)))), 0), (A,), -3),
    Program("chain above", lambda x: ops.sin(ops.mul(x, ops.where(ops.gt(x, 0), ops.log(x), 0))), (A,)),
    Program("root of a choice", lambda x: ops.sqrt(ops.where(ops.gt(x, 0), x, 0)), (A,)),
    Program("root of relu", lambda x: ops.sqrt(ops.relu(x)), (A,)),
    Program("log under relu", lambda x: ops.relu(ops.log(ops.mul(ZERO, x))), (A,), 1.1),
    Program("choice in a choice", lambda x: guarded_twice(x), (A,)),
    Program("both branches", lambda x: ops.where(ops.gt(x, 0), ops.log(x), ops.log(ops.neg(x))), (A,)),
    Program("scalar", lambda x, s: ops.where(never(A), ops.mul(x, ops.log(ops.sub(s, 9.0))), x), (A, ())),
    Program("infinite data", lambda x: ops.where(EVEN, ops.mul(x, INFINITE), ops.mul(x, x)), (A,)),
    Program(
        "through sum",
        lambda x: ops.where(ops.all_(ops.gt(x, -0.5), 1), ops.sum_(ops.log(ops.add(x, 0.5)), 1), 0),
        (MATRIX,),
    ),
    Program("below sum", lambda x: ops.sum_(ops.where(ops.gt(x, 0), ops.log(x), 0), 1), (MATRIX,)),
    Program("sum of nothing chosen", chosen_norms, (MATRIX,), 0.5),
    Program("max", lambda x: ops.where(EVEN, ops.max_(ops.mul(x, NAN_ROWS), 1), 0), (MATRIX,)),
    Program("prod", lambda x: ops.where(EVEN, ops.prod(ops.mul(x, NAN_ROWS), 1), 0), (MATRIX,)),
    Program("logsumexp", lambda x: ops.where(EVEN, ops.logsumexp(ops.mul(x, NAN_ROWS), 1), 0), (MATRIX,)),
    Program("softmax", lambda x: ops.where(EVEN_ROWS, ops.softmax(ops.mul(x, NAN_ROWS)), x), (MATRIX,)),
    Program("labels", lambda x: ops.where(EVEN, ops.cross_entropy(ops.mul(x, NAN_ROWS), LABELS), 0), (MATRIX,)),
    Program("norm", lambda x: ops.where(EVEN, ops.norm(ops.mul(x, NAN_ROWS), 1), 0), (MATRIX,), 0.5),
    Program("rows of @", lambda x, w: ops.where(EVEN, ops.sin(ops.matmul(ops.mul(x, NAN_ROWS), w)), 0), (MATRIX, (D,))),
    Program("rows of data @", lambda w: ops.where(EVEN, ops.sin(ops.matmul(NAN_ROWS, w)), 0), ((D,),)),
    Program("rows of @ matrix", lambda x, w: rows_of_product(x, w), (MATRIX, (D, K))),
    Program("columns of @", lambda x, w: columns_of_product(x, w), (MATRIX, (D, K))),
    Program("entries of @", lambda x, w: entries_of_product(x, w), (MATRIX, (D, K))),
    Program("into @", lambda x, w: ops.matmul(ops.where(ops.gt(x, 0), ops.log(x), 0), w), (MATRIX, (D, K))),
    Program("root after @", lambda x: root_after_product(x), (MATRIX,), 0.5),
    Program("slices", lambda x: ops.where(ops.gt(tail(x), 0), ops.mul(tail(ops.log(x)), head(x)), head(x)), (A,)),
    Program("reshape", lambda x: ops.where(ops.gt(flat(x), 0), flat(ops.log(x)), 0), (MATRIX,)),
    Program("step by step", stepwise_scan, ((), A)),
    Program("forgotten states", reset_scan, ((), A)),
    Program("captured at times", captured_at_times, ((), A)),
    Program("turned", repeated_and_turned, ((D, N),), 0.5),
    Program("some of a solution", solve_of_some, (SQUARE, (D,))),
    Program("emits not chosen", chosen_emits, ((D,), MATRIX, SQUARE)),
    Program("last state not chosen", choice_of_last_state, ((), A)),
    Program(
        "loop not chosen",
        lambda s, x: ops.where(never(()), reset_scan(s, ops.log(ops.sub(x, 9.0))), ops.mul(s, s)),
        ((), A),
    ),
    Program(
        "solve not chosen",
        lambda x, b: ops.where(never((D,)), ops.solve_triangular(ops.mul(x, 0.0), b), b),
        (SQUARE, (D,)),
    ),
]


def guarded_twice(x: Node) -> Node:
    inside = ops.where(ops.gt(x, 0.5), ops.sqrt(ops.sub(x, 0.5)), ops.log(ops.sub(1.0, x)))
    return ops.where(ops.gt(x, 0), ops.mul(inside, ops.log(x)), ops.sqrt(ops.sub(0.1, x)))


def flat(x: Node) -> Node:
    return ops.reshape(x, (N * D,))


def rows_of_product(x: Node, w: Node) -> Node:
    product = ops.matmul(ops.mul(x, NAN_ROWS), w)
    return ops.where(ops.spread(EVEN, product, (1,)), ops.sin(product), 0)


def columns_of_product(x: Node, w: Node) -> Node:
    product = ops.matmul(x, ops.mul(w, NAN_COLUMN))
    return ops.where(ops.eq(ops.iota((N, K), 1), 0), ops.sin(product), 0)


def entries_of_product(x: Node, w: Node) -> Node:
    product = ops.matmul(ops.mul(x, NAN_ROWS), ops.mul(w, NAN_COLUMN))
    chosen = ops.and_(ops.eq(ops.iota((N, K), 1), 0), ops.spread(EVEN, product, (1,)))
    return ops.where(chosen, ops.sin(product), 0)


def root_after_product(x: Node) -> Node:
    """Rows that are zero because nothing in them is chosen: the root's slope is infinite there."""
    return ops.sqrt(ops.matmul(ops.where(EVEN_ROWS, x, 0), ops.full(2.0, (D, K))))


@pytest.mark.parametrize("program", GUARDED, ids=lambda program: program.name)
def test_unchosen_branches_never_reach_a_derivative(program: Program) -> None:
    check_program(program)


@pytest.mark.parametrize("program", GUARDED, ids=lambda program: program.name)
def test_rewriting_keeps_guards(program: Program) -> None:
    nodes, points, _, _ = sample(program, 0)
    leaves = dict(zip(nodes, points, strict=True))
    out = program.build(*nodes)
    loss = ops.sum_(ops.mul(out, ops.cos(out)))
    expected = gradient(loss, nodes)
    after = close(expected).roots
    before = gradient(simplify((loss,)).roots[0], nodes)
    for found in (after, before):
        assert_close(evaluate(found, leaves), evaluate(expected, leaves), 1e-12)


def all_ways(out: Node, x: Node) -> list[Node]:
    """First and second derivative of an elementwise program, in every mode, as nodes of its shape."""
    ones = ops.full(1.0, x.shape, x.dtype)
    (forward,), (reverse,) = pushforward((out,), (x,), (ones,)), pullback((out,), (ones,), (x,))
    assert forward is not None and reverse is not None
    second = [pushforward((part,), (x,), (ones,))[0] for part in (forward, reverse)]
    second += [pullback((part,), (ones,), (x,))[0] for part in (forward, reverse)]
    return [forward, reverse, *zeros_for_none(tuple(second), [x] * 4)]


@pytest.mark.parametrize("function", [ops.log, ops.sqrt, lambda x: ops.div(1.0, x), lambda x: ops.power(x, 0.5)])
def test_the_edge_of_the_domain_is_not_chosen(function: Callable[[Node], Node]) -> None:
    x = variable("x", (3,))
    ways = all_ways(ops.where(ops.gt(x, 0), function(x), 0), x)
    for found in evaluate(tuple(ways), {x: np.array([0.0, -0.0, -1.0])}):
        assert np.array_equal(found, np.zeros(3))


def test_nan_that_is_chosen_stays_visible() -> None:
    x, data = variable("x", (4,)), variable("data", (4,))
    leaves = {x: np.array([1.0, -1.0, 2.0, -2.0]), data: np.array([np.nan, np.nan, 3.0, 3.0])}
    product = ops.mul(ops.square(x), data)
    for out in (product, ops.where(ops.gt(x, 0), product, 0)):
        for found in evaluate(tuple(all_ways(out, x)), leaves):
            assert np.isnan(found[0]) and found[2] == found[2]
            assert np.isnan(found[1]) == (out is product) and found[3] == found[3]
    # An exact zero as a coefficient hides nothing, be it a literal or a value.
    for zero in (0.0, ops.sub(data, data)):
        for found in evaluate(tuple(all_ways(ops.mul(zero, product), x)), leaves):
            assert list(np.isnan(found)) == [True, True, False, False]


def test_what_one_row_chooses_does_not_reach_another() -> None:
    """An infinite weight that row 0 chooses, and row 1 does not."""
    two = (as_size(2), as_size(2))
    x = variable("x", two)
    weight = ops.where(ops.eq(ops.iota(two), ops.iota(two, 1)), float("inf"), 1.0)
    product = ops.matmul(x, weight)
    chosen = ops.le(ops.iota(two), ops.iota(two, 1))
    (found,) = gradient(ops.sum_(ops.where(chosen, ops.exp(ops.neg(product)), 0)), (x,))
    reached = np.isnan(value(found, {x: np.ones((2, 2))}))
    assert reached.tolist() == [[True, True], [False, True]]


def test_products_of_declared_arrays_under_a_choice_of_entries_stay_products() -> None:
    """Though rows of the data of which nothing is chosen are NaN; no array of all pairs arises."""
    x, y, chosen = variable("x", (N, D)), variable("y", (N, K)), variable("chosen", (N, K), "bool")
    params = [ops.input_(name, Type("f64", shape), "param") for name, shape in (("w", (D, K)), ("u", (N, D)))]
    generator = np.random.default_rng(3)
    given = {node: generator.normal(size=with_integers(node.shape)) for node in (x, y, *params)}
    mask = generator.random(with_integers(chosen.shape)) < 0.6
    mask[1] = False
    given[x][1] = given[y][~mask] = np.nan
    for data, others in ((x, params[:1]), (params[1], params)):
        residual = ops.sub(y, ops.matmul(data, params[0]))
        loss = ops.sum_(ops.where(chosen, ops.square(residual), 0))
        found = gradient(loss, others)
        assert all(len(node.shape) < 3 for root in found for node in inside(root))
        left = np.where(mask, given[y] - given[data] @ given[params[0]], 0)
        expected = {params[0]: -2 * np.nan_to_num(given[data]).T @ left, params[1]: -2 * left @ given[params[0]].T}
        values = evaluate(found, {**given, chosen: mask})
        for node, gradient_ in zip(others, values, strict=True):
            np.testing.assert_allclose(gradient_, expected[node], rtol=1e-12)


def test_programs_without_choices_get_no_guards() -> None:
    plain = [p for p in PROGRAMS if not any(n.dtype == "bool" for n in inside(p.build(*sample(p, 0)[0])))]
    assert len(plain) > 40
    kinks = ("max", "min", "absolute", "norm", "cholesky", "power of both", "solve", "gaussian", "labels")
    for program in plain:
        if not any(word in program.name for word in kinks):
            nodes = sample(program, 0)[0]
            for part in gradient(ops.sum_(program.build(*nodes)), nodes):
                assert not any(node.dtype == "bool" for node in inside(part)), program.name


def inside(root: Node) -> list[Node]:
    """All nodes with one result, in bodies of loops too."""
    found, pending = [], [(root,)]
    while pending:
        for node in toposort(pending.pop()):
            if node.kind == SCAN:
                pending.append(node.attrs[0].results)
            if len(node.types) == 1:
                found.append(node)
    return found


# ---- derivative nodes


def as_it_is(roots: tuple[Node, ...]) -> tuple[Node, ...]:
    return roots


def expanded(root: Node) -> Node:
    (found,) = expand_derivatives((root,), as_it_is)
    assert not any(node.kind == DERIVATIVE or node.op.name in ("named", "placeholder") for node in inside(found))
    return found


def test_only_uses_through_the_name_count() -> None:
    x = variable("x", ())
    a, b = (ops.named(ops.mul(2.0, x), name) for name in "ab")
    for wrt in (a, b):
        assert value(expanded(ops.grad(ops.add(a, b), wrt)), {x: 3.0}) == 1
        assert value(expanded(ops.grad(ops.mul(a, b), wrt)), {x: 3.0}) == 6
    assert value(expanded(ops.grad(ops.mul(a, b), x)), {x: 3.0}) == 24


def test_what_lies_below_a_name_plays_no_part() -> None:
    """A named node is a variable of its own, whatever it shares with the rest of the program."""
    x = variable("x", ())
    s = ops.sin(x)
    a = ops.named(ops.mul(s, s), "a")
    total = ops.add(ops.mul(a, a), ops.mul(a, ops.mul(s, s)))
    at = np.sin(0.7) ** 2
    assert np.isclose(value(expanded(ops.grad(total, a)), {x: 0.7}), 3 * at)


def test_derivatives_nest_to_any_order() -> None:
    x = variable("x", ())
    root = ops.mul(ops.exp(ops.mul(2.0, x)), x)
    for order in range(1, 6):
        root = ops.grad(root, x)
        expected = np.exp(0.6) * (2**order * 0.3 + order * 2 ** (order - 1))
        assert np.isclose(value(expanded(root), {x: 0.3}), expected, rtol=1e-13)


def test_derivatives_with_respect_to_names_nest() -> None:
    """The gradient of a gradient by a definition, by its own input, and by another definition."""
    x, y = variable("x", ()), variable("y", ())
    a = ops.named(ops.mul(x, x), "a")
    b = ops.named(ops.add(a, y), "b")
    first = ops.grad(ops.mul(ops.power(b, 3), a), a)  # a^3 (a + y)' counts: b is computed from a
    leaves, at = {x: 1.5, y: 0.5}, 1.5**2
    total = at + 0.5
    assert np.isclose(value(expanded(first), leaves), 3 * total**2 * at + total**3)
    assert np.isclose(value(expanded(ops.grad(first, y)), leaves), 6 * total * at + 3 * total**2)
    assert np.isclose(value(expanded(ops.grad(first, a)), leaves), 6 * total * at + 6 * total**2)
    assert np.isclose(value(expanded(ops.grad(first, x)), leaves), 3.0 * (6 * total * at + 6 * total**2))
    partial = ops.grad(ops.mul(ops.power(b, 3), a), b)
    assert np.isclose(value(expanded(partial), leaves), 3 * total**2 * at)


def test_directional_derivatives() -> None:
    w, v, u = variable("w", (D,)), variable("v", (D,)), variable("u", (N,))
    f = ops.sin(ops.matmul(ops.cast(ops.iota(MATRIX, 1), "f64"), w))
    random = np.random.default_rng(0)
    leaves = {node: random.normal(size=with_integers(node.shape)) for node in (w, v, u)}
    matrix = np.tile(np.arange(3.0), (4, 1))
    slope = np.cos(matrix @ leaves[w])
    assert np.allclose(value(expanded(ops.jvp(f, w, v)), leaves), slope * (matrix @ leaves[v]))
    assert np.allclose(value(expanded(ops.vjp(f, w, u)), leaves), matrix.T @ (slope * leaves[u]))
    curved = ops.jvp(ops.grad(ops.sum_(f), w), w, v)
    expected = -matrix.T @ (np.sin(matrix @ leaves[w]) * (matrix @ leaves[v]))
    assert np.allclose(value(expanded(curved), leaves), expected)


def test_derivatives_inside_loops() -> None:
    """Newton steps that take their slopes by `grad`, of a state, a captured value and a nested loop's variable."""
    a, s0 = variable("a", ()), variable("s", ())

    def step(s: Node, b: Node) -> list[Node]:
        named = ops.named(ops.mul(s, 1.0), "t")
        return [
            ops.sub(s, ops.div(ops.sub(ops.mul(s, s), b), ops.grad(ops.mul(named, named), named))),
            ops.grad(ops.mul(b, s), b),
        ]

    end, slopes = ops.scan(body_of([row(), row()], step), [s0], [], [a], as_size(6))
    root = ops.grad(ops.add(end, ops.mul(0.0, ops.sum_(slopes))), a)
    leaves = {a: 2.0, s0: 1.0}
    assert np.isclose(value(expanded(end), leaves), np.sqrt(2))
    assert np.isclose(value(expanded(root), leaves), 0.5 / np.sqrt(2))


def test_what_does_not_depend_on_the_name_is_zero_of_its_type() -> None:
    w, x, v = variable("w", (D,), "f32"), variable("x", (N,)), variable("v", (D,), "f32")
    count = ops.cast(ops.floor(ops.sum_(w)), "i64")
    for f in (ops.sum_(x), ops.stop_gradient(ops.sum_(w)), ops.cast(count, "f64")):
        found = expanded(ops.grad(f, w))
        assert found.type == w.type and ops.constant_value(found) == 0
    assert ops.constant_value(expanded(ops.jvp(x, w, v))) == 0 and expanded(ops.jvp(x, w, v)).type == x.type
    assert gradient(ops.sum_(x), (w, x))[0].type == w.type


def test_arguments_are_simplified_before_and_results_after() -> None:
    x = variable("x", ())
    seen: list[tuple[Node, ...]] = []

    def rewritten(roots: tuple[Node, ...]) -> tuple[Node, ...]:
        seen.append(roots)
        return roots

    first = ops.grad(ops.sin(x), x)
    expand_derivatives((ops.grad(first, x),), rewritten)
    assert [roots[0].op.name for roots in seen] == ["sin", "cos", "cos", "neg"]


def test_simplification_may_replace_what_a_name_stands_for() -> None:
    x = variable("x", ())
    double, sum_of_two = ops.mul(2.0, x), ops.add(x, x)
    a = ops.named(double, "a")

    def rewritten(roots: tuple[Node, ...]) -> tuple[Node, ...]:
        return substitute(roots, {double: sum_of_two})

    (found,) = expand_derivatives((ops.grad(ops.mul(a, a), a),), rewritten)
    assert value(found, {x: 3.0}) == 12


def test_a_program_without_derivatives_is_left_alone() -> None:
    x = variable("x", (N,))
    root = ops.scan(body_of([row(), row()], lambda s, v: [ops.mul(s, v)]), [ops.zeros()], [x], [], N)[0]
    assert expand_derivatives((root,), as_it_is) == (root,)


# ---- dtypes, empty arrays


def test_cotangents_have_the_dtypes_of_their_nodes() -> None:
    w, x = variable("w", (D,), "f32"), variable("x", (D,))
    product = ops.mul(ops.sin(w), x)
    assert product.dtype == "f64"
    root = ops.sum_(ops.where(ops.gt(x, 0), product, ops.cast(w, "f64")))
    for node, part in zip((w, x), gradient(root, (w, x)), strict=True):
        assert part.type == node.type
    (tangent,) = pushforward((root,), (w,), (w,))
    assert tangent is not None and tangent.dtype == "f64"


@pytest.mark.parametrize("empty", ["n", "d", "k"])
@pytest.mark.parametrize("program", [p for p in PROGRAMS if "slice" not in p.name], ids=lambda program: program.name)
def test_empty_arrays_have_empty_derivatives(program: Program, empty: str) -> None:
    if any(word in program.name for word in ("difference", "where of rows", "where of slices")):
        return
    nodes = [variable(f"x{i}", shape) for i, shape in enumerate(program.shapes)]
    parts = gradient(ops.sum_(program.build(*nodes)), nodes)
    dims = {**DIMS, empty: 0}
    inputs = {node.attrs[0]: np.full(resolve(node.shape, dims), 0.5) for node in nodes}
    for node, found in zip(nodes, interpret(parts, inputs, dims), strict=True):
        assert found.shape == resolve(node.shape, dims)


# ---- loops that repeat each other


def loops_in(roots: tuple[Node, ...]) -> list[Node]:
    return [node for node in toposort(roots) if node.kind == SCAN]


@pytest.mark.parametrize("program", [p for p in PROGRAMS if "scan" in p.name], ids=lambda program: program.name)
def test_merged_loops_give_the_same_values(program: Program) -> None:
    nodes, points, _, _ = sample(program, 1)
    leaves = dict(zip(nodes, points, strict=True))
    out = program.build(*nodes)
    loss = ops.sum_(ops.mul(out, ops.sin(out)))
    roots = (loss, *gradient(loss, nodes))
    merged = merge_scans(roots)
    assert len(loops_in(merged)) <= len(loops_in(roots)) and merge_scans(merged) == merged
    for body, states, *_ in (loop.attrs for loop in loops_in(merged)):
        assert len(set(body.results[states:])) == len(body.results) - states
    for before, after in zip(evaluate(roots, leaves), evaluate(merged, leaves), strict=True):
        assert np.array_equal(before, after)


def test_a_loss_and_its_gradient_run_a_loop_once_each_way() -> None:
    h, x, w = variable("h", (D,)), variable("x", MATRIX), variable("w", SQUARE)
    loss = ops.sum_(ops.square(two_states(h, h, x, w)))
    roots = (loss, *gradient(loss, (h, x, w)))
    assert [node.attrs[-1] for node in loops_in(merge_scans(roots))] == [False, True]


def test_loops_that_share_emits_emit_them_once() -> None:
    x = variable("x", (N,))
    emits: list[Callable[[Node], list[Node]]] = [lambda s: [ops.exp(s), ops.sin(s)], lambda s: [ops.sin(s), ops.cos(s)]]
    loops = [
        ops.scan(body_of([row(), row()], lambda s, v, f=f: [ops.mul(s, v), *f(s)]), [ops.zeros()], [x], [], N)
        for f in emits
    ]
    merged = merge_scans((loops[0][1], loops[0][2], loops[1][1]))
    (loop,) = loops_in(merged)
    assert [result.op.name for result in loop.attrs[0].results[1:]] == ["exp", "sin"] and merged[1] is merged[2]


# ---- growth

STEPS: dict[str, Callable[[Node, Node], Node]] = {
    "products": lambda y, x: ops.sin(ops.mul(y, x)),
    "choices": lambda y, x: ops.where(ops.gt(y, x), ops.sin(y), ops.mul(2.0, y)),
    "kinks": lambda y, x: ops.relu(ops.add(y, x)),
    "composites": lambda y, x: ops.add(ops.softmax(y), x),
    "views": lambda y, x: ops.add(y, ops.pad(ops.slice_(y, (as_size(1),), (M - 1,)), (as_size(0),), (M,))),
}


def chain(step: Callable[[Node, Node], Node], length: int) -> tuple[Node, Node]:
    x = variable("x", (M,))
    y = x
    for _ in range(length):
        y = step(y, x)
    return ops.sum_(y), x


@pytest.mark.parametrize("name", STEPS)
def test_derivatives_grow_linearly(name: str) -> None:
    counts = []
    for length in (100, 1000, 5000):
        root, x = chain(STEPS[name], length)
        (tangent,) = pushforward((root,), (x,), (x,))
        assert tangent is not None
        counts.append(len(toposort((*gradient(root, (x,)), tangent))))
    assert counts[1] <= 10.5 * counts[0] and counts[2] <= 5.1 * counts[1]


def test_second_derivatives_grow_linearly() -> None:
    counts = []
    for length in (50, 500):
        root, x = chain(STEPS["choices"], length)
        (first,) = gradient(root, (x,))
        counts.append(len(toposort(gradient(ops.sum_(ops.mul(first, x)), (x,)))))
    assert counts[1] <= 10.5 * counts[0]


def test_a_chain_of_100000_operations_and_as_many_uses() -> None:
    root, x = chain(lambda y, x: ops.add(ops.neg(y), x), 50_000)
    (found,) = gradient(root, (x,))
    assert evaluate((found,), {x: np.ones(5)})[0].shape == (5,)
