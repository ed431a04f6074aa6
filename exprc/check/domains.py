"""Remarks on logarithms, roots and quotients of what params are known to make negative or zero.

Owns the reach of values: for each node an interval all of which is taken as the params go through all their values, or
None where that is not known, as of data, loops and whatever depends on a param in several ways.  Only what is known is
told; the branches of a `where` are taken to be guarded.  Must not know how values were written.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from exprc.check.context import Context
from exprc.check.model import Declaration
from exprc.check.report import LONGEST_TEXT
from exprc.check.scopes import Frame
from exprc.diagnostics import Label
from exprc.ir.node import Node
from exprc.ir.op import LEAF, VIEW, Op
from exprc.ops import TABLE
from exprc.ops.leaves import constant_value
from exprc.source import Span

Reach: TypeAlias = tuple[float, float]
ALL: Reach = (-math.inf, math.inf)
MOST_REMARKS = 5
MOST_PLACES = 3  # of one remark
MOST_BITS = 512  # params beyond share bits, which can only make a value unknown

# of these the argument must not be below a bound
_LEAST = {TABLE[name]: 0.0 for name in ("log", "log2", "log10", "sqrt", "rsqrt")} | {TABLE["log1p"]: -1.0}
_ADD, _SUB, _DIVIDE, _POWER, _WHERE = (TABLE[name] for name in ("add", "sub", "div", "power", "where"))
_WATCHED = dict.fromkeys(_LEAST, 0) | {_DIVIDE: 1, _POWER: 0}  # and which argument is in danger
_WRAPPERS = frozenset((TABLE["cast"], TABLE["named"], TABLE["stop_gradient"]))


class Known(NamedTuple):
    """What is known of a node: the params that it depends on, as bits, and what it reaches."""

    params: int
    reach: Reach | None


class Place(NamedTuple):
    """Where an argument that leaves its domain was written, in which call, for which node, and what it is."""

    span: Span
    frame: Frame | None
    node: Node
    operand: Node


def watch(context: Context, node: Node, spans: Sequence[Span], frame: Frame | None) -> None:
    """Note where the argument of a logarithm, a root, a power or a quotient was written."""
    place = _WATCHED.get(node.op)
    if place is not None:
        context.watched.setdefault(node, (spans[place], frame))


def lint_domains(context: Context, declarations: list[Declaration], order: list[Node]) -> None:
    """A remark for each argument that is known to leave its domain, at most five; `order` is the whole graph."""
    watched = [node for node in order if node in context.watched]
    params = {declaration.node: declaration for declaration in declarations if declaration.role == "param"}
    if not watched or not params:
        return
    known = _what_is_known(order, {node: 1 << (i % MOST_BITS) for i, node in enumerate(params)})
    guarded = _guarded(order)
    places: dict[Node, list[Place]] = {}
    for node in watched:
        if node not in guarded and _is_unsafe(node, known):
            operand = _unwrapped(node.args[_WATCHED[node.op]])
            places.setdefault(_opposite(operand) or operand, []).append(Place(*context.watched[node], node, operand))
    for found in list(places.values())[:MOST_REMARKS]:
        found.sort(key=lambda place: place.span.start)
        reason = _reason(found[0].operand, known, params)
        _report(context, found, known[found[0].operand].reach, params[reason])


def _what_is_known(order: list[Node], params: dict[Node, int]) -> dict[Node, Known]:
    known: dict[Node, Known] = {}
    for node in order:
        if node.kind == LEAF:
            known[node] = Known(params[node], ALL) if node in params else Known(0, _number(node))
            continue
        arguments = [known[argument] for argument in node.args]
        bits = 0
        for argument in arguments:
            bits |= argument.params
        rule = _first if node.kind == VIEW else _RULES.get(node.op)
        known[node] = Known(bits, rule(node, arguments) if rule is not None else None)
    return known


def _number(leaf: Node) -> Reach | None:
    value = constant_value(leaf)
    return None if value is None or math.isnan(value) else (float(value), float(value))


def _guarded(order: list[Node]) -> set[Node]:
    """What is computed for a branch of a `where`."""
    guarded: set[Node] = set()
    for node in reversed(order):
        if node.op is _WHERE:
            guarded.update(node.args[1:])
        if node in guarded:
            guarded.update(node.args)
    return guarded


def _is_unsafe(node: Node, known: dict[Node, Known]) -> bool:
    """Whether the argument is known to leave the domain."""
    params, reach = known[node.args[_WATCHED[node.op]]]
    if reach is None or not params:
        return False
    crosses = reach[0] < 0 < reach[1]
    if node.op is _POWER:
        exponent = _constant(known[node.args[1]])
        if exponent is None or not math.isfinite(exponent):
            return False
        return reach[0] < 0 if exponent % 1 else crosses and exponent < 0
    return crosses if node.op is _DIVIDE else reach[0] < _LEAST[node.op]


def _opposite(node: Node) -> Node | None:
    """What is taken from 1 here, as of a probability."""
    if node.op is not _SUB:
        return None
    one, other = (_unwrapped(argument) for argument in node.args)
    return other if one.kind == LEAF and constant_value(one) == 1 else None


def _unwrapped(node: Node) -> Node:
    while node.kind == VIEW or node.op in _WRAPPERS:
        node = node.args[0]
    return node


def _reason(node: Node, known: dict[Node, Known], params: dict[Node, Declaration]) -> Node:
    """The param by which a value moves."""
    while node not in params:
        depends = [argument for argument in node.args if known[argument].params]
        node = next((argument for argument in depends if known[argument].reach == ALL), depends[0])
    return node


# ---- words


def _report(context: Context, places: list[Place], reach: Reach | None, param: Declaration) -> None:
    first = places[0]
    text = first.span.text if len(first.span.text) <= LONGEST_TEXT and "\n" not in first.span.text else "…"
    divides = first.node.op is _DIVIDE
    shown = f"`{text}`" if text != "…" else "a value"
    what = "division by" if divides else "a power of" if first.node.op is _POWER else f"`{first.node.op.name}` of"
    made = context.origins.get(first.operand)
    labels = [Label(place.span, "and here") for place in places[1 : 1 + MOST_PLACES]]
    if first.operand is param.node:
        labels.append(Label(param.span, "declared without bounds"))
    else:
        if made is not None and "\n" not in made.text and (made.end <= first.span.start or made.start > first.span.end):
            labels.append(Label(made, "computed here"))
        labels.append(Label(param.span, f"`{param.name}` takes any value"))
    bad = "zero" if divides else "negative"
    context.report.lint(
        "L0108",
        f"{what} {shown}, which can be {bad}",
        Label(first.span),
        *labels,
        note="an optimiser or a sampler may try such values, and the result is then NaN or infinite",
        help=(_remedy(places, reach, param, text), f"or guard it: `where({text} {'!=' if divides else '>'} 0, …, …)`"),
        frame=first.frame,
    )


def _remedy(places: list[Place], reach: Reach | None, param: Declaration, text: str) -> str:
    """What to write in order that the first of the places is safe."""
    first, name = places[0], param.name
    if any(_opposite(place.operand) is param.node for place in places):
        declared = _declared("logit", param)
        return f"if `{name}` lies between 0 and 1, declare its logit: `{declared}`, then `sigmoid(logit_{name})`"
    if first.operand is param.node or _is_shifted(first.operand, param.node):
        return f"if `{name}` is positive, declare its logarithm: `{_declared('log', param)}`, then `exp(log_{name})`"
    if reach == ALL:
        what = "divisor" if first.node.op is _DIVIDE else "argument"
        return f"if the {what} is positive, model its logarithm: `exp({text})`"
    return f"keep `{name}` in range: `exp` gives positive values, `sigmoid` 0 to 1, `tanh` -1 to 1"


def _is_shifted(node: Node, param: Node) -> bool:
    """Whether it is the param with data or a number added."""
    parts = [_unwrapped(argument) for argument in node.args]
    return node.op is _ADD and param in parts and all(part.kind == LEAF for part in parts)


def _declared(prefix: str, param: Declaration) -> str:
    return f"param {prefix}_{param.name} : {param.type}"


# ---- what operations reach

Rule: TypeAlias = Callable[[Node, list[Known]], Reach | None]


def _constant(known: Known) -> float | None:
    return known.reach[0] if known.reach is not None and known.reach[0] == known.reach[1] else None


def _apart(parts: list[Known]) -> bool:
    """Whether two values move independently of each other."""
    return not parts[0].params & parts[1].params


def _first(node: Node, parts: list[Known]) -> Reach | None:
    return parts[0].reach


def _sum_of(parts: list[Known], left: Reach | None, right: Reach | None) -> Reach | None:
    if not _apart(parts):
        return None
    if ALL in (left, right):
        return ALL
    return None if left is None or right is None else (left[0] + right[0], left[1] + right[1])


def _add(node: Node, parts: list[Known]) -> Reach | None:
    return _sum_of(parts, parts[0].reach, parts[1].reach)


def _sub(node: Node, parts: list[Known]) -> Reach | None:
    right = parts[1].reach
    return _sum_of(parts, parts[0].reach, None if right is None else (-right[1], -right[0]))


def _neg(node: Node, parts: list[Known]) -> Reach | None:
    reach = parts[0].reach
    return None if reach is None else (-reach[1], -reach[0])


def _mul(node: Node, parts: list[Known]) -> Reach | None:
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


def _div(node: Node, parts: list[Known]) -> Reach | None:
    divisor = _constant(parts[1])
    if divisor:
        return _mul(node, [parts[0], Known(0, (1 / divisor, 1 / divisor))])
    return ALL if parts[0].reach == ALL and _apart(parts) else None


def _product(node: Node, parts: list[Known]) -> Reach | None:
    """A sum of products goes through all values with one of its factors."""
    reaches = (parts[0].reach, parts[1].reach)
    return ALL if _apart(parts) and ALL in reaches and (0.0, 0.0) not in reaches else None


def _power(node: Node, parts: list[Known]) -> Reach | None:
    reach, exponent = parts[0].reach, _constant(parts[1])
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


def _total(node: Node, parts: list[Known]) -> Reach | None:
    """Of a sum or a mean, whose number of entries is not known."""
    return parts[0].reach if parts[0].reach in (ALL, (0.0, math.inf), (-math.inf, 0.0)) else None


def _only_all(node: Node, parts: list[Known]) -> Reach | None:
    return ALL if parts[0].reach == ALL else None


def _extreme(choose: Callable[[float, float], float]) -> Rule:
    def rule(node: Node, parts: list[Known]) -> Reach | None:
        left, right = parts[0].reach, parts[1].reach
        if left is None or right is None or not _apart(parts):
            return None
        return choose(left[0], right[0]), choose(left[1], right[1])

    return rule


def _clip(node: Node, parts: list[Known]) -> Reach | None:
    reach, least, most = parts[0].reach, _constant(parts[1]), _constant(parts[2])
    if reach is None or least is None or most is None:
        return None
    return min(max(reach[0], least), most), min(max(reach[1], least), most)


def _increasing(function: Callable[[float], float], least: float = -math.inf) -> Rule:
    """Of a function that grows from `least` on."""

    def rule(node: Node, parts: list[Known]) -> Reach | None:
        reach = parts[0].reach
        return None if reach is None or reach[0] < least else (function(reach[0]), function(reach[1]))

    return rule


def _absolute(node: Node, parts: list[Known]) -> Reach | None:
    return _even(parts[0].reach, 1)


def _wave(node: Node, parts: list[Known]) -> Reach | None:
    return (-1.0, 1.0) if parts[0].reach == ALL else None


def _exp(x: float) -> float:
    return math.exp(x) if x < 700 else math.inf


def _log(x: float) -> float:
    return math.log(x) if x > 0 else -math.inf


_NAMED: dict[str, Rule] = {
    "add": _add, "sub": _sub, "neg": _neg, "mul": _mul, "div": _div, "power": _power, "contract": _product,
    "outer": _product, "sum": _total, "mean": _total, "max": _only_all, "min": _only_all, "logsumexp": _only_all,
    "minimum": _extreme(min), "maximum": _extreme(max), "clip": _clip, "abs": _absolute, "sin": _wave, "cos": _wave,
    "cast": _first, "named": _first, "stop_gradient": _first,
    "square": lambda node, parts: _even(parts[0].reach, 2),
    "exp": _increasing(_exp), "expm1": _increasing(lambda x: _exp(x) - 1), "log": _increasing(_log, 0.0),
    "sqrt": _increasing(math.sqrt, 0.0), "sigmoid": _increasing(lambda x: 1 / (1 + _exp(-x))),
    "softplus": _increasing(lambda x: math.log1p(math.exp(x)) if x < 30 else x),
    "relu": _increasing(lambda x: max(x, 0.0)), "tanh": _increasing(math.tanh), "erf": _increasing(math.erf),
}  # fmt: skip
_RULES: dict[Op, Rule] = {TABLE[name]: rule for name, rule in _NAMED.items() if name in TABLE}

