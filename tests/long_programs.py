"""Programs of any length and depth, with their values and derivatives by plain Python.

Shared by the tests, which take a tenth of the sizes, and by `benchmarks/compile_time.py`.  Knows nothing of the
compiler.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

Dual = tuple[float, float]  # a value and its derivative by x


class LongProgram(NamedTuple):
    """`text(size)` is a program with a param `x` and a loss `E`; `value(size, x)` gives E and dE/dx; `full` is the size
    that the compiler has to take; `at` is a point to evaluate at."""

    name: str
    full: int
    at: float
    text: Callable[[int], str]
    value: Callable[[int, float], Dual]


HEAD = "param x : f64\n"
_FUNCTIONS: tuple[tuple[str, Callable[[float], float], Callable[[float], float]], ...] = (
    ("sin({})", math.sin, math.cos),
    ("tanh({})", math.tanh, lambda a: 1 - math.tanh(a) ** 2),
    ("1 - exp(-({}))", lambda a: -math.expm1(-a), lambda a: math.exp(-a)),
    ("4 * sigmoid({}) - 2", lambda a: 4 / (1 + math.exp(-a)) - 2, lambda a: 1 / math.cosh(a / 2) ** 2),
)  # for small a all are about a, so that chains of many keep a value and a derivative


def definitions(size: int) -> str:
    """Each made of the one or two before it."""
    lines = ["a0 = x", "a1 = a0 * 0.5 + 1"]
    forms = ("a{k} = a{p} * x + {c}", "a{k} = a{p} * 0.5 - a{q}", "a{k} = a{p} / 3 + x", "a{k} = a{p} - 0.25 * a{q}")
    lines += [forms[k % 4].format(k=k, p=k - 1, q=k - 2, c=k % 7) for k in range(2, size)]
    return HEAD + "\n".join([*lines, f"loss E = a{max(size, 2) - 1}\n"])


def definitions_value(size: int, x: float) -> Dual:
    """The same, one after another."""
    (a, da), (b, db) = (x, 1.0), (x * 0.5 + 1, 0.5)
    for k in range(2, size):
        if k % 4 == 0:
            c, dc = b * x + k % 7, db * x + b
        elif k % 4 == 1:
            c, dc = b * 0.5 - a, db * 0.5 - da
        elif k % 4 == 2:
            c, dc = b / 3 + x, db / 3 + 1
        else:
            c, dc = b - 0.25 * a, db - 0.25 * da
        (a, da), (b, db) = (b, db), (c, dc)
    return b, db


def terms(size: int) -> str:
    """A sum."""
    return HEAD + "loss E = " + " + ".join(f"x*{k}.5" if k % 2 else f"x^2/{k + 1}" for k in range(size)) + "\n"


def terms_value(size: int, x: float) -> Dual:
    """Its terms added one after another."""
    value = derivative = 0.0
    for k in range(size):
        value += x * (k + 0.5) if k % 2 else x * x / (k + 1)
        derivative += k + 0.5 if k % 2 else 2 * x / (k + 1)
    return value, derivative


def calls(size: int) -> str:
    """Functions of functions."""
    heads, tails = [], []
    for k in reversed(range(size)):
        head, _, tail = _FUNCTIONS[k % len(_FUNCTIONS)][0].partition("{}")
        heads.append(head)
        tails.append(tail)
    return HEAD + "loss E = " + "".join(heads) + "x" + "".join(reversed(tails)) + "\n"


def calls_value(size: int, x: float) -> Dual:
    """From the innermost outwards."""
    value, derivative = x, 1.0
    for k in range(size):
        _, function, slope = _FUNCTIONS[k % len(_FUNCTIONS)]
        value, derivative = function(value), derivative * slope(value)
    return value, derivative


def sines(size: int) -> str:
    """The sine of the sine of …"""
    return HEAD + "loss E = " + "sin(" * size + "x" + ")" * size + "\n"


def sines_value(size: int, x: float) -> Dual:
    """From the innermost outwards."""
    value, derivative = x, 1.0
    for _ in range(size):
        value, derivative = math.sin(value), derivative * math.cos(value)
    return value, derivative


def minuses(size: int) -> str:
    """Unary minuses, and one more in front of a square, so that something is left."""
    return HEAD + "loss E = " + "-" * size + "x^2\n"


def minuses_value(size: int, x: float) -> Dual:
    """The sign is left."""
    sign = -1.0 if size % 2 else 1.0
    return sign * x * x, sign * 2 * x


def choices(size: int) -> str:
    """An `if` in the `else` of an `if`."""
    return HEAD + "loss E = " + "".join(f"if x > {k} then x * {k}.5 else " for k in range(size, 0, -1)) + "x^2\n"


def choices_value(size: int, x: float) -> Dual:
    """The first that holds."""
    for k in range(size, 0, -1):
        if x > k:
            return x * (k + 0.5), k + 0.5
    return x * x, 2 * x


def inner_choices(size: int) -> str:
    """An `if` in the `then` of an `if`."""
    heads = "".join(f"if x > {k} then (" for k in range(size))
    tails = "".join(f") else x * {k}.5" for k in range(size - 1, -1, -1))
    return HEAD + "loss E = " + heads + "x^2" + tails + "\n"


def inner_choices_value(size: int, x: float) -> Dual:
    """The first that does not hold."""
    for k in range(size):
        if not x > k:
            return x * (k + 0.5), k + 0.5
    return x * x, 2 * x


def functions(size: int) -> str:
    """Each calls the one before."""
    lines = ["fn f0(v) = v + 1", *(f"fn f{k}(v) = f{k - 1}(v) * 0.5 + v * v" for k in range(1, size))]
    return HEAD + "\n".join([*lines, f"loss E = f{size - 1}(x)\n"])


def functions_value(size: int, x: float) -> Dual:
    """From the innermost outwards."""
    value, derivative = x + 1, 1.0
    for _ in range(1, size):
        value, derivative = value * 0.5 + x * x, derivative * 0.5 + 2 * x
    return value, derivative


PROGRAMS = (
    LongProgram("definitions", 100_000, 0.75, definitions, definitions_value),
    LongProgram("terms", 100_000, 0.75, terms, terms_value),
    LongProgram("calls", 10_000, 0.5, calls, calls_value),
    LongProgram("sines", 10_000, 0.5, sines, sines_value),
    LongProgram("minuses", 10_000, 0.75, minuses, minuses_value),
    LongProgram("choices", 10_000, 7.25, choices, choices_value),
    LongProgram("inner choices", 10_000, 7.25, inner_choices, inner_choices_value),
    LongProgram("functions", 10_000, 0.75, functions, functions_value),
)
