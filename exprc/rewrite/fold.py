"""Folding: operations on constants done by the compiler.

Only arithmetic whose result is the same in every IEEE implementation; what NumPy or a library would have to compute is
left to the kernels, where it is done once.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from exprc.ir.node import Node
from exprc.ir.op import ELEMENTWISE, Op
from exprc.ir.types import FLOATS
from exprc.ops import TABLE, leaves
from exprc.ops.leaves import constant_value

EXACT_INTEGERS = 2**53
_FOLDED: dict[Op, Callable[..., Any]] = {
    TABLE["add"]: operator.add,
    TABLE["sub"]: operator.sub,
    TABLE["mul"]: operator.mul,
    TABLE["neg"]: operator.neg,
    TABLE["div"]: operator.truediv,
    TABLE["sqrt"]: lambda value: _exact_root(value),
    TABLE["abs"]: abs,
}


def fold(node: Node) -> Node | None:
    """The constant that an elementwise node of constants is, else None."""
    if node.kind != ELEMENTWISE or not node.args:
        return None
    if node.op is TABLE["cast"]:
        return _fold_cast(node)
    function = _FOLDED.get(node.op)
    if function is None:
        return None
    values = [constant_value(argument) for argument in node.args]
    if any(value is None or isinstance(value, bool) for value in values):
        return None
    try:
        result = function(*values)
    except (ArithmeticError, ValueError):
        return None
    if node.dtype in FLOATS and (math.isnan(result) or math.isinf(result)):
        return None
    return leaves.full(result, node.shape, node.dtype)


def _exact_root(value: float) -> float:
    """The root where it is a whole number; others keep their form, which a reader knows."""
    root = math.sqrt(value)
    if root != int(root) or root * root != value:
        raise ValueError(value)
    return root


def _fold_cast(node: Node) -> Node | None:
    value = constant_value(node.args[0])
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if node.dtype not in FLOATS and isinstance(value, float):
        return None
    if node.dtype in FLOATS and abs(value) > EXACT_INTEGERS:
        return None  # rounded twice on the way to f32
    return leaves.full(value, node.shape, node.dtype)
