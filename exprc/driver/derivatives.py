"""The text of `exprc grad`: each derivative of each loss, in the program's names."""

from __future__ import annotations

from collections.abc import Mapping

from exprc.driver.compilation import Compilation, Entry
from exprc.driver.loops import loop_names
from exprc.driver.options import Options
from exprc.driver.requests import refuse_wrong_loss
from exprc.printing import LoopHead, print_formulas, with_transposes


def print_derivatives(state: Compilation) -> str:
    """A line for each loss and param; parts that occur several times are named below the first that has them."""
    model, options = state.model, state.options
    assert model is not None
    refuse_wrong_loss(model, options)
    known = [d.name for d in model.declarations] + [d.name for d in model.definitions] + [d.name for d in model.dims]
    loops = loop_names(state)
    taken = frozenset((*known, *(name for names in loops.values() for name in names)))
    lines: list[str] = []
    for entry in state.entries:
        if not options.of or entry.definition.name == options.of:
            lines += _derivatives(entry, options, taken, loops)
    return "\n".join(lines) + "\n"


def _derivatives(
    entry: Entry, options: Options, taken: frozenset[str], loops: Mapping[LoopHead, tuple[str, ...]]
) -> list[str]:
    wanted = [
        (declaration, gradient)
        for declaration, gradient in zip(entry.wrt, entry.gradients)
        if not options.wrt or declaration.name in options.wrt
    ]
    names = {} if options.expand else with_transposes(entry.names)
    formulas = print_formulas((gradient for _, gradient in wanted), names, taken, loops)
    lines: list[str] = []
    for (declaration, gradient), formula in zip(wanted, formulas):
        shape = f" : {gradient.type}" if options.sizes else ""
        lines.append(f"d{entry.definition.name}/d{declaration.name} = {formula.text}{shape}")
        lines += [f"    where {name} = {text}" for name, text in formula.parts]
        if formula.omitted:
            lines.append(f"    … and {formula.omitted} more")
    return lines
