"""Generated code against NumPy in longdouble: nests of every form, sizes of every tail, on two processors."""

from __future__ import annotations

import ctypes
import struct
from typing import Any

import lower_support as s
import numpy as np
import pytest
from lower_support import apply, argument, at, d, i, j, k, load, m, n, nest, over, plan_of, result

from exprc.diagnostics import InternalError
from exprc.ir.index import Guard, axis, quotient
from exprc.ir.sizes import as_size, constant, floordiv
from exprc.lower import IMPORTED_SYMBOLS, assembly, exported_symbols, host_target, lower_plans
from exprc.schedule.kernel import (
    MOST_CHUNKS,
    Accumulator,
    Buffer,
    Check,
    Constant,
    IndexValue,
    Kernel,
    Loop,
    Plan,
    Requirement,
    Stream,
    Swap,
    Write,
    chunk_length,
    chunk_limit,
)

SIZES = (0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 67)
FLOATS = ("f64", "f32")
TARGETS = ("native", "x86-64-v3")
EPSILON = {"f64": 2.0**-53, "f32": 2.0**-24}


def draw(seed: int, *shape: int, dtype: str = "f64") -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(s.NUMPY[dtype])


def close(got: Any, expected: Any, scale: Any, dtype: str, ulps: float = 4.0) -> None:
    """`got` within some roundings of the sum of the terms' absolute values."""
    error = np.abs(np.asarray(got, np.longdouble) - expected)
    bound = ulps * EPSILON[dtype] * np.asarray(scale, np.longdouble) + 1e-300
    assert np.all(error <= bound), float(np.max(error / bound))


def long(*arrays: Any) -> Any:
    return tuple(array.astype(np.longdouble) for array in arrays)


def square_plus(dtype: str) -> Plan:
    body = (load("x", i, dtype=dtype), apply("mul", 0, 0, dtype=dtype), apply("add", 1, 0, dtype=dtype))
    statement = nest([over("i", n)], body, Write("r", (i,), 2), vector="i")
    return plan_of([argument("x", n, dtype=dtype)], [result("r", n, dtype=dtype)], statement)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("target", TARGETS)
def test_elementwise_tails(dtype: str, target: str) -> None:
    library = s.Library(square_plus(dtype), s.target_named(target))
    for size in SIZES:
        x = draw(size, size, dtype=dtype)
        for place in (s.guarded(), s.guarded(1), *(s.misaligned(by) for by in range(0, 8, 3))):
            (r,) = library({"n": size}, x, place=place)
            assert np.array_equal(r, x * x + x)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("target", TARGETS)
def test_large_body_is_one_masked_loop(dtype: str, target: str) -> None:
    body = (load("x", i, dtype=dtype), apply("softplus", 0, dtype=dtype), apply("tanh", 1, dtype=dtype))
    statement = nest([over("i", n)], body, Write("r", (i,), 2), Write("e", (), 1, "add"), reduced="i", vector="i")
    plan = plan_of([argument("x", n, dtype=dtype)], [result("r", n, dtype=dtype), result("e", dtype=dtype)], statement)
    library = s.Library(plan, s.target_named(target))
    for size in SIZES:
        x = draw(size, size, dtype=dtype)
        r, e = library({"n": size}, x, place=s.guarded())
        (wide,) = long(x)
        smooth = np.logaddexp(np.longdouble(0), wide)
        close(r, np.tanh(smooth), 1.0, dtype)
        close(e, smooth.sum(), smooth.sum(), dtype)


# Each reduction: the axes in loop order, those reduced, the vector axis, and the result's index.
REDUCTIONS = {
    "all, lanes": ("i j", "i j", "j", ""),
    "all, no lanes": ("i j", "i j", "", ""),
    "rows, lanes": ("i j", "j", "j", "i"),
    "rows, no lanes": ("i j", "j", "", "i"),
    "columns, lanes kept": ("j i", "i", "j", "j"),
    "columns, strided lanes": ("j i", "i", "i", "j"),
    "middle": ("i k j", "j", "k", "i k"),
    "middle, lanes reduced": ("i k j", "j", "j", "i k"),
    "outer two": ("k i j", "i j", "k", "k"),
    "outer two, lanes reduced": ("k i j", "i j", "j", "k"),
}


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("target", TARGETS)
def test_sums_over_each_position(name: str, dtype: str, target: str) -> None:
    order, reduced, vector, kept = (part.split() for part in REDUCTIONS[name])
    extents = {"i": n, "j": m, "k": d}
    rank = len(order)
    names = sorted(order)
    shape = [extents[a] for a in names]
    body = (load("x", *(axis(a) for a in names), dtype=dtype), load("c", dtype=dtype), apply("add", 0, 1, dtype=dtype))
    write = Write("r", tuple(axis(a) for a in kept), 2, "add")
    statement = nest(
        [over(a, extents[a]) for a in order], body, write, reduced=" ".join(reduced), vector="".join(vector)
    )
    target_shape = [extents[a] for a in kept]
    arguments = [argument("x", *shape, dtype=dtype), argument("c", dtype=dtype)]
    plan = plan_of(arguments, [result("r", *target_shape, dtype=dtype)], statement)
    library = s.Library(plan, s.target_named(target))
    sizes = [(0, 3, 2), (3, 0, 2), (1, 1, 1), (5, 67, 3), (67, 5, 17), (9, 33, 16), (13, 200, 5)]
    for number, (a, b, c) in enumerate(sizes):
        dims = {"n": a, "m": b, "d": c}
        x = draw(number, *[{"i": a, "j": b, "k": c}[q] for q in names][:rank], dtype=dtype)
        (r,) = library(dims, x, 0.25, place=s.guarded())
        (wide,) = long(x + s.NUMPY[dtype](0.25))
        axes = tuple(names.index(q) for q in reduced)
        close(r, wide.sum(axis=axes), np.abs(wide).sum(axis=axes), dtype, 4 if dtype == "f32" else 200)


