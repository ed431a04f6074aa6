"""Rules as data, and matching of patterns.

A pattern is an ordinary graph of scalars whose placeholders match any node; its constants match the same constant of any
dtype and shape.  Operands of commutative operations match in both orders.  Knows no rule.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from exprc.ir.node import Node
from exprc.ir.op import ELEMENTWISE, Op
from exprc.ir.types import F64, Type
from exprc.ops import leaves
from exprc.ops.leaves import constant_value, placeholder
from exprc.ops.table import apply
from exprc.rewrite.fold import fold

EXACT, ROUNDING, IMPROVING = "exact", "rounding", "improving"
SIMPLIFY, STABILIZE, STRUCTURE, CLOSED_FORM = "simplify", "stabilize", "structure", "closed form"

Bindings = dict[Node, Node]


class Rule(NamedTuple):
    """`before` may be replaced by `after` where `when` (if any) holds for the bindings.

    A structural rule has a `function` instead of graphs: it gives the replacement of a node of `root`, or None;
    `before` and `after` are then text for a reader.
    """

    name: str
    group: str
    kind: str  # exact | rounding | improving
    why: str
    root: Op | None  # None: any elementwise operation
    before: Node | str
    after: Node | str
    when: Callable[[Bindings], bool] | None = None
    function: Callable[[Node], Node | None] | None = None

    def apply(self, node: Node, opaque: frozenset[Node] = frozenset()) -> Node | None:
        """The replacement of a node, or None where the rule does not fit; patterns do not look into `opaque` nodes."""
        if self.function is not None:
            return self.function(node)
        assert isinstance(self.before, Node) and isinstance(self.after, Node)
        bindings: Bindings = {}
        if not match(self.before, node, bindings, opaque) or (self.when is not None and not self.when(bindings)):
            return None
        return instantiate(self.after, bindings, node)


def wildcard(label: str) -> Node:
    """A placeholder that matches anything."""
    return placeholder(label, Type(F64))


def match(pattern: Node, node: Node, bindings: Bindings, opaque: frozenset[Node] = frozenset()) -> bool:
    """Whether a node has the form of a pattern; fills the bindings.  Patterns are small: recursion is bounded."""
    if pattern.op is leaves.PLACEHOLDER:
        return bindings.setdefault(pattern, node) is node
    if pattern.op is leaves.CONSTANT:
        value = constant_value(node)
        return value is not None and not isinstance(value, bool) and value == pattern.attrs[1]
    if pattern.op is not node.op or pattern.attrs != node.attrs:
        return False
    kept = dict(bindings)
    if all(_match_argument(p, n, bindings, opaque) for p, n in zip(pattern.args, node.args)):
        return True
    if "commutative" in node.op.laws:
        bindings.clear()
        bindings.update(kept)
        return all(_match_argument(p, n, bindings, opaque) for p, n in zip(pattern.args, reversed(node.args)))
    return False


def _match_argument(pattern: Node, node: Node, bindings: Bindings, opaque: frozenset[Node]) -> bool:
    if node in opaque and pattern.op is not leaves.PLACEHOLDER:
        return False
    return match(pattern, node, bindings, opaque)


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
