"""The C side: programs in C, C++ and Rust against built libraries, headers of awkward names, symbols.

What needs a compiler is skipped where there is none.
"""

from __future__ import annotations

import ctypes
import keyword
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import support
from lower_support import Fault
from test_module_calls import DTYPES, RANKS, SHAPE, every_dtype_and_rank, sample

from exprc import driver
from exprc.cli.main import run as cli
from exprc.lower.module import IMPORTED_SYMBOLS
from exprc.package import elf
from exprc.package.abi import C_TYPES
from exprc.package.names import c_name
from exprc.source import Source
from exprc.syntax.tokens import KEYWORDS

EXAMPLES = Path(__file__).resolve().parent.parent / "examples" / "native"
STRICT = ["-Wall", "-Wextra", "-pedantic", "-Wconversion", "-Wshadow", "-Werror"]
CC, CXX, RUSTC = (shutil.which(name) for name in ("cc", "c++", "rustc"))
needs_cc = pytest.mark.skipif(not CC, reason="there is no C compiler")
needs_cxx = pytest.mark.skipif(not CXX, reason="there is no C++ compiler")
needs_rustc = pytest.mark.skipif(not RUSTC, reason="there is no Rust compiler")


def build(text: str, folder: Path, name: str = "model") -> Path:
    """Builds a program and returns the path of its library."""
    driver.build(Source(f"{name}.expr", text), driver.Options(name=name, out_dir=str(folder)))
    return folder / f"lib{name}.so"


def run(*command: object) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def compiled(folder: Path, text: str, *libraries: str, ending: str = "c", standard: str = "c99") -> str:
    """What a program prints that is compiled without any warning and linked with libraries of the folder."""
    (folder / f"main.{ending}").write_text(text, encoding="utf-8")
    compiler = CC if ending == "c" else CXX
    linking = [f"-I{folder}", f"-L{folder}", *(f"-l{name}" for name in libraries), f"-Wl,-rpath,{folder}"]
    run(compiler, f"-std={standard}", *STRICT, folder / f"main.{ending}", *linking, "-o", folder / "main")
    return run(folder / "main")


# ---- the examples


@pytest.fixture(scope="module")
def smooth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("smooth")
    build((EXAMPLES / "smooth.expr").read_text(), folder, "smooth")
    return folder


def expected_lines() -> list[str]:
    """By the normal equations."""
    bends, y = np.diff(np.eye(6), 2, axis=0), np.array([0.0, 2.0, 1.0, 4.0, 3.0, 6.0])
    s = np.linalg.solve(bends.T @ bends + np.eye(6), y)
    loss = (np.sum((s - y) ** 2) + np.sum((bends @ s) ** 2)) / 2
    curve = " ".join(f"{entry:.4f}" for entry in s)
    return [f"loss {loss:.6f}, curve {curve}", "status 3: a requirement on the sizes is not met: s[2:] (line 9)"]


@needs_cc
@pytest.mark.parametrize("standard", ["c99", "c17"])
def test_the_example_in_c(smooth: Path, standard: str) -> None:
    text = (EXAMPLES / "fit.c").read_text()
    assert compiled(smooth, text, "smooth", standard=standard).splitlines() == expected_lines()


@needs_cxx
def test_the_example_in_cpp(smooth: Path) -> None:
    text = (EXAMPLES / "fit.cpp").read_text()
    printed = compiled(smooth, text, "smooth", ending="cpp", standard="c++17")
    assert printed.splitlines() == expected_lines()


@needs_rustc
def test_the_example_in_rust(smooth: Path) -> None:
    linking = ["-L", smooth, "-l", "smooth", "-C", f"link-arg=-Wl,-rpath,{smooth}"]
    run(RUSTC, "-D", "warnings", EXAMPLES / "fit.rs", *linking, "-o", smooth / "rust")
    assert run(smooth / "rust").splitlines() == expected_lines()


