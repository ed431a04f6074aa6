"""The vector math against mpmath: every stated bound, the edges, and what functions share."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mpmath as mp
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))

import exact
from exact import CASES, NUMPY

from exprc.scalar import math as functions
from exprc.scalar.accuracy import MAX_ULP
from exprc.scalar.program import INSTRUCTIONS, Builder, evaluate, verify

Array = np.ndarray[Any, Any]
DTYPES = ("f64", "f32")
OF_ONE = [name for name, case in CASES.items() if case.arguments == 1]


def run(name: str, *arrays: Array) -> Array:
    """A function of the vector math on arrays of one dtype."""
    b = Builder()
    dtype = {"float64": "f64", "float32": "f32"}[str(arrays[0].dtype)]
    result = getattr(functions, name)(b, *[b.input(index, dtype) for index in range(len(arrays))])
    return evaluate(b, [result], dict(enumerate(arrays)))[0]


def bound(name: str, dtype: str) -> float:
    return MAX_ULP[name][DTYPES.index(dtype)]


def assert_within(name: str, dtype: str, error: Array, *arguments: Array) -> None:
    worst = int(np.argmax(error))
    where = [array[worst] for array in arguments]
    assert error[worst] <= bound(name, dtype), f"{name} {where}: {error[worst]:.3f} ulp"


def test_every_function_has_a_stated_bound() -> None:
    plain = {
        "polygamma",
        "absolute",
        "sign",
        "relu",
        "minimum",
        "maximum",
        "to_integer",
        "floor_divide",
        "modulo",
        "integer_power",
    }
    assert set(MAX_ULP) == set(functions.__all__) - plain == set(CASES)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CASES)
def test_error_bound(name: str, dtype: str) -> None:
    arguments = exact.points(name, dtype, 2000)
    assert_within(name, dtype, exact.errors(name, arguments, run(name, *arguments)), *arguments)


@pytest.mark.parametrize("name", OF_ONE)
def test_f32_agrees_with_f64(name: str) -> None:
    draw = np.random.default_rng(1)
    values = np.concatenate([draw.uniform(low, high, 4000) for low, high in CASES[name].ranges]).astype(np.float32)
    values = np.concatenate([values, draw.integers(0, 2**32, 8000, dtype=np.uint32).view(np.float32)])
    values = values[np.isfinite(values)]
    found, wanted = run(name, values), run(name, values.astype(np.float64))
    scale = CASES[name].scale
    scales = np.array([scale(value) if scale else 0.0 for value in values.tolist()])
    error = exact.differences(found, wanted, scales)
    worst = int(np.argmax(error))
    assert error[worst] <= bound(name, "f32") + 1e-3, (values[worst], found[worst], wanted[worst])


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_angles_next_to_multiples_of_a_quarter_turn(name: str) -> None:
    """Convergents of 2^e / (pi/2): the f64 numbers closest to such multiples, of all exponents."""
    values = [6381956970095103.0 * 2.0**797]
    with mp.workprec(exact.MOST_PRECISION):
        for exponent in range(0, 970, 23):
            values.extend(m * 2.0**exponent for m in convergent_denominators(mp.mpf(2) ** exponent * 2 / mp.pi))
    array = np.array(values)
    error = exact.errors(name, (array,), run(name, array))
    assert error.max() <= 12, array[np.argmax(error)]
    assert np.mean(error <= bound(name, "f64")) > 0.9


def convergent_denominators(number: Any) -> list[float]:
    """Denominators of the continued fraction between 2^20 and 2^53."""
    before, last, rest = 0, 1, number - mp.floor(number)
    found = []
    while rest and last < 2**53:
        if last > 2**20:
            found.append(float(last))
        digit = int(mp.floor(1 / rest))
        before, last, rest = last, digit * last + before, 1 / rest - digit
    return found


INF, NAN = math.inf, math.nan
EDGES: dict[str, list[tuple[float, float]]] = {
    "exp": [(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, 0.0), (1e5, INF), (-1e5, 0.0)],
    "exp2": [(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, 0.0), (3.0, 8.0), (-126.0, 2.0**-126), (127.0, 2.0**127)],
    "expm1": [(0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -1.0), (1e5, INF), (-1e5, -1.0)],
    "log": [(0.0, -INF), (-0.0, -INF), (1.0, 0.0), (INF, INF), (-INF, NAN), (-1.0, NAN), (-1e-40, NAN)],
    "log2": [(0.0, -INF), (-0.0, -INF), (1.0, 0.0), (8.0, 3.0), (0.125, -3.0), (INF, INF), (-1.0, NAN)],
    "log10": [(0.0, -INF), (-0.0, -INF), (1.0, 0.0), (1000.0, 3.0), (INF, INF), (-1.0, NAN)],
    "log1p": [(0.0, 0.0), (-0.0, -0.0), (-1.0, -INF), (INF, INF), (-1.5, NAN), (-INF, NAN)],
    "log1mexp": [(0.0, -INF), (-0.0, -INF), (-INF, 0.0), (1.0, NAN), (INF, NAN)],
    "sigmoid": [(0.0, 0.5), (-0.0, 0.5), (INF, 1.0), (-INF, 0.0), (1e5, 1.0), (-1e5, 0.0)],
    "softplus": [(INF, INF), (-INF, 0.0), (1e5, 1e5), (-1e5, 0.0)],
    "tanh": [(0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0), (1e5, 1.0)],
    "sinh": [(0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -INF), (1e5, INF)],
    "cosh": [(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, INF), (-1e5, INF)],
    "sin": [(0.0, 0.0), (-0.0, -0.0), (INF, NAN), (-INF, NAN)],
    "cos": [(0.0, 1.0), (-0.0, 1.0), (INF, NAN), (-INF, NAN)],
    "tan": [(0.0, 0.0), (-0.0, -0.0), (INF, NAN), (-INF, NAN)],
    "asin": [(0.0, 0.0), (-0.0, -0.0), (2.0, NAN), (-INF, NAN)],
    "acos": [(1.0, 0.0), (2.0, NAN), (-INF, NAN)],
    "atan": [(0.0, 0.0), (-0.0, -0.0)],
    "erf": [(0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0), (7.0, 1.0)],
    "erfc": [(0.0, 1.0), (-0.0, 1.0), (INF, 0.0), (-INF, 2.0), (30.0, 0.0), (-30.0, 2.0)],
    "lgamma": [(0.0, INF), (-0.0, INF), (1.0, 0.0), (2.0, 0.0), (INF, INF), (-INF, INF), (-1.0, INF), (-30.0, INF)],
    "digamma": [(0.0, -INF), (-0.0, INF), (INF, INF), (-INF, NAN), (-1.0, NAN), (-30.0, NAN)],
    "trigamma": [(0.0, INF), (-0.0, INF), (INF, 0.0), (-1.0, INF), (-30.0, INF), (-INF, NAN)],
    "sqrt": [(0.0, 0.0), (-0.0, -0.0), (INF, INF), (-1.0, NAN)],
    "rsqrt": [(0.0, INF), (INF, 0.0), (4.0, 0.5), (-1.0, NAN)],
    "sign": [(0.0, 0.0), (-0.0, 0.0), (3.0, 1.0), (-1e-40, -1.0), (INF, 1.0)],
    "relu": [(3.0, 3.0), (-3.0, 0.0), (INF, INF), (-INF, 0.0)],
    "absolute": [(-0.0, 0.0), (-INF, INF), (-2.0, 2.0)],
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", EDGES)
def test_edges(name: str, dtype: str) -> None:
    given, wanted = (np.array(column, NUMPY[dtype]) for column in zip(*[*EDGES[name], (NAN, NAN)], strict=True))
    found = run(name, given)
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(np.signbit(found[:-1]) & ~np.isnan(wanted[:-1]), np.signbit(wanted[:-1]))


CORNERS = [0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 3.0, -3.0, 1e-30, -1e30, 2.0**53, 2.0**24 - 1, INF, -INF, NAN]
OF_TWO: dict[str, Callable[[Array, Array], Array]] = {
    "pow": np.power,
    "atan2": np.arctan2,
    "logaddexp": np.logaddexp,
    "minimum": np.minimum,
    "maximum": np.maximum,
    "floor_divide": np.floor_divide,
    "modulo": np.mod,
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OF_TWO)
def test_corners_of_functions_of_two(name: str, dtype: str) -> None:
    left, right = (
        grid.ravel() for grid in np.meshgrid(np.array(CORNERS, NUMPY[dtype]), np.array(CORNERS, NUMPY[dtype]))
    )
    if name in ("modulo", "floor_divide"):  # known as far as the quotient has a last digit
        with np.errstate(all="ignore"):
            known = ~(np.abs(left / right) > 2.0**23) | ~np.isfinite(left) | (right == 0)
        left, right = left[known], right[known]
    with np.errstate(all="ignore"):
        wanted = OF_TWO[name](left, right)
    found = run(name, left, right)
    np.testing.assert_allclose(found, wanted, rtol=4 * np.finfo(NUMPY[dtype]).eps, atol=0)
    number = ~np.isnan(wanted) & (name not in ("minimum", "maximum"))
    np.testing.assert_array_equal(np.signbit(found[number]), np.signbit(wanted[number]))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 4, 5, 7, 12, 31, -1, -2, -3, 0.5, -0.5, 1.5])
def test_pow_of_a_constant(exponent: float, dtype: str) -> None:
    draw = np.random.default_rng(3)
    values = np.concatenate([2.0 ** draw.uniform(-30, 30, 300), [1e-38, 3e38]]).astype(NUMPY[dtype])
    values = np.concatenate([values, -values[: 300 * (exponent == int(exponent))]])
    corners = np.array([0.0, -0.0, INF, -INF, NAN, 1.0, -1.0], NUMPY[dtype])
    b = Builder()
    x = b.input(0, dtype)
    result = functions.pow(b, x, b.const(dtype, exponent))
    found = np.broadcast_to(evaluate(b, [result], {0: values})[0], values.shape)
    error = exact.errors("pow", (values, np.full_like(values, exponent)), found)
    assert error.max() <= 2.0, values[np.argmax(error)]
    found = evaluate(b, [result], {0: corners})[0]
    wanted = run("pow", corners, np.full_like(corners, exponent))
    np.testing.assert_array_equal(np.broadcast_to(found, wanted.shape), wanted)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", [1, 2, 3, 6, 13, 20])
def test_polygamma(order: int, dtype: str) -> None:
    draw = np.random.default_rng(order)
    values = np.concatenate([draw.uniform(-0.5, 4, 60), draw.uniform(4, 60, 60), 10 ** draw.uniform(-2, 2, 30)])
    values = np.concatenate([values, draw.uniform(-6, -0.5, 60)]).astype(NUMPY[dtype])
    b = Builder()
    (found,) = evaluate(b, [functions.polygamma(b, b.input(0, dtype), order)], {0: values})
    with mp.workprec(300):
        wanted = [float(shifted_polygamma(order, mp.mpf(value))) for value in values.tolist()]
    with np.errstate(over="ignore"):
        error = np.abs(found - wanted) / np.spacing(np.abs(np.array(wanted).astype(NUMPY[dtype])))
    inside = np.isfinite(found)
    right, left = inside & (values > -0.5), inside & (values < -0.5)
    assert error[right].max() <= 2.0, values[right][np.argmax(error[right])]
    # Left of it the terms of even orders have different signs: the error is small against the larger one.
    steep = np.abs(np.array(wanted)) > 2 * math.factorial(order) if order % 2 == 0 else np.full(len(values), True)
    assert np.max(error[left & steep], initial=0.0) <= 4 + 4 * order


def shifted_polygamma(order: int, x: Any) -> Any:
    """By its recurrence from the right of zero."""
    steps = max(0, int(mp.ceil(-x)) + 1)
    ahead = mp.psi(order, x + steps)
    return ahead - sum((-1) ** order * mp.factorial(order) / (x + step) ** (order + 1) for step in range(steps))


def test_integer_power_wraps() -> None:
    b = Builder()
    values = np.array([3, -7, 2**40 + 1])
    (found,) = evaluate(b, [functions.integer_power(b, b.input(0, "i64"), 5)], {0: values})
    np.testing.assert_array_equal(found, values**5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_floor_division_of_floats(dtype: str) -> None:
    draw = np.random.default_rng(5)
    x, y = (draw.integers(-4000, 4000, (2, 3000)) / 16).astype(NUMPY[dtype])
    x[:1000], y[:1000] = draw.uniform(-100, 100, 1000), draw.uniform(-3, 3, 1000)
    x, y = x[y != 0], y[y != 0]
    np.testing.assert_array_equal(run("floor_divide", x, y), np.floor_divide(x, y))
    np.testing.assert_array_equal(run("modulo", x, y), np.mod(x, y))


@pytest.mark.parametrize(("source", "target"), [(a, c) for a in DTYPES for c in ("i64", "i32")])
def test_to_integer(source: str, target: str) -> None:
    b = Builder()
    values = np.array(
        [1.9, -1.9, 2.0**31 - 128, -(2.0**31), 2.0**31, 2.0**63, -(2.0**63), INF, -INF, NAN], NUMPY[source]
    )
    (found,) = evaluate(b, [functions.to_integer(b, b.input(0, source), target)], {0: values})
    least = -(2 ** (63 if target == "i64" else 31))
    wanted = [least if not least <= v < -least else int(v) for v in values.tolist()]
    assert found.tolist() == wanted


def instruction_count(dtype: str, *names: str, negated: bool = False) -> int:
    """The instructions for functions of one x, and of -x if negated, together, moves of bits and constants aside."""
    b = Builder()
    x = b.input("x", dtype)
    arguments = [x, b.neg(x)] if negated else [x]
    outputs = [getattr(functions, name)(b, argument) for name in names for argument in arguments]
    program = b.program(outputs)
    verify(program)
    return sum(instruction.op not in ("input", "const", "bitcast") for instruction in program.instructions)


# What functions cost, what is rare included, so that a change that makes one dearer is noticed.
BUDGET = {
    "exp": (27, 23),
    "expm1": (48, 43),
    "log": (44, 33),
    "log1p": (47, 36),
    "sigmoid": (53, 49),
    "softplus": (80, 65),
    "tanh": (58, 54),
    "erf": (62, 44),
}


@pytest.mark.parametrize("name", BUDGET)
def test_cost(name: str) -> None:
    assert tuple(instruction_count(dtype, name) for dtype in DTYPES) <= BUDGET[name]


def test_relatives_share_their_parts() -> None:
    alone = instruction_count("f64", "softplus")
    both = instruction_count("f64", "softplus", "sigmoid", negated=True)
    assert both <= alone + 60  # one exponential; each sigmoid one division
    assert instruction_count("f64", "sin", "cos") <= instruction_count("f64", "sin") + 24
    assert instruction_count("f64", "cos", negated=True) == instruction_count("f64", "cos") + 0


def test_only_the_instruction_set_is_used() -> None:
    b = Builder()
    for dtype in DTYPES:
        x = b.input(dtype, dtype)
        for name, case in CASES.items():
            getattr(functions, name)(b, x, *[b.mul(x, x)] * (case.arguments - 1))
    assert {instruction.op for instruction in b.instructions} <= set(INSTRUCTIONS)
    # Conversions between floats and integers do not vectorise on every machine.
    kinds = [(op, dtype, b.dtype(args[0])) for op, args, dtype, _ in b.instructions if op == "convert"]
    assert {name for _, *pair in kinds for name in pair} <= set(DTYPES)
    verify(b)
