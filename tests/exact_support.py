"""Small graphs of scalars computed twice: by their scalar programs in floating point, and by mpmath.

The exact values carry the error that rounding every operation to nearest may cause, to first order, so that two forms
can be compared at the scale of their largest terms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import mpmath as mp
import numpy as np

from exprc.ir.evaluate import evaluate as interpret
from exprc.ir.node import Node, toposort
from exprc.ir.op import LEAF
from exprc.ops import TABLE
from exprc.rewrite import expand_composites
from exprc.scalar.program import Builder, evaluate

NUMPY: dict[str, Any] = {"f64": np.float64, "f32": np.float32, "i64": np.int64, "bool": np.bool_}
EPSILON = {"f64": 2.0**-53, "f32": 2.0**-24}
LEAST = {"f64": 2.0**-1074, "f32": 2.0**-149}


def run(roots: Sequence[Node], inputs: Mapping[str, np.ndarray], dims: Mapping[str, int] = {}) -> list[np.ndarray]:
    """The values of scalar nodes, at all places of the inputs at once, by the programs that are compiled."""
    builder, values = Builder(), dict[Node, int]()
    expanded = expand_composites(roots)
    order = toposort(expanded)
    for node in order:
        values[node] = _instruction(builder, node, [values[argument] for argument in node.args], dims)
    known = {node.attrs[0]: inputs[node.attrs[0]] for node in order if node.kind == LEAF and "free" in node.op.laws}
    shape = np.broadcast_shapes(*[array.shape for array in inputs.values()])
    return [np.broadcast_to(v, shape) for v in evaluate(builder, [values[root] for root in expanded], known)]


def _instruction(builder: Builder, node: Node, arguments: list[int], dims: Mapping[str, int]) -> int:
    if node.op is TABLE["broadcast"]:
        return arguments[0]
    if node.kind == LEAF and "free" in node.op.laws:
        return builder.input(node.attrs[0], node.dtype)
    if node.kind == LEAF:
        return builder.const(node.dtype, interpret([node], {}, dims)[0].item())
    assert node.op.program is not None
    return node.op.program(builder, *arguments, *node.attrs)


class Value(NamedTuple):
    """An exact value, the error that rounding may bring in units of half an ulp of 1, the largest term
    that it is of.
    """

    value: Any
    error: Any
    largest: Any


def sigmoid(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x)) if x >= 0 else mp.exp(x) / (1 + mp.exp(x))


def softplus(x: Any) -> Any:
    return max(x, mp.mpf(0)) + mp.log1p(mp.exp(-abs(x)))


def logaddexp(x: Any, y: Any) -> Any:
    return max(x, y) + mp.log1p(mp.exp(-abs(x - y)))


def log1mexp(x: Any) -> Any:
    return mp.log(-mp.expm1(x)) if x > -1 else mp.log1p(-mp.exp(x))


def erf(x: Any) -> Any:
    return mp.erf(x) if abs(x) < 1000 else mp.sign(x)


def erfc(x: Any) -> Any:
    return mp.erfc(x) if abs(x) < 1000 else mp.mpf(0 if x > 0 else 2)


EXACT: dict[str, Callable[..., Any]] = {
    "add": lambda x, y: x + y, "sub": lambda x, y: x - y, "mul": lambda x, y: x * y, "div": lambda x, y: x / y,
    "neg": lambda x: -x, "abs": abs, "sign": lambda x: mp.sign(x), "power": mp.power, "sqrt": mp.sqrt,
    "exp": mp.exp, "expm1": mp.expm1, "log": mp.log, "log1p": mp.log1p, "log1mexp": log1mexp, "logaddexp": logaddexp,
    "sigmoid": sigmoid, "softplus": softplus, "log_sigmoid": lambda x: -softplus(-x), "tanh": mp.tanh,
    "erf": erf, "erfc": erfc,
    "where": lambda c, x, y: x if c else y, "eq": lambda x, y: x == y, "ne": lambda x, y: x != y,
    "lt": lambda x, y: x < y, "gt": lambda x, y: x > y, "not": lambda x: not x, "and": lambda x, y: x and y,
    "broadcast": lambda x: x, "cast": lambda x: x, "beside": lambda x: x,
}  # fmt: skip


def exact(root: Node, inputs: Mapping[str, Any], dims: Mapping[str, int] = {}) -> Value | None:
    """The exact value at one place, in the working precision; None where the formula has no real value there."""
    values: dict[Node, Value] = {}
    for node in toposort((root,)):
        found = _exact_node(node, [values[argument] for argument in node.args], inputs, dims)
        if found is None:
            return None
        values[node] = found
    return values[root]


def _exact_node(node: Node, arguments: list[Value], inputs: Mapping[str, Any], dims: Mapping[str, int]) -> Value | None:
    if node.kind == LEAF:
        free = "free" in node.op.laws
        given = inputs[node.attrs[0]] if free else interpret([node], {}, dims)[0].item()
        value = given if node.dtype == "bool" else mp.mpf(float(given))
        size = abs(value) if node.type.is_float else mp.mpf(0)
        return Value(value, mp.mpf(0) if free else size, size)
    try:
        value = EXACT[node.op.name](*[argument.value for argument in arguments])
    except (ZeroDivisionError, ValueError):
        return None
    if isinstance(value, mp.mpc) or (not isinstance(value, bool) and not mp.isfinite(value)):
        return None
    if isinstance(value, bool):
        return Value(value, mp.mpf(0), mp.mpf(0))
    errors = [argument.error for argument in arguments]
    largest = max([abs(value), *[argument.largest for argument in arguments]])
    return Value(value, abs(value) + _propagated(node.op.name, value, [a.value for a in arguments], errors), largest)


def _propagated(name: str, value: Any, arguments: list[Any], errors: list[Any]) -> Any:
    """The first-order effect of the arguments' errors."""
    if name == "mul":
        return abs(arguments[0]) * errors[1] + abs(arguments[1]) * errors[0]
    if name == "div":
        return (errors[0] + abs(value) * errors[1]) / abs(arguments[1])
    if name == "power":
        return abs(arguments[1] * value / arguments[0]) * errors[0] if arguments[0] else errors[0]
    if name == "sqrt":
        return errors[0] / value if value else mp.mpf(0)
    return sum(errors)


def ulp(value: Any, dtype: str) -> Any:
    """The spacing of the format at a value."""
    _, exponent = mp.frexp(value)
    return max(mp.ldexp(2 * EPSILON[dtype], exponent - 1), mp.mpf(LEAST[dtype]))


def assert_same_bits(left: np.ndarray, right: np.ndarray, message: str = "") -> None:
    """Equal bits, any NaN being equal to any other."""
    assert left.dtype == right.dtype
    if left.dtype.kind == "f":
        same = (np.isnan(left) & np.isnan(right)) | ((left == right) & (np.signbit(left) == np.signbit(right)))
        assert np.all(same), f"{message}: {left[~same][:4]} and {right[~same][:4]}"
    else:
        np.testing.assert_array_equal(left, right, message)
