"""Composites: functions of whole axes made of simpler operations, in their numerically right form.

Each has its tangent in closed form besides, which is more accurate than that of what it is made of, and reads better.
All act along `axes`, which vanish unless the result has the argument's shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from exprc.ir import reach
from exprc.ir.node import Node, make
from exprc.ir.op import COMPOSITE, Op, Parameter, TypeRuleError
from exprc.ir.sizes import Size, as_size, product
from exprc.ir.types import F64, FLOATS, Type
from exprc.ops.arithmetic import abs_, add, cast, div, mul, neg, sub
from exprc.ops.compare import eq, lt, where
from exprc.ops.derivatives import stop_gradient
from exprc.ops.functions import exp, log, sigmoid, softplus, sqrt, square
from exprc.ops.leaves import iota, size
from exprc.ops.reductions import REDUCTION, Axes, max_, reduce_over, spread, sum_
from exprc.ops.table import (
    Value,
    X,
    array,
    as_dtype,
    as_float,
    as_node,
    expect_axes,
    expect_count,
    expect_float,
    normal_axes,
    register,
    spelling,
)
from exprc.ops.views import broadcast

Tangents = tuple[Node | None, ...]
LAST = Parameter("axis", "axis", required=False, default=-1)


def mean(x: Value, axis: Axes = None, keepdims: bool = False) -> Node:
    """The sum divided by the number of entries; NaN of none."""
    return reduce_over("mean", as_float(x), axis, keepdims)


def logsumexp(x: Value, axis: Axes = None, keepdims: bool = False) -> Node:
    """log(sum(exp(x))), for entries of any size; -inf of none."""
    return reduce_over("logsumexp", as_float(x), axis, keepdims)


def norm(x: Value, axis: Axes = None, keepdims: bool = False) -> Node:
    """sqrt(sum(x^2)); its derivative at 0 is 0."""
    node = as_float(x)
    return reduce_over("norm", node, axis, keepdims) if normal_axes("norm", axis, node.type.rank) else abs_(node)


def softmax(x: Value, axis: Axes = -1) -> Node:
    """exp(x) / sum(exp(x)) along axes."""
    return _same_shape("softmax", x, axis)


def log_softmax(x: Value, axis: Axes = -1) -> Node:
    """x - logsumexp(x) along axes."""
    return _same_shape("log_softmax", x, axis)


def cross_entropy(logits: Value, labels: Value) -> Node:
    """For each row -log(softmax(logits)) at its label, or averaged with given probabilities."""
    scores, target = as_float(logits), as_node(labels)
    if target.type.rank == scores.type.rank or target.dtype in FLOATS:
        target = as_dtype(target, scores.dtype)
    return make(CROSS_ENTROPY, (scores, target))


def one_hot(labels: Value, count: Size | int, dtype: str = F64) -> Node:
    """Along a new last axis 1 at the label and 0 elsewhere."""
    return make(ONE_HOT, (as_node(labels),), (as_size(count), dtype))


def log_sigmoid(x: Value) -> Node:
    """log(sigmoid(x)), for arguments of any size."""
    return make(LOG_SIGMOID, (as_float(x),))


def _same_shape(name: str, x: Value, axis: Axes) -> Node:
    node = as_float(x)
    return make(_BY_NAME[name], (node,), (normal_axes(name, axis, node.type.rank),))


# ---- what they are made of


def _shift(x: Node, axes: tuple[int, ...]) -> tuple[Node, Node]:
    """A finite number near the largest entry, and x without it: what can be summed as exp(x) without overflow.

    Where the largest entry is not finite nothing is taken away: infinities keep their meaning.
    """
    top = stop_gradient(max_(x, axes))
    finite = where(lt(abs_(top), math.inf), top, 0)
    return finite, sub(x, spread(finite, x, axes))


def _mean_expand(node: Node) -> Node:
    (x,), (axes,) = node.args, node.attrs
    return div(sum_(x, axes), _count(x, axes))


def _count(x: Node, axes: tuple[int, ...]) -> Node:
    return cast(size(product(tuple(x.shape[i] for i in axes))), x.dtype)


def _logsumexp_expand(node: Node) -> Node:
    (x,), (axes,) = node.args, node.attrs
    top, shifted = _shift(x, axes)
    return add(top, log(sum_(exp(shifted), axes)))


def _softmax_expand(node: Node) -> Node:
    (x,), (axes,) = node.args, node.attrs
    powers = exp(_shift(x, axes)[1])
    return div(powers, spread(sum_(powers, axes), x, axes))


def _log_softmax_expand(node: Node) -> Node:
    (x,), (axes,) = node.args, node.attrs
    shifted = _shift(x, axes)[1]
    return sub(shifted, spread(log(sum_(exp(shifted), axes)), x, axes))


def _norm_expand(node: Node) -> Node:
    (x,), (axes,) = node.args, node.attrs
    return sqrt(sum_(square(x), axes))


def _cross_entropy_expand(node: Node) -> Node:
    scores, target = node.args
    last = scores.type.rank - 1
    logarithms = log_softmax(scores)
    if target.dtype in FLOATS:
        # Probability 0 of what is impossible counts 0.
        return neg(sum_(where(eq(target, 0), 0, mul(target, logarithms)), last))
    return neg(sum_(where(_is_label(target, scores), logarithms, 0), last))


def _is_label(labels: Node, scores: Node) -> Node:
    last = scores.type.rank - 1
    spread_labels = broadcast(cast(labels, "i64"), scores.shape, tuple(range(last)))
    return eq(iota(scores.shape, last), spread_labels)


def _one_hot_expand(node: Node) -> Node:
    (labels,), (count, dtype) = node.args, node.attrs
    shape = (*labels.shape, count)
    spread_labels = broadcast(cast(labels, "i64"), shape, tuple(range(labels.type.rank)))
    return cast(eq(iota(shape, labels.type.rank), spread_labels), dtype)


# ---- tangents in closed form


def _mean_tangent(node: Node, tangents: Tangents) -> Node | None:
    (x,), (tangent,), (axes,) = node.args, tangents, node.attrs
    return None if tangent is None else div(sum_(tangent, axes), _count(x, axes))


def _logsumexp_tangent(node: Node, tangents: Tangents) -> Node | None:
    (x,), (tangent,), (axes,) = node.args, tangents, node.attrs
    return None if tangent is None else sum_(mul(softmax(x, axes), tangent), axes)


def _softmax_tangent(node: Node, tangents: Tangents) -> Node | None:
    (x,), (tangent,), (axes,) = node.args, tangents, node.attrs
    if tangent is None:
        return None
    return mul(node, sub(tangent, spread(sum_(mul(node, tangent), axes), x, axes)))


def _log_softmax_tangent(node: Node, tangents: Tangents) -> Node | None:
    (x,), (tangent,), (axes,) = node.args, tangents, node.attrs
    if tangent is None:
        return None
    return sub(tangent, spread(sum_(mul(softmax(x, axes), tangent), axes), x, axes))


def _norm_tangent(node: Node, tangents: Tangents) -> Node | None:
    (x,), (tangent,), (axes,) = node.args, tangents, node.attrs
    return None if tangent is None else where(eq(node, 0), 0, div(sum_(mul(x, tangent), axes), node))


def _cross_entropy_tangent(node: Node, tangents: Tangents) -> Node | None:
    scores, target = node.args
    by_scores, by_target = tangents
    last = scores.type.rank - 1
    parts = []
    if by_scores is not None:
        if target.dtype in FLOATS:
            weight = spread(sum_(target, last), scores, (last,))
            residual = sub(mul(weight, softmax(scores)), target)
        else:
            residual = sub(softmax(scores), one_hot(target, scores.shape[last], scores.dtype))
        parts.append(sum_(mul(residual, by_scores), last))
    if by_target is not None:
        parts.append(neg(sum_(mul(log_softmax(scores), by_target), last)))
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else add(*parts)


def _log_sigmoid_tangent(node: Node, tangents: Tangents) -> Node | None:
    (x,), (tangent,) = node.args, tangents
    return None if tangent is None else mul(sigmoid(neg(x)), tangent)


# ---- type rules


def _reducing(name: str) -> Callable[..., Type]:
    def infer(types: tuple[Type, ...], attrs: tuple[Any, ...]) -> Type:
        given = _preserving(name)(types, attrs)
        return given.with_shape(tuple(extent for i, extent in enumerate(given.shape) if i not in attrs[0]))

    return infer


def _preserving(name: str) -> Callable[..., Type]:
    def infer(types: tuple[Type, ...], attrs: tuple[Any, ...]) -> Type:
        expect_count(name, types, 1)
        ((axes,), (given,)) = attrs, types
        expect_axes(name, axes, given.rank)
        expect_float(name, given)
        return given

    return infer


def _cross_entropy_rule(types: tuple[Type, ...], attrs: tuple[Any, ...]) -> Type:
    expect_count("cross_entropy", types, 2)
    scores, target = types
    expect_float("cross_entropy", scores)
    if not scores.shape:
        raise TypeRuleError("cross_entropy needs logits with an axis of classes, not a scalar")
    rows = scores.shape[:-1]
    classes = target.dtype not in FLOATS and target.dtype != "bool" and target.shape == rows
    if not classes and target != scores:
        raise TypeRuleError(
            f"cross_entropy of logits {scores} needs integer labels of shape {Type('i64', rows)} "
            f"or probabilities {scores}, not {target}"
        )
    return scores.with_shape(rows)


def _one_hot_rule(types: tuple[Type, ...], attrs: tuple[Any, ...]) -> Type:
    expect_count("one_hot", types, 1)
    count, dtype = attrs
    if types[0].dtype in FLOATS or types[0].dtype == "bool":
        raise TypeRuleError(f"one_hot needs integer labels, not {types[0]}")
    return Type(dtype, (*types[0].shape, count))


def _log_sigmoid_rule(types: tuple[Type, ...], attrs: tuple[Any, ...]) -> Type:
    expect_count("log_sigmoid", types, 1)
    expect_float("log_sigmoid", types[0])
    return types[0]


# ---- entries


MEAN = register(
    Op("mean", COMPOSITE, "the mean of the entries", _reducing("mean"), signature=REDUCTION, build=mean,
       expand=_mean_expand, jvp=_mean_tangent, latex=r"\operatorname{mean}\left(#1\right)",
       example="input x : f64[3]; output r = mean(x)",
       reach=reach.of_total)
)  # fmt: skip
LOGSUMEXP = register(
    Op("logsumexp", COMPOSITE, "log(sum(exp(x))) without overflow", _reducing("logsumexp"), signature=REDUCTION,
       build=logsumexp, expand=_logsumexp_expand, jvp=_logsumexp_tangent,
       latex=r"\operatorname{logsumexp}\left(#1\right)", cost=24, example="input x : f64[3]; output r = logsumexp(x)",
       reach=reach.of_extreme_entry)
)  # fmt: skip
NORM = register(
    Op("norm", COMPOSITE, "sqrt(sum(x^2)); its derivative at 0 is 0", _reducing("norm"), signature=REDUCTION,
       build=norm, expand=_norm_expand, jvp=_norm_tangent, latex=r"\left\|#1\right\|", cost=2,
       example="input x : f64[3]; output r = norm(x)")
)  # fmt: skip
SOFTMAX = register(
    Op("softmax", COMPOSITE, "exp(x) / sum(exp(x)) along an axis", _preserving("softmax"), signature=(array("x"), LAST),
       build=softmax, expand=_softmax_expand, jvp=_softmax_tangent, cost=16,
       latex=r"\operatorname{softmax}\left(#1\right)", example="input x : f64[3]; output r = softmax(x)")
)  # fmt: skip
LOG_SOFTMAX = register(
    Op("log_softmax", COMPOSITE, "log(softmax(x)) along an axis", _preserving("log_softmax"),
       signature=(array("x"), LAST), build=log_softmax, expand=_log_softmax_expand, jvp=_log_softmax_tangent, cost=16,
       latex=r"\log\operatorname{softmax}\left(#1\right)", example="input x : f64[3]; output r = log_softmax(x)")
)  # fmt: skip
CROSS_ENTROPY = register(
    Op("cross_entropy", COMPOSITE,
       "for each row of logits -log of the probability of its label; labels out of range are a fault",
       _cross_entropy_rule,
       signature=(array("logits"), array("labels", indexes=("logits", -1))), build=cross_entropy,
       expand=_cross_entropy_expand, jvp=_cross_entropy_tangent, cost=20,
       latex=r"\operatorname{crossentropy}\left(#1, #2\right)",
       example="input Z : f64[2, 3]; input y : i64[2]; output r = cross_entropy(Z, y)")
)  # fmt: skip
ONE_HOT = register(
    Op("one_hot", COMPOSITE, "1 at the label along a new last axis, 0 elsewhere; 0 only for a label out of range",
       _one_hot_rule,
       signature=(array("labels"), Parameter("count", "size")), build=one_hot, expand=_one_hot_expand,
       no_gradient="labels are integers", latex=r"\operatorname{onehot}\left(#1\right)",
       example="input y : i64[2]; output r = one_hot(y, 3)")
)  # fmt: skip
LOG_SIGMOID = register(
    Op("log_sigmoid", COMPOSITE, "log(sigmoid(x)), accurate everywhere", _log_sigmoid_rule, signature=X,
       build=log_sigmoid, expand=lambda node: neg(softplus(neg(node.args[0]))), jvp=_log_sigmoid_tangent, cost=24,
       latex=r"\log\sigma\left(#1\right)", example="input x : f64; output r = log_sigmoid(x)")
)  # fmt: skip
_BY_NAME = {op.name: op for op in (SOFTMAX, LOG_SOFTMAX)}

spelling("square", "x^2", X, square, example="input x : f64; output r = square(x)")
