"""What a stranger's text, file or surroundings can do: end with a message or success, soon, in little memory.

Cases of size and of the operating system run in a process of their own, with limits on time and memory; others here.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import pickle
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from exprc.cli.main import run

ROOT = Path(__file__).resolve().parents[1]
SECONDS, MEMORY = 10, 1 << 30
X = "input x : f64\n"
USER, USAGE, LIMIT, PIPE = 1, 2, 3, 141


class Ended(NamedTuple):
    """How a process ended."""

    code: int
    out: str
    err: str


def exprc(*arguments: str, folder: Path, shell: str = "", **environment: str) -> Ended:
    """`exprc` in a process that gets 10 s of processor and 1 GB; `shell` redirects its streams."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY + (512 << 20), MEMORY + (512 << 20)))  # libraries are mapped too

    command = [sys.executable, "-m", "exprc", *arguments]
    if shell:
        command = ["sh", "-c", f'"$@" {shell}', "sh", *command]
    known = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", **environment}
    env = {name: value for name, value in known.items() if value != "unset"}
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=120, env=env, preexec_fn=limit, check=False)
    err = done.stderr.decode(errors="surrogateescape")
    assert done.returncode in (0, USER, USAGE, LIMIT, PIPE), (done.returncode, err[-500:])
    assert "Traceback" not in err and "bug:" not in err, err[-1000:]
    assert "\x1b" not in err and "\x1b" not in done.stdout.decode(errors="replace")
    return Ended(done.returncode, done.stdout.decode(errors="replace"), err)


# ---- programs that ask for too much


def twice_each(count: int, step: str) -> str:
    return "".join(step.format(i, i - 1) for i in range(1, count))