@pytest.mark.parametrize("dtype", FLOATS)
def test_f32_sums_are_no_worse_for_length(dtype: str) -> None:
    body = (load("x", i, dtype=dtype),)
    statement = nest([over("i", n)], body, Write("r", (), 0, "add"), reduced="i", vector="i")
    plan = plan_of([argument("x", n, dtype=dtype)], [result("r", dtype=dtype)], statement)
    library = s.Library(plan)
    x = np.abs(draw(1, 300_001, dtype=dtype))
    (wide,) = long(x)
    close(library({"n": len(x)}, x)[0], wide.sum(), wide.sum(), dtype, 4 if dtype == "f32" else 64)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("large", (False, True))
def test_every_processor_gives_the_same_bits(dtype: str, large: bool) -> None:
    """Sums whose lanes, parts and panels differ in registers: along rows, along columns, small and large bodies."""
    entry = load("x", i, j, dtype=dtype)
    body = (entry, apply("softplus" if large else "neg", 0, dtype=dtype), apply("mul", 0, 1, dtype=dtype))
    if large:
        body = (*body, apply("tanh", 0, dtype=dtype), apply("add", 2, 3, dtype=dtype))
    axes, last = [over("i", n), over("j", m)], len(body) - 1
    writes = (Write("r", (i,), last, "add"), Write("q", (i,), 1, "max"), Write("p", (i,), 1, "add"))
    rows = nest(axes, body, *writes, reduced="j", vector="j")
    whole = nest(axes, body, Write("s", (), last, "add"), reduced="i j", vector="j")
    columns = nest(axes[::-1], body, Write("c", (j,), last, "add"), reduced="i", vector="j")
    names = (("r", n), ("q", n), ("p", n), ("s",), ("c", m))
    results = [result(name, *shape, dtype=dtype) for name, *shape in names]
    plan = plan_of([argument("x", n, m, dtype=dtype)], results, rows, whole, columns)
    libraries = [s.Library(plan, s.target_named(target)) for target in TARGETS]
    for a, b in ((3, 10), (7, 67), (100, 33), (3, 5000), (4, 1023), (2, 1025)):
        x = draw(b, a, b, dtype=dtype)
        native, baseline = (library({"n": a, "m": b}, x, place=s.guarded()) for library in libraries)
        assert all(np.array_equal(one, two) for one, two in zip(native, baseline, strict=True))
        (wide,) = long(x)
        smooth = np.logaddexp(np.longdouble(0), wide) if large else -wide
        close(native[2], smooth.sum(axis=1), np.abs(smooth).sum(axis=1), dtype, 4 if dtype == "f32" else 100)


MATRICES = {"ab": ("i k", "k j"), "a'b": ("k i", "k j"), "ab'": ("i k", "j k"), "a'b'": ("k i", "j k")}


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("target", TARGETS)
def test_matrix_products(name: str, dtype: str, target: str) -> None:
    left, right = (part.split() for part in MATRICES[name])
    extents = {"i": n, "j": m, "k": d}
    vector = "k" if name == "ab'" else "j"
    body = (
        load("a", *map(axis, left), dtype=dtype),
        load("b", *map(axis, right), dtype=dtype),
        apply("mul", 0, 1, dtype=dtype),
    )
    write = Write("c", (i, j), 2, "add")
    statement = nest([over(q, extents[q]) for q in "ijk"], body, write, reduced="k", vector=vector, panel=256)
    arguments = [argument("a", *(extents[q] for q in left), dtype=dtype)]
    arguments.append(argument("b", *(extents[q] for q in right), dtype=dtype))
    library = s.Library(plan_of(arguments, [result("c", n, m, dtype=dtype)], statement), s.target_named(target))
    for number, sizes in enumerate(
        [(0, 3, 4), (3, 4, 0), (1, 1, 1), (7, 9, 5), (13, 67, 33), (25, 40, 300), (6, 64, 8)]
    ):
        size = dict(zip("ijk", sizes, strict=True))
        a = draw(number, *(size[q] for q in left), dtype=dtype)
        b = draw(number + 50, *(size[q] for q in right), dtype=dtype)
        (c,) = library({"n": size["i"], "m": size["j"], "d": size["k"]}, a, b, place=s.guarded())
        p, q = long(a if left[0] == "i" else a.T, b if right[0] == "k" else b.T)
        close(c, p @ q, np.abs(p) @ np.abs(q), dtype, 4 + (sizes[2] ** 0.5 if dtype == "f64" else 256 / 8))