@needs_cc
def test_the_commands_of_the_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the first comment of each says."""
    monkeypatch.chdir(tmp_path)
    for path in EXAMPLES.iterdir():
        shutil.copy(path, tmp_path)
    for name, compiler in (("fit.c", CC), ("fit.cpp", CXX), ("fit.rs", RUSTC)):
        if compiler:
            exprc, command = re.findall(r"^(?: \*|//)   (\S.*)$", (EXAMPLES / name).read_text(), re.MULTILINE)
            assert exprc.startswith("exprc ")
            assert Path("build").exists() or cli(exprc.split()[1:]) == 0
            assert run("sh", "-ec", command).splitlines() == expected_lines()


# ---- every dtype and rank


def c_values(array: np.ndarray) -> str:
    entries = np.asarray(array).ravel().tolist()
    return ", ".join(entry.hex() if isinstance(entry, float) else str(int(entry)) for entry in entries)


@needs_cc
def test_every_dtype_and_rank_through_c(tmp_path: Path) -> None:
    build(every_dtype_and_rank(), tmp_path)
    lines = ["#include <inttypes.h>", "#include <stdio.h>", '#include "model.h"', "int main(void) {"]
    wanted: list[np.ndarray] = []
    for dtype in DTYPES:
        form, cast = ("%a", "(double)") if dtype.startswith("f") else ("%" + '" PRId64 "', "(int64_t)")
        for rank in RANKS:
            x = sample(dtype, rank)
            wanted.append(~x if dtype == "bool" else x * x - x)
            sizes = "".join(f"{size}, " for size in SHAPE[:rank])
            kind = C_TYPES[dtype]
            lines.append(f"  {{ const {kind} x[{x.size}] = {{{c_values(x)}}}; {kind} y[{x.size}];")
            lines.append(f"    int status = model_y_{dtype}_{rank}({sizes}x, y, NULL, NULL);")
            lines.append('    printf("%d", status);')
            lines.append(f'    for (int i = 0; i < {x.size}; i++) printf(" {form}", {cast}y[i]);')
            lines.append('    printf("\\n"); }')
    printed = compiled(tmp_path, "\n".join([*lines, "  return 0;", "}", ""]), "model").splitlines()
    assert len(printed) == len(wanted)
    for line, array in zip(printed, wanted, strict=True):
        status, *words = line.split()
        assert status == "0"
        if array.dtype.kind == "f":
            found = [float.fromhex(word) for word in words]
            tolerance = 1e-6 if array.dtype == np.float32 else 1e-14
            np.testing.assert_allclose(found, array.ravel(), rtol=tolerance, atol=1e-7)
        else:
            assert [int(word) for word in words] == array.ravel().tolist()


# ---- names


C_WORDS = """auto break case char const continue default do double else enum extern float for goto if inline int long
register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while _Bool
alignas alignof bool constexpr false nullptr static_assert thread_local true typeof typeof_unqual asm
and_eq bitand bitor catch char8_t char16_t char32_t class co_await co_return co_yield compl concept consteval constinit
const_cast decltype delete dynamic_cast explicit export friend mutable namespace new noexcept not_eq operator or_eq
private protected public reinterpret_cast requires static_cast template this throw try typeid typename using virtual
wchar_t xor xor_eq final override import module int64_t size_t uint8_t
I NULL EOF INFINITY NAN M_PI M_PIf HZ B0 errno unix linux i386 assert min max stdin stdout far near small complex
Complex_I _Complex_I imaginary offsetof PRIu64 SCNd8 SIGINT st_atime si_pid __LINE__ __func__ None Status"""
MODULE_WORDS = """self np bind grad flat value_and_grad out wrt copy allow_downcast v keys count index step size names
pack len print type match numpy importlib __init__ __class__ __x _x v_x v__x lambda workspace fault status model
model_fault grad_E e E μ u03BC ϕ_1 sys kind positional given theta"""
AWKWARD = [
    name
    for name in dict.fromkeys([*C_WORDS.split(), *keyword.kwlist, *MODULE_WORDS.split()])
    if name not in KEYWORDS
]
# Everything that a user may include before the header.
HEADERS = """assert ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdarg stdbool stddef stdint
stdio stdlib string time wchar wctype"""
C_HEADERS = "complex stdalign stdnoreturn tgmath"
POSIX_HEADERS = "unistd sys/types sys/stat sys/param sys/sysmacros termios fcntl pthread dlfcn"


def includes(language: str) -> str:
    """All headers that there are."""
    names = HEADERS.split() + (C_HEADERS.split() if language == "c" else [])
    names += [name for name in POSIX_HEADERS.split() if Path(f"/usr/include/{name}.h").exists()]
    return "".join(f"#include <{name}.h>\n" for name in names)


@pytest.fixture(scope="module")
def awkward(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A loss of many params, each times its number, and an output for some of the names."""
    folder = tmp_path_factory.mktemp("awkward")
    terms = " + ".join(f"{number} * {name}" for number, name in enumerate(AWKWARD, 1))
    text = "".join(f"param {name} : f64\n" for name in AWKWARD) + f"loss total = {terms}\n"
    build(text, folder, "awkward")
    outputs = [name for name in AWKWARD if name not in ("e", "min", "max", "bool", "grad")]
    text = "input x : f64\n" + "".join(f"output {name} = {i} * x\n" for i, name in enumerate(outputs, 1))
    build(text, folder, "outputs")
    (folder / "outputs.txt").write_text("\n".join(outputs), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("language", "standard"),
    [("c", "c99"), ("c", "c17"), ("c", "gnu17"), ("c", "c2x"), ("c++", "c++11"), ("c++", "c++17"), ("c++", "gnu++20")],
)
def test_headers_of_any_names_compile(awkward: Path, language: str, standard: str) -> None:
    compiler = CC if language == "c" else CXX
    if not compiler:
        pytest.skip("there is no compiler")
    # What other systems define: a name of a parameter that is one of these does not compile.
    macros = "".join(f"#define {name} 1 +\n" for name in ("far", "near", "small", "interface", "None", "Status", "IN"))
    program = f'{includes(language)}{macros}#include "awkward.h"\n#include "outputs.h"\n#include "awkward.h"\n'
    program += "int main(void) { return !(awkward_abi_ok() && outputs_abi_ok()); }\n"
    (awkward / "main").write_text(program)
    run(compiler, f"-std={standard}", *STRICT, "-fsyntax-only", "-x", language, f"-I{awkward}", awkward / "main")


