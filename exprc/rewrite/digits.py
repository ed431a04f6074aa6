"""Whether another form of arithmetic keeps the digits that the first one has, tried at places where sums nearly vanish.

A product with a difference has few digits less than the difference; multiplied out it may have none.  Both forms are
computed with what rounding every operation may do to them, at some fixed places and at those where a sum of the first
form is a millionth of its terms.  Atoms are exact.  Knows graphs of arithmetic only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from typing import NamedTuple

from exprc.ir.node import Node, toposort
from exprc.ops import TABLE, leaves
from exprc.ops.leaves import constant_value
from exprc.ops.reductions import BESIDE

ADD, SUB, MUL, DIV, NEG, POWER = (TABLE[name] for name in ("add", "sub", "mul", "div", "neg", "power"))
TRANSPARENT = frozenset((TABLE["broadcast"], TABLE["cast"], BESIDE))
WORSE = 32.0  # times the error of the first form
NEAR = 1e-6  # of a sum's terms
STEPS = 6  # towards where a sum vanishes
MOST_SUMS = 12  # of a form, near whose zeros it is tried
PLACES = ((0.83, 0.37, 1), (1.29, 0.71, -1))  # where the numbers of atoms start, by how much they differ, signs


class Rounded(NamedTuple):
    """A number, and what rounding may have done to it in units of the last place of 1."""

    value: float
    error: float


def keeps_digits(
    before: Node, after: Node, inputs: Set[Node], known: Callable[[Node, Mapping[Node, float]], float | None]
) -> bool:
    """Whether the error of the second form is nowhere much larger than that of the first.

    `inputs` are the atoms of both; `known` gives the number of one that is a function of others, or of a constant.
    """
    first, second = _order(before, inputs), _order(after, inputs)
    sums = [node for node in first if node.op in (ADD, SUB) and node not in inputs]
    if set(sums) <= set(second):
        return True
    for place in PLACES:
        numbers = _numbers([node for node in (*first, *second) if _is_atom(node, inputs)], place, known)
        places = [numbers, *filter(None, (_near_zero(total, numbers, inputs, known) for total in sums[:MOST_SUMS]))]
        if any(_is_worse(first, second, numbers) for numbers in places):
            return False
    return True


def _is_worse(first: Sequence[Node], second: Sequence[Node], numbers: Mapping[Node, float]) -> bool:
    try:
        one, other = _compute(first, numbers), _compute(second, numbers)
    except (ZeroDivisionError, OverflowError):
        return False
    return other.error > WORSE * max(one.error, abs(one.value))


def _order(root: Node, inputs: Set[Node]) -> list[Node]:
    """The nodes of a form, arguments first."""
    return toposort((root,), lambda node: () if _is_atom(node, inputs) else node.args)


def _is_atom(node: Node, inputs: Set[Node]) -> bool:
    return node in inputs or not node.args or constant_value(node) is not None


def _numbers(
    atoms: Sequence[Node],
    place: tuple[float, float, int],
    known: Callable[[Node, Mapping[Node, float]], float | None],
) -> dict[Node, float]:
    """A number for each atom, no two alike; what cannot be negative is positive."""
    start, step, sign = place
    numbers: dict[Node, float] = {}
    for position, node in enumerate(dict.fromkeys(atoms)):
        value = constant_value(node)
        if value is None:
            value = start + step * position % 1.7
            if "nonnegative" in node.op.laws or node.op is leaves.SIZE:
                value = value / 2  # sigmoids are below 1
            elif sign < 0 and position % 2:
                value = -value
        numbers[node] = float(value)
    return _dependent(numbers, known)


def _dependent(
    numbers: dict[Node, float], known: Callable[[Node, Mapping[Node, float]], float | None]
) -> dict[Node, float]:
    for node in numbers:
        value = known(node, numbers)
        if value is not None:
            numbers[node] = value
    return numbers


def _near_zero(
    total: Node,
    numbers: Mapping[Node, float],
    inputs: Set[Node],
    known: Callable[[Node, Mapping[Node, float]], float | None],
) -> dict[Node, float] | None:
    """The numbers with one changed so that a sum nearly vanishes; None where that is not found."""
    order = _order(total, inputs)
    for atom in order:
        if atom not in numbers or constant_value(atom) is not None or known(atom, numbers) is not None:
            continue
        found = _zero_by(atom, total, order, dict(numbers), known)
        if found is not None:
            return found
    return None


def _zero_by(
    atom: Node,
    total: Node,
    order: Sequence[Node],
    numbers: dict[Node, float],
    known: Callable[[Node, Mapping[Node, float]], float | None],
) -> dict[Node, float] | None:
    def value(at: float) -> tuple[float, float]:
        numbers[atom] = at
        computed = _values(order, _dependent(numbers, known))
        return computed[total].value, max(abs(computed[argument].value) for argument in total.args)

    try:
        last, at = numbers[atom] * 1.25, numbers[atom]
        before, (now, scale) = value(last)[0], value(at)
        for _ in range(STEPS):
            if abs(now) <= NEAR * scale or now == before:
                break
            last, at, before = at, at - now * (at - last) / (now - before), now
            now, scale = value(at)
        if at == 0 or abs(now) > NEAR * scale or ("nonnegative" in atom.op.laws and at < 0):
            return None
        value(at * (1 + NEAR))
    except (ZeroDivisionError, OverflowError):
        return None
    return numbers


def _compute(order: Sequence[Node], numbers: Mapping[Node, float]) -> Rounded:
    return _values(order, numbers)[order[-1]]


def _values(order: Sequence[Node], numbers: Mapping[Node, float]) -> dict[Node, Rounded]:
    values: dict[Node, Rounded] = {}
    for node in order:
        number = numbers.get(node)
        values[node] = Rounded(number, 0.0) if number is not None else _operation(node, [values[a] for a in node.args])
    return values


def _operation(node: Node, arguments: list[Rounded]) -> Rounded:
    x = arguments[0]
    if node.op in TRANSPARENT:
        return x
    if node.op is NEG:
        return Rounded(-x.value, x.error)
    if node.op is POWER:
        value = x.value ** arguments[1].value
        return Rounded(value, abs(value) + abs(arguments[1].value * value / x.value) * x.error)
    y = arguments[1]
    if node.op is MUL:
        value = x.value * y.value
        return Rounded(value, abs(value) + abs(x.value) * y.error + abs(y.value) * x.error)
    if node.op is DIV:
        value = x.value / y.value
        return Rounded(value, abs(value) + (x.error + abs(value) * y.error) / abs(y.value))
    value = x.value + y.value if node.op is ADD else x.value - y.value
    return Rounded(value, abs(value) + x.error + y.error)
