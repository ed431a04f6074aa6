"""Loops: the tangent of a `scan` is a scan with twice the states, its cotangents come from a scan the other way.

The sweeps over bodies are handed in, since bodies hold every kind of node, loops included.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

from exprc import ops
from exprc.autodiff.graph import dependents
from exprc.autodiff.guards import Guard, Guarded, harden, masked
from exprc.ir.node import Function, Node, make, substitute, toposort
from exprc.ir.sizes import Size
from exprc.ir.types import BOOL, Type

Parts: TypeAlias = tuple[Guarded | None, ...]

# How much must be carried for a tangent or cotangent: nothing, its value, or value and guard.
_ABSENT, _PLAIN, _GUARDED = 0, 1, 2


class _Loop(NamedTuple):
    """A scan taken apart.  `leaves` are the parameters of the body as they stand in it."""

    node: Node
    body: Function
    states: int
    sequences: int
    length: Size
    reverse: bool
    leaves: tuple[Node, ...]

    def element_of(self, index: int) -> bool:
        """Whether the argument is a sequence."""
        return self.states <= index < self.states + self.sequences


class _Wiring(NamedTuple):
    """What a new scan is made of: arrays with the leaves that stand for them, while its body is being made.

    A state is its start, leaf and next value.  What the body does not read of helpers, sequences and captured values
    falls away; helpers are states whose ends nobody wants.
    """

    states: list[tuple[Node, Node, Node]]
    helpers: list[tuple[Node, Node, Node]]
    sequences: list[tuple[Node, Node]]
    captured: list[tuple[Node, Node]]
    emits: list[Node]


# ---- forward


def push_scan(node: Node, tangents: Parts, linear: bool, push: Callable[..., Parts]) -> Parts:
    """The tangents of all results of a scan from those of its arguments."""
    loop = _take_apart(node)
    given = [None if tangent is None else harden(tangent) for tangent in tangents]
    levels = [_level(tangent) for tangent in given]
    while True:
        leaves = [_carried(loop, index, level) for index, level in enumerate(levels)]
        seeds = {loop.leaves[index]: leaf for index, leaf in enumerate(leaves) if leaf is not None}
        found = push(loop.body.results, seeds, frozenset(loop.leaves), linear)
        results = [None if result is None else harden(result) for result in found]
        needed = [max(old, _level(new)) for old, new in zip(levels, results[: loop.states], strict=False)]
        if needed == levels[: loop.states]:
            break
        levels[: loop.states] = needed
    wiring = _original(loop)
    for index, leaf in enumerate(leaves):
        if leaf is None:
            continue
        arrays = _value_and_guard(given[index], loop.node.args[index].type, levels[index])
        if index < loop.states:
            nexts = _value_and_guard(results[index], loop.leaves[index].type, levels[index])
            wiring.states.extend(zip(arrays, _leaves(leaf), nexts, strict=True))
        else:
            pairs = wiring.sequences if loop.element_of(index) else wiring.captured
            pairs.extend(zip(arrays, _leaves(leaf), strict=True))
    emitted = results[loop.states :]
    for result in emitted:
        wiring.emits.extend(_value_and_guard(result, None, _level(result)))
    made = iter(_build(wiring, loop.length, loop.reverse))
    ends = tuple(_take(made, level) for level in levels[: loop.states])
    return ends + tuple(_take(made, _level(result)) for result in emitted)


# ---- reverse


def pull_scan(
    node: Node, cotangents: Parts, varied: Sequence[bool], linear: bool, pull: Callable[..., Parts]
) -> Iterator[tuple[int, Guarded | None]]:
    """The cotangents of a scan's arguments from those of its results, by a scan the other way.

    Its states are the cotangents of the states, and for captured values what they have gathered; the cotangents of
    sequences are emitted.
    """
    loop = _take_apart(node)
    wrt = _varied_leaves(loop, varied)
    given = [None if cotangent is None else harden(cotangent) for cotangent in cotangents]
    given[: loop.states] = [
        part if leaf in wrt else None for part, leaf in zip(given, loop.leaves[: loop.states], strict=False)
    ]
    levels = [_level(part) for part in given]
    while True:
        incoming = [_incoming(loop, index, level) for index, level in enumerate(levels)]
        found = pull(loop.body.results, incoming, wrt, frozenset(loop.leaves), linear)
        outgoing = {leaf: harden(part) for leaf, part in zip(wrt, found, strict=True) if part is not None}
        needed = [max(levels[index], _level(outgoing.get(loop.leaves[index]))) for index in range(loop.states)]
        if needed == levels[: loop.states]:
            break
        levels[: loop.states] = needed
    yield from _run_backwards(loop, given, levels, incoming, outgoing)


def _run_backwards(
    loop: _Loop,
    given: list[Guarded | None],
    levels: list[int],
    incoming: list[Guarded | None],
    outgoing: dict[Node, Guarded],
) -> Iterator[tuple[int, Guarded | None]]:
    wiring = _Wiring([], [], [], [], [])
    for index, leaf in enumerate(incoming):
        if leaf is None:
            continue
        arrays = _value_and_guard(given[index], loop.node.types[index], levels[index])
        if index < loop.states:
            nexts = _value_and_guard(outgoing.get(loop.leaves[index]), loop.leaves[index].type, levels[index])
            wiring.states.extend(zip(arrays, _leaves(leaf), nexts, strict=True))
        else:
            wiring.sequences.extend(zip(arrays, _leaves(leaf), strict=True))
    gathered = [index for index in range(loop.states, len(loop.leaves)) if loop.leaves[index] in outgoing]
    for index in gathered:
        part = outgoing[loop.leaves[index]]
        if loop.element_of(index):
            wiring.emits.extend(_value_and_guard(part, None, _level(part)))
        else:
            wiring.states.extend(_gather(index, part))
    _provide_forward_values(loop, wiring)
    made = _build(wiring, loop.length, not loop.reverse)
    ends, emits = iter(made[: len(wiring.states)]), iter(made[len(wiring.states) :])
    for index in range(loop.states):
        if levels[index]:
            yield index, _take(ends, levels[index])
    for index in gathered:
        yield index, _take(emits if loop.element_of(index) else ends, _level(outgoing[loop.leaves[index]]))


def _varied_leaves(loop: _Loop, varied: Sequence[bool]) -> tuple[Node, ...]:
    """The body's parameters that depend on what is varied outside, states through other states included."""
    seeds = {leaf for leaf, varies in zip(loop.leaves, varied, strict=True) if varies and leaf.type.is_float}
    order = toposort(loop.body.results)
    while True:
        reached = dependents(order, seeds)
        more = {
            leaf
            for leaf, result in zip(loop.leaves[: loop.states], loop.body.results, strict=False)
            if result in reached and leaf.type.is_float
        }
        if more <= seeds:
            return tuple(leaf for leaf in loop.leaves if leaf in seeds)
        seeds |= more