@needs_cc
def test_no_macro_of_the_system_is_the_name_of_a_parameter() -> None:
    text = "#define _GNU_SOURCE\n" + includes("c")
    done = subprocess.run([str(CC), "-dM", "-E", "-"], input=text, capture_output=True, text=True, check=True)
    macros = set(re.findall(r"^#define (\w+)(?!\()(?:\s|$)", done.stdout, re.MULTILINE))
    assert len(macros) > 500
    assert sorted(name for name in macros if c_name(name) in macros) == []


def test_modules_of_any_names_work(awkward: Path) -> None:
    """In a process of its own, which also proves that nothing of exprc is needed."""
    program = """
import sys, awkward, outputs, inspect, pickle, unicodedata
from awkward import total
names, written = sys.argv[1].split(), open("outputs.txt", encoding="utf-8").read().split()
spelt = list(inspect.signature(total).parameters)[:len(names)]
assert spelt == [argument["python_name"] for argument in awkward.__exprc__["arguments"]]
values = {name: float(i * i % 7) for i, name in enumerate(spelt)}
wanted = sum(i * value for i, value in enumerate(values.values(), 1))
assert total(**values) == wanted
value, gradient = total.value_and_grad(**values)
assert value == wanted and list(gradient) == list(range(1, len(names) + 1))
for i, (name, python) in enumerate(zip(names, spelt), 1):
    assert gradient[python] == getattr(gradient, python) == i, name
    assert gradient[name] == i or name in spelt  # as `v__x`, which is how `_x` is spelt
bound = total.bind(**{name: values[name] for name in ("self", "out", "copy", "np", "keys_")})
free = {name: value for name, value in values.items() if name not in ("self", "out", "copy", "np", "keys_")}
assert bound(**free) == bound.value_and_grad(**free)[0] == wanted
flat = total.bind().flat
assert flat.names == tuple(spelt)
theta = flat.pack(**values)
assert flat.value(theta) == wanted and total(**flat.unpack(theta)) == wanted
assert pickle.loads(pickle.dumps(bound))(**free) == wanted
for i, (name, record) in enumerate(zip(written, outputs.__exprc__["callables"]), 1):
    function = getattr(outputs, record["python_name"])
    assert record["name"] == unicodedata.normalize("NFKC", name) and function(x=2.0) == 2.0 * i
    assert pickle.loads(pickle.dumps(function)) is function
assert set(outputs.__all__) <= set(dir(outputs))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, " ".join(AWKWARD)], cwd=awkward, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_stubs_of_any_names_are_accepted(awkward: Path) -> None:
    api = pytest.importorskip("mypy.api")
    paths = [str(awkward / f"{name}.pyi") for name in ("awkward", "outputs")]
    report, _, _ = api.run([*paths, "--strict", "--no-incremental", "--cache-dir=/dev/null"])
    assert "Success" in report, report


# ---- symbols, faults, workspaces


WIDE = """
dim n, d
input X : f64[n, d]
input k : i32[n]
param w : f64[d]
param V : f32[d, d]
A = exp(X @ w) + sin(X @ w) + log1p(X[:, 0]^2)
loss E = sum(A) + sum(logsumexp(X, axis=1)) + f64(sum(V @ V)) + sum(erf(X)) + norm(w)
output powers = X^1.5
output total = sum(k)
"""


def test_symbols_are_the_model_s_own(tmp_path: Path) -> None:
    data = build(WIDE, tmp_path, "wide").read_bytes()
    assert set(elf.undefined_symbols(data)) <= IMPORTED_SYMBOLS == {"malloc", "free"}
    assert all(symbol.startswith("wide_") for symbol in elf.defined_symbols(data))


@needs_cc
def test_two_models_in_one_program_even_of_one_name_in_two_cases(tmp_path: Path) -> None:
    for name, factor in (("twin", 2), ("Twin", 3)):
        build(f"dim n\nparam w : f64[n]\nloss E = {factor} * sum(w)\noutput p = {factor} * w\n", tmp_path, name)
    text = """
