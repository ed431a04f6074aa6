"""Kernels as text, verified, and interpreted: the interpreter gives the bits of the compiled code."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kernel_support import (
    CHOOSING,
    LOGISTIC,
    ORDINARY,
    PROGRAMS,
    SMALL,
    SOFTMAX,
    as_f32,
    draw_arguments,
    gradient_plan,
    plans_of,
    same_bits,
)
from lower_support import Library, argument, at, d, guarded, i, load, n, nest, over, plan_of, result, target_named

from exprc.diagnostics import InternalError
from exprc.ir.index import Affine, Quotient, axis
from exprc.ir.sizes import as_size, constant, dim, floordiv, maximum, minimum
from exprc.ops import TABLE
from exprc.schedule.interpret import Fault, interpret
from exprc.schedule.kernel import (
    Apply,
    Constant,
    IndexValue,
    Kernel,
    Plan,
    Requirement,
    Write,
    chunk_length,
    chunk_limit,
)
from exprc.schedule.read import ReadError, read_plan
from exprc.schedule.show import show_affine, show_plan
from exprc.schedule.sums import by_halves
from exprc.schedule.verify import verify_plan

ROOT = Path(__file__).resolve().parent.parent
FILES = [*sorted((ROOT / "examples").glob("*.expr")), *sorted((ROOT / "tests/programs/good").glob("*.expr"))]
EVERY = PROGRAMS | CHOOSING | ORDINARY | SMALL
SIZES = [(0, 3), (1, 1), (2, 2), (7, 5), (31, 2), (32, 7), (33, 1), (64, 3), (67, 33), (3, 0)]


# ---- the text form


def text_of_every_part() -> str:
    """A plan that uses each form once; it is sound, and runs."""
    return """plan every_part(n, d)
  require {n} <= {d + n} at line 3 "n <= \\"n\\" + d"
  argument x : f64[n, d]
  argument flags : bool[n]
  result r : f64[n]
  result q : i64[2*n + 1, min(d, n)]
  result e : f32
  result low : f64[n, n]
  workspace w : f64[d]
  workspace state : f64
  workspace next : f64
  kernel sums over {n}: rows from row, blocks of 32, chunks of 64
    tile t : f64[32]
    accumulator total : f64 add into e
    accumulator most : f64[d] max into w
    nest i < rows; j < {d} (reduced, vector), panel 256, unroll i by 4
      %0 = load x[row + i, j] : f64
      %1 = constant -1.5 : f64
      %2 = mul %0 %1 : f64
      t[i] = add %2
    nest i < rows (reduced, vector)
      %0 = load t[i] : f64
      %1 = cast["f32"] %0 : f32
      total[] <- add %1
      r[row + i] = %0
    loop column < {d}: columns in blocks of 2
      nest i < rows; j < columns (reduced, vector)
        %0 = load x[row + i, column + j] where 0 <= column + j < {d} : f64
        %1 = holds where 0 <= j - 1 < {d} : bool
        %2 = constant 0.0 : f64
        %3 = where %1 %0 %2 : f64
        t[i] <- add %3
    nest j < {d} (vector); i < rows (reduced)
      %0 = load x[row + i, -j + {d - 1}] : f64
      most[j] <- max %0
  kernel rest
    nest a < {2*n + 1}; b < {min(d, n)} (vector)
      %0 = index 2*a + {n}*b + floor((a + 3) / 2) - 1 : i64
      %1 = constant 7 : i64
      %2 = load flags[a - 1] where 0 <= a - 1 < {n} and 0 <= a < {2*n} step 2 : bool
      %3 = cast["i64"] %2 : i64
      %4 = mul %1 %3 : i64
      %5 = add %0 %4 : i64
      q[a, b] = %5
    nest
      %0 = constant 1.0 : f64
      state[] = %0
    loop k < {n}
      loop l < k + 1 downwards
        nest
          %0 = load state[] : f64
          %1 = load flags[l] : bool
          %2 = constant 0.5 : f64
          %3 = where %1 %2 %0 : f64
          next[] = %3
        copy state <- next
        check state[] > 0 else fault 5 at line 12 index l
      nest i < k + 1 (vector)
        %0 = load state[] : f64
        low[k, i] = %0
      nest i < -k + {n - 1} (vector)
        %0 = constant 0.0 : f64
        low[k, i + k + 1] = %0
