"""Pictures: what is drawn, that nothing covers anything else, and that the files are well-formed for any names."""

from __future__ import annotations

import itertools
import os
import random
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from exprc.cli.main import run
from exprc.driver import Options
from exprc.driver.drawing import DERIVATIVE, KERNELS, MODEL, STAGE_OF
from exprc.driver.drawing.derivative import derivative_sections
from exprc.driver.drawing.kernels import kernel_sections
from exprc.driver.drawing.model import model_sections
from exprc.driver.pipeline import run_stages
from exprc.pictures import Box, Diagram, Section, group_runs, to_dot, to_svg
from exprc.pictures.grouping import group_edges
from exprc.pictures.layers import crossings, make_layers
from exprc.pictures.layout import Layout, lay_out
from exprc.source import Source

Captured = pytest.CaptureFixture[str]
SVG = "{http://www.w3.org/2000/svg}"
SECTIONS = {MODEL: model_sections, DERIVATIVE: derivative_sections, KERNELS: kernel_sections}
LOGISTIC = """dim n, d
input X : f64[n, d]  ## design matrix
input y : f64[n]
param w : f64[d]
eta = X @ w
mu = sigmoid(eta)
loss E = -sum(y * log(mu) + (1 - y) * log(1 - mu))
"""
Edges = list[tuple[int, int]]


def sections(text: str, what: str, most: int = 40, **options: object) -> tuple[Section, ...]:
    state = run_stages(Source("model.expr", text), Options(**options), STAGE_OF[what])  # type: ignore[arg-type]
    return SECTIONS[what](state, most)


def arrows(section: Section) -> set[str]:
    """Each arrow by the names at its ends."""
    names = [re.split(r"[ :(]", box.lines[0])[0] for box in section.boxes]
    return {f"{names[source]} {names[target]}" for source, target in section.edges}


# ---- what is drawn


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (LOGISTIC, "X eta, w eta, eta mu, mu E, y E"),
        ("input x : f64\na = 2 * x\nb = 2 * x\noutput p = a + b\n", "x a, x b, a p, b p"),
        ("input x : f64\na = 2 * x\noutput p = a\noutput a\n", "x a, a p"),
        ("input x : f64\nparam w : f64\nfn f(x) = x * w\noutput p = f(2)\n", "w p"),
        ("input x : f64\nparam w : f64\nfn f(v) = v * w\nfn g(v) = f(v) + x\noutput p = g(2)\n", "w p, x p"),
        ("dim n\ninput x : f64[n]\ninput h : f64\noutput H = scan s = h over x in x { x + s }\n", "x H, h H"),
        ("dim n\ninput x : f64[n]\noutput S = sum(x, axis=0)\n", "x S"),
        ("param w : f64\nloss E = w^2\noutput g = grad(E, w)\n", "w E, w g, E g"),
    ],
    ids=["logistic", "equal", "alias", "function", "calls", "shadowing", "keyword", "grad"],
)
def test_the_model_has_the_arrows_that_its_text_has(text: str, expected: str) -> None:
    (section,) = sections(text, MODEL)
    assert arrows(section) == set(expected.split(", "))


def test_boxes_say_types_formulas_lines_and_documentation() -> None:
    (section,) = sections(LOGISTIC, MODEL)
    boxes = {box.lines[0]: box for box in section.boxes}
    assert boxes["X : f64[n, d]"].tooltip == "input X : f64[n, d]\nline 2\ndesign matrix"
    assert boxes["eta : f64[n]"].lines[1] == "X @ w"
    assert boxes["eta : f64[n]"].tooltip == "eta = X @ w\neta : f64[n]\nline 5"
    assert [box.style for box in section.boxes] == ["input", "input", "param", "value", "value", "loss"]


def test_the_derivative_is_drawn_as_grad_prints_it() -> None:
    (section,) = sections(LOGISTIC, DERIVATIVE)
    formulas = {box.lines[0].split(" ")[0]: box.lines[1] for box in section.boxes if len(box.lines) > 1}
    assert formulas["dE/dw"] == "X' @ (mu - y)"
    assert {"X dE/dw", "y dE/dw", "mu dE/dw", "eta mu", "eta E", "y E", "X eta", "w eta"} == arrows(section)