def test_a_product_that_is_summed_is_fused() -> None:
    """1 + (1 + e)(1 - e) - 2 keeps e^2 when the product is not rounded."""
    body = (load("x", i), load("y", i), apply("mul", 0, 1))
    for vector in ("i", ""):
        statement = nest([over("i", n)], body, Write("r", (), 2, "add"), reduced="i", vector=vector)
        library = s.Library(plan_of([argument("x", n), argument("y", n)], [result("r")], statement))
        x = np.zeros(17)
        y = np.zeros(17)
        x[0], y[0], x[16], y[16] = 1.0, -1.0, 1 + 2.0**-40, 1 - 2.0**-40
        assert library({"n": 17}, x, y)[0] == -(2.0**-80)


def view(index: Any, guards: Any, dtype: str = "f64") -> Plan:
    statement = nest(
        [over("i", n), over("j", m)],
        (load("x", *index, guards=guards, dtype=dtype),),
        Write("r", (i, j), 0),
        vector="j",
    )
    return plan_of(
        [argument("x", m, n, dtype=dtype)] if index[0] == j else [argument("x", n, as_size(2) * m + 3, dtype=dtype)],
        [result("r", n, m, dtype=dtype)],
        statement,
    )


def backwards(extent: Any) -> Any:
    """extent - 1 - j."""
    return at(extent - 1).plus(j, constant(-1))


