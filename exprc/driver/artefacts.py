"""The files of a build, by name."""

from __future__ import annotations

from exprc.driver.pipeline import Compilation
from exprc.package.abi import exported_symbols
from exprc.package.header import make_header
from exprc.package.link import link_shared
from exprc.package.manifest import make_manifest
from exprc.package.module import make_module
from exprc.package.stub import make_stub

DEFAULT_FORMS = ("lib", "header", "manifest", "py")


def make_artefacts(state: Compilation) -> dict[str, str | bytes]:
    """What `--emit` asks for; by default library, header, manifest and module."""
    interface = state.interface
    assert interface is not None
    name = interface.name
    library = f"lib{name}.so"
    forms = state.options.emit or DEFAULT_FORMS
    files: dict[str, str | bytes] = {}
    if "lib" in forms:
        files[library] = link_shared([state.object], library, exported_symbols(interface))
    if "header" in forms or "lib" in forms:
        files[f"{name}.h"] = make_header(interface)
    if "manifest" in forms or "lib" in forms:
        files[f"{name}.json"] = make_manifest(interface)
    if "py" in forms:
        files[f"{name}.py"] = make_module(interface, library)
        files[f"{name}.pyi"] = make_stub(interface)
    return {**files, **_further_forms(state, forms)}


def _further_forms(state: Compilation, forms: tuple[str, ...]) -> dict[str, str | bytes]:
    """Object, LLVM, assembly and kernels, where they were asked for."""
    from exprc.driver.pipeline import STAGES
    from exprc.package.write import MARKER

    show = {stage.name: stage.show for stage in STAGES}
    name = state.options.name
    files: dict[str, str | bytes] = {}
    if "obj" in forms:
        files[f"{name}.o"] = state.object
    for form, stage, ending, comment in (
        ("llvm", "lower", "ll", ";"),
        ("asm", "compile", "s", "#"),
        ("kernels", "schedule", "kernels", "#"),
        ("graph", "differentiate", "graph", "#"),
    ):
        if form in forms:
            files[f"{name}.{ending}"] = f"{comment} {MARKER}\n{show[stage](state)}\n"
    return files
