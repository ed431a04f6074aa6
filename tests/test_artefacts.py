"""What a build leaves in its folder: the same bytes every time, all of the files or none, and the forms asked for."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exprc import driver
from exprc.cli.main import run
from exprc.diagnostics import UserError
from exprc.driver.pipeline import run_stages
from exprc.package import write
from exprc.source import Source

ROOT = Path(__file__).resolve().parent.parent
Captured = pytest.CaptureFixture[str]
MODEL = """## Least squares – with a dash.
dim n, d
input X : f64[n, d]  ## die Daten „X“
input y : f64[n]
param w : f64[d]
loss E = sum((X @ w - y)^2)
output p = X @ w
"""
FORMS = "lib,header,manifest,py,obj,llvm,asm,kernels"
WHOLE = ["libmodel.so", "model.h", "model.json", "model.py", "model.pyi"]
FILES = sorted([*WHOLE, "model.kernels", "model.ll", "model.o", "model.s"])


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.expr").write_text(MODEL, encoding="utf-8")
    return "model.expr"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def python(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-B", "-c", script], cwd=folder, capture_output=True, text=True, timeout=60)


def use(folder: Path, name: str = "model") -> Any:
    """The module, imported anew from a folder."""
    import importlib.util

    specification = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


# ---- the same bytes


CIRCUMSTANCES: list[dict[str, str]] = [
    {"PYTHONHASHSEED": "1", "LC_ALL": "C", "TZ": "Asia/Tokyo", "USER": "one", "PYTHONUTF8": "0"},
    {"PYTHONHASHSEED": "77", "LC_ALL": "C.UTF-8", "TZ": "America/Lima", "USER": "two", "HOME": "/nowhere"},
]


def test_the_same_source_gives_the_same_bytes_everywhere(tmp_path: Path) -> None:
    results = []
    for number, circumstances in enumerate(CIRCUMSTANCES):
        folder = tmp_path / ("deeper/" * number) / f"place {number}"
        temporary = folder / "temporary"
        temporary.mkdir(parents=True)
        (folder / "model.expr").write_text(MODEL, encoding="utf-8")
        where = [str(folder), "model.expr"] if number else [str(tmp_path), str(folder / "model.expr")]
        environment = {**os.environ, **circumstances, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)}
        command = [sys.executable, "-m", "exprc", "build", where[1], "-o", str(folder / "out"), "--emit", FORMS]
        umask = (0o022, 0o077)[number]
        done = subprocess.run(
            command, cwd=where[0], env=environment, umask=umask, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        assert os.listdir(temporary) == []
        results.append(contents(folder / "out"))
        assert (folder / "out" / "model.h").stat().st_mode & 0o777 == 0o666 & ~umask
    first, second = results
    assert sorted(first) == FILES
    assert [name for name in first if first[name] != second[name]] == []
    assert not any(str(tmp_path).encode() in data for data in first.values())


# ---- the forms


EMITTED = {
    "lib": ["libmodel.so", "model.h", "model.json"],
    "py": ["model.py", "model.pyi"],
    "header": ["model.h"],
    "obj,header": ["model.h", "model.o"],
    "llvm": ["model.ll"],
    "asm,kernels": ["model.kernels", "model.s"],
    FORMS: FILES,
}


@pytest.mark.parametrize("forms", EMITTED)
def test_emit_writes_what_it_names_twice(forms: str, program: str) -> None:
    for _ in range(2):  # the second time over its own files
        assert run(["build", program, "-o", "out", "--emit", forms]) == 0
        assert sorted(os.listdir("out")) == EMITTED[forms]


def test_forms_that_are_built_one_after_another_fit_together(program: str, tmp_path: Path) -> None:
    for forms in ("lib", "py"):
        assert run(["build", program, "-o", "out", "--emit", forms]) == 0
    assert use(tmp_path / "out").p(X=np.eye(2), w=np.ones(2)).tolist() == [1, 1]


def test_only_and_order_leave_out(program: str, tmp_path: Path) -> None:
    assert run(["build", program, "-o", "out", "--only", "E", "--order", "0"]) == 0
    module = use(tmp_path / "out")
    assert not hasattr(module, "p") and not hasattr(module.E, "grad")
    assert module.E(X=np.eye(2), y=[1.0, 0.0], w=[3.0, 4.0]) == 20
    assert "grad" not in (tmp_path / "out" / "model.h").read_text()


def test_inputs_are_differentiated_by_too(program: str, tmp_path: Path) -> None:
    assert run(["build", program, "-o", "out", "--wrt", "X", "--wrt", "y", "--dim", "d=2"]) == 0
    X, y, w = np.array([[1.0, 2], [3, 4], [5, 6]]), np.array([1.0, 2, 3]), np.array([0.5, -1])
    value, gradients = use(tmp_path / "out").E.value_and_grad(X=X, y=y, w=w)
    residual = X @ w - y
    assert value == pytest.approx(residual @ residual)
    np.testing.assert_allclose(gradients.X, 2 * np.outer(residual, w))
    np.testing.assert_allclose(gradients.y, -2 * residual)
    np.testing.assert_allclose(gradients.w, 2 * X.T @ residual)


def test_a_fixed_size_is_refused_by_both_numbers(program: str, tmp_path: Path) -> None:
    assert run(["build", program, "-o", "out", "--dim", "n=3"]) == 0
    module = use(tmp_path / "out")
    assert module.p(X=np.ones((3, 2)), w=np.ones(2)).tolist() == [2, 2, 2]
    with pytest.raises(ValueError, match=r"X has size 4, but .*needs 3"):
        module.p(X=np.ones((4, 2)), w=np.ones(2))
    assert "int64_t n" not in (tmp_path / "out" / "model.h").read_text()


def test_a_fixed_size_changes_no_types(tmp_path: Path, capsys: Captured) -> None:
    program = tmp_path / "model.expr"
    program.write_text("dim n, m\ninput x : f64[n]\ninput y : f64[m]\nloss E = sum(x * y)\n")
    assert run(["build", str(program), "-o", str(tmp_path / "out"), "--dim", "n=3", "--dim", "m=3"]) == 1
    assert "error[E04" in capsys.readouterr().err


MISTAKES = {
    "--only e": ("E0210", "did you mean `E`?"),
    "--wrt x": ("E0210", "did you mean `X`?"),
    "--dim nn=3": ("E0210", "did you mean `n`?"),
    "--dim n=3 --dim n=4": ("E0212", "`--dim n=3` is given too"),
    "--cpu x86-64-v9": ("E0603", "use one of native, "),
    "--cpu ,": ("E0603", "names no processor"),
    "--target aarch64-linux-gun": ("E0603", "did you mean `aarch64-unknown-linux-gnu`?"),
    "--target x86_64-unknown-plan9": ("E0603", "known are cpu (this machine), x86_64-unknown-linux-gnu, "),
    "--target arm64-apple-darwin --cpu x86-64-v3": ("E0603", "use one of native, apple-m1"),
}


@pytest.mark.parametrize("options", MISTAKES)
def test_options_that_name_nothing(options: str, program: str, capsys: Captured) -> None:
    assert run(["build", program, "-o", "out", *options.split()]) == 1
    code, words = MISTAKES[options]
    error = capsys.readouterr().err
    assert f"error[{code}]" in error and words in error
    assert not os.path.exists("out")


# ---- all or nothing


def files_of(text: str) -> dict[str, str | bytes]:
    return run_stages(Source("model.expr", text), driver.Options(name="model"), "package").files


def fork(work: Callable[[], object]) -> int:
    """Runs something in a process of its own; how that ended."""
    process = os.fork()
    if not process:
        try:
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


class Killer:
    """Kills its process before, in the midst of or after one of the calls that change the disk."""

    def __init__(self, moment: int) -> None:
        self.left = moment

    def tick(self) -> None:
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self.tick()
            result = function(*arguments)
            self.tick()
            return result

        return call

    def opened(self, descriptor: int, mode: str) -> Any:
        file = open(descriptor, mode, buffering=0)  # noqa: SIM115
        whole = file.write

        class Halves:
            def __enter__(self) -> Any:
                return self

            def __exit__(self, *problem: object) -> None:
                file.close()

            def write(_, data: bytes) -> None:
                whole(data[: len(data) // 2])
                self.tick()
                whole(data[len(data) // 2 :])

        return Halves()


def write_and_die(folder: Path, files: dict[str, str | bytes], moment: int) -> int:
    def work() -> None:
        killer = Killer(moment)
        for name in ("open", "replace", "unlink"):
            setattr(os, name, killer.around(getattr(os, name)))
        write.open = killer.opened  # type: ignore[attr-defined]
        write._refuse_foreign_files = lambda *_: None
        write.write_artefacts(str(folder), files)

    return fork(work)


def test_a_kill_leaves_the_old_or_the_new_or_a_message(tmp_path: Path) -> None:
    old, new = (files_of(f"param w : f64\nloss E = {number} * w\n") for number in (1, 2))
    script = "import model; print(model.E(w=1.0))"
    seen: dict[tuple[bytes, ...], str] = {}
    original = {name: data if isinstance(data, bytes) else data.encode() for name, data in old.items()}
    moment, status = 0, -signal.SIGKILL
    while status:
        folder = tmp_path / str(moment)
        write.write_artefacts(str(folder), old)
        status = write_and_die(folder, new, moment)
        assert status in (0, -signal.SIGKILL)
        state = tuple((folder / name).read_bytes() for name in WHOLE)
        if state not in seen:
            done = python(folder, script)
            seen[state] = done.stdout.strip() or done.stderr.strip().splitlines()[-1]
        write.write_artefacts(str(folder), old)
        assert contents(folder) == original
        moment += 1
    assert moment > 20
    told = list(seen.values())
    assert told[0] == "1.0" and told[-1] == "2.0"
    assert set(told) == {"1.0", "2.0"} | {text for text in told if text.startswith("ImportError")}
    assert all("run `exprc build model.expr` again" in text for text in told if text.startswith("ImportError"))


def test_a_module_that_is_rebuilt_within_a_second_is_not_taken_from_pythons_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    for number in range(1, 6):
        write.write_artefacts(str(tmp_path), {"model.py": f"# {write.MARKER}\nVALUE = {number}\n"})
        module = use(tmp_path)  # leaves its compiled form behind
        assert number == module.VALUE


def test_builds_at_the_same_time_leave_one_set(tmp_path: Path) -> None:
    processes = []
    for label in "abcdefgh":
        process = os.fork()
        if not process:
            files = {f"model.{ending}": f"# {write.MARKER}\n{label}" * 1000 for ending in ("h", "json", "py", "pyi")}
            try:
                for _ in range(10):
                    write.write_artefacts(str(tmp_path), files)
            except BaseException:
                os._exit(1)
            os._exit(0)
        processes.append(process)
    assert [os.waitpid(process, 0)[1] for process in processes] == [0] * 8
    found = contents(tmp_path)
    assert sorted(found) == ["model.h", "model.json", "model.py", "model.pyi"]
    assert len(set(found.values())) == 1


def test_a_folder_that_is_locked_for_good_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    monkeypatch.setattr(write, "PATIENCE", 0.0)
    descriptor = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(UserError, match="another process has held its lock"):
        write.write_artefacts(str(tmp_path), {"model.h": "x"})
    os.close(descriptor)
    write.write_artefacts(str(tmp_path), {"model.h": "x"})


def a_file(place: Path) -> str:
    (place / "out").write_text("mine")
    return "E0705"


def below_a_file(place: Path) -> str:
    (place / "file").write_text("mine")
    (place / "out").symlink_to("file/below")
    return "E0705"


def a_folder_for_the_header(place: Path) -> str:
    (place / "out" / "model.h").mkdir(parents=True)
    return "E0703"


def a_link_to_a_file_of_mine(place: Path) -> str:
    (place / "out").mkdir()
    (place / "mine").write_text("mine")
    (place / "out" / "model.h").symlink_to("../mine")
    return "E0703"


def a_link_to_nothing(place: Path) -> str:
    (place / "out").mkdir()
    (place / "out" / "model.py").symlink_to("nothing")
    return "E0703"


def a_pipe(place: Path) -> str:
    (place / "out").mkdir()
    os.mkfifo(place / "out" / "model.json")
    return "E0703"


def a_library_of_mine(place: Path) -> str:
    (place / "out").mkdir()
    (place / "out" / "libmodel.so").write_bytes(b"\x7fELF\x02\x01" + b"\0" * 100)
    return "E0703"


OBSTACLES = [a_file, below_a_file, a_folder_for_the_header, a_link_to_a_file_of_mine, a_link_to_nothing, a_pipe,
             a_library_of_mine]  # fmt: skip


def listing(place: Path) -> list[tuple[str, int, bytes]]:
    paths = sorted(place.rglob("*"))
    return [(str(p), p.lstat().st_mode, p.read_bytes() if p.is_file() else b"") for p in paths]


@pytest.mark.parametrize("obstacle", OBSTACLES, ids=lambda function: function.__name__)
def test_what_is_in_the_way_stays(obstacle: Callable[[Path], str], tmp_path: Path) -> None:
    code = obstacle(tmp_path)
    before = listing(tmp_path)
    with pytest.raises(UserError) as caught:
        write.write_artefacts(str(tmp_path / "out"), dict.fromkeys(WHOLE, write.MARKER))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == code and diagnostic.help
    assert listing(tmp_path) == before


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.h").write_text(f"// {write.MARKER}")
    (tmp_path / "model.h").symlink_to("elsewhere.h")
    write.write_artefacts(str(tmp_path), {"model.h": "new"})
    assert not (tmp_path / "model.h").is_symlink()
    assert (tmp_path / "elsewhere.h").read_text() == f"// {write.MARKER}"


def test_a_full_disk_leaves_the_old_set(tmp_path: Path) -> None:
    old = dict.fromkeys(WHOLE, f"# {write.MARKER}")
    write.write_artefacts(str(tmp_path), old)
    before = contents(tmp_path)
    told = tmp_path.with_suffix(".txt")

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
        try:
            write.write_artefacts(str(tmp_path), {**old, "model.json": "x" * 6000})
        except UserError as problem:
            told.write_text(f"{problem.diagnostics[0].code} {problem.diagnostics[0].message}")

    assert fork(work) == 0
    assert told.read_text().startswith("E0705 cannot write") and "model.json`: file too large" in told.read_text()
    assert contents(tmp_path) == before


def test_a_linker_without_room_is_no_bug(program: str, tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))

    command = [sys.executable, "-m", "exprc", "build", program, "-o", "out"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, env=environment, preexec_fn=limit, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "error[E0705]: cannot write temporary files in" in done.stderr


def test_a_folder_without_permission(tmp_path: Path) -> None:
    folder, told = tmp_path / "out", tmp_path.with_suffix(".txt")
    folder.mkdir(mode=0o555)
    told.touch()
    told.chmod(0o666)

    def work() -> None:
        if not os.getuid():
            for path in (tmp_path, *tmp_path.parents[:-2]):
                path.chmod(path.stat().st_mode | 0o055)
            os.setuid(65534)
        try:
            write.write_artefacts(str(folder), {"model.h": "x"})
        except UserError as problem:
            told.write_text(problem.diagnostics[0].message)

    assert fork(work) == 0
    assert told.read_text().endswith("model.h`: permission denied")
    assert os.listdir(folder) == []


def test_names_are_no_longer_than_files_may_be(program: str, capsys: Captured) -> None:
    assert run(["build", program, "-o", "out", "--name", "a" * 240]) == 0
    assert run(["build", program, "-o", "out", "--name", "a" * 241]) == 1
    assert "error[E0702]" in capsys.readouterr().err
    assert run(["build", program, "-o", "b" * 300]) == 1
    assert "file name too long" in capsys.readouterr().err


def test_without_any_program_on_the_path_the_message_tells_the_way(program: str) -> None:
    command = [sys.executable, "-m", "exprc", "build", program]
    environment = {"PATH": "", "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
    done = subprocess.run([*command, "--emit", "obj,header,py"], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if any(os.path.exists(os.path.join(path, "ziglang", "zig")) for path in sys.path):
        return
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "error[E0701]: no linker found" in done.stderr and "`pip install ziglang` brings one" in done.stderr


# ---- several processors


def is_v4() -> bool:
    text = Path("/proc/cpuinfo").read_text()
    return all(f"avx512{part}" in text for part in ("f", "bw", "cd", "dq", "vl"))


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="versions are built for x86-64")
def test_a_library_takes_the_best_of_its_versions(program: str, tmp_path: Path) -> None:
    lists = ("x86-64-v3", "x86-64-v3,x86-64-v4")
    random = np.random.default_rng(3)
    X, y, w = random.normal(size=(67, 13)), random.normal(size=67), random.normal(size=13)
    results = []
    for number, cpus in enumerate(lists):
        assert run(["build", program, "-o", str(number), "--cpu", cpus]) == 0
        module = use(tmp_path / str(number))
        value, gradient = module.E.value_and_grad(X=X, y=y, w=w)
        results.append((value.hex(), gradient.w.tobytes(), module.p(X=X, w=w).tobytes()))
    assert results[0] == results[1]
    assert module.__exprc__["cpus"] == ["x86-64-v4", "x86-64-v3"]
    assert module.__exprc__["cpu"] == ("x86-64-v4" if is_v4() else "x86-64-v3")
    assert json.loads((tmp_path / "1" / "model.json").read_text())["cpus"] == ["x86-64-v4", "x86-64-v3"]
    assert {"fma", "avx2"} <= set(module.__exprc__["cpu_features"])
    assert "avx512f" not in module.__exprc__["cpu_features"]


def test_versions_are_for_one_family(program: str, capsys: Captured) -> None:
    assert run(["build", program, "--target", "aarch64-linux-gnu", "--cpu", "native,generic"]) == 0
    assert run(["build", program, "--cpu", "x86-64-v2,x86-64-v3"]) == 3
    assert "x86-64-v2 has no fused multiply-add" in capsys.readouterr().err
