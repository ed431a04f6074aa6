"""The state of a nest's emission: what has been computed where the text stands now, and how to compute more of it.

Owns values and pointers of the body; loops and reductions are `nest`'s.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from exprc.ir.index import Affine, Guard
from exprc.ir.sizes import ZERO, constant
from exprc.lower.address import Scope, scalar_index, vector_index
from exprc.lower.analysis import Access, Work
from exprc.lower.emit import MEMORY_TYPES, lane_numbers, literal, register_type, vector_type
from exprc.lower.memory import Lanes, load_lanes, load_scalar
from exprc.lower.outline import call_routine
from exprc.lower.rare import Detour
from exprc.lower.values import convert, emit_instruction, open_detour
from exprc.schedule.kernel import Holds, IndexValue, Load

Copy = tuple[int, ...]


class Frame:
    """Values and pointers by (number, copy).

    The copy says for each axis which of the steps done at once is meant, 0 for axes on which the value does not
    depend.  What a loop computes is overwritten when its next form is emitted.
    """

    __slots__ = (
        "_pointers", "_splats", "_values", "active", "compact", "function", "masks", "scope", "settled", "variables",
        "work",
    )  # fmt: skip

    def __init__(self, scope: Scope, work: Work) -> None:
        self.scope, self.work, self.function = scope, work, scope.function
        self.settled: frozenset[Guard] = frozenset()  # guards that are known to hold
        self.compact = False  # every step of the vector axis masked, so that the body is there once
        self.active = [1] * len(work.nest.axes)
        self.variables: dict[str, str] = dict(scope.variables)
        self.masks: dict[int, str] = {}
        self._values: dict[tuple[int, Copy], str] = {}
        self._splats: dict[tuple[int, Copy], str] = {}
        self._pointers: dict[tuple[int, int, Copy], str] = {}

    def enter(self, level: int) -> None:
        """Emits what is known as soon as `level` loops have their variables."""
        for number, access in enumerate(self.work.accesses):
            self._advance(number, access, level)
        for step in self.work.steps[level]:
            if isinstance(step, Detour):
                self._detour(step)
            else:
                self._compute(step)

    def _compute(self, value: int) -> None:
        if self.work.instructions[value].op != "const":
            for copy in self.copies(self.work.depends[value]):
                self._keep(value, copy, self._instruction(value, copy))

    def _keep(self, value: int, copy: Copy, name: str) -> None:
        self._values[value, copy] = name
        if value in self.work.splatted:
            element = register_type(self.work.instructions[value].dtype, 1)
            self._splats[value, copy] = self.function.splat(element, name, self.work.lanes)

    def _detour(self, detour: Detour) -> None:
        """A branch for all copies and lanes together."""
        work, condition = self.work, detour.condition
        lanes = work.lanes if work.is_vector(condition) else 1
        branch = open_detour(
            self.function, [self.operand(condition, c, lanes) for c in self.copies(work.depends[condition])], lanes
        )
        for value in detour.inside:
            self._compute(value)
        chosen: list[tuple[int, Copy]] = [(v, copy) for v in detour.results for copy in self.copies(work.depends[v])]
        joined = []
        for value, copy in chosen:
            lanes = work.lanes if work.is_vector(value) else 1
            kind = register_type(work.instructions[value].dtype, lanes)
            otherwise = self.operand(work.instructions[value].args[2], copy, lanes)
            joined.append((kind, self._instruction(value, copy), otherwise))
        for (value, copy), name in zip(chosen, self.function.close_branch(branch, joined), strict=True):
            self._keep(value, copy, name)

    def _instruction(self, value: int, copy: Copy) -> str:
        work = self.work
        op, args, dtype, key = work.instructions[value]
        lanes = work.lanes if work.is_vector(value) else 1
        if op == "input":
            if isinstance(key, Load):
                return self._load(value, key, copy, lanes)
            if isinstance(key, Holds):
                return self._guards(key.guards, copy, lanes) or literal("bool", True, lanes)
            assert isinstance(key, IndexValue)
            return self._index(key, copy, lanes)
        operands = [self.operand(arg, copy, lanes) for arg in args]
        if op == "call":
            return call_routine(self.function, key, operands, lanes)  # type: ignore[arg-type]
        return emit_instruction(self.function, op, work.instructions[args[-1]].dtype, dtype, operands, lanes)

    def operand(self, value: int, copy: Copy, lanes: int) -> str:
        """A value of the body as one copy sees it, in all lanes where more than one is asked for."""
        instruction = self.work.instructions[value]
        if instruction.op == "const":
            return literal(instruction.dtype, instruction.immediate, lanes)  # type: ignore[arg-type]
        own = _projected(copy, self.work.depends[value])
        if lanes == 1 or self.work.is_vector(value):
            return self._values[value, own]
        return self._splats[value, own]

    def _load(self, value: int, load: Load, copy: Copy, lanes: int) -> str:
        function = self.function
        number = self.work.access_of[value]
        condition = self._guards(load.guards, copy, lanes)
        if lanes == 1:
            return load_scalar(function, load.dtype, self.pointer(number, copy), condition)
        mask = self.masks.get(copy[self.work.vector], "")
        if condition:
            mask = function.value(f"and <{lanes} x i1> {mask}, {condition}") if mask else condition
        return load_lanes(function, load.dtype, self.lanes(number, copy), lanes, mask)

    def _guards(self, guards: tuple[Guard, ...], copy: Copy, lanes: int) -> str:
        """Whether all guards hold, a scalar or a vector; "" for always."""
        function, total = self.function, ""
        kind, flags = vector_type("i64", lanes), vector_type("i1", lanes)
        for guard in guards:
            if guard in self.settled:
                continue
            position = self._index_value(guard.position, copy, lanes)
            extent = self.scope.size(guard.extent)
            extent = extent if lanes == 1 else function.splat("i64", extent, lanes)
            holds = function.value(f"icmp ult {kind} {position}, {extent}")
            if guard.step != 1:
                rest = function.value(f"urem {kind} {position}, {literal('i64', guard.step, lanes)}")
                whole = function.value(f"icmp eq {kind} {rest}, {literal('i64', 0, lanes)}")
                holds = function.value(f"and {flags} {holds}, {whole}")
            total = function.value(f"and {flags} {total}, {holds}") if total else holds
        return total

    def _index(self, key: IndexValue, copy: Copy, lanes: int) -> str:
        return convert(self.function, "i64", key.dtype, self._index_value(key.index, copy, lanes), lanes)

    def _index_value(self, index: Affine, copy: Copy, lanes: int) -> str:
        variables = self._variables(copy)
        if lanes == 1:
            return scalar_index(self.scope, index, variables)
        return vector_index(self.scope, index, variables, self.work.nest.vector, lanes)

    def _variables(self, copy: Copy) -> dict[str, str]:
        """The loop variables as one copy sees them."""
        if not any(copy):
            return self.variables
        own = dict(self.variables)
        for position, number in enumerate(copy):
            name = self.work.nest.axes[position].name
            if number:
                own[name] = self.shifted(own[name], number * (self.work.lanes if position == self.work.vector else 1))
        return own

    def shifted(self, value: str, by: int) -> str:
        """An i64 plus a number."""
        if not by:
            return value
        return str(int(value) + by) if value.isdigit() else self.function.value(f"add i64 {value}, {by}")

    def copies(self, depends: int) -> Iterator[Copy]:
        """The copies that differ for something that depends on these axes."""
        if max(self.active, default=1) == 1:
            return iter(((0,) * len(self.active),))
        return product(*(range(n if depends >> at & 1 else 1) for at, n in enumerate(self.active)))

    def _advance(self, number: int, access: Access, level: int) -> None:
        """Emits the pointers of an access as far as they are known at this level."""
        step, function = access.steps[level], self.function
        if level == 0:
            base = self.scope.places[access.buffer].pointer
            self._pointers[number, 0, (0,) * len(self.active)] = self._moved(access, base, step, self.variables)
            return
        if not step.terms:
            return
        known = access.depends & ((1 << level) - 1)
        axis = self.work.nest.axes[level - 1].name
        unit = self.work.lanes if level - 1 == self.work.vector else 1
        linear = all(isinstance(variable, str) for variable, _ in step.terms)
        for copy in self.copies(known):
            before = self.pointer(number, copy, level - 1)
            if copy[level - 1] and linear:
                first = self._pointers[number, level, (*copy[: level - 1], 0, *copy[level:])]
                offset = self.scope.size(step.terms[0][1] * constant(copy[level - 1] * unit))
                kind = MEMORY_TYPES[self.scope.places[access.buffer].buffer.dtype]
                moved = function.value(f"getelementptr {kind}, ptr {first}, i64 {offset}")
            else:
                variables = self._variables(copy) if not linear else self.variables
                moved = self._moved(access, before, step, {**variables, axis: variables[axis]})
            self._pointers[number, level, copy] = moved

    def _moved(self, access: Access, pointer: str, step: Affine, variables: dict[str, str]) -> str:
        offset = scalar_index(self.scope, step, variables)
        if offset == "0":
            return pointer
        kind = MEMORY_TYPES[self.scope.places[access.buffer].buffer.dtype]
        return self.function.value(f"getelementptr {kind}, ptr {pointer}, i64 {offset}")

    def pointer(self, number: int, copy: Copy, level: int | None = None) -> str:
        """The pointer of an access as known at a level, the innermost one unless given."""
        access = self.work.accesses[number]
        at = len(self.active) if level is None else level
        while at and not access.steps[at].terms:
            at -= 1
        return self._pointers[number, at, _projected(copy, access.depends & ((1 << at) - 1))]

    def pointer_after(self, number: int, level: int) -> str:
        """The pointer of an access that is known at a level, after the loops within, which had their own variables."""
        self._advance(number, self.work.accesses[number], level)
        return self.pointer(number, (0,) * len(self.active), level)

    def lanes(self, number: int, copy: Copy) -> Lanes:
        """Where the lanes of an access lie."""
        access, function, lanes = self.work.accesses[number], self.function, self.work.lanes
        pointer = self.pointer(number, copy)
        if not access.lane.terms and access.stride.constant in (1, -1):
            return Lanes(pointer, access.stride.constant)
        kind = vector_type("i64", lanes)
        offsets = literal("i64", 0, lanes)
        if access.stride != ZERO:
            numbers = lane_numbers("i64", lanes)
            stride = function.splat("i64", self.scope.size(access.stride), lanes)
            offsets = function.value(f"mul {kind} {numbers}, {stride}")
        if access.lane.terms:
            further = vector_index(self.scope, access.lane, self._variables(copy), self.work.nest.vector, lanes)
            offsets = function.value(f"add {kind} {offsets}, {further}")
        element = MEMORY_TYPES[self.scope.places[access.buffer].buffer.dtype]
        return Lanes(pointer, 0, function.value(f"getelementptr {element}, ptr {pointer}, {kind} {offsets}"))


def _projected(copy: Copy, depends: int) -> Copy:
    return tuple(number if depends >> at & 1 else 0 for at, number in enumerate(copy))
