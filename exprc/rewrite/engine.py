"""The engine: rules applied bottom-up to a fixed point, with a limit, each application noted.

Owns the order in which rules are tried and the settings that switch them off; must not know any rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from exprc.ir.node import Function, Node, make, rebuild, toposort
from exprc.ir.op import COMPOSITE, ELEMENTWISE, SCAN, Op
from exprc.rewrite.fold import fold
from exprc.rewrite.polynomial import ARITHMETIC, collect
from exprc.rewrite.rule import CLOSED_FORM, SIMPLIFY, STABILIZE, STRUCTURE, Rule
from exprc.rewrite.rules import IDENTITIES, REFLECTIONS, STABLE_FORMS
from exprc.rewrite.structure import AXES, ELEMENTWISE_RULES, STABLE_STRUCTURE, VIEWS

MOST_PASSES = 12
MOST_STEPS = 8  # rules applied to one node in one pass


class Settings(NamedTuple):
    """Groups and single rules that are switched off, by name."""

    without: frozenset[str] = frozenset()


class Applied(NamedTuple):
    """One application of a rule."""

    rule: Rule
    before: Node
    after: Node


class Rewritten(NamedTuple):
    """The roots after rewriting, and what was done."""

    roots: tuple[Node, ...]
    log: tuple[Applied, ...]


ALL_RULES: tuple[Rule, ...] = (*IDENTITIES, *STABLE_FORMS, *STABLE_STRUCTURE, *VIEWS, *AXES, *REFLECTIONS)


def simplify(roots: Sequence[Node], settings: Settings = Settings()) -> Rewritten:
    """Folding, identities, stable forms and views: what is done to every program, before and after derivatives."""
    return _fixed_point(tuple(roots), _table((SIMPLIFY, STABILIZE, STRUCTURE), settings), settings, None)


def close(roots: Sequence[Node], names: frozenset[Node] = frozenset(), settings: Settings = Settings()) -> Rewritten:
    """The closed form of derivatives: `simplify`, and regions of arithmetic in their shortest form.

    Nodes in `names` are definitions of the program: they are not taken apart.
    """
    opaque = None if CLOSED_FORM in settings.without else names
    return _fixed_point(tuple(roots), _table((SIMPLIFY, STABILIZE, STRUCTURE), settings), settings, opaque)


def expand_composites(roots: Sequence[Node]) -> tuple[Node, ...]:
    """The roots with composites, and powers that are products, written out, inside bodies too."""
    current = tuple(roots)
    while True:
        following = rebuild(current, _expand_step)
        if following == current:
            return current
        current = following


def _expand_step(node: Node, args: tuple[Node, ...]) -> Node:
    if node.kind == SCAN:
        body: Function = node.attrs[0]
        results = expand_composites(body.results)
        return make(node.op, args, (Function(body.parameters, results), *node.attrs[1:]))
    rebuilt = node if args == node.args else make(node.op, args, node.attrs)
    if rebuilt.op.expand is not None and rebuilt.kind in (COMPOSITE, ELEMENTWISE):
        expanded: Node = rebuilt.op.expand(rebuilt)
        return expanded
    return rebuilt


def _table(groups: tuple[str, ...], settings: Settings) -> dict[Op, list[Rule]]:
    table: dict[Op, list[Rule]] = {}
    for rule in ALL_RULES:
        if rule.group in groups and rule.group not in settings.without and rule.name not in settings.without:
            table.setdefault(rule.root, []).append(rule)
    return table


def _fixed_point(
    roots: tuple[Node, ...], table: dict[Op, list[Rule]], settings: Settings, opaque: frozenset[Node] | None
) -> Rewritten:
    log: list[Applied] = []
    everywhere = _elementwise_rules(settings)
    for _ in range(MOST_PASSES):
        following = _one_pass(roots, table, everywhere, opaque, log, settings)
        if following == roots:
            break
        roots = following
    return Rewritten(roots, tuple(log))


def _elementwise_rules(settings: Settings) -> list[Rule]:
    return [
        Rule(name, group, kind, why, None, before, after, None, function)  # type: ignore[arg-type]
        for name, group, kind, function, before, after, why in ELEMENTWISE_RULES
        if group not in settings.without and name not in settings.without
    ]


def _one_pass(
    roots: tuple[Node, ...],
    table: dict[Op, list[Rule]],
    everywhere: list[Rule],
    opaque: frozenset[Node] | None,
    log: list[Applied],
    settings: Settings,
) -> tuple[Node, ...]:
    heads = _region_heads(roots, opaque) if opaque is not None else frozenset()

    def step(node: Node, args: tuple[Node, ...]) -> Node:
        if node.kind == SCAN:
            return _rewrite_body(node, args, table, settings, opaque, log)
        current = node if args == node.args else make(node.op, args, node.attrs)
        for _ in range(MOST_STEPS):
            replaced = _apply_one(current, table, everywhere, log)
            if replaced is None:
                break
            current = replaced
        if opaque is not None and node in heads:
            collected = collect(current, opaque - {node, current}, REFLECTIONS)
            current = collected if collected is not None else current
        return current

    return rebuild(roots, step)


def _rewrite_body(
    node: Node,
    args: tuple[Node, ...],
    table: dict[Op, list[Rule]],
    settings: Settings,
    opaque: frozenset[Node] | None,
    log: list[Applied],
) -> Node:
    body: Function = node.attrs[0]
    inner = _fixed_point(body.results, table, settings, opaque)
    log.extend(inner.log)
    return make(node.op, args, (Function(body.parameters, inner.roots), *node.attrs[1:]))


def _apply_one(
    node: Node, table: dict[Op, list[Rule]], everywhere: list[Rule], log: list[Applied]
) -> Node | None:
    folded = fold(node)
    if folded is not None:
        return folded
    rules = table.get(node.op, ())
    for rule in (*rules, *everywhere) if node.kind == ELEMENTWISE else rules:
        replaced = rule.apply(node)
        if replaced is not None and replaced is not node:
            log.append(Applied(rule, node, replaced))
            return replaced
    return None


def _region_heads(roots: tuple[Node, ...], opaque: frozenset[Node] | None) -> frozenset[Node]:
    """Arithmetic nodes that something else than unnamed arithmetic reads: where a region ends."""
    heads = {root for root in roots if root.op in ARITHMETIC}
    for node in toposort(roots):
        for argument in node.args:
            if argument.op in ARITHMETIC and (node.op not in ARITHMETIC or argument in (opaque or ())):
                heads.add(argument)
    return frozenset(heads)
