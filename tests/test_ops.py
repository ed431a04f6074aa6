"""The table of operations held against itself and against NumPy: what every entry says is drawn from the table.

Scalar programs against NumPy meanings, type rules, derivatives against differences, laws; what an entry needs beside
is in the tables of this file.  Composites, views, reductions, products and routines are in `test_ops_arrays.py`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from exprc import ops
from exprc.driver.options import Options
from exprc.driver.pipeline import run_stages
from exprc.ir.evaluate import NUMPY_NAMES, evaluate
from exprc.ir.node import Node, make, toposort
from exprc.ir.op import ELEMENTWISE, KINDS, Op, TypeRuleError
from exprc.ir.sizes import dim
from exprc.ir.types import DTYPES, Type
from exprc.ir.verify import verify
from exprc.ops.table import elementwise
from exprc.scalar import program as scalar
from exprc.source import Source

TABLE = ops.TABLE
ALL = sorted(TABLE.values(), key=lambda op: op.name)
PLAIN = [op for op in ALL if op.kind == ELEMENTWISE and op.name not in ("cast", "named", "polygamma") and not op.fault]
N = dim("n")
COUNT = 400
EDGES = [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, -3.0, math.inf, -math.inf, math.nan, 1e-300, -1e-300, 5e-324, 1e300, -1e300,
         1000.0, -1000.0, 1e-10]  # fmt: skip
EDGES_F32 = [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, -3.0, math.inf, -math.inf, math.nan, 1e-38, -1e-38, 1e-45, 1e38, -1e38,
             1000.0, -1000.0, 1e-5]  # fmt: skip
# How far a program may be from NumPy, in units in the last place; the scalar math states its own, sharper bounds.
ULPS = {"power": 4, "sinh": 6, "cosh": 6, "tan": 4, "log1mexp": 6, "logaddexp": 6, "softplus": 4, "sigmoid": 4}
ULPS_BY_DEFAULT = 3


def names(op: Op) -> str:
    return op.name


def dtypes_of(op: Op) -> tuple[str, ...]:
    """The dtypes that an elementwise operation takes, of its last argument."""
    return {
        "number": ("f64", "f32", "i64", "i32"),
        "order": ("f64", "f32", "i64", "i32"),
        "float": ("f64", "f32"),
        "test": ("f64", "f32"),
        "logical": ("bool",),
    }.get(op.dtype_rule, DTYPES)


CASES = [pytest.param(op, dtype, id=f"{op.name}-{dtype}") for op in PLAIN for dtype in dtypes_of(op)]


def samples(op: Op, dtype: str, count: int = COUNT, seed: int = 1) -> list[np.ndarray]:
    """Arguments in the operation's domain."""
    rng = np.random.default_rng(seed)
    columns = [rng.uniform(low, high, count) for low, high in op.domain]
    if dtype in ("i64", "i32"):
        columns = [np.trunc(column * 3) for column in columns]
        columns = [np.where(column == 0, 1, column) for column in columns]
    if dtype == "bool":
        columns = [column > 0 for column in columns]
    arrays = [column.astype(NUMPY_NAMES[dtype]) for column in columns]
    return [arrays[0] > 0, *arrays[1:]] if op.dtype_rule == "select" else arrays


def inputs_like(arrays: list[np.ndarray], dtype: str, select: bool) -> list[Node]:
    given = ["bool" if select and i == 0 else dtype for i in range(len(arrays))]
    return [ops.input_(f"x{i}", Type(d, (N,))) for i, d in enumerate(given)]


def run(roots: list[Node], arrays: list[np.ndarray]) -> list[np.ndarray]:
    return evaluate(roots, {f"x{i}": a for i, a in enumerate(arrays)}, {"n": len(arrays[0])})


