"""Rules that look at axes: sums, products of matrices, broadcasts; the compositions that have stable forms.

Each is a function from a node of its root operation to a replacement or None.
"""

from __future__ import annotations

from exprc.ir.node import Node, make
from exprc.ir.sizes import ONE, product
from exprc.ops import TABLE, leaves
from exprc.ops.arithmetic import cast, div, mul, neg
from exprc.ops.composites import log_softmax, logsumexp, norm, softmax
from exprc.ops.contraction import contract
from exprc.ops.leaves import constant_value
from exprc.ops.reductions import sum_
from exprc.ops.table import apply
from exprc.ops.views import broadcast, reshape, transpose
from exprc.rewrite.rule import EXACT, IMPROVING, ROUNDING, STABILIZE, STRUCTURE, Rule

MUL, DIV, NEG = (TABLE[name] for name in ("mul", "div", "neg"))
EXP, LOG, SQRT, POWER, SUM = (TABLE[name] for name in ("exp", "log", "sqrt", "power", "sum"))
BROADCAST, TRANSPOSE, CONTRACT, SOFTMAX = (TABLE[name] for name in ("broadcast", "transpose", "contract", "softmax"))
RESHAPE, SLICE = TABLE["reshape"], TABLE["slice"]


# ---- compositions with stable forms


def log_of_summed_exponentials(node: Node) -> Node | None:
    """log(sum(exp(x), axes)) as logsumexp."""
    (summed,) = node.args
    if summed.op is SUM and summed.args[0].op is EXP:
        return logsumexp(summed.args[0].args[0], summed.attrs[0])
    return None


def log_of_softmax(node: Node) -> Node | None:
    """log(softmax(x))."""
    (inner,) = node.args
    return log_softmax(inner.args[0], inner.attrs[0]) if inner.op is SOFTMAX else None


def quotient_of_exponentials(node: Node) -> Node | None:
    """exp(x) / sum(exp(x), axes) as softmax."""
    top, bottom = node.args
    axes = _reduced_axes_of_spread(bottom, SUM)
    if top.op is not EXP or axes is None:
        return None
    base = _behind_spread(bottom)
    return softmax(top.args[0], axes) if base.args[0] is top else None


def root_of_squares(node: Node) -> Node | None:
    """sqrt(sum(x^2)) as norm, whose derivative at 0 is 0."""
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
    while node.op in (BROADCAST, RESHAPE):
        (node,) = node.args
    return node


def _reduced_axes_of_spread(node: Node, op: object) -> tuple[int, ...] | None:
    """The axes of a reduction whose result is spread back over them (directly, or kept as axes of size 1)."""
    base = _behind_spread(node)
    if base.op is not op or base.args[0].shape != node.shape or node is base:
        return None
    axes: tuple[int, ...] = base.attrs[0]
    kept = tuple(i for i in range(node.type.rank) if i not in axes)
    direct = broadcast(base, node.shape, kept)
    restored = reshape(base, tuple(ONE if i in axes else s for i, s in enumerate(node.shape)))
    return axes if node in (direct, broadcast(restored, node.shape)) else None


# ---- views


def merge_broadcasts(node: Node) -> Node | None:
    """A broadcast of a broadcast."""
    (inner,) = node.args
    if inner.op is not BROADCAST:
        return None
    shape, axes = node.attrs
    source = inner.args[0]
    through = tuple(axes[i] for i in inner.attrs[1])
    fits = all(extent in (ONE, shape[i]) for extent, i in zip(source.shape, through))
    widened = any(inner.shape[i] == ONE and shape[axes[i]] != ONE for i in range(inner.type.rank))
    return make(BROADCAST, (source,), (shape, through)) if fits and not widened else None


def broadcast_of_reshape(node: Node) -> Node | None:
    """A broadcast of an array to which axes of size 1 were added by a reshape."""
    (inner,) = node.args
    if inner.op is not RESHAPE:
        return None
    shape, axes = node.attrs
    source = inner.args[0]
    kept = [i for i, extent in enumerate(inner.shape) if extent != ONE]
    if [inner.shape[i] for i in kept] != list(source.shape):
        return None
    return make(BROADCAST, (source,), (shape, tuple(axes[i] for i in kept)))


