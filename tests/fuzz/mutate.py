"""Bytes of programs changed at random: flips, tokens dropped, doubled and exchanged, splices, nesting, strange text."""

from __future__ import annotations

import random
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_TOKEN = re.compile(rb"\w+|\s+|[^\w\s]")
_PIECES = (
    b"9" * 30, b"1e999", b"1e-999", b"0x1F", b"1_0", b"1__0", b"..", b"...", b"->", b"<-", b"##", b"#", b'"', b'"\\', b"'",  # noqa: E501
    b"''", b"\t", b"\r\n", b"\r", b"\0", b"\x1b[31m", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf",
    "\u2028".encode(), "\u202e".encode(), "µ".encode(), "x²".encode(), "ﬁ".encode(), "é".encode(), "𝕏".encode(),
    "\u0301".encode(), "٣".encode(), "“".encode(), "−".encode(), b"\x0b", b"\x0c", b"\x85", b";", b";;", b"\\", b"`",
    b"if", b"then", b"else", b"scan", b"over", b"while", b"next", b"emit", b"fn", b"use", b"as", b"in", b"not", b"None",
    b"true", b"loss", b"density", b"output", b"update", b"require", b"dim", b"input", b"param", b"{", b"}", b"(", b")",
    b"[", b"]", b",", b":", b"=", b"==", b"!=", b"<", b">", b"@", b"^", b"**", b"//", b"/", b"%", b"-", b"+", b"*", b".T",  # noqa: E501
    b"grad", b"jvp", b"vjp", b"axis=", b"keepdims=true", b"f32", b"i64", b"bool", b"last", b"0..n", b"2^62", b"9^9^9",
    b"simplex", b"sum[i]", b"hessian", b"zeros", b"iota", b"reshape", b"[::0]", b"[-1:]", b"e", b"inf", b"nan",
)  # fmt: skip


def draw_mutated_program(seed: int) -> bytes:
    """A stored program with a few changes."""
    choice = random.Random(f"mutated {seed}")
    programs = stored_programs()
    data = choice.choice(programs)
    for _ in range(choice.choice((1, 1, 1, 2, 3, 5, 10))):
        data = choice.choice(_CHANGES)(choice, data)
    return data[:20_000]


@cache
def stored_programs() -> tuple[bytes, ...]:
    """Examples, test programs, those of the manual and the corpus, in an order of their own."""
    files = [*ROOT.glob("examples/*.expr"), *ROOT.glob("tests/programs/*/*.expr"), *ROOT.glob("tests/fuzz/corpus/*")]
    manual = "\n".join(path.read_text() for path in sorted(ROOT.glob("docs/*.md")))
    blocks = re.findall(r"```expr[^\n]*\n(.*?)```", manual, re.S)
    return tuple(sorted({path.read_bytes() for path in files} | {block.encode() for block in blocks}))


def _flip(choice: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    if changed:
        changed[choice.randrange(len(changed))] ^= 1 << choice.randrange(8)
    return bytes(changed)


def _insert(choice: random.Random, data: bytes) -> bytes:
    place = choice.randint(0, len(data))
    return data[:place] + choice.choice(_PIECES) + data[place:]


def _on_tokens(choice: random.Random, data: bytes) -> bytes:
    """A token dropped, doubled, replaced, or exchanged with another."""
    tokens = _TOKEN.findall(data)
    if not tokens:
        return data
    one, two = choice.randrange(len(tokens)), choice.randrange(len(tokens))
    form = choice.randrange(4)
    if form == 0:
        del tokens[one]
    elif form == 1:
        tokens.insert(one, tokens[one])
    elif form == 2:
        tokens[one] = choice.choice(_PIECES)
    else:
        tokens[one], tokens[two] = tokens[two], tokens[one]
    return b"".join(tokens)


def _on_lines(choice: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\n")
    one, two = choice.randrange(len(lines)), choice.randrange(len(lines))
    form = choice.randrange(3)
    if form == 0:
        del lines[one]
    elif form == 1:
        lines.insert(two, lines[one])
    else:
        lines[one] += lines[two]
    return b"\n".join(lines)


def _splice(choice: random.Random, data: bytes) -> bytes:
    other = choice.choice(stored_programs())
    start, place = choice.randint(0, len(other)), choice.randint(0, len(data))
    return (
        data[:place] + other[start : start + choice.choice((5, 20, 100, 1000))] + data[choice.randint(0, len(data)) :]
    )


def _nest(choice: random.Random, data: bytes) -> bytes:
    place, count = choice.randint(0, len(data)), choice.choice((2, 20, 200, 2000))
    opening = choice.choice(
        (b"(", b"[", b"{", b"-", b"not ", b"sin(", b"f(", b"x[", b"if a then ", b"'", b"[(", b"1+(", b"2^")
    )
    closing = choice.choice((b"", b")" * count, b"]" * count, b")" * (count - 1)))
    return data[:place] + opening * count + choice.choice((b"x", b"1", b"")) + closing + data[place:]


def _number(choice: random.Random, data: bytes) -> bytes:
    """A number replaced by an extreme one."""
    numbers = list(re.finditer(rb"\d+", data))
    if not numbers:
        return _insert(choice, data)
    found = choice.choice(numbers)
    extreme = choice.choice((b"0", b"1", b"9223372036854775807", b"9223372036854775808", b"4294967296", b"1e300", b"1e400",  # noqa: E501
                             b"1" * 400, b"0.1", b"1_000", b"1000000000000", b"2147483648"))  # fmt: skip
    return data[: found.start()] + extreme + data[found.end() :]


_CHANGES = (_flip, _insert, _insert, _on_tokens, _on_tokens, _on_tokens, _on_lines, _splice, _nest, _number)
