"""The shape in which a nest runs: lanes, steps done at once, masks, rows whose lanes are combined together.

Owns every choice that changes no result; emits nothing.
"""

from __future__ import annotations

from exprc.ir.sizes import ONE, ZERO, Size, product
from exprc.ir.types import BOOL, BYTES, F32
from exprc.lower.address import Rows, Scope
from exprc.lower.analysis import Reduction, Work
from exprc.lower.rare import Detour
from exprc.lower.target import Target
from exprc.schedule.kernel import lanes_of, running_dtype

LARGE_BODY = 60  # above it, every step of the vector axis is masked: one copy of the body
DOUBLED_BODY = 400  # up to it, two vectors a step nevertheless: the processor does not see the next step
FEW_VECTORS = 4
SMALL_BODY = 12  # up to it, several steps are done at once
PLAIN_BODY = 2  # below it, the sum of a row waits for memory
NEAR_BYTES = 1 << 20  # what the second cache holds
SLOTS_BYTES = 2048  # on the stack, for the lanes of a group of rows


def shaped(work: Work, scope: Scope, target: Target) -> Work:
    """Chooses lanes, copies and masks."""
    nest = work.nest
    body = [value for level in work.levels for value in level]
    passed = {value for step in work.steps[-1] if isinstance(step, Detour) for value in step.inside}
    inner = [
        value
        for value in work.levels[-1]
        if work.instructions[value].op not in ("input", "const") and value not in passed
    ]
    lanes, parts = 1, 1
    if work.vector >= 0:
        widest = max([BYTES[work.instructions[value].dtype] for value in body] or [8])
        lanes = target.vector_bits // 8 // max(widest, 4)
    if target.halves and not nest.unroll and _is_tile(work, len(inner)):
        lanes //= 2  # less is lost where the last vector of a row has few entries
    if work.reduces_lanes:
        lanes = min(lanes, lanes_of(nest))
        parts = lanes_of(nest) // lanes
    large = work.vector >= 0 and len(inner) > LARGE_BODY
    copies = [1] * len(nest.axes)
    given = dict(nest.unroll)
    for position, axis in enumerate(nest.axes[: work.first_reduced]):
        copies[position] = given.get(axis.name, 1)
    chosen = work._replace(lanes=lanes, parts=parts, always_masked=large, rest_by_vectors=len(inner) >= PLAIN_BODY)
    if not given and len(inner) <= SMALL_BODY:
        copies = _copies(chosen, target, len(inner))
    near = None
    if max(copies, default=1) == 1 and not given:
        copies, near = _rows_in_turn(chosen, scope, target, len(inner))
    if work.reduces_lanes:
        copies = _fitting(copies, lanes)
        copies[work.vector] = 1 if large else parts
    if large and len(inner) <= DOUBLED_BODY and _is_long(chosen, scope.blocks):
        copies[work.vector] = min(2, parts) if work.reduces_lanes else 2
    chosen = chosen._replace(copies=tuple(copies), near=near, splatted=_vector_users(chosen))
    group = _group(chosen, len(inner))
    return chosen._replace(group=group, tree=min(group, lanes))


def _is_long(work: Work, blocks: tuple[Rows, ...]) -> bool:
    """Whether the vector axis is the only one, and may be longer than a few vectors."""
    if len(work.nest.axes) > 1:
        return False
    extent = work.nest.axes[0].extent
    longest = extent.constant.constant if not extent.terms else None
    for block in blocks:
        if extent.only_variable == block.rows:
            longest = block.block
    return longest is None or longest > FEW_VECTORS * work.lanes


def slot_dtype(reduction: Reduction) -> str:
    """The dtype of the lanes that one row leaves."""
    return F32 if reduction.panelled else running_dtype(reduction.write.combine, reduction.dtype)


def slot_bytes(work: Work, reduction: Reduction) -> int:
    """The bytes of the lanes that one row leaves."""
    return work.lanes * BYTES[slot_dtype(reduction)]


