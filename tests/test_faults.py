"""Conditions on values that only data can break: the same fault in interpreters, compiled code and its module."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from kernel_support import plans_of
from lower_support import Library, guarded, target_named
from support import build

from exprc.check import check_program
from exprc.cli.main import run
from exprc.diagnostics import UserError
from exprc.driver import Options
from exprc.ir.evaluate import evaluate
from exprc.ir.fault import Fault
from exprc.schedule.interpret import interpret
from exprc.schedule.show import show_plan
from exprc.source import Source
from exprc.syntax.parse import parse

HEAD = "dim n, k\nparam Z : f64[n, k]\ninput y : i64[n]\n"
LOSS = HEAD + "loss E = sum(cross_entropy(Z, y))\n"
MATRIX = "dim n, k\nparam Z : f64[n, n, k]\ninput y : i64[n, n]\n"


class Case(NamedTuple):
    """A program, its sizes, and arrays by name; `told` is the line, index, bound and name of the fault."""

    text: str
    sizes: dict[str, int]
    labels: Any
    told: tuple[int, int, int, str]
    shape: tuple[int, ...] = ()


ROWS = np.arange(3000) % 4
BAD = np.where(np.isin(np.arange(3000), (2999, 1700)), 9, ROWS)
WORSE = np.where(np.arange(3000) == 2500, -2, BAD)
CASES = {
    "a label too large": Case(LOSS, {"n": 3, "k": 4}, [1, 4, 0], (4, 4, 4, "k")),
    "the lowest of many": Case(LOSS, {"n": 3000, "k": 4}, BAD, (4, 9, 4, "k")),
    "a negative one": Case(LOSS, {"n": 3000, "k": 4}, WORSE, (4, -2, 4, "k")),
    "the largest integer": Case(LOSS, {"n": 2, "k": 4}, [2**63 - 1, 0],
                                (4, 2**63 - 2, 4, "k")),
    "no class": Case(LOSS, {"n": 1, "k": 0}, [0], (4, 0, 0, "k")),
    "no loss but an output": Case(HEAD + "output p = cross_entropy(Z, y)\n", {"n": 3, "k": 2}, [0, 3, 2],
                                  (4, 2, 2, "k")),
    "labels of labels": Case(HEAD + "\nloss E = sum(cross_entropy(Z, y - 1) +\n  cross_entropy(Z, y))\n",
                             {"n": 2, "k": 3}, [0, 1], (5, -1, 3, "k")),
    "narrow integers": Case(LOSS.replace("i64", "i32"), {"n": 2, "k": 3},
                            np.array([5, 0], "i4"), (4, 5, 3, "k")),
    "f32": Case(LOSS.replace("f64", "f32"), {"n": 40, "k": 3},
                np.arange(40) - 30, (4, -30, 3, "k")),
    "a known axis": Case("dim n\nparam Z : f64[n, 3]\ninput y : i64[n]\nloss E = sum(cross_entropy(Z, y))\n",
                         {"n": 2}, [3, 4], (4, 3, 3, "an axis")),
    "a scalar": Case("dim k\nparam Z : f64[k]\ninput y : i64\nloss E = cross_entropy(Z, y)\n", {"k": 3}, 7,
                     (4, 7, 3, "k")),
    "a matrix of labels": Case(MATRIX + "loss E = sum(cross_entropy(Z, y))\n",
                               {"n": 2, "k": 3}, [[0, 1], [2, 3]], (4, 3, 3, "k")),
    "a label of each step": Case(
        HEAD + "S = scan s = 0.0 over z in Z, l in y { s + cross_entropy(z, l) }\nloss E = last(S, 0.0)\n",
        {"n": 5, "k": 3}, [0, 1, 4, 3, 2], (4, 4, 3, "k"),  # the first step that fails
    ),
}  # fmt: skip


def arrays_of(case: Case) -> dict[str, Any]:
    leading = np.shape(case.labels)
    classes = case.sizes.get("k", 3)
    logits = np.random.default_rng(1).standard_normal((*leading, classes))
    return {"Z": logits.astype("f4" if "f32" in case.text else "f8"), "y": np.asarray(case.labels)}


@pytest.mark.parametrize("name", CASES)
def test_every_way_to_run_a_program_tells_the_same_fault(name: str) -> None:
    case = CASES[name]
    arrays = arrays_of(case)
    for plan in plans_of(case.text):
        given = {buffer.name: arrays[buffer.name.removeprefix("in_")] for buffer in plan.arguments}
        with pytest.raises(Fault) as caught:
            interpret(plan, given, case.sizes)
        fault = caught.value
        assert (fault.line, fault.index, fault.bound, fault.name) == case.told and fault.code == 4
        for target in ("native", "x86-64-v3"):
            library = Library(plan, target_named(target))
            sizes = {dim: case.sizes[dim] for dim in plan.dims}
            library(sizes, *given.values(), place=guarded(), status=4)
            told = library.fault
            assert (told.line, told.index, told.bound, told.name.decode()) == case.told


@pytest.mark.parametrize("name", CASES)
def test_the_graph_itself_faults(name: str) -> None:
    case = CASES[name]
    source = Source("m.expr", case.text)
    model = check_program(parse(source), source, Options())
    with pytest.raises(Fault) as caught:
        evaluate([model.definitions[-1].node], arrays_of(case), case.sizes)
    fault = caught.value
    assert (fault.line, fault.index, fault.bound, fault.name) == case.told


def test_a_condition_is_part_of_the_only_pass() -> None:
    for plan in plans_of(LOSS):
        assert [kernel.stream.extent.symbol for kernel in plan.kernels if kernel.stream] == ["n"]
        assert "(reduced, vector)" in show_plan(plan).split("index 0 : i64")[0].rsplit("nest", 1)[1]


def test_good_labels_are_no_fault(tmp_path: Path) -> None:
    model = build(LOSS, tmp_path)
    rng = np.random.default_rng(2)
    for rows, classes in ((0, 0), (0, 3), (1, 1), (67, 5), (2500, 2)):
        logits, labels = rng.standard_normal((rows, classes)), rng.integers(0, max(classes, 1), rows)
        shifted = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        expected = -shifted[np.arange(rows), labels].sum()
        assert model.E(Z=logits, y=labels) == pytest.approx(expected, rel=1e-12)


CHOICES = {
    "one branch": ("loss E = if given then sum(cross_entropy(w * Z, y)) else w^2\n", True),
    "the other branch": ("loss E = if given then w^2 else sum(cross_entropy(w * Z, y))\n", False),
    "a definition": ("S = sum(cross_entropy(w * Z, y))\nloss E = if given then 3 * S else w\n", True),
    "within another": ("loss E = if w < 9 then (if given then sum(cross_entropy(w * Z, y)) else w) else 0 * w\n", True),
}


@pytest.mark.parametrize("name", CHOICES)
def test_labels_in_the_branch_that_is_not_chosen_are_no_fault(name: str, tmp_path: Path) -> None:
    text, side = CHOICES[name]
    head = "dim n, k\ninput Z : f64[n, k]\ninput y : i64[n]\ninput given : bool\nparam w : f64\n"
    module = build(head + text, tmp_path)
    arrays = {"Z": np.ones((3, 2)), "y": np.array([0, 5, 1]), "w": 2.0}
    source = Source("m.expr", head + text)
    node = check_program(parse(source), source, Options()).definitions[-1].node
    value = module.E.value_and_grad(given=not side, **arrays)
    assert np.isfinite(value[0]) and np.isfinite(value[1][0])
    data = {name: np.asarray(array) for name, array in {**arrays, "given": not side}.items()}
    found = evaluate([node], data, {"n": 3, "k": 2})
    assert found[0] == value[0] == module.E(given=not side, **arrays)
    for function in (module.E, module.E.value_and_grad):
        with pytest.raises(IndexError, match="index 5 is out of bounds for k of size 2"):
            function(given=side, **arrays)


def test_labels_that_something_else_needs_too_are_a_fault(tmp_path: Path) -> None:
    text = "S = sum(cross_entropy(w * Z, y))\nloss E = (if given then S else w) + S\n"
    head = "dim n, k\ninput Z : f64[n, k]\ninput y : i64[n]\ninput given : bool\nparam w : f64\n"
    module = build(head + text, tmp_path)
    with pytest.raises(IndexError, match="index 5"):
        module.E(Z=np.ones((3, 2)), y=np.array([0, 5, 1]), given=False, w=2.0)


@pytest.mark.parametrize("way", ("value", "value_and_grad", "bound"))
def test_the_module_names_the_argument(way: str, tmp_path: Path) -> None:
    model = build(LOSS, tmp_path)
    logits, labels = np.ones((3, 2)), np.array([0, 5, 1])
    with pytest.raises(IndexError) as caught:
        if way == "bound":
            model.E.bind(y=labels).grad(Z=logits)
        else:
            (model.E if way == "value" else model.E.value_and_grad)(Z=logits, y=labels)
    source = model.__name__ + ".expr"
    assert str(caught.value) == (
        f"E: index 5 is out of bounds for k of size 2 ({source}, line 4); "
        f"it is an entry of y, `input y : i64[n]` ({source}, line 3)"
    )


def test_the_command_line_tells_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    Path("m.expr").write_text(LOSS)
    np.savez("data.npz", Z=np.ones((2, 3)), y=np.array([0, 3]))
    assert run(["run", "m.expr", "--data", "data.npz"]) == 1
    error = capsys.readouterr().err
    assert "index 3 is out of bounds for k of size 3 (m.expr, line 4); it is an entry of y" in error


VECTOR = "dim k\nparam p : f64[k]\n"
KNOWN = {
    "too large": ("param p : f64[3]\nloss E = cross_entropy(p, 3)\n", "E0407", "index 3 in `labels`"),
    "negative": (VECTOR + "loss E = cross_entropy(p, -1)\n", "E0407", "index -1 in `labels`"),
    "in a function": ("param p : f64[3]\nfn f(l) = cross_entropy(p, l)\nloss E = f(5)\n", "E0407", "index 5 in"),
    "of each row": ("param p : f64[2, 3]\nloss E = sum(cross_entropy(p, full(4, 2)))\n", "E0407", "index 4 in"),
    "a fraction": (VECTOR + "loss E = cross_entropy(p, 1.0)\n", "E0404", "needs integer labels"),
}  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_labels_that_are_known_to_be_wrong_are_mistakes_of_the_program(name: str) -> None:
    text, code, message = KNOWN[name]
    source = Source("m.expr", text)
    with pytest.raises(UserError) as caught:
        check_program(parse(source), source, Options())
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == code and message in " ".join((diagnostic.message, *diagnostic.notes))


@pytest.mark.parametrize("dtype", ("f64", "f32"))
def test_a_label_may_be_a_literal(dtype: str, tmp_path: Path) -> None:
    model = build(VECTOR.replace("f64", dtype) + "loss E = cross_entropy(p, 1)\n", tmp_path)
    p = np.array([0.5, -1.0, 2.0], "f4" if dtype == "f32" else "f8")
    value, gradient = model.E.value_and_grad(p=p)
    softmax = np.exp(p) / np.exp(p).sum()
    assert value == pytest.approx(-np.log(softmax[1]), rel=1e-6)
    np.testing.assert_allclose(gradient.p, softmax - np.array([0, 1, 0]), atol=1e-6)
    with pytest.raises(ValueError, match=r"`cross_entropy: 1 < k` .* needs 2 <= k, but k = 1"):
        model.E(p=p[:1])


@pytest.mark.parametrize("text", ("loss E = max(x)", "loss E = min(x)", "loss E = sum(max(x * Y, axis=1))"))
def test_the_largest_of_nothing_is_a_fault(text: str, tmp_path: Path) -> None:
    model = build("dim n, m\nparam x : f64[n]\ninput Y : f64[m, n]\n" + text + "\n", tmp_path)
    arrays = {"x": np.zeros(0), "Y": np.zeros((2, 0))}
    with pytest.raises(ValueError, match="of at least one entry"):
        model.E(**{name: arrays[name] for name in ("x", "Y") if name in text})
