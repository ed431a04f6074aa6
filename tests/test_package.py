"""What becomes of an interface and an object: names, sizes and escapes, header, manifest, linking, writing."""

from __future__ import annotations

import ast
import importlib
import json
import keyword
import os
import shutil
import subprocess
import sys

import pytest

from exprc.diagnostics import InternalError, KnownLimit, UserError
from exprc.ir.sizes import Atom, Size, as_size, dim, floordiv, maximum, minimum
from exprc.package import elf, escape, header, link, manifest, names, sizes, write
from exprc.package.abi import abi_hash, c_functions, exported_symbols, prototype
from exprc.package.interface import (
    Argument,
    Callable,
    Dim,
    GradientEntry,
    Interface,
    Requirement,
    Result,
    requirements_of,
)
from exprc.package.linkers import find_linkers
from exprc.package.module import make_module
from exprc.package.objects import ELF, Format
from exprc.package.stub import make_stub

N, D = dim("n"), dim("d")
HOSTILE = '*/ int x; /* ??/ """ \\ \u2028 \u202e \x00 \x1b[31m \ud800 ${x} {y} %s \\'
DOC = HOSTILE.replace("\ud800", "")  # no text file holds a lone surrogate


def make_interface(
    doc: str = "", renamed: dict[str, str] | None = None, dims: tuple[str, str] = ("n", "d")
) -> Interface:
    """A model with a loss of one param and an output; `renamed` gives declarations other names."""
    called = {name: (renamed or {}).get(name, name) for name in ("X", "w", "E", "p")}
    n, d = (dim(name) for name in dims)

    def argument(name: str, role: str, shape: tuple, start: float | None) -> Argument:  # type: ignore[type-arg]
        spelt = called[name]
        text = f"{role} {spelt} : f64[…]  {doc}"
        return Argument(spelt, role, "f64", shape, doc, 4, text, start, names.c_name(spelt), names.python_name(spelt))

    (value, both), (output, _) = names.symbols("model", (called["E"], called["p"]))
    gradient = GradientEntry(both, (called["w"],), (Result(called["w"], "f64", (d,)),))
    arguments = (called["X"], called["w"])
    return Interface(
        name="model",
        doc=doc,
        source_name="model.expr",
        source_sha256="ab" * 32,
        build_id=2**64 - 1,
        exprc_version="0.1",
        target="x86_64-unknown-linux-gnu",
        cpu_features=("avx2",),
        dims=(Dim(dims[0], 1), Dim(dims[1], 1), Dim("k", 2, 3)),
        arguments=(argument("X", "input", (n, d), None), argument("w", "param", (d,), 0.0)),
        callables=(
            Callable(called["E"], "loss", doc, 8, arguments, dims, (Result(called["E"], "f64", ()),), value, gradient),
            Callable(called["p"], "output", doc, 9, arguments, dims, (Result(called["p"], "bool", (n,)),), output),
        ),
        requirements=(Requirement("n >= d", 3, n, ">=", d, (called["E"], called["p"])),),
    )


SIZES = [
    as_size(0),
    as_size(7),
    N,
    N * N * 2 - D + 3,
    -N - 1,
    floordiv(N + 1, D) * 2,
    floordiv(-N, as_size(4)),
    minimum(N, D * 2),
    maximum(floordiv(N, as_size(3)), minimum(D, N - 5)),
]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("values", [(1, 1), (7, 3), (12, 5)])
def test_sizes_in_python_mean_what_they_mean(size, values) -> None:  # type: ignore[no-untyped-def]
    n, d = values
    assert eval(sizes.to_python(size), {"n": n, "d": d}) == size.evaluate({"n": n, "d": d})
    renamed = sizes.to_python(size, {"n": "rows", "d": "columns"}, ("_least", "_most"))
    assert eval(renamed, {"rows": n, "columns": d, "_least": min, "_most": max}) == size.evaluate({"n": n, "d": d})


def test_sizes_nest_deeper_than_python_recurses() -> None:
    size = N
    for _ in range(300):
        size = Size(((((Atom("floordiv", (size, as_size(2))), 1),), 1),))
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(250)
    try:
        text = sizes.to_python(size)
    finally:
        sys.setrecursionlimit(limit)
    assert text.count("//") == 300


def test_linear_dims() -> None:
    assert sizes.linear_dims(N * D + N) == ("d", "n")
    assert sizes.linear_dims(N * N + D) == ("d",)
    assert sizes.linear_dims(floordiv(N, D) + dim("k")) == ("k",)


