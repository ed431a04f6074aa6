"""Which values only the operands of `rare` need, and the order in which a program passes them by.

Owns the grouping: the `rare` of one condition are decided by one branch.  Emits nothing.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from exprc.scalar.builder import Instruction


class Detour(NamedTuple):
    """What is computed only where a condition holds in some lane: the values inside, and the `rare` that they serve."""

    condition: int
    inside: tuple[int, ...]
    results: tuple[int, ...]


Step = int | Detour


def in_turn(instructions: Sequence[Instruction], values: Sequence[int], kept: Container[int]) -> tuple[Step, ...]:
    """Values in an order in which they can be computed; `kept` are those that others than these values use."""
    if not any(instructions[value].op == "rare" for value in values):
        return tuple(values)
    detours = _detours(instructions, values, kept)
    return _ordered(instructions, values, detours) if detours else tuple(values)


def _detours(instructions: Sequence[Instruction], values: Sequence[int], kept: Container[int]) -> list[Detour]:
    """Groups of equal condition and rank: of these none depends on another.  The last ones first: they take most."""
    ranks: dict[int, int] = {}
    groups: dict[tuple[int, int], list[int]] = {}
    users: dict[int, list[int]] = {}
    for value in values:
        op, args, _, _ = instructions[value]
        for arg in args:
            users.setdefault(arg, []).append(value)
        ranks[value] = max([ranks.get(arg, 0) for arg in args], default=0) + (op == "rare")
        if op == "rare":
            groups.setdefault((ranks[value], args[0]), []).append(value)
    taken: set[int] = set()
    found = []
    for (_, condition), members in sorted(groups.items(), reverse=True):
        results = {value for value in members if value not in taken}
        inside: set[int] = set()
        pending = [-instructions[value].args[1] for value in results]
        heapify(pending)
        while pending:  # the last values first, so that all users of a value are known when it comes
            value = -heappop(pending)
            own = value in users and value not in inside and value not in results and value not in kept
            if not own or value not in ranks or instructions[value].op in ("input", "const"):
                continue
            if all(_serves(instructions, value, user, inside, results) for user in users[value]):
                inside.add(value)
                for arg in instructions[value].args:
                    heappush(pending, -arg)
        if inside:
            taken |= inside | results
            found.append(Detour(condition, tuple(sorted(inside)), tuple(sorted(results))))
    return found


def _serves(instructions: Sequence[Instruction], value: int, user: int, inside: set[int], results: set[int]) -> bool:
    """Whether a user needs a value only where the condition holds."""
    if user in results:
        condition, _, otherwise = instructions[user].args
        return value not in (condition, otherwise)
    return user in inside


def _ordered(instructions: Sequence[Instruction], values: Sequence[int], detours: list[Detour]) -> tuple[Step, ...]:
    """Values and detours, each after all that it needs."""
    step_of: dict[int, Step] = {value: value for value in values}
    for detour in detours:
        for value in (*detour.inside, *detour.results):
            step_of[value] = detour
    done: set[Step] = set()
    order: list[Step] = []
    for value in values:
        pending = [step_of[value]]
        while pending:
            step = pending[-1]
            if step in done:
                pending.pop()
                continue
            needed = _needs(instructions, step)
            missing = [step_of[arg] for arg in needed if arg in step_of and step_of[arg] not in done]
            missing = [other for other in missing if other is not step]
            if missing:
                pending.extend(missing)
            else:
                done.add(step)
                order.append(step)
                pending.pop()
    return tuple(order)


def _needs(instructions: Sequence[Instruction], step: Step) -> Sequence[int]:
    """The values that a step uses; a detour's own are among them."""
    if isinstance(step, int):
        return instructions[step].args
    return [arg for value in (*step.inside, *step.results) for arg in instructions[value].args]