#include <stdio.h>
#include "twin.h"
#include "Twin.h"
int main(void) {
    double w[3] = {1, 2, 3}, E, F, g[3], h[3];
    int bad = twin_E_value_and_grad(3, w, &E, g, NULL, NULL) + Twin_E_value_and_grad(3, w, &F, h, NULL, NULL);
    printf("%d %g %g %g %g %d\\n", bad, E, F, g[2], h[2], twin_build_id() != Twin_build_id());
    return 0;
}
"""
    assert compiled(tmp_path, text, "twin", "Twin") == "0 12 18 2 3 1\n"
    code = "import twin, Twin\nassert twin.E(w=[1, 2, 3]) == 12 and Twin.E(w=[1, 2, 3]) == 18\n"
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path).returncode == 0


@needs_cc
def test_a_header_of_another_build_is_noticed(tmp_path: Path) -> None:
    build("dim n, d\nparam w : f64[n, d]\nloss E = sum(w)\n", tmp_path)
    text = '#include <stdio.h>\n#include "model.h"\nint main(void) { printf("%d", model_abi_ok()); return 0; }\n'
    assert compiled(tmp_path, text, "model") == "1"
    build("dim d, n\nparam w : f64[n, d]\nloss E = sum(w)\n", tmp_path)
    assert run(tmp_path / "main") == "0"


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The library, called as C would."""
    library = ctypes.CDLL(str(build(WIDE, tmp_path_factory.mktemp("wide"), "wide")))
    library.wide_E_value_and_grad_workspace.restype = ctypes.c_size_t
    library.wide_status.restype = ctypes.c_char_p
    return library


def call(library: ctypes.CDLL, sizes: tuple[int, int], workspace: object, fault: object) -> tuple[int, np.ndarray]:
    """The status, and all results in one array."""
    n, d = (max(0, min(size, 8)) for size in sizes)
    random = np.random.default_rng(0)
    X, w, V = random.normal(size=(n, d)), random.normal(size=d), random.normal(size=(d, d)).astype(np.float32)
    E, of_w, of_V = np.zeros(1), np.zeros(d), np.zeros((d, d), np.float32)
    words = [ctypes.c_int64(size) for size in sizes]
    words += [ctypes.c_void_p(array.ctypes.data) for array in (X, w, V, E, of_w, of_V)]
    status = library.wide_E_value_and_grad(*words, workspace, fault)
    return status, np.concatenate([E, of_w, of_V.ravel()])


def test_a_workspace_is_used_within_its_bounds(wide: ctypes.CDLL) -> None:
    status, wanted = call(wide, (7, 5), None, None)
    assert status == 0
    needed = wide.wide_E_value_and_grad_workspace(ctypes.c_int64(7), ctypes.c_int64(5))
    assert 0 < needed < 2**20
    for offset in (0, 1, 8, 13):
        memory = np.full(needed + 128, 171, np.uint8)
        start = 32 + offset
        status, found = call(wide, (7, 5), ctypes.c_void_p(memory.ctypes.data + start), None)
        assert status == 0
        np.testing.assert_array_equal(found, wanted)
        assert np.all(memory[:start] == 171)
        assert np.all(memory[start + needed :] == 171)


