"""Guarded values: tangents and cotangents together with the entries at which they are reached at all.

A choice (`where(c, a, b)`) leaves its other branch unreached: that branch's derivative is zero there, whatever the
branch contains.  A zero in the value cannot say so, for zero times a derivative that is infinite or NaN is NaN; hence
the guard beside the value.  Owns the algebra of the pairs; must not know graphs of operations, only single rules.

A guard is *soft* where it only comes from a derivative with a structural zero (that of `relu`): it is kept while
entries stay entries and dropped where they are summed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from exprc import ops
from exprc.autodiff.axes import any_over, axes_used, spread
from exprc.ir.node import Node, make, rebuild
from exprc.ir.op import LEAF, REDUCE


class Guard(NamedTuple):
    """Entries that are reached.  `node` is bool and has the value's shape.

    Where the guard says of entries reached under `outer` that also `condition` is `chosen`, these are given, so that
    two branches can be joined again.  `hard` is the guard without its soft part.
    """

    node: Node
    outer: Guard | None = None
    condition: Node | None = None
    chosen: bool = True
    soft: bool = False
    hard: Guard | None = None


_Key: TypeAlias = tuple[Node, bool] | None


class Guarded(NamedTuple):
    """A tangent or cotangent: `value` where the guard holds (everywhere, if there is none), zero elsewhere.

    `exact` says that the value itself is zero where the guard does not hold.
    """

    value: Node
    guard: Guard | None = None
    exact: bool = True


def masked(part: Guarded) -> Node:
    """The tangent or cotangent as a plain value."""
    if part.guard is None or part.exact:
        return part.value
    return ops.where(part.guard.node, part.value, 0)


def harden(part: Guarded) -> Guarded:
    """The same without a soft guard."""
    if part.guard is None or not part.guard.soft:
        return part
    return Guarded(masked(part), part.guard.hard)


def is_choice(node: Node) -> bool:
    """Whether the node selects between its last two arguments by its first, entry by entry."""
    return node.op.dtype_rule == "select"


def restrict(part: Guarded, condition: Node, chosen: bool, soft: bool = False) -> Guarded:
    """The part where also the condition is as chosen."""
    if not soft:
        part = harden(part)
    outer = part.guard
    if outer is not None and outer.condition is condition and outer.chosen == chosen and (soft or not outer.soft):
        return part
    literal = condition if chosen else ops.not_(condition)
    node = literal if outer is None else ops.and_(outer.node, literal)
    hard = None
    if soft and outer is not None:
        hard = outer.hard if outer.soft else outer
    return Guarded(part.value, Guard(node, outer, condition, chosen, soft, hard), False)


def join(parts: Sequence[Guarded]) -> Guarded | None:
    """The sum, in a fixed order; None if there are no parts.

    Parts under one guard are added as they are; the parts of both branches of a choice become a choice again.
    """
    if len(parts) < 2:
        return parts[0] if parts else None
    groups: dict[_Key, list[Guarded]] = {}
    for part in parts:
        groups.setdefault(_key(part.guard), []).append(part)
    if len(groups) > 1:
        _merge_branches(groups)
    sums = [_add_under_one_guard(group) for group in groups.values()]
    if len(sums) == 1:
        return sums[0]
    hard = [harden(part) for part in sums]
    total = add_balanced([masked(part) for part in hard])
    reached = dict.fromkeys(part.guard.node for part in hard if part.guard is not None)
    if any(part.guard is None for part in hard):
        return Guarded(total)
    return Guarded(total, Guard(_any_of(list(reached))))


def _any_of(guards: list[Node]) -> Node:
    first, *others = guards
    for guard in others:
        first = ops.or_(first, guard)
    return first


def _key(guard: Guard | None) -> _Key:
    return (guard.node, guard.soft) if guard else None


def _merge_branches(groups: dict[_Key, list[Guarded]]) -> None:
    """Replace pairs of groups, guarded by a condition and by its opposite, by one group under the guard around."""
    branches = {branch: key for key, group in groups.items() if (branch := _branch(group[0].guard))}
    pending = list(branches)
    while pending:
        around, condition, _, soft = pending.pop()
        sides = [branches.get((around, condition, side, soft)) for side in (True, False)]
        if not all(side in groups and side is not None for side in sides):
            continue
        first, second = (_add_under_one_guard(groups.pop(side)) for side in sides)
        assert first.guard is not None
        outer = first.guard.outer
        key = _key(outer)
        if key not in groups:
            groups[key] = []
            branch = _branch(outer)
            if branch is not None:
                branches[branch] = key
                pending.append(branch)
        groups[key].append(Guarded(ops.where(condition, first.value, second.value), outer, False))


def _branch(guard: Guard | None) -> tuple[_Key, Node, bool, bool] | None:
    """The guard around a branch, the condition and side of the branch, and whether it is soft."""
    if guard is None or guard.condition is None:
        return None
    return (_key(guard.outer), guard.condition, guard.chosen, guard.soft)


def _add_under_one_guard(group: list[Guarded]) -> Guarded:
    if len(group) == 1:
        return group[0]
    return Guarded(add_balanced([part.value for part in group]), group[0].guard, all(part.exact for part in group))


def add_balanced(terms: list[Node]) -> Node:
    """The sum of at least one term as a balanced tree, in order."""
    while len(terms) > 1:
        paired = [ops.add(left, right) for left, right in zip(terms[::2], terms[1::2], strict=False)]
        terms = paired + terms[len(paired) * 2 :]
    return terms[0]


# ---- what rules do to a guarded value


def scale(part: Guarded, partial: Node | None, arguments: tuple[Node, ...], dtype: str) -> Guarded | None:
    """The part times the partial derivative that a rule gave for these arguments, in a dtype; None for zero.

    A choice that the rule itself made takes the factor into its branches, so that its zeros stay zeros.  A factor that
    is an argument is the program's: its zeros are numbers, which hide no NaN.
    """
    while True:
        if partial is None:
            return None
        constant = ops.constant_value(partial)
        if constant is not None:
            if constant == 0 and partial not in arguments:
                return None
            return in_dtype(Guarded(_times(part.value, partial), part.guard, part.exact), dtype)
        if not is_choice(partial) or partial in arguments:
            return in_dtype(Guarded(_times(part.value, partial), part.guard, False), dtype)
        condition, first, second = partial.args
        if _is_zero(second):
            part, partial = restrict(part, condition, True, soft=True), first
        elif _is_zero(first):
            part, partial = restrict(part, condition, False, soft=True), second
        else:
            return in_dtype(Guarded(_times_choice(part.value, partial, arguments), part.guard, False), dtype)


def _times_choice(value: Node, partial: Node, arguments: tuple[Node, ...]) -> Node:
    """The product with a rule's choice, branch by branch where one is a choice again."""
    condition, *branches = partial.args
    products = []
    for branch in branches:
        constant = ops.constant_value(branch)
        if constant is not None:
            products.append(ops.zeros(value.shape, value.dtype) if constant == 0 else _times(value, branch))
        elif is_choice(branch) and branch not in arguments:
            products.append(_times_choice(value, branch, arguments))
        else:
            products.append(_times(value, branch))
    return ops.where(condition, *products)


