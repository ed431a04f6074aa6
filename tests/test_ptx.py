"""Kernels on a GPU: the instructions that reach it, and, run here thread by thread, the bits that a CPU gives.

There is no GPU in the tests.  `ptx_support` runs the very IR from which the PTX comes, on this machine.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import lower_support as s
import numpy as np
import pytest
from lower_support import apply, argument, i, j, load, n, nest, over, plan_of, result
from ptx_support import Device, barriers, same_bits, without_barrier

from exprc.diagnostics import KnownLimit
from exprc.driver import Options
from exprc.driver.compilation import Compilation
from exprc.driver.gpu import check_ptx
from exprc.driver.pipeline import run_stages
from exprc.ir.op import ELEMENTWISE
from exprc.lower.ptx import lower_plan_ptx, ptx_text
from exprc.lower.ptx_launch import COMBINE, SUM, THREADS, kernel_launches, plan_launches
from exprc.ops import TABLE
from exprc.schedule.kernel import Check, Kernel, Plan, Swap, Write
from exprc.source import Source

FUSED = "dim n\ninput x : {t}[n]\ninput a : {t}\ninput b : {t}\noutput y = a * exp(x) + tanh(b * x)\n"
LOSS = "dim n\ninput x : {t}[n]\nparam w : {t}[n]\nloss E = sum(log(1 + exp(x)) * w)\n"
VARIANCE = "dim n\ninput x : {t}[n]\nparam m : {t}\nloss E = mean((x - m)^2)\noutput b = max(x)\noutput p = prod(x)\n"
PROGRAMS = {
    "fused f64": FUSED.format(t="f64"),
    "fused f32": FUSED.format(t="f32"),
    "loss f64": LOSS.format(t="f64"),
    "loss f32": LOSS.format(t="f32"),
    "variance f64": VARIANCE.format(t="f64"),
    "variance f32": VARIANCE.format(t="f32"),
    "rare f64": "dim n\ninput x : f64[n]\noutput y = sin(x) + lgamma(x) * digamma(x)\n",
    "rare f32": "dim n\ninput x : f32[n]\noutput y = log(x) * cos(x)\noutput z = trigamma(x)\n",
    "two passes": "dim n\ninput x : f64[n]\noutput l = logsumexp(x)\n",
    "integers": "dim n\ninput k : i64[n]\ninput q : i32[n]\noutput s = sum(k)\noutput t = sum(q)\noutput u = max(q)\n",
    "flags": "dim n\ninput x : f64[n]\noutput a = any(x > 2)\noutput c = sum(x > 0)\noutput f = x > 0\n",
    "neighbours": "dim n\nparam w : f64[n + 1]\nloss E = sum((w[1:] - w[:-1])^2)\n",
    "rows": "dim n, d\ninput X : f64[n, d]\ninput w : f64[d]\noutput Z = X * exp(w) + 1\noutput R = X'[::-1]\n",
    "product": "dim n, d, m\ninput A : f64[n, d]\ninput B : f64[d, m]\noutput C = A @ B\n",
    "product f32": "dim n, d, m\ninput A : f32[n, d]\ninput B : f32[d, m]\noutput C = A @ B\n",
}
CANARY = ("fused f64", "fused f32", "loss f64", "loss f32")
SIZES = (0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 67, 1000, 1023, 1024, 1025, 16384, 40000)
FEW_SIZES = (0, 1, 17, 1025)


@cache
def compiled(text: str) -> Compilation:
    return run_stages(Source("m.expr", text), Options(name="m"), "schedule")


@cache
def plans_of(name: str) -> tuple[Plan, ...]:
    return compiled(PROGRAMS[name]).plans


@cache
def ptx_of(name: str) -> str:
    return "\n".join(ptx_text(lower_plan_ptx(plan)) for plan in plans_of(name))


def draw(plan: Plan, dims: dict[str, int], seed: int = 0) -> list[Any]:
    random = np.random.default_rng(seed)
    shapes = [tuple(size.evaluate(dims) for size in buffer.shape) for buffer in plan.arguments]
    arrays = [random.standard_normal(shape) * 2 for shape in shapes]
    return [np.asarray(a, s.NUMPY[b.dtype]) for a, b in zip(arrays, plan.arguments, strict=True)]


def fits(plan: Plan, dims: dict[str, int]) -> bool:
    """Whether the sizes meet the plan's requirements, which are checked before anything is launched."""
    assert all(r.relation == "<=" for r in plan.requirements)
    return all(r.left.evaluate(dims) <= r.right.evaluate(dims) for r in plan.requirements)


