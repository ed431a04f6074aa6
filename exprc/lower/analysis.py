"""What a nest's body needs and when: its scalar program, and the loop at which each value is known.

Emits nothing; in which shape the nest runs is `shape`'s.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

from exprc.diagnostics import InternalError
from exprc.ir.index import Affine, Guard, Quotient
from exprc.ir.sizes import ZERO, Size
from exprc.ir.types import F32, FLOATS
from exprc.lower.address import Scope, flat_index, variables_of, within_bounds
from exprc.lower.rare import Step, in_turn
from exprc.scalar.builder import Builder, Instruction, reachable
from exprc.schedule.body import body_program
from exprc.schedule.kernel import Buffer, Holds, IndexValue, Load, Nest, Write


class Access(NamedTuple):
    """Where a load or a write goes: what each loop adds to the entry's number, and what each lane adds.

    `steps[k]` is what is known inside `k` loops and not before; `lane` are terms that depend on the vector axis in
    another way than by a coefficient.
    """

    buffer: str
    steps: tuple[Affine, ...]
    stride: Size
    lane: Affine
    depends: int


class Reduction(NamedTuple):
    """A combining write.  `fused` are the factors of the product that is added with one rounding."""

    write: Write
    value: int
    dtype: str
    access: int
    fused: tuple[int, int] | None

    @property
    def panelled(self) -> bool:
        """Whether partial sums are kept in f32."""
        return self.write.combine == "add" and self.dtype == F32


class Work(NamedTuple):
    """A nest, ready to be emitted.  Sets of axes are bits by position."""

    nest: Nest
    first_reduced: int
    vector: int  # position of the vector axis, -1 for none
    lanes: int  # of one vector
    parts: int  # vectors that make up the virtual lanes of a reduction over the vector axis, else 1
    copies: tuple[int, ...]
    group: int  # rows that are reduced before lanes are combined, 1 for none
    tree: int  # rows of a group whose lanes are combined at once
    near: Size | None  # bytes of what is read; several rows are read in turn only where the cache has all of it
    always_masked: bool
    rest_by_vectors: bool  # of a reduced vector axis: what is left is done in single vectors, not all parts at once
    instructions: list[Instruction]
    depends: dict[int, int]
    levels: tuple[tuple[int, ...], ...]
    steps: tuple[tuple[Step, ...], ...]  # the values of each level in the order in which they are computed
    splatted: frozenset[int]
    accesses: tuple[Access, ...]
    access_of: dict[int, int]
    reductions: tuple[Reduction, ...]
    stores: tuple[tuple[Write, int, int], ...]

    @property
    def reduces_lanes(self) -> bool:
        """Whether the vector axis is a reduced one."""
        return self.vector >= self.first_reduced

    def is_vector(self, value: int) -> bool:
        """Whether a value differs between lanes."""
        return self.vector >= 0 and bool(self.depends[value] >> self.vector & 1)


def analyse(scope: Scope, nest: Nest) -> Work:
    """A nest of which each value is known where it is computed; it runs step by step until `shape` says how."""
    positions = {axis.name: position for position, axis in enumerate(nest.axes)}
    builder, values = body_program(nest)
    first_reduced = sum(1 for axis in nest.axes if axis.name not in nest.reduced)
    vector = positions[nest.vector] if nest.vector else -1
    reductions, needed = _reductions(nest, builder, values)
    order = reachable(builder, needed)
    instructions = builder.instructions
    table = _Accesses(scope, nest, positions)
    depends: dict[int, int] = {}
    levels: dict[int, int] = {}
    access_of: dict[int, int] = {}
    for value in order:
        op, args, _, key = instructions[value]
        own, forced = _leaf(scope, nest, positions, key) if op == "input" else (0, False)
        depends[value] = own
        for arg in args:
            depends[value] |= depends[arg]
        known = [levels[arg] for arg in args]
        levels[value] = len(nest.axes) if forced else max([depends[value].bit_length(), *known])
        if isinstance(key, Load):
            access_of[value] = table.number(key.buffer, key.index)
    placed = [(write, table.number(write.buffer, write.index)) for write in nest.writes]
    finished = tuple(r._replace(access=placed[at][1]) for at, r in reductions)
    stores = tuple((write, values[write.value], at) for write, at in placed if not write.combine)
    by_level = [[value for value in order if levels[value] == level] for level in range(len(nest.axes) + 1)]
    return Work(
        nest, first_reduced, vector, 1, 1, (1,) * len(nest.axes), 1, 1, None, False, False, instructions, depends,
        tuple(tuple(level) for level in by_level), _steps(instructions, by_level, needed), frozenset(),
        tuple(table.accesses), access_of, finished, stores,
    )  # fmt: skip


def _steps(instructions: list[Instruction], levels: list[list[int]], needed: list[int]) -> tuple[tuple[Step, ...], ...]:
    """The values of each level in the order in which they are computed."""
    if not any(instructions[value].op == "rare" for level in levels for value in level):
        return tuple(tuple(level) for level in levels)
    used, steps = set(needed), []
    for level in reversed(levels):
        steps.append(in_turn(instructions, level, used))
        used.update(arg for value in level for arg in instructions[value].args)
    return tuple(reversed(steps))


class _Accesses:
    """Numbers the different entries that a nest refers to."""

    def __init__(self, scope: Scope, nest: Nest, positions: dict[str, int]) -> None:
        self.accesses: list[Access] = []
        self._scope, self._nest, self._positions = scope, nest, positions
        self._known: dict[Hashable, int] = {}

    def number(self, name: str, index: tuple[Affine, ...]) -> int:
        key = (name, index)
        if key not in self._known:
            self._known[key] = len(self.accesses)
            flat = flat_index(self._scope.places[name].buffer, index)
            self.accesses.append(_access(self._nest, self._positions, name, flat))
        return self._known[key]


def _access(nest: Nest, positions: dict[str, int], name: str, flat: Affine) -> Access:
    steps: list[list[tuple[object, Size]]] = [[] for _ in range(len(nest.axes) + 1)]
    lane: list[tuple[object, Size]] = []
    depends, stride = 0, ZERO
    for variable, coefficient in flat.terms:
        bits = _bits(positions, variables_of(variable))
        depends |= bits
        if isinstance(variable, Quotient) and nest.vector in variables_of(variable):
            lane.append((variable, coefficient))
            continue
        if variable == nest.vector:
            stride = coefficient
        steps[bits.bit_length()].append((variable, coefficient))
    parts = [Affine(tuple(terms)) for terms in steps]  # type: ignore[arg-type]
    parts[0] = parts[0]._replace(constant=flat.constant)
    return Access(name, tuple(parts), stride, Affine(tuple(lane)), depends)  # type: ignore[arg-type]


def _reductions(nest: Nest, builder: Builder, values: list[int]) -> tuple[list[tuple[int, Reduction]], list[int]]:
    """The combining writes with their positions, and all values that have to be computed."""
    plain = [values[write.value] for write in nest.writes]
    uses: dict[int, int] = {}
    for value in reachable(builder, plain):
        for arg in builder.instructions[value].args:
            uses[arg] = uses.get(arg, 0) + 1
    for value in plain:
        uses[value] = uses.get(value, 0) + 1
    found: list[tuple[int, Reduction]] = []
    needed: list[int] = []
    for position, (write, value) in enumerate(zip(nest.writes, plain, strict=True)):
        instruction = builder.instructions[value]
        fused = None
        if write.combine == "add" and nest.reduced and instruction.op == "mul" and uses[value] == 1:
            if instruction.dtype in FLOATS:
                fused = (instruction.args[0], instruction.args[1])
        if write.combine:
            found.append((position, Reduction(write, value, instruction.dtype, -1, fused)))
        needed.extend(fused or (value,))
    return found, needed


def _leaf(scope: Scope, nest: Nest, positions: dict[str, int], key: Hashable) -> tuple[int, bool]:
    """The axes on which a leaf depends, and whether it may only be read where all loops run."""
    if isinstance(key, IndexValue):
        return _bits(positions, key.index.variables()), False
    if isinstance(key, Holds):
        return _bits(positions, _guarding(key.guards)), False
    assert isinstance(key, Load)
    names = frozenset(name for index in key.index for name in index.variables()) | _guarding(key.guards)
    buffer: Buffer = scope.places[key.buffer].buffer
    axes = {axis.name: axis for axis in nest.axes}
    safe = not key.guards and within_bounds(scope, axes, buffer, key.index)
    return _bits(positions, names), not safe


def _guarding(guards: tuple[Guard, ...]) -> frozenset[int | str]:
    return frozenset(name for guard in guards for name in guard.position.variables())


def _bits(positions: dict[str, int], names: frozenset[int | str]) -> int:
    bits = 0
    for name in names:
        if name in positions:
            bits |= 1 << positions[name]
    return bits


def misuse(nest: Nest, text: str) -> InternalError:
    """A nest that breaks the rules of `schedule.kernel`."""
    return InternalError(f"nest over {', '.join(axis.name for axis in nest.axes)}: {text}")