def test_derivatives_that_are_something_else_too() -> None:
    (section,) = sections("input x : f64\nparam a : f64\nparam b : f64\nloss E = x * a + b + 0 * b\n", DERIVATIVE)
    assert "x dE/da" in arrows(section)
    (box,) = (box for box in section.boxes if box.lines[0] == "dE/db : f64")
    assert box.style == "derivative"


def test_loops_are_boxes_whose_results_are_numbered() -> None:
    text = "dim n\ninput x : f64[n]\nparam w : f64\nS = scan s = 0.0 over v in x { w * s + v }\nloss E = sum(S^2)\n"
    (section,) = sections(text, DERIVATIVE)
    boxes = {box.lines[0]: box for box in section.boxes}
    assert {"t1: a loop of n steps", "t2: a loop of n steps"} <= set(boxes)
    assert boxes["S : f64[n]"].lines[1] == "t1[1]"
    assert boxes["E : f64"].lines[1] == "sum(S^2)"
    assert {"x t1", "w t1", "t1 S", "S E", "S t2", "t2 dE/dw"} <= arrows(section)


def test_kernels_are_drawn_between_arguments_and_results() -> None:
    value, gradient = sections(LOGISTIC, KERNELS)
    assert gradient.title == "model_E_value_and_grad(n, d)"
    assert arrows(value) == {"X kernel0", "y kernel0", "w kernel0", "kernel0 kernel1", "kernel1 E"}
    assert arrows(gradient) >= {"X kernel0", "kernel0 grad_w", "kernel0 kernel1", "kernel1 E"}
    assert any("one pass over n, 16 rows at a time" in box.lines[0] for box in gradient.boxes)


def long_program(count: int) -> str:
    lines = ["dim n", "input x0 : f64[n]", "input x1 : f64[n]", "param w : f64[n]", "h0 = tanh(x0) * w"]
    lines += [f"h{i} = tanh(h{i - 1}) * {'x1' if i % 3 else 'h' + str(i // 2)} + 0.5" for i in range(1, count)]
    return "\n".join([*lines, f"loss E = sum(h{count - 1})", "output p = h1"]) + "\n"


@pytest.mark.parametrize("what", [MODEL, DERIVATIVE, KERNELS])
def test_long_programs_are_grouped(what: str) -> None:
    for section in sections(long_program(600), what):
        assert len(section.boxes) <= 40
        assert all(source < target for source, target in section.edges)
        if what != KERNELS:
            assert sum(int(b.lines[0].split()[0]) for b in section.boxes if b.style == "group") > 500
            assert [box.style for box in section.boxes].count("loss") == 1


def test_thirty_definitions_are_not_grouped() -> None:
    (section,) = sections(long_program(30), MODEL)
    assert len(section.boxes) == 35
    assert not [box for box in section.boxes if box.style == "group"]


def test_a_group_tells_its_members_and_lines() -> None:
    (section,) = sections(long_program(100), MODEL, most=10)
    group = next(box for box in section.boxes if box.style == "group" and "values" in box.lines[0])
    assert group.tooltip.startswith("h0, h1, h2, ")
    assert re.fullmatch(r"lines 5 to \d+", group.lines[2])


# ---- grouping, layers, places


def graphs() -> list[tuple[int, Edges]]:
    source = random.Random(5)
    found: list[tuple[int, Edges]] = [(0, []), (1, []), (5, [])]
    for count in (2, 7, 30, 60):
        for density in (0.03, 0.15, 0.5):
            pairs = itertools.combinations(range(count), 2)
            found.append((count, [pair for pair in pairs if source.random() < density]))
    return found


@pytest.mark.parametrize(("count", "edges"), graphs())
def test_layers_go_forward_one_at_a_time(count: int, edges: Edges) -> None:
    layered = make_layers(count, edges)
    height = {vertex: at for at, layer in enumerate(layered.layers) for vertex in layer}
    assert sorted(height) == list(range(count + len(layered.owner)))
    assert all(height[target] == height[source] + 1 for source, target in layered.steps)
    following: dict[int, list[int]] = {}
    for source, target in layered.steps:
        following.setdefault(source, []).append(target)
    reached = set()
    for box in range(count):
        pending = list(following.get(box, ()))
        for vertex in pending:
            if vertex < count:
                reached.add((box, vertex))
            else:
                assert layered.owner[vertex] == box
                pending += following[vertex]
    assert reached == set(edges)