# Each: the program, the exit code of `check`, what the message says.
LARGE = {
    "tower of powers": ("output a = 9^9^9^9\n", USER, "does not fit i64"),
    "size of a power": ("dim n = 2^(10^9)\ninput x : f64[n]\noutput a = x\n", USER, "does not fit i64"),
    "tower of floats": ("output a = 9.0^9.0^9.0^9.0\n", 0, ""),
    "zeros": ("output a = zeros(10^12)\noutput b = sum(ones(10^6, 10^6))\n", 0, ""),
    "range": ("output a = last(scan s = 0 over t in 0..10^18 { s + t }, 0)\n", 0, ""),
    "10^6 dims": ("dim " + ", ".join(f"n{i}" for i in range(10**6)) + "\noutput a = 1.5\n", USER, "at most 8000000 bytes"),  # noqa: E501
    "power of a sum of sizes": ("dim a, b, c, d\noutput y = zeros((a + b + c + d)^50)\n", USER, "E0310"),
    "product of sums of sizes": (f"dim a, b, c, d\ndim e = {'*'.join(['(a + b + c + d)'] * 50)}\noutput y = zeros(e)\n",
                                 USER, "E0310"),
    "squares of sizes": ("dim a\ndim e0 = a + 1\n" + twice_each(40, "dim e{0} = e{1} * e{1}\n") + "output y = zeros(e39)\n",  # noqa: E501
                         USER, "E0310"),
    "minima of sizes": ("dim a, b\ndim e0 = a\n" + twice_each(40, "dim e{0} = min(e{1}, e{1} + 1) + max(e{1}, b)\n")
                        + "output y = zeros(e39)\n", USER, "E0310"),
    "digits": (f"output a = {'9' * 10**6}\n", USER, "does not fit into 64 bits"),
    "digits of a fraction": (f"output a = 1.{'9' * 10**6}\n", 0, ""),
    "exponent": ("output a = 1e999999999\n", USER, "the largest f64"),
    "small exponent": ("output a = 1e-999999999\n", 0, ""),
    "index": (f"input x : f64[3]\noutput a = x[{'9' * 10**5}]\n", USER, "E0105"),
    "round brackets": (X + f"output a = {'(' * 10**5}x{')' * 10**5}\n", 0, ""),
    "square brackets": (X + f"output a = {'[' * 10**5}x{']' * 10**5}\n", LIMIT, "at most 16 axes"),
    "new axes": (X + f"output a = x{'[None]' * 10**5}\n", LIMIT, "at most 16 axes"),
    "axes": (f"input x : f64[{', '.join(['2'] * 1000)}]\noutput a = sum(x)\n", LIMIT, "at most 16 axes"),
    "open brackets": ("output a = " + "(" * 10**5, USER, "100000 brackets are never closed"),
    "signs": (X + f"output a = {'-' * 10**5}x\n", 0, ""),
    "powers": (X + f"output a = {'x^' * 10**5}x\n", 0, ""),
    "choices": (X + f"output a = {'if x > 0 then x else ' * 30_000}x\n", 0, ""),
    "loops": (f"output a = {'scan h = 0 over t in 0..2 { ' * 3000}h{' }' * 3000}\n", USER, "E0411"),
    "doubling calls": (X + "fn f0(v) = v + v\n" + twice_each(60, "fn f{0}(v) = f{1}(v) + f{1}(v)\n") + "output a = f59(x)\n",  # noqa: E501
                       0, ""),
    "calls of calls": (X + "fn f0(v) = sin(v)\n" + twice_each(60, "fn f{0}(v) = f{1}(f{1}(v))\n") + "output a = f59(x)\n",  # noqa: E501
                       LIMIT, "called more than 60000 times"),
    "derivatives of derivatives": ("param x : f64\ng0 = exp(sin(x) * cos(x^2)) / (1 + x^2)\n"
                                   + twice_each(12, "g{0} = grad(g{1}, x)\n") + "output a = g11\n", LIMIT, "operations"),  # noqa: E501
    "declarations on one line": (";".join(f"a{i}=1" for i in range(10**5)) + ";output b = 1\n", 0, ""),
    "name": (f"input {'x' * 10**6} : f64\noutput a = {'x' * 10**6} + y\n", USER, "unknown name `y`"),
    "line": (X + f"output a = x # {'y' * 10**6}\n", 0, ""),
    "wrong line": (X + f"output a = x +* {'1 + ' * 250_000}1\n", USER, "E0101"),
    "mistakes": ("output a = " + " + ".join(f"y{i}" for i in range(20_000)) + "\n", USER, "E0201"),
    "array literal": (f"output a = [{', '.join(['1'] * 10**5)}]\n", LIMIT, "E0601"),
    "quotes": ('"' * 100_001, USER, "E0109"),
    "inputs": ("".join(f"input x{i} : f64\n" for i in range(20_000)) + f"output a = {' + '.join(f'x{i}' for i in range(20_000))}\n",  # noqa: E501
               LIMIT, "at most 1000 arguments"),
}  # fmt: skip


@pytest.mark.parametrize("name", LARGE)
def test_programs_that_ask_for_too_much(name: str, tmp_path: Path) -> None:
    text, code, message = LARGE[name]
    (tmp_path / "m.expr").write_text(text)
    ended = exprc("check", "m.expr", folder=tmp_path)
    assert ended.code == code
    assert message in ended.err
    assert len(ended.err) < 40_000


def test_sizes_that_overflow(tmp_path: Path) -> None:
    """Known ones and those of a call: an error of the call, for nobody can have the memory."""
    program = "dim n\ninput x : f64[n]\noutput a = sum(zeros(2^62, 2^62) + 1.0)\noutput b = zeros(n * 2^62) + x[0]\n"
    (tmp_path / "m.expr").write_text(program)
    np.savez(tmp_path / "d.npz", x=np.zeros(8))
    ended = exprc("run", "m.expr", "--data", "d.npz", "--only", "b", folder=tmp_path)
    assert ended.code == USER and "E0709" in ended.err


# ---- bytes that are no program

