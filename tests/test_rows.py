"""Rows that are reduced in groups, and long bodies of which two vectors are done at once: the bits of the interpreter,
and nothing beyond the last row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernel_support import draw_arguments, plans_of, same_bits
from lower_support import (
    Library,
    apply,
    argument,
    d,
    guarded,
    i,
    j,
    k,
    load,
    n,
    nest,
    over,
    plan_of,
    result,
    target_named,
)

from exprc.schedule.interpret import interpret
from exprc.schedule.kernel import Constant, Plan, Write

TARGETS = ("native", "x86-64-v3")
# For each name the dtype of the entries, and what is reduced of them: a combination and the number of a value.
REDUCTIONS: dict[str, tuple[str, tuple[tuple[str, int], ...]]] = {
    "largest": ("f64", (("max", 0),)),
    "sum of a function": ("f64", (("add", 4),)),
    "three at once": ("f64", (("min", 0), ("add", 4), ("mul", 2))),
    "panels": ("f32", (("add", 4),)),
    "two with panels": ("f32", (("add", 4), ("add", 2))),
    "smallest": ("f32", (("min", 4),)),
    "products": ("f32", (("mul", 2),)),
    "a panel beside none": ("f32", (("add", 4), ("max", 0))),
    "integers": ("i64", (("max", 2), ("add", 4))),
}
SIZES = ((0, 3), (1, 1), (3, 0), (8, 33), (15, 16), (16, 7), (17, 40), (33, 2), (41, 333))


def rows_plan(name: str) -> Plan:
    """Reductions of x, x + 1/2, exp(x), … over rows; whole numbers where x are."""
    dtype, reductions = REDUCTIONS[name]
    whole = dtype == "i64"
    shift = Constant(3 if whole else 0.5, dtype)
    last = apply("mul", 2, 2, dtype=dtype) if whole else apply("exp", 2, dtype=dtype)
    body = (load("x", i, j, dtype=dtype), shift, apply("add", 0, 1, dtype=dtype), last, apply("sub", 3, 2, dtype=dtype))
    writes = [Write(f"r{at}", (i,), value, combine) for at, (combine, value) in enumerate(reductions)]
    statement = nest([over("i", n), over("j", d)], body, *writes, reduced="j", vector="j", panel=3)
    results = [result(f"r{at}", n, dtype=dtype) for at in range(len(writes))]
    return plan_of([argument("x", n, d, dtype=dtype)], results, statement)


def entries(plan: Plan, rows: int, columns: int) -> Any:
    x = np.random.default_rng(rows + columns).uniform(-2, 2, (rows, columns))
    if plan.arguments[0].dtype == "i64":
        return np.round(x * 100).astype(np.int64)
    if x.size > 20:
        x[rows // 2, columns // 2] = np.nan
        x[rows - 1, 0] = -np.inf
    return x.astype(np.float32 if plan.arguments[0].dtype == "f32" else np.float64)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", REDUCTIONS)
def test_groups_of_rows_are_the_same_bits(name: str, target: str) -> None:
    plan = rows_plan(name)
    library = Library(plan, target_named(target))
    assert ("alloca" in library.text) == (name != "a panel beside none")
    for rows, columns in SIZES:
        dims = {"n": rows, "d": columns}
        x = entries(plan, rows, columns)
        expected = interpret(plan, {"x": x}, dims)
        for place in (guarded(), guarded(1)):
            for buffer, found in zip(plan.results, library(dims, x, place=place), strict=True):
                assert same_bits(expected[buffer.name], found), (buffer.name, dims)


@pytest.mark.parametrize("rows", (1, 2, 3, 8, 11))
def test_few_rows_of_known_number(rows: int) -> None:
    body = (load("x", i, j),)
    statement = nest([over("i", rows), over("j", d)], body, Write("r", (i,), 0, "max"), reduced="j", vector="j")
    plan = plan_of([argument("x", rows, d)], [result("r", rows)], statement)
    x = np.random.default_rng(rows).uniform(-2, 2, (rows, 21))
    for target in TARGETS:
        (found,) = Library(plan, target_named(target))({"d": 21}, x, place=guarded())
        assert same_bits(found, x.max(axis=1))


@pytest.mark.parametrize("dtype", ("f64", "f32"))
@pytest.mark.parametrize("operations", (1, 4, 70))
def test_of_zeros_the_later_one_is_the_larger(dtype: str, operations: int) -> None:
    """In whatever turns the vectors of a row are taken."""
    body = [load("x", i, j, dtype=dtype), load("y", j, dtype=dtype)]
    for at in range(operations):
        body.append(apply("mul", at + 1 if at else 0, 1, dtype=dtype))
    writes = (Write("r", (i,), operations + 1, "max"), Write("s", (i,), operations + 1, "min"))
    statement = nest([over("i", n), over("j", d)], body, *writes, reduced="j", vector="j")
    arguments = [argument("x", n, d, dtype=dtype), argument("y", d, dtype=dtype)]
    plan = plan_of(arguments, [result(name, n, dtype=dtype) for name in "rs"], statement)
    libraries = [Library(plan, target_named(target)) for target in TARGETS]
    for columns in (3, 9, 18, 50, 77, 123):
        signs = np.random.default_rng(columns).integers(0, 2, (70, columns))
        given = {"x": np.where(signs, 0.0, -0.0).astype(dtype.replace("f", "float")), "y": np.ones(columns)}
        given["y"] = given["y"].astype(given["x"].dtype)
        expected = interpret(plan, given, {"n": 70, "d": columns})
        for library in libraries:
            for name, found in zip("rs", library({"n": 70, "d": columns}, *given.values()), strict=True):
                assert same_bits(expected[name], found), columns


def test_each_row_of_two_reduced_axes_begins_with_the_first_lane() -> None:
    body = (load("x", i, j), apply("exp", 0), apply("sub", 1, 0))
    axes = [over("i", n), over("j", d)]
    statement = nest(axes, body, Write("r", (), 2, "add"), reduced="i j", vector="j")
    plan = plan_of([argument("x", n, d)], [result("r")], statement)
    for columns in (3, 9, 18, 29):
        x = np.random.default_rng(columns).uniform(-2, 2, (50, columns))
        expected = interpret(plan, {"x": x}, {"n": 50, "d": columns})["r"]
        for target in TARGETS:
            (found,) = Library(plan, target_named(target))({"n": 50, "d": columns}, x, place=guarded())
            assert same_bits(expected, found), columns


@pytest.mark.parametrize("dtype", ("f64", "f32"))
def test_two_reduced_axes(dtype: str) -> None:
    body = (load("x", i, k, j, dtype=dtype),)
    writes = (Write("r", (i,), 0, "max"), Write("s", (i,), 0, "min"))
    axes = [over("i", n), over("k", 3), over("j", d)]
    statement = nest(axes, body, *writes, reduced="k j", vector="j")
    plan = plan_of([argument("x", n, 3, d, dtype=dtype)], [result(r, n, dtype=dtype) for r in "rs"], statement)
    x = np.random.default_rng(0).uniform(-2, 2, (19, 3, 35)).astype(dtype.replace("f", "float"))
    for target in TARGETS:
        library = Library(plan, target_named(target))
        assert "alloca" in library.text
        most, least = library({"n": 19, "d": 35}, x, place=guarded())
        assert same_bits(most, x.max(axis=(1, 2))) and same_bits(least, x.min(axis=(1, 2)))


@pytest.mark.parametrize("dtype", ("f64", "f32"))
@pytest.mark.parametrize("known", (False, True))
def test_products_of_near_and_far_matrices_are_the_same_bits(dtype: str, known: bool) -> None:
    """Four rows in turn where the matrix fits the second cache, else one after another."""
    columns = 203
    x = np.random.default_rng(1).uniform(-2, 2, (1400, columns)).astype(dtype.replace("f", "float"))
    w = x[7] / 3
    sums: dict[tuple[str, int], Any] = {}
    for rows in (1, 6, 603, 1400):
        height, width = (rows, columns) if known else (n, d)
        body = (load("x", i, j, dtype=dtype), load("w", j, dtype=dtype), apply("mul", 0, 1, dtype=dtype))
        axes = [over("i", height), over("j", width)]
        statement = nest(axes, body, Write("r", (i,), 2, "add"), reduced="j", vector="j")
        arguments = [argument("x", height, width, dtype=dtype), argument("w", width, dtype=dtype)]
        plan = plan_of(arguments, [result("r", height, dtype=dtype)], statement)
        dims = {"n": rows, "d": columns}
        expected = interpret(plan, {"x": x[:rows], "w": w}, dims)["r"]
        for target in TARGETS:
            library = Library(plan, target_named(target))
            assert known or "1048576" in library.text
            (found,) = library(dims, x[:rows], w, place=guarded())
            assert same_bits(found, expected)
            sums[target, rows] = found
    assert all(same_bits(found, sums["native", 1400][:rows]) for (_, rows), found in sums.items())


PROGRAMS = {
    "into accumulators": "dim n, d\ninput y : f64[n]\ninput X : f64[d, n]\noutput m = max(sin(X) * y, axis=1)\n",
    "results apart": "dim n, d\ninput X : f64[n, d, d]\noutput m = (max(X, axis=2))'\n",
    "flags": "dim n, d\ninput X : f64[n, d]\noutput m = any(X > 0.7, axis=1)\n",
    "softmax": "dim n, d\ninput X : f32[n, d]\noutput m = softmax(X, axis=1)\n",
    "long body": "dim n, d\ninput y : f64[n]\ninput z : f64[d]\noutput E = sum(tanh(erf(y)) * log1p(y^2))\n"
                 "output p = tanh(erf(y)) * log1p(y^2) * sin(y)\noutput q = prod(1 + tanh(sin(y) * exp(y)) / 100)\n",
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_with_groups_of_rows(name: str) -> None:
    for plan in plans_of(PROGRAMS[name]):
        libraries = [Library(plan, target_named(target)) for target in TARGETS]
        for rows, columns in ((1, 1), (7, 3), (16, 16), (35, 9), (1100, 2)):
            dims = {name: {"n": rows, "d": columns}[name] for name in plan.dims}
            given = draw_arguments(plan, dims)
            expected = interpret(plan, given, dims)
            for library in libraries:
                for buffer, found in zip(plan.results, library(dims, *given.values(), place=guarded()), strict=True):
                    assert same_bits(expected[buffer.name], found), (plan.symbol, buffer.name, dims)
