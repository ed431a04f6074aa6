"""Remarks on logarithms, roots and quotients of what params are known to make negative or zero.

Finds for each node the interval that it goes through as the params take all their values, by the rules of the entries;
it is not known of data, loops and whatever depends on a param in several ways.  Only what is known is told; the
branches of a `where` are taken to be guarded.  Must not know how values were written.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from exprc.check.context import Context
from exprc.check.model import Declaration
from exprc.check.report import LONGEST_TEXT
from exprc.check.scopes import Frame
from exprc.diagnostics import Label
from exprc.ir.node import Node
from exprc.ir.op import LEAF, VIEW, Op
from exprc.ir.reach import ALL, Known, Reach, constant, of_first
from exprc.ops import TABLE
from exprc.ops.leaves import constant_value
from exprc.source import Span

MOST_REMARKS = 5
MOST_PLACES = 3  # of one remark
MOST_BITS = 512  # params beyond share bits, which can only make a value unknown

_ADD, _SUB, _DIVIDE, _POWER, _WHERE = (TABLE[name] for name in ("add", "sub", "div", "power", "where"))
_WRAPPERS = frozenset((TABLE["cast"], TABLE["named"], TABLE["stop_gradient"]))


class Place(NamedTuple):
    """Where an argument that leaves its domain was written, in which call, for which node, and what it is."""

    span: Span
    frame: Frame | None
    node: Node
    operand: Node


def watch(context: Context, node: Node, spans: Sequence[Span], frame: Frame | None) -> None:
    """Note where the argument of a logarithm, a root, a power or a quotient was written."""
    place = _endangered(node.op)
    if place is not None:
        context.watched.setdefault(node, (spans[place], frame))


def _endangered(op: Op) -> int | None:
    """Which argument may leave the domain of an operation."""
    return 1 if op is _DIVIDE else 0 if op is _POWER or op.least is not None else None


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
            operand = _unwrapped(_argument(node))
            places.setdefault(_opposite(operand) or operand, []).append(Place(*context.watched[node], node, operand))
    for found in list(places.values())[:MOST_REMARKS]:
        found.sort(key=lambda place: place.span.start)
        reason = _reason(found[0].operand, known, params)
        _report(context, found, known[found[0].operand].reach, params[reason])


def _argument(node: Node) -> Node:
    """The argument that may leave the domain."""
    place = _endangered(node.op)
    assert place is not None
    return node.args[place]


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
        rule = of_first if node.kind == VIEW else node.op.reach
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
    params, reach = known[_argument(node)]
    if reach is None or not params:
        return False
    crosses = reach[0] < 0 < reach[1]
    if node.op is _POWER:
        exponent = constant(known[node.args[1]])
        if exponent is None or not math.isfinite(exponent):
            return False
        return reach[0] < 0 if exponent % 1 else crosses and exponent < 0
    return crosses if node.op.least is None else reach[0] < node.op.least


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
