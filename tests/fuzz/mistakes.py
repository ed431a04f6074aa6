"""Mistakes planted in programs that were right: each is one that the compiler has to notice."""

from __future__ import annotations

import random
import re

from fuzz.generate import draw_program


def draw_mistaken_program(seed: int) -> str:
    """A program with one to three mistakes."""
    choice = random.Random(f"mistaken {seed}")
    lines = draw_program(seed).rstrip("\n").split("\n")
    for _ in range(choice.choice((1, 1, 2, 3))):
        lines = choice.choice(_PLANTS)(choice, lines)
    return "\n".join(lines) + "\n"


def _unknown_name(choice: random.Random, lines: list[str]) -> list[str]:
    names = sorted(set(re.findall(r"\b[xwvSEgLz]\d+\b", "\n".join(lines)))) or ["n"]
    return [*lines, f"output mistake{len(lines)} = sin({choice.choice(names)}q)"]


def _used_before(choice: random.Random, lines: list[str]) -> list[str]:
    return [f"early{len(lines)} = late{len(lines)} + 1", *lines, f"late{len(lines)} = 1"]


def _defined_twice(choice: random.Random, lines: list[str]) -> list[str]:
    found = [m.group(1) for line in lines if (m := re.match(r"(?:output |loss |)(\w+) = ", line))]
    return [*lines, f"{choice.choice(found)} = 1"] if found else [*lines, "p = 1", "p = 2"]


def _wrong_expression(choice: random.Random, lines: list[str]) -> list[str]:
    wrong = choice.choice((
        "ones(3) + ones(4)", "ones(2, 3) @ ones(2, 3)", "not 1", "if 2 then 1 else 0", "1 and true", "sin(1, 2)",
        "sin()", "sum(ones(3), axis=1)", "ones(3)[3]", "ones(3)[:, 0]", "where(1, 2, 3)", "sum(ones(2), axes=0)",
        "-true", "ones(3)[0:5]", "sin(x=1, x=2)", "reshape(ones(4), 3)", "cholesky(ones(2, 3))", "[1, ones(2)]",
        "softmax(ones(3), axis=2)", "zeros(1.5)", "zeros(-1)", '"text"', "None", "ones(3) < true", "grad(ones(3), e)",
        "broadcast_to(ones(3), 4)", "(scan h = 0 over t in 0..3 { h, h })", "(scan h = 0 over x in 1 { h })",
        "nosuch(1)", "sum(true, 1, 2, 3, 4)", "1 2", "(1", "1)", "[1, 2", "1 +* 2", "x²", "1.", ".5", "1 = 2",
        "9999999999999999999", "ones(3)'[5]", "(if 1 > 2 then ones(2) else ones(3))", "one_hot(0.5, 3)",
        "cross_entropy(ones(3), 0.5)", "3.name", "f64(1, 2)", "i32()", "last(1)", "max(zeros(0))", "jvp(1, 2, 3)",
    ))  # fmt: skip
    return [*lines, f"output mistake{len(lines)} = {wrong}"]


def _wrong_declaration(choice: random.Random, lines: list[str]) -> list[str]:
    wrong = choice.choice((
        "input q : f65", "input q : f64[nosuch]", "param q : i64", "input q : f64[1.5]", "input q : f64[-1]", "input q : n",  # noqa: E501
        "param q : f64[3] = ones(4)", "input : f64", "param q", "dim", "dim q = 1.5", "input q, q : f64", "loss = 1",
        "loss mistake = ones(3)", "loss mistake = 1", "output nosuch", "fn q(a, a) = a", "fn q(a) = b\noutput r = q(1)",
        "fn q(a) = a\noutput r = q()", "fn q(a) = q(a)\noutput r = q(1)", "input if : f64", "q, r = 1", "q + 1 = 2",
        "param q : f64 = x", "fn q(v : f64[3]) = v\noutput r = q(ones(4))", "fn q(v) -> f64[2] = v\noutput r = q(ones(3))",  # noqa: E501
        "dim q = q", "output q = q", "_q, _q = scan a = 1, b = 2 over t in 0..3 { a, b }", "@", "}", ")", "else", "'",
    ))  # fmt: skip
    return [*lines, *wrong.split("\n")] if choice.random() < 0.5 else [*wrong.split("\n"), *lines]


def _wrong_type(choice: random.Random, lines: list[str]) -> list[str]:
    number = len(lines)
    return [*lines, *choice.choice((
        [f"input q{number} : f64[3]", f"output r{number} = q{number} + ones(2)"],
        [f"input q{number} : bool", f"output r{number} = q{number} + 1"],
        [f"dim a{number}, b{number}", f"input q{number} : f64[a{number}, b{number}]", f"output r{number} = q{number} @ q{number}"],  # noqa: E501
        [f"input q{number} : f64[2]", f"output r{number} = grad(q{number}, q{number})"],
        [f"input q{number} : f64", f"output r{number} = if q{number} then 1 else 2"],
        [f"input q{number} : f64", f"output r{number} = zeros(q{number})"],
        [f"dim a{number}", f"input q{number} : f64[a{number}]", f"output r{number} = q{number}[1:] * q{number}"],
    ))]  # fmt: skip


_PLANTS = (
    _unknown_name,
    _used_before,
    _defined_twice,
    _wrong_expression,
    _wrong_expression,
    _wrong_declaration,
    _wrong_type,
)
