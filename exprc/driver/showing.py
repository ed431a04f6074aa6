"""What a stage has made, as text: for `--show` and for the files of `--emit`.

Must not know the order of the stages.
"""

from __future__ import annotations

from exprc.driver.compilation import Compilation


def show_program(state: Compilation) -> str:
    """The text as the formatter writes it."""
    from exprc.syntax.format import format_program

    return format_program(state.source)


def show_values(state: Compilation) -> str:
    """The definitions as a graph."""
    from exprc.ir.show import show

    return show(tuple(state.values.values()))


def show_entries(state: Compilation) -> str:
    """What is built, with its gradients, as a graph."""
    from exprc.ir.show import show

    return show(tuple(node for entry in state.entries for node in (entry.value, *entry.gradients)))


def show_model(state: Compilation) -> str:
    """The type of every name."""
    assert state.model is not None
    rows = [(d.name, d.node) for d in state.model.declarations] + [(d.name, d.node) for d in state.model.definitions]
    return "\n".join(f"{name} : {node.type}" for name, node in rows)


def show_kernels(state: Compilation) -> str:
    """The plans."""
    from exprc.schedule.show import show_plan

    return "\n".join(show_plan(plan) for plan in state.plans)


def show_assembly(state: Compilation) -> str:
    """The target's assembly language."""
    from exprc.driver.targets import target_of
    from exprc.lower import assembly

    return assembly(state.llvm, target_of(state.options))


def show_files(state: Compilation) -> str:
    """The names of the files with their lengths."""
    return "\n".join(f"{name}: {len(content)}" for name, content in state.files.items())


def show_llvm(state: Compilation) -> str:
    """The text in LLVM's language."""
    return state.llvm