def test_pointers_to_nothing_may_be_null(wide: ctypes.CDLL) -> None:
    E = ctypes.c_double(1.0)
    sizes = (ctypes.c_int64(0), ctypes.c_int64(1))
    w, V, of_w, of_V = (ctypes.c_double * 1)(), (ctypes.c_float * 1)(), (ctypes.c_double * 1)(), (ctypes.c_float * 1)()
    assert wide.wide_E_value_and_grad(*sizes, None, w, V, ctypes.byref(E), of_w, of_V, None, None) == 0
    assert (E.value, of_w[0], of_V[0]) == (0.0, 0.0, 0.0)
    total = ctypes.c_int64(1)
    assert wide.wide_total(ctypes.c_int64(0), None, ctypes.byref(total), None, None) == 0
    assert total.value == 0


def test_a_fault_is_written_only_where_there_is_one(wide: ctypes.CDLL) -> None:
    fault = Fault(17, 18, 19, 20, b"untouched")
    assert call(wide, (7, 5), None, ctypes.byref(fault))[0] == 0
    assert (fault.code, fault.line, fault.name) == (17, 18, b"untouched")


FAULTS = [
    ((-1, 5), 1, b"n"),
    ((5, -1), 1, b"d"),
    ((2**62, 5), 1, b""),
    ((2**40, 2**40), 1, b""),
    ((-(2**63), 5), 1, b"n"),
    ((5, 0), 3, b"X[:, 0]"),
]


@pytest.mark.parametrize(("sizes", "code", "name"), FAULTS)
def test_faults_of_sizes(wide: ctypes.CDLL, sizes: tuple[int, int], code: int, name: bytes) -> None:
    fault = Fault()
    assert call(wide, sizes, None, ctypes.byref(fault))[0] == fault.code == code
    assert fault.name == name or name == b"X[:, 0]"
    assert call(wide, sizes, None, None)[0] == code
    assert wide.wide_status(code)
    if code == 1:
        words = [ctypes.c_int64(size) for size in sizes]
        assert wide.wide_E_value_and_grad_workspace(*words) == ctypes.c_size_t(-1).value


OVERFLOWS = [(1, 3, 0), (2, 3, 3), (2**32, 2**32, 1), (2**32, 2**31, 1), (2**62, 4, 1)]


@pytest.mark.parametrize(("n", "d", "status"), OVERFLOWS)
def test_sizes_that_overflow_without_an_array(tmp_path: Path, n: int, d: int, status: int) -> None:
    """A requirement, or the extent of a loop, that would be small if it wrapped around."""
    text = "dim n, d, m\ninput x : f64[m]\noutput s = sum(x[:n*d])\noutput c = sum(iota(n*d))\n"
    library = ctypes.CDLL(str(build(text, tmp_path)))
    x, s, c = np.ones(3), ctypes.c_double(-1.0), ctypes.c_int64(-1)
    sizes = (ctypes.c_int64(n), ctypes.c_int64(d))
    pointer = ctypes.c_void_p(x.ctypes.data)
    assert library.model_s(*sizes, ctypes.c_int64(3), pointer, ctypes.byref(s), None, None) == status
    assert s.value == (3.0 if status == 0 else -1.0)
    assert library.model_c(*sizes, ctypes.byref(c), None, None) == (1 if status == 1 else 0)
    assert c.value == {0: 3, 3: 15, 1: -1}[status]


def test_statuses_have_texts(wide: ctypes.CDLL) -> None:
    texts = [wide.wide_status(code) for code in range(8)]
    assert texts[0] == b"ok"
    assert len(set(texts)) == len(texts)
    assert wide.wide_status(-1) == wide.wide_status(99) == b"unknown status"


def test_names_outside_ascii_in_c(tmp_path: Path) -> None:
    text = "param μ : f64\nparam u03BC : f64\nloss Σ = μ^2 + 3 * u03BC\n"
    build(text, tmp_path)
    header = (tmp_path / "model.h").read_text(encoding="utf-8")
    assert "int model_u03A3(const double *u03BC, const double *v_u03BC, double *u03A3," in header
    assert "u03BC: f64" in header
    model = support.build(text, tmp_path)
    value, gradient = model.Σ.value_and_grad(μ=3.0, u03BC=2.0)
    assert value == 15.0
    assert (gradient.μ, gradient["μ"], gradient.u03BC) == (6.0, 6.0, 3.0)
