"""Reductions in registers: neutral elements, combining two values, and the tree that combines the lanes of a vector.

Owns the arithmetic of the order of sums; must not know loops or memory.
"""

from __future__ import annotations

from exprc.ir.types import BOOL, FLOATS
from exprc.lower.emit import Function, overload, register_type, vector_type

_OPERATORS = {"add": "add", "mul": "mul", "and": "and", "or": "or"}


def combined(function: Function, combine: str, dtype: str, left: str, right: str, lanes: int) -> str:
    """`left` with `right`.  The larger and the smaller of floats are NaN where either is."""
    kind = register_type(dtype, lanes)
    if combine in _OPERATORS:
        letter = "f" if dtype in FLOATS else ""
        return function.value(f"{letter}{_OPERATORS[combine]} {kind} {left}, {right}")
    flags = vector_type("i1", lanes)
    if dtype == BOOL:
        return function.value(f"{'or' if combine == 'max' else 'and'} {flags} {left}, {right}")
    compare = ("fcmp o" if dtype in FLOATS else "icmp s") + ("gt" if combine == "max" else "lt")
    first = function.value(f"{compare} {kind} {left}, {right}")
    chosen = function.value(f"select {flags} {first}, {kind} {left}, {kind} {right}")
    if dtype not in FLOATS:
        return chosen
    # The comparison chose `right` where either is NaN.
    unordered = function.value(f"fcmp uno {kind} {left}, {left}")
    return function.value(f"select {flags} {unordered}, {kind} {left}, {kind} {chosen}")


def combine_lanes(function: Function, combine: str, dtype: str, vectors: list[str], lanes: int) -> str:
    """Combines the lanes of each vector pairwise by halves.  Returns one vector with an entry for each, or a scalar.

    Their number must be a power of two.  Several vectors are combined at once: two whose lanes have been halved share
    a register, and so on; the pairs that meet are those of one vector alone.
    """
    if dtype == BOOL:
        return _flags(function, combine, vectors, lanes)
    items, length, total = 1, lanes, lanes  # in each vector: so many items of so many lanes
    while length > 1:
        half = length // 2
        low = [item * length + lane for item in range(items) for lane in range(half)]
        high = [lane + half for lane in low]
        kind = register_type(dtype, total)
        if total == 2 and len(vectors) == 1:
            ends = [function.value(f"extractelement {kind} {vectors[0]}, i64 {lane}") for lane in (0, 1)]
            return combined(function, combine, dtype, ends[0], ends[1], 1)
        if len(vectors) > 1:
            low += [lane + total for lane in low]
            high += [lane + total for lane in high]
            pairs = list(zip(vectors[::2], vectors[1::2], strict=True))
            items *= 2
        else:
            pairs = [(vectors[0], "poison")]
            total = half * items
        halves = [
            (function.shuffle(kind, left, right, low), function.shuffle(kind, left, right, high))
            for left, right in pairs
        ]
        vectors = [combined(function, combine, dtype, first, second, total) for first, second in halves]
        length = half
    return vectors[0]


def _flags(function: Function, combine: str, vectors: list[str], lanes: int) -> str:
    kind = vector_type("i1", lanes)
    name = "or" if combine in ("or", "max", "add") else "and"
    results = [function.call("i1", f"llvm.vector.reduce.{name}.{overload(BOOL, lanes)}", (kind, v)) for v in vectors]
    if len(results) == 1:
        return results[0]
    wide = vector_type("i1", len(results))
    joined = "poison"
    for lane, result in enumerate(results):
        joined = function.value(f"insertelement {wide} {joined}, i1 {result}, i64 {lane}")
    return joined