LOADS: dict[str, tuple[Any, Any]] = {
    "transposed": ((j, i), lambda x, r, c: x.T),
    "shifted": ((i, j.plus(at(3))), lambda x, r, c: x[:, 3 : 3 + c]),
    "strided": ((i, at(1).plus(j, constant(2))), lambda x, r, c: x[:, 1 : 1 + 2 * c : 2]),
    "reversed": ((i, backwards(m)), lambda x, r, c: x[:, :c][:, ::-1]),
    "reversed rows": ((at(n - 1).plus(i, constant(-1)), j), lambda x, r, c: x[::-1, :c]),
    "repeated": ((i, quotient(j, constant(3))), lambda x, r, c: x[:, np.arange(c) // 3]),
    "one column": ((i, at(1)), lambda x, r, c: np.repeat(x[:, 1:2], c, axis=1)),
}


@pytest.mark.parametrize("name", LOADS)
@pytest.mark.parametrize("dtype", ("f64", "f32", "i64", "i32", "bool"))
@pytest.mark.parametrize("target", TARGETS)
def test_views(name: str, dtype: str, target: str) -> None:
    index, expected = LOADS[name]
    library = s.Library(view(index, (), dtype), s.target_named(target))
    for rows, columns in ((0, 5), (5, 0), (1, 1), (3, 7), (5, 16), (4, 33), (17, 67)):
        shape = (columns, rows) if name == "transposed" else (rows, 2 * columns + 3)
        x = (draw(rows, *shape) * 10).astype(s.NUMPY[dtype])
        (r,) = library({"n": rows, "m": columns}, x, place=s.guarded(columns % 2))
        assert np.array_equal(r, expected(x, rows, columns))


@pytest.mark.parametrize("dtype", ("f64", "f32", "i32", "bool"))
@pytest.mark.parametrize("target", TARGETS)
def test_padding_reads_nothing_outside(dtype: str, target: str) -> None:
    """r[2 + 3 i, 1 + 2 j] = x[i, j], zero elsewhere."""
    row, column = i.plus(at(-2)), j.plus(at(-1))
    guards = (Guard(row, n * 3, 3), Guard(column, m * 2, 2))
    index = (quotient(row, constant(3)), quotient(column, constant(2)))
    rows, columns = n * 3 + 4, m * 2 + 5
    body = (load("x", *index, guards=guards, dtype=dtype),)
    for vector in ("j", ""):
        statement = nest([over("i", rows), over("j", columns)], body, Write("r", (i, j), 0), vector=vector)
        plan = plan_of([argument("x", n, m, dtype=dtype)], [result("r", rows, columns, dtype=dtype)], statement)
        library = s.Library(plan, s.target_named(target))
        for a, b in ((0, 0), (1, 1), (3, 7), (5, 16), (2, 33)):
            x = (draw(a, a, b) * 10).astype(s.NUMPY[dtype])
            (r,) = library({"n": a, "m": b}, x, place=s.guarded())
            expected = np.zeros((3 * a + 4, 2 * b + 5), x.dtype)
            expected[2 : 2 + 3 * a : 3, 1 : 1 + 2 * b : 2] = x
            assert np.array_equal(r, expected)


def test_plain_padding_of_rows_and_columns() -> None:
    guards = (Guard(i.plus(at(-1)), n), Guard(j.plus(at(-2)), m))
    body = (load("x", i.plus(at(-1)), j.plus(at(-2)), guards=guards),)
    statement = nest([over("i", n + 2), over("j", m + 4)], body, Write("r", (i, j), 0), vector="j")
    library = s.Library(plan_of([argument("x", n, m)], [result("r", n + 2, m + 4)], statement))
    for a, b in ((0, 0), (1, 1), (3, 7), (2, 16), (4, 67)):
        x = draw(a, a, b)
        for place in (s.guarded(), s.guarded(1)):
            (r,) = library({"n": a, "m": b}, x, place=place)
            assert np.array_equal(r, np.pad(x, ((1, 1), (2, 2))))


COMBINES = {
    "max": np.max, "min": np.min, "mul": np.prod, "or": np.any, "and": np.all,
}  # fmt: skip


@pytest.mark.parametrize("combine", ("max", "min"))
@pytest.mark.parametrize("dtype", ("f64", "f32", "i64", "i32"))
@pytest.mark.parametrize("vector", ("j", "i", ""))
def test_extremes(combine: str, dtype: str, vector: str) -> None:
    body = (load("x", i, j, dtype=dtype),)
    order = [over("i", n), over("j", m)]
    statement = nest(order, body, Write("r", (i,), 0, combine), reduced="j", vector=vector)
    plan = plan_of([argument("x", n, m, dtype=dtype)], [result("r", n, dtype=dtype)], statement)
    library = s.Library(plan)
    for columns in (1, 2, 17, 67):
        x = (draw(columns, 7, columns) * 100).astype(s.NUMPY[dtype])
        if dtype in FLOATS:
            x[2, columns // 2] = np.nan
            x[3, 0], x[4, columns - 1] = np.inf, -np.inf
        (r,) = library({"n": 7, "m": columns}, x, place=s.guarded())
        assert np.array_equal(r, COMBINES[combine](x, axis=1), equal_nan=dtype in FLOATS)
    if dtype in FLOATS:
        assert np.array_equal(
            library({"n": 2, "m": 0}, np.zeros((2, 0)))[0], [-np.inf if combine == "max" else np.inf] * 2
        )


@pytest.mark.parametrize("combine", ("or", "and"))
@pytest.mark.parametrize("vector", ("j", ""))
@pytest.mark.parametrize("target", TARGETS)
def test_flags(combine: str, vector: str, target: str) -> None:
    body = (load("x", i, j, dtype="bool"),)
    statement = nest([over("i", n), over("j", m)], body, Write("r", (i,), 0, combine), reduced="j", vector=vector)
    plan = plan_of([argument("x", n, m, dtype="bool")], [result("r", n, dtype="bool")], statement)
    library = s.Library(plan, s.target_named(target))
    for columns in (0, 1, 16, 33, 67):
        x = np.zeros((5, columns), bool) if combine == "or" else np.ones((5, columns), bool)
        if columns:
            x[1, columns - 1] ^= True
            x[3, 0] ^= True
        (r,) = library({"n": 5, "m": columns}, x, place=s.guarded())
        assert np.array_equal(r, COMBINES[combine](x, axis=1))


@pytest.mark.parametrize("dtype", ("f64", "f32", "i64"))
@pytest.mark.parametrize("vector", ("i", ""))
def test_products(dtype: str, vector: str) -> None:
    statement = nest([over("i", n)], (load("x", i, dtype=dtype),), Write("r", (), 0, "mul"), reduced="i", vector=vector)
    library = s.Library(plan_of([argument("x", n, dtype=dtype)], [result("r", dtype=dtype)], statement))
    for size in (0, 1, 5, 17, 67):
        x = (np.abs(draw(size, size)) + 0.5 + (dtype == "i64")).astype(s.NUMPY[dtype])
        (r,) = library({"n": size}, x)
        if dtype == "i64":
            assert r == np.prod(x)
        else:
            expected = np.prod(x.astype(np.longdouble))
            close(r, expected, expected, dtype, 1.01 if dtype == "f32" else size)


def test_integers_and_index_values() -> None:
    body = (
        load("x", i, dtype="i64"),
        IndexValue(at(n).plus(i, constant(2))),
        apply("idiv", 0, 1, dtype="i64"),
        IndexValue(quotient(i, constant(4))),
        apply("add", 2, 3, dtype="i64"),
        apply("convert", 4, dtype="f64", attrs=("f64",)),
    )
    for vector in ("i", ""):
        writes = (Write("r", (i,), 4), Write("f", (i,), 5), Write("t", (), 4, "add"))
        reduced = "i"
        statement = nest([over("i", n)], body, *writes, reduced=reduced, vector=vector)
        results = [result("r", n, dtype="i64"), result("f", n), result("t", dtype="i64")]
        library = s.Library(plan_of([argument("x", n, dtype="i64")], results, statement))
        for size in (0, 1, 9, 33):
            x = np.random.default_rng(size).integers(-1000, 1000, size)
            r, f, t = library({"n": size}, x, place=s.guarded())
            number = np.arange(size)
            expected = x // (size + 2 * number) + number // 4 if size else number
            assert np.array_equal(r, expected) and np.array_equal(f, expected) and t == expected.sum()


def test_conversions_of_bool_and_floats() -> None:
    body = (
        load("x", i, dtype="f32"),
        Constant(0.0, "f32"),
        apply("lt", 1, 0, dtype="bool"),
        apply("convert", 2, dtype="i64", attrs=("i64",)),
        apply("convert", 0, dtype="f64", attrs=("f64",)),
    )
    writes = (Write("b", (i,), 2), Write("c", (), 3, "add"), Write("w", (i,), 4), Write("s", (), 4, "add"))
    statement = nest([over("i", n)], body, *writes, reduced="i", vector="i")
    results = [result("b", n, dtype="bool"), result("c", dtype="i64"), result("w", n), result("s")]
    for target in TARGETS:
        library = s.Library(plan_of([argument("x", n, dtype="f32")], results, statement), s.target_named(target))
        for size in (0, 5, 16, 67):
            x = draw(size, size, dtype="f32")
            b, c, w, total = library({"n": size}, x, place=s.guarded())
            assert np.array_equal(b, x > 0) and c == (x > 0).sum() and np.array_equal(w, x.astype(float))
            close(total, w.sum(), np.abs(w).sum(), "f64", 16)


def test_several_results_of_one_nest_and_a_scalar_factor() -> None:
    body = (load("x", i, j), load("w", i), apply("mul", 0, 1), load("c"), apply("mul", 2, 3), apply("add", 2, 0))
    writes = (Write("p", (i, j), 4), Write("r", (i,), 4, "add"), Write("q", (i,), 5, "max"))
    statement = nest([over("i", n), over("j", m)], body, *writes, reduced="j", vector="j")
    results = [result("p", n, m), result("r", n), result("q", n)]
    library = s.Library(plan_of([argument("x", n, m), argument("w", n), argument("c")], results, statement))
    x, w = draw(1, 13, 67), draw(2, 13)
    p, r, q = library({"n": 13, "m": 67}, x, w, 3.0, place=s.guarded())
    assert np.array_equal(p, x * w[:, None] * 3.0) and np.array_equal(q, (x * w[:, None] + x).max(axis=1))
    close(r, p.astype(np.longdouble).sum(axis=1), np.abs(p).sum(axis=1), "f64", 20)


@pytest.mark.parametrize("factors", [(), (("i", 1), ("j", 1)), (("i", 3),), (("i", 4), ("j", 2)), (("i", 2), ("j", 3))])
@pytest.mark.parametrize("vector", ("j", "k", ""))
def test_steps_done_at_once_change_no_bit(factors: Any, vector: str) -> None:
    def product_plan(unroll: Any) -> Plan:
        body = (load("a", i, k, dtype="f32"), load("b", j, k, dtype="f32"), apply("mul", 0, 1, dtype="f32"))
        axes = [over("i", n), over("j", m), over("k", d)]
        statement = nest(axes, body, Write("c", (i, j), 2, "add"), reduced="k", vector=vector, unroll=unroll)
        arguments = [argument("a", n, d, dtype="f32"), argument("b", m, d, dtype="f32")]
        return plan_of(arguments, [result("c", n, m, dtype="f32")], statement)

    reference, library = s.Library(product_plan((("i", 1),))), s.Library(product_plan(factors))
    for sizes in ((5, 7, 9), (13, 37, 70), (8, 16, 100)):
        a, b = draw(1, sizes[0], sizes[2], dtype="f32"), draw(2, sizes[1], sizes[2], dtype="f32")
        dims = dict(zip(("n", "m", "d"), sizes, strict=True))
        expected = reference(dims, a, b)[0]
        assert np.array_equal(library(dims, a, b, place=s.guarded())[0], expected)


# Streams


def logistic(dtype: str, block: int = 64, chunk: int = 4096) -> Plan:
    """Value and gradient of logistic regression in one pass."""
    row, rows = axis("row"), axis("rows")
    tiles = tuple(Buffer(name, dtype, (as_size(block),), "tile") for name in ("eta", "r"))
    parts = (Buffer("accE", "f64", (), "accumulator"), Buffer("accg", "f64", (d,), "accumulator"))
    x_entry = load("X", row.plus(i), j, dtype=dtype)
    dot = nest(
        [over("i", rows), over("j", d)],
        (x_entry, load("w", j, dtype=dtype), apply("mul", 0, 1, dtype=dtype)),
        Write("eta", (i,), 2, "add"),
        reduced="j",
        vector="j",
    )
    body = (
        load("eta", i, dtype=dtype),
        load("y", row.plus(i), dtype=dtype),
        apply("softplus", 0, dtype=dtype),
        apply("mul", 0, 1, dtype=dtype),
        apply("sub", 2, 3, dtype=dtype),
        apply("sigmoid", 0, dtype=dtype),
        apply("sub", 5, 1, dtype=dtype),
    )
    middle = nest(
        [over("i", rows)], body, Write("r", (i,), 6), Write("accE", (), 4, "add", True), reduced="i", vector="i"
    )
    gradient = nest(
        [over("j", d), over("i", rows)],
        (load("r", i, dtype=dtype), x_entry, apply("mul", 0, 1, dtype=dtype)),
        Write("accg", (j,), 2, "add", True),
        reduced="i",
        vector="j",
    )
    accumulators = (Accumulator(parts[0], "add", "E"), Accumulator(parts[1], "add", "g"))
    stream = Stream(n, "row", "rows", block, chunk)
    kernel = Kernel("logistic", stream, tiles, accumulators, (dot, middle, gradient))
    arguments = (argument("X", n, d, dtype=dtype), argument("y", n, dtype=dtype), argument("w", d, dtype=dtype))
    return Plan(
        "t_f", ("n", "d"), (), arguments, (result("E", dtype=dtype), result("g", d, dtype=dtype)), (), (kernel,)
    )


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("lengths", [(64, 4096), (8, 8), (16, 32)])
def test_logistic_regression_in_one_pass(dtype: str, lengths: tuple[int, int]) -> None:
    libraries = [s.Library(logistic(dtype, *lengths), s.target_named(target)) for target in TARGETS]
    for rows, columns in [(0, 3), (1, 1), (2, 7), (7, 2), (9, 64), (64, 16), (67, 31), (1000, 10), (333, 33)]:
        x, w = draw(rows, rows, columns, dtype=dtype), draw(columns, columns, dtype=dtype)
        y = (np.arange(rows) % 3 == 0).astype(s.NUMPY[dtype])
        found = [library({"n": rows, "d": columns}, x, y, w, place=s.guarded()) for library in libraries]
        assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))
        wide_x, wide_y, wide_w = long(x, y, w)
        eta = wide_x @ wide_w
        losses = np.logaddexp(np.longdouble(0), eta) - wide_y * eta
        residuals = 1 / (1 + np.exp(-eta)) - wide_y
        reach = (np.abs(wide_x) @ np.abs(wide_w) + 1) * 8
        close(found[0][0], losses.sum(), (np.abs(losses) + reach).sum(), dtype)
        close(found[0][1], wide_x.T @ residuals, np.abs(wide_x).T @ reach, dtype)


@pytest.mark.parametrize("combine", ("add", "mul", "max", "min"))
@pytest.mark.parametrize("dtype", FLOATS)
def test_chunks_are_combined_by_the_stated_tree(combine: str, dtype: str) -> None:
    accumulated = "f64" if combine in ("add", "mul") else dtype
    row, rows = axis("row"), axis("rows")
    parts = Buffer("acc", accumulated, (d,), "accumulator")
    statement = nest(
        [over("j", d), over("i", rows)],
        (load("x", row.plus(i), j, dtype=dtype),),
        Write("acc", (j,), 0, combine, True),
        reduced="i",
        vector="j",
    )
    stream = Stream(n, "row", "rows", 4, 8)
    kernel = Kernel("k", stream, (), (Accumulator(parts, combine, "r"),), (statement,))
    plan = Plan(
        "t_f", ("n", "d"), (), (argument("x", n, d, dtype=dtype),), (result("r", d, dtype=dtype),), (), (kernel,)
    )
    library = s.Library(plan)
    step = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}[combine]
    start = {"add": 0.0, "mul": 1.0, "max": -np.inf, "min": np.inf}[combine]
    for size in (0, 1, 7, 8, 9, 100, 511, 513, 1000):
        x = draw(size, size, 5, dtype=dtype) * s.NUMPY[dtype](0.05) + s.NUMPY[dtype](1.0)
        length = chunk_length(size, stream, chunk_limit(5 * np.dtype(s.NUMPY[accumulated]).itemsize))
        partial = []
        for begin in range(0, max(size, 1), length):
            total = np.full(5, start, s.NUMPY[accumulated])
            for first in range(begin, min(begin + length, size), 4):
                block = np.full(5, start, s.NUMPY[dtype if combine == "add" else accumulated])
                for line in x[first : min(first + 4, begin + length, size)]:
                    block = step(block, line)
                total = step(total, block)
            partial.append(total)
        assert len(partial) <= MOST_CHUNKS
        stride = 1
        while stride < len(partial):
            for position in range(0, len(partial) - stride, 2 * stride):
                partial[position] = step(partial[position], partial[position + stride])
            stride *= 2
        assert np.array_equal(library({"n": size, "d": 5}, x)[0], partial[0].astype(s.NUMPY[dtype]))


