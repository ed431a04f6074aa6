"""Rules that merge views, and change elementwise work on what is spread, negative or negated.

Each is a function from a node of its root operation to a replacement or None; nodes in `opaque` have names and are not
looked into.
"""

from __future__ import annotations

import math
from collections.abc import Set

from exprc.ir.node import Node, make
from exprc.ir.sizes import ONE
from exprc.ops import TABLE
from exprc.ops.arithmetic import div, mul, neg
from exprc.ops.compare import eq, where
from exprc.ops.leaves import constant_value
from exprc.ops.table import apply
from exprc.ops.views import broadcast, reshape, transpose
from exprc.rewrite.rule import CLOSED_FORM, EXACT, ROUNDING, STRUCTURE, Rule

BROADCAST, RESHAPE, SQUEEZE = (TABLE[name] for name in ("broadcast", "reshape", "squeeze"))
NE, NOT, WHERE = (TABLE[name] for name in ("ne", "not", "where"))
NEG, SIGN, SLICE, TRANSPOSE = (TABLE[name] for name in ("neg", "sign", "slice", "transpose"))
DIV, MUL = TABLE["div"], TABLE["mul"]
PAD = TABLE["pad"]
SHAPING = frozenset((RESHAPE, SQUEEZE))


def merge_broadcasts(node: Node, opaque: Set[Node]) -> Node | None:
    """A broadcast of a broadcast."""
    (inner,) = node.args
    if inner.op is not BROADCAST or inner in opaque:
        return None
    shape, axes = node.attrs
    return broadcast(inner.args[0], shape, tuple(axes[i] for i in inner.attrs[1]))


def broadcast_of_reshape(node: Node, opaque: Set[Node]) -> Node | None:
    """A broadcast of an array to which axes of size 1 were added by a reshape."""
    (inner,) = node.args
    if inner.op is not RESHAPE or inner in opaque:
        return None
    shape, axes = node.attrs
    (source,) = inner.args
    kept = [i for i, extent in enumerate(inner.shape) if extent != ONE]
    if [inner.shape[i] for i in kept] != list(source.shape):
        return None
    return broadcast(source, shape, tuple(axes[i] for i in kept))


def merge_transposes(node: Node, opaque: Set[Node]) -> Node | None:
    """A transpose of a transpose."""
    (inner,) = node.args
    if inner.op is not TRANSPOSE or inner in opaque:
        return None
    return transpose(inner.args[0], tuple(inner.attrs[0][i] for i in node.attrs[0]))


def merge_reshapes(node: Node, opaque: Set[Node]) -> Node | None:
    """A reshape of a reshape; either may only drop axes of size 1."""
    (inner,) = node.args
    return reshape(inner.args[0], node.shape) if inner.op in SHAPING and inner not in opaque else None


def whole_slice(node: Node, opaque: Set[Node]) -> Node | None:
    """A slice of everything."""
    starts, sizes, steps = node.attrs
    whole = node.args[0].shape == sizes and all(s.constant == 0 for s in starts) and all(s == 1 for s in steps)
    return node.args[0] if whole else None


def view_of_constant(node: Node, opaque: Set[Node]) -> Node | None:
    """A slice of one value everywhere, or its entries in another shape."""
    (inner,) = node.args
    source = inner.args[0] if inner.op is BROADCAST and inner not in opaque else inner
    if source.shape or (source is inner and constant_value(source) is None):
        return None
    return broadcast(source, node.shape, ())


def slice_of_pad(node: Node, opaque: Set[Node]) -> Node | None:
    """A slice of just what was placed among zeros."""
    (inner,) = node.args
    return inner.args[0] if _is_part(inner, node) and inner not in opaque else None


def slice_of_choice(node: Node, opaque: Set[Node]) -> Node | None:
    """A slice of just the part of an array that was replaced: what it was replaced by."""
    (inner,) = node.args
    if inner.op is not WHERE or inner in opaque or not _is_part(inner.args[0], node):
        return None
    return make(SLICE, (inner.args[1],), node.attrs) if constant_value(inner.args[0].args[0]) is True else None


def _is_part(node: Node, part: Node) -> bool:
    """Whether a node places at just those entries that a slice takes."""
    if node.op is not PAD:
        return False
    (starts, _, steps), sizes = part.attrs, part.shape
    return (starts, steps, sizes) == (node.attrs[0], node.attrs[2], node.args[0].shape)


# ---- elementwise work on what is spread, or negative


def spread_later(node: Node, opaque: Set[Node]) -> Node | None:
    """Elementwise work whose operands are all spread from the same axes is done before they are spread."""
    if not node.args or not node.shape:
        return None
    sources, target = [], None
    for argument in node.args:
        if argument.op is not BROADCAST or argument in opaque:
            return None
        (source,) = argument.args
        if source.shape:
            found = (argument.attrs[1], source.shape)
            if target not in (None, found):
                return None
            target = found
        sources.append(source)
    if all(constant_value(source) is not None for source in sources):
        return None
    axes, shape = target or ((), ())
    widened = [source if source.shape == shape else broadcast(source, shape, ()) for source in sources]
    inner = apply(node.op, *widened) if not node.attrs else make(node.op, tuple(widened), node.attrs)
    return broadcast(inner, node.shape, axes)