def merge_transposes(node: Node) -> Node | None:
    """A transpose of a transpose."""
    (inner,) = node.args
    if inner.op is not TRANSPOSE:
        return None
    return transpose(inner.args[0], tuple(inner.attrs[0][i] for i in node.attrs[0]))


def merge_reshapes(node: Node) -> Node | None:
    """A reshape of a reshape."""
    (inner,) = node.args
    return reshape(inner.args[0], node.attrs[0]) if inner.op is RESHAPE else None


def trivial_view(node: Node) -> Node | None:
    """A slice of everything."""
    starts, sizes, steps = node.attrs
    whole = node.args[0].shape == sizes and all(s.constant == 0 for s in starts) and all(s == 1 for s in steps)
    return node.args[0] if whole else None


# ---- contractions


def contract_of_transpose(node: Node) -> Node | None:
    """The labels of a contraction follow a transpose."""
    for k in (0, 1):
        operand = node.args[k]
        if operand.op is TRANSPOSE:
            permutation = operand.attrs[0]
            labels = node.attrs[k]
            unpermuted = "".join(labels[permutation.index(i)] for i in range(len(permutation)))
            return _contract_with(node, k, operand.args[0], unpermuted)
    return None


def contract_of_spread(node: Node) -> Node | None:
    """A contraction with an array that is constant along an axis: that axis is summed (or spread) separately."""
    for k in (0, 1):
        operand, other = node.args[k], node.args[1 - k]
        if operand.op is not BROADCAST:
            continue
        shape, axes = operand.attrs
        source = operand.args[0]
        kept = [i for i, extent in zip(axes, source.shape) if extent == shape[i]]
        if len(kept) == len(shape):
            continue
        labels, others, out = node.attrs[k], node.attrs[1 - k], node.attrs[2]
        own = "".join(labels[i] for i in kept)
        summed = tuple(i for i, label in enumerate(others) if label not in out and label not in own)
        shrunk = sum_(other, summed) if summed else other
        rest = "".join(label for i, label in enumerate(others) if i not in summed)
        slim = reshape(source, tuple(shape[i] for i in kept))
        present = "".join(label for label in out if label in own + rest)
        inner = _product(slim, own, shrunk, rest, present)
        return broadcast(inner, node.shape, tuple(out.index(label) for label in present))
    return None


def _product(x: Node, left: str, y: Node, right: str, out: str) -> Node:
    """The contraction, or the plain product where one operand is a scalar."""
    if not left or not right:
        value, labels = (y, right) if not left else (x, left)
        factor = x if not left else y
        return mul(broadcast(factor, value.shape, ()), _ordered(value, labels, out))
    return contract(x, y, left, right, out)


def _ordered(value: Node, labels: str, out: str) -> Node:
    return transpose(value, tuple(labels.index(label) for label in out))


def scalar_factor_of_contract(node: Node) -> Node | None:
    """A factor that is the same everywhere moves out of a contraction."""
    for k in (0, 1):
        found = _scalar_factor(node.args[k])
        if found is not None:
            op, factor, rest = found
            return _refactor(op, factor, _contract_with(node, k, rest, node.attrs[k]))
    return None


def scalar_factor_of_sum(node: Node) -> Node | None:
    """A factor that is the same everywhere moves out of a sum."""
    found = _scalar_factor(node.args[0])
    if found is None or constant_value(found[2]) is not None:
        return None
    op, factor, rest = found
    return _refactor(op, factor, sum_(rest, node.attrs[0]))


def _scalar_factor(node: Node) -> tuple[object, Node | None, Node] | None:
    """(operation, scalar or None, the rest) of a product, quotient or negation."""
    if not node.type.is_float or not node.shape:
        return None
    if node.op is NEG:
        return NEG, None, node.args[0]
    if node.op is DIV and _is_scalar_spread(node.args[1]):
        return DIV, node.args[1].args[0], node.args[0]
    if node.op is MUL:
        for k in (0, 1):
            if _is_scalar_spread(node.args[k]) and not _is_scalar_spread(node.args[1 - k]):
                return MUL, node.args[k].args[0], node.args[1 - k]
    return None