# Loops, checks, swaps


def cholesky() -> Plan:
    """L from A by columns: row j of the triangle, then column j, with a check of the pivot."""
    c = axis("c")
    here, below = (c, c), (c.plus(i).plus(at(1)), c)
    rest = at(n - 1).plus(c, constant(-1))
    pivot = nest(
        [over("k", c)], (load("L", c, k), apply("mul", 0, 0)), Write("s", (), 1, "add"), reduced="k", vector="k"
    )
    diagonal = nest([], (load("A", c, c), load("s"), apply("sub", 0, 1)), Write("s", (), 2))
    root = nest([], (load("s"), apply("sqrt", 0)), Write("L", here, 1))
    products = nest(
        [over("i", rest), over("k", c)],
        (load("L", c.plus(i).plus(at(1)), k), load("L", c, k), apply("mul", 0, 1)),
        Write("t", (i,), 2, "add"),
        reduced="k",
        vector="k",
    )
    column = nest(
        [over("i", rest)],
        (load("A", *below), load("t", i), apply("sub", 0, 1), load("L", *here), apply("div", 2, 3)),
        Write("L", below, 4),
        vector="i",
    )
    clear = nest([over("i", c)], (Constant(0.0, "f64"),), Write("L", (i, c), 0), vector="i")
    steps = (clear, pivot, diagonal, Check("s", (), 5, 12, c), root, products, column)
    workspace = (Buffer("s", "f64", (), "workspace"), Buffer("t", "f64", (n,), "workspace"))
    return plan_of([argument("A", n, n)], [result("L", n, n)], Loop("c", at(n), steps), workspace=workspace)


