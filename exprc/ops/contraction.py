"""`contract`: sums of products of two arrays, as einsum writes them; `@` in all combinations of ranks.

Attributes are the labels of the left and right axes and of the result.  A label occurs once in an operand; one that
the result lacks is summed and occurs in both.  Linear in each argument.
"""

from __future__ import annotations

from typing import Any

from exprc.ir import reach
from exprc.ir.node import Node, make
from exprc.ir.op import CONTRACT, Op, TypeRuleError
from exprc.ir.sizes import ONE, Size
from exprc.ir.types import BOOL, Type
from exprc.ops.reductions import sum_
from exprc.ops.table import XY, Value, common_shape, expect_count, promote_all, register, spelling
from exprc.ops.views import squeeze

PRODUCT = 6
_LETTERS = "abcdefghijklmnopqrstuvwyzABCDEFGHIJKLMNOPQRSTUVWXYZx"


def contract(x: Node, y: Node, left: str, right: str, out: str) -> Node:
    """The sum of products; labels are renamed in order of first use, so that equal sums are one node."""
    x, y = promote_all([x, y], "number")
    x, left = _without_lonely(x, left, right + out)
    y, right = _without_lonely(y, right, left + out)
    names = dict(zip(dict.fromkeys(left + right), _LETTERS, strict=False))
    renamed = tuple("".join(names[label] for label in labels) for labels in (left, right, out))
    return make(CONTRACT_OP, (x, y), renamed)


def matmul(x: Value, y: Value) -> Node:
    """`x @ y` by NumPy's rule: the last axis of x with the last but one of y, leading axes broadcast."""
    a, b = promote_all([x, y], "number")
    if not a.shape or not b.shape:
        raise TypeRuleError(f"@ needs arrays, not {a.type} and {b.type}")
    inner, other = a.shape[-1], b.shape[-2 if b.type.rank > 1 else 0]
    if inner != other:
        raise TypeRuleError(f"@ of {a.type} and {b.type}: {inner} columns meet {other} rows")
    shared = common_shape(a.shape[:-2], b.shape[:-2])
    batch = _LETTERS[2 : 2 + len(shared)]
    a, left = _label_batch(a, shared, batch, "ax" if a.type.rank > 1 else "x")
    b, right = _label_batch(b, shared, batch, "xb" if b.type.rank > 1 else "x")
    out = batch + ("a" if "a" in left else "") + ("b" if "b" in right else "")
    return contract(a, b, left, right, out)


def outer(x: Value, y: Value) -> Node:
    """All products of an entry of a vector and one of another."""
    a, b = promote_all([x, y], "number")
    if a.type.rank != 1 or b.type.rank != 1:
        raise TypeRuleError(f"outer needs two vectors, not {a.type} and {b.type}")
    return contract(a, b, "a", "b", "ab")


def _label_batch(x: Node, shared: tuple[Size, ...], batch: str, own: str) -> tuple[Node, str]:
    """The labels of an operand, without the leading axes of size 1 that the other operand's are wider than."""
    count = x.type.rank - len(own)
    offset = len(shared) - count
    dropped = tuple(i for i in range(count) if x.shape[i] == ONE and shared[offset + i] != ONE)
    labels = "".join(batch[offset + i] for i in range(count) if i not in dropped)
    return squeeze(x, dropped), labels + own


def _without_lonely(x: Node, labels: str, others: str) -> tuple[Node, str]:
    """Sum over axes whose label occurs nowhere else."""
    lonely = tuple(i for i, label in enumerate(labels) if label not in others)
    return (sum_(x, lonely), "".join(label for label in labels if label in others)) if lonely else (x, labels)


def _rule(types: tuple[Type, ...], attrs: tuple[Any, ...]) -> Type:
    expect_count("contract", types, 2)
    left, right, out = attrs
    sizes: dict[str, Size] = {}
    for labels, given in zip((left, right), types, strict=True):
        if len(labels) != given.rank or len(set(labels)) != len(labels):
            raise TypeRuleError(f"contract cannot label the axes of {given} as {labels!r}")
        for label, extent in zip(labels, given.shape, strict=True):
            if sizes.setdefault(label, extent) != extent:
                raise TypeRuleError(f"contract: the axes {label!r} of {types[0]} and {types[1]} differ in size")
    if types[0].dtype != types[1].dtype or types[0].dtype == BOOL:
        raise TypeRuleError(f"contract needs numbers of one dtype, not {types[0].dtype} and {types[1].dtype}")
    if len(set(out)) != len(out) or any(label not in sizes for label in out):
        raise TypeRuleError(f"contract cannot give axes {out!r} from {left!r} and {right!r}")
    if any(label not in out and not (label in left and label in right) for label in sizes):
        raise TypeRuleError(f"contract sums only labels of both arguments: {left!r}, {right!r} to {out!r}")
    return Type(types[0].dtype, tuple(sizes[label] for label in out))


def _meaning(attrs: tuple[Any, ...], x: Any, y: Any) -> Any:
    import numpy

    left, right, out = attrs
    with numpy.errstate(all="ignore"):
        return numpy.einsum(f"{left},{right}->{out}", x, y)


def _transpose(node: Node, cotangent: Node, index: int) -> Node:
    left, right, out = node.attrs
    x, y = node.args
    return contract(cotangent, y, out, right, left) if index == 0 else contract(cotangent, x, out, left, right)


CONTRACT_OP = register(
    Op("contract", CONTRACT, "sums of products along shared axes", _rule, numpy=_meaning, transpose=_transpose,
       signature=XY, build=matmul, infix="@", precedence=PRODUCT, latex="#1 #2", cost=2,
       example="input X : f64[2, 3]; input w : f64[3]; output r = X @ w",
       reach=reach.of_contraction)
)  # fmt: skip

spelling("outer", "all products of the entries of two vectors, a matrix", XY, outer,
         example="input x : f64[2]; input y : f64[3]; output r = outer(x, y)")  # fmt: skip
