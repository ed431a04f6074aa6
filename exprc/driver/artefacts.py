"""The files of a build, by name."""

from __future__ import annotations

from typing import NamedTuple

from exprc.diagnostics import UserError
from exprc.driver.compilation import Compilation
from exprc.driver.targets import is_this_system
from exprc.package.abi import exported_symbols
from exprc.package.header import make_header
from exprc.package.link import link_shared
from exprc.package.manifest import make_manifest
from exprc.package.module import make_module
from exprc.package.stub import make_stub
from exprc.package.systems import file_names, link_by_hand

DEFAULT_FORMS = ("lib", "header", "manifest", "py")
_NO_LINKER = "E0701"


class Artefacts(NamedTuple):
    """Files by name, and what the user should know about them."""

    files: dict[str, str | bytes]
    notes: tuple[str, ...] = ()


def make_artefacts(state: Compilation) -> Artefacts:
    """What `--emit` asks for; by default library, header, manifest and module.

    Where no linker here makes libraries for the target, its object stands in for the library that was not asked for
    by name, and a note tells how to go on.
    """
    interface = state.interface
    assert interface is not None
    name = interface.name
    names = file_names(name, interface.target)
    forms = state.options.emit or DEFAULT_FORMS
    files: dict[str, str | bytes] = {}
    notes: tuple[str, ...] = ()
    if "lib" in forms:
        try:
            files[names.library] = link_shared([state.object], names.library, exported_symbols(interface))
        except UserError as problem:
            may_do_without = not state.options.emit and not is_this_system(interface.target)
            if not may_do_without or problem.diagnostics[0].code != _NO_LINKER:
                raise
            files[names.object] = state.object
            by_hand = link_by_hand(names, interface.target)
            notes = (
                f"{problem.diagnostics[0].message}: {names.library} was not made, {names.object} was",
                f"on such a machine, `{by_hand}` makes it; here, `pip install ziglang` and a new build do",
            )
    if "header" in forms or "lib" in forms:
        files[f"{name}.h"] = make_header(interface)
    if "manifest" in forms or "lib" in forms:
        files[f"{name}.json"] = make_manifest(interface)
    if "py" in forms:
        files[f"{name}.py"] = make_module(interface, names.library)
        files[f"{name}.pyi"] = make_stub(interface)
    if "obj" in forms:
        files[names.object] = state.object
    return Artefacts({**files, **_texts(state, forms)}, notes)


def _texts(state: Compilation, forms: tuple[str, ...]) -> dict[str, str | bytes]:
    """LLVM, assembly, kernels, the graph with a picture of the model, where they were asked for."""
    files: dict[str, str | bytes] = {}
    if not {"llvm", "asm", "kernels", "graph"} & set(forms):
        return files
    from exprc.driver.showing import show_assembly, show_entries, show_kernels, show_llvm
    from exprc.package.write import MARKER

    name = state.options.name
    for form, show, ending, comment in (
        ("llvm", show_llvm, "ll", ";"),
        ("asm", show_assembly, "s", "#"),
        ("kernels", show_kernels, "kernels", "#"),
        ("graph", show_entries, "graph", "#"),
    ):
        if form in forms:
            files[f"{name}.{ending}"] = f"{comment} {MARKER}\n{show(state)}\n"
    if "graph" in forms:
        from exprc.driver.drawing import draw

        files[f"{name}.svg"] = draw(state)
    return files
