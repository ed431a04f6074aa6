"""The manual: programs compile, commands print what the pages say, scripts run, generated parts are up to date."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import blocks  # noqa: E402
import document  # noqa: E402

from exprc import driver  # noqa: E402
from exprc.cli import doc  # noqa: E402
from exprc.cli.main import COMMANDS, run  # noqa: E402
from exprc.diagnostics import KnownLimit  # noqa: E402
from exprc.driver import Options, check  # noqa: E402
from exprc.source import Source  # noqa: E402

README = ROOT / "README.md"
PAGES = sorted((ROOT / "docs").glob("*.md"))
WRITTEN = [path for path in PAGES if path.name in document.WRITTEN]
NOT_BUILT = "E0601"
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def page_name(path: Path) -> str:
    return path.name


def programs(mark: str = "") -> list[object]:
    return [
        pytest.param(block, id=f"{path.name}:{path.read_text().count(chr(10), 0, block.start) + 1}")
        for path in PAGES
        for block in blocks.blocks_of(path.read_text(encoding="utf-8"))
        if block.language == blocks.PROGRAM and (block.mark == mark or (not mark and block.mark.endswith(".expr")))
    ]


@pytest.mark.parametrize("block", programs())
def test_programs_compile(block: blocks.Block) -> None:
    check(Source(block.file, block.text), Options())


@pytest.mark.parametrize("block", programs(blocks.REFUSED))
def test_what_is_said_not_to_be_built_is_refused_as_such(block: blocks.Block) -> None:
    declarations = block.text.partition("\n\n")[0]
    check(Source("model.expr", declarations + "\noutput zero = 0\n"), Options())
    statements = blocks.statements_refused(block)
    assert statements
    for statement in statements:
        with pytest.raises(KnownLimit) as caught:
            check(Source("model.expr", statement), Options())
        assert {diagnostic.code for diagnostic in caught.value.diagnostics} == {NOT_BUILT}, statement


@pytest.mark.parametrize("path", [ROOT / "docs" / name for name in (*document.WHOLE, *document.WRITTEN)], ids=page_name)
def test_generated_parts_are_up_to_date(path: Path) -> None:
    wanted = dict(document.pages([path.name]))[path]
    assert path.read_text(encoding="utf-8") == wanted, "run `python tools/document.py`"


@pytest.mark.parametrize("path", [README, *PAGES, ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md"], ids=page_name)
def test_links_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(CODE, "", text)):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name) if name else path
        assert file.exists(), target
        assert not anchor or anchor in anchors(file.read_text(encoding="utf-8")), target


def anchors(page: str) -> set[str]:
    """What a link to a page may name: headings as GitHub spells them, and explicit marks."""
    found = set(re.findall(r'<a id="([^"]+)">', page))
    for heading in re.findall(r"^#+ (.+)$", page, re.MULTILINE):
        found.add(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-"))
    return found


@pytest.mark.parametrize("path", WRITTEN, ids=page_name)
def test_scripts_of_a_page_run(path: Path, tmp_path: Path) -> None:
    """The Python of a page as one script, beside its programs, each of which is built."""
    scripts = []
    for block in blocks.blocks_of(path.read_text(encoding="utf-8")):
        if block.language == blocks.PROGRAM and block.mark.endswith(".expr"):
            (tmp_path / block.file).write_text(block.text)
            assert run(["build", str(tmp_path / block.file), "-o", str(tmp_path / "build")]) == 0
        elif block.language == blocks.PYTHON:
            scripts.append(block.text)
    if scripts:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path / "build")])}
        done = subprocess.run(
            [sys.executable, "-c", "\n".join(scripts)], cwd=tmp_path, env=environment, capture_output=True, text=True,
            timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_the_c_example_prints_what_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "using-a-library.md").read_text(encoding="utf-8")
    texts = {block.language: block.text for block in blocks.blocks_of(page)}
    Path("model.expr").write_text(texts["expr"])
    Path("main.c").write_text(texts["c"])
    assert run(["build", "model.expr", "-o", "build"]) == 0
    done = subprocess.run(["bash", "-ec", texts["sh"]], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert f"prints `{done.stdout.strip()}`" in page


def test_the_readme_s_python_runs(tmp_path: Path) -> None:
    text = README.read_text(encoding="utf-8")
    (tmp_path / "model.expr").write_text(re.findall(r"^```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[0])
    assert run(["build", str(tmp_path / "model.expr"), "-o", str(tmp_path)]) == 0
    data = "import numpy, scipy.optimize\nX = numpy.eye(3)\ny, w = numpy.array([0.0, 1.0, 1.0]), numpy.zeros(3)\n"
    script = next(block.text for block in blocks.blocks_of(text) if block.language == blocks.PYTHON)
    done = subprocess.run(
        [sys.executable, "-c", data + script], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_the_readme_shows_what_grad_prints() -> None:
    fences = re.findall(r"^```\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    program, derivative = fences[:2]
    assert driver.grad(Source("model.expr", program), Options()) == derivative


def test_the_readme_s_picture_is_of_its_program() -> None:
    program = re.findall(r"^```\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)[0]
    text = driver.graph(Source("model.expr", program), Options(name="logistic_regression"), "model", 40, "svg")
    assert (ROOT / "docs" / "logistic_regression.svg").read_text(encoding="utf-8") == text, "run tools/document.py"


def test_the_readme_s_commands_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command of the table, with a program and data in place of the words in capitals."""
    import numpy

    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.expr").write_text("dim n\ninput x : f64[n]\nparam w : f64\nloss E = sum((x - w)^2)\n")
    numpy.savez("data.npz", x=numpy.arange(3.0), w=1.0)
    text = README.read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`exprc .*?) \|", text, re.MULTILINE)
    names = set()
    for command in re.findall(r"`(exprc [^`]+)`", " ".join(rows)):
        words = shlex.split(command.replace("FILE", "model.expr").replace("DIR", "out").replace("D.npz", "data.npz"))
        names.add(words[1])
        assert run(words[1:]) == 0, command
    assert names == set(COMMANDS)


@pytest.mark.parametrize("op", doc.operations(), ids=lambda op: op.name)
def test_every_operation_has_a_page(op: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doc", op.name]) == 0  # type: ignore[attr-defined]
    printed = capsys.readouterr().out
    assert doc.signature_text(op) in printed  # type: ignore[arg-type]
    assert "Derivative" in printed or "No derivative" in printed or not doc.derivative_texts(op)  # type: ignore[arg-type]


def test_an_operator_is_found_by_its_sign(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doc", "-"]) == 0
    printed = capsys.readouterr().out
    assert "x - y\n" in printed
    assert "-x\n" in printed


def test_the_overview_has_every_operation(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doc"]) == 0
    printed = capsys.readouterr().out
    assert [op.name for op in doc.operations() if doc.signature_text(op) not in printed] == []


def test_derivatives_of_the_reference() -> None:
    by_name = {op.name: op for op in doc.operations()}
    assert doc.derivative_texts(by_name["log"]) == ["dr/dx = 1 / x"]
    assert doc.derivative_texts(by_name["contract"])[1] == "vjp(r, w, u) = X' @ u"
    assert doc.derivative_texts(by_name["lt"]) == []
    assert doc.dtype_texts(by_name["sum"]) == ["f64, f32, i64: the same", "i32, bool: i64"]
    assert doc.dtype_texts(by_name["lt"]) == ["f64, f32, i64, i32: bool"]
