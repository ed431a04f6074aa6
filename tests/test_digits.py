"""Digits of derivatives: closed forms have those that the program's own form would have, against mpmath."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from exact_support import exact, run
from support import build

from exprc import ops
from exprc.ir.node import Node
from exprc.ir.types import Type
from exprc.printing import print_formula
from exprc.rewrite import close

# A program of one param z, where it is tried, and how much of the derivative may be wrong.
PROGRAMS: dict[str, tuple[str, tuple[float, ...], Callable[[Any], Any], float]] = {
    "sigmoid_squared": (
        "param z : f64\ns = sigmoid(z)\nloss E = s^2\n",
        (30.0, 37.5, 700.0, -30.0, 1.0), lambda z: 1 / (1 + mp.exp(-z)) ** 2, 1e-15,
    ),
    "sigmoid_in_f32": (
        "param z : f32\nloss E = 1 / (1 + exp(-z))^2\n",
        (15.0, 17.5, 80.0, -15.0), lambda z: 1 / (1 + mp.exp(-z)) ** 2, 1e-6,
    ),
    "derivative_of_softplus": (
        "param z : f64\nF = log(1 + exp(z))\nh = grad(F, z)\nloss E = h^3\n",
        (33.0, 500.0, -3.0), lambda z: 1 / (1 + mp.exp(-z)) ** 3, 1e-15,
    ),
    "one_minus_sigmoid_as_written": (
        "param z : f64\nmu = sigmoid(z)\nloss E = -(1 - mu)^2 * log(mu)\n",
        (36.0, 200.0, 0.5), lambda z: (1 / (1 + mp.exp(z))) ** 2 * mp.log1p(mp.exp(-z)), 1e-14,
    ),
    "norm_of_a_difference": (
        "param z : f32[1]\nloss E = norm(sqrt(1 + z^2) - cosh(tanh(z)))\n",
        (0.35, 0.6, 2.5), lambda z: abs(mp.sqrt(1 + z * z) - mp.cosh(mp.tanh(z))), 1e-5,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_derivatives_have_their_digits(name: str, tmp_path: Path) -> None:
    text, places, function, allowed = PROGRAMS[name]
    module = build(text, tmp_path)
    shape = (1,) if "[1]" in text else ()
    dtype = np.float32 if "f32" in text else np.float64
    for place in places:
        z = np.full(shape, place, dtype)
        with mp.workdps(700):
            true = mp.diff(function, mp.mpf(float(z.reshape(-1)[0])))
            found = mp.mpf(float(np.asarray(module.E.grad(z=z)[0]).reshape(-1)[0]))
            assert abs(found - true) <= allowed * abs(true), f"{place}: {found} for {mp.nstr(true, 20)}"


def leaf(name: str) -> Node:
    return ops.input_(name, Type("f64"))


A, B, C, D = (leaf(name) for name in "abcd")
DIFFERENCE, OTHER = ops.sub(A, B), ops.sub(C, D)
# Where a and b, and c and d, are nearly equal: what has few digits multiplied out, or summed in another order.
PRODUCTS = [
    ops.mul(DIFFERENCE, OTHER),
    ops.sub(ops.mul(DIFFERENCE, ops.div(C, A)), ops.mul(DIFFERENCE, ops.div(D, B))),
    ops.add(ops.mul(DIFFERENCE, ops.mul(C, ops.mul(C, C))), ops.mul(ops.mul(C, C), DIFFERENCE)),
    ops.sub(ops.mul(2.0, ops.mul(DIFFERENCE, A)), ops.mul(3.0, ops.mul(A, DIFFERENCE))),
    ops.mul(ops.sub(1.0, ops.div(A, B)), ops.add(1.0, ops.div(A, B))),
    ops.div(ops.mul(DIFFERENCE, ops.mul(2.0, C)), ops.mul(4.0, ops.mul(C, B))),
    ops.add(ops.mul(ops.neg(DIFFERENCE), C), ops.mul(DIFFERENCE, D)),
    ops.add(ops.mul(OTHER, ops.mul(2.0, A)), ops.mul(ops.mul(A, 4.0), DIFFERENCE)),
]  # fmt: skip


@pytest.mark.parametrize("node", PRODUCTS)
def test_a_difference_that_is_a_factor_stays_one(node: Node) -> None:
    (after,) = close((node,)).roots
    generator = np.random.default_rng(5)
    for _ in range(50):
        a, c = generator.uniform(0.5, 2, 2)
        place = {"a": a, "b": a * (1 + generator.normal() * 1e-9), "c": c, "d": c * (1 + generator.normal() * 1e-9)}
        found = run((after,), {name: np.array([value]) for name, value in place.items()})[0]
        with mp.workdps(60):
            true = exact(node, place)
            assert true is not None
            assert abs(mp.mpf(float(found[0])) - true.value) <= 2.0**-53 * 16 * true.error


def test_terms_that_cancel_are_multiplied_out() -> None:
    for before, text in (
        (ops.sub(ops.mul(B, ops.sub(1.0, A)), ops.mul(ops.sub(1.0, B), A)), "b - a"),
        (ops.sub(ops.div(B, A), ops.div(ops.sub(1.0, B), ops.sub(1.0, A))), "(b - a) / (a * (1 - a))"),
    ):
        assert print_formula(close((before,)).roots[0], {}).text == text