def dims_of(plan: Plan, size: int) -> dict[str, int]:
    return {name: size if name == "n" else 5 for name in plan.dims}


# ---- what reaches the GPU

FLOAT = r"f(32|64)"
INTEGER = r"[su](16|32|64)"
BITS = r"b(8|16|32|64)"
COMPARE = "eq|ne|lt|le|gt|ge|equ|neu|ltu|leu|gtu|geu|num|nan|lo|ls|hi|hs"
ALLOWED = re.compile(
    "|".join(
        (
            rf"(add|sub|mul|fma|div|sqrt|rcp)\.rn\.{FLOAT}",
            rf"(abs|neg|copysign|max|min)\.{FLOAT}",
            rf"setp\.({COMPARE})\.({FLOAT}|{INTEGER}|{BITS})",
            rf"selp\.({FLOAT}|{INTEGER}|{BITS})",
            rf"cvt\.(rn|rz|rni|rzi|rmi|rpi)\.({FLOAT}|{INTEGER})\.({FLOAT}|{INTEGER})",
            rf"cvt\.({FLOAT}|{INTEGER})\.({FLOAT}|{INTEGER})",
            rf"(add|sub|div|rem|min|max|neg|abs)\.{INTEGER}",
            rf"(mul|mad)\.(lo|hi|wide)\.{INTEGER}",
            rf"(and|or|xor|not)\.({BITS}|pred)",
            rf"(shl|shr)\.({BITS}|{INTEGER})",
            r"shf\.[lr]\.(wrap|clamp)\.b32",
            rf"mov\.({FLOAT}|{INTEGER}|{BITS}|pred)",
            rf"ld\.(param|shared|global(\.nc)?)\.({FLOAT}|{INTEGER}|{BITS})",
            rf"st\.(shared|global)\.({FLOAT}|{INTEGER}|{BITS})",
            r"cvta\.(to\.)?(global|shared)\.u64",
            r"bra(\.uni)?|ret|bar\.sync",
        )
    )
)
OPCODE = re.compile(r"^\s*(?:@!?%p\d+\s+)?([a-z][a-z0-9_.:]*)[^;{}]*(?:\{[^}]*\}[^;]*)?;", re.M)


def opcodes(ptx: str) -> set[str]:
    """All instructions of a text; directives begin with a dot and are none."""
    return set(OPCODE.findall(re.sub(r"//.*", "", ptx)))


def assert_allowed(ptx: str) -> None:
    found = opcodes(ptx)
    assert "ret" in found
    assert not sorted(op for op in found if not ALLOWED.fullmatch(op))
    for banned in ("approx", ".full", ".ftz", "call", ".extern", ".local", "ex2", "lg2"):
        assert banned not in ptx, banned


@pytest.mark.parametrize("name", PROGRAMS)
def test_only_allowed_instructions(name: str) -> None:
    assert_allowed(ptx_of(name))


def test_the_list_knows_its_instructions() -> None:
    """What LLVM would make of a function or of a division with fast-math is seen, and not allowed."""
    lines = "ex2.approx.ftz.f32 \t%r1, %r2;", "@%p1 div.full.f32 %r1, %r2, %r3;", "{ .reg .b32 t; }", "call.uni f, (p);"
    assert opcodes("\n".join(lines)) == {"ex2.approx.ftz.f32", "div.full.f32", "call.uni"}
    for op in ("ex2.approx.f32", "div.full.f32", "sqrt.approx.f32", "rcp.approx.f64", "call.uni", "mul.f32", "sin.f32"):
        assert not ALLOWED.fullmatch(op)


@pytest.mark.parametrize("name", CANARY)
def test_fused_only_where_it_is_said(name: str) -> None:
    """As many fma in the PTX as in the IR: none is made of a product and a sum."""
    for plan in plans_of(name):
        ir = lower_plan_ptx(plan)
        made = len(re.findall(r"\bfma\.rn\.f", ptx_text(ir)))
        assert made == len(re.findall(r"call \w+ @llvm\.fma\.", ir)) > 0
        assert not re.findall(r"\b(fast|reassoc|contract|arcp|afn|nsz)\b", ir)


