"""Reverse mode: cotangents back through every kind of node, by the same rules as forward mode.

An elementwise node goes by its partials, a view or sum by its transpose, a contraction by permuting its labels.
Where an operation states a tangent instead, that tangent, linear in placeholders, is itself swept back.
Must not know any operation by name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TypeAlias

from exprc.autodiff.errors import NotDifferentiable
from exprc.autodiff.forward import argument_tangent, rule_tangent
from exprc.autodiff.graph import dependents, toposort_to
from exprc.autodiff.guards import (
    Guarded,
    contract_guarded,
    is_choice,
    join,
    map_linear,
    masked,
    mix,
    restrict,
    scale,
)
from exprc.autodiff.loops import pull_scan
from exprc.ir.node import Node
from exprc.ir.op import CONTRACT, DERIVATIVE, ELEMENTWISE, OPAQUE, PROJECT, SCAN

Contributions: TypeAlias = Iterator[tuple[int, Guarded | None]]


def pullback(
    outputs: Sequence[Node], cotangents: Sequence[Node | None], wrt: Sequence[Node]
) -> tuple[Node | None, ...]:
    """The cotangents of `wrt` from those of `outputs`; None is zero.

    A node of `wrt` is a variable of its own: what it was computed from does not count.
    """
    seeds = [None if cotangent is None else Guarded(cotangent) for cotangent in cotangents]
    found = pull(outputs, seeds, wrt, frozenset(wrt))
    return tuple(None if cotangent is None else masked(cotangent) for cotangent in found)


def pull(
    outputs: Sequence[Node],
    cotangents: Sequence[Guarded | None],
    wrt: Sequence[Node],
    boundary: Collection[Node],
    linear: bool = False,
) -> tuple[Guarded | None, ...]:
    """The guarded cotangents of `wrt`; nothing below the boundary, of which `wrt` is a part, is looked at.

    `linear` says that the outputs are linear in `wrt`, as the tangent of a rule is.
    """
    order = toposort_to(outputs, boundary)
    active = dependents(order, frozenset(wrt))
    pending: dict[Node, dict[int, list[Guarded]]] = {}
    for output, cotangent in zip(outputs, cotangents, strict=True):
        if cotangent is not None and output in active:
            _add(pending, output, 0, cotangent)
    found: dict[Node, Guarded] = {}
    wanted = frozenset(wrt)
    for node in reversed(order):
        parts = pending.pop(node, None)
        if parts is None:
            continue
        if node in wanted:
            (total,) = _totals(parts, 1)
            if total is not None:
                found[node] = total
        elif node.kind == PROJECT:
            for part in parts[0]:
                _add(pending, node.args[0], node.attrs[0], part)
        else:
            varied = tuple(argument in active for argument in node.args)
            for index, contribution in _contributions(node, _totals(parts, len(node.types)), varied, linear):
                if contribution is not None and varied[index]:
                    _add(pending, node.args[index], 0, contribution)
    return tuple(found.get(node) for node in wrt)


def _add(pending: dict[Node, dict[int, list[Guarded]]], node: Node, result: int, part: Guarded) -> None:
    pending.setdefault(node, {}).setdefault(result, []).append(part)


def _totals(parts: Mapping[int, list[Guarded]], count: int) -> tuple[Guarded | None, ...]:
    return tuple(join(parts.get(result, ())) for result in range(count))


def _contributions(
    node: Node, cotangents: tuple[Guarded | None, ...], varied: Sequence[bool], linear: bool
) -> Contributions:
    """What the node hands to those of its arguments that are varied."""
    op = node.op
    if node.kind == SCAN:
        yield from pull_scan(node, cotangents, varied, linear, pull)
        return
    cotangent = cotangents[0]
    assert cotangent is not None
    if is_choice(node):
        for index, chosen in ((1, True), (2, False)):
            if varied[index]:
                # A choice that a rule made, and not the program, leaves soft guards only.
                yield index, restrict(cotangent, node.args[0], chosen, soft=linear)
    elif node.kind == ELEMENTWISE and op.partials is not None:
        partials = op.partials(node, *node.args)
        for index, partial in enumerate(partials):
            if varied[index]:
                yield index, scale(cotangent, partial, node.args, node.args[index].dtype)
    elif node.kind == CONTRACT:
        yield from _pull_contract(node, cotangent, varied)
    elif op.jvp is not None and not linear:
        yield from _pull_by_rule(node, cotangent, varied)
    elif op.transpose is not None:
        yield from _pull_linear(node, cotangent, varied)
    elif op.expand is not None:
        wanted = [argument for argument, varies in zip(node.args, varied, strict=True) if varies]
        found = dict(zip(wanted, pull((op.expand(node),), cotangents, wanted, node.args, linear), strict=True))
        for argument in found:
            yield node.args.index(argument), found[argument]
    elif node.kind == DERIVATIVE:
        raise NotDifferentiable(node, "derivatives inside have to be expanded first")
    else:
        raise NotDifferentiable(node, op.no_gradient)


def _pull_contract(node: Node, cotangent: Guarded, varied: Sequence[bool]) -> Contributions:
    left, right = node.args
    left_labels, right_labels, out = node.attrs
    if varied[0]:
        yield 0, contract_guarded(cotangent, out, right, right_labels, left_labels)
    if varied[1]:
        yield 1, contract_guarded(cotangent, out, left, left_labels, right_labels, swapped=True)


def _pull_linear(node: Node, cotangent: Guarded, varied: Sequence[bool]) -> Contributions:
    for index, varies in enumerate(varied):
        if varies:

            def transpose(value: Node, index: int = index) -> Node:
                assert node.op.transpose is not None
                result: Node = node.op.transpose(node, value, index)
                return result

            yield index, mix(cotangent, transpose) if node.kind == OPAQUE else map_linear(cotangent, transpose)


def _pull_by_rule(node: Node, cotangent: Guarded, varied: Sequence[bool]) -> Contributions:
    """By sweeping back the tangent that the operation states, which is linear in the arguments' tangents."""
    tangent = rule_tangent(node, varied)
    if tangent is None:
        return
    wanted = [index for index, varies in enumerate(varied) if varies]
    placeholders = [argument_tangent(node, index) for index in wanted]
    found = pull((tangent,), (cotangent,), placeholders, frozenset((node, *node.args, *placeholders)), linear=True)
    yield from zip(wanted, found, strict=True)