def _group(work: Work, size: int) -> int:
    """How many rows, steps of the innermost axis that is not reduced, have their lanes combined together.

    Twice as many as there are lanes, where rows are reduced one by one and their results are neighbours.  The lanes of
    plain sums are combined for each row: that is done while the next row is on its way from memory, and what reads the
    results need not wait for the tree.
    """
    rows = work.first_reduced - 1
    if not work.reduces_lanes or rows < 0 or max(work.copies[: work.first_reduced]) > 1:
        return 1
    if _is_plain(work, size):
        return 1
    axis, panelled = work.nest.axes[rows], [reduction.panelled for reduction in work.reductions]
    if any(panelled) and (not all(panelled) or work.first_reduced != work.vector):
        return 1
    for reduction in work.reductions:
        neighbours = work.accesses[reduction.access].steps[rows + 1].terms == ((axis.name, ONE),)
        if reduction.dtype == BOOL or not neighbours:
            return 1
    known = axis.extent.constant.constant if not axis.extent.terms else None
    group = 2 * work.lanes
    bytes_of_row = sum(slot_bytes(work, reduction) for reduction in work.reductions)
    while (known is not None and known <= group // 2) or bytes_of_row * group > SLOTS_BYTES:
        group //= 2
    return group


def _vector_users(work: Work) -> frozenset[int]:
    """The uniform values that are needed in all lanes."""
    if work.vector < 0:
        return frozenset()
    used: set[int] = set()
    for level in work.levels:
        for value in level:
            if work.is_vector(value):
                used.update(work.instructions[value].args)
    for reduction in work.reductions:
        used.update(reduction.fused or (reduction.value,))
    for _, value, access in work.stores:
        if work.accesses[access].depends >> work.vector & 1:
            used.add(value)
    return frozenset(value for value in used if not work.is_vector(value))


def _copies(work: Work, target: Target, size: int) -> list[int]:
    """How many steps of each axis are done at once, by what the vector registers hold.

    A product of matrices has a tile of rows and columns, or of rows and vectors where the vector axis stays.
    Element-wise work does a few vectors at once.
    """
    copies = [1] * len(work.nest.axes)
    rows = work.first_reduced - 1  # the innermost axis that is not reduced
    if work.vector < 0:
        return copies
    if work.first_reduced == len(copies):
        copies[work.vector] = 2
        return copies
    if not work.reductions or work.stores:
        return copies
    if work.reduces_lanes:
        room = target.registers * 3 // 4 // (work.parts * len(work.reductions))
        if rows > 0 and _shares(work, rows - 1) and _shares(work, rows):
            copies[rows - 1], copies[rows] = (4, 2) if room >= 8 else (2, 1)
    elif _is_tile(work, size):
        copies[rows - 1], copies[work.vector] = (8 if target.registers >= 32 else 6), 2
    elif size <= 2:
        copies[work.vector] = 4
    return copies


def _is_tile(work: Work, size: int) -> bool:
    """Whether sums beside the lanes are made for several rows out of the same vectors: a product of matrices."""
    if work.vector < 1 or work.reduces_lanes or work.first_reduced == len(work.nest.axes):
        return False
    return bool(work.reductions) and not work.stores and size <= 2 and _shares(work, work.vector - 1)


def _rows_in_turn(work: Work, scope: Scope, target: Target, size: int) -> tuple[list[int], Size | None]:
    """A matrix times a vector: the vector's entries serve several rows, where the matrix is near the processor.

    Rows that are read in turn out of one page are not foreseen by it and take twice as long from memory, so that they
    are read one after another unless the second cache holds all of them.
    """
    copies = [1] * len(work.nest.axes)
    rows = work.first_reduced - 1
    if not work.reduces_lanes or rows < 0 or work.stores or not _is_plain(work, size) or not _shares(work, rows):
        return copies, None
    buffers = [scope.places[work.accesses[number].buffer].buffer for number in set(work.access_of.values())]
    total = sum((product(b.shape) * BYTES[b.dtype] for b in buffers), ZERO)
    copies[rows] = 4 if target.registers * 3 // 4 >= 4 * work.parts * len(work.reductions) else 2
    if total.constant is None:
        return copies, total
    return copies if total.constant <= NEAR_BYTES else [1] * len(copies), None


def _is_plain(work: Work, size: int) -> bool:
    """Whether nothing but sums of loads or products of them is made of a row: it waits for memory."""
    return size < PLAIN_BODY and all(reduction.write.combine == "add" for reduction in work.reductions)


def _shares(work: Work, position: int) -> bool:
    """Whether steps of an axis that are done at once share a vector that is loaded."""
    loaded = [work.accesses[number].depends for number in work.access_of.values()]
    return any(depends >> work.vector & 1 and not depends >> position & 1 for depends in loaded)


def _fitting(copies: list[int], lanes: int) -> list[int]:
    """Powers of two whose product is at most the lanes: so many results share a register while lanes are combined."""
    fitting = []
    for count in copies:
        power = min(1 << (count.bit_length() - 1), lanes)
        lanes //= power
        fitting.append(power)
    return fitting
