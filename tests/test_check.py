"""Checking: types, values, weak numbers, facts, messages.

Programs are files: `programs/good` with the types, facts and lints that they have in their head, `programs/bad` with
the mistakes and where they are.  Values are held against NumPy.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import build, work_of

from exprc.autodiff import expand_derivatives
from exprc.check import Model, check_program
from exprc.cli.render import to_text
from exprc.diagnostics import Diagnostic, ExprcError, KnownLimit, UserError
from exprc.ir.evaluate import evaluate
from exprc.ir.node import Node, toposort
from exprc.source import Source
from exprc.syntax.parse import parse

PROGRAMS = Path(__file__).parent / "programs"
GOOD = sorted((PROGRAMS / "good").glob("*.expr"))
BAD = sorted((PROGRAMS / "bad").glob("*.expr"))
DTYPES = {"f64": np.float64, "f32": np.float32, "i64": np.int64, "i32": np.int32, "bool": np.bool_}


def check(text: str) -> Model:
    source = Source("model.expr", text)
    return check_program(parse(source), source, None)


def mistakes(text: str) -> tuple[Diagnostic, ...]:
    with pytest.raises(ExprcError) as caught:
        check(text)
    return caught.value.diagnostics


def head(path: Path, word: str) -> list[str]:
    """What the head of a program says after `# word`."""
    return re.findall(rf"^# {word} (.*)$", path.read_text(encoding="utf-8"), re.M)


def places(diagnostics: tuple[Diagnostic, ...]) -> list[str]:
    found = []
    for diagnostic in diagnostics:
        span = diagnostic.labels[0].span
        line, column = span.source.line_column(span.start)
        found.append(f"{diagnostic.code} at {line}:{column}")
    return found


def types_of(model: Model) -> dict[str, str]:
    return {definition.name: str(definition.node.type) for definition in model.definitions}


def values_of(model: Model, inputs: dict[str, Any], dims: dict[str, int]) -> dict[str, Any]:
    names = [definition.name for definition in model.definitions]
    roots = expand_derivatives(tuple(definition.node for definition in model.definitions), lambda nodes: nodes)
    return dict(zip(names, evaluate(roots, inputs, dims), strict=True))


def example(model: Model, dims: dict[str, int], seed: int = 0) -> dict[str, Any]:
    """Values for every declaration: positive floats, small integers."""
    random = np.random.default_rng(seed)
    inputs: dict[str, Any] = {}
    for declaration in model.declarations:
        shape = tuple(size.evaluate(dims) for size in declaration.type.shape)
        dtype = DTYPES[declaration.type.dtype]
        drawn = random.uniform(0.1, 2, shape) if declaration.type.is_float else random.integers(0, 3, shape)
        inputs[declaration.name] = np.asarray(drawn, dtype)
    return inputs


# ---- files


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good_programs_have_their_types_facts_and_lints(path: Path) -> None:
    model = check(path.read_text(encoding="utf-8"))
    types = types_of(model)
    for line in head(path, "type"):
        name, type = line.split(maxsplit=1)
        assert types[name] == type, name
    assert [f"{fact.left} {fact.relation} {fact.right}" for fact in model.facts] == head(path, "fact")
    assert places(model.lints) == head(path, "lint")
    starts = {d.name: d.start for d in model.declarations if d.start is not None}
    assert sorted(starts) == sorted(line.split()[0] for line in head(path, "start"))
    for line in head(path, "start"):
        name, value = line.split()
        declared = model.declaration(name)
        assert declared is not None
        assert starts[name] is not None
        assert starts[name].type == declared.type
        dims = {"n": 2, "k": 2}
        assert (evaluate([starts[name]], {}, dims)[0] == float(value)).all()


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_every_node_has_an_origin(path: Path) -> None:
    model = check(path.read_text(encoding="utf-8"))
    missing = [node for node in toposort([d.node for d in model.definitions]) if node not in model.origins]
    assert not missing


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_bad_programs_have_their_mistakes(path: Path) -> None:
    found = mistakes(path.read_text(encoding="utf-8"))
    assert places(found) == head(path, "error"), to_text(found)
    for diagnostic in found:
        message = diagnostic.message
        assert not message.endswith(".")
        assert message[0] == message[0].lower() or message.startswith("`")
        assert len(diagnostic.labels) <= 6


# ---- values


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _rows(step: Callable[[Any, Any], Any], start: Any, rows: Any) -> Any:
    states = []
    for row in rows:
        start = step(start, row)
        states.append(start)
    return np.array(states)


def _fold(step: Callable[[Any, Any], Any], start: Any, rows: Any) -> Any:
    for row in rows:
        start = step(start, row)
    return start


# The program, the dims, and the expected values as functions of the inputs.
VALUES: list[tuple[str, dict[str, int], dict[str, Callable[[Any], Any]]]] = [
    (
        "logistic",
        {"n": 5, "d": 3},
        {
            "eta": lambda i: i.X @ i.w,
            "E": lambda i: -np.sum(
                i.y * np.log(_sigmoid(i.X @ i.w)) + (1 - i.y) * np.log(1 - _sigmoid(i.X @ i.w))
            ),
        },
    ),
    (
        "weak",
        {"n": 5},
        {
            "a": lambda i: np.float32(np.log(2 * np.pi)) * i.x,
            "b": lambda i: i.x / np.float32(5),
            "c": lambda i: 17,
            "f": lambda i: 2 / 3,
            "h": lambda i: np.float32(2.5 + np.pi) * i.x,
            "k": lambda i: i.i3 + 1,
            "o": lambda i: np.float32(0.5) * i.x,
            "r": lambda i: 0.001,
            "v": lambda i: i.x,
            "ad": lambda i: i.i3 // 2,
        },
    ),
    (
        "sizes",
        {"n": 7, "k": 2, "ten": 10},
        {
            "a": lambda i: i.x + 1,
            "d": lambda i: np.full(2, 2.5),
            "g": lambda i: np.sum(i.x[1:]) / 6 + 10,
            "h": lambda i: i.z,
        },
    ),
    (
        "slices",
        {"n": 7, "count": 3},
        {
            "a": lambda i: i.x[0],
            "b": lambda i: i.x[-2],
            "c": lambda i: i.X[:, 1],
            "d": lambda i: i.x[1:],
            "f": lambda i: i.x[:-1],
            "g": lambda i: i.x[::2],
            "h": lambda i: i.x[:, None],
            "j": lambda i: i.X[:, -1] + i.x,
            "k": lambda i: i.Y[1:3],
            "l": lambda i: i.x[::-1],
            "m": lambda i: i.x[-3:],
            "o": lambda i: np.sum(i.x[:, None] * i.X, axis=1),
            "p": lambda i: i.Y[0:5:2, None],
            "q": lambda i: i.Y[4:2:-1, 0],
            "r": lambda i: i.Y[2, 3],
        },
    ),
    (
        "functions",
        {"n": 3},
        {
            "a": lambda i: i.x**2,
            "b": lambda i: i.s**4,
            "c": lambda i: np.mean(i.w) + np.mean(i.x),
            "d": lambda i: np.outer(i.x, i.x),
            "g": lambda i: np.float64(i.s) + 3,
            "h": lambda i: i.x + 2 * i.w[0],
        },
    ),
    (
        "loops",
        {"T": 4, "k": 3, "n": 5},
        {
            "H": lambda i: _rows(lambda h, x: np.tanh(i.W @ h + x), i.h0, i.X),
            "A": lambda i: np.cumsum(i.v),
            "B": lambda i: np.cumprod(np.cumsum(i.v)),
            "C": lambda i: [0, 1, 3, 6],
            "P": lambda i: _rows(lambda h, x: np.tanh(i.W @ h + x), i.h0, i.X)[-1],
            "Q": lambda i: i.X.sum(1) * np.arange(4) + i.v[0],
            "S": lambda i: _rows(lambda h, x: np.tanh(i.W @ h + x), i.h0, i.X)[-1],
            "R": lambda i: _rows(lambda row, x: _rows(lambda c, r: c + r * x, 0.0, row), i.v, i.v),
            "U": lambda i: np.cumsum(np.prod(i.X, axis=1)),
        },
    ),
    (
        "loops",
        {"T": 0, "k": 3, "n": 0},
        {
            "P": lambda i: i.h0,
            "S": lambda i: 2 * i.h0,
            "A": lambda i: np.zeros(0),
        },
    ),
    (
        "choices",
        {"n": 5},
        {
            "a": lambda i: np.log(i.s),
            "b": lambda i: i.x,
            "c": lambda i: (i.x > 0) & (i.x <= 1),
            "f": lambda i: [i.s, 2 * i.s, 1],
            "g": lambda i: [[i.s, 1], [0, i.s]],
            "h": lambda i: True,
            "i": lambda i: [1, 5],
            "j": lambda i: np.ones(5),
        },
    ),
    (
        "derivatives",
        {"n": 4, "d": 3},
        {
            "g": lambda i: 2 * i.X.T @ (i.X @ i.w) + [4, 0, 0],
            "ga": lambda i: 1,
            "gh": lambda i: 3 * i.w**2,
            "t": lambda i: i.X @ i.v,
            "u": lambda i: i.X.T @ np.ones(4),
            "p": lambda i: np.zeros(3),
        },
    ),
]


class _Inputs:
    def __init__(self, values: dict[str, Any]) -> None:
        self.__dict__.update(values)


@pytest.mark.parametrize(("name", "dims", "expected"), VALUES, ids=[f"{v[0]}-{v[1]}" for v in VALUES])
def test_values(name: str, dims: dict[str, int], expected: dict[str, Callable[[Any], Any]]) -> None:
    model = check((PROGRAMS / "good" / f"{name}.expr").read_text(encoding="utf-8"))
    inputs = example(model, dims)
    found = values_of(model, inputs, dims)
    for output, formula in expected.items():
        wanted = np.asarray(formula(_Inputs(inputs)))
        assert found[output].shape == wanted.shape, output
        tolerance = 1e-5 if found[output].dtype == np.float32 else 1e-12
        np.testing.assert_allclose(found[output], wanted, rtol=tolerance, atol=0, err_msg=output)


# ---- weak numbers


# With x : f32, d : f64, i : i64, j : i32, b : bool.
WEAK = [
    ("1", "i64"), ("1.0", "f64"), ("1 / 2", "f64"), ("7 // 2", "i64"), ("exp(1)", "f64"), ("pi", "f64"),
    ("2 ^ 3", "i64"), ("2 ^ -1", "f64"), ("-3 % 2", "i64"), ("n", "i64"), ("n / 2", "f64"), ("sqrt(n)", "f64"),
    ("zeros(2)", "i64[2]"), ("ones(2) / 2", "f64[2]"), ("full(0.5, 2)", "f64[2]"), ("iota(3)", "i64[3]"),
    ("x * 1", "f32"), ("x * 0.1", "f32"), ("x * n", "f32"), ("x + log(2 * pi)", "f32"), ("x ^ 2", "f32"),
    ("x ^ 0.5", "f32"), ("x * zeros(2)", "f32[2]"), ("x + (1 / 3)", "f32"), ("x / 3", "f32"), ("x + iota(2)", "f32[2]"),
    ("x * d", "f64"), ("x * i", "f32"), ("x * j", "f32"), ("d * i", "f64"), ("i * j", "i64"), ("i / j", "f64"),
    ("i * 1", "i64"), ("i * 0.5", "f64"), ("j * 2", "i32"), ("j * 0.5", "f64"), ("j + n", "i32"), ("j // 2", "i32"),
    ("exp(i)", "f64"), ("f32(0.1) * 2", "f32"), ("f32(1) * d", "f64"), ("i64(2) * x", "f32"), ("sum(b)", "i64"),
    ("where(b, 1, 2)", "i64"), ("where(b, 1, 0.5)", "f64"), ("where(b, 0.5, 1) * x", "f32"), ("where(b, x, 1)", "f32"),
    ("(if b then 2 else 0.5) * x", "f32"), ("maximum(x, 0)", "f32"), ("minimum(0.5, d)", "f64"), ("mean(i)", "f64"),
    ("softmax([x, 1])", "f32[2]"), ("[1, 0.5] * x", "f32[2]"), ("sum(ones(3)) * x", "f32"), ("-1 * x", "f32"),
    ("x < 1", "bool"), ("1 < 2", "bool"), ("f64(x)", "f64"), ("i32(d)", "i32"), ("bool(i)", "bool"), ("abs(-2)", "i64"),
    ("min(n, 3)", "i64"), ("e ^ x", "f32"), ("inf * x", "f32"), ("sign(x)", "f32"), ("relu(j)", "i32"),
    ("last(scan s = 0 over v in [x, x] { s + v }, 0)", "f32"),
    ("last(scan s = 0 over t in 0..n { s + t }, 0) * x", "f32"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "type"), WEAK, ids=[text for text, _ in WEAK])
def test_number_rules(text: str, type: str) -> None:
    declared = "dim n\ninput x : f32\ninput d : f64\ninput i : i64\ninput j : i32\ninput b : bool\n"
    assert types_of(check(f"{declared}output r = {text}\n"))["r"] == type
    assert types_of(check(f"{declared}v = {text}\noutput r = v\n"))["r"] == type


def test_integer_constants_are_exact_and_checked() -> None:
    model = check("output a = 2^62 + (2^62 - 1)\noutput b = -9223372036854775808\noutput c = 3 * 10^18 // 10^17\n")
    assert values_of(model, {}, {}) == {"a": 2**63 - 1, "b": -(2**63), "c": 30}
    for text in ("2^63", "9223372036854775807 + 1", "2^100000", "10^5000 * 2", "-2^63 - 1"):
        assert [d.code for d in mistakes(f"output a = {text}\n")] == ["E0105"], text


# ---- what a model holds


def test_the_model_has_documents_and_lines() -> None:
    text = "## A model.\n\ndim n  ## rows\ninput a, b : f64[n]  ## data\nparam w : f64 = 2\n## the loss\nloss E = w\n"
    model = check(text)
    assert model.doc == "A model."
    assert [(dim.name, dim.value, dim.doc) for dim in model.dims] == [("n", None, "rows")]
    texts = [(d.name, d.role, d.line, d.text, d.doc) for d in model.declarations]
    assert texts == [
        ("a", "input", 4, "input a : f64[n]", "data"),
        ("b", "input", 4, "input b : f64[n]", "data"),
        ("w", "param", 5, "param w : f64 = 2", ""),
    ]
    assert [(d.name, d.role, d.line, d.doc) for d in model.definitions] == [("E", "loss", 7, "the loss")]
    assert [d.name for d in model.of_role("loss")] == ["E"]
    assert model.definition("E") is not None
    assert model.definition("w") is None


def test_output_of_a_definition_is_a_second_entry() -> None:
    model = check("param w : f64\nmu = 2 * w\noutput mu\n")
    assert [(d.name, d.role) for d in model.definitions] == [("mu", "definition"), ("mu", "output")]
    assert model.definitions[0].node is model.definitions[1].node


def test_equal_expressions_are_one_node_unless_named() -> None:
    model = check("param x : f64\na = 2 * x\nb = 2 * x\nloss E = a + b\n")
    assert model.definitions[0].node is model.definitions[1].node
    model = check("param x : f64\na = 2 * x\nb = 2 * x\nloss E = a + b\noutput g = grad(E, a)\n")
    assert model.definitions[0].node is not model.definitions[1].node


def test_an_empty_program_is_no_mistake() -> None:
    assert [lint.code for lint in check("").lints] == ["L0107"]


# ---- mistakes and limits


LATER = [
    "density lp = -w^2", "param s : f64 > 0", "input k : i64 in 0..3", "update w <- w - 1", "require n == 3",
    'use "layers.expr"', 'use "layers.expr" as l', "fn f(x) { x * x }", "K[i] = grad(x[i] * w, w)",
    "a = set(x[k0], 1)", "a = x[x > 0]", "a = concat([x, x], axis=0)", "a = var(x)", "a = hessian(w^2, w)",
    "H = scan h = w over v in x while h > 0 { h * v }", "H = scan(checkpoint=16) h = w over v in x { h * v }",
    "param q : f64 = w", "H = scan h = w over v in x { h * grad(h * w, w) }", "fn f(x) -> f64, f64 = x",
]  # fmt: skip


@pytest.mark.parametrize("line", LATER)
def test_forms_that_are_not_built_are_known_limits(line: str) -> None:
    text = f"dim n\ninput x : f64[n]\ninput k0 : i64\nparam w : f64\n{line}\nloss E = w * sum(x) * k0\n"
    if line == "a = x[x > 0]":
        assert [d.code for d in mistakes(text)] == ["E0304"]
        return
    with pytest.raises(KnownLimit) as caught:
        check(text)
    (only,) = caught.value.diagnostics
    assert only.code == "E0601"
    assert only.message.endswith("not built yet")
    assert only.labels[0].span.line == 5


def test_a_mistake_wins_over_a_limit() -> None:
    with pytest.raises(UserError) as caught:
        check("param w : f64\ndensity lp = w\nloss E = v\n")
    assert [d.code for d in caught.value.diagnostics] == ["E0601", "E0201"]


def test_uses_of_a_mistake_are_silent() -> None:
    text = "param w : f64\na = unknown + 1\nb = a[3, 4] @ a\nfn f(x) = x' + a\nloss E = sum(f(b)) + grad(a, w)\n"
    assert places(mistakes(text)) == ["E0201 at 2:5"]


def test_a_name_is_reported_once() -> None:
    assert len(mistakes("param w : f64\na = wrong * wrong\nb = wrong + wrong\nloss E = w * a * b\n")) == 1


def test_a_mistake_in_a_function_shows_the_call() -> None:
    (only,) = mistakes("param w : f64[3]\nfn f(x) = x @ x[:2]\nfn g(x) = f(x)\nloss E = g(w) + g(w) + f(w)\n")
    assert only.code == "E0402"
    calls = [label.text for label in only.labels if "call" in label.text]
    assert calls == ["in this call of `f`", "in this call of `g`"]


def test_names_in_a_function_that_is_never_called() -> None:
    assert places(mistakes("param w : f64\nfn f(x) = x + y\nloss E = w\n")) == ["E0201 at 2:15"]
    text = "param w : f64\nfn f(x) = scan s = 0 over v in x { t = s + v; t * pi }\nloss E = w\n"
    assert [lint.code for lint in check(text).lints] == ["L0102"]


def test_shape_messages_show_both_declarations() -> None:
    (only,) = mistakes("dim n, d, k\ninput X : f64[n, d]\nparam w : f64[k]\nr = 2 * w\nloss E = sum(X @ r)\n")
    texts = [label.text for label in only.labels]
    assert texts == [
        "", "f64[n, d]", "`X` is declared f64[n, d]", "f64[k]", "`r` is f64[k]", "k comes from `w`, declared f64[k]",
    ]  # fmt: skip
    assert "of size d" in only.notes[0]


def test_suggestions() -> None:
    declared = "dim rows\ninput data : f64[rows]\nparam weight : f64\n"
    for wrong, meant in (("wieght", "weight"), ("Data", "data"), ("row", "rows"), ("Weight", "weight")):
        (only,) = mistakes(f"{declared}loss E = weight * sum({wrong} * data)\n")
        assert only.help == (f"did you mean `{meant}`?",), wrong
    (only,) = mistakes(f"{declared}loss E = weight * zzzz\n")
    assert only.help == ()


# ---- depth, a tenth of what has to work


SIZE = 10_000


def functions(first: str, body: str, count: int) -> str:
    """A chain of functions, each of which calls the one before."""
    rest = "".join(f"fn f{i}(x) = {body.format(i - 1)}\n" for i in range(1, count))
    return f"fn f0(x) = {first}\n{rest}loss E = f{count - 1}(w)\n"


DEEP: dict[str, tuple[str, Callable[[float], float]]] = {
    "definitions": (
        "a0 = w\n" + "".join(f"a{i} = a{i - 1} * 0.5 + w\n" for i in range(1, SIZE)) + f"loss E = a{SIZE - 1}\n",
        lambda w: 2 * w,
    ),
    "sum": ("loss E = " + " + ".join(["w"] * SIZE) + "\n", lambda w: SIZE * w),
    "integers": ("loss E = w * (" + " + ".join(["1"] * SIZE) + ")\n", lambda w: SIZE * w),
    "calls": ("loss E = " + "abs(" * 1000 + "w" + ")" * 1000 + "\n", abs),
    "minuses": ("loss E = " + "-" * 1000 + "w\n", lambda w: w),
    "ifs": ("loss E = " + "".join(f"if w > {i + 5} then {i}.5 * w else " for i in range(1000)) + "w\n", lambda w: w),
    "functions": (
        functions("x * 0.5", "f{0}(x) + 1", 1000),
        lambda w: 0.5 * w + 999,
    ),
    "doubling": (
        functions("0.5 * x", "f{0}(x) + f{0}(x)", 61),
        lambda w: 2.0**59 * w,
    ),
    "doubling arguments": (
        functions("0.5 * x", "f{0}(x + x)", 61),
        lambda w: 2.0**59 * w,
    ),
    "divisions of a size": ("dim n\ninput x : f64[n]\nloss E = w * x[0] * (n" + " // 2" * 1000 + ")\n", lambda w: 0.0),
}  # fmt: skip


@pytest.mark.parametrize("name", DEEP)
def test_depth(name: str) -> None:
    text, formula = DEEP[name]
    model, work = work_of(lambda: check("param w : f64\n" + text))
    assert work.calls < 500 * len(text)
    (loss,) = model.of_role("loss")
    found = evaluate([loss.node], {"w": np.asarray(1.5), "x": np.ones(3)}, {"n": 3})
    np.testing.assert_allclose(found[0], formula(1.5), rtol=1e-12)


def test_many_unknown_names_are_told_quickly() -> None:
    text = "param w : f64\n" + "".join(f"a{i} = unknown{i} + w\n" for i in range(3000)) + "loss E = w\n"
    found, work = work_of(lambda: mistakes(text))
    assert len(found) == 3000
    assert work.calls < 500 * len(text)


def test_nodes_of_a_loop_are_closed() -> None:
    """Values from outside enter a body as parameters, also through functions and inner loops."""
    text = (
        "dim n\ninput x : f64[n]\nparam w : f64\nfn f(v) = v * w\n"
        "H = scan s = 0 over a in x { last(scan t = s over b in x { f(t) + a * b }, s) }\nloss E = sum(H)\n"
    )
    model = check(text)
    values = {"x": np.array([0.5, 2.0, 1.5]), "w": np.asarray(0.3)}
    found = values_of(model, values, {"n": 3})["H"]
    step = lambda s, a: _fold(lambda t, b: 0.3 * t + a * b, s, values["x"])  # noqa: E731
    np.testing.assert_allclose(found, _rows(step, 0.0, values["x"]), rtol=1e-12)
    nodes: list[Node] = toposort([definition.node for definition in model.definitions])
    assert {node.attrs[0] for node in nodes if "free" in node.op.laws} == {"x", "w"}


@pytest.mark.parametrize(
    ("call", "shape", "fits"),
    [
        ("max(w)", (0,), False),
        ("max(w)", (1,), True),
        ("sum(min(w, axis=1))", (0, 3), True),
        ("sum(min(w, axis=1))", (0, 0), True),
        ("sum(min(w, axis=1))", (2, 0), False),
        ("logsumexp(w)", (0,), True),
    ],
)
def test_reductions_that_choose_need_an_entry(call: str, shape: tuple[int, ...], fits: bool, tmp_path: Path) -> None:

    sizes = ("n", "d")[: len(shape)]
    text = f"dim {', '.join(sizes)}\nparam w : f64[{', '.join(sizes)}]\nloss E = {call}\n"
    module = build(text, tmp_path)
    if fits:
        module.E(w=np.ones(shape))
    else:
        with pytest.raises(ValueError, match="at least one entry"):
            module.E(w=np.ones(shape))