@pytest.mark.parametrize("dtype", ("f64", "f32"))
def test_every_elementwise_operation_reaches_the_gpu(dtype: str) -> None:
    """The example of each operation, in both float dtypes."""
    examples = {op.name: op.example for op in TABLE.values() if op.kind == ELEMENTWISE and not op.fault}
    assert len(examples) > 40
    for name, example in examples.items():
        plans = compiled(example.replace("; ", "\n").replace("f64", dtype) + "\n").plans
        assert plans, name
        for plan in plans:
            assert_allowed(ptx_text(lower_plan_ptx(plan)))


@pytest.mark.skipif(not shutil.which("ptxas"), reason="ptxas is not on the PATH")
@pytest.mark.parametrize("name", CANARY)
def test_ptxas_takes_it(name: str, tmp_path: Path) -> None:
    for position, plan in enumerate(plans_of(name)):
        file = tmp_path / f"{position}.ptx"
        file.write_text(ptx_text(lower_plan_ptx(plan)))
        command = ["ptxas", "-arch=sm_80", "-v", "-o", str(tmp_path / "out.cubin"), str(file)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "out.cubin").stat().st_size > 0
        assert "0 bytes spill" in done.stderr


@pytest.mark.parametrize("sm", (75, 90))
def test_other_gpus(sm: int) -> None:
    plan = plans_of("loss f32")[0]
    ptx = ptx_text(lower_plan_ptx(plan, sm), sm)
    assert f".target sm_{sm}" in ptx
    assert_allowed(ptx)


# ---- what it computes


@pytest.mark.parametrize("name", [name for name in PROGRAMS if "loss" not in name])
def test_the_bits_of_a_cpu(name: str) -> None:
    for plan in plans_of(name):
        cpu, gpu = s.Library(plan), Device(plan)
        sums = any(launch.form == SUM for launch in gpu.launches)
        for size in FEW_SIZES if sums else SIZES:
            dims = dims_of(plan, size)
            if not fits(plan, dims):
                continue
            arguments = draw(plan, dims, size)
            assert same_bits(gpu(dims, *arguments), cpu(dims, *arguments)), (plan.symbol, size)


@pytest.mark.parametrize("dtype", ("f64", "f32"))
def test_the_loss_of_each_size(dtype: str) -> None:
    plan = plans_of(f"loss {dtype}")[1]
    cpu, gpu = s.Library(plan), Device(plan)
    for size in SIZES:
        x, w = draw(plan, {"n": size}, size)
        value, gradient = gpu({"n": size}, x, w)
        assert same_bits((value, gradient), cpu({"n": size}, x, w)), size
        terms = np.logaddexp(np.longdouble(0), x.astype(np.longdouble)) * w
        epsilon = float(np.finfo(s.NUMPY[dtype]).eps)
        assert abs(value - terms.sum()) <= 4 * epsilon * np.abs(terms).sum()
        assert np.allclose(gradient, np.logaddexp(0, x.astype(np.float64)), rtol=4 * epsilon, atol=0)


@pytest.mark.parametrize("dtype", ("f64", "f32"))
def test_values_at_the_edges(dtype: str) -> None:
    (plan,) = plans_of(f"fused {dtype}")
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1000, -1000, 1e-310, 88.5, 709.7, -745.0], s.NUMPY[dtype])
    arguments = (x, s.NUMPY[dtype](1.5), s.NUMPY[dtype](-0.5))
    (y,) = Device(plan)({"n": len(x)}, *arguments)
    assert same_bits([y], s.Library(plan)({"n": len(x)}, *arguments))
    with np.errstate(all="ignore"):
        wide = x.astype(np.float64)
        expected = (1.5 * np.exp(wide) + np.tanh(-0.5 * wide)).astype(s.NUMPY[dtype])
    assert np.allclose(y, expected, rtol=8 * float(np.finfo(s.NUMPY[dtype]).eps), equal_nan=True)


