"""Other systems and processors: formats, symbols, the linkers, and libraries with several versions of their code."""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import lower_support as s
import pytest
from test_lower import logistic, square_plus

from exprc import driver
from exprc.cli.main import run
from exprc.driver.pipeline import run_stages
from exprc.lower import host_target, known_triple, load_in_process, lower_versions, needed_features
from exprc.lower.target import TRIPLES
from exprc.package import link, objects, write
from exprc.package.linkers import ALLOWED_UNDEFINED, find_linkers
from exprc.package.objects import COFF, ELF, MACH_O, Format
from exprc.package.systems import file_names
from exprc.source import Source

Captured = pytest.CaptureFixture[str]
MODEL = """dim n, d
input X : f64[n, d]
input k : i64[n]
param w : f64[d]
param u : f32[d]
z = X @ w
loss E = sum(exp(z) * tanh(z)) + sum(log(abs(z) + 1) * sin(z)) + sum(u)^2
output p = logsumexp(z) + sum(sqrt(abs(u)))
"""
FORMATS = {
    "x86_64-unknown-linux-gnu": Format(ELF, "x86_64"),
    "aarch64-unknown-linux-gnu": Format(ELF, "aarch64"),
    "riscv64-unknown-linux-gnu": Format(ELF, "riscv64"),
    "x86_64-apple-macosx11.0.0": Format(MACH_O, "x86_64"),
    "arm64-apple-macosx11.0.0": Format(MACH_O, "aarch64"),
    "x86_64-pc-windows-msvc": Format(COFF, "x86_64"),
    "x86_64-pc-windows-gnu": Format(COFF, "x86_64"),
    "aarch64-pc-windows-msvc": Format(COFF, "aarch64"),
}
FUNCTIONS = {"E", "E_workspace", "E_value_and_grad", "E_value_and_grad_workspace", "p", "p_workspace", "status",
             "set_num_threads", "build_id", "abi_hash", "cpu"}  # fmt: skip
READER_WORDS = {
    Format(ELF, "x86_64"): "elf64-x86-64",
    Format(ELF, "aarch64"): "elf64-littleaarch64",
    Format(ELF, "riscv64"): "elf64-littleriscv",
    Format(MACH_O, "x86_64"): "Mach-O 64-bit x86-64",
    Format(MACH_O, "aarch64"): "Mach-O arm64",
    Format(COFF, "x86_64"): "COFF-x86-64",
    Format(COFF, "aarch64"): "COFF-ARM64",
}


@cache
def compiled(triple: str) -> Any:
    return run_stages(Source("model.expr", MODEL), driver.Options(name="model", target=triple), "compile")


def test_the_table_has_every_target() -> None:
    assert set(FORMATS) == set(TRIPLES)


@pytest.mark.parametrize("triple", TRIPLES)
def test_objects_have_the_right_format_and_symbols(triple: str, tmp_path: Path) -> None:
    data = compiled(triple).object
    found = objects.object_format(data)
    assert found == FORMATS[triple]
    defined = {name for name in objects.defined_symbols(data) if not name.startswith(("__real@", "__xmm@", "__ymm@"))}
    expected = {f"model_{name}" for name in FUNCTIONS}
    assert defined == expected | ({"_fltused"} if triple.endswith("-msvc") else set())
    assert set(objects.undefined_symbols(data)) <= ALLOWED_UNDEFINED[found.name]
    assert write.is_artefact(data)
    reader = shutil.which("llvm-readobj")
    if reader:
        (tmp_path / "object").write_bytes(data)
        command = [reader, "--file-headers", "--symbols", tmp_path / "object"]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert f"Format: {READER_WORDS[found]}" in text
        assert all(re.search(rf"Name: _?{name}\b", text) for name in expected)


@pytest.mark.parametrize("triple", [triple for triple in TRIPLES if FORMATS[triple].architecture == "aarch64"])
def test_arm_code_is_made_of_vectors_and_calls_nothing_foreign(triple: str) -> None:
    from exprc.driver.pipeline import STAGES

    state = compiled(triple)
    text = next(stage for stage in STAGES if stage.name == "compile").show(state)
    assert re.search(r"\bfmla(\.2d|\s+v\d+\.2d)", text)
    called = {name.removeprefix("_") for name in re.findall(r"^\s+bl\s+\"?([\w.]+)", text, re.M)}
    own = set(re.findall(r"define[^@]*@([\w.]+)\(", state.llvm))
    assert called <= own | {"malloc", "free"}
    assert "xgetbv" not in text and "cpuid" not in text