"""


def test_every_form_is_read_back_verified_and_run() -> None:
    text = text_of_every_part()
    plan = read_plan(text)
    assert show_plan(plan) == text
    verify_plan(plan)
    x = np.random.default_rng(1).standard_normal((5, 3))
    found = interpret(plan, {"x": x, "flags": np.array([0, 1, 1, 0, 0], bool)}, {"n": 5, "d": 3})
    a, b = np.arange(11)[:, None], np.arange(3)
    expected = 2 * a + 5 * b + (a + 3) // 2 - 1 + np.where(a == 2, 7, 0)
    assert np.array_equal(found["q"], expected)
    np.testing.assert_allclose(found["r"], -1.5 * x.sum(axis=1), rtol=1e-14)
    assert found["e"] == pytest.approx(-1.5 * x.sum(), rel=1e-6) and found["e"].dtype == np.float32
    assert np.array_equal(found["low"], np.tril(np.ones((5, 5))) * np.array([1, 0.5, 0.5, 0.5, 0.5])[:, None])


@pytest.mark.parametrize("name", EVERY)
def test_plans_of_programs_are_read_back(name: str) -> None:
    for plan in plans_of(EVERY[name]):
        text = show_plan(plan)
        again = read_plan(text)
        assert again == plan and show_plan(again) == text


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_plans_of_files_are_read_back(path: Path) -> None:
    for plan in plans_of(path.read_text()):
        assert read_plan(show_plan(plan)) == plan
        verify_plan(plan)


def test_every_number_is_read_back() -> None:
    values = [0.0, -0.0, 1e-300, 0.1, float("inf"), float("-inf"), 5e-324, 1e22, -3.5, 2.0**60]
    body = [*(Constant(value, "f64") for value in values), Constant(float("nan"), "f64")]
    body += [Constant(-7, "i64"), Constant(2**63 - 1, "i64"), Constant(True, "bool"), Constant(3, "f32")]
    plan = plan_of([], [result("r")], nest([], body, Write("r", (), 0)))
    found = read_plan(show_plan(plan)).kernels[0].body[0].body
    assert [repr(a.value) for a in found] == [repr(b.value) for b in body]
    assert [a.dtype for a in found] == [b.dtype for b in body]


def draw_size(generator: Any) -> Any:
    one, two = (as_size(str(name)) for name in generator.choice(["n", "d", "row", "min", "floor"], 2))
    number = int(generator.integers(-3, 4))
    forms = [one, one * two + number, one * -2, minimum(one, two * 3), maximum(one * one, two)]
    return [constant(number), floordiv(one + 1, two + 2), *forms][generator.integers(7)]


def draw_affine(generator: Any, depth: int = 2) -> Affine:
    total = Affine((), draw_size(generator))
    for _ in range(generator.integers(4)):
        variable: Any = str(generator.choice(["i", "n", "floor", "row", "step"]))
        if depth and generator.integers(3) == 0:
            variable = Quotient(draw_affine(generator, depth - 1), draw_size(generator))
        total = total.plus(axis(variable), draw_size(generator))
    return total


def test_every_index_expression_is_read_back() -> None:
    """Variables and sizes may have the same names, those of words too."""
    generator = np.random.default_rng(0)
    for _ in range(300):
        affine = draw_affine(generator)
        plan = plan_of([], [result("r")], nest([], [IndexValue(affine)], Write("r", (affine,), 0)))
        assert read_plan(show_plan(plan)) == plan, show_affine(affine)


def test_deep_quotients_need_no_recursion() -> None:
    deep = axis("i")
    for _ in range(500):
        deep = axis(Quotient(deep.plus(at(1)), as_size("n")))
    text = show_affine(deep)
    plan = "plan p(n)\n  result r : f64\n  kernel k\n    nest\n      %0 = index " + text + " : i64\n      r[] = %0\n"
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(300)
    try:
        read = read_plan(plan).kernels[0].body[0].body[0].index
        shown = show_affine(read)
    finally:
        sys.setrecursionlimit(limit)
    assert shown == text


MALFORMED = {
    "no plan": ("plan every_part(n, d)", "part every_part(n, d)", 1, "expected plan"),
    "no name": ("argument x :", "argument 3 :", 3, "expected a name"),
    "no dtype": ("result e : f32", "result e : f16", 7, "no dtype: 'f16'"),
    "no space": ("workspace w : f64[d]", "memory w : f64[d]", 9, "expected a buffer, a kernel or a requirement"),
    "misplaced": ("  workspace w : f64[d]", "  tile w : f64[d]", 9, "a plan has no tile"),
    "shape": ("r : f64[n]", "r : f64[n", 5, "a shape without an end"),
    "size": ("over {n}:", "over n:", 12, "expected a number or a size in braces"),
    "statement": ("    loop k < {n}", "    while k < {n}", 48, "expected copy"),
    "operation": ("%2 = mul %0 %1", "%2 = multiply %0 %1", 19, "no operation: 'multiply'"),
    "numbering": ("%1 = constant -1.5", "%3 = constant -1.5", 18, "expected %1"),
    "constant": ("constant -1.5", "constant -x", 18, "expected a number, found x"),
    "mark": ("(reduced, vector), panel", "(reduced, wide), panel", 16, "an axis is reduced or vector"),
    "option": ("unroll i by 4", "unfold i by 4", 16, "expected unroll"),
    "quotient": ("floor((a + 3) / 2) - 1", "floor((a + 3 - 1", 38, "a quotient without an end"),
    "index": ("t[i] = add %2", "t[i = add %2", 20, "expected ,"),
    "symbol": ("x[row + i, j]", "x[row @ i, j]", 17, "no token of a plan"),
    "indentation": ("    copy state", "     copy state", 56, "an odd number of blanks"),
    "depth": ("      r[row + i]", "        r[row + i]", 25, "indented 4 times, not 3 times"),
    "further": ("copy state <- next", "copy state <- next next", 56, "expected the end of the line"),
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_text_names_the_line(name: str) -> None:
    old, new, line, message = MALFORMED[name]
    text = text_of_every_part()
    assert old in text
    with pytest.raises(ReadError) as caught:
        read_plan(text.replace(old, new, 1))
    assert str(caught.value).startswith(f"line {line}: ") and message in str(caught.value)


def test_a_text_that_ends_too_early() -> None:
    with pytest.raises(ReadError, match="the text ends too early"):
        read_plan("")
    with pytest.raises(ReadError, match=r"line 2: what does this line belong to\?"):
        read_plan("plan p()\nplan q()\n")


# ---- the verifier

# What is replaced in the text of every part, and what the verifier says and where.
MUTATIONS = {
    "buffer twice": ("  workspace w : f64[d]", "  workspace x : f64[d]", "x is declared twice"),
    "tile twice": ("tile t : f64[32]", "tile w : f64[32]", "sums: w is declared twice"),
    "buffer unknown": ("load t[i]", "load u[i]", "no buffer u"),
    "target unknown": ("add into e", "add into f", "total: no buffer f of the plan"),
    "target an argument": ("max into w", "max into x", "x is an argument"),
    "target's shape": ("most : f64[d]", "most : f64[n]", "w has another shape"),
    "accumulator's dtype": ("accumulator total : f64", "accumulator total : f32", "total: add into f32"),
    "accumulator's combine": ("f64 add into e", "f64 and into e", "and does not combine f64"),
    "dim unknown": ("x : f64[n, d]", "x : f64[n, m]", "x: no dim m"),
    "dim unknown in an index": ("{n}*b", "{m}*b", "rest, nest a < {2*n + 1}; b < {min(d, n)} (vector), %0: no dim m"),
    "dim twice": ("plan every_part(n, d)", "plan every_part(n, d, d)", "a dim is there twice"),
    "relation": ("{n} <= {d + n}", "{n} = {d + n}", "no relation of sizes: ="),
    "stream's names": ("rows from row", "row from row", "the variables of the stream have one name"),
    "block": ("blocks of 32", "blocks of 0", "blocks and chunks have rows"),
    "rank of a load": ("x[row + i, j]", "x[row + i]", "%0: x has 2 axes"),
    "rank of a write": ("r[row + i] =", "r[row, i] =", "r has 1 axes"),
    "dtype of a load": ("load t[i] : f64", "load t[i] : f32", "%0: t is f64, not f32"),
    "dtype of an operation": ("where %1 %2 %0 : f64", "where %1 %2 %0 : f32", "%3: where gives f64, not f32"),
    "operands of an operation": ("where %1 %2 %0", "where %0 %2 %1", "rest, nest, %3: where needs a bool condition"),
    "number of operands": ("%2 = mul %0 %1", "%2 = mul %0", "%2: mul"),
    "dtype of a write": ("r[row + i] = %0", "r[row + i] = %1", "f32 into f64"),
    "operand to come": ("%2 = mul %0 %1", "%2 = mul %0 %2", "%2: an operand is not before it"),
    "value to come": ("t[i] = add %2", "t[i] = add %3", "`t[i] = add %3`: no such instruction"),
    "guard's variable": ("0 <= a - 1 <", "0 <= c - 1 <", "%2: no variable c"),
    "argument written": ("r[row + i] =", "x[row + i, row] =", "arguments are read only"),
    "tile read too early": ("%0 = load x[row + i, j] : f64", "%0 = load t[i] : f64", "%0: nothing wrote t before"),
    "workspace read too early": ("x[row + i, -j + {d - 1}]", "w[j]", "%0: nothing wrote w before"),
    "accumulator read": ("%1 = cast", "%1 = load total[] : f64\n      %2 = cast",
                         "is read before all chunks are combined"),
    "state read too early": ("state[] = %0\n", "next[] = %0\n    check state[] > 0 else fault 1 at line 1 index 0\n",
                             "nothing wrote state before"),
    "result never written": ("      r[row + i] = %0\n", "", "every_part: nothing writes r"),
    "reduced axes first": ("i < rows; j < {d} (reduced, vector)", "i < rows (reduced); j < {d} (vector)", "not last"),
    "vector axis misplaced": ("a < {2*n + 1}; b < {min(d, n)} (vector)", "a < {2*n + 1} (vector); b < {min(d, n)}",
                              "the vector axis is not the last of its part"),
    "unrolled over a reduced axis": ("unroll i by 4", "unroll j by 4", "unrolled 4 times over j"),
    "panel": ("panel 256", "panel 0", "a panel without additions"),
    "variable unknown": ("l < k + 1", "l < m + 1", "loop l < m + 1 downwards: no variable m"),
    "variable of another nest": ("copy state <- next", "check low[k, i] > 0 else fault 5 at line 1 index l",
                                 "no variable i"),
    "variable twice": ("loop l < k + 1", "loop k < k + 1", "k is the name of two variables"),
    "axis named as a loop": ("nest i < k + 1 (vector)", "nest k < k + 1 (vector)", "k is the name of two variables"),
    "axis twice": ("i < rows; j < {d} (reduced, vector)", "i < rows; i < {d} (reduced, vector)", "two variables"),
    "extent of a neighbour": ("a < {2*n + 1}; b < {min(d, n)}", "a < {2*n + 1}; b < a", "extent of b: no variable a"),
    "accumulates without an accumulator": ("t[i] = add", "t[i] <- add", "nothing wrote t before"),
    "accumulator replaced": ("total[] <- add", "total[] = add", "replaces what an accumulator holds"),
    "accumulates otherwise": ("most[j] <- max", "most[j] <- min", "`most[j] <- min %0`: not max"),
    "combine of another dtype": ("t[i] = add %2", "t[i] = or %2", "or does not combine f64"),
    "combine without accumulate": ("most[j] <- max", "most[j] <- %0\n      most[0] <- max",
                                   "accumulates without combining"),
    "reduced axis in an index": ("t[i] = add", "t[i + j] = add", "the index uses an axis that is reduced"),
    "several points, one entry": ("q[a, b] =", "q[a, a] =", "several points write one entry"),
    "all blocks, one entry": ("r[row + i] =", "r[i] =", "all blocks write one entry"),
    "entry twice": ("q[a, b] = %5", "q[a, b] = %5\n      q[a, b] = %0", "an entry is written twice"),
    "nothing written": ("      q[a, b] = %5\n", "", "nothing is written"),
    "literal": ("constant 7 : i64", "constant 7.0 : i64", "%1: 7.0 is no i64"),
    "float literal": ("constant 0.5 : f64", "constant true : f64", "%2: True is no f64"),
    "index of another dtype": ("- 1 : i64", "- 1 : f64", "%0: an index is no f64"),
    "copy of another type": ("copy state <- next", "copy state <- w", "copy state <- w: the types differ"),
    "copy into an argument": ("copy state <- next", "copy x <- x", "a copy into an argument"),
    "check of a flag": ("check state[]", "check flags[l]", "only floats are checked"),
    "operation that is none": ("%2 = mul %0 %1", "%2 = sum %0 %1", "%2: sum is not elementwise"),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_plan_is_noticed(name: str) -> None:
    old, new, message = MUTATIONS[name]
    text = text_of_every_part()
    assert old in text
    with pytest.raises(InternalError) as caught:
        verify_plan(read_plan(text.replace(old, new, 1)))
    assert message in str(caught.value) and str(caught.value).startswith("every_part")


# What only values tell: the interpreter notices.
FAULTY = {
    "a row too far": ("load x[row + i, j]", "load x[row + i + 1, j]", "index 0 of x"),
    "a column before the first": ("{d - 1}", "{d - 2}", "index 1 of x[5, 3] reaches -1 to 1"),
    "a write too far": ("low[k, i + k + 1]", "low[k, i + k + 2]", "index 1 of low"),
    "an entry twice": ("r[row + i] =", "r[row + floor((i) / 2)] =", "writes an entry twice"),
    "not all written": ("nest i < -k + {n - 1} (vector)", "nest i < -k + {n - 2} (vector)", "nothing wrote all of low"),
    "an entry that nothing wrote": ("load state[] : f64\n        low[k, i]", "load low[k, i] : f64\n        low[k, i]",
                                    "an entry of low is read that nothing wrote before"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTY)
def test_the_interpreter_notices_what_values_tell(name: str) -> None:
    old, new, message = FAULTY[name]
    text = text_of_every_part()
    assert old in text
    plan = read_plan(text.replace(old, new, 1))
    given = {"x": np.ones((5, 3)), "flags": np.zeros(5, bool)}
    with pytest.raises(InternalError) as caught:
        interpret(plan, given, {"n": 5, "d": 3})
    assert message in str(caught.value) and "every_part" in str(caught.value)


def test_a_nest_reads_nothing_that_it_writes_elsewhere() -> None:
    text = """plan p(n)
  argument x : f64[n]
  result r : f64[n]
  kernel k
    nest i < {n} (vector)
      %0 = load x[i] : f64
      r[i] = %0
    nest i < {n} (vector)
      %0 = load r[i] : f64
      r[i] = %0
