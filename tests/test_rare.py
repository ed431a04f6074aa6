"""`rare`: a select that passes by what only its first operand needs, where no lane needs it."""

from __future__ import annotations

import random

import lower_support as s
import numpy as np
import pytest
from lower_support import argument, i, j, load, m, n, nest, over, plan_of, result

from exprc import driver
from exprc.driver import Options
from exprc.lower.rare import Detour, in_turn
from exprc.ops import TABLE
from exprc.scalar.program import Builder, Instruction, evaluate
from exprc.schedule.kernel import Apply, Plan, Write
from exprc.source import Source

FLOATS = ("f64", "f32")
TARGETS = ("native", "x86-64-v3")
WITH_DETOURS = ("sin", "cos", "tan", "log", "log1p", "lgamma", "digamma", "trigamma")
UNUSUAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-310, 1e-42, -1.0, -2.5, 3e8, -1e30, 1e37, 2.0, 1.4]


def with_unusual_lanes(count: int, seed: int, dtype: str) -> np.ndarray:
    """Ordinary numbers, and at some places, often none in a vector, others."""
    draw = np.random.default_rng(seed)
    values = draw.uniform(0.5, 20, count)
    for place in draw.integers(0, max(count, 1), count // 12):
        values[place] = draw.choice(UNUSUAL)
    return values.astype(s.NUMPY[dtype])


def reference(names: tuple[str, ...], x: np.ndarray, dtype: str) -> np.ndarray:
    builder = Builder()
    value = builder.input(0, dtype)
    for name in names:
        value = TABLE[name].program(builder, value)  # type: ignore[misc]
    return np.broadcast_to(evaluate(builder, [value], {0: x})[0], x.shape)


def same_bits(left: np.ndarray, right: np.ndarray) -> bool:
    integer = np.int64 if left.dtype == np.float64 else np.int32
    both_nan = np.isnan(left) & np.isnan(right)
    return bool(np.all((left.view(integer) == np.ascontiguousarray(right).view(integer)) | both_nan))


def chain_plan(names: tuple[str, ...], dtype: str) -> Plan:
    """Functions of each other along two axes, of which the inner one runs in vectors."""
    body = [load("x", i, j, dtype=dtype)]
    for at, name in enumerate(names):
        body.append(Apply(TABLE[name], (), (at,), dtype))
    statement = nest([over("i", n), over("j", m)], body, Write("r", (i, j), len(names)), vector="j")
    return plan_of([argument("x", n, m, dtype=dtype)], [result("r", n, m, dtype=dtype)], statement)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("names", [*((name,) for name in WITH_DETOURS), ("log", "sin"), ("sin", "lgamma", "cos")])
def test_unusual_lanes_have_the_bits_of_the_program(names: tuple[str, ...], target: str, dtype: str) -> None:
    library = s.Library(chain_plan(names, dtype), s.target_named(target))
    for rows, columns in ((1, 1), (2, 8), (3, 67), (2, 200)):
        x = with_unusual_lanes(rows * columns, columns, dtype).reshape(rows, columns)
        (found,) = library({"n": rows, "m": columns}, x, place=s.guarded())
        assert same_bits(found, reference(names, x, dtype))


@pytest.mark.parametrize("dtype", FLOATS)
def test_one_unusual_lane_at_every_place(dtype: str) -> None:
    library = s.Library(chain_plan(("sin",), dtype))
    for place in range(40):
        x = np.ones((1, 40), s.NUMPY[dtype])
        x[0, place] = 1e30
        (found,) = library({"n": 1, "m": 40}, x)
        assert same_bits(found, reference(("sin",), x, dtype))


def branches(text: str) -> int:
    return text.count(", !prof !0")


def test_sine_and_cosine_of_one_angle_take_one_branch() -> None:
    def plan(*names: str) -> Plan:
        body = [load("x", i), *(Apply(TABLE[name], (), (0,), "f64") for name in names)]
        writes = [Write(name, (i,), at) for at, name in enumerate(names, 1)]
        statement = nest([over("i", n)], body, *writes, vector="i")
        return plan_of([argument("x", n)], [result(name, n) for name in names], statement)

    both, alone = s.Library(plan("sin", "cos")), s.Library(plan("sin"))
    assert branches(both.text) == branches(alone.text) > 0
    x = with_unusual_lanes(67, 3, "f64")
    for name, found in zip(("sin", "cos"), both({"n": 67}, x), strict=True):
        assert same_bits(found, reference((name,), x, "f64"))


def test_what_is_not_rare_has_no_branch() -> None:
    assert branches(s.Library(chain_plan(("exp", "tanh", "erf"), "f64")).text) == 0


def test_a_known_condition_is_no_branch() -> None:
    b = Builder()
    x = b.input("x", "f64")
    assert b.rare(b.const("bool", True), x, b.neg(x)) == x
    assert b.rare(b.const("bool", False), b.neg(x), x) == x
    assert b.rare(b.lt(x, b.neg(x)), x, x) == x
    assert b.instructions[b.rare(b.lt(x, b.neg(x)), b.neg(x), x)].op == "rare"


def test_routines_that_are_called_have_their_detours() -> None:
    """So many long programs become functions, each with its branch."""
    terms = " + ".join(f"lgamma(x + {k})" for k in range(20))
    source = Source("m.expr", f"dim n\ninput x : f64[n]\noutput y = {terms}\n")
    text = driver.show(source, Options(name="m"), "lower")
    assert "@exprc.lgamma" in text
    assert 0 < branches(text) < 20
    x = with_unusual_lanes(50, 5, "f64")
    with np.errstate(all="ignore"):
        wanted = sum(reference(("lgamma",), x + k, "f64") for k in range(20))
    np.testing.assert_allclose(driver.run(source, Options(name="m"), {"x": x})["y"], wanted, rtol=1e-12)


# ---- the order


def drawn_program(seed: int) -> tuple[Builder, list[int]]:
    """Random arithmetic with many `rare`, some of one condition, and its results."""
    chance = random.Random(seed)
    b = Builder()
    values = [b.input(name, "f64") for name in "xyz"]
    conditions = [b.lt(values[0], values[1])]
    for _ in range(60):
        left, right = (values[-1 - int(chance.expovariate(0.3)) % len(values)] for _ in range(2))
        kind = chance.randrange(6)
        if kind == 0:
            conditions.append(b.lt(left, right))
        elif kind <= 2:
            values.append(b.rare(chance.choice(conditions), left, right))
        else:
            values.append((b.add, b.mul, b.sub)[kind - 3](left, right))
    return b, [values[-1], chance.choice(values[3:])]


@pytest.mark.parametrize("seed", range(60))
def test_every_value_comes_after_what_it_needs(seed: int) -> None:
    """Walked as it is written: inside a detour is known only there, and computed only where the condition holds."""
    b, outputs = drawn_program(seed)
    order = b.reachable(outputs)
    steps = in_turn(b.instructions, order, set(outputs))
    inputs = {"x": 0.5, "y": -1.25 if seed % 2 else 2.0, "z": 3.0}
    known: dict[int, float] = {}
    seen: list[int] = []
    for step in steps:
        if not isinstance(step, Detour):
            known[step] = computed(b.instructions[step], known, inputs)
            seen.append(step)
            continue
        inner = dict(known)
        if known[step.condition]:
            for value in (*step.inside, *step.results):
                inner[value] = computed(b.instructions[value], inner, inputs)
            known.update({value: inner[value] for value in step.results})
        else:
            known.update({value: known[b.instructions[value].args[2]] for value in step.results})
        seen.extend((*step.inside, *step.results))
    assert sorted(seen) == order
    wanted = evaluate(b, outputs, {name: np.float64(value) for name, value in inputs.items()})
    np.testing.assert_array_equal([known[output] for output in outputs], wanted)


def computed(instruction: Instruction, known: dict[int, float], inputs: dict[str, float]) -> float:
    if instruction.op == "input":
        return inputs[str(instruction.immediate)]
    given = [known[arg] for arg in instruction.args]
    if instruction.op == "rare":
        return given[1] if given[0] else given[2]
    with np.errstate(all="ignore"):
        return {"add": np.add, "sub": np.subtract, "mul": np.multiply, "lt": np.less}[instruction.op](*given)  # type: ignore[no-any-return]


def test_detours_are_found() -> None:
    found = sum(
        isinstance(step, Detour)
        for seed in range(60)
        for step in in_turn(
            drawn_program(seed)[0].instructions, drawn_program(seed)[0].reachable(drawn_program(seed)[1]), ()
        )
    )
    assert found > 100