def _times(value: Node, factor: Node) -> Node:
    """The product of a value with a factor of its type, without the work that a factor of 1 or -1 would be."""
    of_value, of_factor = ops.constant_value(value), ops.constant_value(factor)
    if of_factor in (1, -1):
        if of_value is not None:
            return ops.full(of_value * of_factor, value.shape, value.dtype)
        return value if of_factor == 1 else ops.neg(value)
    if of_value in (1, -1):
        return factor if of_value == 1 else ops.neg(factor)
    return ops.mul(value, factor)


def _is_zero(node: Node) -> bool:
    return ops.constant_value(node) == 0


def in_dtype(part: Guarded, dtype: str) -> Guarded:
    """The part cast to a dtype."""
    return part if part.value.dtype == dtype else part._replace(value=ops.cast(part.value, dtype))


def map_linear(part: Guarded, function: Callable[[Node], Node]) -> Guarded:
    """The part under a linear function that moves entries and adds them up: a chain of views and sums."""
    if part.guard is None:
        return Guarded(function(part.value))
    probe = ops.placeholder("probe", part.value.type)
    image = function(probe)
    adds_up = _adds_up(image, probe)
    if adds_up:
        part = harden(part)
    guard = part.guard
    if guard is None:
        return Guarded(function(part.value))
    moved = _image_of(guard.node, image, probe)
    if adds_up:
        return Guarded(function(masked(part)), Guard(moved))
    hard = Guard(_image_of(guard.hard.node, image, probe)) if guard.hard else None
    return Guarded(function(part.value), Guard(moved, soft=guard.soft, hard=hard), part.exact)


def _adds_up(image: Node, probe: Node) -> bool:
    """Whether a chain of views and sums from the probe has sums."""
    while image is not probe:
        if image.kind == REDUCE:
            return True
        (image,) = image.args
    return False


def _image_of(guard: Node, image: Node, probe: Node) -> Node:
    """The guard moved as the probe was to its image, with `any` for sums."""

    def step(node: Node, arguments: tuple[Node, ...]) -> Node:
        if node.kind == REDUCE:
            return any_over(arguments[0], node.attrs[0])
        return make(node.op, arguments, node.attrs)

    return rebuild((image,), step, {probe: guard})[0]


def mix(part: Guarded, function: Callable[[Node], Node]) -> Guarded:
    """The part under a linear function of which nothing is known: every entry may reach every other."""
    part = harden(part)
    value = function(masked(part))
    if part.guard is None:
        return Guarded(value)
    reached = ops.broadcast_to(any_over(part.guard.node, tuple(range(len(part.value.shape)))), value.shape)
    return Guarded(value, Guard(reached), False)


def contract_guarded(
    part: Guarded, labels: str, other: Node, other_labels: str, out: str, swapped: bool = False
) -> Guarded:
    """The contraction of a guarded value with another, which may be anything where the guard does not hold.

    Declared arrays are multiplied as they are, so that a product of arrays remains: data are 0 where nothing that they
    are multiplied with is reached (missing rows are NaN), params are numbers.  `swapped` puts the other one first.
    """

    def contract(value: Node, factor: Node) -> Node:
        if swapped:
            return ops.contract(factor, value, other_labels, labels, out)
        return ops.contract(value, factor, labels, other_labels, out)

    part = harden(part)
    if part.guard is None:
        return Guarded(contract(part.value, other))
    guard = part.guard.node
    sizes = {**dict(zip(labels, part.value.shape, strict=True)), **dict(zip(other_labels, other.shape, strict=True))}
    depends = {labels[axis] for axis in axes_used(guard)}
    reached = Guard(spread(guard, labels, out, sizes))
    if depends <= set(out):
        return Guarded(contract(part.value, other), reached, False)
    value = masked(part)
    if depends <= set(other_labels) or other.kind == LEAF:
        clean = other if ops.is_param(other) else ops.where(spread(guard, labels, other_labels, sizes), other, 0)
        return Guarded(contract(value, clean), reached)
    every = out + "".join(label for label in sizes if label not in out)
    product = ops.mul(spread(value, labels, every, sizes), spread(other, other_labels, every, sizes))
    product = ops.where(spread(guard, labels, every, sizes), product, 0)
    return Guarded(ops.sum_(product, tuple(range(len(out), len(every)))), reached)
