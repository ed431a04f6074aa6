"""The generated Python module, on a library made of a few lines of LLVM IR: no compiler of exprc's own is involved.

The stand-in computes E = sum(y * (X @ w + b)) and p = X @ w + b; where y[0] is 100 + c it fails with status c.
"""

from __future__ import annotations

import importlib
import inspect
import pickle
import subprocess
import sys
import tempfile
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

define internal i32 @core(i64 %n, i64 %d, ptr %X, ptr %y, ptr %w, ptr %b,
                          ptr %E, ptr %gw, ptr %gb, ptr %p, ptr %fault) {
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
define i32 @MODEL_E_value_and_grad(i64 %n, i64 %d, ptr %X, ptr %y, ptr %w, ptr %b, ptr %E,
                                   ptr %gw, ptr %gb, ptr %ws, ptr %fault) {
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
@cpu = private constant [6 x i8] c"plain\\00"
define ptr @MODEL_cpu() { ret ptr @cpu }
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
            spelt,
            role,
            dtype,
            shape,
            doc,
            line,
            declaration,
            start,
            c_name(spelt),
            python_name(spelt),  # type: ignore[arg-type]
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
        requirements=(Requirement(f"{d} <= 40", 4, d, "<=", ONE * 40, (called["E"], called["p"])),),
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
    for name, (value, _) in zip(("E", "p"), symbols(model, tuple(c.name for c in interface.callables)), strict=True):
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


def expected(data):  # type: ignore[no-untyped-def]
    eta = data["X"] @ data["w"] + data["b"]
    return data["y"] @ eta, data["X"].T @ data["y"], data["y"].sum(), eta


def test_value_gradient_and_output(toy, data) -> None:  # type: ignore[no-untyped-def]
    value, of_w, of_b, eta = expected(data)
    assert type(toy.E(**data)) is float
    assert_allclose(toy.E(**data), value, rtol=1e-14)
    gradient = toy.E.grad(**data)
    assert_allclose(gradient.w, of_w, rtol=1e-14)
    assert gradient["w"] is gradient.w is gradient[0]
    assert type(gradient.b) is float
    assert [len(gradient), gradient.b] == [2, gradient["b"]]
    both, again = toy.E.value_and_grad(**data)
    assert_allclose([both, again.b], [value, of_b], rtol=1e-14)
    del data["y"]
    assert_allclose(toy.p(**data), eta, rtol=1e-14)


@pytest.mark.parametrize("rows", [0, 1, 5])
@pytest.mark.parametrize("columns", [0, 1, 4])
def test_small_sizes(toy, rows: int, columns: int) -> None:  # type: ignore[no-untyped-def]
    data = {"X": np.ones((rows, columns)), "y": np.ones(rows), "w": np.ones(columns), "b": 1.0}
    value, gradient = toy.E.value_and_grad(**data)
    assert value == rows * (columns + 1)
    assert_array_equal(gradient.w, np.full(columns, float(rows)))


CONVERSIONS = {
    "lists": lambda d: {name: np.asarray(value).tolist() for name, value in d.items()},
    "Fortran order": lambda d: {**d, "X": np.asfortranarray(d["X"])},
    "strides": lambda d: {**d, "X": np.repeat(d["X"], 2, axis=0)[::2], "y": d["y"][::-1][::-1]},
    "byte order": lambda d: {**d, "X": d["X"].astype(">f8")},
    "unaligned": lambda d: {**d, "y": unaligned(d["y"])},
    "f32": lambda d: {**d, "w": d["w"].astype(np.float32)},
    "read-only": lambda d: {**d, "w": read_only(d["w"])},
    "0-d array": lambda d: {**d, "b": np.array(d["b"])},
    "NumPy scalar": lambda d: {**d, "b": np.float64(d["b"])},
    "subclass": lambda d: {**d, "w": d["w"].view(type("Sub", (np.ndarray,), {}))},
}


def unaligned(array: np.ndarray) -> np.ndarray:
    copy = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype)
    copy[:] = array
    assert not copy.flags.aligned
    return copy


def read_only(array: np.ndarray) -> np.ndarray:
    copy = array.copy()
    copy.flags.writeable = False
    return copy


@pytest.mark.parametrize("how", CONVERSIONS)
def test_other_layouts_are_converted(toy, data, how: str) -> None:  # type: ignore[no-untyped-def]
    given = CONVERSIONS[how](data)
    arrays = {name: np.asarray(value, dtype=np.float64) for name, value in given.items()}
    value, gradient = toy.E.value_and_grad(**given)
    assert_allclose(value, expected(arrays)[0], rtol=1e-13)
    assert_allclose(gradient.w, expected(arrays)[1], rtol=1e-13)


BAD_CALLS = {
    "missing": (lambda d: d.pop("w"), TypeError, ["E needs w", "`param w : f64[d]`", "line 7"]),
    "unknown": (lambda d: d.update(Y=d.pop("y")), TypeError, ["'Y'", "do you mean 'y'"]),
    "rank": (lambda d: d.update(X=d["X"][0]), ValueError, ["X has 1 axis", "(3,)", "`input X : f64[n, d]`", "2 axes"]),
    "size": (
        lambda d: d.update(y=d["y"][:5]),
        ValueError,
        ["axis 0 of y has size 5", "`input y : f64[n]` (toy.expr, line 6)", "6 (n)", "axis 0 of X", "line 5"],
    ),
    "complex": (lambda d: d.update(y=d["y"] * 1j), TypeError, ["y has dtype complex128", "takes f64", "line 6"]),
    "text": (lambda d: d.update(b="1"), TypeError, ["b has dtype", "`param b : f64`"]),
    "none": (lambda d: d.update(w=None), TypeError, ["w holds an object of type NoneType"]),
    "ragged": (lambda d: d.update(X=[[1.0], [1.0, 2.0]]), ValueError, ["X is no array", "line 5"]),
    "masked": (lambda d: d.update(y=np.ma.masked_array(d["y"])), TypeError, ["y is a masked array"]),
    "long double": (lambda d: d.update(y=d["y"].astype("g")), TypeError, ["allow_downcast=True"]),
    "given size": (lambda d: d.update(n=7), ValueError, ["axis 0 of X has size 6", "n is 7 as given"]),
    "bad size": (lambda d: d.update(n=-1), ValueError, ["size n cannot be -1"]),
    "fractional size": (lambda d: d.update(n=1.5), TypeError, ["size n has to be an integer"]),
    "requirement": (
        lambda d: d.update(X=np.ones((6, 41)), w=np.ones(41)),
        ValueError,
        ["`d <= 40` (toy.expr, line 4)", "d = 41"],
    ),
}


@pytest.mark.parametrize("bound", [False, True])
@pytest.mark.parametrize("mistake", BAD_CALLS)
def test_bad_calls_name_the_declaration(toy, data, mistake: str, bound: bool) -> None:  # type: ignore[no-untyped-def]
    change, exception, words = BAD_CALLS[mistake]
    change(data)
    with pytest.raises(exception) as raised:
        (toy.E.bind() if bound else toy.E).value_and_grad(**data)
    assert [word for word in words if word not in str(raised.value)] == [], str(raised.value)


def test_extra_and_positional_arguments(toy, data) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(TypeError, match=r"p does not depend on y: `input y : f64\[n\]` \(toy.expr, line 6\)"):
        toy.p(**data)
    with pytest.raises(TypeError, match=r"by name: E\(X=..., y=..., w=..., b=...\)"):
        toy.E(data["X"], data["y"], data["w"], data["b"])


STATUSES = {1: ValueError, 2: MemoryError, 3: ValueError, 4: IndexError, 5: np.linalg.LinAlgError, 6: RuntimeError}


@pytest.mark.parametrize("status", [*STATUSES, 7])
@pytest.mark.parametrize("way", ["call", "bound", "flat"])
def test_faults_become_exceptions(toy, data, status: int, way: str) -> None:  # type: ignore[no-untyped-def]
    data["y"][0] = 100 + status
    params = {name: data.pop(name) for name in ("w", "b")}
    bound = toy.E.bind(**data)
    with pytest.raises(STATUSES.get(status, ValueError)) as raised:
        if way == "call":
            toy.E.value_and_grad(**data, **params)
        elif way == "bound":
            bound.grad(**params)
        else:
            bound.flat.value_and_grad(bound.flat.pack(**params))
    message = str(raised.value)
    assert message.startswith("E: ")
    assert "line 12" in message or status in (1, 2, 6)
    if status == 4:
        assert "index 7 is out of bounds for k of size 5" in message


def test_f32_wants_permission_to_round(folder, data) -> None:  # type: ignore[no-untyped-def]
    toy = load(folder, "toy32")
    with pytest.raises(TypeError, match="allow_downcast=True"):
        toy.E(**data)
    rounded = {name: np.asarray(value, dtype=np.float32) for name, value in data.items()}
    gradient = toy.E.grad(**data, allow_downcast=True)
    assert gradient.w.dtype == np.float32
    assert_array_equal(gradient.w, toy.E.grad(**rounded).w)
    lists = {name: value.tolist() for name, value in rounded.items()}
    assert toy.E(**lists) == toy.E(**rounded)
    bound = toy.E.bind(X=rounded["X"], y=rounded["y"])
    theta = bound.flat.pack(w=rounded["w"], b=rounded["b"])
    value, slope = bound.flat.value_and_grad(theta)
    assert [theta.dtype, slope.dtype, value] == [np.float64, np.float64, toy.E(**rounded)]
    assert_array_equal(slope[:3], gradient.w)


def test_integers_may_not_be_lost(folder) -> None:  # type: ignore[no-untyped-def]
    toy = load(folder, "toy")
    integers = {"X": np.arange(6).reshape(2, 3), "y": [1, 2], "w": np.array([True, False, True]), "b": 3}
    floats = {name: np.asarray(value, dtype=float) for name, value in integers.items()}
    assert toy.E(**integers) == expected(floats)[0]


def test_bind_sees_changes_and_refuses_copies(toy, data) -> None:  # type: ignore[no-untyped-def]
    bound = toy.E.bind(X=data["X"], y=data["y"])
    copied = toy.E.bind(X=data["X"], y=data["y"], copy=True)
    params = {"w": data["w"], "b": data["b"]}
    before = bound(**params)
    data["y"] *= 2
    assert_allclose([bound(**params), copied(**params)], [2 * before, before])
    with pytest.raises(ValueError, match=r"X has to be copied.*pass copy=True"):
        toy.E.bind(X=np.asfortranarray(data["X"]))
    assert_allclose(toy.E.bind(X=np.asfortranarray(data["X"]), copy=True)(y=data["y"], **params), 2 * before)
    assert_allclose(toy.E.bind(X=data["X"].tolist())(y=data["y"], **params), 2 * before)


@pytest.mark.parametrize("names", [("X",), ("w",), ("b",), ("X", "y"), ("X", "y", "w"), ("X", "y", "w", "b"), ()])
def test_any_arguments_can_be_bound(toy, data, names: tuple[str, ...]) -> None:  # type: ignore[no-untyped-def]
    bound = toy.E.bind(**{name: data[name] for name in names})
    rest = {name: value for name, value in data.items() if name not in names}
    assert bound(**rest) == toy.E(**data)
    assert_array_equal(bound.grad(**rest).w, toy.E.grad(**data).w)
    assert list(inspect.signature(bound).parameters) == [*rest, "out", "allow_downcast"]
    assert bound.bind(**rest)() == toy.E(**data)
    if names:
        with pytest.raises(TypeError, match=f"{names[0]} is bound already"):
            bound(**{**rest, names[0]: data[names[0]]})
    if rest:
        with pytest.raises(TypeError, match=f"needs .*{next(iter(rest))}"):
            bound()


def test_flat_is_all_params_in_one_vector(toy, data) -> None:  # type: ignore[no-untyped-def]
    flat = toy.E.bind(X=data["X"], y=data["y"]).flat
    value, of_w, of_b, _ = expected(data)
    theta = flat.pack(w=data["w"], b=data["b"])
    assert [flat.size, flat.names] == [4, ("w[0]", "w[1]", "w[2]", "b")]
    assert_array_equal(flat.initial(), [0.5, 0.5, 0.5, 0.0])
    assert_array_equal(theta, [*data["w"], data["b"]])
    assert_allclose(flat.value(theta), value)
    assert_allclose(flat.grad(theta), [*of_w, of_b])
    assert_allclose(flat.value_and_grad(theta.tolist())[1], [*of_w, of_b])
    assert toy.E(X=data["X"], y=data["y"], **flat.unpack(theta)) == flat.value(theta)
    partly = toy.E.bind(X=data["X"], y=data["y"], b=data["b"]).flat
    assert_allclose(partly.value_and_grad(data["w"])[1], of_w)
    with pytest.raises(ValueError, match=r"\(3,\), but w, b have 4 entries"):
        flat.value_and_grad(theta[:3])
    with pytest.raises(TypeError, match="flat needs X bound"):
        _ = toy.E.bind().flat


def test_flat_serves_an_optimiser(toy, data) -> None:  # type: ignore[no-untyped-def]
    optimize = pytest.importorskip("scipy.optimize")
    flat = toy.E.bind(X=data["X"], y=data["y"]).flat
    box = [(-1, 1)] * flat.size
    found = optimize.minimize(flat.value_and_grad, flat.initial(), jac=True, method="L-BFGS-B", bounds=box)
    assert_allclose(found.x, -np.sign(flat.grad(flat.initial())))


def test_out_takes_the_results(toy, data) -> None:  # type: ignore[no-untyped-def]
    _, of_w, of_b, eta = expected(data)
    out_w, out_b = np.zeros(3), np.zeros(())
    gradient = toy.E.grad(**data, out=(out_w, out_b))
    assert gradient.w is out_w
    assert gradient.b is out_b
    assert_allclose(out_w, of_w)
    assert_allclose(out_b, of_b)
    inputs = {name: data[name] for name in ("X", "w", "b")}
    out = np.empty(6)
    assert toy.p(**inputs, out=out) is out
    assert_allclose(out, eta)
    refused = [
        np.empty(5),
        np.empty(6, np.float32),
        np.empty(12)[::2],
        data["X"].reshape(-1)[:6],
        read_only(out),
        [0.0],
    ]
    for bad in refused:
        with pytest.raises((TypeError, ValueError), match="p: out "):
            toy.p(**inputs, out=bad)


def test_results_are_new_arrays(toy, data) -> None:  # type: ignore[no-untyped-def]
    flat = toy.E.bind(X=data["X"], y=data["y"]).flat
    theta = flat.initial()
    first, second = flat.grad(theta), flat.grad(theta)
    for result in (first, second, flat.unpack(theta).w):
        assert not np.may_share_memory(result, theta)
    assert not np.may_share_memory(first, second)


def test_signatures_docs_and_manifest(toy) -> None:  # type: ignore[no-untyped-def]
    assert list(inspect.signature(toy.E).parameters) == ["X", "y", "w", "b", "out", "allow_downcast"]
    assert list(inspect.signature(toy.E.grad).parameters) == ["X", "y", "w", "b", "out", "allow_downcast", "wrt"]
    assert list(inspect.signature(toy.p).parameters) == ["X", "w", "b", "out", "allow_downcast"]
    assert "X : f64[n, d]  design matrix" in toy.E.__doc__
    assert '"""quotes""" and \\ backslash */ \u2028 end' in toy.__doc__
    assert toy.__all__ == ["E", "p", "set_num_threads"]
    assert toy.__exprc__["source"]["name"] == "toy.expr"
    assert [record["name"] for record in toy.__exprc__["arguments"]] == ["X", "y", "w", "b"]
    toy.set_num_threads(2)
    with pytest.raises(ValueError, match="positive"):
        toy.set_num_threads(0)


def test_functions_pickle(toy, data) -> None:  # type: ignore[no-untyped-def]
    params = {name: data.pop(name) for name in ("w", "b")}
    bound = toy.E.bind(**data)
    for function in (bound, bound.value_and_grad, bound.grad):
        again = pickle.loads(pickle.dumps(function))
        assert repr(again(**params)) == repr(function(**params))
    assert pickle.loads(pickle.dumps(toy.E)) is toy.E
    assert pickle.loads(pickle.dumps(toy.E.grad))(**data, **params).b == bound.grad(**params).b
    flat = pickle.loads(pickle.dumps(bound.flat))
    assert flat.value(flat.initial()) == bound.flat.value(flat.initial())
    gradient = bound.grad(**params)
    assert_array_equal(pickle.loads(pickle.dumps(gradient)).w, gradient.w)


def test_pickles_are_read_in_another_process(toy, folder, data) -> None:  # type: ignore[no-untyped-def]
    params = {name: data.pop(name) for name in ("w", "b")}
    bound = toy.E.bind(**data)
    blob = pickle.dumps((toy.E, toy.E.grad, bound, bound.value_and_grad, bound.flat, bound.grad(**params)))
    program = (
        "import pickle, sys; E, grad, bound, both, flat, g = pickle.loads(sys.stdin.buffer.read())\n"
        "import toy; assert E is toy.E\n"
        "print(repr((bound(**g), both(**g), flat.value_and_grad(flat.pack(**g)), g.b, g['w'])))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, input=blob, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    g = bound.grad(**params)
    wanted = (bound(**g), bound.value_and_grad(**g), bound.flat.value_and_grad(bound.flat.pack(**g)), g.b, g["w"])
    assert done.stdout.decode().strip() == repr(wanted)


def test_a_pickle_of_a_function_that_is_gone(folder, data) -> None:  # type: ignore[no-untyped-def]
    build(folder, "renamed")
    blob = pickle.dumps(load(folder, "renamed").E)
    build(folder, "renamed", names={"E": "F"}, build_id=2)
    program = "import pickle, sys; pickle.loads(sys.stdin.buffer.read())"
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, input=blob, capture_output=True, check=False)
    assert b"AttributeError: renamed.expr has no loss or output 'E'" in done.stderr


def test_threads_may_call_at_once(toy, data) -> None:  # type: ignore[no-untyped-def]
    bound = toy.E.bind(X=data["X"], y=data["y"])
    wrong: list[float] = []

    def work(offset: float) -> None:
        for _ in range(300):
            value, gradient = bound.value_and_grad(w=data["w"], b=offset)
            if value != bound(w=data["w"], b=offset) or gradient.b != data["y"].sum():
                wrong.append(offset)

    threads = [threading.Thread(target=work, args=(float(offset),)) for offset in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


AWKWARD_NAMES = {"E": "len", "p": "set_num_threads", "X": "lambda", "y": "out", "w": "_type", "b": "copy", "n": "min"}


def test_awkward_names(folder, data) -> None:  # type: ignore[no-untyped-def]
    build(folder, "awkward", names=AWKWARD_NAMES)
    model = load(folder, "awkward")
    given = {"lambda_": data["X"], "out": data["y"], "v__type": data["w"], "copy": data["b"]}
    value, of_w, _, eta = expected(data)
    assert_allclose(model.len(**given), value)
    assert_allclose(model.len.grad(**given).v__type, of_w)
    assert list(inspect.signature(model.len).parameters) == [*given, "out_", "allow_downcast"]
    del given["out"]
    assert_allclose(model.set_num_threads_(**given), eta)
    assert_allclose(
        model.len.bind(lambda_=np.asfortranarray(data["X"]), copy_=True)(out=data["y"], v__type=data["w"], copy=0.25),
        value,
    )
    assert "len" in dir(model)
    assert pickle.loads(pickle.dumps(model.len)) is model.len
    with pytest.raises(AttributeError, match="no attribute 'E'"):
        _ = model.E


def test_a_rebuilt_library_is_reloaded(folder, data) -> None:  # type: ignore[no-untyped-def]
    build(folder, "rebuilt", build_id=1)
    model = load(folder, "rebuilt")
    old = model.E
    build(folder, "rebuilt", build_id=2)
    importlib.reload(model)
    assert model._library is not old
    assert model._build_id_of(model._library) == 2
    assert model.E(**data) == old(**data)


def test_import_errors(folder, tmp_path) -> None:  # type: ignore[no-untyped-def]
    build(tmp_path, "gone")
    (tmp_path / "libgone.so").unlink()
    build(tmp_path, "mixed", build_id=1)
    other = (tmp_path / "mixed.py").read_bytes()
    build(tmp_path, "mixed", build_id=2)
    (tmp_path / "mixed.py").write_bytes(other)
    build(tmp_path, "unfit", threads_status=6)
    whole = (tmp_path / "libmixed.so").read_bytes()
    libraries = {"broken": b"no library", "cut": whole[:-1], "half": whole[: len(whole) // 2], "empty": b""}
    for name, data in libraries.items():
        (tmp_path / f"lib{name}.so").write_bytes(data)
        (tmp_path / f"{name}.py").write_text((tmp_path / "mixed.py").read_text().replace("libmixed", f"lib{name}"))
    (tmp_path / "libforeign.so").write_bytes((tmp_path / "libunfit.so").read_bytes())
    (tmp_path / "foreign.py").write_text((tmp_path / "mixed.py").read_text().replace("libmixed", "libforeign"))
    (tmp_path / "libfolder.so").mkdir()
    (tmp_path / "folder.py").write_text((tmp_path / "mixed.py").read_text().replace("libmixed", "libfolder"))
    for model, words in {
        "gone": "libgone.so is missing: `exprc build gone.expr`",
        "mixed": "different builds: run `exprc build mixed.expr`",
        "unfit": "needs a processor with no-such-feature",
        "broken": "libbroken.so cannot be loaded",
        "empty": "libempty.so cannot be loaded",
        "cut": "libcut.so is not whole: run `exprc build mixed.expr` again",
        "half": "libhalf.so is not whole",
        "foreign": "different builds",
        "folder": "libfolder.so is missing",
    }.items():
        command = [sys.executable, "-c", f"import {model}"]
        report = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stderr
        assert "ImportError" in report
        assert words in report


def test_no_place_for_the_copy_of_a_rebuilt_library(folder, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    build(folder, "crowded", build_id=1)
    module = load(folder, "crowded")
    build(folder, "crowded", build_id=2)
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "missing"))
    with pytest.raises(ImportError, match=r"libcrowded\.so has changed, .*No such file .*start Python again"):
        importlib.reload(module)


def test_module_needs_numpy_only(folder) -> None:  # type: ignore[no-untyped-def]
    program = "import sys, toy; sys.exit(any(m.split('.')[0] in ('exprc', 'llvmlite') for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], cwd=folder, check=False).returncode == 0


def test_stub_passes_a_type_checker(folder) -> None:  # type: ignore[no-untyped-def]
    api = pytest.importorskip("mypy.api")
    (folder / "use.py").write_text(
        "import numpy as np\nimport toy\n"
        "f = toy.E.bind(X=np.ones((2, 3)), y=[1.0, 2.0])\n"
        "value, gradient = f.value_and_grad(w=np.ones(3), b=1.0)\n"
        "reveal_type(gradient.b)\nreveal_type(f.flat.initial())\nvalue.is_integer()\ntoy.E(X=1)\n"
    )
    report, _, _ = api.run([str(folder / "use.py"), "--strict", "--no-incremental", "--cache-dir=/dev/null"])
    assert 'Revealed type is "float"' in report or "builtins.float" in report
    assert 'Missing named argument "w"' in report
    assert report.count("error:") == 3, report
