"""Compositions over axes that have a stable form: logarithms of sums of exponentials, softmax, norms.

Each rule is a function from a node of its root operation to a replacement or None.  Exponentials are taken of
differences from the largest entry, so errors are judged as those of entries moved by an ulp of the largest.
"""

from __future__ import annotations

from collections.abc import Set

from exprc.ir.node import Node
from exprc.ir.op import Op
from exprc.ir.sizes import ONE
from exprc.ops import TABLE
from exprc.ops.composites import log_softmax, logsumexp, norm, softmax
from exprc.ops.leaves import constant_value
from exprc.ops.views import broadcast, reshape
from exprc.rewrite.rule import IMPROVING, STABILIZE, Rule

DIV, EXP, LOG, MUL, POWER = (TABLE[name] for name in ("div", "exp", "log", "mul", "power"))
SOFTMAX, SQRT, SUM = (TABLE[name] for name in ("softmax", "sqrt", "sum"))
SPREADING = frozenset((TABLE["broadcast"], TABLE["reshape"]))


def log_of_summed_exponentials(node: Node, opaque: Set[Node]) -> Node | None:
    """log(sum(exp(x), axes)) as logsumexp."""
    (summed,) = node.args
    if summed.op is SUM and summed.args[0].op is EXP:
        return logsumexp(summed.args[0].args[0], summed.attrs[0])
    return None


def log_of_softmax(node: Node, opaque: Set[Node]) -> Node | None:
    """log(softmax(x))."""
    (inner,) = node.args
    return log_softmax(inner.args[0], inner.attrs[0]) if inner.op is SOFTMAX else None


def quotient_of_exponentials(node: Node, opaque: Set[Node]) -> Node | None:
    """exp(x) / sum(exp(x), axes) as softmax."""
    top, bottom = node.args
    axes = _reduced_axes_of_spread(bottom, SUM)
    if top.op is not EXP or axes is None:
        return None
    return softmax(top.args[0], axes) if _behind_spread(bottom).args[0] is top else None


def root_of_squares(node: Node, opaque: Set[Node]) -> Node | None:
    """sqrt(sum(x^2)) as norm."""
    (summed,) = node.args
    if summed.op is not SUM:
        return None
    (inner,) = summed.args
    if inner.op is POWER and constant_value(inner.args[1]) == 2:
        return norm(inner.args[0], summed.attrs[0])
    if inner.op is MUL and inner.args[0] is inner.args[1]:
        return norm(inner.args[0], summed.attrs[0])
    return None


def _behind_spread(node: Node) -> Node:
    while node.op in SPREADING:
        (node,) = node.args
    return node


def _reduced_axes_of_spread(node: Node, op: Op) -> tuple[int, ...] | None:
    """The axes of a reduction whose result is spread back over them (directly, or kept as axes of size 1)."""
    base = _behind_spread(node)
    if base.op is not op or base.args[0].shape != node.shape or node is base:
        return None
    axes: tuple[int, ...] = base.attrs[0]
    kept = tuple(i for i in range(node.type.rank) if i not in axes)
    direct = broadcast(base, node.shape, kept)
    restored = reshape(base, tuple(ONE if i in axes else s for i, s in enumerate(node.shape)))
    return axes if node in (direct, broadcast(restored, node.shape)) else None


COMPOSITIONS = (
    Rule("logsumexp", STABILIZE, IMPROVING, "exp overflows where the logarithm of the sum does not", LOG,
         "log(sum(exp(x)))", "logsumexp(x)", function=log_of_summed_exponentials),
    Rule("log_softmax", STABILIZE, IMPROVING, "softmax underflows where its logarithm does not", LOG,
         "log(softmax(x))", "log_softmax(x)", function=log_of_softmax),
    Rule("softmax", STABILIZE, IMPROVING, "inf / inf where exp(x) overflows", DIV,
         "exp(x) / sum(exp(x))", "softmax(x)", function=quotient_of_exponentials),
    Rule("norm", STABILIZE, IMPROVING, "the same value, and the derivative at 0 is 0", SQRT,
         "sqrt(sum(x^2))", "norm(x)", function=root_of_squares),
)  # fmt: skip
