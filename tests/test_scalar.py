"""Scalar programs: value numbering, simplification, the meaning of instructions, the exact fused multiply-add."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from exprc.diagnostics import InternalError
from exprc.scalar.fused import fused_multiply_add
from exprc.scalar.program import (
    CONVERSIONS,
    INSTRUCTIONS,
    Builder,
    Instruction,
    Program,
    evaluate,
    reachable,
    show,
    verify,
)

DTYPES = ("f64", "f32", "i64", "i32", "bool")
NUMPY = {"f64": np.float64, "f32": np.float32, "i64": np.int64, "i32": np.int32, "bool": np.bool_}
INTEGERS = [0, 1, -1, 2, -3, 7, 40, -41, 2**31 - 1, -(2**31)]


def builder_with(dtype: str, *names: str) -> tuple[Builder, list[int]]:
    b = Builder()
    return b, [b.input(name, dtype) for name in names]


def test_the_same_instruction_is_the_same_value() -> None:
    b, (x, y) = builder_with("f64", "x", "y")
    assert b.add(x, y) == b.add(y, x)
    assert b.sub(x, y) != b.sub(y, x)
    assert b.fma(x, y, x) == b.fma(y, x, x) != b.fma(x, x, y)
    assert b.gt(x, y) == b.lt(y, x)
    assert b.input("x", "f64") == x
    assert b.const("f64", 1) == b.const("f64", "0x1p0") != b.const("f32", 1)
    assert b.const("f64", 0.0) != b.const("f64", -0.0)
    assert b.const("f64", math.nan) == b.const("f64", math.nan)
    assert b.const("bool", True) != b.const("i64", 1)


def test_constants_are_what_their_dtype_holds() -> None:
    b = Builder()
    value = {
        key: b.instructions[b.const(*key)].immediate for key in [("f32", 0.1), ("i32", 2**31), ("i64", -(2**63) - 1)]
    }
    assert value["f32", 0.1] == float(np.float32(0.1))
    assert value["i32", 2**31] == -(2**31)
    assert value["i64", -(2**63) - 1] == 2**63 - 1
    assert b.instructions[b.const("f32", 1e39)].immediate == math.inf


def test_structure_is_simplified() -> None:
    b, (x, y) = builder_with("f64", "x", "y")
    condition, other = b.lt(x, y), b.const("bool", True)
    assert b.abs(b.neg(x)) == b.abs(x) == b.abs(b.abs(x)) == b.abs(b.copysign(x, y))
    assert b.neg(b.neg(x)) == x
    assert b.copysign(b.neg(x), y) == b.copysign(x, y)
    assert b.add(x, b.neg(y)) == b.sub(x, y)
    assert b.sub(x, b.neg(y)) == b.add(x, y)
    assert b.mul(b.neg(x), b.neg(y)) == b.mul(x, y)
    assert b.mul(x, b.const("f64", 1)) == x
    assert b.select(condition, x, x) == x
    assert b.select(other, x, y) == x
    assert b.select(b.not_(condition), x, y) == b.select(condition, y, x)
    assert b.bitcast(b.bitcast(x)) == x


def test_what_changes_bits_is_not_simplified() -> None:
    b, (x, y) = builder_with("f64", "x", "y")
    zero = b.const("f64", 0.0)
    assert b.add(x, zero) != x  # of -0
    assert b.add(x, b.const("f64", -0.0)) == x
    assert b.sub(x, zero) == x
    assert b.mul(x, zero) != zero
    assert b.neg(b.sub(x, y)) != b.sub(y, x)
    assert b.instructions[b.sub(x, x)].op == "sub"
    assert b.instructions[b.div(zero, zero)].op == "div"  # the NaN is the machine's


@pytest.mark.parametrize("dtype", DTYPES)
def test_folded_constants_equal_computed_values(dtype: str) -> None:
    samples = [0.0, -0.0, 1.0, -2.5, 3.0, 1e30, 0.1, math.inf, 5e-324] if dtype[0] == "f" else INTEGERS
    samples = [False, True] if dtype == "bool" else samples
    for op, rule in INSTRUCTIONS.items():
        if dtype not in rule.accepts or rule.arity not in (1, 2) or rule.result == "convert":
            continue
        for a in samples:
            for c in samples if rule.arity == 2 else [0]:
                if (op == "quotient" and c in (0, -1)) or (op in ("shl", "lshr", "ashr") and not 0 <= c < 32):
                    continue
                folded, computed = both_ways(op, dtype, (a, c)[: rule.arity])
                np.testing.assert_array_equal(bits(folded), bits(computed), err_msg=f"{op} {a} {c}")


def both_ways(op: str, dtype: str, values: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    b = Builder()
    folded = b.emit(op, *[b.const(dtype, value) for value in values])
    computed = b.emit(op, *[b.input(index, dtype) for index in range(len(values))])
    with np.errstate(all="ignore"):
        arrays = {index: np.array(value).astype(NUMPY[dtype]) for index, value in enumerate(values)}
    return tuple(evaluate(b, [folded, computed], arrays))  # type: ignore[return-value]


def bits(value: np.ndarray) -> np.ndarray:
    if np.isnan(value):
        return np.array("nan")
    return np.array([value]).view(f"uint{8 * value.dtype.itemsize}")


@pytest.mark.parametrize(("source", "target"), sorted(CONVERSIONS))
def test_conversions(source: str, target: str) -> None:
    values = [False, True] if source == "bool" else [0, 1, -3, 2**24 + 1, -(2**30) - 1]
    values = [*values, 2.75, -2.75] if source[0] == "f" else values
    b, (x,) = builder_with(source, "x")
    array = np.array(values).astype(NUMPY[source])
    (result,) = evaluate(b, [b.convert(target, x)], {"x": array})
    np.testing.assert_array_equal(result, array.astype(NUMPY[target]), strict=True)


@pytest.mark.parametrize("dtype", ["i64", "i32"])
def test_integer_division_is_pythons(dtype: str) -> None:
    b, (x, y) = builder_with(dtype, "x", "y")
    least = -(2 ** (63 if dtype == "i64" else 31))
    numbers = [*INTEGERS, least, least + 1, -least - 1]
    left, right = (grid.ravel().astype(NUMPY[dtype]) for grid in np.meshgrid(numbers, numbers))
    quotient, remainder = evaluate(b, [b.idiv(x, y), b.imod(x, y)], {"x": left, "y": right})
    for a, c, q, r in zip(left.tolist(), right.tolist(), quotient.tolist(), remainder.tolist(), strict=True):
        expected = (0, 0) if c == 0 else (a // c, a % c)
        wrapped = (expected[0] - least) % (-2 * least) + least
        assert (q, r) == (wrapped, expected[1]), (a, c)


@pytest.mark.parametrize("dtype", ["f64", "f32"])
def test_rounding_minimum_and_maximum(dtype: str) -> None:
    values = np.array(
        [
            0.5,
            1.5,
            2.5,
            -0.5,
            -1.5,
            0.49999999,
            4503599627370495.5,
            8388607.5,
            1e300,
            -0.0,
            0.0,
            math.inf,
            -math.inf,
            math.nan,
        ]
    )
    with np.errstate(over="ignore"):
        values = values.astype(NUMPY[dtype])
    b, (x, y) = builder_with(dtype, "x", "y")
    (rounded,) = evaluate(b, [b.round(x)], {"x": values})
    np.testing.assert_array_equal(rounded, np.rint(values))
    np.testing.assert_array_equal(np.signbit(rounded), np.signbit(np.rint(values)))
    left, right = (grid.ravel() for grid in np.meshgrid(values, values))
    least, most = evaluate(b, [b.min(x, y), b.max(x, y)], {"x": left, "y": right})
    np.testing.assert_array_equal(least, np.minimum(left, right))
    np.testing.assert_array_equal(most, np.maximum(left, right))


def test_dead_instructions_are_left_out() -> None:
    b, (x, y) = builder_with("f64", "x", "y")
    dead = b.mul(x, y)
    result = b.add(x, x)
    assert b.reachable([result]) == reachable(b, [result]) == [x, result]
    program = b.program([result, x])
    assert program.outputs == (1, 0)
    assert len(program.instructions) == 2
    verify(program)
    assert dead not in b.reachable([result])
    assert evaluate(program, program.outputs, {"x": np.float64(3)})[0] == 6


def test_long_chains_need_no_recursion() -> None:
    b, (x, y) = builder_with("i64", "x", "y")
    value = x
    for _ in range(20_000):
        value = b.add(b.xor(value, y), x)
    verify(b.program([value]))


def test_text() -> None:
    b, (x,) = builder_with("f32", "x")
    result = b.select(b.lt(x, b.const("f32", 0.5)), x, b.const("f32", "-0x1.8p-1"))
    assert show(b, [result]) == (
        "%0 = input.f32 x\n"
        "%1 = const.f32 0x1.0000000000000p-1\n"
        "%2 = lt.bool %0, %1\n"
        "%3 = const.f32 -0x1.8000000000000p-1\n"
        "%4 = select.f32 %2, %0, %3\n"
        "return %4\n"
    )


MISUSES: list[tuple[str, Callable[[Builder, int, int], object]]] = [
    ("f64, i64", lambda b, x, i: b.add(x, i)),
    ("and on f64", lambda b, x, i: b.and_(x, x)),
    ("select on i64", lambda b, x, i: b.select(i, x, x)),
    ("no conversion of f64 to bool", lambda b, x, i: b.emit("convert", x, dtype="bool")),
    ("no scalar instruction exp", lambda b, x, i: b.emit("exp", x)),
    ("no scalar instruction add of 3", lambda b, x, i: b.emit("add", x, x, x)),
]


@pytest.mark.parametrize(("message", "misuse"), MISUSES, ids=[message for message, _ in MISUSES])
def test_misuse_is_an_internal_error(message: str, misuse: Callable[[Builder, int, int], object]) -> None:
    b = Builder()
    with pytest.raises(InternalError, match=message):
        misuse(b, b.input("x", "f64"), b.input("i", "i64"))


BROKEN = [
    Instruction("add", (0, 2), "f64"),
    Instruction("add", (0, 0), "f32"),
    Instruction("const", (), "f32", 0.1),
    Instruction("const", (0,), "f64", 0.5),
    Instruction("lt", (0, 0), "f64"),
]


@pytest.mark.parametrize("instruction", BROKEN, ids=str)
def test_the_verifier_finds(instruction: Instruction) -> None:
    first = Instruction("input", (), "f64", "x")
    verify(Program((first,), (0,)))
    with pytest.raises(InternalError):
        verify(Program((first, instruction), (1,)))


def test_a_wrong_array_is_refused() -> None:
    b, (x,) = builder_with("f32", "x")
    with pytest.raises(InternalError, match="float64"):
        evaluate(b, [x], {"x": np.float64(1)})


@pytest.mark.parametrize("dtype", ["f64", "f32"])
def test_fused_multiply_add_is_exact(dtype: str) -> None:
    triples = fused_samples(dtype, 12_000)
    a, b, c = (np.array(column, NUMPY[dtype]) for column in zip(*triples, strict=True))
    found = fused_multiply_add(a, b, c)
    for triple, value in zip(triples, found.tolist(), strict=True):
        expected = fused_exactly(*triple, dtype)
        same = value == expected and math.copysign(1, value) == math.copysign(1, expected)
        assert same or (math.isnan(value) and math.isnan(expected)), [number.hex() for number in (*triple, value)]


def fused_samples(dtype: str, count: int) -> list[tuple[float, float, float]]:
    """Random bit patterns, sums that cancel, results below the normal range, and the edges."""
    chance = random.Random(20261122)
    least, most, digits = (-1074, 1023, 53) if dtype == "f64" else (-149, 127, 24)
    edges = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        2.0**least,
        -(2.0**least),
        math.ldexp(2 - 2.0 ** (1 - digits), most),
        math.inf,
        -math.inf,
        math.nan,
    ]

    def rounded(number: float) -> float:
        if dtype == "f64":
            return number
        with np.errstate(all="ignore"):
            return float(np.float32(number))

    def scaled(exponent: int) -> float:
        mantissa = chance.choice([1.0, 1 + 2.0 ** (1 - digits), 2 - 2.0 ** (1 - digits), 1 + chance.random()])
        return rounded(chance.choice([1, -1]) * math.ldexp(mantissa, max(least, min(most, exponent))))

    def any_number() -> float:
        if chance.random() < 0.1:
            return chance.choice(edges)
        form, size = ("<d", 64) if dtype == "f64" else ("<f", 32)
        return float(struct.unpack(form, chance.getrandbits(size).to_bytes(size // 8, "little"))[0])

    triples = []
    for index in range(count):
        a, b, c = any_number(), any_number(), any_number()
        if index % 3 == 1:
            exponent = chance.randint(least // 2, most // 2)
            a, b = scaled(exponent), scaled(chance.randint(least // 2, most // 2))
            c = rounded(-a * b * chance.choice([1, 1 + 2.0 ** (1 - digits), 2.0 ** chance.randint(-60, 60)]))
        elif index % 3 == 2:
            exponent = chance.randint(least // 2, most // 2)
            a, b = scaled(exponent), scaled(least + chance.randint(-3, digits + 8) - exponent)
            c = chance.choice([0, 1, 1, -1]) * math.ldexp(chance.getrandbits(chance.randint(1, digits)), least)
        triples.append((a, b, c))
    return triples


def fused_exactly(a: float, b: float, c: float, dtype: str) -> float:
    if not (math.isfinite(a) and math.isfinite(b)):
        return a * b + c
    if not math.isfinite(c):
        return c
    total = Fraction(a) * Fraction(b) + Fraction(c)
    if total == 0:
        return a * b + c if a == 0 or b == 0 else 0.0
    least, digits, most = (-1074, 53, 1024) if dtype == "f64" else (-149, 24, 128)
    size = abs(total)
    exponent = max(size.numerator.bit_length() - size.denominator.bit_length() - digits, least)
    if size >= Fraction(2) ** (exponent + digits):
        exponent += 1
    units = round(size / Fraction(2) ** exponent)
    overflow = units * Fraction(2) ** exponent >= Fraction(2) ** most
    return math.copysign(math.inf if overflow else math.ldexp(units, exponent), 1 if total > 0 else -1)
