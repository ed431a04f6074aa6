"""The picture of a derivative: losses and gradients as graphs, cut where values have a name or are shared.

What is used once stands inside the formula of its user, as in the text of `exprc grad`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from exprc.check.model import Declaration, Definition
from exprc.driver.compilation import Compilation, Entry
from exprc.driver.drawing.items import GRADIENT, INPUT, LOSS, OUTPUT, PARAM, VALUE, Item, about, make_section, shortened
from exprc.driver.requests import refuse_wrong_loss
from exprc.ir.node import Node, toposort
from exprc.ir.op import COMPOSITE, CONTRACT, ELEMENTWISE, LEAF, PROJECT, REDUCE, SCAN, VIEW
from exprc.pictures import Box, Section
from exprc.printing import print_formula

NEARBY = 60
_WORK = frozenset((ELEMENTWISE, REDUCE, CONTRACT, COMPOSITE))


class _Named(NamedTuple):
    """A node with a box of its own."""

    name: str
    style: str
    title: str
    line: int


def derivative_sections(state: Compilation, most: int) -> tuple[Section, ...]:
    """One section: what the losses and their gradients are computed from."""
    assert state.model is not None
    refuse_wrong_loss(state.model, state.options)
    roots = tuple(node for entry in _losses(state) for node in (entry.value, *entry.gradients))
    order = toposort(roots)
    named = _named(state, order)
    items: list[Item] = []
    edges: list[tuple[int, int]] = []
    numbers: dict[Node, int] = {}
    names = {node: one.name for node, one in named.items() if node.kind != SCAN}
    for node in order:
        if node.kind == PROJECT and node not in names and node.args[0] in named:
            names[node] = _part_of_loop(node, named[node.args[0]].name)
    for node in sorted((n for n in order if n in named), key=lambda n: named[n].style if n.kind == LEAF else "~"):
        below = _nearest_named(node, named)
        numbers[node] = len(items)
        edges += [(numbers[other], numbers[node]) for other in below]
        box = partial(_box, node, named[node], names)
        if node.kind == PROJECT:
            loop = _part_of_loop(node, named[node.args[0]].name)
            box = partial(Box, (f"{named[node].title} : {node.type}", loop), named[node].style, "")
        items.append(Item(named[node].name, named[node].style, named[node].line, box))
    for entry in _losses(state):  # a gradient that is another value too has a box that says so
        for declaration, gradient in zip(entry.wrt, entry.gradients):
            title = f"d{entry.definition.name}/d{declaration.name}"
            if gradient in named and named[gradient].title != title:
                edges.append((numbers[gradient], len(items)))
                lines = (f"{title} : {gradient.type}", named[gradient].name)
                items.append(Item(title, GRADIENT, 0, partial(Box, lines, GRADIENT, "")))
            elif gradient not in named:
                items.append(Item(title, GRADIENT, 0, partial(_box, gradient, _Named(title, GRADIENT, title, 0), {})))
    return (make_section("", items, edges, most),)


def _part_of_loop(node: Node, loop: str) -> str:
    """How a result of a loop is written: `t4[1]`."""
    return f"{loop}[{node.attrs[0]}]"


def _losses(state: Compilation) -> list[Entry]:
    return [entry for entry in state.entries if entry.definition.role == LOSS]


def _named(state: Compilation, order: Sequence[Node]) -> dict[Node, _Named]:
    """The nodes with boxes: data, definitions, losses, gradients, loops, and what several of these share."""
    model = state.model
    assert model is not None
    known: list[Declaration | Definition] = [*model.declarations, *model.definitions]
    lines = {d.name: d.line for d in known}
    roles = {d.name: d.role for d in known}
    styles = {"input": INPUT, "param": PARAM, "loss": LOSS, "output": OUTPUT}
    reached = frozenset(order)
    found: dict[Node, _Named] = {}
    for node in order:
        if node.kind == LEAF and "free" in node.op.laws:
            name = str(node.attrs[0])
            found[node] = _Named(name, styles.get(roles.get(name, ""), INPUT), name, lines.get(name, 0))
    for node, name in ((node, name) for entry in _losses(state) for node, name in entry.names.items()):
        if node in reached and node not in found:
            found[node] = _Named(name, styles.get(roles[name], VALUE), name, lines[name])
    for entry in _losses(state):
        name = entry.definition.name
        found.setdefault(entry.value, _Named(name, LOSS, name, lines[name]))
        for declaration, gradient in zip(entry.wrt, entry.gradients):
            title = f"d{name}/d{declaration.name}"
            if gradient.args and gradient not in found:
                found[gradient] = _Named(title, GRADIENT, title, 0)
    _name_shared(order, found, frozenset(lines))
    return found


def _name_shared(order: Sequence[Node], found: dict[Node, _Named], taken: frozenset[str]) -> None:
    users: dict[Node, int] = {}
    for node in order:
        for argument in dict.fromkeys(node.args):
            users[argument] = users.get(argument, 0) + 1
    count = 0
    for node in order:
        is_shared = users.get(node, 0) > 1 and node.kind in _WORK and not _is_small(node)
        if node not in found and (is_shared or node.kind == SCAN):
            count += 1
            while f"t{count}" in taken:
                count += 1
            found[node] = _Named(f"t{count}", VALUE, f"t{count}", 0)


def _is_small(node: Node) -> bool:
    """Whether the text of the node is hardly longer than a name: one operation on leaves."""
    return all(_below_views(argument).kind == LEAF for argument in node.args)


def _below_views(node: Node) -> Node:
    while node.kind == VIEW and len(node.args) == 1:
        node = node.args[0]
    return node


def _nearest_named(root: Node, named: dict[Node, _Named]) -> list[Node]:
    """The nodes with boxes from which a node is made."""
    return [node for node in _visible(root, named) if node in named]


def _visible(root: Node, ends: Mapping[Node, Any]) -> list[Node]:
    """What lies below a node, not looking below `ends`."""
    found: dict[Node, None] = {}
    stack = list(reversed(root.args))
    while stack:
        node = stack.pop()
        if node not in found:
            found[node] = None
            if node not in ends:
                stack.extend(reversed(node.args))
    return list(found)


def _box(node: Node, named: _Named, names: Mapping[Node, str]) -> Box:
    types = ", ".join(str(type_) for type_ in node.types)
    place = f"line {named.line}" if named.line else ""
    title = f"{named.title} : {types}"
    if node.kind == SCAN:
        return Box((f"{named.name}: a loop of {node.attrs[3]} steps",), VALUE, about(f"results: {types}", place))
    if node.kind == LEAF and "free" in node.op.laws:
        return Box((shortened(title),), named.style, place)
    near = {other: names[other] for other in _visible(node, names) if other in names}
    formula = print_formula(node, near, nearest=NEARBY).text
    return Box((shortened(title), shortened(formula)), named.style, about(shortened(formula, 400), title, place))
