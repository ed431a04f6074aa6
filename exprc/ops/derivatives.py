"""Derivatives as nodes, and the two identities that steer them.

`grad`, `jvp` and `vjp` are expanded by the autodiff, innermost first; `stop_gradient` hides its argument from them;
`named` marks the definition with respect to which something is differentiated.
"""

from __future__ import annotations

from typing import Any

from exprc.ir import reach
from exprc.ir.node import Node, make
from exprc.ir.op import DERIVATIVE, ELEMENTWISE, Op, TypeRuleError
from exprc.ir.types import Type
from exprc.ops.table import Value, array, as_node, constant_like, expect_count, nothing, register


def grad(value: Node, wrt: Node) -> Node:
    """The gradient of a scalar with respect to what stands for a name."""
    return make(GRAD, (value, wrt))


def jvp(value: Node, wrt: Node, tangent: Node) -> Node:
    """The derivative of a value in a direction."""
    return make(JVP, (value, wrt, tangent))


def vjp(value: Node, wrt: Node, cotangent: Node) -> Node:
    """The derivative of a value, weighted with a cotangent."""
    return make(VJP, (value, wrt, cotangent))


def stop_gradient(x: Value) -> Node:
    """The value, constant for derivatives."""
    return make(STOP_GRADIENT, (as_node(x),))


def named(x: Node, label: str) -> Node:
    """The value under the name of its definition."""
    return make(NAMED, (x,), (label,))


def _expect_floats(name: str, *types: Type) -> None:
    for given in types:
        if not given.is_float:
            raise TypeRuleError(f"{name} needs floats, not {given}")


def _grad_rule(types: tuple[Type, ...], attrs: tuple[Any, ...]) -> Type:
    expect_count("grad", types, 2)
    value, wrt = types
    if value.shape:
        raise TypeRuleError(f"grad needs a scalar, not {value}")
    _expect_floats("grad", *types)
    return wrt


def _jvp_rule(types: tuple[Type, ...], attrs: tuple[Any, ...]) -> Type:
    expect_count("jvp", types, 3)
    value, wrt, tangent = types
    _expect_floats("jvp", *types)
    if tangent != wrt:
        raise TypeRuleError(f"jvp with respect to {wrt} needs a direction of that type, not {tangent}")
    return value


def _vjp_rule(types: tuple[Type, ...], attrs: tuple[Any, ...]) -> Type:
    expect_count("vjp", types, 3)
    value, wrt, cotangent = types
    _expect_floats("vjp", *types)
    if cotangent != value:
        raise TypeRuleError(f"vjp of {value} needs a weight of that type, not {cotangent}")
    return wrt


def _identity_rule(types: tuple[Type, ...], attrs: tuple[Any, ...]) -> Type:
    expect_count("an identity", types, 1)
    return types[0]


_F, _W = array("f"), array("w")

GRAD = register(
    Op("grad", DERIVATIVE, "the gradient of a scalar", _grad_rule, signature=(array("E"), _W),
       build=lambda E, w: grad(E, w), latex=r"\frac{\partial #1}{\partial #2}",
       example="param w : f64; loss E = w * w; output g = grad(E, w)")
)  # fmt: skip
JVP = register(
    Op("jvp", DERIVATIVE, "the derivative of f in direction v", _jvp_rule, signature=(_F, _W, array("v")),
       build=lambda f, w, v: jvp(f, w, v), latex=r"\frac{\partial #1}{\partial #2} #3",
       example="param w : f64; f = w * w; output g = jvp(f, w, 1.0)")
)  # fmt: skip
VJP = register(
    Op("vjp", DERIVATIVE, "the derivative of f weighted with u", _vjp_rule, signature=(_F, _W, array("u")),
       build=lambda f, w, u: vjp(f, w, u), latex=r"#3^\top \frac{\partial #1}{\partial #2}",
       example="param w : f64; f = w * w; output g = vjp(f, w, 1.0)")
)  # fmt: skip
STOP_GRADIENT = register(
    Op("stop_gradient", ELEMENTWISE, "the value, constant for derivatives", _identity_rule, signature=(array("x"),),
       build=stop_gradient, numpy=lambda attrs, x: x, program=lambda builder, x: x, partials=nothing(1),
       dtype_rule="any", domain=((-3.0, 3.0),), laws=frozenset(("idempotent",)), latex="#1", cost=0,
       example="param x : f64; loss E = x * stop_gradient(x)",
       reach=reach.of_first)
)  # fmt: skip
NAMED = register(
    Op("named", ELEMENTWISE, "a value under the name of its definition", _identity_rule,
       numpy=lambda attrs, x: x, program=lambda builder, x, label: x,
       partials=lambda out, x: (constant_like(out, 1),), dtype_rule="any", domain=((-3.0, 3.0),), latex="#1", cost=0,
       example="param x : f64; a = 2 * x; loss E = a * a; output g = grad(E, a)",
       reach=reach.of_first)
)  # fmt: skip