BYTES = {
    "NUL": (b"output a\0 = 1\n", "E0112"),
    "invalid UTF-8": (b"# caf\xe9\noutput a = 1\n", "E0111"),
    "lone surrogate": (b"output a\xed\xa0\x80 = 1\n", "E0111"),
    "overlong": (b"output a\xc0\xaf = 1\n", "E0111"),
    "UTF-16": ("output a = 1\n".encode("utf-16"), "E0111"),
    "mark within": ("output a\ufeff = 1\n".encode(), "E0106"),
    "direction": ("output a = 1 # \u202e\n".encode(), "E0113"),
    "isolate": ("output a\u2067 = 1\n".encode(), "E0113"),
    "line separator": ("output a\u2028 = 1\n".encode(), "E0106"),
    "escape": (b"output a\x1b[31m = 1\n", "E0106"),
    "trigraph": (b"output a??/ = 1\n", "E0106"),
    "carriage return": (b"output a = 1\routput b = 2\n", "E0106"),
    "only quotes": (b'"', "E0109"),
}


@pytest.mark.parametrize("name", BYTES)
def test_bytes_that_are_no_program(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    data, code = BYTES[name]
    (tmp_path / "m.expr").write_bytes(data)
    for command in (["check"], ["build"], ["fmt", "--check"]):
        assert run([*command, "m.expr"]) == USER
        error = capsys.readouterr().err
        assert f"error[{code}]" in error
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069]", error)
    assert [path.name for path in tmp_path.iterdir()] == ["m.expr"]


def test_byte_order_marks_are_tolerated(tmp_path: Path) -> None:
    (tmp_path / "m.expr").write_bytes(b"\xef\xbb\xbfoutput a = 1.5\r\n")
    assert run(["check", str(tmp_path / "m.expr")]) == 0


# ---- `use`, which is not built yet: refused before anything is opened

USES = (
    "/etc/passwd", "../other.expr", "a/../../other.expr", "/dev/zero", "/dev/stdin", "fifo.expr", "link.expr", "m.expr", "",  # noqa: E501
    "nul\\0.expr", "~/x.expr", "file:///etc/passwd", "folder", "a\\nb.expr", "C:\\\\x.expr", "//host/x.expr", ".", "..",
)  # fmt: skip


@pytest.mark.parametrize("path", USES)
def test_other_files_stay_closed(path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A FIFO that were opened would hold the test up; the text of a file that were read would be in the message."""
    folder = tmp_path / "model"
    folder.mkdir()
    secret = "input secret_of_the_other_file : f65\n"
    (tmp_path / "other.expr").write_text(secret)
    (folder / "link.expr").symlink_to(tmp_path / "other.expr")
    (folder / "folder").mkdir()
    os.mkfifo(folder / "fifo.expr")
    (folder / "m.expr").write_text(f'use "{path}"\noutput a = 1.5\n')
    assert run(["check", str(folder / "m.expr")]) in (USER, LIMIT)
    error = capsys.readouterr().err
    assert "secret_of_the_other_file" not in error and "root:" not in error
    assert "bug" not in error


# ---- docs and names in generated files

DOCS = (
    '"""', "'''", '\\"""', 'ends with "', "ends with \\", "*/ int x; /*", "// */", "??/", "??/\\", "\\N{BULLET} \\x41 \\u0041",  # noqa: E501
    "</script><!-- ]]>", "%s %n %(a)s", "{} {0} {a!r}", "\x1b[31mred\x07", "tab\there", "$(touch hacked) `touch hacked`",  # noqa: E501
    "\u2028next", "nel\x85next", "é µ 漢 🙂", "#include <x>\\", "'; import os; '", "{{ }}", "\x7f\x01", "\ufeff",
)  # fmt: skip
DOCUMENTED = (
    "## {0}\n## {0}\n\ndim n ## {0}\ninput x : f64[n] ## {0}\nparam w : f64 ## {0}\n## {0}\nloss E = sum(x * w)\n"
)