def run_program(op: Op, arrays: list[np.ndarray], attrs: tuple[Any, ...] = ()) -> np.ndarray:
    builder = scalar.Builder()
    of_numpy = {name: dtype for dtype, name in NUMPY_NAMES.items()}
    values = [builder.input(i, of_numpy[str(a.dtype)]) for i, a in enumerate(arrays)]
    assert op.program is not None
    (result,) = scalar.evaluate(builder, [op.program(builder, *values, *attrs)], dict(enumerate(arrays)))
    return np.broadcast_to(result, arrays[0].shape)


def meaning(op: Op, *arrays: np.ndarray, attrs: tuple[Any, ...] = ()) -> np.ndarray:
    assert op.numpy is not None
    with np.errstate(all="ignore"):
        return np.asarray(op.numpy(attrs, *arrays))


def assert_close(actual: np.ndarray, expected: np.ndarray, ulps: float) -> None:
    """Equal within units in the last place of the actual dtype; NaN, infinities and the sign of zero as expected."""
    assert actual.shape == expected.shape
    if actual.dtype.kind != "f":
        assert actual.dtype == expected.dtype
        np.testing.assert_array_equal(actual, expected)
        return
    with np.errstate(all="ignore"):
        rounded = expected.astype(actual.dtype)
        special = ~np.isfinite(rounded) | (rounded == 0)
        tiny = np.finfo(actual.dtype).smallest_subnormal
        error = np.abs(actual.astype(float) - expected.astype(float)) / np.maximum(np.spacing(np.abs(rounded)), tiny)
    np.testing.assert_array_equal(actual[special], rounded[special])
    np.testing.assert_array_equal(np.signbit(actual[rounded == 0]), np.signbit(rounded[rounded == 0]))
    assert np.all(error[~special] <= ulps), np.nanmax(error[~special])


# ---- every entry


@pytest.mark.parametrize("op", ALL, ids=names)
def test_an_entry_is_complete(op: Op) -> None:
    assert TABLE[op.name] is op
    assert op.doc and not op.doc.endswith(".") and "\n" not in op.doc
    assert op.example and "\n" not in op.example
    if op.build is not None and op.kind != "leaf":
        assert op.signature
    if op.infix:
        assert op.precedence
    if op.kind == ELEMENTWISE:
        assert op.domain or op.fault
    if op.kind not in ("leaf", "project", "scan", "derivative") and "spelling" not in op.laws:
        assert op.latex


INTERNAL = {"arg", "beside", "collect", "pad", "placeholder"}  # arise in bodies, by rewriting, in derivatives only


@pytest.mark.parametrize("op", ALL, ids=names)
def test_an_example_uses_its_operation_and_compiles(op: Op) -> None:
    state = run_stages(Source(f"{op.name}.expr", op.example + "\n"), Options(name="example"), "lower")
    assert state.model is not None and state.llvm
    roots = [definition.node for definition in state.model.definitions]
    verify(roots)
    if op.name not in INTERNAL and "spelling" not in op.laws:
        assert op in {node.op for node in toposort(roots)}


def test_an_incomplete_entry_is_refused() -> None:
    for kind in KINDS:
        with pytest.raises(TypeError, match="lacks"):
            Op("incomplete", kind, "", lambda types, attrs: types[0])
    with pytest.raises(TypeError, match="two operations"):
        elementwise(
            "add", "again", (), "number", numpy=abs, program=abs, no_gradient="none", domain=(), example="x"
        )
    with pytest.raises(TypeError, match="partials"):
        Op("half", ELEMENTWISE, "doc", lambda types, attrs: types[0], program=abs, numpy=abs)


# ---- elementwise: values


@pytest.mark.parametrize(("op", "dtype"), CASES)
def test_a_program_means_what_numpy_means(op: Op, dtype: str) -> None:
    arrays = samples(op, dtype)
    wide = [a.astype("float64") if a.dtype == np.float32 else a for a in arrays]
    actual, expected = run_program(op, arrays), meaning(op, *wide)
    if dtype != "f32":
        assert actual.dtype == expected.dtype
    assert_close(actual, expected if actual.dtype.kind == "f" else expected.astype(actual.dtype), ulps_of(op))


