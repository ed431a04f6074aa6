"""`--max-memory`, `--max-time` and `--watch`: work that is ended from outside, and work that is done again."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exprc import driver
from exprc.cli import watch
from exprc.cli.main import command_line, run
from exprc.cli.options import _read_memory
from exprc.cli.session import Session

Captured = pytest.CaptureFixture[str]
MODEL = "dim n\ninput x : f64[n]\nparam w : f64\nloss E = sum((x - w)^2)\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with a program, and a folder for temporary files where nothing may stay behind."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.expr").write_text(MODEL)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    yield tmp_path
    assert not [path for path in temporary.iterdir() if path.is_dir()]


def replaced(monkeypatch: pytest.MonkeyPatch, stage: str, work: Callable[[], object]) -> None:
    """The stage does this work first."""
    stages = []
    for one in driver.STAGES:
        if one.name == stage:

            def changed(state: driver.Compilation, one: driver.Stage = one) -> driver.Compilation:
                work()
                return one.run(state)

            changed.__name__ = one.run.__name__
            changed.__code__ = changed.__code__.replace(
                co_filename=one.run.__code__.co_filename, co_name=one.run.__name__
            )
            one = one._replace(run=changed)
        stages.append(one)
    for place in ("exprc.driver.pipeline.STAGES", "exprc.driver.STAGES"):
        monkeypatch.setattr(place, tuple(stages))


def for_ever() -> None:
    """Python code that never gives in to anything."""
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass


def in_c_for_ever() -> None:
    """One call into C that holds the interpreter's lock."""
    9 ** (9**9)


def hungry() -> None:
    """Memory, faster and faster, and used."""
    parts = []
    while True:
        parts.append(bytearray(os.urandom(1 << 16) * (1 << 6)))