@pytest.mark.parametrize("text", ["", "plain", HOSTILE, 'ends with "', "\\", "µ β", "a\r\nb\tc", '""""""', "\u2029"])
def test_escapes(text: str) -> None:
    assert ast.literal_eval(escape.python_literal(text)) == text
    shown = ast.literal_eval(escape.python_docstring(text))
    assert shown.replace(" ", "").split() == escape_shown(text).replace(" ", "").split()
    assert escape.python_literal({text: [text, (text,)]}).isprintable() or "\n" in escape.python_literal({text: [text]})
    assert "\n" not in escape.python_comment(text)
    assert json.loads(escape.json_text({"a": text})) == {"a": text}
    comment = escape.c_comment(text)
    assert not any(sequence in comment for sequence in ("*/", "/*", "??", "\\\n"))
    assert comment.replace("\n", "").isprintable()


def escape_shown(text: str) -> str:
    """What a docstring shows: line ends and tabs made uniform."""
    return text.replace("\r\n", "\n").replace("\t", "    ")


def test_literals_of_python_and_json_hold_all_numbers() -> None:
    values = [1, -2.5, 1e300, float("inf"), -float("inf"), True, None, (1,), {"a": []}]
    assert eval(escape.python_literal(values)) == values
    assert eval(escape.python_literal(float("nan"))) != eval(escape.python_literal(float("nan")))
    assert json.loads(escape.json_text({"a": [float("inf"), 0.1]})) == {"a": ["inf", 0.1]}


BAD_MODEL_NAMES = ["", "1a", "a-b", "a b", "../a", "lambda", "random", "os", "numpy", "a\n", "None", "a.b"]


@pytest.mark.parametrize("name", BAD_MODEL_NAMES)
def test_model_names_that_cannot_be(name: str) -> None:
    with pytest.raises(UserError) as raised:
        names.check_model_name(name)
    assert [diagnostic.code for diagnostic in raised.value.diagnostics] == ["E0702"]


@pytest.mark.parametrize("name", ["model", "random_walk", "E", "match", "min", "double"])
def test_model_names_that_can_be(name: str) -> None:
    assert names.check_model_name(name) == name


@pytest.mark.parametrize(
    ("name", "python", "c"),
    [
        ("w", "w", "w"),
        ("lambda", "lambda_", "lambda"),
        ("double", "double", "v_double"),
        ("class", "class_", "v_class"),
        ("I", "I", "v_I"),
        ("workspace", "workspace", "v_workspace"),
        ("_x", "v__x", "v__x"),
        ("v__x", "v_v__x", "v_v__x"),
        ("lambda_", "lambda_", "lambda_"),
        ("keys", "keys_", "keys"),
        ("v_x", "v_x", "v_x"),
        ("EOF", "EOF", "v_EOF"),
        ("M_PIf", "M_PIf", "v_M_PIf"),
        ("X", "X", "X"),
        ("W1", "W1", "W1"),
        ("μ", "μ", "u03BC"),
    ],
)
def test_spellings(name: str, python: str, c: str) -> None:
    assert (names.python_name(name), names.c_name(name)) == (python, c)


def test_symbols_are_distinct() -> None:
    called = ("E", "E_value_and_grad", "status", "E_workspace", "μ")
    found = [symbol for pair in names.symbols("model", called) for symbol in pair]
    assert len(set(found)) == 2 * len(called)
    assert found[0] == "model_E"
    assert "model_status" not in found
    assert all(symbol.isascii() and symbol.isidentifier() for symbol in found)


def test_signatures_follow_the_declarations() -> None:
    texts = [prototype(function) for function in c_functions(make_interface())]
    common = "int64_t n, int64_t d, const double *X, const double *w, "
    tail = "void *workspace, model_fault *fault)"
    assert texts == [
        f"int model_E({common}double *E, {tail}",
        f"int model_E_value_and_grad({common}double *E, double *grad_w, {tail}",
        f"int model_p({common}uint8_t *p, {tail}",
    ]


def test_hash_tells_signatures_apart() -> None:
    same = abi_hash(make_interface("another doc"))
    assert abi_hash(make_interface()) == same
    assert abi_hash(make_interface(dims=("d", "n"))) != same


def test_requirements_apply_where_they_are_needed_and_all_their_dims_are_known() -> None:
    interface = make_interface()
    loss, _ = interface.callables
    assert requirements_of(interface, loss) == interface.requirements
    assert requirements_of(interface, loss._replace(dims=("n",))) == ()
    assert requirements_of(interface, loss._replace(name="another")) == ()


LANGUAGES = [("c", "c99"), ("c", "c17"), ("c++", "c++11"), ("c++", "c++17")]