def _incoming(loop: _Loop, result: int, level: int) -> Guarded | None:
    """The leaves for the cotangent of one result of the body."""
    return _guarded_leaves(f"cotangent {result}", loop.body.results[result].type, level)


def _gather(index: int, part: Guarded) -> Iterator[tuple[Node, Node, Node]]:
    """States that add up the cotangent of a captured value over all steps."""
    value = masked(part)
    total = ops.placeholder(f"gathered {index}", value.type)
    yield ops.zeros(value.shape, value.dtype), total, ops.add(total, value)
    if part.guard is not None:
        guard = part.guard.node
        reached = ops.placeholder(f"gathered guard {index}", guard.type)
        yield ops.full(False, guard.shape, BOOL), reached, ops.or_(reached, guard)


def _provide_forward_values(loop: _Loop, wiring: _Wiring) -> None:
    """Wire what the forward loop read in each step: its sequences, captured values and states before the step."""
    needed = set(toposort([*wiring.emits, *[after for _, _, after in wiring.states]]))
    stored = [leaf for leaf in loop.leaves[: loop.states] if leaf in needed]
    for leaf, values in zip(stored, _store(loop, stored), strict=True):
        wiring.sequences.append((values, leaf))
    for index in range(loop.states, len(loop.leaves)):
        pair = (loop.node.args[index], loop.leaves[index])
        (wiring.sequences if loop.element_of(index) else wiring.captured).append(pair)