"""
    x = np.arange(5.0)
    assert np.array_equal(interpret(read_plan(text), {"x": x}, {"n": 5})["r"], x)
    with pytest.raises(InternalError, match="entries of r are read and written at different points"):
        interpret(read_plan(text.replace("load r[i]", "load r[-i + {n - 1}]")), {"x": x}, {"n": 5})


def test_a_block_reads_nothing_of_another_block() -> None:
    """Blocks may run at the same time."""
    text = """plan p(n)
  argument x : f64[n]
  result r : f64[n]
  workspace w : f64[n]
  kernel k over {n}: rows from row, blocks of 4, chunks of 8
    nest i < rows (vector)
      %0 = load x[row + i] : f64
      w[row + i] = %0
    nest i < rows (vector)
      %0 = load w[row + i] where 0 <= row + i < {n} : f64
      r[row + i] = %0
"""
    plan = read_plan(text)
    x = np.arange(11.0)
    assert np.array_equal(interpret(plan, {"x": x}, {"n": 11})["r"], x)
    broken = read_plan(text.replace("load w[row + i] where 0 <= row + i", "load w[row + i - 1] where 0 <= row + i - 1"))
    verify_plan(broken)
    with pytest.raises(InternalError, match="an entry of w is read that nothing wrote before"):
        interpret(broken, {"x": x}, {"n": 11})


# ---- the interpreter against the compiled code


def expect_same_bits(plan: Plan, libraries: list[Library], dims: dict[str, int]) -> None:
    """Interpreted and compiled for several machines: the same results, or the same fault."""
    dims = {name: dims[name] for name in plan.dims}
    given = draw_arguments(plan, dims)
    try:
        expected, status = interpret(plan, given, dims), 0
    except Fault as fault:
        expected, status = {}, fault.code
    for library in libraries:
        found = library(dims, *given.values(), place=guarded(), status=status)
        for buffer, array in zip(plan.results, found, strict=True):
            assert status or same_bits(expected[buffer.name], array), (plan.symbol, buffer.name, dims)


def expect_program(text: str, sizes: list[dict[str, int]], *targets: str) -> None:
    for plan in plans_of(text):
        libraries = [Library(plan, target_named(target)) for target in targets]
        for dims in sizes:
            expect_same_bits(plan, libraries, dims)


def sizes_for(name: str) -> list[dict[str, int]]:
    """Some of the sizes for each program, in turn: all are there for many of them."""
    number = list(EVERY).index(name)
    chosen = [SIZES[(number + step) % len(SIZES)] for step in (0, 3, 6, 8)]
    if name in CHOOSING or name in ORDINARY:
        chosen = [size for size in chosen if min(size) > 0]
    if name in SMALL:
        chosen = [(1, 1), (2, 3), (9, 2)]
    return [{"n": rows, "d": columns, "k": 3} for rows, columns in chosen]


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("dtype", ("f64", "f32"))
def test_interpreted_and_compiled_are_the_same_bits(name: str, dtype: str) -> None:
    text = EVERY[name] if dtype == "f64" else as_f32(EVERY[name])
    target = ("native", "x86-64-v3")[(list(EVERY).index(name) + (dtype == "f32")) % 2]
    expect_program(text, sizes_for(name), target)


CHUNKED = {
    "logistic_regression": 3 * 1024 + 37, "softmax_regression": 2 * 1024 + 5, "extremes": 2 * 1024 + 33,
    "pads": 3 * 1024, "one_axis": 2 * 16384 + 1025, "bools": 16384 + 1, "long_body": 2 * 1024 + 1023,
}  # fmt: skip


@pytest.mark.parametrize("name", CHUNKED)
@pytest.mark.parametrize("dtype", ("f64", "f32"))
def test_many_chunks_are_the_same_bits(name: str, dtype: str) -> None:
    text = EVERY[name] if dtype == "f64" else as_f32(EVERY[name])
    expect_program(text, [{"n": CHUNKED[name], "d": 2, "k": 2}], "native", "x86-64-v3")


@pytest.mark.parametrize("dtype", ("f64", "f32"))
@pytest.mark.parametrize("vector", ("j", "i", ""))
def test_panels_are_the_same_bits(dtype: str, vector: str) -> None:
    """A long reduced axis in lanes, beside lanes, and without lanes, with a panel's end within it."""
    body = (load("x", i, axis("j"), dtype=dtype),)
    axes = [over("i", n), over("j", d)]
    writes = (Write("s", (i,), 0, "add"), Write("m", (i,), 0, "max"), Write("p", (i,), 0, "mul"))
    statement = nest(axes, body, *writes, reduced="j", vector=vector, panel=5)
    results = [result(name, n, dtype=dtype) for name in "smp"]
    plan = plan_of([argument("x", n, d, dtype=dtype)], results, statement)
    libraries = [Library(plan, target_named(target)) for target in ("native", "x86-64-v3")]
    for rows, columns in ((3, 0), (5, 67), (9, 333)):
        expect_same_bits(plan, libraries, {"n": rows, "d": columns})