def sign_of_argument(node: Node, opaque: Set[Node]) -> Node | None:
    """An odd function of -x, an even one of -x.  The least integer has no negative, and sign(-0) is 0."""
    if len(node.args) != 1 or node.args[0].op is not NEG or node.args[0] in opaque:
        return None
    if node.op in (NEG, SIGN) or not node.type.is_float:
        return None
    inner = node.args[0].args[0]
    if "even" in node.op.laws:
        return apply(node.op, inner)
    return neg(apply(node.op, inner)) if "odd" in node.op.laws else None


def choice_by_negation(node: Node, opaque: Set[Node]) -> Node | None:
    """A choice whose condition, spread or not, is a negation: the branches change places."""
    condition, chosen, other = node.args
    plain = condition.args[0] if condition.op is BROADCAST else condition
    if plain in opaque or plain.op not in (NOT, NE):
        return None
    turned = plain.args[0] if plain.op is NOT else eq(*plain.args)
    return where(make(BROADCAST, (turned,), condition.attrs) if plain is not condition else turned, other, chosen)


def known_choice(node: Node, opaque: Set[Node]) -> Node | None:
    """A choice whose condition is known."""
    known = constant_value(node.args[0])
    return None if known is None else node.args[1] if known else node.args[2]


def factor_of_choice(node: Node, opaque: Set[Node]) -> Node | None:
    """What both branches are multiplied or divided by, and a number by which one is where the other is 0."""
    condition, *branches = node.args
    first, second = branches
    if not node.type.is_float or first in opaque or second in opaque:
        return None
    if first.op is second.op is NEG:
        return neg(where(condition, first.args[0], second.args[0]))
    if first.op is second.op is DIV and first.args[1] is second.args[1]:
        return div(where(condition, first.args[0], second.args[0]), first.args[1])
    for branch, other in ((first, second), (second, first)):
        for factor, rest in (branch.args, branch.args[::-1]) if branch.op is MUL else ():
            left = _without_factor(other, factor)
            if left is not None:
                return mul(factor, where(condition, *((rest, left) if branch is first else (left, rest))))
    return None


def _without_factor(node: Node, factor: Node) -> Node | None:
    """What remains of a product, or of 0, without a factor; 0 hides no factor that is infinite or NaN."""
    number = constant_value(factor)
    if constant_value(node) == 0:
        return node if number is not None and 0 < abs(number) < math.inf else None
    if node.op is not MUL or factor not in node.args:
        return None
    return node.args[1] if node.args[0] is factor else node.args[0]


VIEWS = (
    Rule("merge_broadcasts", STRUCTURE, EXACT, "one view", BROADCAST,
         "broadcast(broadcast(x))", "broadcast(x)", function=merge_broadcasts),
    Rule("broadcast_of_reshape", STRUCTURE, EXACT, "one view", BROADCAST,
         "broadcast(reshape(x))", "broadcast(x)", function=broadcast_of_reshape),
    Rule("merge_transposes", STRUCTURE, EXACT, "one view", TRANSPOSE, "x.T.T", "x", function=merge_transposes),
    Rule("merge_reshapes", STRUCTURE, EXACT, "one view", RESHAPE,
         "reshape(reshape(x))", "reshape(x)", function=merge_reshapes),
    Rule("squeeze_of_reshape", STRUCTURE, EXACT, "one view", SQUEEZE,
         "squeeze(reshape(x))", "reshape(x)", function=merge_reshapes),
    Rule("choice_by_negation", STRUCTURE, EXACT, "the branches change places", WHERE,
         "where(not c, x, y)", "where(c, y, x)", function=choice_by_negation),
    Rule("whole_slice", STRUCTURE, EXACT, "nothing is cut off", SLICE, "x[0:n]", "x", function=whole_slice),
    Rule("slice_of_constant", STRUCTURE, EXACT, "the same entries", SLICE,
         "full(a, n)[1:]", "full(a, n - 1)", function=view_of_constant),
    Rule("reshape_of_constant", STRUCTURE, EXACT, "the same entries", RESHAPE,
         "reshape(full(a, n), n, 1)", "full(a, n, 1)", function=view_of_constant),
    Rule("known_choice", STRUCTURE, EXACT, "the condition is known", WHERE,
         "where(true, x, y)", "x", function=known_choice),
    Rule("factor_of_choice", CLOSED_FORM, ROUNDING, "one multiplication; the sign of 0 is not kept", WHERE,
         "where(c, a * x, a * y)", "a * where(c, x, y)", function=factor_of_choice),
    Rule("slice_of_pad", STRUCTURE, EXACT, "what was placed there", SLICE,
         "set(zeros(n)[1:], x)[1:]", "x", function=slice_of_pad),
    Rule("slice_of_choice", STRUCTURE, EXACT, "what was placed there", SLICE,
         "set(x[1:], y)[1:]", "y", function=slice_of_choice),
)  # fmt: skip

# Rules for every elementwise operation.
ELEMENTWISE_RULES = (
    Rule("spread_later", STRUCTURE, EXACT, "work on fewer entries", None,
         "f(broadcast(x))", "broadcast(f(x))", function=spread_later, argument=BROADCAST),
    Rule("sign_of_argument", STRUCTURE, EXACT, "f is odd or even", None,
         "f(-x)", "-f(x) or f(x)", function=sign_of_argument, argument=NEG),
)  # fmt: skip
