"""The picture of kernels: for each function its arguments, its kernels in order, and its results."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from exprc.driver.compilation import Compilation
from exprc.driver.drawing.items import INPUT, KERNEL, LOSS, OUTPUT, PARAM, Item, about, make_section, shortened
from exprc.ir.index import Affine
from exprc.pictures import Box, Section
from exprc.schedule.kernel import Buffer, Check, Gather, Kernel, Load, Nest, Plan, Scatter, Swap, statements_of

MOST_NAMES = 30
_Spot = tuple[str, tuple[Affine, ...] | None]  # a buffer, or the one entry of it


class _Traffic(NamedTuple):
    """What a kernel reads from and writes to memory outside of it."""

    reads: dict[_Spot, None]
    writes: dict[_Spot, None]


def kernel_sections(state: Compilation, most: int) -> tuple[Section, ...]:
    """A section for each function; of long lists of functions the last ones share the least room there is."""
    roles = {d.name: d.role for d in state.model.declarations} if state.model else {}
    losses = {e.definition.name for e in state.entries if e.definition.role == LOSS}
    share = max(8, most * 2 // max(1, len(state.plans)))
    return tuple(_section(plan, roles, losses, min(most, share)) for plan in state.plans[:most])


def _section(plan: Plan, roles: dict[str, str], losses: set[str], most: int) -> Section:
    items = [_argument(buffer, roles) for buffer in plan.arguments]
    numbers = {buffer.name: number for number, buffer in enumerate(plan.arguments)}
    writers: dict[str, dict[_Spot, int]] = {}
    edges: set[tuple[int, int]] = set()
    for kernel in plan.kernels:
        traffic, at = _traffic(kernel), len(items)
        for spot in traffic.reads:
            edges |= {(source, at) for source in _sources(spot, numbers, writers)}
        for spot in traffic.writes:
            writers.setdefault(spot[0], {})[spot] = at
        items.append(Item(kernel.name, KERNEL, 0, partial(_kernel, kernel, traffic)))
    for buffer in plan.results:
        at = len(items)
        edges |= {(source, at) for source in writers.get(buffer.name, {}).values()}
        name = buffer.name.removeprefix("out_")
        style = LOSS if name in losses else OUTPUT
        items.append(Item(name, style, 0, partial(Box, (f"{name} : {_type(buffer)}",), style, "a result")))
    return make_section(f"{plan.symbol}({', '.join(plan.dims)})", items, sorted(edges), most)


def _sources(spot: _Spot, numbers: dict[str, int], writers: dict[str, dict[_Spot, int]]) -> list[int]:
    """Who wrote what is read: an argument, the writer of just that entry, else all writers of the buffer."""
    if spot[0] in numbers:
        return [numbers[spot[0]]]
    known = writers.get(spot[0], {})
    return [known[spot]] if spot[1] is not None and spot in known else list(known.values())


def _traffic(kernel: Kernel) -> _Traffic:
    own = {tile.name for tile in kernel.tiles} | {a.buffer.name for a in kernel.accumulators}
    reads: dict[_Spot, None] = {}
    writes: dict[_Spot, None] = {}
    for statement in statements_of(kernel.body):
        if isinstance(statement, Nest):
            reads.update((_spot(one.buffer, one.index), None) for one in statement.body if isinstance(one, Load))
            writes.update((_spot(write.buffer, write.index), None) for write in statement.writes)
        elif isinstance(statement, Check):
            reads[statement.buffer, None] = None
        elif isinstance(statement, (Swap, Gather, Scatter)):
            reads[statement.source, None] = None
            reads.update([((statement.places, None), None)] if not isinstance(statement, Swap) else [])
            writes[statement.target, None] = None
    writes.update(((accumulator.target, None), None) for accumulator in kernel.accumulators)
    return _Traffic(*({spot: None for spot in spots if spot[0] not in own} for spots in (reads, writes)))


def _spot(buffer: str, index: tuple[Affine, ...]) -> _Spot:
    return buffer, None if any(part.terms for part in index) else index


def _argument(buffer: Buffer, roles: dict[str, str]) -> Item:
    name = buffer.name.removeprefix("in_")
    style = PARAM if roles.get(name) == PARAM else INPUT
    return Item(name, style, 0, partial(Box, (f"{name} : {_type(buffer)}",), style, "an argument"))


def _kernel(kernel: Kernel, traffic: _Traffic) -> Box:
    stream = kernel.stream
    how = f"one pass over {stream.extent}, {stream.block} rows at a time" if stream else "once"
    nests = sum(isinstance(statement, Nest) for statement in statements_of(kernel.body))
    made = _listed(traffic.writes)
    parts = f"{nests} loop {'nest' if nests == 1 else 'nests'}"
    sums = [f"{a.target} ({a.combine})" for a in kernel.accumulators]
    tooltip = about(
        f"reads {_listed(traffic.reads)}" if traffic.reads else "",
        f"writes {made}",
        f"accumulates {', '.join(sums)}" if sums else "",
        *(f"tile {tile.name} : {_type(tile)}" for tile in kernel.tiles[:MOST_NAMES]),
    )
    return Box((f"{kernel.name}: {how}", f"{parts}, writes {shortened(made, 30)}"), KERNEL, tooltip)


def _listed(spots: dict[_Spot, None]) -> str:
    names = list(dict.fromkeys(name.removeprefix("in_").removeprefix("out_") for name, _ in spots))
    return ", ".join(names[:MOST_NAMES]) + (" …" if len(names) > MOST_NAMES else "")


def _type(buffer: Buffer) -> str:
    return f"{buffer.dtype}[{', '.join(map(str, buffer.shape))}]" if buffer.shape else buffer.dtype
