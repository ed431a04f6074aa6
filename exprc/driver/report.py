"""The report of `exprc check`: types, the use of each size, phases, memory, and rewrites where they are asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

from exprc.driver.compilation import Compilation, definition_names
from exprc.driver.loops import loop_names
from exprc.ir.node import Node, toposort
from exprc.ir.sizes import Size, dim, product
from exprc.ir.types import BYTES
from exprc.printing import names_within, print_formula, with_transposes
from exprc.rewrite import expand_composites
from exprc.schedule.access import resolve
from exprc.schedule.classes import FREE, classify
from exprc.schedule.cost import BALANCE, TYPICAL, has_loops, work_of
from exprc.schedule.kernel import ACCUMULATOR, TILE, Buffer, Kernel, Plan, buffers_of

MOST_ROWS, MOST_KERNELS = 200, 20
RESULT_PREFIX = "out_"
NEARBY = 60  # how much of a formula to show around a rewrite


def make_report(state: Compilation) -> str:
    """All sections that have something to say."""
    sections = [_declared(state), _defined(state), _kernels(state)]
    if state.options.rewrites:
        sections.append(_rewrites(state))
    return "\n\n".join(section for section in sections if section) + "\n"


def _declared(state: Compilation) -> str:
    assert state.model is not None
    rows = [("dim", d.name, "" if d.value is None else f"= {d.value}", d.doc) for d in state.model.dims]
    rows += [(d.role, d.name, str(d.type), d.doc) for d in state.model.declarations]
    return _table("declared", rows[:MOST_ROWS], len(rows))


def _defined(state: Compilation) -> str:
    """Each definition with its type, and how it uses each size."""
    model = state.model
    assert model is not None
    roots = expand_composites(list(state.values.values()))
    order = toposort(roots)
    reads = resolve(order)
    names = [d.name for d in model.dims if d.value is None]
    classes = [classify(order, reads, dim(name)) for name in names]
    roles = {definition.name: definition.role for definition in model.definitions}  # `output mu` comes later
    rows = []
    for (name, value), root in islice(zip(state.values.items(), roots), MOST_ROWS):
        used = [f"{n}: {c[root]}" for n, c in zip(names, classes) if c[root] != FREE]
        rows.append((roles[name], name, str(value.type), ", ".join(used) or "uses no axis"))
    return _table("defined", rows, len(roots))


def _kernels(state: Compilation) -> str:
    lines = ["functions"] if state.plans else []
    for plan in state.plans:
        lines.append(f"  {plan.symbol}({', '.join(plan.dims)})")
        for kernel in plan.kernels[:MOST_KERNELS]:
            lines.append(f"    {_describe(kernel)}")
            lines += [f"      {part}" for part in _effort(plan, kernel)]
        if len(plan.kernels) > MOST_KERNELS:
            lines.append(f"    … and {len(plan.kernels) - MOST_KERNELS} more")
        lines += [f"    {part}" for part in _memory(plan)]
    return "\n".join(lines)


def _describe(kernel: Kernel) -> str:
    loops = f"one pass over {kernel.stream.extent}, {kernel.stream.block} rows at a time" if kernel.stream else "once"
    targets = [a.target for a in kernel.accumulators]
    results = [target.removeprefix(RESULT_PREFIX) for target in targets if target.startswith(RESULT_PREFIX)]
    inner = len(targets) - len(results)
    if inner:
        results.append(f"{inner} intermediate {'value' if inner == 1 else 'values'}")
    return f"{kernel.name}  {loops}" + (f": accumulates {', '.join(results)}" if results else "")


def _effort(plan: Plan, kernel: Kernel) -> list[str]:
    """What a pass has to do, and which of both takes longer; nothing of what runs once on a few numbers."""
    if not has_loops(kernel):
        return []
    work = work_of(plan, kernel)
    binds = "memory" if work.intensity < BALANCE else "arithmetic"
    ratio = f"{work.intensity:.2g}" if work.intensity < 10 else f"{work.intensity:.0f}"
    large = f"{ratio} operations a byte where sizes are {TYPICAL}"
    return [f"{work.operations} operations, {work.bytes} bytes: {binds} binds ({large})"]


def _memory(plan: Plan) -> list[str]:
    """Bytes as formulas of the sizes: what the caller brings, and what a call takes besides."""
    kept = list(plan.workspace)
    others = [b for b in buffers_of(plan).values() if b.space in (TILE, ACCUMULATOR)]
    parts = [f"{_bytes(kept)} for values"] if kept else []
    if others:
        parts.append(f"{_bytes(others)} a thread for tiles and sums")
    return [
        f"arguments and results, bytes  {_bytes([*plan.arguments, *plan.results])}",
        f"workspace, bytes              {'; '.join(parts) or 'none'}",
    ]


def _bytes(buffers: list[Buffer]) -> Size:
    total = product(()) - 1
    for buffer in buffers:
        total = total + product(buffer.shape) * BYTES[buffer.dtype]
    return total


def _rewrites(state: Compilation) -> str:
    """Each rewrite with its class and place, before and after, and why; what reads the same is said once."""
    assert state.model is not None
    names, loops = definition_names(state.values), loop_names(state)
    for entry in state.entries:
        names = {**entry.names, **names}
    inside: dict[tuple[Node, ...], Mapping[Node, str]] = {(): with_transposes(names)}
    found: dict[tuple[str, ...], None] = {}
    applications = list(dict.fromkeys(state.applied))
    for applied in applications[:MOST_ROWS]:
        if applied.within not in inside:
            inside[applied.within] = names_within(applied.within, names, NEARBY, loops)
        before, after = (
            print_formula(node, inside[applied.within], nearest=NEARBY, loops=loops).text
            for node in (applied.before, applied.after)
        )
        if before != after:
            span = state.model.origins.get(applied.before)
            place = f", line {span.line}" if span else ""
            head = f"  {applied.rule.name} ({applied.rule.kind}{place}): {applied.rule.why}"
            found.setdefault((head, f"      {before}", f"    → {after}"))
    lines = ["rewrites", *(line for lines in found for line in lines)]
    if len(applications) > MOST_ROWS:
        lines.append(f"  … and {len(applications) - MOST_ROWS} more")
    return "\n".join(lines if len(lines) > 1 else [*lines, "  none"])


def _table(title: str, rows: Sequence[tuple[str, ...]], count: int) -> str:
    """Rows in columns, and how many of `count` are not among them."""
    if not rows:
        return ""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    if count > len(rows):
        lines.append(f"  … and {count - len(rows)} more")
    return "\n".join([title, *lines])