def test_faults_are_the_same() -> None:
    text = "dim n\ninput A : f64[n, n]\nL = cholesky(A)\noutput r = sum(L)\n"
    (plan,) = plans_of(text)
    matrix = np.eye(4)
    matrix[2, 2] = -1.0
    with pytest.raises(Fault) as caught:
        interpret(plan, {"in_A": matrix}, {"n": 4})
    library = Library(plan)
    library({"n": 4}, matrix, status=caught.value.code)
    fault = library.fault
    assert (fault.code, fault.line, fault.index) == (caught.value.code, caught.value.line, caught.value.index)
    assert (fault.line, fault.index) == (3, 2)


def test_requirements_are_checked_on_entry() -> None:
    statement = nest([over("i", n)], [load("x", i)], Write("r", (i,), 0), vector="i")
    plan = plan_of([argument("x", n)], [result("r", n)], statement)
    plan = plan._replace(requirements=(Requirement(as_size(2), "<=", dim("n"), 8, "2 <= n"),))
    assert np.array_equal(interpret(plan, {"x": np.ones(2)}, {"n": 2})["r"], np.ones(2))
    with pytest.raises(Fault) as caught:
        interpret(plan, {"x": np.ones(1)}, {"n": 1})
    Library(plan)({"n": 1}, np.ones(1), status=caught.value.code)
    assert caught.value.line == 8


