"""What a program calls the states and elements of its loops.

A node has no names, and rewriting makes loops anew; their heads (the types of states and elements, and the number of
steps) stay what they were.  Heads that have several sets of names in the program have none here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf, isfinite

from exprc.check.names import CONSTANTS, is_taken
from exprc.driver.compilation import Compilation, fixed_sizes
from exprc.ir.node import Node, toposort
from exprc.ir.op import SCAN
from exprc.ir.substitution import substitute_sizes
from exprc.printing import LoopHead, loop_head
from exprc.source import Span
from exprc.syntax import ast


def loop_names(state: Compilation) -> Mapping[LoopHead, tuple[str, ...]]:
    """The names of states and elements, by the heads of loops; without those that hide a size or an operation."""
    model = state.model
    assert model is not None and state.program is not None
    loops = _loops(definition.node for definition in model.definitions)
    written = _written(state.program) if loops else {}
    sizes = fixed_sizes(model)
    hidden = {dim.name for dim in model.dims}
    found: dict[LoopHead, set[tuple[str, ...]]] = {}
    for node in loops:
        names = written.get(model.origins[node], ()) if node in model.origins else ()
        if names and not any(name in hidden or _has_meaning(name) for name in names):
            (same,) = substitute_sizes((node,), sizes)
            found.setdefault(loop_head(same), set()).add(names)
    return {head: next(iter(several)) for head, several in found.items() if len(several) == 1}


def _has_meaning(name: str) -> bool:
    """Whether a formula may use the name for something else: an operation, or a constant that has no digits."""
    return is_taken(name) and not isfinite(CONSTANTS.get(name, inf))


def _written(program: ast.Program) -> dict[Span, tuple[str, ...]]:
    """The names in the heads of loops, by their places."""
    scans = [node for node in ast.walk(program) if isinstance(node, ast.Scan)]
    return {
        scan.span: (*[state.name.text for state in scan.states], *[element.name.text for element in scan.sequences])
        for scan in scans
    }


def _loops(roots: Iterable[Node]) -> list[Node]:
    """All loops of a graph, those within bodies included."""
    found = []
    pending = list(roots)
    seen: set[Node] = set()
    while pending:
        order = [node for node in toposort(pending) if node not in seen]
        seen.update(order)
        loops = [node for node in order if node.kind == SCAN]
        found += loops
        pending = [result for node in loops for result in node.attrs[0].results]
    return found
