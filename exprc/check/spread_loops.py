"""Loops of an entry for all entries at once: states, elements and results get the axes of indices.

Owns which state depends on which index.  Must not know other operations.
"""

from __future__ import annotations

from exprc.check.spreading import NotSpread, Spread, Spreader
from exprc.ir.node import Function, Node
from exprc.ops.leaves import arg
from exprc.ops.scan import scan
from exprc.ops.views import transpose

DEEPEST_LOOP = 40


def spread_loop(spreader: Spreader, node: Node, args: list[Spread]) -> Spread:
    """A loop for all entries at once: each state has the axes of the indices that it comes to depend on."""
    body, states, sequences, length, reverse = node.attrs
    if spreader.depth >= DEEPEST_LOOP:
        raise NotSpread(f"more than {DEEPEST_LOOP} loops within each other")
    given = [one.indices for one in args]
    while True:
        results = _body(spreader, body, given, sequences, states)
        grown = [spreader.sorted(given[i], results[i].indices) for i in range(states)]
        if grown == given[:states]:
            break
        given[:states] = grown
    starts = [spreader.aligned(one, indices) for one, indices in zip(args[:states], given, strict=False)]
    rows = [_time_first(one) for one in args[states : states + sequences]]
    captured = [one.node for one in args[states + sequences :]]
    after = [spreader.aligned(one, indices) for one, indices in zip(results[:states], given, strict=False)]
    emitted = results[states:]
    parameters = tuple(_parameter(spreader, body, i, given[i]).type for i in range(len(given)))
    function = Function(parameters, (*after, *(one.node for one in emitted)))
    made = scan(function, starts, rows, captured, length, reverse)
    finals = [Spread(made[i], given[i]) for i in range(states)]
    stacked = [_time_behind(value, one.indices) for value, one in zip(made[states:], emitted, strict=True)]
    spreader.results[node] = finals + stacked
    return Spread(made[0].args[0] if made[0].args else made[0], ())


def _parameter(spreader: Spreader, body: Function, index: int, indices: tuple[str, ...]) -> Node:
    given = body.parameters[index]
    return arg(index, given.with_shape(spreader.extents(indices) + given.shape))


def _body(
    spreader: Spreader, body: Function, given: list[tuple[str, ...]], sequences: int, states: int
) -> list[Spread]:
    """The results of a loop's body for parameters with these indices."""
    parameters = {
        arg(i, type): Spread(_parameter(spreader, body, i, indices), indices)
        for i, (type, indices) in enumerate(zip(body.parameters, given, strict=True))
    }
    inner = spreader.within(parameters)
    found = []
    for result in body.results:
        inner.at = spreader.at
        found.append(inner.spread(result))
    return found


def _time_first(value: Spread) -> Node:
    own = len(value.indices)
    return transpose(value.node, (own, *range(own), *range(own + 1, value.node.type.rank)))


def _time_behind(node: Node, indices: tuple[str, ...]) -> Spread:
    own = len(indices)
    return Spread(transpose(node, (*range(1, own + 1), 0, *range(own + 1, node.type.rank))), indices)


def spread_result(spreader: Spreader, node: Node, args: list[Spread]) -> Spread:
    """One of the results of a loop."""
    results = spreader.results.get(node.args[0])
    if results is None:
        raise NotSpread(f"`{node.args[0].op.name}`")
    found: Spread = results[node.attrs[0]]
    return found
