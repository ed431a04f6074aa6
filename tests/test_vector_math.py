"""The vector math against mpmath: every stated bound, the edges, and what functions share."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import mpmath as mp
import numpy as np
import pytest

from exprc.scalar import math as functions
from exprc.scalar.accuracy import MAX_ULP
from exprc.scalar.program import INSTRUCTIONS, Builder, evaluate, verify

Array = np.ndarray[Any, Any]
NUMPY = {"f64": np.float64, "f32": np.float32}
DTYPES = ("f64", "f32")
PRECISION = 160
HUGE_PRECISION = 1300  # bits enough to reduce any f64 modulo pi/2, and for 1 - exp(-745)


class Case(NamedTuple):
    """The exact function, intervals on which it is interesting, and points next to which it changes its method."""

    exact: Callable[..., Any]
    ranges: tuple[tuple[float, float], ...]
    breaks: tuple[float, ...] = ()
    precision: int = PRECISION


def sigmoid(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x))


def erfc(x: Any) -> Any:
    return mp.erfc(x) if abs(x) < 40 else mp.mpf(0 if x > 0 else 2)


LOGARITHM = ((0.5, 2.0), (0.9, 1.1), (0.0, 10.0))
EXPONENT = ((-1.0, 1.0), (-20.0, 20.0), (-750.0, 720.0), (-105.0, 90.0))
TURNS = tuple(k * math.pi / 4 for k in (*range(-12, 13), 1e3, 1e5 + 1, 12345678.0))
CASES: dict[str, Case] = {
    "exp": Case(mp.exp, EXPONENT, (709.782712893384, -745.1332191019412, 88.72284, -103.97208, -708.396, -87.33655)),
    "exp2": Case(lambda x: mp.power(2, x), EXPONENT, (1024.0, -1074.0, -1075.0, 128.0, -149.0, -150.0, 0.5)),
    "expm1": Case(mp.expm1, EXPONENT, (709.782712893384, 88.72284, 0.4, -0.29, 37.0, -37.0, -40.0, 17.0, 1e-18)),
    "log": Case(mp.log, LOGARITHM, (1.0, 0.75, 1.5, 2.0**-1022, 2.0**-126)),
    "log2": Case(lambda x: mp.log(x, 2), LOGARITHM, (1.0, 0.75, 1.5, 2.0**-1022, 2.0**-126)),
    "log10": Case(mp.log10, LOGARITHM, (1.0, 0.75, 1.5, 2.0**-1022, 2.0**-126, 1000.0)),
    "log1p": Case(mp.log1p, ((-1.0, 1.0), (-0.3, 0.6), (0.0, 1e6)), (-1.0, -0.25, 0.5, 2.0**53, 1.7e308, 3.4e38)),
    "log1mexp": Case(
        lambda x: mp.log(-mp.expm1(x)), ((-2.0, 0.0), (-50.0, 0.0)), (-0.6875, -0.6931, -745.0, -104.0), HUGE_PRECISION
    ),
    "sigmoid": Case(sigmoid, EXPONENT, (-709.0, -745.2, -87.4, -104.0, 36.8, 16.7)),
    "softplus": Case(lambda x: mp.log1p(mp.exp(x)), EXPONENT, (-0.6931, 0.6931, -37.0, 37.0, -745.2, -104.0)),
    "tanh": Case(mp.tanh, ((-1.0, 1.0), (-10.0, 10.0), (-25.0, 25.0)), (19.06, 18.7, 18.4, 9.01, 8.7)),
    "sinh": Case(mp.sinh, ((-1.0, 1.0), (-720.0, 720.0), (-91.0, 91.0)), (710.4758, 89.41598, 1e-18)),
    "cosh": Case(mp.cosh, ((-1.0, 1.0), (-720.0, 720.0), (-91.0, 91.0)), (710.4758, 89.41598)),
    "sin": Case(mp.sin, ((-1.0, 1.0), (-20.0, 20.0), (-1e6, 1e6)), TURNS, HUGE_PRECISION),
    "cos": Case(mp.cos, ((-1.0, 1.0), (-20.0, 20.0), (-1e6, 1e6)), TURNS, HUGE_PRECISION),
    "tan": Case(mp.tan, ((-1.0, 1.0), (-20.0, 20.0), (-1e6, 1e6)), TURNS, HUGE_PRECISION),
    "asin": Case(lambda x: mp.asin(x) if abs(x) <= 1 else mp.nan, ((-1.0, 1.0), (0.9, 1.0)), (0.5, -0.5, 1.0, -1.0)),
    "acos": Case(lambda x: mp.acos(x) if abs(x) <= 1 else mp.nan, ((-1.0, 1.0), (0.9, 1.0)), (0.5, -0.5, 1.0, -1.0)),
    "atan": Case(mp.atan, ((-1.0, 1.0), (-10.0, 10.0)), (0.5, 2.0, -0.5, -2.0, 1.0)),
    "erf": Case(mp.erf, ((-1.2, 1.2), (-6.0, 6.0)), (1.0, -1.0, 5.92, 6.0, 3.83)),
    "erfc": Case(erfc, ((-3.0, 3.0), (0.0, 28.0), (0.0, 10.5)), (26.543, 27.23, 9.19, 10.05, 28.0)),
    "sqrt": Case(lambda x: mp.sqrt(x) if x >= 0 else mp.nan, ((0.0, 10.0),)),
    "rsqrt": Case(lambda x: 1 / mp.sqrt(x) if x > 0 else mp.nan, ((0.0, 10.0),)),
}
POSITIVE = ("log", "log2", "log10", "rsqrt")


def run(name: str, *arrays: Array) -> Array:
    """A function of the vector math on arrays of one dtype."""
    b = Builder()
    dtype = {"float64": "f64", "float32": "f32"}[str(arrays[0].dtype)]
    result = getattr(functions, name)(b, *[b.input(index, dtype) for index in range(len(arrays))])
    return evaluate(b, [result], dict(enumerate(arrays)))[0]


@cache
def points(name: str, dtype: str) -> Array:
    """About 2000 points: all exponents, the interesting intervals, and the neighbours of the breaks."""
    case = CASES[name]
    draw = np.random.default_rng(len(name))
    least, most = (-1074, 1024) if dtype == "f64" else (-149, 128)
    spread = np.ldexp(draw.uniform(1, 2, 500), draw.integers(least, most, 500)) * draw.choice([-1, 1], 500)
    uniform = [draw.uniform(low, high, 400) for low, high in case.ranges]
    with np.errstate(over="ignore"):
        close = np.array([*case.breaks, *(-x for x in case.breaks)]).astype(NUMPY[dtype])
        values = np.concatenate([spread, *uniform]).astype(NUMPY[dtype])
    beside = [np.nextafter(close, NUMPY[dtype](limit)) for limit in (-np.inf, np.inf)]
    values = np.concatenate([values, close, *beside])
    values = np.abs(values) if name in POSITIVE else values
    if name == "log1mexp":
        values = -np.abs(values)
    if name == "log1p":
        values = values[values > -1]
    return values[np.isfinite(values) & ((values != 0) | (name not in POSITIVE))]


def errors(found: Array, exact: list[Any], scale: list[Any] | None = None) -> Array:
    """The error of each result in units in the last place of the exact value, or of `scale`."""
    dtype = found.dtype.type
    result = []
    for index, (value, wanted) in enumerate(zip(found.tolist(), exact, strict=True)):
        with np.errstate(over="ignore"):
            nearest = dtype(float(wanted))
            size = abs(nearest if scale is None else dtype(float(scale[index])))
        if math.isnan(value) or not np.isfinite(nearest) or not math.isfinite(value):
            same = value == nearest or (math.isnan(value) and np.isnan(nearest))
            result.append(0.0 if same else math.inf)
        else:
            result.append(float(abs(mp.mpf(value) - wanted) / mp.mpf(float(np.spacing(size)))))
    return np.array(result)


def bound(name: str, dtype: str) -> float:
    return MAX_ULP[name][DTYPES.index(dtype)]


def assert_within(name: str, dtype: str, error: Array, *arguments: Array) -> None:
    worst = int(np.argmax(error))
    where = [array[worst] for array in arguments]
    assert error[worst] <= bound(name, dtype), f"{name} {where}: {error[worst]:.3f} ulp"


def test_every_function_has_a_stated_bound() -> None:
    exact = {"absolute", "sign", "relu", "minimum", "maximum", "to_integer", "floor_divide", "modulo", "integer_power"}
    assert set(MAX_ULP) == set(functions.__all__) - exact
    assert set(MAX_ULP) == set(CASES) | {"pow", "atan2", "logaddexp"}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CASES)
def test_error_bound(name: str, dtype: str) -> None:
    values = points(name, dtype)
    with mp.workprec(CASES[name].precision):
        exact = [CASES[name].exact(mp.mpf(float(value))) for value in values]
        error = errors(run(name, values), exact)
    assert_within(name, dtype, error, values)


@pytest.mark.parametrize("name", CASES)
def test_f32_agrees_with_f64(name: str) -> None:
    draw = np.random.default_rng(1)
    values = np.concatenate([draw.uniform(low, high, 4000) for low, high in CASES[name].ranges]).astype(np.float32)
    values = np.concatenate([values, draw.integers(0, 2**32, 8000, dtype=np.uint32).view(np.float32)])
    values = values[np.isfinite(values)]
    found, exact = run(name, values), run(name, values.astype(np.float64))
    with np.errstate(all="ignore"):
        nearest = exact.astype(np.float32)
        error = np.abs(found - exact) / np.spacing(np.abs(nearest))
    error[(found == nearest) | (np.isnan(found) & np.isnan(exact))] = 0
    worst = int(np.nanargmax(error))
    assert error[worst] <= bound(name, "f32") + 1e-3, (values[worst], found[worst], exact[worst])
    np.testing.assert_array_equal(np.isnan(found), np.isnan(exact))


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_angles_next_to_multiples_of_a_quarter_turn(name: str) -> None:
    """Convergents of 2^e / (pi/2): the f64 numbers closest to such multiples, of all exponents."""
    values = [6381956970095103.0 * 2.0**797]
    with mp.workprec(HUGE_PRECISION):
        for exponent in range(0, 970, 23):
            values.extend(m * 2.0**exponent for m in convergent_denominators(mp.mpf(2) ** exponent * 2 / mp.pi))
        array = np.array(values)
        error = errors(run(name, array), [CASES[name].exact(mp.mpf(value)) for value in values])
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
def test_pow(dtype: str) -> None:
    draw = np.random.default_rng(2)
    most = 1020 if dtype == "f64" else 126
    base = np.concatenate(
        [np.ldexp(1.0, 0) * 2.0 ** draw.uniform(-most, most, 500), 1 + 2.0 ** draw.uniform(-20, -1, 500)]
    )
    base = base.astype(NUMPY[dtype])
    exponent = (draw.uniform(-most - 50, most, 1000) / np.log2(base.astype(float))).astype(NUMPY[dtype])
    exponent[::3] = draw.uniform(-4, 4, 334)
    with mp.workprec(PRECISION):
        exact = [mp.power(mp.mpf(float(x)), mp.mpf(float(y))) for x, y in zip(base, exponent, strict=True)]
        assert_within("pow", dtype, errors(run("pow", base, exponent), exact), base, exponent)


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
    with mp.workprec(PRECISION):
        found = np.broadcast_to(evaluate(b, [result], {0: values})[0], values.shape)
        error = errors(found, [mp.power(mp.mpf(float(v)), exponent) for v in values])
    assert error.max() <= 2.0, values[np.argmax(error)]
    found = evaluate(b, [result], {0: corners})[0]
    wanted = run("pow", corners, np.full_like(corners, exponent))
    np.testing.assert_array_equal(np.broadcast_to(found, wanted.shape), wanted)


def test_integer_power_wraps() -> None:
    b = Builder()
    values = np.array([3, -7, 2**40 + 1])
    (found,) = evaluate(b, [functions.integer_power(b, b.input(0, "i64"), 5)], {0: values})
    np.testing.assert_array_equal(found, values**5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_atan2_and_logaddexp(dtype: str) -> None:
    draw = np.random.default_rng(4)
    size = 300 if dtype == "f64" else 37
    y, x = np.concatenate([draw.uniform(-9, 9, (2, 600)), 10.0 ** draw.uniform(-size, size, (2, 200))], axis=1).astype(
        NUMPY[dtype]
    )
    with mp.workprec(PRECISION):
        pairs = [(mp.mpf(float(a)), mp.mpf(float(c))) for a, c in zip(y, x, strict=True)]
        assert_within("atan2", dtype, errors(run("atan2", y, x), [mp.atan2(*pair) for pair in pairs]), y, x)
        y, x = y[:600], x[:600]
        exact = [mp.log(mp.exp(a) + mp.exp(c)) for a, c in pairs[:600]]
        scale = [max(abs(a), abs(c), abs(e)) for (a, c), e in zip(pairs[:600], exact, strict=True)]
        assert_within("logaddexp", dtype, errors(run("logaddexp", y, x), exact, scale), y, x)


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


# What functions cost, so that a change that makes one dearer is noticed.
BUDGET = {
    "exp": (27, 23),
    "expm1": (48, 43),
    "log": (44, 33),
    "log1p": (46, 35),
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
    assert instruction_count("f64", "sin", "cos") <= instruction_count("f64", "sin") + 8
    assert instruction_count("f64", "cos", negated=True) == instruction_count("f64", "cos") + 0


def test_only_the_instruction_set_is_used() -> None:
    b = Builder()
    for dtype in DTYPES:
        x = b.input(dtype, dtype)
        for name in CASES:
            getattr(functions, name)(b, x)
        functions.pow(b, x, b.mul(x, x))
    assert {instruction.op for instruction in b.instructions} <= set(INSTRUCTIONS)
    # Conversions between floats and integers do not vectorise on every machine.
    kinds = [(op, dtype, b.dtype(args[0])) for op, args, dtype, _ in b.instructions if op == "convert"]
    assert {name for _, *pair in kinds for name in pair} <= set(DTYPES)
    verify(b)