@pytest.mark.parametrize(("language", "standard"), LANGUAGES)
@pytest.mark.parametrize("doc", ["", "A doc.\nOf two lines.", HOSTILE], ids=["none", "plain", "hostile"])
def test_header_compiles_without_warnings(tmp_path, language: str, standard: str, doc: str) -> None:  # type: ignore[no-untyped-def]
    compiler = shutil.which("c++" if language == "c++" else "cc")
    if not compiler:
        pytest.skip("no compiler")
    renamed = {"X": "class", "w": "I", "E": "EOF"} if doc else {"X": "model", "w": "NULL", "E": "status", "p": "μ"}
    text = header.make_header(make_interface(doc, renamed))
    (tmp_path / "model.h").write_text(text)
    program = (
        '#include <complex.h>\n#include "model.h"\n#include "model.h"\nint main(void) { return !model_abi_ok(); }\n'
    )
    (tmp_path / "main").write_text(program if language == "c" else program.replace("#include <complex.h>\n", ""))
    flags = [f"-std={standard}", "-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only", "-x", language]
    done = subprocess.run([compiler, *flags, tmp_path / "main"], capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_manifest_holds_everything_and_is_json() -> None:
    interface = make_interface(DOC)
    text = manifest.make_manifest(interface)
    data = json.loads(text)
    assert data["schema"] == manifest.SCHEMA
    assert data["build_id"] == "0xffffffffffffffff"
    assert data["dims"][2] == {"name": "k", "python_name": "k", "c_name": "k", "line": 2, "value": 3}
    assert [argument["shape"] for argument in data["arguments"]] == [["n", "d"], ["d"]]
    assert data["callables"][0]["gradient"]["wrt"] == ["w"]
    assert data["requirements"][0]["relation"] == ">="
    assert data["arguments"][0]["doc"] == interface.arguments[0].doc
    assert text.isascii()


@pytest.mark.parametrize("doc", ["", DOC], ids=["plain", "hostile"])
def test_texts_are_valid_and_do_not_depend_on_hash_seeds(doc: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    interface = make_interface(doc)
    module, stub = make_module(interface, "libmodel.so"), make_stub(interface)
    assert ast.get_docstring(ast.parse(module)) is not None
    ast.parse(stub)
    script = (
        "import sys; sys.path[:0] = sys.argv[1:3]\n"
        "import test_package as t\n"
        "i = t.make_interface(t.DOC if sys.argv[3] == 'hostile' else '')\n"
        "parts = [t.make_module(i, 'libmodel.so'), t.make_stub(i)]\n"
        "parts += [t.header.make_header(i), t.manifest.make_manifest(i)]\n"
        "print(t.escape.json_text(parts))"
    )
    here = os.path.dirname(__file__)
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script, os.path.dirname(here), here, "hostile" if doc else "plain"],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=tmp_path,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
    assert json.loads(outputs.pop())[0] == module


# ---- linking


OBJECT_TEXT = """
declare ptr @malloc(i64)
declare double @sin(double)
define internal i32 @hidden(i32 %x) noinline { ret i32 %x }
define i32 @not_exported(i32 %x) { ret i32 %x }
define i32 @model_E(i32 %x) { %y = call i32 @hidden(i32 %x)
  ret i32 %y }
define i64 @model_build_id() { ret i64 1 }
define i64 @model_abi_hash() { ret i64 1 }
define ptr @model_take(i64 %x) { %y = call ptr @malloc(i64 %x)
  ret ptr %y }
"""
EXPORTED = ("model_E", "model_abi_hash", "model_build_id", "model_take")


def compile_text(text: str, triple: str | None = None) -> bytes:
    """LLVM IR to an object file."""
    from llvmlite import binding

    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    target = binding.Target.from_triple(triple or binding.get_process_triple())
    machine = target.create_target_machine(reloc="pic", codemodel="default")
    return machine.emit_object(binding.parse_assembly(text))


@pytest.fixture(scope="module")
def object_file() -> bytes:
    return compile_text(OBJECT_TEXT)


def test_library_shows_what_it_should_and_loads(object_file: bytes, tmp_path) -> None:  # type: ignore[no-untyped-def]
    library = link.link_shared([object_file], "libmodel.so", EXPORTED)
    assert elf.defined_symbols(library) == EXPORTED
    assert elf.undefined_symbols(library) == ("malloc",)
    assert elf.machine(library) == os.uname().machine
    assert link.link_shared([object_file], "libmodel.so", EXPORTED) == library
    (tmp_path / "libmodel.so").write_bytes(library)
    ctypes = importlib.import_module("ctypes")
    assert ctypes.CDLL(str(tmp_path / "libmodel.so")).model_E(7) == 7


def test_symbols_of_objects(object_file: bytes) -> None:
    assert set(elf.defined_symbols(object_file)) == {*EXPORTED, "not_exported"}
    assert "malloc" in elf.undefined_symbols(object_file)
    for broken in (b"", b"\x7fELF\x02\x01", object_file[: len(object_file) // 2], b"text"):
        with pytest.raises(ValueError):
            elf.defined_symbols(broken)


def test_several_objects_are_one_library(object_file: bytes) -> None:
    other = compile_text(
        "declare i32 @model_E(i32)\ndefine i32 @model_F(i32 %x) { %y = call i32 @model_E(i32 %x)\n ret i32 %y }"
    )
    library = link.link_shared([object_file, other], "libmodel.so", (*EXPORTED, "model_F"))
    assert elf.undefined_symbols(library) == ("malloc",)


def test_undefined_symbols_are_held_against_the_list() -> None:
    text = "declare double @sin(double)\ndefine double @model_E(double %x) { %y = call double @sin(double %x)\n"
    text += "ret double %y }"
    with pytest.raises(InternalError, match="allow-list: sin"):
        link.link_shared([compile_text(text)], "libmodel.so", ("model_E",))


LINKERS = ("ld", "ld.lld", "lld", "cc", "gcc", "clang")


@pytest.mark.parametrize("name", LINKERS)
def test_each_linker_alone_is_enough(object_file: bytes, tmp_path, monkeypatch, name: str) -> None:  # type: ignore[no-untyped-def]
    real = shutil.which(name)
    if not real:
        pytest.skip(f"no {name}")
    program = tmp_path / name
    program.write_text(f'#!/bin/sh\nPATH={os.environ["PATH"]} exec {real} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "path", [])
    assert [linker.command[0] for linker in find_linkers(Format(ELF, os.uname().machine))] == [str(program)]
    library = link.link_shared([object_file], "libmodel.so", EXPORTED)
    assert elf.defined_symbols(library) == EXPORTED


def test_without_a_linker_the_message_names_one_command(object_file: bytes, tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(UserError) as raised:
        link.link_shared([object_file], "libmodel.so", EXPORTED)
    (diagnostic,) = raised.value.diagnostics
    assert diagnostic.code == "E0701"
    assert "`pip install ziglang`" in diagnostic.help[0]


def test_the_linker_in_the_package_ziglang_is_the_last_resort(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "ziglang").mkdir()
    program = tmp_path / "ziglang" / "zig"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.setenv("PATH", "")
    assert [linker.command for linker in find_linkers(Format(ELF, os.uname().machine))] == [(str(program), "ld.lld")]


def test_linkers_that_fail_are_reported(object_file: bytes, tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    program = tmp_path / "ld"
    monkeypatch.setattr("exprc.package.linkers._ziglang", lambda: None)
    program.write_text("#!/bin/sh\necho broken tool >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with pytest.raises(InternalError, match="ended with 3: broken tool"):
        link.link_shared([object_file], "libmodel.so", EXPORTED)
    program.write_bytes(b"no program")
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\necho cannot find ld >&2\nexit 1\n")
    compiler.chmod(0o755)
    with pytest.raises(UserError) as raised:
        link.link_shared([object_file], "libmodel.so", EXPORTED)
    (diagnostic,) = raised.value.diagnostics
    assert diagnostic.code == "E0701"
    assert "Exec format error" in diagnostic.notes[1]
    assert "cannot find ld" in diagnostic.notes[2]
    assert sorted(os.listdir(tmp_path)) == ["cc", "ld"]


@pytest.mark.parametrize("triple", ["powerpc64le-unknown-linux-gnu", "wasm32-unknown-unknown"])
def test_other_formats_are_a_known_limit(triple: str) -> None:
    with pytest.raises(KnownLimit) as raised:
        link.link_shared([compile_text("define i32 @f() { ret i32 0 }", triple)], "libmodel.so", ("f",))
    assert raised.value.diagnostics[0].code == "E0602"


# ---- writing


def test_files_are_written_and_written_again(tmp_path) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path / "new" / "folder"
    for text in ("one", "two"):
        content = f"# {write.MARKER}\n{text}"
        paths = write.write_artefacts(str(folder), {"model.py": content, "model.h": content.encode()})
        assert paths == (str(folder / "model.py"), str(folder / "model.h"))
        assert (folder / "model.h").read_text() == content
    assert sorted(os.listdir(folder)) == ["model.h", "model.py"]


def test_foreign_files_stay(tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "model.h").write_text("mine")
    (tmp_path / "model.json").write_text("{}")
    files = {"model.py": "a", "model.h": "b", "model.json": "c"}
    with pytest.raises(UserError) as raised:
        write.write_artefacts(str(tmp_path), files)
    assert [diagnostic.code for diagnostic in raised.value.diagnostics] == ["E0703", "E0703"]
    assert (tmp_path / "model.h").read_text() == "mine"
    assert not (tmp_path / "model.py").exists()
    write.write_artefacts(str(tmp_path), files, force=True)
    assert (tmp_path / "model.h").read_text() == "b"


def test_everything_that_is_written_is_known_again(object_file: bytes) -> None:
    interface = make_interface(DOC)
    library = link.link_shared([object_file], "libmodel.so", EXPORTED)
    texts = [
        make_module(interface, "libmodel.so"),
        make_stub(interface),
        header.make_header(interface),
        manifest.make_manifest(interface),
    ]
    assert all(write.is_artefact(data) for data in (library, object_file, *(text.encode() for text in texts)))
    foreign = link.link_shared([compile_text("define i32 @a_build_id() { ret i32 0 }")], "liba.so", ("a_build_id",))
    assert not any(write.is_artefact(data) for data in (foreign, foreign[:100], b"", b"text", b"\x7fELF\x02\x01"))


@pytest.mark.parametrize("kept", [0, 3, 64, 4096, -1])
def test_what_a_crash_left_of_a_library_is_replaced_beside_its_module(
    kept: int, object_file: bytes, tmp_path  # type: ignore[no-untyped-def]
) -> None:
    library = link.link_shared([object_file], "libmodel.so", EXPORTED)
    files = {"libmodel.so": library, "model.py": f"# {write.MARKER}"}
    write.write_artefacts(str(tmp_path), files)
    (tmp_path / "libmodel.so").write_bytes(library[:kept])
    write.write_artefacts(str(tmp_path), files)
    assert (tmp_path / "libmodel.so").read_bytes() == library
    (tmp_path / "libmodel.so").write_bytes(library[:kept])
    (tmp_path / "model.py").write_text("mine")  # nothing here is known to be of a build
    with pytest.raises(UserError) as raised:
        write.write_artefacts(str(tmp_path), files)
    assert len(raised.value.diagnostics) == 2


def test_a_library_of_somebody_else_stays_beside_a_module(object_file: bytes, tmp_path) -> None:  # type: ignore[no-untyped-def]
    foreign = link.link_shared([compile_text("define i32 @mine() { ret i32 0 }")], "libmodel.so", ("mine",))
    files = {"libmodel.so": b"", "model.py": f"# {write.MARKER}"}
    write.write_artefacts(str(tmp_path), files)
    for content in (foreign, b"notes", b"\x7fELF\x01"):
        (tmp_path / "libmodel.so").write_bytes(content)
        with pytest.raises(UserError):
            write.write_artefacts(str(tmp_path), files)
        assert (tmp_path / "libmodel.so").read_bytes() == content


def test_a_folder_in_the_way_is_never_replaced(tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "model.h").mkdir()
    for force in (False, True):
        with pytest.raises(UserError):
            write.write_artefacts(str(tmp_path), {"model.h": write.MARKER}, force)
    assert os.listdir(tmp_path) == ["model.h"]


def test_what_cannot_be_written_leaves_everything_as_it_was(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    write.write_artefacts(str(tmp_path), {"model.h": write.MARKER, "model.py": write.MARKER})
    real, calls = write.write_beside, []

    def full_disk(path: str, content: bytes, ending: str) -> str:
        calls.append(path)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return real(path, content, ending)

    monkeypatch.setattr(write, "write_beside", full_disk)
    with pytest.raises(UserError) as raised:
        write.write_artefacts(str(tmp_path), {"model.h": "new", "model.py": "new"})
    assert raised.value.diagnostics[0].code == "E0705"
    assert sorted(os.listdir(tmp_path)) == ["model.h", "model.py"]
    assert (tmp_path / "model.h").read_text() == write.MARKER


def test_a_file_where_the_folder_should_be(tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "taken").write_text("")
    with pytest.raises(UserError) as raised:
        write.write_artefacts(str(tmp_path / "taken"), {"model.h": ""})
    assert raised.value.diagnostics[0].code == "E0705"


def test_exported_symbols_cover_the_interface() -> None:
    found = exported_symbols(make_interface())
    assert {"model_E", "model_E_workspace", "model_E_value_and_grad_workspace", "model_status"} <= set(found)
    assert list(found) == sorted(found)
    assert not any(keyword.iskeyword(symbol) for symbol in found)
