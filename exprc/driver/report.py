"""The report of `exprc check`: types, the use of each size, phases, memory, and rewrites where they are asked for."""

from __future__ import annotations

from collections.abc import Sequence

from exprc.driver.pipeline import Compilation, definition_names
from exprc.ir.node import toposort
from exprc.ir.sizes import Size, dim, product
from exprc.ir.types import BYTES
from exprc.printing import print_formula
from exprc.rewrite import expand_composites
from exprc.schedule.access import resolve
from exprc.schedule.classes import FREE, classify
from exprc.schedule.kernel import ACCUMULATOR, TILE, Buffer, Kernel, Plan, buffers_of

MOST_ROWS = 200


def make_report(state: Compilation) -> str:
    """All sections that have something to say."""
    sections = [_declared(state), _defined(state), _kernels(state)]
    if state.options.rewrites:
        sections.append(_rewrites(state))
    return "\n\n".join(section for section in sections if section) + "\n"


def _declared(state: Compilation) -> str:
    assert state.model is not None
    rows = [(d.role, d.name, str(d.type), d.doc) for d in state.model.declarations]
    return _table("declared", rows)


def _defined(state: Compilation) -> str:
    """Each definition with its type, and how it uses each size."""
    model = state.model
    assert model is not None
    roots = expand_composites(list(state.values.values()))
    order = toposort(roots)
    accesses = resolve(order)
    names = [d.name for d in model.dims if d.value is None]
    classes = [classify(order, accesses, dim(name)) for name in names]
    rows = []
    for (name, value), root in zip(state.values.items(), roots):
        definition = model.definition(name)
        used = [f"{n}: {c[root]}" for n, c in zip(names, classes) if c[root] != FREE]
        rows.append((definition.role if definition else "", name, str(value.type), ", ".join(used) or "uses no axis"))
    return _table("defined", rows)


def _kernels(state: Compilation) -> str:
    lines = ["functions"]
    for plan in state.plans:
        lines.append(f"  {plan.symbol}({', '.join(plan.dims)})")
        lines += [f"    {_describe(kernel)}" for kernel in plan.kernels]
        lines.append(f"    workspace  {_workspace(plan)}")
    return "\n".join(lines)


def _describe(kernel: Kernel) -> str:
    loops = f"one pass over {kernel.stream.extent}, {kernel.stream.block} rows at a time" if kernel.stream else "once"
    results = [a.target for a in kernel.accumulators]
    sums = f", accumulates {', '.join(results)}" if results else ""
    return f"{kernel.name}  {loops}{sums}"


def _workspace(plan: Plan) -> str:
    kept = list(plan.workspace)
    others = [b for b in buffers_of(plan).values() if b.space in (TILE, ACCUMULATOR)]
    parts = [f"{_bytes(kept)} B of values"] if kept else []
    if others:
        parts.append(f"{_bytes(others)} B of tiles and sums a thread")
    return " + ".join(parts) or "none"


def _bytes(buffers: list[Buffer]) -> Size:
    total = product(()) - 1
    for buffer in buffers:
        total = total + product(buffer.shape) * BYTES[buffer.dtype]
    return total


def _rewrites(state: Compilation) -> str:
    """Each rewrite with its class and place, before and after, and why."""
    assert state.model is not None
    names = definition_names(state)
    lines = ["rewrites"]
    for applied in dict.fromkeys(state.applied):
        span = state.model.origins.get(applied.before)
        place = f", line {span.line}" if span else ""
        before, after = (print_formula(node, names).text for node in (applied.before, applied.after))
        if before != after:
            lines += [f"  {applied.rule.name} ({applied.rule.kind}{place}): {applied.rule.why}"]
            lines += [f"      {before}", f"    → {after}"]
    return "\n".join(lines if len(lines) > 1 else [*lines, "  none"])


def _table(title: str, rows: Sequence[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    shown = rows[:MOST_ROWS]
    widths = [max(len(row[i]) for row in shown) for i in range(len(shown[0]))]
    lines = ["  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in shown]
    if len(rows) > MOST_ROWS:
        lines.append(f"  … and {len(rows) - MOST_ROWS} more")
    return "\n".join([title, *lines])