@pytest.mark.parametrize("target", TARGETS)
def test_cholesky_and_its_fault(target: str) -> None:
    library = s.Library(cholesky(), s.target_named(target))
    for size in (0, 1, 2, 9, 33):
        root = draw(size, size, size)
        a = root @ root.T + size * np.eye(size)
        (lower,) = library({"n": size}, a, place=s.guarded())
        assert np.allclose(lower, np.linalg.cholesky(a) if size else a, atol=1e-12 * max(size, 1))
    a = np.eye(6)
    a[3, 3] = -1.0
    library({"n": 6}, a, status=5)
    assert (library.fault.code, library.fault.line, library.fault.index) == (5, 12, 3)
    a[3, 3] = np.nan
    library({"n": 6}, a, status=5)


@pytest.mark.parametrize("reverse", (False, True))
def test_a_state_goes_through_a_loop(reverse: bool) -> None:
    t = axis("t")
    start = nest([over("i", m)], (Constant(0.0, "f64"),), Write("h", (i,), 0), vector="i")
    step = nest(
        [over("i", m)],
        (load("h", i), load("a"), apply("mul", 0, 1), load("x", t, i), apply("add", 2, 3)),
        Write("g", (i,), 4),
        Write("all", (t, i), 4),
        vector="i",
    )
    loop = Loop("t", at(n), (step, Swap("h", "g")), reverse)
    workspace = (Buffer("h", "f64", (m,), "workspace"), Buffer("g", "f64", (m,), "workspace"))
    results = [result("all", n, m)]
    library = s.Library(plan_of([argument("x", n, m), argument("a")], results, start, loop, workspace=workspace))
    for size in ((0, 4), (3, 0), (5, 3), (4, 33)):
        x = draw(1, *size)
        (found,) = library({"n": size[0], "m": size[1]}, x, 0.5, place=s.guarded())
        state, expected = np.zeros(size[1]), np.zeros(size)
        for time in reversed(range(size[0])) if reverse else range(size[0]):
            state = state * 0.5 + x[time]
            expected[time] = state
        assert np.array_equal(found, expected)


