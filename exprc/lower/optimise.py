"""From LLVM IR text to object code or assembly, in this process.

No pass of the optimiser runs: the IR is already in the form that code generation wants (vectors, hoisted addresses,
single assignment, nothing computed twice), and the passes that were tried changed neither speed nor size.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from exprc.lower.target import Target


def compile_object(text: str, target: Target) -> bytes:
    """The object file of a module."""
    machine = _machine(target)
    return bytes(machine.emit_object(_parsed(text)))


def assembly(text: str, target: Target) -> str:
    """The assembly of a module."""
    machine = _machine(target)
    return str(machine.emit_assembly(_parsed(text)))


def load_in_process(text: str, target: Target) -> Any:
    """An engine with the module's object code loaded; `get_function_address(name)` finds functions while it lives."""
    import llvmlite.binding as llvm

    machine = _machine(target)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(compile_object(text, target)))
    engine.finalize_object()
    return engine


def _machine(target: Target) -> Any:
    import llvmlite.binding as llvm

    _initialise(target.triple.partition("-")[0] == llvm.get_process_triple().partition("-")[0])
    return llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu, features=target.features, opt=2, reloc="pic", codemodel="default"
    )


@cache
def _initialise(native: bool) -> None:
    import llvmlite.binding as llvm

    _set_options()
    if native:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        llvm.initialize_native_asmparser()
    else:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()


@cache
def _set_options() -> None:
    """Once in a process: LLVM takes an option once only."""
    import llvmlite.binding as llvm

    # Addresses are hoisted where they are emitted; this pass takes a quarter of the time and gains nothing.
    llvm.set_option("exprc", "-disable-lsr")


def _parsed(text: str) -> Any:
    import llvmlite.binding as llvm

    module = llvm.parse_assembly(text)
    module.verify()
    return module