def enough_memory() -> str:
    """What this process has, which its child starts with, and 300 MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return f"{(pages * os.sysconf('SC_PAGE_SIZE') >> 20) + 300}M"


# ---- time and memory


@pytest.mark.parametrize("work", [for_ever, in_c_for_ever], ids=["python", "c"])
@pytest.mark.parametrize("stage", ["check", "compile"])
def test_work_that_takes_too_long_is_ended(
    work: Callable[[], object], stage: str, monkeypatch: pytest.MonkeyPatch, capfd: Captured
) -> None:
    replaced(monkeypatch, stage, work)
    assert run(["build", "model.expr", "-o", "out", "--max-time", "0.5"]) == 3
    error = capfd.readouterr().err
    assert error.startswith("error[E0604]: the work took more than the 0.5 s that `--max-time` allows\n")
    assert f"it was in the stage `{stage}`" in error
    assert not Path("out").exists()


def test_work_that_takes_too_much_memory_is_ended(monkeypatch: pytest.MonkeyPatch, capfd: Captured) -> None:
    replaced(monkeypatch, "simplify", hungry)
    limit = enough_memory()
    assert run(["build", "model.expr", "-o", "out", "--max-memory", limit, "--error-format", "json"]) == 3
    message = json.loads(capfd.readouterr().err)
    assert message["code"] == "E0604"
    assert f"the {limit} of memory that `--max-memory` allows" in message["message"]
    assert "simplify" in json.dumps(message)
    assert not Path("out").exists()


def test_one_request_for_far_too_much_memory(monkeypatch: pytest.MonkeyPatch, capfd: Captured) -> None:
    replaced(monkeypatch, "schedule", lambda: bytearray(1 << 40))
    limit = enough_memory()
    assert run(["check", "model.expr", "--max-memory", limit]) == 3
    error = capfd.readouterr().err
    assert f"the {limit} of memory" in error
    assert "`schedule`" in error


def test_no_more_memory_without_a_limit_is_a_limit_too(monkeypatch: pytest.MonkeyPatch, capfd: Captured) -> None:
    replaced(monkeypatch, "schedule", lambda: bytearray(1 << 60))
    assert run(["check", "model.expr"]) == 3
    assert "error[E0604]: the work took more memory than there is" in capfd.readouterr().err


def test_a_call_that_takes_too_long_is_ended(capfd: Captured) -> None:
    Path("long.expr").write_text("output s = sum(sin(iota(100000000000) * 1.0))\n")
    Path("none.csv").write_text("1\n")
    assert run(["run", "long.expr", "--data", "none.csv", "--max-time", "1.5"]) == 3
    assert "it was in the stage `run`" in capfd.readouterr().err


def test_files_are_written_whole_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """The request to end comes between two files: all of them are written, and none is left over."""
    from exprc.package import write

    replace = write.os.replace

    def interrupted(source: str, target: str) -> None:
        replace(source, target)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("exprc.package.write.os.replace", interrupted)
    assert run(["build", "model.expr", "-o", "out", "--max-time", "60"]) == 0
    assert sorted(os.listdir("out")) == ["libmodel.so", "model.h", "model.json", "model.py", "model.pyi"]


@pytest.mark.parametrize("limits", [["--max-time", "60"], ["--max-memory", "4G"]], ids=["time", "memory"])
def test_within_the_limits_all_is_as_without(limits: list[str], capfd: Captured) -> None:
    assert run(["check", "model.expr"]) == 0
    plain = capfd.readouterr()
    assert run(["check", "model.expr", *limits]) == 0
    assert capfd.readouterr() == plain
    Path("model.expr").write_text("loss E = x\n")
    assert run(["check", "model.expr"]) == 1
    plain = capfd.readouterr()
    assert run(["check", "model.expr", *limits]) == 1
    assert capfd.readouterr() == plain
    assert run(["grad", "missing.expr", *limits]) == 1


def test_a_bug_within_limits_is_a_bug(monkeypatch: pytest.MonkeyPatch, capfd: Captured, folder: Path) -> None:
    replaced(monkeypatch, "schedule", lambda: 1 / 0)
    assert run(["check", "model.expr", "--max-time", "60"]) == 70
    (report,) = (folder / "temporary").glob("exprc-bug-*.txt")
    assert "ZeroDivisionError" in report.read_text()
    assert str(report) in capfd.readouterr().err


def test_interrupting_ends_the_child_too(monkeypatch: pytest.MonkeyPatch) -> None:
    replaced(monkeypatch, "check", for_ever)
    children: list[int] = []

    def interrupted(child: int, *_: object) -> None:
        children.append(child)
        raise KeyboardInterrupt

    monkeypatch.setattr("exprc.cli.limits._watch", interrupted)
    assert run(["check", "model.expr", "--max-time", "60"]) == 130
    with pytest.raises(ProcessLookupError):
        os.kill(children[0], 0)


@pytest.mark.parametrize(
    ("text", "size"),
    [("500M", 500 << 20), ("2G", 2 << 30), ("1.5 GiB", 3 << 29), ("64kB", 64 << 10), ("1e6", 10**6), ("100", 100)],
)
def test_amounts_of_memory(text: str, size: int) -> None:
    found = _read_memory(None, None, text)  # type: ignore[arg-type]
    assert found == (size, text)


def test_a_child_that_is_ended_by_others_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    replaced(monkeypatch, "check", lambda: os.kill(os.getpid(), signal.SIGKILL))
    assert run(["check", "model.expr", "--max-time", "60"]) == 128 + signal.SIGKILL


# ---- watching


class End(Exception):
    """The last wait is over."""


def watching(changes: list[Callable[[], object]], work: Callable[[], None]) -> None:
    """Watch the program; at each look one of the changes is made, and after the last one it ends."""
    pending = iter(changes)

    def wait() -> None:
        change = next(pending, None)
        if change is None:
            raise End
        change()

    with command_line.make_context("exprc", ["check", "model.expr"], obj=Session()), pytest.raises(End):
        watch.watch_program("model.expr", work, wait)


def write(name: str, text: str) -> Callable[[], object]:
    return lambda: Path(name).write_text(text)


def touch(name: str) -> Callable[[], object]:
    return lambda: os.utime(name, (1, 1))


def test_only_other_content_is_a_change(capsys: Captured) -> None:
    seen: list[str] = []
    changes = [
        touch("model.expr"),
        write("model.expr", MODEL),
        write("model.expr", MODEL + "# more\n"),
        lambda: os.unlink("model.expr"),
        write("model.expr", MODEL),
        lambda: None,
    ]
    watching(changes, lambda: seen.append(Path("model.expr").read_text()))
    assert seen == [MODEL, MODEL + "# more\n", MODEL]
    assert capsys.readouterr().out.count("watching model.expr; Ctrl-C ends it\n") == 3


def test_files_that_are_used_are_watched(capsys: Captured) -> None:
    Path("parts").mkdir()
    Path("model.expr").write_text('use "parts/a.expr"\nuse "model.expr" as me\n' + MODEL)
    Path("parts/a.expr").write_text('  use "b.expr" as b\n# use "c.expr"\n')
    assert watch.used_files("model.expr") == ["model.expr", "parts/a.expr", "parts/b.expr"]
    counts: list[int] = []
    changes = [write("parts/b.expr", "dim n\n"), write("parts/c.expr", "dim n\n"), write("parts/a.expr", "")]
    watching([*changes, write("parts/b.expr", "dim m\n")], lambda: counts.append(1))
    assert len(counts) == 3
    assert "parts/b.expr changed" in capsys.readouterr().out


def test_a_change_during_the_work_is_not_missed() -> None:
    texts = iter(["# one\n", "# two\n"])
    seen: list[str] = []

    def work() -> None:
        seen.append(Path("model.expr").read_text())
        Path("model.expr").write_text(next(texts, seen[-1]))

    watching([lambda: None] * 3, work)
    assert seen == [MODEL, "# one\n", "# two\n"]


def test_mistakes_do_not_end_the_watching(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    changes = iter([write("model.expr", "loss E = x\n"), write("model.expr", MODEL)])

    def sleep(seconds: float) -> None:
        change = next(changes, None)
        if change is None:
            raise KeyboardInterrupt
        change()

    monkeypatch.setattr("exprc.cli.watch.time.sleep", sleep)
    assert run(["build", "model.expr", "-o", "out", "--watch"]) == 130
    out, error = capsys.readouterr()
    assert out.count("wrote out/libmodel.so") == 2
    assert error.count("error[E0201]") == 1
    assert "Traceback" not in error


def test_a_program_that_is_not_there_cannot_be_watched(capsys: Captured) -> None:
    assert run(["build", "missing.expr", "--watch"]) == 1
    assert "cannot read `missing.expr`" in capsys.readouterr().err


def test_nan_is_no_limit(capsys: Captured) -> None:
    assert run(["check", "model.expr", "--max-time", "nan"]) == 2
    assert "nan is no number of seconds" in capsys.readouterr().err


def test_what_is_wrong_with_a_command_line_is_short(capsys: Captured) -> None:
    for words in (["check", "model.expr", "--dim", f"n={'9' * 100_000}"], ["doc", "x" * 100_000], ["x" * 100_000]):
        assert run(words) == 2
        assert len(capsys.readouterr().err) < 1000