# ---- the order of sums, against a direct reading of the specification


def lanes_one_by_one(x: Any, lanes: int) -> float:
    """A sum in f64 lanes, entry by entry."""
    totals = [0.0] * lanes
    for position, entry in enumerate(x):
        totals[position % lanes] += float(entry)
    while len(totals) > 1:
        half = len(totals) // 2
        totals = [totals[k] + totals[k + half] for k in range(half)]
    return totals[0]


def test_a_sum_is_the_sum_of_sixteen_lanes() -> None:
    statement = nest([over("i", n)], [load("x", i)], Write("r", (), 0, "add"), reduced="i", vector="i")
    plan = plan_of([argument("x", n)], [result("r")], statement)
    for size in (0, 1, 15, 16, 17, 1000):
        x = np.random.default_rng(size).standard_normal(size)
        assert interpret(plan, {"x": x}, {"n": size})["r"] == lanes_one_by_one(x, 16)


def test_chunks_meet_in_a_tree() -> None:
    (plan,) = plans_of("dim n\ninput x : f64[n]\noutput s = sum(x)\n")
    stream = plan.kernels[0].stream
    assert stream is not None
    extent = 4 * stream.chunk + 5
    length = chunk_length(extent, stream, chunk_limit(8))
    x = np.random.default_rng(0).standard_normal(extent)
    sums = []
    for begin in range(0, extent, length):
        chunk = x[begin : begin + length]
        blocks = [chunk[first : first + stream.block] for first in range(0, len(chunk), stream.block)]
        sums.append(sum(lanes_one_by_one(block, 16) for block in blocks))
    assert len(sums) == 5
    expected = ((sums[0] + sums[1]) + (sums[2] + sums[3])) + sums[4]
    assert interpret(plan, {"in_x": x}, {"n": extent})["out_s"] == expected