@pytest.fixture(scope="module")
def documented(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every text in every place of one program for each, built into one folder."""
    folder = tmp_path_factory.mktemp("documented")
    for number, text in enumerate(DOCS):
        program = DOCUMENTED.replace("{0}", text)
        (folder / f"m{number}.expr").write_text(program, encoding="utf-8", newline="")
        assert run(["build", str(folder / f"m{number}.expr"), "-o", str(folder)]) == 0, text
    return folder


@pytest.mark.parametrize("number", range(len(DOCS)), ids=lambda number: ascii(DOCS[number]))
def test_docs_reach_all_files_as_text(number: int, documented: Path) -> None:
    wanted = DOCS[number].strip()
    manifest = json.loads((documented / f"m{number}.json").read_text(encoding="utf-8"))
    assert wanted in manifest["doc"]
    assert wanted in next(a for a in manifest["arguments"] if a["name"] == "x")["doc"]
    for ending in (".py", ".pyi"):
        tree = ast.parse((documented / f"m{number}{ending}").read_text(encoding="utf-8"))
        assert not any(isinstance(node, ast.Name) and node.id in ("hacked", "os_") for node in ast.walk(tree))
    source = (documented / f"m{number}.py").read_text(encoding="utf-8")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]", source)
    header = (documented / f"m{number}.h").read_text(encoding="utf-8")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]", header)
    specification = importlib.util.spec_from_file_location(f"m{number}", documented / f"m{number}.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    assert module.E(x=[1.0, 2.0], w=3.0) == 9.0
    assert not (documented / "hacked").exists() and not Path("hacked").exists()


@pytest.mark.skipif(not shutil.which("gcc"), reason="there is no gcc")
@pytest.mark.parametrize("standard", ["c99", "c++17"])
def test_docs_leave_headers_correct(standard: str, documented: Path) -> None:
    """All headers in one file: a comment that ended early, or a line that went on, would be an error."""
    language = "c++" if "++" in standard else "c"
    compiler = shutil.which("g++" if language == "c++" else "gcc")
    if compiler is None:
        pytest.skip("there is no compiler")
    text = "".join(f'#include "m{number}.h"\n' for number in range(len(DOCS))) + "int main(void) { return 0; }\n"
    command = [compiler, "-x", language, f"-std={standard}", "-trigraphs", "-Wall", "-Wextra", "-pedantic", "-Werror",
               "-Wno-unused-function", "-fsyntax-only", "-"]  # fmt: skip
    done = subprocess.run(command, cwd=documented, input=text, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[:2000]


@pytest.mark.parametrize(
    "name", ["json", "numpy", "sys", "ctypes", "class", "a b", "a-b", "../x", "", "1a", "a\nb", "a;b", "é\u202e"]
)
def test_names_that_no_model_may_have(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.expr").write_text("output a = 1.5\n")
    before = sorted(tmp_path.iterdir())
    assert run(["build", str(tmp_path / "m.expr"), "--name", name, "-o", str(tmp_path)]) == (USER if name else 0)
    error = capsys.readouterr().err
    assert "\n\n" not in name and "\u202e" not in error
    assert sorted(tmp_path.iterdir()) == before or not name


# ---- files and their names


@pytest.mark.parametrize("name", ["a b.expr", "a'b.expr", 'a"b.expr', "a\nb.expr", "é.expr", "a\x1b[31m.expr", "-x.expr", "$(x).expr",  # noqa: E501
                                  "\udcff.expr", "a%sb{}.expr", "<script>.expr", "*.expr"])  # fmt: skip
def test_names_of_files(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text("output a = 1.5 + q\n")
    ended = exprc("check", "--", name, folder=tmp_path)
    assert ended.code == USER and "E0201" in ended.err
    (tmp_path / name).write_text("output a = 1.5\n")
    assert run(["build", "--name", "m", "-o", "out", "--", name]) == 0
    assert compile((tmp_path / "out" / "m.py").read_text(encoding="utf-8"), "m.py", "exec")
    assert run(["fmt", "--", name]) == 0


@pytest.mark.parametrize(
    "path", ["fifo", "folder", "/dev/zero", "missing", "socket/x", "", "x" * 5000, "large", "loop"]
)
def test_what_is_no_program_file(path: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    with open(tmp_path / "large", "wb") as file:
        file.truncate(100_000_000)
    ended = exprc("check", path, folder=tmp_path)
    assert ended.code == USER and "error[E0704]: cannot read" in ended.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_program_that_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "m.expr").write_text("output a = 1.5\n")
    (tmp_path / "m.expr").chmod(0)
    assert "permission denied" in exprc("check", "m.expr", folder=tmp_path).err


class Trap:
    """Unpickled, it leaves a file behind."""

    def __reduce__(self) -> object:
        return os.mkdir, ("hacked",)


@pytest.mark.parametrize("name", ["x.npy", "x.npz", "x.csv"])
def test_data_is_never_unpickled(name: str, tmp_path: Path) -> None:
    (tmp_path / "m.expr").write_text(X + "output a = x\n")
    (tmp_path / "plain").write_bytes(pickle.dumps(Trap()))
    np.save(tmp_path / "objects.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "objects.npz", x=np.array([Trap()], dtype=object))
    for origin in ("plain", "objects" + name[1:] if name != "x.csv" else "plain"):
        shutil.copy(tmp_path / origin, tmp_path / name)
        ended = exprc("run", "m.expr", "--data", name, folder=tmp_path)
        assert ended.code == USER and "error[E0708]" in ended.err
        assert not (tmp_path / "hacked").exists()


# ---- surroundings

SURROUNDINGS = {
    "full output": ("check m.expr", "> /dev/full", (USER,), "cannot write to standard output: no space left"),
    "full output of a build": ("build m.expr -o out", "> /dev/full", (USER,), "cannot write to standard output"),
    "full output of help": ("--help", "> /dev/full", (USER,), "cannot write to standard output"),
    "full errors": ("check missing.expr", "2> /dev/full", (USER,), ""),
    "both full": ("check m.expr", "> /dev/full 2> /dev/full", (USER,), ""),
    "closed output": ("check m.expr", ">&-", (0,), ""),
    "closed errors": ("check missing.expr", "2>&-", (USER,), ""),
    "closed input": ("check -", "<&-", (USER,), "error[E0704]"),
    "all closed": ("build m.expr -o out", "<&- >&- 2>&-", (0,), ""),
    "closed pipe": ("doc", "| true", (0, PIPE), ""),
    "empty input": ("check -", "< /dev/null", (0, USER), ""),
}


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_streams(name: str, tmp_path: Path) -> None:
    arguments, shell, codes, message = SURROUNDINGS[name]
    (tmp_path / "m.expr").write_text("output a = 1.5\n")
    ended = exprc(*arguments.split(), folder=tmp_path, shell=shell)
    assert ended.code in codes
    assert message in ended.err
    if "out" in arguments:
        assert (tmp_path / "out" / "m.py").exists()


@pytest.mark.parametrize("environment", [{"TMPDIR": "/nonexistent"}, {"HOME": "unset", "TMPDIR": "unset"}, {"LC_ALL": "C"},  # noqa: E501
                                         {"PYTHONIOENCODING": "ascii"}, {"TERM": "\x1b[31m"}, {"COLUMNS": "-1"}],
                         ids=str)  # fmt: skip
def test_environments(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "m.expr").write_text("input µ : f64\noutput a = µ\n", encoding="utf-8")
    ended = exprc("build", "m.expr", "-o", "out", folder=tmp_path, **environment)
    assert ended.code == (USER if environment.get("TMPDIR", "unset") != "unset" else 0)
    assert ended.code == 0 or "error[E0705]" in ended.err