def test_ordering_removes_crossings() -> None:
    layered = make_layers(6, [(0, 5), (1, 4), (2, 3)])
    assert crossings(layered.layers, layered.steps) == 0
    assert crossings([[0, 1, 2], [3, 4, 5]], [(0, 5), (1, 4), (2, 3)]) == 3


@pytest.mark.parametrize(("count", "edges"), graphs())
def test_nothing_covers_anything(count: int, edges: Edges) -> None:
    source = random.Random(count)
    sizes = [(source.uniform(40, 400), source.choice([25.0, 41.0, 57.0])) for _ in range(count)]
    layout = lay_out(sizes, edges)
    for one, other in itertools.combinations(layout.places, 2):
        assert one.x + one.width < other.x or other.x + other.width < one.x or apart(one, other)
    assert not [way for way in layout.ways if passes_through_a_box(layout, way.source, way.arrives, way.points)]
    inside = [p.x >= -0.01 and p.y >= 0 and p.x + p.width <= layout.width + 0.01 for p in layout.places]
    assert all(inside)


def apart(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[1] + one[3] < other[1] or other[1] + other[3] < one[1]


def passes_through_a_box(
    layout: Layout, source: int, arrives: int | None, points: tuple[tuple[float, float], ...]
) -> bool:
    """Sampled along the straight parts and the curve, which has vertical tangents."""
    (x0, y0), (_, y1), (x2, y2), (_, y3) = points
    steps = [at / 16 for at in range(17)]
    middle = (y1 + y2) / 2
    on_curve = [
        (
            x0 * (1 - t) ** 3 + 3 * x0 * t * (1 - t) ** 2 + 3 * x2 * t * t * (1 - t) + x2 * t**3,
            y1 * (1 - t) ** 3 + 3 * middle * t * (1 - t) ** 2 + 3 * middle * t * t * (1 - t) + y2 * t**3,
        )
        for t in steps
    ]
    sampled = [(x0, y0 + t * (y1 - y0)) for t in steps] + on_curve + [(x2, y2 + t * (y3 - y2)) for t in steps]
    foreign = [place for number, place in enumerate(layout.places) if number not in (source, arrives)]
    return any(p.x < x < p.x + p.width and p.y < y < p.y + p.height for x, y in sampled for p in foreign)


@pytest.mark.parametrize("count", [0, 1, 30, 41, 500])
def test_groups_keep_order_and_kinds(count: int) -> None:
    source = random.Random(count)
    kinds = sorted(source.choice("abc") for _ in range(count))
    groups = group_runs(kinds, [source.random() < 0.02 for _ in range(count)], 40)
    assert [member for group in groups for member in group] == list(range(count))
    assert len(groups) <= 40
    assert all(len({kinds[member] for member in group}) == 1 for group in groups)
    edges = [(at, at + 1) for at in range(count - 1)]
    assert group_edges(groups, edges) == tuple((at, at + 1) for at in range(len(groups) - 1))


# ---- files


NASTY = (
    "<script>alert(1)</script>", "a & b", "\"quotes\" and 'more'", "]]>", "--> <!--", "\x00\x1b[31m\x07", "‮reversed",
    "\ud800", "\uffff", "line\nbreak", "\\N \\l {a|b}", "数" * 30, "e\u0301", "  spaces  ", "",
)  # fmt: skip


@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
def test_files_are_well_formed_for_any_text(text: str) -> None:
    boxes = (Box((text or "x", text), "input", text), Box(("b",), "loss", text))
    diagram = Diagram(text, (Section(text, boxes, ((0, 1),)),))
    picture = to_svg(diagram, text)
    root = ElementTree.fromstring(picture.encode("utf-8"))
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags <= {"svg", "g", "rect", "text", "path", "title", "style"}
    assert not [name for element in root.iter() for name in element.attrib if name.startswith("on") or "href" in name]
    assert root.find(f"{SVG}title") is not None
    if text.isprintable() and text:
        assert next(element.text for element in root.iter(f"{SVG}text")) == text
    assert to_dot(diagram, text or "x").count("\n") == 10
    dot = to_dot(diagram)
    assert re.fullmatch(r'(?:[^"\\]|"(?:[^"\\]|\\.)*")*', dot)


def test_marks_and_directions_do_not_reach_the_screen() -> None:
    picture = to_svg(Diagram("‮", (Section("", (Box(("\x1b‮",), "input"),), ()),)))
    assert not [character for character in picture if not character.isprintable() and character != "\n"]


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.expr").write_text(LOGISTIC)
    return "model.expr"


@pytest.mark.parametrize("what", [MODEL, DERIVATIVE, KERNELS])
def test_the_command_writes_a_picture(what: str, model: str, capsys: Captured) -> None:
    assert run(["graph", model, "-o", "g.svg", "--of", what]) == 0
    assert capsys.readouterr().out == "wrote g.svg\n"
    root = ElementTree.parse("g.svg").getroot()
    assert root.find(f"{SVG}title").text == f"model: {what}"  # type: ignore[union-attr]
    assert {"X : f64[n, d]", "E : f64"} <= {element.text for element in root.iter(f"{SVG}text")}
    assert run(["graph", model, "-o", "-", "--of", what]) == 0
    assert capsys.readouterr().out == Path("g.svg").read_text()
    assert run(["graph", model, "-o", "g.DOT", "--of", what]) == 0
    assert Path("g.DOT").read_text().splitlines()[1] == f'digraph "model: {what}" {{'
    assert sorted(os.listdir()) == ["g.DOT", "g.svg", "model.expr"]


STRANGE = (
    "</script><script>alert(1)</script>", "</title></svg><script/>", "]]> <![CDATA[ -->", "\"/><a href='javascript:0'>",
    "&lt;b onload=x&gt; &#0; &x;", "\u2028 \u2029 \ufeff", "\x1b[31m\x07\x9b",
)  # fmt: skip


@pytest.mark.parametrize("text", STRANGE, ids=range(len(STRANGE)))
def test_pictures_of_programs_with_strange_texts(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In every doc and in the name of the file."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / (text.replace("/", "_") + ".expr")
    file.write_text(
        f"## {text}\n\ndim n  ## {text}\ninput x : f64[n]  ## {text}\nparam __proto__ : f64  ## {text}\n"
        f"constructor = x * __proto__  ## {text}\nloss ﬁ = sum(constructor^2)  ## {text}\n"
    )
    for what in SECTIONS:
        named = ["--name", "m"] if what == KERNELS else []
        assert run(["graph", str(file), "-o", "g.svg", "--of", what, *named]) == 0
        root = ElementTree.parse("g.svg").getroot()
        assert {e.tag.removeprefix(SVG) for e in root.iter()} <= {"svg", "g", "rect", "text", "path", "title", "style"}
        names = {name for element in root.iter() for name in element.attrib}
        assert not [name for name in names if name.startswith("on") or "href" in name]
        assert not set(Path("g.svg").read_text()) & set("\x1b\u2028\u2029\ufeff\u202e")


def test_the_same_program_gives_the_same_picture(model: str) -> None:
    pictures = set()
    for seed in ("1", "2"):
        for what in SECTIONS:
            environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[1])}
            command = [sys.executable, "-m", "exprc", "graph", model, "-o", "-", "--of", what]
            done = subprocess.run(command, capture_output=True, env=environment, timeout=60, check=True)
            pictures.add(done.stdout)
    assert len(pictures) == len(SECTIONS)