def test_halves() -> None:
    lanes = np.array([1.0, 2.0, 4.0, 8.0]) * 2.0 ** np.array([0, 60, 0, 0])
    assert by_halves("add", lanes) == (1.0 + 4.0) + (2.0**61 + 8.0)


FUSED = -(2.0**-80)
PRODUCTS = {
    "in lanes": ("i", (), FUSED),
    "one after another": ("", (), FUSED),
    "used twice": ("i", (Write("q", (i,), 2),), 0.0),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_product_that_is_only_summed_is_not_rounded_first(name: str) -> None:
    """-1 + (1 + e)(1 - e) is zero where the product is rounded; both are in one lane."""
    vector, further, expected = PRODUCTS[name]
    body = (load("x", i), load("y", i), Apply(TABLE["mul"], (), (0, 1), "f64"))
    writes = (Write("r", (), 2, "add"), *further)
    statement = nest([over("i", n)], body, *writes, reduced="i", vector=vector)
    results = [result("r"), result("q", n)][: len(writes)]
    plan = plan_of([argument("x", n), argument("y", n)], results, statement)
    x, y = np.zeros(17), np.zeros(17)
    x[[0, 16]], y[[0, 16]] = (1.0, 1 + 2.0**-40), (-1.0, 1 - 2.0**-40)
    assert interpret(plan, {"x": x, "y": y}, {"n": 17})["r"] == expected


def test_verification_of_an_empty_kernel_and_of_programs_with_sizes_alone() -> None:
    plan = plan_of([], [result("r")], nest([], [Constant(1.0, "f64")], Write("r", (), 0)))
    verify_plan(plan)
    assert interpret(plan, {}, {})["r"] == 1.0
    verify_plan(plan._replace(kernels=(*plan.kernels, Kernel("empty", None, (), (), ()))))


def test_gradients_of_logistic_and_softmax_regression_are_those_of_numpy() -> None:
    """The interpreter, not only the compiled code, computes what the program says."""
    for text, sizes in ((LOGISTIC, {"n": 40, "d": 5}), (SOFTMAX, {"n": 40, "d": 5, "k": 3})):
        plan = gradient_plan(text)
        given = draw_arguments(plan, sizes)
        found = interpret(plan, given, {name: sizes[name] for name in plan.dims})
        X = given["in_X"]
        if "in_w" in given:
            mu = 1 / (1 + np.exp(-(X @ given["in_w"])))
            expected = X.T @ (mu - given["in_y"])
            np.testing.assert_allclose(found["out_grad_w"], expected, rtol=1e-12)
        else:
            scores = np.exp(X @ given["in_W"])
            share = scores / scores.sum(axis=1, keepdims=True)
            np.testing.assert_allclose(found["out_grad_W"], X.T @ (share - np.eye(3)[given["in_t"]]), atol=1e-12)