def ulps_of(op: Op) -> float:
    return ULPS.get(op.name, ULPS_BY_DEFAULT)


@pytest.mark.parametrize(("op", "dtype"), [case for case in CASES if case.values[1] in ("f64", "f32")])
def test_a_program_means_what_numpy_means_at_the_edges(op: Op, dtype: str) -> None:
    values = np.array(EDGES if dtype == "f64" else EDGES_F32, NUMPY_NAMES[dtype])
    grid = [np.array(column) for column in zip(*itertools.product(values, repeat=len(op.domain)), strict=True)]
    arrays = [grid[0] > 0, *grid[1:]] if op.dtype_rule == "select" else grid
    keep = np.ones(len(grid[0]), bool)
    if op.name in ("floor_divide", "remainder"):  # stated for quotients below 2^53
        with np.errstate(all="ignore"):
            keep = ~(np.abs(grid[0] / grid[1]) > 2.0**20) | np.isinf(grid[0])
    if op.name in ("sin", "cos", "tan"):  # stated for arguments that the reduction reaches
        keep = (np.abs(grid[0]) < 1e5) | ~np.isfinite(grid[0])
    actual, expected = run_program(op, arrays), meaning(op, *arrays)
    assert_close(actual[keep], expected[keep], 8)


def test_casts_mean_what_numpy_means() -> None:
    values = np.array([0.0, -0.0, 1.5, -1.5, 3.0, -7.9, 100.25])
    for source, target in itertools.product(DTYPES, DTYPES):
        x = values.astype(NUMPY_NAMES[source])
        node = make(TABLE["cast"], (ops.input_("x0", Type(source, (N,))),), (target,))
        (expected,) = run([node], [x])
        assert expected.dtype == NUMPY_NAMES[target] == str(x.astype(NUMPY_NAMES[target]).dtype)
        np.testing.assert_array_equal(run_program(TABLE["cast"], [x], (target,)), x.astype(NUMPY_NAMES[target]))


# ---- elementwise: types


@pytest.mark.parametrize(("op", "dtype"), CASES)
def test_the_type_rule_agrees_with_values(op: Op, dtype: str) -> None:
    arrays = samples(op, dtype, 3)
    (result,) = run([make(op, tuple(inputs_like(arrays, dtype, op.dtype_rule == "select")))], arrays)
    assert result.shape == (3,)  # the interpreter holds dtype and shape against the rule


@pytest.mark.parametrize("op", PLAIN, ids=names)
def test_the_type_rule_refuses(op: Op) -> None:
    good = [Type(dtypes_of(op)[0], (N,))] * len(op.domain)
    if op.dtype_rule == "select":
        good[0] = Type("bool", (N,))
    op.infer(tuple(good), ())
    with pytest.raises(TypeRuleError):
        op.infer((*good, good[0]), ())
    for dtype in set(DTYPES) - set(dtypes_of(op)):
        with pytest.raises(TypeRuleError):
            op.infer((Type(dtype, (N,)),) * len(good), ())
    if len(good) > 1:
        with pytest.raises(TypeRuleError, match="shape"):
            op.infer((*good[:-1], good[-1].with_shape((N + 1,))), ())
    if len(good) > 1 and op.dtype_rule not in ("logical",):
        with pytest.raises(TypeRuleError, match="dtype"):
            op.infer((*good[:-1], good[-1].with_dtype("f32")), ())
    with pytest.raises(TypeRuleError):
        op.infer(tuple(good), ("attribute",)) if op.name != "stop_gradient" else op.infer((), ())


