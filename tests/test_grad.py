"""Derivatives as they are printed: the program of the manual and variants of it, written without the rules in mind."""

from __future__ import annotations

import pytest

from exprc import driver
from exprc.source import Source

HEAD = "dim n, d\ninput X : f64[n, d]\ninput y : f64[n]\nparam w : f64[d]\n"
BERNOULLI = "loss E = -sum(y * log(mu) + (1 - y) * log(1 - mu))\n"
FORMS = {
    "manual": ("eta = X @ w\nmu = sigmoid(eta)\n" + BERNOULLI, ["dE/dw = X' @ (mu - y)"]),
    "renamed": ("p = sigmoid(X @ w)\nloss L = -sum(y * log(p) + (1 - y) * log(1 - p))\n", ["dL/dw = X' @ (p - y)"]),
    "reordered": (
        "mu = sigmoid(X @ w)\nloss E = -sum((1 - y) * log(1 - mu) + log(mu) * y)\n",
        ["dE/dw = X' @ (mu - y)"],
    ),
    "weights": (
        "input c : f64[n]\nmu = sigmoid(X @ w)\nloss E = -sum(c * (y * log(mu) + (1 - y) * log(1 - mu)))\n",
        ["dE/dw = X' @ (c * (mu - y))"],
    ),
    "offset": ("input o : f64[n]\nmu = sigmoid(X @ w + o)\n" + BERNOULLI, ["dE/dw = X' @ (mu - y)"]),
    "ridge": (
        "input lam : f64\nmu = sigmoid(X @ w)\nloss E = -sum(y * log(mu) + (1 - y) * log(1 - mu)) + lam * sum(w^2)\n",
        ["dE/dw = X' @ (mu - y) + 2 * lam * w"],
    ),
    "mean": (
        "mu = sigmoid(X @ w)\nloss E = -mean(y * log(mu) + (1 - y) * log(1 - mu))\n",
        ["dE/dw = X' @ (mu - y) / n"],
    ),
    "labels": ("loss E = sum(log(1 + exp(-y * (X @ w))))\n", ["dE/dw = -X' @ (y * sigmoid(-y * (X @ w)))"]),
    "tanh": ("mu = (1 + tanh(X @ w)) / 2\n" + BERNOULLI, ["dE/dw = 2 * (X' @ (mu - y))"]),
    "two_params": (
        "param b : f64\nmu = sigmoid(X @ w + b)\n" + BERNOULLI,
        ["dE/dw = X' @ (mu - y)", "dE/db = sum(mu - y)"],
    ),
    "written_out": (
        "loss E = -sum(y * log(1 / (1 + exp(-(X @ w)))) + (1 - y) * log(1 - 1 / (1 + exp(-(X @ w)))))\n",
        ["dE/dw = X' @ (sigmoid(X @ w) - y)"],
    ),
    "least_squares": ("r = y - X @ w\nloss E = sum(r^2)\n", ["dE/dw = -2 * (X' @ r)"]),
}


@pytest.mark.parametrize("name", FORMS)
def test_printed_form(name: str) -> None:
    text, expected = FORMS[name]
    assert driver.grad(Source("model.expr", HEAD + text), driver.Options()).splitlines() == expected


def test_probit_is_short() -> None:
    text = HEAD + "mu = 0.5 * (1 + erf(X @ w / sqrt(2)))\n" + BERNOULLI
    (line,) = driver.grad(Source("model.expr", text), driver.Options()).splitlines()
    assert "(mu - y)" in line and "mu * (1 - mu)" in line and len(line) < 100


def test_definitions_written_out() -> None:
    source = Source("model.expr", HEAD + FORMS["manual"][0])
    assert driver.grad(source, driver.Options(expand=True)) == "dE/dw = X' @ (sigmoid(X @ w) - y)\n"
