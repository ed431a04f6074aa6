"""Long and deep programs: right, and linear in what is made of them.  Counts, no times; a tenth of the full sizes.

The full sizes and the times are `benchmarks/compile_time.py`'s.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from long_programs import PROGRAMS, LongProgram
from support import build

from exprc import driver
from exprc.cli.main import run
from exprc.driver.compilation import Compilation
from exprc.driver.pipeline import run_stages
from exprc.ir.node import toposort
from exprc.schedule.kernel import Nest
from exprc.source import Source

MOST_LINES = 6000  # of an LLVM function: code generation is superlinear in them
MOST_TEXT = 200_000
every_program = pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)


def compiled(text: str, last: str = "lower") -> Compilation:
    return run_stages(Source("long.expr", text), driver.Options(name="long"), last)


@every_program
def test_values_and_gradients(program: LongProgram, tmp_path: Path) -> None:
    size = program.full // 10
    model = build(program.text(size), tmp_path)
    value, (derivative,) = model.E.value_and_grad(x=program.at)
    expected, slope = program.value(size, program.at)
    assert model.E(x=program.at) == value == pytest.approx(expected, rel=1e-11)
    assert float(derivative) == pytest.approx(slope, rel=1e-10)


@every_program
def test_reports_stay_bounded(program: LongProgram) -> None:
    source = Source("long.expr", program.text(2000))
    options = driver.Options(name="long", rewrites=True)
    formula = driver.grad(source, options)
    assert formula.startswith("dE/dx = ") and len(formula) < MOST_TEXT
    assert len(driver.check(source, options).text) < MOST_TEXT


def counts(program: LongProgram, size: int) -> dict[str, int]:
    """What a program of this size is made into."""
    state = compiled(program.text(size))
    (entry,) = state.entries
    statements = [statement for plan in state.plans for kernel in plan.kernels for statement in kernel.body]
    nests = [statement for statement in statements if isinstance(statement, Nest)]
    return {
        "nodes": len(toposort((entry.value, *entry.gradients))),
        "instructions": sum(len(nest.body) for nest in nests),
        "nests": len(nests),
        "lines": state.llvm.count("\n"),
        "longest function": max(function.count("\n") for function in state.llvm.split("\ndefine ")),
    }


@every_program
def test_what_is_made_is_linear_in_the_size(program: LongProgram) -> None:
    small, middle, large = (counts(program, size) for size in (400, 800, 1200))
    assert large.pop("longest function") < MOST_LINES
    for name in large:
        first, second = middle[name] - small[name], large[name] - middle[name]
        assert second <= 1.2 * first + 100, name


def test_long_programs_are_called_where_copies_would_be_too_much() -> None:
    (sines,) = [program for program in PROGRAMS if program.name == "sines"]
    once, often = (compiled(sines.text(size)).llvm for size in (3, 1000))
    assert "@exprc.sin.f64" not in once
    assert len(re.findall(r"define internal double @exprc\.\w+\.f64\(", often)) == 2  # sin and cos, once each
    assert often.count("\n") < 20 * 1000


def test_the_value_is_the_beginning_of_value_and_gradient() -> None:
    (program,) = [program for program in PROGRAMS if program.name == "definitions"]
    state = compiled(program.text(5000))
    value, both = (plan.kernels for plan in state.plans)
    assert value == both[: len(value)] and len(value) < len(both)
    assert len(re.findall(r"^define internal i32 @\w+\.kernel", state.llvm, flags=re.MULTILINE)) == len(both)


# ---- arrays

FORMS = ("a{k} = a{p} * 0.5 + x", "a{k} = a{p} - 0.25 * w", "a{k} = a{p} * w + 0.125", "a{k} = a{p} / 3 - x")


def chain(size: int) -> str:
    """Elementwise work on arrays, one definition after another."""
    lines = ["dim n", "input x : f64[n]", "param w : f64[n]", "a0 = x * w"]
    lines += [FORMS[k % 4].format(k=k, p=k - 1) for k in range(1, size)]
    return "\n".join([*lines, f"loss E = sum(a{size - 1})\n"])


def test_a_chain_of_arrays_is_one_pass_over_them(tmp_path: Path) -> None:
    size = 1000
    random = np.random.default_rng(0)
    x, w = random.normal(size=1500), random.uniform(-0.9, 0.9, size=1500)
    value, derivative = x * w, x.copy()
    for k in range(1, size):
        if k % 4 == 0:
            value, derivative = value * 0.5 + x, derivative * 0.5
        elif k % 4 == 1:
            value, derivative = value - 0.25 * w, derivative - 0.25
        elif k % 4 == 2:
            value, derivative = value * w + 0.125, derivative * w + value
        else:
            value, derivative = value / 3 - x, derivative / 3
    model = build(chain(size), tmp_path)
    found, gradient = model.E.value_and_grad(x=x, w=w)
    assert abs(found - value.sum()) <= 1e-12 * np.abs(value).sum()
    np.testing.assert_allclose(gradient.w, derivative, rtol=1e-11, atol=1e-13)
    plans = compiled(chain(size)).plans
    assert all(len(plan.kernels) == 1 and plan.kernels[0].stream is not None for plan in plans)
    rows = [tile.shape[0].constant or 0 for tile in plans[1].kernels[0].tiles]
    assert sum(8 * count for count in rows) <= 1 << 20  # they stay in the cache


# ---- odd files

LINE = 1_000_000
ODD = {
    "empty": (b"", 0, "L0107"),
    "a NUL byte": (b"param x : f64\nloss E = x\0\n", 1, "E0112"),
    "invalid UTF-8": (b"param x : f64\nloss E = x\xff\n", 1, "E0111"),
    "a comment": (b"param x : f64 # " + b"a" * LINE + b"\nloss E = x^2\n", 0, ""),
    "brackets": (b"param x : f64\nloss E = " + b"(" * (LINE // 2) + b"x" + b")" * (LINE // 2) + b"\n", 0, ""),
    "open brackets": (b"param x : f64\nloss E = " + b"(" * LINE + b"\n", 1, "E0102"),
    "digits": (b"param x : f64\nloss E = x + " + b"1" * LINE + b"\n", 1, "E0105"),
    "a string": (b'"' + b"a" * LINE + b"\n", 1, "E0109"),
    "keywords": (b"loss " * (LINE // 5) + b"\n", 1, "E0108"),
}


@pytest.mark.parametrize("content, status, code", ODD.values(), ids=ODD)
def test_odd_files(
    content: bytes, status: int, code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "odd.expr"
    path.write_bytes(content)
    assert run(["build", str(path), "-o", str(tmp_path)]) == status
    shown = capsys.readouterr().err
    assert code in shown
    assert len(shown) < MOST_TEXT


def test_a_function_has_as_many_arguments_and_results_as_the_limit_says(tmp_path: Path) -> None:
    """997 inputs, a param, the value and its gradient."""
    names = [f"x{i}" for i in range(997)]
    inputs = "".join(f"input {name} : f64\n" for name in names)
    model = build(f"{inputs}param w : f64\nloss E = w * ({' + '.join(names)})\n", tmp_path)
    found, gradient = model.E.value_and_grad(w=2.0, **dict.fromkeys(names, 3.0))
    assert (found, gradient.w) == (2 * 3 * 997, 3 * 997)