def test_not_a_number_is_not_lost_in_a_maximum() -> None:
    plan = next(plan for plan in plans_of("variance f64") if plan.symbol == "m_b")
    for position in (0, 16, 999):
        (x,) = draw(plan, {"n": 1000})
        x[position] = np.nan
        assert np.isnan(Device(plan)({"n": 1000}, x)[0])


def short_rounds(name: str) -> Plan:
    """A plan whose chunks have several rounds of short blocks, so that little data has many of both."""
    plan = plans_of(name)[0]
    (kernel,) = plan.kernels
    assert kernel.stream is not None
    return plan._replace(kernels=(kernel._replace(stream=kernel.stream._replace(block=32, chunk=1024)),))


@pytest.mark.parametrize("name", ("loss f64", "loss f32"))
def test_several_rounds_and_the_tree_of_chunks(name: str) -> None:
    plan = short_rounds(name)
    cpu, gpu = s.Library(plan), Device(plan)
    for size in (1000, 4 * 1024 + 1):
        x, w = draw(plan, {"n": size}, size)
        arguments = x * 0, w - w.mean()  # what is left of this sum is mostly its roundings, which show every order
        expected = cpu({"n": size}, *arguments)
        for backwards in (False, True):
            assert same_bits(gpu({"n": size}, *arguments, backwards=backwards), expected)


# ---- barriers


def differs(plan: Plan, ir: str, form: str, dims: dict[str, int]) -> bool:
    """Whether a launch gives other partial results or another total with changed IR, in one order of threads."""
    launch = next(launch for launch in plan_launches(plan) if launch.form == form)
    found = []
    for device, backwards in ((Device(plan), False), (Device(plan, ir), False), (Device(plan, ir), True)):
        random = np.random.default_rng(3)
        memory = {b.name: random.standard_normal([z.evaluate(dims) for z in b.shape]) for b in launch.buffers}
        device.run(launch, dims, memory, backwards)
        found.append([memory[buffer.name] for buffer in launch.buffers])
    return not (same_bits(found[0], found[1]) and same_bits(found[0], found[2]))


@pytest.mark.parametrize("form", (SUM, COMBINE))
def test_no_barrier_is_too_many(form: str) -> None:
    plan = short_rounds("loss f64")
    ir = lower_plan_ptx(plan)
    in_sum = barriers(ir.partition(f"_{COMBINE}(")[0])
    assert in_sum == 6  # before each halving of 16 lanes, before and after the groups are added
    assert barriers(ir) == in_sum + 6  # before each doubling of the stride up to 64 chunks
    chosen = range(in_sum) if form == SUM else range(in_sum, barriers(ir))
    # One chunk of two rounds; as many chunks as there can be.
    dims = {"n": 1024 if form == SUM else 64 * 1024}
    assert not differs(plan, ir, form, dims)
    for number in chosen:
        assert differs(plan, without_barrier(ir, number), form, dims), number


@pytest.mark.parametrize("name", CANARY)
def test_all_threads_reach_every_barrier(name: str) -> None:
    for plan in plans_of(name):
        block, ir = "", lower_plan_ptx(plan)
        assert ptx_text(ir).count("bar.sync") == barriers(ir)
        for line in ir.splitlines():
            if line.endswith(":"):
                block = line
            assert not (".barrier." in line and block.startswith("then") and not block.endswith(".end:"))


# ---- launches


def test_a_launch_says_what_the_code_declares() -> None:
    for name in PROGRAMS:
        for plan in plans_of(name):
            ptx = ptx_text(lower_plan_ptx(plan))
            for launch in plan_launches(plan):
                head = ptx.partition(f".visible .entry {launch.name}(")[2].partition("{")[0]
                assert head.count(".param .u64") == len(launch.dims) + len(launch.buffers)
                assert f".reqntid {launch.threads}" in head
                shared = re.findall(rf"\.shared .* {re.escape(launch.name)}_shared\d+\[(\d+)\]", ptx)
                assert sum(map(int, shared)) == launch.shared_bytes