def _is_scalar_spread(node: Node) -> bool:
    return node.op is BROADCAST and not node.args[0].shape


def _refactor(op: object, factor: Node | None, value: Node) -> Node:
    if op is NEG or factor is None:
        return neg(value)
    return div(value, factor) if op is DIV else mul(factor, value)


def _contract_with(node: Node, k: int, operand: Node, labels: str) -> Node:
    left, right, out = node.attrs
    if k == 0:
        return contract(operand, node.args[1], labels, right, out)
    return contract(node.args[0], operand, left, labels, out)


def sum_of_spread(node: Node) -> Node | None:
    """The sum of what is constant along an axis: its size times the value."""
    (operand,) = node.args
    if operand.op is not BROADCAST or not operand.type.is_float:
        return None
    shape, axes = operand.attrs
    source = operand.args[0]
    kept = [i for i, extent in zip(axes, source.shape) if extent == shape[i]]
    constant_axes = tuple(i for i in node.attrs[0] if i not in kept)
    if not constant_axes:
        return None
    count = cast(leaves.size(product(tuple(shape[i] for i in constant_axes))), node.dtype)
    slim = reshape(source, tuple(shape[i] for i in kept))
    remaining = tuple(position for position, i in enumerate(kept) if i in node.attrs[0])
    summed = sum_(slim, remaining) if remaining else slim
    left = [i for i in kept if i not in node.attrs[0]]
    out = [i for i in range(len(shape)) if i not in node.attrs[0]]
    return mul(count, broadcast(summed, node.shape, tuple(out.index(i) for i in left)))


def sum_of_sum(node: Node) -> Node | None:
    """A sum over axes of a sum over others."""
    (inner,) = node.args
    if inner.op is not SUM:
        return None
    rank = inner.args[0].type.rank
    left = [i for i in range(rank) if i not in inner.attrs[0]]
    return sum_(inner.args[0], tuple(sorted((*inner.attrs[0], *(left[i] for i in node.attrs[0])))))


def sum_of_products(node: Node) -> Node | None:
    """The sum of a product with an operand that lacks some of the axes is a contraction."""
    (product_,) = node.args
    if product_.op is not MUL or not product_.type.is_float:
        return None
    shape = product_.shape
    parts = [_with_axes(argument) for argument in product_.args]
    if all(len(axes) == len(shape) for _, axes in parts):
        return None
    labels = "abcdefghijklmnopqrstuvwyz"[: len(shape)]
    (x, left), (y, right) = ((value, "".join(labels[i] for i in axes)) for value, axes in parts)
    out = "".join(label for i, label in enumerate(labels) if i not in node.attrs[0])
    shared = set(left) & set(right) - set(out)
    if not left or not right or not shared or any(label not in left + right for label in labels):
        return None
    if any(label not in out and (label in left) != (label in right) for label in labels):
        return None
    return contract(x, y, left, right, out)


def _with_axes(node: Node) -> tuple[Node, tuple[int, ...]]:
    """An operand without the axes along which it is spread, and the axes that it has."""
    if node.op is not BROADCAST:
        return node, tuple(range(node.type.rank))
    shape, axes = node.attrs
    source = node.args[0]
    kept = tuple(i for i, extent in zip(axes, source.shape) if extent == shape[i])
    return reshape(source, tuple(shape[i] for i in kept)), kept


# ---- elementwise work on what is spread


def spread_later(node: Node) -> Node | None:
    """Elementwise work whose operands are all spread from the same axes is done before they are spread."""
    if not node.args or not node.shape:
        return None
    sources, where_to = [], None
    for argument in node.args:
        if argument.op is BROADCAST and not argument.args[0].shape:
            sources.append(argument.args[0])
        elif argument.op is BROADCAST and where_to in (None, (argument.attrs[1], argument.args[0].shape)):
            where_to = (argument.attrs[1], argument.args[0].shape)
            sources.append(argument.args[0])
        else:
            return None
    if all(constant_value(source) is not None for source in sources):
        return None
    axes, shape = where_to or ((), ())
    widened = [source if source.shape == shape else broadcast(source, shape, ()) for source in sources]
    inner = apply(node.op, *widened) if not node.attrs else make(node.op, tuple(widened), node.attrs)
    return broadcast(inner, node.shape, axes)


