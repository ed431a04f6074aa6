"""The command line: help, exit codes, forms of output, what a start imports."""

from __future__ import annotations

import importlib
import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from exprc import __version__
from exprc.cli import main as command_line
from exprc.cli.data import load_data
from exprc.cli.main import COMMANDS, run
from exprc.cli.results import save_results
from exprc.diagnostics import Diagnostic, InternalError, KnownLimit, UserError

ROOT = Path(command_line.__file__).resolve().parents[2]
Captured = pytest.CaptureFixture[str]
needs_pipeline = pytest.mark.skipif(importlib.util.find_spec("exprc.driver") is None, reason="there is no driver yet")
MODEL = """dim n, d
input X : f64[n, d]
input y : f64[n]
param w : f64[d]
r = X @ w - y
loss E = sum(r^2) / 2
"""


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.expr").write_text(MODEL)
    return "model.expr"


def exprc(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    """A process of its own, as a user starts it."""
    command = [sys.executable, "-m", "exprc", *arguments]
    options = {"env": {**os.environ, "PYTHONPATH": str(ROOT)}, **options}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)  # type: ignore[call-overload]


# ---- help and usage


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_every_help_shows_an_example(name: str, capsys: Captured) -> None:
    assert run([*name.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert re.search(rf"Example:\n +exprc {name}", text)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_they_are(name: str) -> None:
    command = importlib.import_module(f"exprc.cli.{name}").command
    assert command.name == name
    assert command.help.strip()
    assert COMMANDS[name].endswith(".")


def test_every_option_of_the_interface_is_there(capsys: Captured) -> None:
    options = {
        "build": "-o --name --target --cpu --dim --only --order --emit --sm --blas --guard --no-stabilize --no-rewrite "
        "--include --wrt --watch --max-memory --max-time --force --show --stop-after --time --error-format",
        "grad": "--expand --wrt --of --order --format --sizes --no-simplify --error-format",
        "check": "--rewrites --grad --data --target --max-memory --max-time --error-format",
        "run": "--data --grad --show-value -o --error-format",
        "fmt": "--check",
        "graph": "-o --of --boxes --only",
    }
    for name, wanted in options.items():
        run([name, "--help"])
        text = capsys.readouterr().out
        assert [option for option in wanted.split() if not re.search(rf"^ +{option}\b|, {option}\b", text, re.M)] == []


def test_version(capsys: Captured) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"exprc, version {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["compile"],
        ["build"],
        ["build", "model.expr", "--dim", "n=ten"],
        ["build", "model.expr", "--dim", "n"],
        ["build", "model.expr", "--order", "3"],
        ["build", "model.expr", "--emit", "lib,wasm"],
        ["build", "-"],
        ["check", "model.expr", "--error-format", "xml"],
        ["grad", "model.expr", "E", "--of", "E"],
        ["run", "model.expr", "data.npz"],
        ["run", "model.expr", "--data", "data.npz", "-o", "out.txt"],
        ["check", "model.expr", "--data", "data.npz"],
        ["graph", "model.expr"],
        ["graph", "model.expr", "-o", "model.expr"],
        ["graph", "model.expr", "-o", "g.svg", "--of", "loss"],
        ["build", "model.expr", "--max-memory", "much"],
        ["build", "model.expr", "--max-memory", "0"],
        ["build", "model.expr", "--max-time", "-1"],
        ["build", "model.expr", "--watch", "--show", "check"],
        ["build", "-", "--name", "m", "--watch"],
        ["completion", "tcsh"],
        ["explain", "E9999"],
        ["doc", "sigmiod"],
        ["grad", "model.expr", "--no-rewrite", "simplfy"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_exits_with_2(arguments: list[str], model: str, capsys: Captured) -> None:
    assert run(arguments) == 2
    assert "Error: " in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["build", "model.expr", "--guard"],
        ["build", "model.expr", "--sm", "80"],
        ["build", "model.expr", "--blas", "openblas"],
        ["build", "model.expr", "--order", "2"],
        ["build", "model.expr", "--emit", "ptx"],
        ["check", "model.expr", "--include", "lib"],
        ["grad", "model.expr", "--format", "latex"],
    ],
    ids=" ".join,
)
def test_what_is_not_built_yet_exits_with_3(arguments: list[str], model: str, capsys: Captured) -> None:
    assert run(arguments) == 3
    assert capsys.readouterr().err.startswith("error[E0602]: ")


# ---- failures


def test_a_missing_program_is_named_and_its_neighbour_offered(model: str, capsys: Captured) -> None:
    assert run(["check", "modle.expr"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error[E0704]: cannot read `modle.expr`: no such file or directory\n")
    assert " = help: did you mean `model.expr`?" in error


def test_bytes_that_are_no_text(tmp_path: Path, capsys: Captured) -> None:
    program = tmp_path / "latin.expr"
    program.write_bytes(b"dim n  # caf\xe9\n")
    assert run(["check", str(program)]) == 1
    error = capsys.readouterr().err
    assert "invalid UTF-8: byte 0xe9 at byte offset 12" in error
    assert ":1:13\n" in error


def pretend(monkeypatch: pytest.MonkeyPatch, **functions: object) -> None:
    """A driver of which only these functions exist."""
    driver = SimpleNamespace(Options=SimpleNamespace, STAGES=(SimpleNamespace(name="check", run=len),), **functions)
    monkeypatch.setitem(sys.modules, "exprc.driver", driver)
    monkeypatch.setattr("exprc.driver", driver, raising=False)


def failing(error: Exception) -> object:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize("error", [InternalError("a broken invariant"), ZeroDivisionError("x"), RecursionError()])
def test_a_bug_names_its_stage_and_saves_what_reproduces_it(
    error: Exception, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    pretend(monkeypatch, check=failing(error))
    assert run(["check", model, "--dim", "n=3"]) == 70
    shown = capsys.readouterr().err
    (report,) = tmp_path.glob("exprc-bug-*.txt")
    assert shown.startswith("bug: exprc itself failed in the stage `")
    assert type(error).__name__ in shown
    assert "Traceback" not in shown
    assert str(report) in shown
    text = report.read_text()
    assert "command: exprc check model.expr --dim n=3" in text
    assert "Traceback" in text
    assert MODEL in text
    assert report.stat().st_mode & 0o077 == 0


def test_a_bug_is_found_again_by_machines(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    pretend(monkeypatch, check=failing(ZeroDivisionError("x")))
    assert run(["check", model, "--error-format", "json"]) == 70
    assert json.loads(capsys.readouterr().err)["severity"] == "bug"


def test_a_known_limit_exits_with_3(model: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    pretend(monkeypatch, check=failing(KnownLimit(Diagnostic("E0601", "`density` is not built yet"))))
    assert run(["check", model]) == 3
    assert capsys.readouterr().err.startswith("error[E0601]: `density` is not built yet\n")


def test_interrupting_is_not_a_bug(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    pretend(monkeypatch, check=interrupt)
    assert run(["check", model]) == 130


def test_a_reader_that_stops_reading_is_not_a_bug() -> None:
    command = f"{sys.executable} -m exprc explain | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.stderr == ""
    assert done.stdout.splitlines()[0].startswith("E0101")
    assert done.stdout.splitlines()[-1] in ("0", "141")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_long_work_shows_its_stage(model: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    terminal = Terminal()

    def work(state: object) -> SimpleNamespace:
        for _ in range(3000):  # at the most, if the other thread gets no turn
            if terminal.getvalue():
                break
            time.sleep(0.01)
        return SimpleNamespace(text="done", diagnostics=())

    pretend(monkeypatch, check=lambda source, options: work(source))
    sys.modules["exprc.driver"].STAGES = (SimpleNamespace(name="schedule", run=work),)
    for name, seconds in (("PATIENCE", 0.02), ("INTERVAL", 0.02)):
        monkeypatch.setattr(f"exprc.cli.progress.{name}", seconds)
    monkeypatch.setattr("sys.stderr", terminal)
    assert run(["check", model]) == 0
    assert re.match(r"(\r\x1b\[Kchecking model: schedule, \d\.\d s)+\r\x1b\[K$", terminal.getvalue())
    assert capsys.readouterr().out == "done\n"


@needs_pipeline
@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"", 0, "L0107"),
        (b"\n# only a comment", 0, "L0107"),
        (b"\0" * 100, 1, "E0112"),
        (b"\xff\xfep\0a\0", 1, "E0111"),
        (b"param w : f64\nloss E = w^2" + b" + w" * 5_000 + b"  # " + b"w" * 1_000_000, 0, None),
        (b"param w : f64\nloss E = w^2" + b" + v" * 250_000, 1, "E0201"),
        (b"(" * 500_000, 1, "E0102"),
        (b"\x1b]0;title\x07", 1, "E0106"),
    ],
    ids=["empty", "comment", "nul", "utf-16", "megabyte", "megabyte of mistakes", "brackets", "controls"],
)
def test_strange_files(data: bytes, status: int, code: str | None, tmp_path: Path, capsys: Captured) -> None:
    program = tmp_path / "strange.expr"
    program.write_bytes(data)
    assert run(["check", str(program)]) == status
    error = capsys.readouterr().err
    assert (f"[{code}]" in error) if code else error == ""
    assert len(error) < 20_000
    assert not {character for character in error if not character.isprintable()} - {"\n"}


# ---- what commands show


def test_explain(capsys: Captured) -> None:
    assert run(["explain", "e0402"]) == 0
    page = capsys.readouterr().out
    assert page.startswith("E0402: shapes do not match in a product\n")
    assert "    loss E = sum(X' @ w)\n" in page
    assert run(["explain"]) == 0
    assert len(capsys.readouterr().out.splitlines()) > 50


def test_build_says_what_it_wrote(model: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    files = (("build/libmodel.so", 18_234), ("build/model.h", 999))
    timings = (("syntax", 0.1), ("check", 0.3))
    report = SimpleNamespace(files=files, seconds=0.31, timings=timings, diagnostics=(), notes=())
    pretend(monkeypatch, build=lambda *_: report)
    assert run(["build", model, "-o", "build", "--time"]) == 0
    out, error = capsys.readouterr()
    assert out == "wrote build/libmodel.so    18.2 kB\nwrote build/model.h          999 B\nin 0.31 s\n"
    rows = [line.split() for line in error.splitlines()]
    assert [row[0] for row in rows] == ["start", "syntax", "check", "total"]
    assert rows[1][1:3] == ["100.0", "ms"]
    assert rows[3][3:] == ["100", "%"]


def test_options_reach_the_driver(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[SimpleNamespace] = []

    def show(source: object, options: SimpleNamespace, stage: str) -> str:
        seen.append(options)
        return f"after {stage}"

    pretend(monkeypatch, show=show)
    line = "build model.expr --dim n=10 --dim d=1_000 --only E,p --only q --show check --no-stabilize"
    assert run([*line.split(), "--no-rewrite", "exact"]) == 0
    (options,) = seen
    assert options.dims == (("n", 10), ("d", 1000))
    assert options.only == ("E", "p", "q")
    assert options.name == "model"
    assert options.stabilize is False
    assert options.without_rewrites == ("exact",)


def test_an_unknown_stage_exits_with_2(model: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    pretend(monkeypatch)
    assert run(["build", model, "--show", "chekc"]) == 2
    assert "the stages are check" in capsys.readouterr().err


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def build(source: SimpleNamespace, options: SimpleNamespace, *_: object) -> SimpleNamespace:
        seen.append((source.name, source.text, options.name))
        return SimpleNamespace(files=(), seconds=0.0, timings=(), diagnostics=(), notes=())

    pretend(monkeypatch, build=build)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xef\xbb\xbfdim n\r\n")))
    assert run(["build", "-", "--name", "piped"]) == 0
    assert seen == [("<stdin>", "dim n\n", "piped")]


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colour_on_a_terminal_only(variables: dict[str, str], coloured: bool, tmp_path: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    environment = {**{k: v for k, v in os.environ.items() if k != "NO_COLOR"}, "TERM": "xterm", **variables}
    environment["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, "-m", "exprc", "check", "missing.expr"]
    subprocess.run(command, stderr=theirs, env=environment, timeout=60)
    os.close(theirs)
    shown = os.read(ours, 10_000)
    os.close(ours)
    assert (b"\x1b[1;31merror[E0704]" in shown) == coloured
    assert b"\x1b" not in exprc("check", "missing.expr", env=environment).stderr.encode()


# ---- data


def test_data_from_files_of_each_kind(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", X=np.eye(2), k=np.arange(3))
    np.save(tmp_path / "w.npy", np.ones(4))
    (tmp_path / "t.csv").write_text('u,"v"\n1,2.5\n3,4\n')
    (tmp_path / "plain.csv").write_text("1,2\n3,4\n")
    data = load_data(str(tmp_path / name) for name in ("a.npz", "w.npy", "t.csv", "plain.csv"))
    assert sorted(data.arrays) == ["X", "k", "plain", "t", "u", "v", "w"]
    data = data.arrays
    assert data["v"].tolist() == [2.5, 4.0]
    assert data["t"].shape == (2, 2)
    assert data["plain"].tolist() == [[1, 2], [3, 4]]


def test_data_that_cannot_be_trusted_or_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "evil.npz", x=np.array([{}], dtype=object))
    (tmp_path / "empty.npz").write_bytes(b"")
    (tmp_path / "x.txt").write_text("1")
    for name in ("evil.npz", "empty.npz", "x.txt", "missing.npy"):
        with pytest.raises(UserError) as caught:
            load_data([str(tmp_path / name)])
        assert caught.value.diagnostics[0].code == "E0708"


def test_a_name_in_two_files_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", 1.0)
    np.savez(tmp_path / "a.npz", x=2.0)
    with pytest.raises(UserError, match=r"`x` is already in .*a\.npz"):
        load_data([str(tmp_path / "a.npz"), str(tmp_path / "x.npy")])


def test_results_appear_whole_or_not_at_all(tmp_path: Path) -> None:
    save_results(str(tmp_path / "out.npz"), {"E": 1.5, "dE/dw": np.ones(3)})
    with np.load(tmp_path / "out.npz") as archive:
        assert sorted(archive) == ["E", "dE_dw"]
    assert [path.name for path in tmp_path.iterdir()] == ["out.npz"]
    with pytest.raises(UserError):
        save_results(str(tmp_path / "no" / "out.npz"), {"E": 1.5})


# ---- the start


def modules_after(statement: str) -> set[str]:
    code = f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{statement}\nprint(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


def test_the_help_imports_next_to_nothing() -> None:
    loaded = modules_after("from exprc.cli.main import run\nrun(['--help'])")
    assert loaded & {"numpy", "llvmlite", "lark", "json", "difflib", "importlib.metadata", "exprc.driver"} == set()
    ours = {name for name in loaded if name.startswith("exprc.")}
    assert ours == {f"exprc.{name}" for name in ("cli", "cli.main", "cli.session", "cli.text", "diagnostics", "source")}


@needs_pipeline
def test_a_build_imports_only_what_it_needs(model: str) -> None:
    loaded = modules_after("from exprc.cli.main import run\nassert run(['build', 'model.expr', '-o', 'built']) == 0")
    unwanted = {"numpy", "lark", "exprc.errors", "exprc.cli.render", "importlib.metadata"}
    assert loaded & unwanted == set()
    assert len(loaded) < 385, len(loaded)


# ---- the whole way


@needs_pipeline
def test_build_grad_check_run(model: str, tmp_path: Path) -> None:
    built = exprc("build", model, "-o", "built", "--time")
    assert built.returncode == 0, built.stderr
    assert "wrote built/libmodel.so" in built.stdout
    assert "total" in built.stderr
    shown = exprc("grad", model)
    assert shown.stdout.startswith("dE/dw = X' @ r")
    checked = exprc("check", model)
    assert checked.returncode == 0
    assert checked.stderr == ""
    rng = np.random.default_rng(1)
    X, y, w = rng.normal(size=(5, 2)), rng.normal(size=5), rng.normal(size=2)
    np.savez(tmp_path / "data.npz", X=X, y=y, w=w)
    ran = exprc("run", model, "--data", "data.npz", "--grad", "--show-value", "r", "-o", "out.npz")
    assert ran.returncode == 0, ran.stderr
    with np.load(tmp_path / "out.npz") as results:
        np.testing.assert_allclose(results["E"], ((X @ w - y) ** 2).sum() / 2)
        np.testing.assert_allclose(results["dE_dw"], X.T @ (X @ w - y))
        np.testing.assert_allclose(results["r"], X @ w - y)


@needs_pipeline
def test_every_stage_can_be_shown(model: str, capsys: Captured) -> None:
    from exprc.driver import STAGES

    for stage in STAGES:
        assert run(["build", model, "--show", stage.name]) == 0
        assert capsys.readouterr().out.strip()
        assert run(["build", model, "--stop-after", stage.name]) == 0
    assert os.listdir() == ["model.expr"]


OVER = ["graph m.svg -o link.svg", "run m.csv -o ./m.csv"]


@pytest.mark.parametrize("command", [line.split() for line in OVER], ids=OVER)
def test_results_do_not_replace_the_program(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / command[1]
    path.write_text("output a = 1.5\n")
    (tmp_path / "link.svg").symlink_to(path)
    assert run(command) == 2
    assert "is the program" in capsys.readouterr().err
    assert path.read_text() == "output a = 1.5\n"