def test_a_mistake_leaves_the_old_picture(model: str, capsys: Captured) -> None:
    Path("g.svg").write_text("old")
    Path(model).write_text("loss E = nothing\n")
    assert run(["graph", model, "-o", "g.svg"]) == 1
    assert run(["graph", model, "-o", "nowhere/g.svg"]) == 1
    assert Path("g.svg").read_text() == "old"
    Path(model).write_text("input x : f64\noutput y = x\n")
    assert run(["graph", model, "-o", "g.svg", "--of", "derivative"]) == 1
    assert "error[E0510]" in capsys.readouterr().err


def test_a_build_writes_a_picture_of_the_model(model: str) -> None:
    assert run(["build", model, "--emit", "graph"]) == 0
    assert sorted(os.listdir()) == ["model.expr", "model.graph", "model.svg"]
    ElementTree.parse("model.svg")
    assert run(["build", model, "--emit", "graph"]) == 0  # what it wrote itself it writes again


@pytest.mark.parametrize("text", ["", "# nothing\n", "dim n\n", "input x : f64\n"])
def test_programs_with_next_to_nothing(text: str, model: str) -> None:
    Path(model).write_text(text)
    for what in (MODEL, KERNELS):
        assert run(["graph", model, "-o", "g.svg", "--of", what]) == 0
        ElementTree.parse("g.svg")