def negative_of_odd(node: Node) -> Node | None:
    """An odd function of -x, an even one of -x."""
    if len(node.args) != 1 or node.args[0].op is not NEG:
        return None
    inner = node.args[0].args[0]
    if "even" in node.op.laws:
        return apply(node.op, inner)
    return neg(apply(node.op, inner)) if "odd" in node.op.laws and node.op is not NEG else None


def _rule(name: str, group: str, kind: str, root: object, function, before: str, after: str, why: str) -> Rule:  # type: ignore[no-untyped-def]
    return Rule(name, group, kind, why, root, before, after, None, function)  # type: ignore[arg-type]


STABLE_STRUCTURE = (
    _rule("logsumexp", STABILIZE, IMPROVING, LOG, log_of_summed_exponentials, "log(sum(exp(x)))", "logsumexp(x)",
          "exp overflows where the logarithm of the sum does not"),
    _rule("log_softmax", STABILIZE, IMPROVING, LOG, log_of_softmax, "log(softmax(x))", "log_softmax(x)",
          "softmax underflows where its logarithm does not"),
    _rule("softmax", STABILIZE, IMPROVING, DIV, quotient_of_exponentials, "exp(x) / sum(exp(x))", "softmax(x)",
          "inf / inf where exp(x) overflows"),
    _rule("norm", STABILIZE, IMPROVING, SQRT, root_of_squares, "sqrt(sum(x^2))", "norm(x)",
          "the derivative at 0 is 0"),
)  # fmt: skip

VIEWS = (
    _rule("merge_broadcasts", STRUCTURE, EXACT, BROADCAST, merge_broadcasts, "broadcast(broadcast(x))", "broadcast(x)",
          "one view"),
    _rule("broadcast_of_reshape", STRUCTURE, EXACT, BROADCAST, broadcast_of_reshape, "broadcast(reshape(x))",
          "broadcast(x)", "one view"),
    _rule("merge_transposes", STRUCTURE, EXACT, TRANSPOSE, merge_transposes, "x.T.T", "x", "one view"),
    _rule("merge_reshapes", STRUCTURE, EXACT, RESHAPE, merge_reshapes, "reshape(reshape(x))", "reshape(x)", "one view"),
    _rule("whole_slice", STRUCTURE, EXACT, SLICE, trivial_view, "x[0:n]", "x", "nothing is cut off"),
)  # fmt: skip

AXES = (
    _rule("contract_of_transpose", STRUCTURE, EXACT, CONTRACT, contract_of_transpose, "X.T @ y", "sum over labels",
          "no copy is made"),
    _rule("contract_of_spread", STRUCTURE, ROUNDING, CONTRACT, contract_of_spread, "X @ broadcast(c)", "sum(X) * c",
          "a sum instead of a product"),
    _rule("factor_of_contract", STRUCTURE, ROUNDING, CONTRACT, scalar_factor_of_contract, "X @ (c * y)", "c * (X @ y)",
          "one multiplication instead of one for each entry"),
    _rule("factor_of_sum", STRUCTURE, ROUNDING, SUM, scalar_factor_of_sum, "sum(c * x)", "c * sum(x)",
          "one multiplication instead of one for each entry"),
    _rule("sum_of_spread", STRUCTURE, ROUNDING, SUM, sum_of_spread, "sum(broadcast(x))", "n * x", "no sum is needed"),
    _rule("sum_of_sum", STRUCTURE, ROUNDING, SUM, sum_of_sum, "sum(sum(x, 1))", "sum(x)", "one sum"),
    _rule("sum_of_products", STRUCTURE, ROUNDING, SUM, sum_of_products, "sum(X * y, axis)", "X @ y",
          "a product of arrays without the spread operand"),
)  # fmt: skip

ELEMENTWISE_RULES = (
    _rule("spread_later", STRUCTURE, EXACT, None, spread_later, "f(broadcast(x))", "broadcast(f(x))",
          "work on fewer entries"),
    _rule("sign_of_argument", STRUCTURE, EXACT, None, negative_of_odd, "f(-x)", "-f(x) or f(x)", "f is odd or even"),
)  # fmt: skip
