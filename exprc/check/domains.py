"""Remarks on logarithms, roots and quotients of what params may make negative or zero.

Owns the bounds of values: an interval for each node, from the operations that keep or give a sign.  Says nothing where
data alone decide, nor in the branches of a `where`, which guard.  Must not know how values were written.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TypeAlias

from exprc.check.context import Context
from exprc.check.model import Declaration, Definition
from exprc.check.report import quoted
from exprc.diagnostics import Label
from exprc.ir.node import Node, toposort
from exprc.ir.op import LEAF, VIEW, Op
from exprc.ops import TABLE
from exprc.ops.leaves import constant_value

Bounds: TypeAlias = tuple[float, float]
ANY: Bounds = (-math.inf, math.inf)
MOST_REMARKS = 5

# of these the argument must not be below a bound
_LEAST = {TABLE[name]: 0.0 for name in ("log", "log2", "log10", "sqrt", "rsqrt")} | {TABLE["log1p"]: -1.0}
_DIVIDE, _POWER, _WHERE, _PAD = TABLE["div"], TABLE["power"], TABLE["where"], TABLE["pad"]


def lint_domains(context: Context, declarations: list[Declaration], results: list[Definition]) -> None:
    """A remark for each place, at most five."""
    order = toposort([definition.node for definition in results])
    if not any(node.op in _LEAST or node.op in (_DIVIDE, _POWER) for node in order):
        return
    free = {declaration.node: declaration for declaration in declarations if declaration.role == "param"}
    params: dict[Node, Declaration] = {}  # one that each node depends on
    guarded: set[Node] = set()
    bounds: dict[Node, Bounds] = {}
    for node in reversed(order):
        if node.op is _WHERE:
            guarded.update(node.args[1:])
        if node in guarded:
            guarded.update(node.args)
    count = 0
    for node in order:
        bounds[node] = _bounds(node, bounds)
        found = free.get(node) or next((params[a] for a in node.args if a in params), None)
        if found is not None:
            params[node] = found
        operand = _unsafe(node, bounds)
        if operand is not None and operand in params and node not in guarded and count < MOST_REMARKS:
            count += _report(context, node, operand, params[operand])


def _unsafe(node: Node, bounds: dict[Node, Bounds]) -> Node | None:
    """The argument that may leave the domain."""
    least = _LEAST.get(node.op)
    if least is not None:
        return node.args[0] if bounds[node.args[0]][0] < least else None
    if node.op is _DIVIDE:
        low, high = bounds[node.args[1]]
        return node.args[1] if low < 0 < high else None
    if node.op is _POWER:
        exponent = _constant(node.args[1])
        whole = exponent is None or exponent == int(exponent)
        return node.args[0] if not whole and bounds[node.args[0]][0] < 0 else None
    return None


def _report(context: Context, node: Node, operand: Node, param: Declaration) -> bool:
    span, place = context.origins.get(operand), context.origins.get(node)
    if place is None:
        return False
    what = {_DIVIDE: "division by", _POWER: "a fractional power of"}.get(node.op, f"`{node.op.name}` of")
    may = "zero" if node.op is _DIVIDE else "negative"
    label = Label(span, f"depends on `{param.name}`, which takes any value") if span is not None else Label(place)
    context.report.lint(
        "L0108",
        f"{what} something that may be {may}",
        label,
        Label(param.span, "an unbounded param"),
        note="an optimiser or a sampler tries values of both signs, and gets NaN or infinity there",
        help=f"compute with the logarithm, `exp({param.name})`, or choose with `where`"
        if operand is param.node or span is None
        else f"make it positive, for instance `exp({quoted(span).strip('`')})`",
    )
    return True


# ---- bounds


def _bounds(node: Node, known: dict[Node, Bounds]) -> Bounds:
    if node.kind == LEAF:
        number = _constant(node)
        return (number, number) if number is not None else (0.0, math.inf) if node.op is TABLE["size"] else ANY
    rule = _RULES.get(node.op)
    arguments = [known.get(argument, ANY) for argument in node.args]
    if rule is not None:
        return rule(node, arguments)
    if node.kind == VIEW:
        return _union(arguments + ([(0.0, 0.0)] if node.op is _PAD else []))
    return (0.0, math.inf) if "nonnegative" in node.op.laws else ANY


def _constant(node: Node) -> float | None:
    while node.kind == VIEW and node.op is not _PAD:
        node = node.args[0]
    value = constant_value(node) if node.kind == LEAF else None
    return None if value is None else float(value)


def _union(parts: Iterable[Bounds]) -> Bounds:
    lows, highs = zip(*parts, strict=True)
    return min(lows), max(highs)


def _times(a: float, b: float) -> float:
    return 0.0 if 0.0 in (a, b) else a * b


def _product(node: Node, parts: list[Bounds]) -> Bounds:
    (a, b), (c, d) = parts
    corners = [_times(x, y) for x in (a, b) for y in (c, d)]
    low = max(min(corners), 0.0) if node.args[0] is node.args[1] else min(corners)
    return low, max(corners)


def _power(node: Node, parts: list[Bounds]) -> Bounds:
    exponent = _constant(node.args[1])
    even = exponent is not None and exponent == int(exponent) and int(exponent) % 2 == 0
    return (0.0, math.inf) if even or parts[0][0] >= 0 else ANY


def _quotient(node: Node, parts: list[Bounds]) -> Bounds:
    (a, b), (c, _) = parts
    if c < 0:
        return ANY
    return (0.0, math.inf) if a >= 0 else (-math.inf, 0.0) if b <= 0 else ANY


def _sum(node: Node, parts: list[Bounds]) -> Bounds:
    low, high = parts[0]
    return 0.0 if low >= 0 else -math.inf, 0.0 if high <= 0 else math.inf


def _products(node: Node, parts: list[Bounds]) -> Bounds:
    return (0.0, math.inf) if all(low >= 0 for low, _ in parts) else ANY


def _clipped(node: Node, parts: list[Bounds]) -> Bounds:
    return parts[1][0], parts[2][1]


def _same(node: Node, parts: list[Bounds]) -> Bounds:
    return parts[0]


def _always(low: float, high: float) -> Callable[[Node, list[Bounds]], Bounds]:
    return lambda node, parts: (low, high)


_NAMED: dict[str, Callable[[Node, list[Bounds]], Bounds]] = {
    "add": lambda node, parts: (parts[0][0] + parts[1][0], parts[0][1] + parts[1][1]),
    "sub": lambda node, parts: (parts[0][0] - parts[1][1], parts[0][1] - parts[1][0]),
    "neg": lambda node, parts: (-parts[0][1], -parts[0][0]),
    "mul": _product, "div": _quotient, "power": _power, "square": _always(0.0, math.inf),
    "norm": _always(0.0, math.inf),
    "minimum": lambda node, parts: (min(parts[0][0], parts[1][0]), min(parts[0][1], parts[1][1])),
    "maximum": lambda node, parts: (max(parts[0][0], parts[1][0]), max(parts[0][1], parts[1][1])),
    "where": lambda node, parts: _union(parts[1:]), "clip": _clipped,
    "cast": _same, "named": _same, "stop_gradient": _same, "max": _same, "min": _same, "mean": _same,
    "sum": _sum, "prod": _products, "contract": _products, "outer": _products,
    "sigmoid": _always(0.0, 1.0), "softmax": _always(0.0, 1.0), "one_hot": _always(0.0, 1.0),
    "sin": _always(-1.0, 1.0), "cos": _always(-1.0, 1.0), "tanh": _always(-1.0, 1.0), "erf": _always(-1.0, 1.0),
    "cosh": _always(1.0, math.inf), "iota": _always(0.0, math.inf),
}  # fmt: skip
_RULES: dict[Op, Callable[[Node, list[Bounds]], Bounds]] = {
    TABLE[name]: rule for name, rule in _NAMED.items() if name in TABLE
}
