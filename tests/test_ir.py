"""The graph: its text form reads back to the identical nodes, the verifier notices what is broken, the interpreter
means what loops written in Python mean; none of them minds depth.

Random graphs are drawn from the operations' builder functions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exprc import ops
from exprc.diagnostics import InternalError
from exprc.ir.evaluate import evaluate
from exprc.ir.node import Function, Node, make, toposort
from exprc.ir.op import TypeRuleError
from exprc.ir.read import ReadError, read, read_size
from exprc.ir.show import show
from exprc.ir.sizes import Size, as_size, dim, floordiv, maximum, minimum, show_size
from exprc.ir.types import Type
from exprc.ir.verify import VerificationError, functions_of, verify

N, D = dim("n"), dim("d")
DIMS = {"n": 3, "d": 2}
VECTOR, MATRIX, SCALAR = Type("f64", (N,)), Type("f64", (N, D)), Type("f64")


def leaf(name: str, type: Type = VECTOR) -> Node:
    return ops.input_(name, type)


# ---- random graphs


UNARY = [
    ops.exp,
    ops.neg,
    ops.sin,
    ops.sigmoid,
    ops.stop_gradient,
    lambda x: ops.cast(ops.cast(x, "f32"), "f64"),
    lambda x: ops.named(x, 'a "name"\n\u2028'),
    lambda x: ops.power(x, 2),
    lambda x: ops.mul(x, math.nan),
    lambda x: ops.add(x, -0.0),
    lambda x: ops.maximum(x, -math.inf),
    lambda x: ops.where(ops.gt(x, 0), x, 1e-300),
]
BINARY = [ops.add, ops.mul, ops.sub, lambda x, y: ops.where(ops.lt(x, y), y, ops.iota((N,)))]
VECTOR_TO_VECTOR = [
    lambda x: ops.slice_(x, (N - 1,), (N,), (-1,)),
    lambda x: ops.slice_(ops.pad(x, (N,), (N * 3 + 1,)), (N,), (N,)),
    lambda x: ops.add(x, ops.sum_(x)),
    lambda x: ops.reshape(ops.broadcast_to(x, (as_size(1), N)), (N,)),
    lambda x: ops.softmax(x),
    lambda x: ops.mul(x, ops.size(floordiv(N + D, as_size(2)))),
    lambda x: ops.matmul(ops.broadcast(x, (N, N), (0,)), x),
    lambda x: ops.logsumexp(ops.broadcast(x, (N, D), (0,)), 1),
    lambda x: loop(x)[0],
    lambda x: ops.add(*loop(x, reverse=True)),
    lambda x: nested_loop(x),
]


def loop(x: Node, reverse: bool = False) -> tuple[Node, Node]:
    """Running sums and products, in one scan with two states."""
    body = ops.make_function(
        (SCALAR, SCALAR, SCALAR, VECTOR),
        lambda s, p, e, captured: (ops.add(s, e), ops.mul(p, ops.sin(e)), ops.add(s, e), ops.max_(captured)),
    )
    _, _, sums, tops = ops.scan(body, (ops.constant(0.0), ops.constant(1.0)), (x,), (x,), N, reverse)
    return sums, tops


def nested_loop(x: Node) -> Node:
    """In each step the running sums of a row that is the captured vector times the element."""
    inner = ops.make_function((SCALAR, SCALAR), lambda s, e: (ops.add(s, e),) * 2)

    def step(state: Node, element: Node, captured: Node) -> tuple[Node, ...]:
        _, sums = ops.scan(inner, (ops.constant(0.0),), (ops.mul(captured, element),), (), N)
        return ops.add(state, sums), ops.max_(sums)

    body = ops.make_function((VECTOR, SCALAR, VECTOR), step)
    return ops.scan(body, (ops.zeros((N,)),), (x,), (x,), N)[0]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Node, ...]:
    nodes = [leaf("x"), leaf("y_1"), ops.zeros((N,))]
    for _ in range(draw(st.integers(1, 10))):
        kind = draw(st.integers(0, 2))
        x, y = draw(st.sampled_from(nodes)), draw(st.sampled_from(nodes))
        if kind == 0:
            nodes.append(draw(st.sampled_from(UNARY))(x))
        elif kind == 1:
            nodes.append(draw(st.sampled_from(BINARY))(x, y))
        else:
            nodes.append(draw(st.sampled_from(VECTOR_TO_VECTOR))(x))
    return tuple(draw(st.lists(st.sampled_from(nodes), min_size=1, max_size=3)))


@given(graphs())
@settings(max_examples=150, deadline=None)
def test_the_text_of_a_graph_reads_back_to_the_identical_nodes(roots: tuple[Node, ...]) -> None:
    verify(roots)
    text = show(roots)
    again = read(text, ops.TABLE)
    assert len(again) == len(roots)
    assert all(a is b for a, b in zip(again, roots, strict=True))
    assert show(again) == text


@given(graphs())
@settings(max_examples=50, deadline=None)
def test_the_interpreter_gives_values_of_the_right_type(roots: tuple[Node, ...]) -> None:
    inputs = {"x": np.array([0.5, -1.5, 2.0]), "y_1": np.array([1.0, 0.0, -3.0])}
    values = evaluate(roots, inputs, DIMS)
    assert [v.shape for v in values] == [(3,)] * len(roots)


def test_every_form_of_attribute_reads_back() -> None:
    roots = (
        *[ops.constant(v, d) for v in (0.0, -0.0, math.nan, math.inf, -math.inf, 1e-320, 3.0) for d in ("f64", "f32")],
        *[ops.constant(v) for v in (True, False, 0, -7, 2**63 - 1, -(2**63), 0.1)],
        leaf("µ.\"\\\t'", Type("i32", (N * N - 2 * D + 3, minimum(N, D), floordiv(N, D + 1)))),
        ops.transpose(leaf("X", MATRIX)),
        ops.sum_(leaf("X", MATRIX), 0),
        ops.grad(ops.sum_(leaf("x")), leaf("x")),
        ops.jvp(leaf("x"), leaf("y"), leaf("y")),
        ops.placeholder("tangent", SCALAR),
        ops.cross_entropy(leaf("X", MATRIX), leaf("l", Type("i64", (N,)))),
        ops.one_hot(leaf("l", Type("i64", (N,))), D),
        ops.solve_triangular(leaf("L", Type("f64", (N, N))), leaf("x"), False, True),
        ops.cholesky(leaf("L", Type("f64", (N, N)))),
        ops.any_(ops.not_(ops.isnan(leaf("x")))),
    )
    assert all(a is b for a, b in zip(read(show(roots), ops.TABLE), roots, strict=True))


def test_the_text_is_what_it_says() -> None:
    body = ops.make_function((SCALAR, SCALAR), lambda s, e: (ops.add(s, e), ops.mul(s, 2)))
    results = ops.scan(body, (ops.constant(0.5),), (leaf("x"),), (), N)
    assert show(results) == (
        "%0 = constant [\"f64\", 0.5, \"\"] : f64\n"
        '%1 = input ["x", "input", f64[n]] : f64[n]\n'
        "%2 = scan %0, %1 [@0, 1, 1, {n}, false] : f64, f64[n]\n"
        "  (f64, f64) {\n"
        "    %0 = arg [0, f64] : f64\n"
        "    %1 = arg [1, f64] : f64\n"
        "    %2 = add %0, %1 : f64\n"
        '    %3 = constant ["f64", 2.0, ""] : f64\n'
        "    %4 = mul %0, %3 : f64\n"
        "    return %2, %4\n"
        "  }\n"
        "%3 = project %2 [0] : f64\n"
        "%4 = project %2 [1] : f64[n]\n"
        "return %3, %4\n"
    )


NOT_GRAPHS = [
    "",
    "%0 = input",
    'input ["x"] : f64',
    '%0 = inputt ["x", "input", f64] : f64\nreturn %0',
    '%0 = input ["x", "input", f64] : f32\nreturn %0',
    '%0 = input ["x", "input", f64 : f64\nreturn %0',
    "return %0",
    "return\nreturn",
    '%0 = input ["x", "input", f64[n +]] : f64\nreturn %0',
    "%0 = exp : f64\nreturn %0",
    "%0 = constant [@0] : f64\n  () {\n  return\nreturn",
    "}\n",
    "  (f64) {\n",
    '%0 = input ["x", "input", f64] : f64 ?\nreturn %0',
]


@pytest.mark.parametrize("text", NOT_GRAPHS)
def test_what_is_no_graph_is_refused(text: str) -> None:
    with pytest.raises(ReadError):
        read(text, ops.TABLE)


# ---- sizes


@st.composite
def sizes(draw: st.DrawFn, depth: int = 3) -> Size:
    if depth == 0 or draw(st.booleans()):
        return as_size(draw(st.sampled_from(["n", "d", "µ", "min", "inf", "f64", "nan", *range(-3, 9)])))
    left, right = draw(sizes(depth=depth - 1)), draw(sizes(depth=depth - 1))
    positive = right if right.constant is None else as_size(abs(right.constant) + 1)
    functions = [minimum(left, right), maximum(left, right), floordiv(left, positive)]
    return draw(st.sampled_from([left + right, left - right, left * right, *functions]))


@given(sizes())
@settings(max_examples=300, deadline=None)
def test_the_text_of_a_size_reads_back(size: Size) -> None:
    assert read_size(show_size(size)) == size


@pytest.mark.parametrize("text", ["", "n +", "(n", "n)", "min(n, d", "n ^ ", "2 n", "n, d", '"n"'])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises((ValueError, IndexError, ReadError)):
        read_size(text)


# ---- the verifier


def tampered(node: Node, **changes: Any) -> Node:
    """A node that `make` would not give."""
    result = object.__new__(Node)
    for name in ("op", "args", "attrs", "types"):
        setattr(result, name, changes.get(name, getattr(node, name)))
    result.kind = result.op.kind
    return result


def made_by_hand(op_name: str, attrs: tuple[Any, ...], args: tuple[Node, ...], types: tuple[Type, ...]) -> Node:
    result = object.__new__(Node)
    result.op, result.args, result.attrs, result.types = ops.TABLE[op_name], args, attrs, types
    result.kind = result.op.kind
    return result


def open_scan(result: Callable[[Node], Node]) -> Node:
    """A scan whose body is not what it should be."""
    good = ops.make_function((SCALAR, SCALAR), lambda s, e: (ops.add(s, e),))
    bad = Function(good.parameters, (ops.add(good.results[0], result(good.results[0])),))
    node = make(ops.TABLE["scan"], (ops.constant(0.0), leaf("x")), (good, 1, 1, N, False))
    return tampered(node, attrs=(bad, 1, 1, N, False))


BROKEN = {
    "a wrong type": lambda: tampered(ops.exp(leaf("x")), types=(MATRIX,)),
    "a missing argument": lambda: tampered(ops.add(leaf("x"), leaf("y")), args=(leaf("x"),)),
    "shapes that differ": lambda: tampered(ops.add(leaf("x"), leaf("y")), args=(leaf("x"), leaf("X", MATRIX))),
    "a twin": lambda: tampered(ops.exp(leaf("x"))),
    "a twin below": lambda: made_by_hand("exp", (), (tampered(leaf("x")),), (VECTOR,)),
    "a parameter outside functions": lambda: ops.exp(ops.arg(0, VECTOR)),
    "an input in a body": lambda: open_scan(lambda s: leaf("s", SCALAR)),
    "a placeholder in a body": lambda: open_scan(lambda s: ops.placeholder("s", SCALAR)),
    "a parameter too many": lambda: open_scan(lambda s: ops.arg(2, SCALAR)),
    "a parameter of another type": lambda: open_scan(lambda s: ops.sum_(ops.arg(1, VECTOR))),
    "several results as one": lambda: made_by_hand("exp", (), loop(leaf("x"))[0].args, (VECTOR,)),
    "axes out of order": lambda: tampered(ops.sum_(leaf("X", MATRIX)), attrs=((1, 0),)),
}


@pytest.mark.parametrize("label", BROKEN)
def test_the_verifier_notices(label: str) -> None:
    root = BROKEN[label]()
    with pytest.raises(VerificationError):
        verify([root])


def test_the_verifier_looks_into_bodies_of_bodies() -> None:
    verify([nested_loop(leaf("x"))])
    outer = nested_loop(leaf("x")).args[0]
    body = functions_of(outer)[0]
    inner = next(node for node in toposort(body.results) if node.kind == "scan")
    good = functions_of(inner)[0]
    inner.attrs = (Function(good.parameters, (ops.add(good.results[0], leaf("free", SCALAR)),) * 2), *inner.attrs[1:])
    try:
        with pytest.raises(VerificationError):
            verify([outer])
    finally:
        inner.attrs = (good, *inner.attrs[1:])


BAD_SCANS = {
    "an open body": lambda: scan_of((SCALAR, SCALAR), lambda s, e: (ops.add(s, leaf("z", SCALAR)),)),
    "a state that changes type": lambda: scan_of((SCALAR, SCALAR), lambda s, e: (ops.cast(s, "f32"),)),
    "too few parameters": lambda: scan_of((SCALAR,), lambda s: (s,)),
    "an element of another type": lambda: scan_of((SCALAR, VECTOR), lambda s, e: (s,)),
    "no result": lambda: scan_of((SCALAR, SCALAR), lambda s, e: ()),
    "a length that differs": lambda: scan_of((SCALAR, SCALAR), lambda s, e: (s,), N + 1),
}


def scan_of(parameters: tuple[Type, ...], step: Callable[..., Any], length: Size = N) -> Any:
    return ops.scan(ops.make_function(parameters, step), (ops.constant(0.0),), (leaf("x"),), (), length)


@pytest.mark.parametrize("label", BAD_SCANS)
def test_scans_that_make_no_sense_are_refused(label: str) -> None:
    with pytest.raises(TypeRuleError):
        BAD_SCANS[label]()


# ---- the interpreter


X = np.array([0.5, -1.5, 2.0])


@pytest.mark.parametrize("reverse", [False, True])
def test_loops_mean_what_python_means(reverse: bool) -> None:
    sums, tops = evaluate(loop(leaf("x"), reverse), {"x": X}, DIMS)
    order = X[::-1] if reverse else X
    expected = np.cumsum(order)[::-1] if reverse else np.cumsum(order)
    np.testing.assert_array_equal(sums, expected)
    np.testing.assert_array_equal(tops, np.full(3, 2.0))


def test_nested_loops_mean_what_python_means() -> None:
    (final,) = evaluate([nested_loop(leaf("x"))], {"x": X}, DIMS)
    np.testing.assert_allclose(final, sum(np.cumsum(X * e) for e in X), rtol=1e-15)


def test_loops_over_nothing_return_their_starts() -> None:
    body = ops.make_function((SCALAR, SCALAR), lambda s, e: (ops.add(s, e), s))
    results = ops.scan(body, (ops.constant(4.0),), (leaf("x"),), (), N)
    final, emitted = evaluate(results, {"x": X[:0]}, {"n": 0})
    assert final == 4.0 and emitted.shape == (0,)


def test_a_scan_with_one_result_is_that_result() -> None:
    body = ops.make_function((SCALAR, SCALAR), lambda s, e: (ops.add(s, e),))
    (total,) = ops.scan(body, (ops.constant(0.0),), (leaf("x"),), (), N)
    assert total.kind == "scan" and total.type == SCALAR
    assert evaluate([total], {"x": X}, DIMS)[0] == 1.0


def test_the_interpreter_holds_inputs_and_operations_to_their_types() -> None:
    for bad in (X.astype("float32"), X[:2], X[:, None]):
        with pytest.raises(InternalError, match="should be"):
            evaluate([ops.exp(leaf("x"))], {"x": bad}, DIMS)
    with pytest.raises(InternalError, match="expanded"):
        evaluate([ops.grad(ops.sum_(leaf("x")), leaf("x"))], {"x": X}, DIMS)


def test_sizes_are_numbers() -> None:
    (value,) = evaluate([ops.size(floordiv(N * N, D))], {}, DIMS)
    assert value == 4 and value.dtype == np.int64


# ---- depth


def test_deep_graphs() -> None:
    node = leaf("x", SCALAR)
    for _ in range(100_000):
        node = ops.add(node, 1)
    verify([node])
    text = show((node,))
    assert read(text, ops.TABLE)[0] is node
    assert evaluate([node], {"x": 0.5}, {})[0] == 100_000.5


def test_deeply_nested_loops() -> None:
    one = as_size(1)
    node_of: Callable[[Node], Node] = lambda s: ops.add(s, 1)  # noqa: E731
    for _ in range(1500):
        body = ops.make_function((SCALAR,), lambda s, inner=node_of: (inner(s),))

        def node_of(s: Node, body: Function = body) -> Node:
            return ops.scan(body, (s,), (), (), one)[0]

    root = node_of(leaf("x", SCALAR))
    verify([root])
    assert read(show((root,)), ops.TABLE)[0] is root
    assert evaluate([root], {"x": 0.5}, {})[0] == 1.5