SPELLINGS = {
    "x86_64-linux-gnu": "x86_64-unknown-linux-gnu",
    "amd64-linux": "x86_64-unknown-linux-gnu",
    "x86_64-alpine-linux-musl": "x86_64-unknown-linux-gnu",
    "arm64-linux-gnu": "aarch64-unknown-linux-gnu",
    "riscv64gc-unknown-linux-gnu": "riscv64-unknown-linux-gnu",
    "aarch64-apple-darwin": "arm64-apple-macosx11.0.0",
    "arm64-apple-macos": "arm64-apple-macosx11.0.0",
    "x86_64-apple-darwin23.1.0": "x86_64-apple-macosx11.0.0",
    "x86_64-windows": "x86_64-pc-windows-msvc",
    "x86_64-w64-mingw32": "x86_64-pc-windows-gnu",
    "arm64-windows-msvc": "aarch64-pc-windows-msvc",
    **{triple: triple for triple in TRIPLES},
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_usual_spellings_of_triples(spelling: str) -> None:
    assert known_triple(spelling) == SPELLINGS[spelling]


UNKNOWN = [
    "",
    "cpu-linux",
    "x86_64",
    "linux",
    "x86_64-linux-android",
    "armv7-linux-gnueabihf",
    "wasm32-unknown-unknown",
    "x86_64-unknown-freebsd",
    "x86_64-linux-gnux32",
    "../x86_64-linux-gnu",
    "aarch64-pc-windows-gnu",
]


@pytest.mark.parametrize("triple", UNKNOWN)
def test_unknown_triples_are_refused_with_the_list(triple: str, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "model.expr").write_text("param w : f64\nloss E = w^2\n")
    assert run(["build", str(tmp_path / "model.expr"), "--target", triple, "-o", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert "error[E0603]: there is no target" in error
    assert all(known in error.replace("\n", " ") for known in TRIPLES)


# ---- linking for others


FOREIGN = [triple for triple in TRIPLES if FORMATS[triple] != Format(ELF, os.uname().machine)]


@pytest.mark.parametrize("triple", FOREIGN)
def test_without_its_linker_the_object_is_written_and_the_way_told(
    triple: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("exprc.package.linkers._ziglang", lambda: None)
    monkeypatch.chdir(tmp_path)
    Path("model.expr").write_text(MODEL)
    names = file_names("model", triple)
    assert run(["build", "model.expr", "--target", triple]) == 0
    told = capsys.readouterr().out
    assert f"{names.library} was not made, {names.object} was" in told
    assert re.search(rf"on such a machine, `\w+ .*{re.escape(names.library)}.*` makes it", told)
    assert sorted(os.listdir()) == sorted(
        ["model.expr", "model.h", "model.json", names.object, "model.py", "model.pyi"]
    )
    assert names.library in Path("model.py").read_text()
    assert json.loads(Path("model.json").read_text())["target"] == triple
    assert run(["build", "model.expr", "--target", triple, "--emit", "lib"]) == 1
    assert "error[E0701]: no linker found for" in capsys.readouterr().err


@pytest.mark.parametrize("triple", TRIPLES)
def test_every_linker_that_is_there_makes_the_same_library_twice(
    triple: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    linkers = list(find_linkers(FORMATS[triple]))
    if not linkers:
        pytest.skip("no linker")
    data, names = compiled(triple).object, file_names("model", triple)
    exported = sorted(f"model_{name}" for name in FUNCTIONS)
    for linker in linkers:
        monkeypatch.setattr(link, "find_linkers", lambda _, linker=linker: iter([linker]))
        results = set()
        for folder in ("one", "two"):
            (tmp_path / folder).mkdir(exist_ok=True)
            monkeypatch.setenv("TMPDIR", str(tmp_path / folder))
            results.add(link.link_shared([data], names.library, exported))
            assert os.listdir(tmp_path / folder) == []
        (library,) = results
        assert write.is_artefact(library), linker.command
        assert str(tmp_path).encode() not in library
        assert library.startswith({ELF: b"\x7fELF", MACH_O: b"\xcf\xfa\xed\xfe", COFF: b"MZ"}[FORMATS[triple].name])


def test_broken_objects_are_refused() -> None:
    for triple in ("arm64-apple-macosx11.0.0", "x86_64-pc-windows-msvc"):
        data = compiled(triple).object
        for broken in (data[:40], data[: len(data) // 2], b"", b"text"):
            with pytest.raises(ValueError):
                if len(objects.defined_symbols(broken)) < 3:
                    raise ValueError("cut before the symbols")


# ---- several versions


def loaded(*features: str) -> Any:
    """A library whose first version needs a feature and whose second is this machine's plain code."""
    host = host_target()
    targets = [host._replace(cpu="x86-64-v4", features=f"{host.features},{','.join(features)}")] if features else []
    targets.append(host._replace(cpu="x86-64-v3"))
    text = lower_versions("t", [square_plus("f64")], 7, 9, targets)
    return load_in_process(text, host)


def called(engine: Any, name: str, kind: Any, *types: Any) -> Any:
    return ctypes.CFUNCTYPE(kind, *types)(engine.get_function_address(name))


needs_x86 = pytest.mark.skipif(
    not host_target().is_x86 or "avx512fp16" in needed_features(host_target()), reason="x86 without avx512fp16"
)


@needs_x86
@pytest.mark.parametrize(("features", "expected"), [((), b"x86-64-v3"), (("+avx512fp16",), b"x86-64-v3")])
def test_the_version_that_fits_is_taken(features: tuple[str, ...], expected: bytes) -> None:
    engine = loaded(*features)
    assert called(engine, "t_cpu", ctypes.c_char_p)() == expected
    assert called(engine, "t_set_num_threads", ctypes.c_int, ctypes.c_int)(1) == 0
    assert called(engine, "t_f_workspace", ctypes.c_uint64, ctypes.c_int64)(5) < 2**63
    assert called(engine, "t_build_id", ctypes.c_uint64)() == 7


@needs_x86
def test_versions_of_which_none_fits() -> None:
    host = host_target()
    unfit = host._replace(features=f"{host.features},+avx512fp16")
    targets = [unfit._replace(cpu="x86-64-v4"), unfit._replace(cpu="x86-64-v3")]
    engine = load_in_process(lower_versions("t", [square_plus("f64")], 7, 9, targets), host)
    fault = s.Fault()
    function = called(engine, "t_f", ctypes.c_int, ctypes.c_int64, *[ctypes.c_void_p] * 4)
    for _ in range(2):
        assert function(0, None, None, None, ctypes.addressof(fault)) == fault.code == 6
    assert function(0, None, None, None, None) == 6
    assert called(engine, "t_cpu", ctypes.c_char_p)() is None
    assert called(engine, "t_set_num_threads", ctypes.c_int, ctypes.c_int)(1) == 6
    assert called(engine, "t_f_workspace", ctypes.c_uint64, ctypes.c_int64)(5) == 2**64 - 1


@needs_x86
def test_only_the_library_functions_of_versions_are_seen() -> None:
    state = run_stages(Source("model.expr", MODEL), driver.Options(name="model", cpu="x86-64-v4,x86-64-v3"), "compile")
    assert set(objects.defined_symbols(state.object)) == {f"model_{name}" for name in FUNCTIONS}
    assert set(objects.undefined_symbols(state.object)) <= ALLOWED_UNDEFINED[ELF]
    again = run_stages(Source("model.expr", MODEL), driver.Options(name="model", cpu="x86-64-v3,x86-64-v4"), "compile")
    assert again.object == state.object and again.llvm == state.llvm


@needs_x86
def test_a_plan_may_be_called_from_many_threads_at_first() -> None:
    from threading import Barrier, Thread

    engine, barrier, found = loaded("+avx512fp16"), Barrier(8), []
    name = called(engine, "t_cpu", ctypes.c_char_p)

    def ask() -> None:
        barrier.wait()
        found.append(name())

    threads = [Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [b"x86-64-v3"] * 8


def test_versions_of_the_one_pass_plan_are_plain_where_there_is_one() -> None:
    from exprc.lower import lower_plans

    plans, host = [logistic("f64")], host_target()
    assert lower_versions("t", plans, 1, 2, [host]) == lower_plans("t", plans, 1, 2, host)


QEMU = {"aarch64": shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static"),
        "riscv64": shutil.which("qemu-riscv64") or shutil.which("qemu-riscv64-static")}  # fmt: skip
MAIN = """#include "model.h"
#include <stdio.h>
#include <stdlib.h>
static unsigned long state = 12345;
static double draw(void) {
  state = state * 6364136223846793005UL + 1442695040888963407UL;
  return (double)(state >> 11) / 9007199254740992.0 - 0.5;
}
int main(void) {
  enum { n = 1037, d = 23 };
  static double X[n * d], w[d], gradient[d], E, p; static float u[d], single[d];
  for (int i = 0; i < n * d; i++) X[i] = draw();
  for (int i = 0; i < d; i++) { w[i] = draw(); u[i] = (float)draw(); }
  int first = model_E_value_and_grad(n, d, X, w, u, &E, gradient, single, NULL, NULL);
  int second = model_p(n, d, X, w, u, &p, NULL, NULL);
  printf("%d %d %d %a %a", first, second, model_abi_ok(), E, p);
  for (int i = 0; i < d; i++) printf(" %a %a", gradient[i], single[i]);
  return 0;
}
"""


@pytest.mark.parametrize("architecture", QEMU)
def test_every_architecture_computes_the_same_bits(architecture: str, tmp_path: Path) -> None:
    zig = next((path for folder in sys.path if os.path.isfile(path := os.path.join(folder, "ziglang", "zig"))), None)
    if not (QEMU[architecture] and zig) or os.uname().machine == architecture:
        pytest.skip("no emulator or no compiler for it")
    (tmp_path / "main.c").write_text(MAIN)
    (tmp_path / "model.expr").write_text(MODEL)
    printed = []
    for machine in (os.uname().machine, architecture):
        folder = tmp_path / machine
        command = ["build", str(tmp_path / "model.expr"), "-o", str(folder), "--emit", "obj,header"]
        assert run([*command, "--target", f"{machine}-linux-gnu"]) == 0
        build = [zig, "cc", "-O1", "-static", "-target", f"{machine}-linux-musl", f"-I{folder}"]
        sources = [tmp_path / "main.c", folder / "model.o"]
        subprocess.run([*build, *sources, "-o", folder / "main"], check=True, timeout=300)
        emulator = [QEMU[architecture]] if machine == architecture else []
        printed.append(subprocess.run([*emulator, folder / "main"], check=True, capture_output=True, text=True).stdout)
    assert printed[0].startswith("0 0 1 ")
    assert printed[0] == printed[1]
