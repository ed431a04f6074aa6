"""From LLVM IR text to object code or assembly, in this process, by a short pipeline of cheap passes.

The IR is already in the form that codegen wants: vectors, hoisted addresses, single assignment.
"""

from __future__ import annotations

from typing import Any

from exprc.lower.target import Target


def compile_object(text: str, target: Target) -> bytes:
    """The object file of a module."""
    machine = _machine(target)
    return bytes(machine.emit_object(_optimised(text, machine)))


def assembly(text: str, target: Target) -> str:
    """The assembly of a module."""
    machine = _machine(target)
    return str(machine.emit_assembly(_optimised(text, machine)))


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

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    return llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu, features=target.features, opt=2, reloc="pic", codemodel="default"
    )


def _optimised(text: str, machine: Any) -> Any:
    import llvmlite.binding as llvm

    module = llvm.parse_assembly(text)
    module.verify()
    return module