PROMOTIONS = [
    (ops.add, ("f64", "i64"), "f64"),
    (ops.add, ("f32", "i64"), "f32"),
    (ops.add, ("f32", "f64"), "f64"),
    (ops.add, ("i32", "i64"), "i64"),
    (ops.add, ("bool", "bool"), "i64"),
    (ops.add, ("f32", 2.5), "f32"),
    (ops.add, ("i64", 2.5), "f64"),
    (ops.add, ("i32", 2), "i32"),
    (ops.add, ("bool", 2), "i64"),
    (ops.div, ("i64", "i64"), "f64"),
    (ops.div, ("f32", "i32"), "f32"),
    (ops.exp, ("i64",), "f64"),
    (ops.exp, ("f32",), "f32"),
    (ops.lt, ("i64", "f32"), "bool"),
    (ops.eq, ("bool", "i64"), "bool"),
    (ops.and_, ("i64", "f64"), "bool"),
    (ops.where, ("bool", "f32", 0), "f32"),
    (ops.where, ("f64", "i32", "f32"), "f32"),
    (ops.where, ("bool", 1, 0), "i64"),
]


@pytest.mark.parametrize(("function", "given", "expected"), PROMOTIONS)
def test_builders_promote(function: Callable[..., Node], given: tuple[Any, ...], expected: str) -> None:
    values = [ops.input_(f"x{i}", Type(d)) if isinstance(d, str) else d for i, d in enumerate(given)]
    assert function(*values).dtype == expected


def test_builders_broadcast_where_the_normal_form_is_one_and_nowhere_else() -> None:
    n, one = N, ops.size(1).attrs[0]
    x, row, scalar_ = (ops.input_(f"x{i}", Type("f64", s)) for i, s in enumerate([(n, dim("d")), (one, dim("d")), ()]))
    assert ops.add(x, row).shape == ops.add(scalar_, x).shape == (n, dim("d"))
    assert ops.add(row, ops.input_("c", Type("f64", (n, one)))).shape == (n, dim("d"))
    with pytest.raises(TypeRuleError, match="n meets d"):
        ops.add(ops.input_("u", Type("f64", (n,))), ops.input_("v", Type("f64", (dim("d"),))))


def test_equal_constants_are_one_node_and_different_ones_are_not() -> None:
    assert ops.constant(math.nan) is ops.constant(-float("nan"))
    assert ops.constant(0.1, "f32") is ops.constant(float(np.float32(0.1)), "f32")
    assert len({ops.constant(v, d) for v in (0.0, -0.0, 1.0) for d in DTYPES}) == 3 + 3 + 2 + 2 + 2
    assert ops.constant(2**63, "i64") is ops.constant(-(2**63), "i64")
    assert ops.constant(1e40, "f32").attrs[1] == math.inf
    for value in (2.5, -0.0, math.inf, 3, True):
        spread = ops.broadcast_to(ops.constant(value), (N,))
        found = ops.constant_value(spread)
        assert found == value and math.copysign(1, found) == math.copysign(1, value)
        assert ops.constant_value(ops.named(spread, "c")) is None  # something is differentiated by it
    assert ops.constant_value(ops.input_("x", Type("f64"))) is None


# ---- elementwise: derivatives

STENCIL = [(1, 4 / 5), (2, -1 / 5), (3, 4 / 105), (4, -1 / 280)]  # central differences of order 8


def difference(function: Callable[[np.ndarray], np.ndarray], x: np.ndarray, step: float) -> np.ndarray:
    return sum(weight * (function(x + k * step) - function(x - k * step)) for k, weight in STENCIL) / step


DIFFERENTIABLE = [op for op in PLAIN if op.partials is not None and op.name != "stop_gradient"]


@pytest.mark.parametrize("op", DIFFERENTIABLE, ids=names)
def test_partials_are_the_limits_of_differences(op: Op) -> None:
    arrays = samples(op, "f64", 120, seed=2)
    nodes = inputs_like(arrays, "f64", op.dtype_rule == "select")
    out = make(op, tuple(nodes))
    assert op.partials is not None
    for position, partial in enumerate(op.partials(out, *nodes)):
        if arrays[position].dtype == bool:
            assert partial is None
            continue

        def vary(x: np.ndarray, position: int = position) -> np.ndarray:
            return meaning(op, *arrays[:position], x, *arrays[position + 1 :])

        coarse, fine = difference(vary, arrays[position], 4e-3), difference(vary, arrays[position], 3e-3)
        scale = 1 + np.abs(fine)
        smooth = np.abs(coarse - fine) <= 1e-9 * scale  # the others have a kink within reach
        assert smooth.mean() > 0.85
        actual = run([partial], arrays)[0] if partial is not None else np.zeros(len(fine))
        np.testing.assert_allclose(actual[smooth], fine[smooth], rtol=2e-9, atol=2e-9)
        if partial is not None:
            assert partial.type == out.type


