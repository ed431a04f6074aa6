"""Remarks on programs that compile: models as people write them, and the few remarks that they deserve."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from mistakes import Mistake, read_mistakes

from exprc.check import check_program
from exprc.diagnostics import Diagnostic
from exprc.source import Source
from exprc.syntax.parse import parse

MODELS = read_mistakes(Path(__file__).parent / "models.txt")


FUNCTIONS = {
    "sigmoid": lambda a: 1 / (1 + np.exp(-a)), "softplus": lambda a: np.logaddexp(0, a),
    "relu": lambda a: np.maximum(a, 0), "erf": np.vectorize(math.erf), "stop_gradient": lambda a: a,
}  # fmt: skip


def lints_of(text: str) -> list[Diagnostic]:
    source = Source("model.expr", text)
    return list(check_program(parse(source), source).lints)


def said(text: str) -> list[str]:
    return [lint.message for lint in lints_of(text)]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.title)
def test_models_get_the_lints_that_they_deserve(model: Mistake) -> None:
    found = lints_of(model.text)
    told = [(lint.code, lint.message, lint.help[0] if lint.help else "-") for lint in found]
    assert told == [(e.code, e.message, e.help) for e in model.expected]
    assert tuple((lint.labels[0].span.start, lint.labels[0].span.end) for lint in found) == model.spans


def test_most_models_are_silent() -> None:
    assert sum(not model.expected for model in MODELS) >= 25
    assert len({model.title for model in MODELS}) == len(MODELS)


# ---- what is known of signs

POINTS = np.concatenate([[0.0], *(np.array([-1.0, 1.0]) * 10.0**k for k in range(-3, 3)), [0.37, -0.61, 5.5]])
NEGATIVE = [
    "w", "-w", "2 * w - 3", "x + w", "x * w", "w / x", "w - v", "w * v", "w / exp(v)", "w * exp(v) + x", "1 - w^2",
    "1 - exp(w)", "0.5 - sigmoid(w)", "tanh(w)", "-w^2", "w^3", "sin(w)", "abs(w) - 1", "sqrt(exp(w)) - 2", "w^2 - 4",
    "minimum(w, 1)", "clip(w, -1, 1)", "log(exp(w))", "exp(w) - exp(v)", "1 - w^2 / 100", "expm1(w)", "erf(w)",
    "stop_gradient(w)", "-softplus(w)",
]  # fmt: skip
SILENT = [
    "x", "exp(w)", "w^2", "w * w", "w - w", "w^2 - w + 1", "1 - tanh(w)^2", "1 - sigmoid(w)", "sigmoid(w)", "abs(w)",
    "1 + w^2", "maximum(w, 0.001)", "clip(w, 0.001, 1)", "exp(w) + exp(v)", "exp(w) * exp(v)", "exp(w) / exp(v)",
    "1 + sin(w)", "2 - tanh(w)", "1 / (1 + exp(-w))", "softplus(w)", "relu(w)", "w^4 + v^2", "exp(-w^2)", "x * exp(w)",
    "sqrt(1 + w^2) - w", "w * tanh(w)", "cos(w) + 1", "exp(w) + x^2", "(w - v)^2", "abs(w - 1)", "w * w * w * w",
]  # fmt: skip


@pytest.mark.parametrize("argument", NEGATIVE + SILENT)
@pytest.mark.parametrize("kind", ["log", "division"])
def test_what_is_said_of_an_argument_is_so_for_some_values(kind: str, argument: str) -> None:
    """Against values: a logarithm is told if the argument becomes negative, a division if it changes its sign."""
    w, v = np.meshgrid(POINTS, POINTS)
    scope = {"w": w, "v": v, "x": 0.7, **{name: getattr(np, name) for name in dir(np)}, **FUNCTIONS}
    with np.errstate(all="ignore"):
        values = eval(argument.replace("^", "**"), scope) + 0 * w
    expected = bool((values < 0).any() and (kind == "log" or (values > 0).any()))
    written = f"log({argument})" if kind == "log" else f"1 / ({argument})"
    text = f"input x : f64\nparam w, v : f64\nloss E = {written} + w^2 + v^2\n"
    told = [lint.code for lint in lints_of(text)]
    assert told in ([], ["L0108"])
    assert not told or expected
    assert argument in SILENT or bool(told) == expected


def test_one_lint_for_all_places_of_an_argument() -> None:
    text = "input x : f64\nparam s : f64\n" + "".join(f"r{k} = (x - {k}) / s\n" for k in range(20))
    (only,) = lints_of(text + "loss E = log(s) + " + " + ".join(f"r{k}^2" for k in range(20)) + "\n")
    assert [label.text for label in only.labels] == ["", *["and here"] * 3, "declared without bounds"]
    assert only.labels[0].span.line == 3


def test_at_most_five_arguments() -> None:
    names = [f"s{k}" for k in range(9)]
    text = f"param {', '.join(names)} : f64\nloss E = {' + '.join(f'log({name})' for name in names)}\n"
    assert len(lints_of(text)) == 5


def test_a_call_is_shown() -> None:
    (only,) = lints_of("param w : f64\nfn f(x) = log(x)\nloss E = f(w)\n")
    assert [(label.span.line, label.text) for label in only.labels] == [
        (2, ""), (1, "declared without bounds"), (3, "in this call of `f`"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "argument",
    ["-1", "0 * w", "nan", "-inf", "w - inf", "zeros(2) @ [w, w]", "w^inf", "w^nan", "(w - w)^(-inf)", "-1e308 * w"],
)
def test_numbers_alone_are_no_reason_for_a_lint(argument: str) -> None:
    text = f"param w : f64\nloss E = w + log({argument}) + 1 / ({argument}) + ({argument})^0.5\n"
    assert len(lints_of(text)) <= 1  # and no traceback


def test_what_comes_out_of_a_loop_is_not_judged() -> None:
    text = "dim n\ninput x : f64[n]\nparam a, b : f64\nh = scan s = a over v in x { s * v + b }\n"
    assert said(text + "loss E = sum(log(h) + 1 / h)\n") == []


@pytest.mark.parametrize("column", ["x[:, None]", "column"])
def test_a_square_that_is_written_out_is_meant(column: str) -> None:
    text = f"dim n\ninput x : f64[n]\nparam w : f64\ncolumn = x[:, None]\nloss E = w * sum({column} - x)\n"
    assert [lint.code for lint in lints_of(text)] == (["L0109"] if column == "column" else ["L0102"])