def test_the_grid_is_a_function_of_the_sizes() -> None:
    total, combine = plan_launches(plans_of("loss f64")[0])
    assert [total.blocks({"n": size}) for size in (0, 1, 16384, 16385, 10**6, 10**9)] == [1, 1, 1, 2, 62, 64]
    assert combine.blocks({"n": 10**9}) == 1
    (each,) = plan_launches(plans_of("fused f64")[0])
    assert [each.blocks({"n": size}) for size in (0, 1, THREADS, THREADS + 1)] == [1, 1, 1, 2]
    assert each.blocks({"n": 10**12}) < 2**31
    (product,) = plan_launches(plans_of("product")[0])
    assert product.blocks({"n": 1000, "d": 3, "m": 100}) == -(-100000 // THREADS)


def test_a_thread_takes_several_entries_where_the_grid_is_small() -> None:
    (plan,) = plans_of("fused f64")
    arguments = draw(plan, {"n": 1000})
    device = Device(plan)
    device.blocks = 2
    assert same_bits(device({"n": 1000}, *arguments), s.Library(plan)({"n": 1000}, *arguments))


# ---- what is refused

REFUSED = {
    "dim n, d\ninput X : f64[n, d]\nparam w : f64[d]\nloss E = sum(tanh(X @ w))\n": "keeps blocks of rows in tiles",
    "dim n, d\ninput X : f64[n, d]\noutput s = sum(X)\n": "adds up over several axes at once",
    "dim n, d\ninput X : f64[n, d]\noutput s = sum(X, axis=0)\n": "adds up arrays",
    "dim n, d\ninput X : f64[n, d]\noutput s = sum(X, axis=1)\n": "has a sum within each row",
    "dim n\ninput x : f64[n]\noutput H = scan h = 0 over v in x { h + v }\n": "repeats statements in order",
    "dim n\ninput A : f64[n, n]\noutput L = cholesky(A)\n": "repeats statements in order",
}


@pytest.mark.parametrize("text", REFUSED, ids=REFUSED.values())
def test_other_forms_are_known_limits(text: str) -> None:
    plan = compiled(text).plans[0]
    with pytest.raises(KnownLimit) as caught:
        lower_plan_ptx(plan)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "E0602"
    assert REFUSED[text] in diagnostic.message
    assert f"refused: {REFUSED[text]}" in check_ptx(compiled(text))


def test_other_statements_are_known_limits() -> None:
    square = nest([over("i", n), over("j", over("i", n).extent.plus(j))], [load("x", i)], Write("y", (i,), 0))
    meeting = nest([over("i", n), over("j", n)], [load("x", i)], Write("y", (i,), 0, "add", True))
    statements = {
        "copies whole buffers": Swap("y", "x"),
        "stops at entries that are not positive": Check("x", (i,), 5, 1, i),
        "whose length depends on another loop": square,
        "to which several others are added": meeting,
    }
    for text, statement in statements.items():
        plan = plan_of([argument("x", n)], [result("y", n)], statement)
        with pytest.raises(KnownLimit, match=text):
            plan_launches(plan)


def test_one_sum_from_two_nests_is_a_known_limit() -> None:
    plan = plans_of("loss f64")[0]
    (kernel,) = plan.kernels
    twice: Kernel = kernel._replace(body=(*kernel.body, *kernel.body))
    with pytest.raises(KnownLimit, match="in several places"):
        kernel_launches(plan, twice)


def test_a_check_names_each_launch() -> None:
    text = check_ptx(compiled(PROGRAMS["loss f64"]))
    assert "m_E$kernel0_0_sum, 256 threads a block, 2048 B shared" in text
    assert "m_E_value_and_grad$kernel0_0_combine, 64 threads a block" in text
    assert "refused" not in text


def test_an_operation_of_the_tests_own() -> None:
    body = (load("x", i), apply("sqrt", 0), apply("div", 1, 0), apply("max", 2, 1))
    plan = plan_of([argument("x", n)], [result("y", n)], nest([over("i", n)], body, Write("y", (i,), 3), vector="i"))
    found = opcodes(ptx_text(lower_plan_ptx(plan)))
    assert {"sqrt.rn.f64", "div.rn.f64"} <= found
    x = np.array([4.0, 2.0, 0.0, -1.0, np.nan])
    with np.errstate(all="ignore"):
        expected = np.maximum(np.sqrt(x) / x, np.sqrt(x))
    assert np.array_equal(Device(plan)({"n": 5}, x)[0], expected, equal_nan=True)
