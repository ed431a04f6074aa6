"""`set(x[...], v)` and `increment(x[...], v)`: values, derivatives in both modes, messages.

That what is printed of them is a program again is tests/test_grad.py's.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support import build, differences

from exprc.check import check_program
from exprc.diagnostics import UserError
from exprc.driver import Options
from exprc.source import Source
from exprc.syntax.parse import parse

HEAD = "dim n, d\nparam x : f64[n]\nparam A : f64[n, d]\nparam v : f64[n - 1]\nparam a : f64\n"
Arrays = dict[str, np.ndarray]


def replaced(array: np.ndarray, where: object, value: object) -> np.ndarray:
    """NumPy's way."""
    result = array.copy()
    result[where] = value  # type: ignore[index]
    return result


CASES: dict[str, tuple[str, Callable[..., np.ndarray]]] = {
    "a slice": ("set(x[1:], v^2)", lambda x, A, v, a: replaced(x, np.s_[1:], v**2)),
    "an entry": ("set(x[-1], a)", lambda x, A, v, a: replaced(x, -1, a)),
    "a number": ("set(x[::2], 3)", lambda x, A, v, a: replaced(x, np.s_[::2], 3)),
    "zero": ("set(x[0], 0)", lambda x, A, v, a: replaced(x, 0, 0)),
    "among zeros": ("set(zeros(n)[:-1], v)", lambda x, A, v, a: np.r_[v, 0]),
    "among ones": ("set(ones(n, d)[1:, 0], v)", lambda x, A, v, a: replaced(np.ones_like(A), np.s_[1:, 0], v)),
    "a column": ("set(A[:, 1], x)", lambda x, A, v, a: replaced(A, np.s_[:, 1], x)),
    "a row of one value": ("set(A[0], a)", lambda x, A, v, a: replaced(A, 0, a)),
    "rows of one row": ("set(A[1:], A[0])", lambda x, A, v, a: replaced(A, np.s_[1:], A[0])),
    "backwards": ("set(x[::-1], x * 2)", lambda x, A, v, a: 2 * x[::-1]),
    "all": ("set(x[:], A[:, 0])", lambda x, A, v, a: A[:, 0]),
    "nothing": ("set(x[:0], x[:0])", lambda x, A, v, a: x),
    "two parts": ("set(set(x[0], a)[1], a * x[0])", lambda x, A, v, a: np.r_[a, a * x[0], x[2:]]),
    "added": ("increment(x[1:], v * a)", lambda x, A, v, a: np.r_[x[0], x[1:] + v * a]),
    "added to an entry": ("increment(A[1, 2], a * x[0])", lambda x, A, v, a: replaced(A, (1, 2), A[1, 2] + a * x[0])),
    "added to one part twice": ("increment(increment(x[0], 1)[0], a)", lambda x, A, v, a: replaced(x, 0, x[0] + 1 + a)),
}


@pytest.mark.parametrize("name", CASES)
def test_values_and_derivatives(name: str, tmp_path: Path) -> None:
    formula, reference = CASES[name]
    rest = "a * sum(v) * sum(x) * sum(A)"
    text = HEAD + f"input u : f64[n]\nc = {formula}\nloss E = sum(exp(0.3 * c)) + {rest}\n"
    model = build(text + "output t = jvp(E, x, u) + 0 * sum(x)\n", tmp_path)
    rng = np.random.default_rng(5)
    shapes = {"x": (5,), "A": (5, 4), "v": (4,), "a": ()}
    arrays: Arrays = {key: np.asarray(rng.normal(size=shape)) for key, shape in shapes.items()}

    def value(**changed: np.ndarray) -> float:
        given = {**arrays, **changed}
        products = [np.sum(given[key]) for key in "avxA"]
        return float(np.exp(0.3 * reference(**given)).sum() + np.prod(products))

    found, gradient = model.E.value_and_grad(**arrays)
    assert found == pytest.approx(value(), rel=1e-12)
    for key in arrays:
        expected = differences(lambda array, key=key: value(**{key: array}), arrays[key])  # type: ignore[misc]
        np.testing.assert_allclose(gradient[key], expected, rtol=1e-8, atol=1e-8)
    u = rng.normal(size=5)
    assert model.t(u=u, **arrays) == pytest.approx(float(gradient.x @ u), rel=1e-10, abs=1e-10)


def test_what_is_replaced_reaches_nothing(tmp_path: Path) -> None:
    """NaN in the part that is replaced, and its derivative, are gone; elsewhere NaN stays."""
    model = build("dim n\nparam x : f64[n]\nloss E = sum(set(sqrt(x)[0], 2)^2)\n", tmp_path)
    value, gradient = model.E.value_and_grad(x=np.array([-1.0, 4.0, 9.0]))
    assert value == 17 and np.array_equal(gradient.x, [0.0, 1.0, 1.0])
    assert np.isnan(model.E(x=np.array([1.0, -1.0])))


def test_other_dtypes(tmp_path: Path) -> None:
    text = (
        "dim n\ninput k : i64[n]\ninput m : bool[n]\ninput y : f32[n]\noutput a = set(k[1:], 7)\n"
        "output b = set(m[0], true)\noutput c = set(y[0], 0.1)\noutput e = increment(k[:2], k[1])\n"
        "output f = set(zeros(n)[0], y[1])\n"
    )
    model = build(text, tmp_path)
    k, m, y = np.array([3, 4, 5]), np.array([False, True, False]), np.array([1, 2, 3], "f4")
    expected = {"a": [3, 7, 7], "b": [True, True, False], "c": np.array([0.1, 2, 3], "f4"), "e": [7, 8, 5],
                "f": np.array([2, 0, 0], "f4")}  # fmt: skip
    for name, array in expected.items():
        given = {"a": {"k": k}, "b": {"m": m}, "c": {"y": y}, "e": {"k": k}, "f": {"y": y}}[name]
        found = getattr(model, name)(**given)
        assert np.array_equal(found, array) and found.dtype == np.asarray(array).dtype


MISTAKES = {
    "no part": ("set(x, 1)", "E0317", "help: index it"),
    "a value": ("set(x + 1, 1)", "E0317", "needs a part"),
    "None": ("set(x[None], 1)", "E0317", "no part"),
    "out of range": ("set(A[:, 9], 1)", "E0407", "index 9"),
    "another size": ("set(A[0], x)", "E0401", ""),
    "more axes": ("set(x[0], x)", "E0401", "another shape"),
    "one for many": ("set(A[:1], A)", "E0401", "another shape"),
    "another dtype": ("sum(set(i[0], 0.5))", "E0302", "keeps the dtype i64"),
    "truth values": ("sum(increment(b[0], true))", "E0303", ""),
    "a further argument": ("set(x[0], 1, 2)", "E0307", ""),
    "an unknown name": ("set(q[0], r)", "E0201", ""),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name: str) -> None:
    formula, code, message = MISTAKES[name]
    text = "dim n\nparam x : f64[n]\nparam A : f64[n, 4]\ninput i : i64[n]\ninput b : bool[n]\n"
    source = Source("m.expr", f"{text}loss E = sum(f64({formula}))\n")
    with pytest.raises(UserError) as caught:
        check_program(parse(source), source, Options())
    diagnostic = caught.value.diagnostics[0]
    told = " ".join((diagnostic.message, *diagnostic.notes, *(f"help: {text}" for text in diagnostic.help)))
    assert diagnostic.code == code and message in told
