"""What values reach as unbounded params move: intervals, and the rules by which entries of the table say theirs.

A rule gives the interval that the result is certain to go through, None for not known; data are never known.  Knows
nothing of lints, nor which operation has which rule.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from exprc.ir.node import Node

Reach: TypeAlias = tuple[float, float]
ALL: Reach = (-math.inf, math.inf)


class Known(NamedTuple):
    """What is known of a node: the params that it depends on, as bits, and what it reaches."""

    params: int
    reach: Reach | None


Rule: TypeAlias = Callable[[Node, list[Known]], Reach | None]


def constant(known: Known) -> float | None:
    """The number that a value is, if it is one."""
    return known.reach[0] if known.reach is not None and known.reach[0] == known.reach[1] else None


def _apart(parts: list[Known]) -> bool:
    """Whether two values move independently of each other."""
    return not parts[0].params & parts[1].params


def of_first(node: Node, parts: list[Known]) -> Reach | None:
    """As the first argument."""
    return parts[0].reach


def _sum_of(parts: list[Known], left: Reach | None, right: Reach | None) -> Reach | None:
    if not _apart(parts):
        return None
    if ALL in (left, right):
        return ALL
    return None if left is None or right is None else (left[0] + right[0], left[1] + right[1])


def of_sum(node: Node, parts: list[Known]) -> Reach | None:
    """Of `x + y`."""
    return _sum_of(parts, parts[0].reach, parts[1].reach)


def of_difference(node: Node, parts: list[Known]) -> Reach | None:
    """Of `x - y`."""
    right = parts[1].reach
    return _sum_of(parts, parts[0].reach, None if right is None else (-right[1], -right[0]))


def of_negative(node: Node, parts: list[Known]) -> Reach | None:
    """Of `-x`."""
    reach = parts[0].reach
    return None if reach is None else (-reach[1], -reach[0])


def of_product(node: Node, parts: list[Known]) -> Reach | None:
    """Of `x * y`; a square reaches no negative value."""
    left, right = parts[0].reach, parts[1].reach
    if node.args[0] is node.args[1]:
        return _even(left, 2)
    if not _apart(parts) or (0.0, 0.0) in (left, right):
        return None
    if ALL in (left, right):
        return ALL
    if left is None or right is None:
        return None
    corners = [0.0 if 0.0 in (a, b) else a * b for a in left for b in right]
    return min(corners), max(corners)


def of_quotient(node: Node, parts: list[Known]) -> Reach | None:
    """Of `x / y`: where the divisor is a number, or the dividend takes all values."""
    divisor = constant(parts[1])
    if divisor:
        return of_product(node, [parts[0], Known(0, (1 / divisor, 1 / divisor))])
    return ALL if parts[0].reach == ALL and _apart(parts) else None


def of_contraction(node: Node, parts: list[Known]) -> Reach | None:
    """A sum of products goes through all values with one of its factors."""
    reaches = (parts[0].reach, parts[1].reach)
    return ALL if _apart(parts) and ALL in reaches and (0.0, 0.0) not in reaches else None


def of_power(node: Node, parts: list[Known]) -> Reach | None:
    """Of `x^y` with a number as exponent."""
    reach, exponent = parts[0].reach, constant(parts[1])
    if reach is None or exponent is None or exponent <= 0:
        return None
    if exponent % 2 == 0:
        return _even(reach, exponent)
    return _raised(reach, exponent) if reach[0] >= 0 or exponent % 1 == 0 else None


def _even(reach: Reach | None, exponent: float) -> Reach | None:
    if reach is None:
        return None
    least = 0.0 if reach[0] <= 0 <= reach[1] else min(abs(reach[0]), abs(reach[1]))
    return _raised((least, max(abs(reach[0]), abs(reach[1]))), exponent)


def _raised(reach: Reach, exponent: float) -> Reach | None:
    try:
        return reach[0] ** exponent, reach[1] ** exponent
    except OverflowError:
        return None


def of_total(node: Node, parts: list[Known]) -> Reach | None:
    """Of a sum or a mean, whose number of entries is not known."""
    return parts[0].reach if parts[0].reach in (ALL, (0.0, math.inf), (-math.inf, 0.0)) else None


def of_extreme_entry(node: Node, parts: list[Known]) -> Reach | None:
    """Of what all entries have a part in: all values where they take all."""
    return ALL if parts[0].reach == ALL else None


def _extreme(choose: Callable[[float, float], float]) -> Rule:
    def rule(node: Node, parts: list[Known]) -> Reach | None:
        left, right = parts[0].reach, parts[1].reach
        if left is None or right is None or not _apart(parts):
            return None
        return choose(left[0], right[0]), choose(left[1], right[1])

    return rule


smaller, larger = _extreme(min), _extreme(max)


def of_clip(node: Node, parts: list[Known]) -> Reach | None:
    """Of `clip` between numbers."""
    reach, least, most = parts[0].reach, constant(parts[1]), constant(parts[2])
    if reach is None or least is None or most is None:
        return None
    return min(max(reach[0], least), most), min(max(reach[1], least), most)


def increasing(function: Callable[[float], float], least: float = -math.inf) -> Rule:
    """Of a function that grows from `least` on."""

    def rule(node: Node, parts: list[Known]) -> Reach | None:
        reach = parts[0].reach
        return None if reach is None or reach[0] < least else (function(reach[0]), function(reach[1]))

    return rule


def of_absolute(node: Node, parts: list[Known]) -> Reach | None:
    """Of `abs(x)`."""
    return _even(parts[0].reach, 1)


def of_wave(node: Node, parts: list[Known]) -> Reach | None:
    """Of a sine or a cosine of all values."""
    return (-1.0, 1.0) if parts[0].reach == ALL else None


def exp(x: float) -> float:
    """e to the power x; infinite beyond the range."""
    return math.exp(x) if x < 700 else math.inf


def log(x: float) -> float:
    """The logarithm; that of 0 is -inf."""
    return math.log(x) if x > 0 else -math.inf


def expm1(x: float) -> float:
    """e to the power x, less 1."""
    return exp(x) - 1


def sigmoid(x: float) -> float:
    """1 / (1 + e to the power -x)."""
    return 1 / (1 + exp(-x))


def softplus(x: float) -> float:
    """The logarithm of 1 + e to the power x."""
    return math.log1p(math.exp(x)) if x < 30 else x


def relu(x: float) -> float:
    """x where it is positive, else 0."""
    return max(x, 0.0)
