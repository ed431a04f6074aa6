"""The generated Python module, on a library made of a few lines of LLVM IR: no compiler of exprc's own is involved.

The stand-in computes E = sum(y * (X @ w + b)) and p = X @ w + b; where y[0] is 100 + c it fails with status c.
"""

from __future__ import annotations

import importlib
import inspect
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from exprc.ir.sizes import ONE, dim
from exprc.package.abi import exported_symbols
from exprc.package.interface import (
    INPUT,
    LOSS,
    OUTPUT,
    PARAM,
    Argument,
    Callable,
    Dim,
    GradientEntry,
    Interface,
    Requirement,
    Result,
)
from exprc.package.link import link_shared
from exprc.package.module import make_module
from exprc.package.names import c_name, python_name, symbols
from exprc.package.stub import make_stub
from exprc.package.write import write_artefacts

CORE = """
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)

define internal i32 @core(i64 %n, i64 %d, ptr %X, ptr %y, ptr %w, ptr %b, ptr %E, ptr %gw, ptr %gb, ptr %p, ptr %fault) {
entry:
  %any = icmp sgt i64 %n, 0
  %has_y = icmp ne ptr %y, null
  %look = and i1 %any, %has_y
  br i1 %look, label %test, label %start
test:
  %y0 = load TYPE, ptr %y
  %code.f = fsub TYPE %y0, 100.0
  %code = fptosi TYPE %code.f to i32
  %bad = fcmp ogt TYPE %y0, 100.0
  br i1 %bad, label %fail, label %start
fail:
  %has_fault = icmp ne ptr %fault, null
  br i1 %has_fault, label %tell, label %give_up
tell:
  store i32 %code, ptr %fault
  %line = getelementptr i8, ptr %fault, i64 4
  store i32 12, ptr %line
  %index = getelementptr i8, ptr %fault, i64 8
  store i64 7, ptr %index
  %bound = getelementptr i8, ptr %fault, i64 16
  store i64 5, ptr %bound
  %name = getelementptr i8, ptr %fault, i64 24
  store [2 x i8] c"k\\00", ptr %name
  br label %give_up
give_up:
  ret i32 %code
start:
  %b0 = load TYPE, ptr %b
  %has_gw = icmp ne ptr %gw, null
  %has_p = icmp ne ptr %p, null
  br i1 %has_gw, label %clear, label %rows
clear:
  %bytes = mul i64 %d, WIDTH
  call void @llvm.memset.p0.i64(ptr %gw, i8 0, i64 %bytes, i1 false)
  br label %rows
rows:
  %i = phi i64 [0, %start], [0, %clear], [%i1, %row.end]
  %sum = phi TYPE [0.0, %start], [0.0, %clear], [%sum1, %row.end]
  %gsum = phi TYPE [0.0, %start], [0.0, %clear], [%gsum1, %row.end]
  %more = icmp slt i64 %i, %n
  br i1 %more, label %row, label %done
row:
  br i1 %has_y, label %load_y, label %columns.start
load_y:
  %yp = getelementptr TYPE, ptr %y, i64 %i
  %yl = load TYPE, ptr %yp
  br label %columns.start
columns.start:
  %yi = phi TYPE [0.0, %row], [%yl, %load_y]
  %base = mul i64 %i, %d
  br label %columns
columns:
  %j = phi i64 [0, %columns.start], [%j1, %column.end]
  %eta = phi TYPE [%b0, %columns.start], [%eta1, %column.end]
  %more_j = icmp slt i64 %j, %d
  br i1 %more_j, label %column, label %row.done
column:
  %at = add i64 %base, %j
  %xp = getelementptr TYPE, ptr %X, i64 %at
  %x = load TYPE, ptr %xp
  %wp = getelementptr TYPE, ptr %w, i64 %j
  %wj = load TYPE, ptr %wp
  %xw = fmul TYPE %x, %wj
  %eta1 = fadd TYPE %eta, %xw
  br i1 %has_gw, label %accumulate, label %column.end
accumulate:
  %gp = getelementptr TYPE, ptr %gw, i64 %j
  %g = load TYPE, ptr %gp
  %yx = fmul TYPE %yi, %x
  %g1 = fadd TYPE %g, %yx
  store TYPE %g1, ptr %gp
  br label %column.end
column.end:
  %j1 = add i64 %j, 1
  br label %columns
row.done:
  %ye = fmul TYPE %yi, %eta
  %sum1 = fadd TYPE %sum, %ye
  %gsum1 = fadd TYPE %gsum, %yi
  br i1 %has_p, label %keep, label %row.end
keep:
  %pp = getelementptr TYPE, ptr %p, i64 %i
  store TYPE %eta, ptr %pp
  br label %row.end
row.end:
  %i1 = add i64 %i, 1
  br label %rows
done:
  store TYPE %sum, ptr %E
  store TYPE %gsum, ptr %gb
  ret i32 0
}

define i32 @MODEL_E(i64 %n, i64 %d, ptr %X, ptr %y, ptr %w, ptr %b, ptr %E, ptr %ws, ptr %fault) {
  %gb = alloca TYPE
  %s = call i32 @core(i64 %n, i64 %d, ptr %X, ptr %y, ptr %w, ptr %b, ptr %E, ptr null, ptr %gb, ptr null, ptr %fault)
  ret i32 %s
}
define i32 @MODEL_E_value_and_grad(i64 %n, i64 %d, ptr %X, ptr %y, ptr %w, ptr %b, ptr %E, ptr %gw, ptr %gb, ptr %ws, ptr %fault) {
  %s = call i32 @core(i64 %n, i64 %d, ptr %X, ptr %y, ptr %w, ptr %b, ptr %E, ptr %gw, ptr %gb, ptr null, ptr %fault)
  ret i32 %s
}
define i32 @MODEL_p(i64 %n, i64 %d, ptr %X, ptr %w, ptr %b, ptr %p, ptr %ws, ptr %fault) {
  %E = alloca TYPE
  %gb = alloca TYPE
  %s = call i32 @core(i64 %n, i64 %d, ptr %X, ptr null, ptr %w, ptr %b, ptr %E, ptr null, ptr %gb, ptr %p, ptr %fault)
  ret i32 %s
}
define i64 @MODEL_E_workspace(i64 %n, i64 %d) { ret i64 0 }
define i64 @MODEL_E_value_and_grad_workspace(i64 %n, i64 %d) { ret i64 0 }
define i64 @MODEL_p_workspace(i64 %n, i64 %d) { ret i64 0 }
define i32 @MODEL_set_num_threads(i32 %count) { ret i32 THREADS_STATUS }
define i64 @MODEL_build_id() { ret i64 BUILD_ID }
define i64 @MODEL_abi_hash() { ret i64 0 }
@status.text = private constant [3 x i8] c"ok\\00"
define ptr @MODEL_status(i32 %s) { ret ptr @status.text }
"""