@pytest.mark.parametrize("op", DIFFERENTIABLE, ids=names)
def test_partials_keep_f32(op: Op) -> None:
    nodes = inputs_like(samples(op, "f32", 3), "f32", op.dtype_rule == "select")
    out = make(op, tuple(nodes))
    assert op.partials is not None
    for partial in op.partials(out, *nodes):
        assert partial is None or partial.type == out.type


KINKS = [
    (ops.abs_, (0.0,), (0.0,)),
    (ops.abs_, (-0.0,), (0.0,)),
    (ops.relu, (0.0,), (0.0,)),
    (ops.sign, (0.0,), (0.0,)),
    (ops.maximum, (2.0, 2.0), (0.5, 0.5)),
    (ops.minimum, (2.0, 2.0), (0.5, 0.5)),
    (ops.maximum, (0.0, -0.0), (0.5, 0.5)),
    (ops.power, (0.0, 2.0), (0.0, 0.0)),
    (ops.power, (0.0, 1.0), (1.0, 0.0)),
    (ops.power, (0.0, 0.0), (0.0, 0.0)),
    (ops.power, (3.0, 0.0), (0.0, math.log(3.0))),
    (ops.clip, (0.0, 0.0, 1.0), (1.0, 0.0, 0.0)),
    (ops.clip, (1.0, 0.0, 1.0), (1.0, 0.0, 0.0)),
    (ops.clip, (1.5, 0.0, 1.0), (0.0, 0.0, 1.0)),
    (ops.clip, (-1.0, 0.0, 1.0), (0.0, 1.0, 0.0)),
    (ops.clip, (0.5, 2.0, 1.0), (0.0, 0.0, 1.0)),
    (ops.xlogy, (0.0, 0.0), (-math.inf, math.nan)),
    (ops.xlogy, (0.0, 2.0), (math.log(2.0), 0.0)),
    (ops.sqrt, (0.0,), (math.inf,)),
    (ops.softplus, (-1000.0,), (0.0,)),
    (ops.softplus, (1000.0,), (1.0,)),
    (ops.log1mexp, (-1000.0,), (-0.0,)),
    (ops.where, (True, 1.0, 2.0), (None, 1.0, 0.0)),
]


@pytest.mark.parametrize(("function", "point", "expected"), KINKS)
def test_conventions_at_kinks(function: Callable[..., Node], point: tuple[Any, ...], expected: tuple[Any, ...]) -> None:
    arrays = [np.array([value]) for value in point]
    nodes = [ops.input_(f"x{i}", Type("bool" if a.dtype == bool else "f64", (N,))) for i, a in enumerate(arrays)]
    out = function(*nodes)
    assert out.op.partials is not None
    for partial, value in zip(out.op.partials(out, *nodes), expected, strict=True):
        actual = 0.0 if partial is None and value is not None else partial and run([partial], arrays)[0][0]
        assert actual == value or (actual != actual and value != value), (partial, actual, value)


@pytest.mark.parametrize("exponent", [-3, -2, -1, -0.5, 0, 0.5, 1, 2, 3, 8, 2.5])
def test_powers_with_constant_exponents_have_simple_partials(exponent: float) -> None:
    x = np.array([0.5, 1.0, 3.0])
    node = ops.power(ops.input_("x0", Type("f64", (N,))), exponent)
    partial = node.op.partials(node, *node.args)[0]
    value = run([partial], [x])[0] if partial is not None else np.zeros(3)
    np.testing.assert_allclose(value, exponent * x ** (exponent - 1.0), rtol=1e-15)
    assert partial is None or "where" not in {n.op.name for n in toposort([partial])}


