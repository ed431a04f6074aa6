"""The engine: rules applied bottom-up to a fixed point, with a limit, each application noted.

Owns the order in which rules are tried and the settings that switch them off; must not know any rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from exprc.ir.node import Function, Node, make, rebuild, toposort
from exprc.ir.op import COMPOSITE, ELEMENTWISE, SCAN, Op
from exprc.rewrite.axes import AXES
from exprc.rewrite.compositions import COMPOSITIONS
from exprc.rewrite.fold import fold
from exprc.rewrite.polynomial import COLLECT, collect
from exprc.rewrite.regions import is_arithmetic
from exprc.rewrite.rule import CLOSED_FORM, FINAL_FORM, SIMPLIFY, STABILIZE, STRUCTURE, Rule
from exprc.rewrite.rules import FINAL_FORMS, IDENTITIES, REFLECTIONS, STABLE_FORMS
from exprc.rewrite.views import ELEMENTWISE_RULES, VIEWS

NO_NODES: frozenset[Node] = frozenset()
MOST_PASSES = 12
MOST_STEPS = 8  # rules applied to one node in one pass


class Settings(NamedTuple):
    """Groups and single rules that are switched off, by name."""

    without: frozenset[str] = frozenset()


class Applied(NamedTuple):
    """One application of a rule; `within` are the loops in whose bodies it was, the outermost first."""

    rule: Rule
    before: Node
    after: Node
    within: tuple[Node, ...] = ()


class Rewritten(NamedTuple):
    """The roots after rewriting, and what was done."""

    roots: tuple[Node, ...]
    log: tuple[Applied, ...]


class _Pass(NamedTuple):
    """What one rewriting works with: rules by root, rules for all elementwise nodes, nodes that stay as they are.

    `opaque` nodes have names and are not looked into.  `reflections` are those of closed forms; None where no closed
    form is asked for.  `candidates` remembers which rules may fit a node, by its operation and those of its arguments,
    `settled` the nodes that no rule changes, which later passes need not try again.
    """

    table: dict[Op, list[Rule]]
    everywhere: tuple[Rule, ...]
    opaque: frozenset[Node]
    reflections: tuple[Rule, ...] | None
    frozen: frozenset[Node]
    candidates: dict[tuple[Op, tuple[Op, ...]], tuple[Rule, ...]]
    settled: set[Node]

    def rules_for(self, node: Node) -> tuple[Rule, ...]:
        """The rules that may fit a node, in the order in which they are tried."""
        arguments = tuple([argument.op for argument in node.args])
        found = self.candidates.get((node.op, arguments))
        if found is None:
            rules = (*self.table.get(node.op, ()), *(self.everywhere if node.kind == ELEMENTWISE else ()))
            found = self.candidates[node.op, arguments] = tuple(rule for rule in rules if rule.may_fit(arguments))
        return found


GROUPS = (SIMPLIFY, STABILIZE, STRUCTURE)
ALL_RULES: tuple[Rule, ...] = (
    *IDENTITIES, *STABLE_FORMS, *COMPOSITIONS, *VIEWS, *AXES, *ELEMENTWISE_RULES, *FINAL_FORMS,
    *REFLECTIONS, COLLECT,
)  # fmt: skip


def simplify(roots: Sequence[Node], settings: Settings = Settings()) -> Rewritten:
    """Folding, identities, stable forms and views: what is done to every program, before and after derivatives."""
    work = _Pass(_table(GROUPS, settings), _elementwise_rules(settings), NO_NODES, None, NO_NODES, {}, set())
    return _fixed_point(tuple(roots), work)


def close(roots: Sequence[Node], names: frozenset[Node] = frozenset(), settings: Settings = Settings()) -> Rewritten:
    """The closed form of derivatives: `simplify`, and regions of arithmetic in their shortest form.

    Nodes in `names` are definitions of the program, in final form: they are not taken apart, and all that they are made
    of stays as it is.
    """
    reflections = tuple(rule for rule in REFLECTIONS if _is_on(rule, settings)) if _is_on(COLLECT, settings) else None
    frozen = frozenset(toposort(names))
    table = _table((*GROUPS, CLOSED_FORM), settings)
    work = _Pass(table, _elementwise_rules(settings), names, reflections, frozen, {}, set())
    return _fixed_point(tuple(roots), work)


def finish(roots: Sequence[Node], settings: Settings = Settings()) -> tuple[Node, ...]:
    """What is compiled: composites written out, what that brought simplified, and forms that no reader is shown."""
    expanded = expand_composites(roots)
    final = () if STABILIZE in settings.without else (FINAL_FORM,)
    if expanded == tuple(roots) and not (final and _may_have(expanded, FINAL_FORMS)):
        return expanded
    # Stable forms would put the composites together again.
    table = _table((SIMPLIFY, STRUCTURE, *final), settings)
    work = _Pass(table, _elementwise_rules(settings), NO_NODES, None, NO_NODES, {}, set())
    return expand_composites(_fixed_point(expanded, work).roots)  # what has left the sums of composites stands beside


def _may_have(roots: tuple[Node, ...], rules: tuple[Rule, ...]) -> bool:
    """Whether one of the rules may fit a node, in bodies of loops too."""
    pending = [roots]
    by_root = {rule.root for rule in rules}
    while pending:
        for node in toposort(pending.pop()):
            if node.kind == SCAN:
                pending.append(node.attrs[0].results)
            elif node.op in by_root:
                arguments = tuple([argument.op for argument in node.args])
                if any(rule.root is node.op and rule.may_fit(arguments) for rule in rules):
                    return True
    return False


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
        if rule.root is None or rule in REFLECTIONS:
            continue
        if rule.group in groups and _is_on(rule, settings):
            table.setdefault(rule.root, []).append(rule)
    return table


def _is_on(rule: Rule, settings: Settings) -> bool:
    return settings.without.isdisjoint((rule.name, rule.kind, rule.group))


def _fixed_point(roots: tuple[Node, ...], work: _Pass) -> Rewritten:
    log: list[Applied] = []
    for _ in range(MOST_PASSES):
        following = _one_pass(roots, work, log)
        if following == roots:
            break
        roots = following
    return Rewritten(roots, tuple(log))


def _elementwise_rules(settings: Settings) -> tuple[Rule, ...]:
    return tuple(rule for rule in ELEMENTWISE_RULES if _is_on(rule, settings))


def _one_pass(roots: tuple[Node, ...], work: _Pass, log: list[Applied]) -> tuple[Node, ...]:
    heads = _region_heads(roots, work.opaque) if work.reflections is not None else NO_NODES

    def step(node: Node, args: tuple[Node, ...]) -> Node:
        if node.kind == SCAN:
            return _rewrite_body(node, args, work, log)
        current = node if args == node.args else make(node.op, args, node.attrs)
        for _ in range(MOST_STEPS):
            replaced = _apply_one(current, work, log)
            if replaced is None:
                break
            current = replaced
        if work.reflections is not None and node in heads:
            collected = collect(current, work.opaque, work.reflections)
            if collected is not None:
                log.append(Applied(COLLECT, current, collected))
                current = collected
        return current

    return rebuild(roots, step, {node: node for node in work.frozen})


def _rewrite_body(node: Node, args: tuple[Node, ...], work: _Pass, log: list[Applied]) -> Node:
    body: Function = node.attrs[0]
    inner = _fixed_point(body.results, work._replace(frozen=frozenset()))
    log.extend(applied._replace(within=(node, *applied.within)) for applied in inner.log)
    return make(node.op, args, (Function(body.parameters, inner.roots), *node.attrs[1:]))


def _apply_one(node: Node, work: _Pass, log: list[Applied]) -> Node | None:
    if node in work.settled:
        return None
    folded = fold(node)
    if folded is not None:
        return folded
    for rule in work.rules_for(node):
        replaced = rule.apply(node, work.opaque)
        if replaced is not None and replaced is not node:
            log.append(Applied(rule, node, replaced))
            return replaced
    work.settled.add(node)
    return None


def _region_heads(roots: tuple[Node, ...], opaque: frozenset[Node]) -> frozenset[Node]:
    """Arithmetic nodes that something else than unnamed arithmetic reads: where a region ends."""
    heads = {root for root in roots if is_arithmetic(root)}
    for node in toposort(roots):
        for argument in node.args:
            if is_arithmetic(argument) and (argument in opaque or not is_arithmetic(node)):
                heads.add(argument)
    return frozenset(heads)