def test_nested_loops_with_a_triangular_extent() -> None:
    t, u = axis("t"), axis("u")
    add = nest([], (load("r"), load("x", t, u), apply("add", 0, 1)), Write("r", (), 2))
    clear = nest([], (Constant(0.0, "f64"),), Write("r", (), 0))
    loop = Loop("t", at(n), (Loop("u", t, (add,)),))
    library = s.Library(plan_of([argument("x", n, n)], [result("r")], clear, loop))
    x = np.round(draw(3, 9, 9) * 8)
    assert library({"n": 9}, x)[0] == np.tril(x, -1).sum()


# Sizes, workspace and faults


def test_bad_sizes_and_requirements() -> None:
    statement = nest([over("i", n)], (load("x", i),), Write("r", (i,), 0), vector="i")
    requirement = Requirement(m * 2, "<=", n, 17, "2*m <= n")
    plan = plan_of([argument("x", n)], [result("r", n)], statement, dims=("n", "m"), requirements=(requirement,))
    library = s.Library(plan)
    call = library.function
    fault = s.Fault()
    where = ctypes.addressof(fault)
    assert call(-3, 0, None, None, None, where) == 1
    assert (fault.code, fault.index, fault.name) == (1, -3, b"n")
    assert call(3, 2, None, None, None, where) == 3
    assert (fault.code, fault.line, fault.index, fault.bound, fault.name) == (3, 17, 4, 3, b"2*m <= n")
    assert call(3, 2, None, None, None, None) == 3
    assert call(2**61, 2, None, None, None, where) == 1
    assert call(0, 0, None, None, None, where) == 0