TRUE_NAMES = {name: name for name in ("n", "d", "X", "y", "w", "b", "E", "p")}


def make_interface(model: str, dtype: str = "f64", names: dict[str, str] | None = None, build_id: int = 1) -> Interface:
    """The program of the stand-in; `names` renames its declarations."""
    called = {**TRUE_NAMES, **(names or {})}
    n, d = dim(called["n"]), dim(called["d"])

    def argument(name: str, role: str, shape: tuple, line: int, doc: str, start: object = None) -> Argument:
        sizes = f"[{', '.join(map(str, shape))}]" if shape else ""
        spelt = called[name]
        declaration = f"{role} {spelt} : {dtype}{sizes}"
        return Argument(
            spelt, role, dtype, shape, doc, line, declaration, start, c_name(spelt), python_name(spelt)  # type: ignore[arg-type]
        )

    (value, both), (output, _) = symbols(model, (called["E"], called["p"]))
    wrt = (called["w"], called["b"])
    return Interface(
        name=model,
        doc='A stand-in.\n"""quotes""" and \\ backslash */ \u2028 end',
        source_name=f"{model}.expr",
        source_sha256="0" * 64,
        build_id=build_id,
        exprc_version="0",
        target="x86_64-unknown-linux-gnu",
        cpu_features=("sse2", "no-such-feature"),
        dims=(Dim(called["n"], 3), Dim(called["d"], 3)),
        arguments=(
            argument("X", INPUT, (n, d), 5, "design matrix"),
            argument("y", INPUT, (n,), 6, "weights"),
            argument("w", PARAM, (d,), 7, "coefficients", start=0.5),
            argument("b", PARAM, (), 8, "offset"),
        ),
        callables=(
            Callable(
                called["E"],
                LOSS,
                "what is minimised",
                10,
                tuple(called[name] for name in ("X", "y", "w", "b")),
                (called["n"], called["d"]),
                (Result(called["E"], dtype, ()),),
                value,
                GradientEntry(both, wrt, (Result(wrt[0], dtype, (d,)), Result(wrt[1], dtype, ()))),
            ),
            Callable(
                called["p"],
                OUTPUT,
                "",
                11,
                tuple(called[name] for name in ("X", "w", "b")),
                (called["n"], called["d"]),
                (Result(called["p"], dtype, (n,)),),
                output,
            ),
        ),
        requirements=(Requirement(f"{d} <= 40", 4, d, "<=", ONE * 40),),
    )


def compile_text(text: str) -> bytes:
    """LLVM IR to an object file."""
    from llvmlite import binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    machine = binding.Target.from_default_triple().create_target_machine(reloc="pic", codemodel="default")
    module = binding.parse_assembly(text)
    module.verify()
    return machine.emit_object(module)


def build(folder, model, dtype="f64", names=None, build_id=1, threads_status=0):  # type: ignore[no-untyped-def]
    interface = make_interface(model, dtype, names, build_id)
    types = {"f64": ("double", "8"), "f32": ("float", "4")}[dtype]
    text = CORE.replace("TYPE", types[0]).replace("WIDTH", types[1]).replace("BUILD_ID", str(build_id))
    text = text.replace("THREADS_STATUS", str(threads_status))
    for name, (value, both) in zip(("E", "p"), symbols(model, tuple(c.name for c in interface.callables)), strict=True):
        text = text.replace(f"@MODEL_{name}_", f"@{value}_").replace(f"@MODEL_{name}(", f"@{value}(")
    text = text.replace("MODEL", model)
    library = link_shared([compile_text(text)], f"lib{model}.so", exported_symbols(interface))
    files = {
        f"lib{model}.so": library,
        f"{model}.py": make_module(interface, f"lib{model}.so"),
        f"{model}.pyi": make_stub(interface),
    }
    write_artefacts(str(folder), files)
    return interface


def load(folder, model):  # type: ignore[no-untyped-def]
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    return importlib.import_module(model)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):  # type: ignore[no-untyped-def]
    path = tmp_path_factory.mktemp("modules")
    build(path, "toy")
    build(path, "toy32", "f32")
    yield path
    sys.path[:] = [entry for entry in sys.path if entry != str(path)]


@pytest.fixture
def toy(folder):  # type: ignore[no-untyped-def]
    return load(folder, "toy")


@pytest.fixture
def data():  # type: ignore[no-untyped-def]
    random = np.random.default_rng(1)
    return {"X": random.normal(size=(6, 3)), "y": random.normal(size=6), "w": random.normal(size=3), "b": 0.25}
