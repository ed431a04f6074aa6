"""What the tests of array operations share: leaves, values, adjointness, tangents by differences."""

from __future__ import annotations

from typing import Any

import numpy as np

from exprc import ops
from exprc.ir.evaluate import evaluate
from exprc.ir.node import Node
from exprc.ir.op import COMPOSITE, OPAQUE, REDUCE, VIEW
from exprc.ir.sizes import Size, dim
from exprc.ir.types import Type

TABLE = ops.TABLE
OF_KIND = {kind: [op for op in TABLE.values() if op.kind == kind] for kind in (VIEW, REDUCE, COMPOSITE, OPAQUE)}
M, N, K = dim("m"), dim("n"), dim("k")
DIMS = {"m": 2, "n": 3, "k": 4}


def leaf(name: str, shape: tuple[Size, ...], dtype: str = "f64") -> Node:
    return ops.input_(name, Type(dtype, shape))


def concrete(shape: tuple[Size, ...]) -> tuple[int, ...]:
    return tuple(size.evaluate(DIMS) for size in shape)


def array(shape: tuple[Size, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=concrete(shape))


def value(node: Node, **inputs: Any) -> np.ndarray:
    return evaluate([node], inputs, DIMS)[0]


def assert_adjoint(node: Node, position: int, **others: np.ndarray) -> None:
    """<transpose(g), x> = <g, node(x)>, where node is linear in the argument at the position."""
    argument = node.args[position]
    cotangent = leaf("g", node.shape)
    back = node.op.transpose(node, cotangent, position)
    assert back.type == argument.type
    x, g = array(argument.shape, 1), array(node.shape, 2)
    given = {**others, argument.attrs[0]: x, "g": g}
    forward, backward = evaluate([node, back], given, DIMS)
    np.testing.assert_allclose(np.sum(backward * x), np.sum(g * forward), rtol=1e-12, atol=1e-13)


def assert_tangent(node: Node, inputs: dict[str, np.ndarray]) -> None:
    """The tangent of a node in all its float arguments, alone and together, against differences of order 8."""
    every = [a.attrs[0] for a in node.args if a.type.is_float]
    for varied in [[name] for name in every] + [every]:
        directions = {"d" + n: np.random.default_rng(5 + i).normal(size=inputs[n].shape) for i, n in enumerate(varied)}
        tangents = tuple(leaf("d" + a.attrs[0], a.shape) if a.attrs[0] in varied else None for a in node.args)
        tangent = node.op.jvp(node, tangents)
        assert tangent.type == node.type

        weights = [(1, 4 / 5), (2, -1 / 5), (3, 4 / 105), (4, -1 / 280)]
        step = 4e-3
        ends = [(w * s, moved(inputs, directions, s * k * step)) for k, w in weights for s in (1, -1)]
        expected = sum(weight * value(node, **end) for weight, end in ends) / step
        np.testing.assert_allclose(value(tangent, **inputs, **directions), expected, rtol=1e-8, atol=1e-9)


def moved(inputs: dict[str, np.ndarray], directions: dict[str, np.ndarray], t: float) -> dict[str, np.ndarray]:
    return {n: a + t * directions["d" + n] if "d" + n in directions else a for n, a in inputs.items()}
