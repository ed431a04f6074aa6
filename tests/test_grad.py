"""Derivatives as they are printed: golden forms, written without the rules in mind, and the options of `exprc grad`.

A printed form is a program: put into the one that it comes from, it compiles and computes the compiled gradient.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support import build, work_of

from exprc import driver, ops
from exprc.cli.main import run
from exprc.ir.node import Node, make
from exprc.ir.sizes import ONE, constant, dim
from exprc.ir.types import Type
from exprc.printing import print_formula
from exprc.source import Source

HEAD = "dim n, d\ninput X : f64[n, d]\ninput y : f64[n]\nparam w : f64[d]\n"
BERNOULLI = "loss E = -sum(y * log(mu) + (1 - y) * log(1 - mu))\n"
CLASSES = "dim n, d, k\ninput A : f64[n, d]\nparam B : f64[d, k]\n"
MIXTURE = (
    "dim n, k\ninput x : f64[n]\nparam a, mu, ls : f64[k]\nz = (x[:, None] - mu[None, :]) / exp(ls)\n"
    "lp = log_softmax(a) - ls - 0.5 * z^2\nresp = softmax(lp)\nloss E = -sum(logsumexp(lp, axis=1))\n"
)
FORMS: dict[str, tuple[str, list[str]]] = {
    # the manual's program and variants of it
    "manual": (HEAD + "eta = X @ w\nmu = sigmoid(eta)\n" + BERNOULLI, ["dE/dw = X' @ (mu - y)"]),
    "renamed": (
        HEAD + "p = sigmoid(X @ w)\nloss L = -sum(y * log(p) + (1 - y) * log(1 - p))\n",
        ["dL/dw = X' @ (p - y)"],
    ),
    "reordered": (
        HEAD + "mu = sigmoid(X @ w)\nloss E = -sum((1 - y) * log(1 - mu) + log(mu) * y)\n",
        ["dE/dw = X' @ (mu - y)"],
    ),
    "weights": (
        HEAD + "input c : f64[n]\nmu = sigmoid(X @ w)\nloss E = -sum(c * (y * log(mu) + (1 - y) * log(1 - mu)))\n",
        ["dE/dw = X' @ (c * (mu - y))"],
    ),
    "offset": (HEAD + "input o : f64[n]\nmu = sigmoid(X @ w + o)\n" + BERNOULLI, ["dE/dw = X' @ (mu - y)"]),
    "ridge": (
        HEAD + "input lam : f64\nmu = sigmoid(X @ w)\n"
        "loss E = -sum(y * log(mu) + (1 - y) * log(1 - mu)) + lam * sum(w^2)\n",
        ["dE/dw = X' @ (mu - y) + 2 * lam * w"],
    ),
    "mean": (
        HEAD + "mu = sigmoid(X @ w)\nloss E = -mean(y * log(mu) + (1 - y) * log(1 - mu))\n",
        ["dE/dw = X' @ (mu - y) / n"],
    ),
    "labels": (HEAD + "loss E = sum(log(1 + exp(-y * (X @ w))))\n", ["dE/dw = -X' @ (y * sigmoid(-y * (X @ w)))"]),
    "tanh": (HEAD + "mu = (1 + tanh(X @ w)) / 2\n" + BERNOULLI, ["dE/dw = 2 * (X' @ (mu - y))"]),
    "probit": (
        HEAD + "mu = 0.5 * (1 + erf(X @ w / sqrt(2)))\n" + BERNOULLI,
        ["dE/dw = 0.39894228040143265 * (X' @ (exp(-0.5 * (X @ w)^2) * (mu - y) / (mu * (1 - mu))))"],
    ),
    "two_params": (
        HEAD + "param b : f64\nmu = sigmoid(X @ w + b)\n" + BERNOULLI,
        ["dE/dw = X' @ (mu - y)", "dE/db = sum(mu - y)"],
    ),
    "written_out": (
        HEAD + "loss E = -sum(y * log(1 / (1 + exp(-(X @ w)))) + (1 - y) * log(1 - 1 / (1 + exp(-(X @ w)))))\n",
        ["dE/dw = X' @ (sigmoid(X @ w) - y)"],
    ),
    "softplus": (HEAD + "z = X @ w\nloss J = sum(softplus(z) - y * z)\n", ["dJ/dw = X' @ (sigmoid(z) - y)"]),
    "log_of_a_sum": (
        HEAD + "z = X @ w\nloss J = sum(log(1 + exp(z)) - y * z) / n\n",
        ["dJ/dw = X' @ (sigmoid(z) - y) / n"],
    ),
    # several classes
    "logsumexp": (
        CLASSES + "input Y : f64[n, k]\nS = A @ B\nloss J = sum(logsumexp(S, axis=1) - sum(Y * S, axis=1))\n",
        ["dJ/dB = A' @ (softmax(S) - Y)"],
    ),
    "integer_labels": (
        CLASSES + "input c : i64[n]\nparam b : f64[k]\nZ = A @ B + b\nloss J = sum(cross_entropy(Z, c))\n",
        ["dJ/dB = A' @ (softmax(Z) - one_hot(c, k))", "dJ/db = sum(softmax(Z) - one_hot(c, k), axis=0)"],
    ),
    "soft_labels": (
        CLASSES + "input Y : f64[n, k]\nP = softmax(A @ B)\nloss J = -sum(Y * log(P))\n",
        ["dJ/dB = A' @ (P * sum(Y, axis=1)[:, None] - Y)"],
    ),
    "mixture": (
        MIXTURE,
        [
            "dE/da = sum(resp) * softmax(a) - sum(resp, axis=0)",
            "dE/dmu = -sum(resp * z, axis=0) / exp(ls)",
            "dE/dls = sum(resp, axis=0) - sum(resp * z^2, axis=0)",
        ],
    ),
    # regressions
    "least_squares": (HEAD + "r = y - X @ w\nloss E = sum(r^2)\n", ["dE/dw = -2 * (X' @ r)"]),
    "intercept": (
        HEAD + "param b : f64\nloss E = sum((y - X @ w - b)^2) / (2 * n)\n",
        ["dE/dw = X' @ (X @ w + b - y) / n", "dE/db = sum(X @ w + b - y) / n"],
    ),
    "line": (
        "dim n\ninput x, y : f64[n]\nparam a, b : f64\nloss E = sum((a * x + b - y)^2)\n",
        ["dE/da = 2 * sum(x * (a * x + b - y))", "dE/db = 2 * sum(a * x + b - y)"],
    ),
    "ridge_by_product": (
        HEAD + "input lam : f64\nloss E = sum((X @ w - y)^2) + lam * (w @ w)\n",
        ["dE/dw = 2 * (lam * w + X' @ (X @ w - y))"],
    ),
    "lasso": (
        HEAD + "loss E = 0.5 * sum((X @ w - y)^2) + 0.1 * sum(abs(w))\n",
        ["dE/dw = 0.1 * sign(w) + X' @ (X @ w - y)"],
    ),
    "huber": (
        HEAD + "r = X @ w - y\nloss E = sum(where(abs(r) <= 1, 0.5 * r^2, abs(r) - 0.5))\n",
        ["dE/dw = X' @ where(abs(r) <= 1, r, sign(r))"],
    ),
    "cauchy": (HEAD + "r = X @ w - y\nloss E = sum(log(1 + r^2))\n", ["dE/dw = 2 * (X' @ (r / (1 + r^2)))"]),
    "hinge": (
        HEAD + "loss E = sum(maximum(0, 1 - y * (X @ w)))\n",
        ["dE/dw = -X' @ (y * where(1 - y * (X @ w) > 0, 1, where(1 - y * (X @ w) == 0, 0.5, 0)))"],
    ),
    "poisson": (HEAD + "eta = X @ w\nloss E = sum(exp(eta) - y * eta)\n", ["dE/dw = X' @ (exp(eta) - y)"]),
    "counts": (
        HEAD + "input k : i64[n]\neta = X @ w + y\nrate = exp(eta)\nloss E = sum(rate - k * eta)\n",
        ["dE/dw = X' @ (rate - k)"],
    ),
    "small_counts": (
        "dim n\ninput x : f32[n]\ninput i, j : i32[n]\nparam w : f32\nloss E = sum((w * x - i)^2 + w * i * j)\n",
        ["dE/dw = sum(j * f32(i) + 2 * x * (w * x - i))"],
    ),
    "poisson_rate": (HEAD + "rate = exp(X @ w)\nloss E = sum(rate - y * log(rate))\n", ["dE/dw = X' @ (rate - y)"]),
    "gamma": (HEAD + "eta = X @ w\nloss E = sum(y * exp(-eta) + eta)\n", ["dE/dw = X' @ (1 - y * exp(-eta))"]),
    "gauss": (
        "dim n\ninput y : f64[n]\nparam m, sigma : f64\nloss E = sum(0.5 * ((y - m) / sigma)^2 + log(sigma))\n",
        ["dE/dm = sum(m - y) / sigma^2", "dE/dsigma = n / sigma - sum((y - m)^2) / sigma^3"],
    ),
    # vectors and matrices
    "quadratic": ("dim d\ninput A : f64[d, d]\nparam w : f64[d]\nloss Q = w' @ A @ w\n", ["dQ/dw = A' @ w + A @ w"]),
    "bilinear": (
        "dim n, m\ninput x : f64[n]\ninput y : f64[m]\nparam A : f64[n, m]\nloss E = x @ A @ y\n",
        ["dE/dA = outer(x, y)"],
    ),
    "rank_one": (
        (
            "dim n, m\ninput M : f64[n, m]\nparam u : f64[n]\nparam v : f64[m]\n"
            "R = u[:, None] * v - M\nloss E = sum(R^2)\n"
        ),
        ["dE/du = 2 * (R @ v)", "dE/dv = 2 * (R' @ u)"],
    ),
    "distance": (
        "dim n\ninput a : f64[n]\nparam x : f64[n]\nloss E = sqrt(sum((x - a)^2))\n",
        ["dE/dx = where(E == 0, 0, (x - a) / E)"],
    ),
    "cosine": (
        "dim n\ninput a : f64[n]\nparam x : f64[n]\nloss E = a @ x / (norm(a) * norm(x))\n",
        ["dE/dx = where(norm(x) == 0, 0, x * (-E / norm(x)^2)) + a / (norm(a) * norm(x))"],
    ),
    "factorisation": (
        "dim n, k\ninput M : f64[n, n]\nparam U : f64[n, k]\nR = M - U @ U'\nloss E = sum(R^2)\n",
        ["dE/dU = -2 * (R @ U + R' @ U)"],
    ),
    "only_the_shape": ("dim n\nparam x : f64[n]\nloss E = sum(x) + 3\n", ["dE/dx = ones(n)"]),
    "huber_of_scaled_residuals": (
        (
            "dim n, d\ninput X : f32[n, d]\ninput y : f32[n]\nparam w : f32[d]\nparam s : f32\nR = (X @ w - y) / s\n"
            "H = where(abs(R) <= 1, 0.5 * R^2, abs(R) - 0.5)\nloss E = sum(H) / 3\n"
        ),
        [
            "dE/dw = X' @ where(abs(R) <= 1, R, sign(R)) / (3 * s)",
            "dE/ds = -sum(R * where(abs(R) <= 1, R, sign(R))) / (3 * s)",
        ],
    ),
    "masked_factorisation": (
        (
            "dim n, m, k\ninput Y, P : f64[n, m]\nM = P > 0.5\nparam U : f64[n, k]\nparam V : f64[m, k]\n"
            "loss E = sum(where(M, (Y - U @ V')^2, 0))\n"
        ),
        ["dE/dU = -2 * (where(M, Y - U @ V', 0) @ V)", "dE/dV = -2 * (where(M, Y - U @ V', 0)' @ U)"],
    ),
    "rosenbrock": (
        "param x, y : f64\nloss E = (1 - x)^2 + 100 * (y - x^2)^2\n",
        ["dE/dx = -400 * x * (y - x^2) - 2 * (1 - x)", "dE/dy = 200 * (y - x^2)"],
    ),
    # networks
    "tanh_layer": (
        (
            "dim n, d, h\ninput X : f64[n, d]\ninput y : f64[n]\nparam W : f64[h, d]\nparam b, v : f64[h]\n"
            "H = tanh(X @ W' + b)\nr = H @ v - y\nloss E = sum(r^2) / 2\n"
        ),
        ["dE/dW = (outer(r, v) * (1 - H^2))' @ X", "dE/db = sum(outer(r, v) * (1 - H^2), axis=0)", "dE/dv = H' @ r"],
    ),
    "two_layers": (
        (
            "dim n, d, h, k\ninput X : f64[n, d]\ninput Y : f64[n, k]\nparam V : f64[d, h]\nparam W : f64[h, k]\n"
            "H = tanh(X @ V)\nloss E = sum((H @ W - Y)^2)\n"
        ),
        ["dE/dV = 2 * (X' @ ((1 - H^2) * ((H @ W - Y) @ W')))", "dE/dW = 2 * (H' @ (H @ W - Y))"],
    ),
}  # fmt: skip
ROUND_TRIPS = {
    "slices": "dim n, d\nparam x : f64[n]\nparam A : f64[n, d]\n"
    "loss E = sum(x[1:]^2) + sum(A[:, 1]^3 * x) + sum(A[::2, ::-1]^2) + exp(x[-1]) + sum(A[1:] * A[:-1])\n",
    "parts_replaced": "dim n, d\nparam x : f64[n]\nparam A : f64[n, d]\nparam a : f64\n"
    "y = set(x[1:], exp(x[:-1]))\nB = set(A[::2, 1], a)\nC = set(A[0], A[1] * a)\n"
    "loss E = sum(y^3) + sum(B^2) + sum(exp(C)) + sum(set(x[-1], a)^3) + sum(set(x[2:3], 0.5)^2)\n",
    "parts_added": "dim n, d\nparam x : f64[n]\nparam A : f64[n, d]\nparam a : f64\n"
    "loss E = sum(increment(x[1:], x[0] * a)^3) + sum(exp(increment(A[:, 1], x)))\n",
    "recurrence": "dim T, d, h\ninput X : f64[T, d]\nparam W : f64[h, h]\nparam U : f64[h, d]\n"
    "H = scan s = zeros(h) over x in X { tanh(W @ s + U @ x) }\nloss E = sum(H^2)\n",
    "two_states": "dim n, d\ninput X : f64[n, d]\nparam w : f64[d]\n"
    "P, Q = scan p = zeros(d), q = ones(d) over x in X { sin(p * q + x), q * 0.9 + p * w }\nloss E = sum(P * Q)\n",
    "nested": "dim n, d\ninput X : f64[n, d]\nparam w : f64[d]\n"
    "S = scan s = zeros(d) over x in X {\n"
    "    Q = scan q = s over v in X { tanh(q * w + v) }\n    last(Q, s) + 0.1 * x\n}\n"
    "loss E = sum(S)\n",
    "transposed_definitions": "dim n, d\ninput x : f64[n]\nparam b : f64[3]\nparam W : f64[3, d]\nparam M : f64[n, d]\n"
    "T = [ones(n), x, x^2]'\nK = tanh(M)'\n"
    "loss E = sum((T @ b)^2) + sum(T @ W) + sum((K @ T @ W)^3) + sum(exp(K) @ x)\n",
    "names_of_loops": "dim T, n, d\ninput X : f64[T, d]\ninput x : f64[n]\nparam w, s : f64[d]\n"
    "fn smooth(z) = scan acc = 0.0 over x in z { 0.5 * acc + sin(x) }\n"
    "A, B = scan t1 = s, sin = 1.0 over x in X, t in 0..T { tanh(t1 * x) + t * w, cos(sin * sum(x)) }\n"
    "C = scan s = w over x in X { R = scan s = s over x in X { tanh(x * s) }\n last(R, s) * x }\n"
    "loss E = sum(A) + sum(B) * sum(smooth(w)) + sum(smooth(x)) + sum(C)\n",
    "attention": "dim n, d\ninput X : f64[n, d]\nparam K, V : f64[d, d]\n"
    "P = softmax(X @ K @ X' / sqrt(d))\nloss E = sum((P @ X @ V)^2)\n",
    "rows_and_columns": "dim n, d\ninput X : f64[n, d]\nparam w : f64[d]\n"
    "Z = X * w - mean(X * w, axis=0)\nloss E = sum(logsumexp(Z, axis=1)) + sum(max(Z, axis=1)) + sum(Z / norm(w))\n",
    "products_of_batches": "dim b, n, d\ninput X : f64[b, n, d]\nparam W : f64[b, d, n]\nparam v : f64[d]\n"
    "loss E = sum((X @ W)^2) + sum(tanh(X @ v)) + sum(X * v * sum(X, axis=2)[:, :, None])\n",
    "guards": "dim n\ninput x : f64[n]\nparam a, b : f64\n"
    "u = a * x + b\nloss E = sum(where(u > 0.5 and not x < 0, log(u), -u)) + sum(u // 1 * u)"
    " + sum(where((u > 0) == (x > 0), u, 0))\n",
    "f32": "dim n\ninput x : f32[n]\nparam a : f32\nloss E = sum(exp(0.1 * a * x) / 3 + log(1 + x^2) * a)\n",
    "powers": "dim n\ninput x : f64[n]\nparam a : f64\n"
    "loss E = sum((1 + x^2)^a) + sum(2^(a * x)) + a^(-3) + (-a)^2 - -a\n",
}


def grad(text: str, **options: object) -> str:
    return driver.grad(Source("model.expr", text), driver.Options(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", FORMS)
def test_printed_form(name: str) -> None:
    text, expected = FORMS[name]
    assert grad(text).splitlines() == expected


def test_a_transposed_definition_keeps_its_name() -> None:
    text = "dim n\ninput x : f64[n]\nparam b : f64[2]\nT = [ones(n), sin(x)]'\nloss E = sum((T @ b)^2)\n"
    assert grad(text) == "dE/db = 2 * (T' @ (T @ b))\n"


def test_definitions_written_out() -> None:
    assert grad(FORMS["manual"][0], expand=True) == "dE/dw = X' @ (sigmoid(X @ w) - y)\n"


def test_a_named_constant_is_varied_where_something_is_differentiated_by_it(tmp_path: Path) -> None:
    text = "param x : f64\na = 3.0\nE0 = 2 * (a * x)^2\ng = grad(E0, x)\noutput h = grad(g, a)\nloss E = E0\n"
    assert build(text, tmp_path).h(x=2.0) == 48.0  # d(4 a^2 x) / da = 8 a x


# ---- the text is a program


SIZES = {"3": 3, "n": 5, "d": 3, "k": 4, "m": 2, "h": 3, "T": 4, "b": 2}
DECLARATION = r"^(?:input|param) ([\w, ]+) : (f64|f32|i64|i32)(?:\[([\w, ]+)\])?"
PROGRAMS = {**{name: text for name, (text, _) in FORMS.items()}, **ROUND_TRIPS}


@pytest.mark.parametrize("expand", [False, True], ids=["named", "expanded"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_printed_forms_compute_the_gradient(name: str, expand: bool, tmp_path: Path) -> None:
    text = PROGRAMS[name]
    if expand and name in FORMS and not re.search(r"^\w+ = ", text, re.MULTILINE):
        pytest.skip("there are no definitions")
    loss, lines, outputs = as_outputs(grad(text, expand=expand))
    module = build(text + "".join(f"{line}\n" for line in lines), tmp_path)
    arrays = sample(text)
    gradient = getattr(module, loss).grad(**arrays)
    for param, output in outputs.items():
        printed = called_with_what_it_takes(getattr(module, output), arrays)
        expected = getattr(gradient, param)
        tolerance = 1e-4 if "f32" in text else 1e-9
        assert np.shape(printed) == np.shape(expected)
        np.testing.assert_allclose(printed, expected, rtol=tolerance, atol=tolerance)


def as_outputs(printed: str) -> tuple[str, list[str], dict[str, str]]:
    """The loss, the lines of a program that computes what is printed, and the outputs by param."""
    lines: list[str] = []
    outputs: dict[str, str] = {}
    loss = ""
    for line in printed.splitlines():
        part = re.fullmatch(r"    where (.*)", line)
        if part:
            lines.insert(-1, part[1])
            continue
        loss, param, formula = re.fullmatch(r"d(\w+)/d(\w+) = (.*)", line).groups()  # type: ignore[union-attr]
        outputs[param] = f"of_{param}"
        lines.append(f"output of_{param} = {formula}")
    return loss, lines, outputs


def sample(text: str) -> dict[str, np.ndarray]:
    """Numbers for the declarations of a program: positive where that is needed, labels where they are integers."""
    generator = np.random.default_rng(7)
    arrays = {}
    for names, dtype, shape in re.findall(DECLARATION, text, re.MULTILINE):
        for name in names.split(", "):
            extents = tuple(SIZES[size] for size in shape.split(", ")) if shape else ()
            labels = dtype.startswith("i")
            values = generator.integers(0, 4, extents) if labels else generator.uniform(0.2, 0.9, extents)
            arrays[name] = values.astype(dtype.replace("f", "float").replace("i", "int"))
    return arrays


def called_with_what_it_takes(function: Callable[..., np.ndarray], arrays: dict[str, np.ndarray]) -> np.ndarray:
    """An output takes only the arrays that it uses, and the sizes that none of them tells."""
    given: dict[str, object] = dict(arrays)
    while True:
        try:
            return function(**given)
        except TypeError as problem:
            unused = re.search(r"does not depend on (\w+)", str(problem))
            missing = re.search(r"`dim (\w+)`|size (\w+)|missing.*'(\w+)'", str(problem))
            if unused and unused[1] in given:
                del given[unused[1]]
            elif missing and not set(filter(None, missing.groups())) & given.keys():
                name = next(filter(None, missing.groups()))
                given[name] = SIZES[name]
            else:
                raise


# ---- single forms


N, M, K = dim("n"), dim("m"), dim("k")
X, Y, R, V, A = (
    ops.input_(name, Type("f64", shape)) for name, shape in
    (("x", (N,)), ("y", (N,)), ("r", (N,)), ("v", (M,)), ("A", (N, M)))
)  # fmt: skip
S = ops.input_("s", Type("f64", ()))
B3, C3 = ops.input_("B", Type("f64", (K, N, M))), ops.input_("C", Type("f64", (K, M, N)))


def einsum(x: Node, y: Node, left: str, right: str, out: str) -> Node:
    return make(ops.TABLE["contract"], (x, y), (left, right, out))


TEXTS = [
    (ops.mul(ops.add(X, Y), X), "x * (x + y)"),
    (ops.mul(X, ops.mul(Y, R)), "x * y * r"),
    (ops.sub(X, ops.sub(Y, R)), "x - (y - r)"),
    (ops.div(X, ops.mul(Y, R)), "x / (y * r)"),
    (ops.power(ops.neg(X), 2.0), "(-x)^2"),
    (ops.neg(ops.power(X, 2.0)), "-x^2"),
    (ops.power(X, ops.neg(Y)), "x^(-y)"),
    (ops.power(ops.power(X, Y), R), "(x^y)^r"),
    (ops.mul(X, ops.constant(-2.0)), "x * -2"),
    (ops.eq(ops.lt(X, Y), ops.lt(Y, X)), "(x < y) == (y < x)"),
    (ops.not_(ops.and_(ops.lt(X, Y), ops.not_(ops.eq(X, Y)))), "not (x < y and not x == y)"),
    (ops.mul(X, einsum(A, V, "ab", "b", "a")), "x * (A @ v)"),
    (einsum(ops.add(A, 1.0), V, "ab", "b", "a"), "(A + 1) @ v"),
    (einsum(A, ops.neg(X), "ab", "a", "b"), "A' @ -x"),
    (einsum(X, V, "a", "b", "ab"), "outer(x, v)"),
    (einsum(X, V, "a", "b", "ba"), "outer(v, x)"),
    (einsum(A, A, "ab", "ab", ""), "sum(A * A)"),
    (einsum(A, A, "ab", "ab", "a"), "sum(A * A, axis=1)"),
    (einsum(A, X, "ab", "a", "ab"), "A * x[:, None]"),
    (einsum(B3, C3, "kab", "kbc", "kac"), "B @ C"),
    (einsum(C3, C3, "kba", "kbc", "kac"), "C' @ C"),
    (einsum(B3, A, "kab", "cb", "kac"), "B @ A'"),
    (einsum(B3, X, "kab", "a", "kb"), "sum(B * x[:, None], axis=1)"),
    (einsum(B3, A, "kab", "ab", "k"), "sum(B * A, axis=[1, 2])"),
    (ops.sum_(ops.broadcast(S, (N, M), ()), 1), "sum(full(s, n, m), axis=1)"),
    (ops.max_(ops.add(ops.broadcast(X, (N, M), (0,)), 1.0)), "max(broadcast_to(x[:, None] + 1, n, m))"),
    (ops.add(ops.broadcast(X, (N, M), (0,)), ops.broadcast(V, (N, M), (1,))), "x[:, None] + v"),
    (ops.broadcast(S, (N,), ()), "full(s, n)"),
    (ops.zeros((N, M)), "zeros(n, m)"),
    (ops.full(2, (N,), "f64"), "full(2, n)"),
    (ops.reshape(X, (N, ONE)), "x[:, None]"),
    (ops.reshape(ops.reshape(X, (N, ONE)), (N,)), "x[:, None][:, 0]"),
    (ops.reshape(A, (N * M,)), "reshape(A, m*n)"),
    (ops.squeeze(ops.slice_(A, (constant(3), constant(0)), (ONE, M)), (0,)), "A[3]"),
    (ops.squeeze(ops.slice_(A, (constant(0), M - 1), (N, ONE)), (1,)), "A[:, -1]"),
    (ops.slice_(X, (constant(1),), (N - 1,)), "x[1:]"),
    (ops.slice_(X, (constant(0),), (N - 1,)), "x[:-1]"),
    (ops.slice_(X, (constant(2),), (constant(3),)), "x[2:5]"),
    (ops.slice_(X, (N - 1,), (N,), (-1,)), "x[::-1]"),
    (ops.slice_(ops.transpose(A), (constant(0), constant(0)), (M, constant(2))), "A'[:, :2]"),
    (ops.pad(ops.slice_(X, (constant(1),), (N - 1,)), (constant(0),), (N,)), "set(zeros(n)[:-1], x[1:])"),
    (ops.pad(ops.reshape(X, (N, ONE)), (constant(0), constant(2)), (N, M)), "set(zeros(n, m)[:, 2], x)"),
    (ops.constant(0.1, "f32"), "0.1"),
    (ops.constant(1 / 3, "f32"), "0.33333334"),
    (ops.constant(1e22), "1e+22"),
    (ops.constant(-0.0), "-0.0"),
    (ops.cast(X, "f32"), "f32(x)"),
    (ops.softmax(A, 0), "softmax(A, axis=0)"),
    (ops.softmax(A), "softmax(A)"),
    (ops.sum_(B3, (0, 2)), "sum(B, axis=[0, 2])"),
    (ops.mul(ops.cast(ops.size(N * N), "f64"), S), "s * n^2"),
    (ops.sub(1.0, ops.cast(ops.size(N + 1), "f64")), "1 - (n + 1)"),
    (ops.one_hot(ops.input_("c", Type("i64", (N,))), K, "f32"), "f32(one_hot(c, k))"),
    (ops.solve_triangular(ops.input_("L", Type("f64", (N, N))), X, False), "solve_triangular(L, x, lower=false)"),
]  # fmt: skip


@pytest.mark.parametrize(("node", "text"), TEXTS, ids=[text for _, text in TEXTS])
def test_texts(node: Node, text: str) -> None:
    assert print_formula(node, {}) == (text, (), 0)


def test_a_name_is_a_word_whatever_it_stands_for() -> None:
    product, total = ops.mul(2.0, X), ops.add(X, Y)
    assert print_formula(ops.mul(total, product), {product: "p"}).text == "p * (x + y)"
    assert print_formula(ops.neg(product), {product: "p"}).text == "-p"
    assert print_formula(ops.mul(Y, total), {total: "p"}).text == "y * p"
    assert print_formula(product, {product: "p"}).text == "2 * x"


def test_what_is_shared_and_long_is_named_once() -> None:
    long = ops.exp(ops.mul(ops.add(X, Y), ops.add(Y, ops.sigmoid(R))))
    formula = print_formula(ops.mul(long, ops.add(long, 1.0)), {}, frozenset(("t1",)))
    assert formula == ("t2 * (t2 + 1)", (("t2", "exp((x + y) * (y + sigmoid(r)))"),), 0)


TERMS = 12_000


@pytest.mark.parametrize("shape", ["chain", "tree", "shared"])
def test_a_huge_graph_is_printed_in_bounds(shape: str) -> None:
    node: Node = X
    terms = [ops.mul(float(number), X) for number in range(TERMS)]
    if shape == "tree":
        while len(terms) > 1:
            terms = [ops.add(*terms[i : i + 2]) if i + 1 < len(terms) else terms[i] for i in range(0, len(terms), 2)]
        node = terms[0]
    for number, term in enumerate(terms if shape != "tree" else ()):
        node = ops.add(ops.sin(node), ops.mul(node, float(number))) if shape == "shared" else ops.add(node, term)
    formula, work = work_of(lambda: print_formula(node, {}))
    assert work.calls < 1000 * TERMS and work.letters < 120_000 * TERMS
    assert len(formula.text) < 5000 and sum(len(text) for _, text in formula.parts) < 1_000_000


# ---- the command line


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    text = HEAD + "param b : f64\nmu = sigmoid(X @ w + b)\n" + BERNOULLI + "loss F = log(1 + exp(b)) * b\n"
    (tmp_path / "model.expr").write_text(text)
    return "model.expr"


def printed(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert run(["grad", *arguments]) == code
    captured = capsys.readouterr()
    return captured.out if code == 0 else captured.err


def test_sizes_wrt_and_losses(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    both = ["dE/dw = X' @ (mu - y)", "dE/db = sum(mu - y)"]
    last = "dF/db = softplus(b) + b * sigmoid(b)"
    assert printed(capsys, model).splitlines() == [*both, last]
    assert printed(capsys, model, "E").splitlines() == both
    assert printed(capsys, model, "--of", "F").splitlines() == [last]
    assert printed(capsys, model, "E", "--wrt", "b").splitlines() == both[1:]
    assert printed(capsys, model, "E", "--wrt", "w,b").splitlines() == both
    by_input = "dE/dy = log_sigmoid(-(X @ w + b)) - log_sigmoid(X @ w + b)"
    assert printed(capsys, model, "E", "--wrt", "y").splitlines() == [by_input]
    assert printed(capsys, model, "E", "--sizes").splitlines() == [both[0] + " : f64[d]", both[1] + " : f64"]
    assert printed(capsys, model, "E", "--wrt", "w", "--expand") == "dE/dw = X' @ (sigmoid(X @ w + b) - y)\n"
    assert "no input or param `q`" in printed(capsys, model, "--wrt", "q", code=1)
    assert "`G`" in printed(capsys, model, "G", code=1)


def test_rewrites_left_out(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    as_derived = printed(capsys, model, "E", "--no-simplify", "--wrt", "w")
    assert as_derived.startswith("dE/dw = ") and len(as_derived) > len("dE/dw = X' @ (mu - y)\n")
    unstable = printed(capsys, model, "F", "--no-stabilize")
    assert "softplus" not in unstable and "exp(b)" in unstable
    for name in ("softplus", "improving", "stabilize"):
        text = printed(capsys, model, "F", "--no-rewrite", name)
        assert ("softplus" in text) == (name == "softplus"), text  # by log1p and exp the same is reached
    assert "softplus" not in printed(capsys, model, "F", "--no-rewrite", "softplus", "--no-rewrite", "softplus_sum")
    for name in ("closed form", "collect", "rounding"):
        assert printed(capsys, model, "E", "--no-rewrite", name) != printed(capsys, model, "E")
    assert "exact" in printed(capsys, model, "--no-rewrite", "exakt", code=2)


def test_rewrites_are_listed_with_their_class(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", model, "--rewrites"]) == 0
    text = capsys.readouterr().out
    assert re.search(r"log_sigmoid \(improving, line \d+\): ", text) or re.search(r"log_sigmoid \(improving", text)
    assert re.search(r"collect \(rounding.*\n.*\n    → ", text)


LOOPS = """\
dim T, n
input X : f64[T, n]
input y : f64[T]
param w : f64[n]
param a : f64
fn smooth(z) = scan acc = 0.0 over e in z { a * acc + log(1 + exp(e)) }
A, L = scan t = 0.0, lag = 1.0 over row in X, k in 0..T {
    B = scan u = t over v in row { log(1 + exp(u + v * a + k)) }
    next sum(B) + log(1 + exp(w @ row)), t
}
loss E = sum(A * y) + sum(L) + sum(smooth(y))
"""


def test_loops_are_printed_with_the_names_of_the_program(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the loops of a derivative, which nobody wrote, states are s1, s2, … and elements x1, x2, …"""
    path = tmp_path / "m.expr"
    path.write_text(LOOPS)
    assert run(["check", str(path), "--rewrites"]) == 0
    listed = capsys.readouterr().out
    for term in ("u + v * a + f64(k)", "w @ row", "e"):
        assert f"      log(1 + exp({term}))\n    → softplus({term})\n" in listed
    assert "x0" not in listed
    assert "scan acc = 0 over e in y { next a * acc + softplus(e) emit acc }" in grad(LOOPS)
    assert "scan u = x3 over v in x4 {" in grad(LOOPS)


def test_a_loss_without_params_is_differentiated_by_inputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    text = "dim n\ninput x : f64[n]\ninput y : f64[n]\nloss E = sum(x^2)\n"
    Path("m.expr").write_text(text)
    assert printed(capsys, "m.expr", "--wrt", "x") == "dE/dx = 2 * x\n"
    assert "E0502" in printed(capsys, "m.expr", "--wrt", "y", code=1)
    assert "E0502" in printed(capsys, "m.expr", code=1)
    model = build(text, tmp_path, wrt=("x",))
    x = np.array([1.0, -2.0, 3.0])
    value, gradient = model.E.value_and_grad(x=x)
    assert value == 14 and np.array_equal(gradient.x, 2 * x)