# ---- laws


def law_commutative(op: Op, f: Callable[..., np.ndarray], x: np.ndarray, y: np.ndarray) -> None:
    np.testing.assert_array_equal(f(x, y), f(y, x))


def law_anticommutative(op: Op, f: Callable[..., np.ndarray], x: np.ndarray, y: np.ndarray) -> None:
    np.testing.assert_array_equal(f(x, y), -f(y, x))


def law_signed(op: Op, f: Callable[..., np.ndarray], x: np.ndarray, y: np.ndarray) -> None:
    """Negating one argument negates the result."""
    for first, second in ((-x, y), (x, -y)):
        np.testing.assert_array_equal(f(first, second), -f(x, y))


def law_additive(op: Op, f: Callable[..., np.ndarray], x: np.ndarray, y: np.ndarray) -> None:
    """Negating both arguments negates the result."""
    np.testing.assert_array_equal(f(-x, -y), -f(x, y))


def law_associative(op: Op, f: Callable[..., np.ndarray], x: np.ndarray, y: np.ndarray) -> None:
    z = np.roll(y, 1)
    left, right = f(f(x, y), z), f(x, f(y, z))
    np.testing.assert_allclose(left, right, rtol=1e-12, atol=1e-14) if left.dtype.kind == "f" else None
    assert left.dtype.kind == "f" or np.array_equal(left, right)


def law_zero(op: Op, f: Callable[..., np.ndarray], x: np.ndarray, y: np.ndarray) -> None:
    np.testing.assert_array_equal(f(x, np.zeros_like(x)), x)


def law_one(op: Op, f: Callable[..., np.ndarray], x: np.ndarray, y: np.ndarray) -> None:
    np.testing.assert_array_equal(f(x, np.ones_like(x)), x)


def law_idempotent(op: Op, f: Callable[..., np.ndarray], x: np.ndarray, *y: np.ndarray) -> None:
    if y:
        np.testing.assert_array_equal(f(x, x), x)
    else:
        np.testing.assert_array_equal(f(f(x)), f(x))


def law_involution(op: Op, f: Callable[..., np.ndarray], x: np.ndarray) -> None:
    np.testing.assert_array_equal(f(f(x)), x)


def law_odd(op: Op, f: Callable[..., np.ndarray], x: np.ndarray) -> None:
    np.testing.assert_array_equal(f(-x), -f(x))


def law_even(op: Op, f: Callable[..., np.ndarray], x: np.ndarray) -> None:
    np.testing.assert_array_equal(f(-x), f(x))


def law_increasing(op: Op, f: Callable[..., np.ndarray], x: np.ndarray) -> None:
    values = f(np.sort(x))
    assert np.all(np.diff(values) >= -4 * np.spacing(np.abs(values[1:])))


def law_decreasing(op: Op, f: Callable[..., np.ndarray], x: np.ndarray) -> None:
    law_increasing(op, lambda x: -f(x), x)


def law_nonnegative(op: Op, f: Callable[..., np.ndarray], x: np.ndarray) -> None:
    assert np.all(f(x) >= 0)


LAWS = {name.removeprefix("law_"): law for name, law in list(globals().items()) if name.startswith("law_")}
OTHER_LAWS = {
    "free": "leaf", "bound": "leaf", "spelling": "composite", "nonempty": "reduce", "unwritten": "composite"
}  # with their kinds  # fmt: skip


@pytest.mark.parametrize(("op", "law"), [(op, law) for op in ALL for law in sorted(op.laws)])
def test_laws_hold(op: Op, law: str) -> None:
    if law in OTHER_LAWS:
        assert op.kind == OTHER_LAWS[law]
        return
    LAWS[law](op, lambda *arrays: run_program(op, list(arrays)), *samples(op, dtypes_of(op)[0]))
