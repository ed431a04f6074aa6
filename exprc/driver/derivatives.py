"""The text of `exprc grad`: each derivative of each loss, in the program's names."""

from __future__ import annotations

from exprc.driver.pipeline import Compilation, definition_names
from exprc.driver.requests import refuse_wrong_loss
from exprc.printing import print_formula


def print_derivatives(state: Compilation) -> str:
    """A line for each loss and param; parts that occur several times are named below."""
    model, options = state.model, state.options
    assert model is not None
    refuse_wrong_loss(model, options)
    names = {} if options.expand else definition_names(state)
    known = [d.name for d in model.declarations] + [d.name for d in model.definitions] + [d.name for d in model.dims]
    taken = frozenset(known)
    lines: list[str] = []
    for entry in state.entries:
        if options.of and entry.definition.name != options.of:
            continue
        for declaration, gradient in zip(entry.wrt, entry.gradients):
            if options.wrt and declaration.name not in options.wrt:
                continue
            formula = print_formula(gradient, names, taken)
            shape = f" : {gradient.type}" if options.sizes else ""
            lines.append(f"d{entry.definition.name}/d{declaration.name} = {formula.text}{shape}")
            lines += [f"    where {name} = {text}" for name, text in formula.parts]
            if formula.omitted:
                lines.append(f"    … and {formula.omitted} more")
    return "\n".join(lines) + "\n"