def test_workspace_sizes() -> None:
    big = Buffer("b", "f64", (n, m), "workspace")
    first = nest([over("i", n), over("j", m)], (load("x", i),), Write("b", (i, j), 0), vector="j")
    second = nest([over("i", n), over("j", m)], (load("b", i, j),), Write("r", (i,), 0, "add"), reduced="j", vector="j")
    plan = plan_of([argument("x", n)], [result("r", n)], first, second, dims=("n", "m"), workspace=(big,))
    library = s.Library(plan)
    needed = library.workspace(10, 20)
    assert 1600 <= needed <= 1600 + 192
    assert library.workspace(0, 0) == 0
    for sizes in ((2**40, 2**40), (-1, 2), (2**62, 1)):
        assert library.workspace(*sizes) == 2**64 - 1
    assert library.function(2**29, 2**29, None, None, None, None) in (1, 2)
    x, r = draw(1, 10), np.zeros(10)
    memory = s.guarded()((needed,), np.uint8)
    for start in (memory, None):
        r[:] = 0
        status = library.function(
            10, 20, x.ctypes.data, r.ctypes.data, start.ctypes.data if start is not None else None, None
        )
        assert status == 0
        close(r, 20 * x, 20 * np.abs(x), "f64", 20)


def test_sizes_with_quotients_and_bounds() -> None:
    half = floordiv(n, constant(2))
    statement = nest([over("i", half)], (load("x", i.plus(at(n - half))),), Write("r", (i,), 0), vector="i")
    library = s.Library(plan_of([argument("x", n)], [result("r", half)], statement))
    for size in (0, 1, 7, 33):
        x = draw(size, size)
        assert np.array_equal(library({"n": size}, x, place=s.guarded())[0], x[size - size // 2 :])


# The module


def symbols(obj: bytes) -> dict[str, tuple[bool, bool]]:
    """Name to (defined, global) of an ELF object's symbols."""
    (sections_at,) = struct.unpack_from("<Q", obj, 0x28)
    size, count = struct.unpack_from("<HH", obj, 0x3A)
    found = {}
    headers = [struct.unpack_from("<IIQQQQIIQQ", obj, sections_at + size * number) for number in range(count)]
    for _, kind, _, _, offset, length, link, _, _, _ in headers:
        for entry in range(offset, offset + length, 24) if kind == 2 else ():
            name, info, _, section = struct.unpack_from("<IBBH", obj, entry)
            start = headers[link][4] + name
            found[obj[start : obj.index(b"\0", start)].decode()] = (section != 0, info >> 4 == 1)
    return found


@pytest.mark.parametrize("target", TARGETS)
def test_symbols(target: str) -> None:
    plans = [logistic("f64"), cholesky()]
    for plan in plans:
        table = symbols(s.object_code(plan, s.target_named(target)))
        undefined = {name for name, (defined, _) in table.items() if not defined and name}
        shown = {name for name, (defined, is_global) in table.items() if defined and is_global}
        assert undefined <= IMPORTED_SYMBOLS
        assert shown == set(exported_symbols("t", [plan]))


def test_the_same_plan_gives_the_same_text() -> None:
    first, second = (lower_plans("t", [logistic("f64")], 1, 2, host_target()) for _ in range(2))
    assert first == second


def test_library_functions() -> None:
    library = s.Library(square_plus("f64"))

    def function(name: str, kind: Any, *arguments: Any) -> Any:
        return ctypes.CFUNCTYPE(kind, *arguments)(library.engine.get_function_address(name))

    assert function("t_build_id", ctypes.c_uint64)() == 7
    assert function("t_abi_hash", ctypes.c_uint64)() == 9
    assert function("t_set_num_threads", ctypes.c_int, ctypes.c_int)(4) == 0
    status = function("t_status", ctypes.c_char_p, ctypes.c_int)
    assert status(0) == b"ok" and status(5) == b"a matrix is not positive definite"
    assert status(99) == status(-1) == b"unknown status"


def test_other_systems_get_objects() -> None:
    from exprc.lower import named_target

    target = named_target(triple="aarch64-unknown-linux-gnu")
    assert s.object_code(logistic("f64"), target)[:4] == b"\x7fELF"
    assert "fmla" in assembly(lower_plans("t", [logistic("f32")], 1, 2, target), target)


def test_a_processor_that_lacks_a_feature_gets_a_status() -> None:
    from exprc.lower import needed_features

    host = host_target()
    if not host.is_x86 or "avx512fp16" in needed_features(host):
        pytest.skip("needs an x86 processor without avx512fp16")
    assert {"avx2", "fma"} <= set(needed_features(host))
    assert "fma" in needed_features(s.target_named("x86-64-v3"))
    library = s.Library(square_plus("f64"), host._replace(features=host.features.replace("-avx512fp16", "+avx512fp16")))
    fault = s.Fault()
    for _ in range(2):
        assert library.function(0, None, None, None, ctypes.addressof(fault)) == 6
        assert fault.code == 6 and library.workspace(0) == 2**64 - 1
    threads = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(library.engine.get_function_address("t_set_num_threads"))
    assert threads(1) == 6


def test_processors_without_fused_multiply_add_are_a_known_limit() -> None:
    from exprc.diagnostics import KnownLimit
    from exprc.lower import named_target

    with pytest.raises(KnownLimit):
        named_target("x86-64-v2")


def test_a_nest_whose_lanes_meet_is_refused() -> None:
    statement = nest([over("i", n)], (load("x", i),), Write("r", (), 0), vector="i")
    with pytest.raises(InternalError, match="lanes meet"):
        lower_plans("t", [plan_of([argument("x", n)], [result("r")], statement)], 1, 2, host_target())
