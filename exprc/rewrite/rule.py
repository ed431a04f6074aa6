"""Rules as data, and matching of patterns.

A pattern is an ordinary graph of scalars whose placeholders match any node; its constants match the same constant of
any dtype and shape.  Operands of commutative operations match in both orders.  Knows no rule.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Set
from typing import NamedTuple

from exprc.ir.node import Node
from exprc.ir.op import ELEMENTWISE, Op
from exprc.ir.types import F64, Type
from exprc.ops import TABLE, leaves
from exprc.ops.leaves import constant_value, placeholder
from exprc.ops.table import Number, apply
from exprc.rewrite.fold import fold

EXACT, ROUNDING, IMPROVING = "exact", "rounding", "improving"
SIMPLIFY, STABILIZE, STRUCTURE, CLOSED_FORM = "simplify", "stabilize", "structure", "closed form"
FINAL_FORM = "final form"

BROADCAST = TABLE["broadcast"]

Bindings = dict[Node, Node]
Condition = Callable[[Bindings], bool]


class Rule(NamedTuple):
    """`before` may be replaced by `after` where `when` (if any) holds for the bindings.

    A structural rule has a `function` instead of graphs: it gives the replacement of a node of `root`, or None, without
    looking into nodes of the set that it is given; `before` and `after` are then text for a reader.  It may name an
    operation that all nodes which it replaces have as an argument.
    """

    name: str
    group: str
    kind: str  # exact | rounding | improving
    why: str
    root: Op | None  # None: any elementwise operation
    before: Node | str
    after: Node | str
    when: Condition | None = None
    function: Callable[[Node, Set[Node]], Node | None] | None = None
    argument: Op | None = None

    def may_fit(self, arguments: tuple[Op, ...]) -> bool:
        """Whether the operations of a node's arguments allow the rule: what can be told without matching."""
        if self.function is not None:
            return self.argument is None or self.argument in arguments
        assert isinstance(self.before, Node)
        wanted = self.before.args
        if all(map(_admits, wanted, arguments)):
            return True
        return "commutative" in self.before.op.laws and all(map(_admits, wanted, reversed(arguments)))

    def apply(self, node: Node, opaque: Set[Node] = frozenset()) -> Node | None:
        """The replacement of a node, or None where the rule does not fit; patterns do not look into `opaque` nodes."""
        if self.function is not None:
            return self.function(node, opaque)
        assert isinstance(self.before, Node) and isinstance(self.after, Node)
        if not has_form(self.before, node):
            return None
        for bindings in matches(self.before, node, {}, opaque):
            if self.when is None or self.when(bindings):
                return instantiate(self.after, bindings, node)
        return None


def wildcard(label: str, dtype: str = F64) -> Node:
    """A placeholder that matches anything; bool where a condition is asked for, else the dtype plays no part."""
    return placeholder(label, Type(dtype))


NUMBERS = frozenset((wildcard("c"), wildcard("d")))  # the wildcards that match constants only


def has_form(pattern: Node, node: Node) -> bool:
    """The quick test: whether a node has the operations and numbers of a pattern, whatever placeholders stand for."""
    if pattern.op is leaves.PLACEHOLDER:
        return pattern not in NUMBERS or constant_value(node) is not None
    if pattern.op is leaves.CONSTANT:
        return _is_same_number(constant_value(pattern), constant_value(node))
    if pattern.op is not node.op:
        return False
    if all(map(has_form, pattern.args, node.args)):
        return True
    return "commutative" in node.op.laws and all(map(has_form, pattern.args, reversed(node.args)))


def matches(pattern: Node, node: Node, bindings: Bindings, opaque: Set[Node]) -> Iterator[Bindings]:
    """The ways in which a node has the form of a pattern.  Patterns are small: recursion is bounded."""
    if pattern.op is leaves.PLACEHOLDER:
        known = bindings.get(pattern)
        if pattern in NUMBERS and constant_value(node) is None:
            return
        if known is None:
            yield {**bindings, pattern: node}
        elif known is node:
            yield bindings
    elif pattern.op is leaves.CONSTANT:
        if _is_same_number(constant_value(pattern), constant_value(node)):
            yield bindings
    elif pattern.op is node.op and pattern.attrs == node.attrs:
        yield from _match_all(pattern.args, node.args, bindings, opaque)
        if "commutative" in node.op.laws and node.args[0] is not node.args[1]:
            yield from _match_all(pattern.args, node.args[::-1], bindings, opaque)


def _match_all(
    patterns: tuple[Node, ...], nodes: tuple[Node, ...], bindings: Bindings, opaque: Set[Node]
) -> Iterator[Bindings]:
    if not patterns:
        yield bindings
    elif nodes[0] not in opaque or patterns[0].op is leaves.PLACEHOLDER:
        for found in matches(patterns[0], nodes[0], bindings, opaque):
            yield from _match_all(patterns[1:], nodes[1:], found, opaque)


def _is_same_number(wanted: Number | None, value: Number | None) -> bool:
    """Whether both are one number, 0 and -0 being two."""
    if wanted is None or value is None or isinstance(value, bool):
        return False
    return wanted == value and math.copysign(1, wanted) == math.copysign(1, value)


def _admits(pattern: Node, op: Op) -> bool:
    if pattern.op is leaves.CONSTANT or pattern in NUMBERS:
        return op in (leaves.CONSTANT, BROADCAST)
    return pattern.op in (leaves.PLACEHOLDER, op)


def instantiate(pattern: Node, bindings: Bindings, like: Node) -> Node:
    """The graph of a pattern for given bindings, in the dtype and shape of the node that it replaces."""
    if pattern.op is leaves.PLACEHOLDER:
        return bindings[pattern]
    if pattern.op is leaves.CONSTANT:
        return leaves.full(pattern.attrs[1], like.shape, like.dtype)
    arguments = [instantiate(argument, bindings, like) for argument in pattern.args]
    if pattern.kind == ELEMENTWISE:
        result = apply(pattern.op, *arguments)
        return fold(result) or result
    assert pattern.op.build is not None
    built: Node = pattern.op.build(*arguments)
    return built
