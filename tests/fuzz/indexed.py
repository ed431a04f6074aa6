"""Index notation for the generator: entries by indices, sums over ranges, guarded neighbours.

Within a form the entries of arrays are names like any other, of scalars.
"""

from __future__ import annotations

import itertools

from fuzz.expressions import Drawer
from fuzz.language import FLOATS, Extent, Kind, Scope, size

REDUCTIONS = ("sum", "sum", "sum", "prod", "mean", "norm", "logsumexp")
MOST_ENTRIES = 12


def draw_entries(drawer: Drawer, depth: int) -> tuple[str, str, Kind]:
    """The indices of a definition, with brackets, its right side, and what it defines."""
    choice = drawer.choice
    indices = {drawer.fresh("i"): choice.choice(drawer.extents()) for _ in range(choice.randint(1, 2))}
    dtype = drawer.some_float()
    inner = Scope(drawer.scope)
    _add_entries(drawer, inner, dtype, indices)
    body = drawer.within(inner, lambda: drawer.expression(Kind(dtype, ()), depth))
    if choice.random() < 0.6:
        body = f"{body} + {draw_sum(drawer, inner, dtype, indices)}"
    heads = ", ".join(f"{name} in 0..{size(extent)}" for name, extent in indices.items())
    return f"[{heads}]", body, Kind(dtype, tuple(indices.values()))


def draw_sum(drawer: Drawer, scope: Scope, dtype: str, indices: dict[str, Extent]) -> str:
    """A reduction by an index of its own, whose range may depend on those around it."""
    choice = drawer.choice
    name, extent = drawer.fresh("k"), choice.choice(drawer.extents())
    end = size(extent)
    around = [one for one, other in indices.items() if other == extent]
    reduction = choice.choice(REDUCTIONS)
    if around and choice.random() < 0.5:
        end = choice.choice((choice.choice(around), f"{choice.choice(around)} + 1"))
    inner = Scope(scope)
    _add_entries(drawer, inner, dtype, {**indices, name: extent})
    body = drawer.within(inner, lambda: drawer.expression(Kind(dtype, ()), 2))
    return f"{reduction}[{name} in 0..{end}]({body})"


def _add_entries(drawer: Drawer, scope: Scope, dtype: str, indices: dict[str, Extent]) -> None:
    """Entries of the arrays that are known, at these indices or, where there is one, beside them."""
    known = [(name, kind) for name, kind in drawer.scope.all() if kind.shape and "[" not in name]
    if not any(kind.dtype == dtype for _, kind in known):
        known.append(drawer.declare(Kind(dtype, (next(iter(indices.values())),))))
    found = 0
    for name, kind in known:
        fitting = [[one for one, extent in indices.items() if extent == wanted] for wanted in kind.shape]
        for places in itertools.islice(itertools.product(*fitting), 4):
            scope.add(f"{name}[{', '.join(places)}]", Kind(kind.dtype, ()))
            found += 1
        if len(kind.shape) == 1 and fitting[0] and kind.dtype in FLOATS:
            at = drawer.choice.choice(fitting[0])
            scope.add(f"(if {at} > 0 then {name}[{at} - 1] else {name}[{at}])", Kind(kind.dtype, ()))
        if found >= MOST_ENTRIES:
            return
