"""Forward mode: tangents through every kind of node.

A tangent is None where it is structurally zero.  Must not know any operation by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from exprc import ops
from exprc.autodiff.errors import NotDifferentiable
from exprc.autodiff.graph import dependents, toposort_to
from exprc.autodiff.guards import (
    Guarded,
    contract_guarded,
    harden,
    in_dtype,
    is_choice,
    join,
    map_linear,
    masked,
    mix,
    restrict,
    scale,
)
from exprc.autodiff.loops import push_scan
from exprc.ir.node import Node, make
from exprc.ir.op import CONTRACT, DERIVATIVE, ELEMENTWISE, OPAQUE, PROJECT, SCAN

Tangents: TypeAlias = tuple[Guarded | None, ...]


def pushforward(
    outputs: Sequence[Node], wrt: Sequence[Node], tangents: Sequence[Node | None]
) -> tuple[Node | None, ...]:
    """The tangents of `outputs` when each node of `wrt` is varied by itself along its tangent; None is zero.

    A node of `wrt` is a variable of its own: what it was computed from does not count.
    """
    seeds = {node: Guarded(tangent) for node, tangent in zip(wrt, tangents, strict=True) if tangent is not None}
    found = push(outputs, seeds, frozenset(wrt))
    return tuple(None if tangent is None else masked(tangent) for tangent in found)


def push(
    outputs: Sequence[Node], seeds: Mapping[Node, Guarded], boundary: frozenset[Node], linear: bool = False
) -> Tangents:
    """The guarded tangents of `outputs`; nothing at or below the boundary is looked at but the seeds.

    `linear` says that the graph is linear in the seeds, as the tangent of a rule is.
    """
    order = toposort_to(outputs, boundary)
    active = dependents(order, seeds)
    known: dict[Node, Tangents] = {node: (seed,) for node, seed in seeds.items()}
    for node in order:
        if node in active and node not in known:
            inputs = [known.get(argument) or (None,) * len(argument.types) for argument in node.args]
            if node.kind == PROJECT:
                known[node] = (inputs[0][node.attrs[0]],)
            elif any(tangent is not None for group in inputs for tangent in group):
                known[node] = _tangents(node, tuple(group[0] for group in inputs), linear)
    return tuple(known.get(output, (None,))[0] for output in outputs)


def _tangents(node: Node, tangents: Tangents, linear: bool) -> Tangents:
    op = node.op
    if node.kind == SCAN:
        return push_scan(node, tangents, linear, push)
    if is_choice(node):
        return (_push_choice(node, tangents, linear),)
    if node.kind == ELEMENTWISE and op.partials is not None:
        return (_push_elementwise(node, tangents),)
    if node.kind == CONTRACT:
        return (_push_contract(node, tangents),)
    if op.jvp is not None and not linear:
        return (_push_by_rule(node, tangents),)
    if op.transpose is not None:
        return (_push_linear(node, tangents),)
    if op.expand is not None:
        seeds = {argument: t for argument, t in zip(node.args, tangents, strict=True) if t is not None}
        return push((op.expand(node),), seeds, frozenset(node.args), linear)
    if node.kind == DERIVATIVE:
        raise NotDifferentiable(node, "derivatives inside have to be expanded first")
    raise NotDifferentiable(node, op.no_gradient)


def _push_choice(node: Node, tangents: Tangents, linear: bool) -> Guarded | None:
    """The choice of the tangents; one that a rule made, and not the program, leaves soft guards only."""
    condition = node.args[0]
    branches = zip((True, False), tangents[1:], strict=True)
    return join([restrict(part, condition, chosen, soft=linear) for chosen, part in branches if part is not None])


def _push_elementwise(node: Node, tangents: Tangents) -> Guarded | None:
    assert node.op.partials is not None
    terms = []
    for tangent, partial in zip(tangents, node.op.partials(node, *node.args), strict=True):
        if tangent is not None:
            term = scale(in_dtype(tangent, node.dtype), partial, node.args, node.dtype)
            if term is not None:
                terms.append(term)
    return join(terms)


def _push_contract(node: Node, tangents: Tangents) -> Guarded | None:
    left, right = node.args
    left_labels, right_labels, out = node.attrs
    terms = []
    if tangents[0] is not None:
        terms.append(contract_guarded(tangents[0], left_labels, right, right_labels, out))
    if tangents[1] is not None:
        terms.append(contract_guarded(tangents[1], right_labels, left, left_labels, out, swapped=True))
    return join(terms)


def _push_linear(node: Node, tangents: Tangents) -> Guarded | None:
    """A node that is linear in each argument that has a tangent; the other arguments stay."""
    terms = []
    for index, tangent in enumerate(tangents):
        if tangent is not None:

            def apply(value: Node, index: int = index) -> Node:
                return make(node.op, (*node.args[:index], value, *node.args[index + 1 :]), node.attrs)

            terms.append(mix(tangent, apply) if node.kind == OPAQUE else map_linear(tangent, apply))
    return join(terms)


def _push_by_rule(node: Node, tangents: Tangents) -> Guarded | None:
    """By the tangent that the operation states; where there are guards they go through its graph."""
    assert node.op.jvp is not None
    hardened = [None if tangent is None else harden(tangent) for tangent in tangents]
    if all(tangent is None or tangent.guard is None for tangent in hardened):
        result = node.op.jvp(node, tuple(None if tangent is None else tangent.value for tangent in hardened))
        return None if result is None else Guarded(result)
    seeds = {argument_tangent(node, index): t for index, t in enumerate(hardened) if t is not None}
    result = rule_tangent(node, [tangent is not None for tangent in hardened])
    if result is None:
        return None
    return push((result,), seeds, frozenset((node, *node.args, *seeds)), linear=True)[0]


def rule_tangent(node: Node, varied: Sequence[bool]) -> Node | None:
    """The tangent that the operation of the node states, in terms of placeholders for the tangents of arguments."""
    assert node.op.jvp is not None
    tangents = tuple(argument_tangent(node, i) if varies else None for i, varies in enumerate(varied))
    result: Node | None = node.op.jvp(node, tangents)
    return result


def argument_tangent(node: Node, index: int) -> Node:
    """The placeholder for the tangent of an argument."""
    return ops.placeholder(f"rule tangent {index}", node.args[index].type)