def _store(loop: _Loop, leaves: list[Node]) -> list[Node]:
    """The values of states before each step, by the forward loop itself where it does not emit them already."""
    results = list(loop.body.results)
    missing = [leaf for leaf in leaves if leaf not in results[loop.states :]]
    node = loop.node
    if missing:
        body = Function(loop.body.parameters, (*results, *missing))
        results = list(body.results)
        node = make(node.op, node.args, (body, *node.attrs[1:]))
    return [ops.project(node, results.index(leaf, loop.states)) for leaf in leaves]


# ---- both


def _take_apart(node: Node) -> _Loop:
    body, states, sequences, length, reverse = node.attrs
    leaves = tuple(ops.arg(index, type) for index, type in enumerate(body.parameters))
    return _Loop(node, body, states, sequences, length, reverse, leaves)


def _original(loop: _Loop) -> _Wiring:
    """Wiring that computes what the scan does, for others to read."""
    triples = list(zip(loop.node.args, loop.leaves, loop.body.results[: loop.states], strict=False))
    pairs = list(zip(loop.node.args, loop.leaves, strict=True))[loop.states :]
    return _Wiring([], triples, pairs[: loop.sequences], pairs[loop.sequences :], [])


def _level(part: Guarded | None) -> int:
    return _ABSENT if part is None else _PLAIN if part.guard is None else _GUARDED


def _carried(loop: _Loop, index: int, level: int) -> Guarded | None:
    """The leaves for the tangent of one parameter of the body."""
    return _guarded_leaves(f"carried {index}", loop.leaves[index].type, level)


def _guarded_leaves(label: str, type: Type, level: int) -> Guarded | None:
    if level == _ABSENT:
        return None
    value = ops.placeholder(label, type)
    guard = Guard(ops.placeholder(f"{label} guard", type.with_dtype(BOOL))) if level == _GUARDED else None
    return Guarded(value, guard)


def _leaves(part: Guarded) -> list[Node]:
    return [part.value, part.guard.node] if part.guard is not None else [part.value]


def _value_and_guard(part: Guarded | None, type: Type | None, level: int) -> list[Node]:
    """The value, and the guard if it is carried: false everywhere for an absent part, true for a plain one."""
    if level == _ABSENT:
        return []
    if part is None:
        assert type is not None
        values = [ops.zeros(type.shape, type.dtype)]
    else:
        values = [masked(part)]
    if level == _GUARDED:
        guard = part.guard if part is not None else None
        values.append(guard.node if guard else ops.full(part is not None, values[0].shape, BOOL))
    return values


def _take(made: Iterator[Node], level: int) -> Guarded | None:
    """The next value, and guard if there is one, as a part."""
    if level == _ABSENT:
        return None
    value = next(made)
    return Guarded(value, Guard(next(made)) if level == _GUARDED else None)


def _build(wiring: _Wiring, length: Size, reverse: bool) -> tuple[Node, ...]:
    """The ends of the states and the stacked emits of the scan that is wired so."""
    helpers = _helpers_read(wiring)
    states = wiring.states + helpers
    results = (*[after for _, _, after in states], *wiring.emits)
    if not results:
        return ()
    read = set(toposort(results))
    sequences = [pair for pair in wiring.sequences if pair[1] in read]
    captured = [pair for pair in wiring.captured if pair[1] in read]
    leaves = [*[leaf for _, leaf, _ in states], *[leaf for _, leaf in sequences + captured]]
    numbered = {leaf: ops.arg(index, leaf.type) for index, leaf in enumerate(leaves)}
    body = Function(tuple(leaf.type for leaf in leaves), substitute(results, numbered))
    starts = [start for start, _, _ in states]
    made = ops.scan(body, starts, [a for a, _ in sequences], [value for value, _ in captured], length, reverse)
    return made[: len(wiring.states)] + made[len(states) :]


def _helpers_read(wiring: _Wiring) -> list[tuple[Node, Node, Node]]:
    """The helpers on which states and emits depend, directly or by way of other helpers."""
    roots = [*[after for _, _, after in wiring.states], *wiring.emits]
    kept: list[tuple[Node, Node, Node]] = []
    while True:
        read = set(toposort(roots))
        more = [helper for helper in wiring.helpers if helper[1] in read and helper not in kept]
        if not more:
            return [helper for helper in wiring.helpers if helper in kept]
        kept += more
        roots += [after for _, _, after in more]
