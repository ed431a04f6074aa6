"""Logistic regression at awkward sizes and extreme logits, against long double; the fit of the example."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support import build

ROOT = Path(__file__).parent.parent
PROGRAM = """
dim n, d
input X : {0}[n, d]
input y : {0}[n]
param w : {0}[d]
eta = X @ w
mu = sigmoid(eta)
loss E = -sum(y * log(mu) + (1 - y) * log(1 - mu))
"""
SIZES = (0, 1, 2, 7, 8, 9, 64, 1000)
BOUNDS = {"f64": 1e-12, "f32": 1e-5}
NUMPY = {"f64": np.float64, "f32": np.float32}


@pytest.fixture(scope="module", params=["f64", "f32"])
def model(request, tmp_path_factory):
    return request.param, build(PROGRAM.format(request.param), tmp_path_factory.mktemp("logistic"))


@pytest.mark.parametrize(("n", "d"), itertools.product(SIZES, SIZES))
def test_sizes(model, n: int, d: int) -> None:
    dtype, module = model
    X, y, w = _data(n, d, NUMPY[dtype])
    value, gradient = module.E.value_and_grad(X=X, y=y, w=w)
    Xl, yl, wl = (a.astype(np.longdouble) for a in (X, y, w))
    eta = Xl @ wl
    # What rounding of the product X @ w may change is counted among the terms.
    spread = np.abs(Xl) @ np.abs(wl)
    terms = yl * np.logaddexp(0, -eta) + (1 - yl) * np.logaddexp(0, eta)
    assert abs(value - terms.sum()) <= BOUNDS[dtype] * (np.abs(terms) + spread).sum()
    mu = 1 / (1 + np.exp(-eta))
    expected = Xl.T @ (mu - yl)
    scale = np.abs(Xl).T @ (mu + yl + spread)
    assert np.all(np.abs(gradient.w - expected) <= BOUNDS[dtype] * scale)


def test_extreme_logits_are_finite_and_exact(model) -> None:
    dtype, module = model
    X = np.array([[1.0], [1.0], [-1.0], [-1.0]], NUMPY[dtype])
    y = np.array([1.0, 0.0, 1.0, 0.0], NUMPY[dtype])
    value, gradient = module.E.value_and_grad(X=X, y=y, w=np.array([1000.0], NUMPY[dtype]))
    assert value == 2000.0
    assert gradient.w.tolist() == [2.0]


def test_example_reaches_the_optimum_of_scikit_learn(tmp_path) -> None:
    build_command = [sys.executable, "-m", "exprc", "build", "examples/logistic_regression.expr", "-o", str(tmp_path)]
    subprocess.run(build_command, cwd=ROOT, check=True, capture_output=True)
    stored = json.loads((ROOT / "tests/data/breast_cancer_optimum.json").read_text())
    script = (
        "import sys, json; sys.argv = ['fit']; sys.path.insert(0, 'examples')\n"
        "import fit_logistic_regression as fit, numpy as np, logistic_regression as model\n"
        "fit.main()\n"
        "table = np.loadtxt(fit.DATA, delimiter=',', skiprows=1)\n"
        "X, y = np.ascontiguousarray(table[:, :-1]), np.ascontiguousarray(table[:, -1])\n"
        "flat = model.E.bind(X=X, y=y, center=X.mean(0), scale=X.std(0), ridge=1.0).flat\n"
        "theta = fit.newton(flat.value_and_grad, flat.initial())\n"
        "print(json.dumps([theta.tolist(), float(np.linalg.norm(flat.value_and_grad(theta)[1]))]))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True, env=environment
    )
    theta, norm = json.loads(result.stdout.splitlines()[-1])
    assert norm <= 1e-8
    np.testing.assert_allclose(theta, [*stored["w"], stored["b"]], atol=1e-6)
    assert "accuracy" in result.stdout


def _data(n: int, d: int, dtype: type) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(n * 1001 + d)
    X = generator.standard_normal((n, d)).astype(dtype)
    y = (generator.random(n) < 0.5).astype(dtype)
    return X, y, (generator.standard_normal(d) / max(1, d) ** 0.5).astype(dtype)
