"""A library with several versions of its code, one for each of several processors of a family.

Each version is a module of its own; the functions that the world calls ask once which version the processor is fit
for, and jump there with the arguments as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from exprc.lower.emit import Function, Module
from exprc.lower.faults import UNFIT_CPU, raise_fault
from exprc.lower.module import define_constants, lower_all, lower_plans, module_text, shown
from exprc.lower.processor import FIRST, UNFIT, needed_features, version_here
from exprc.lower.target import Target
from exprc.schedule.kernel import Plan

_WORKSPACE = "_workspace"
_ENDINGS = ("", _WORKSPACE)


def best_first(targets: Sequence[Target]) -> tuple[Target, ...]:
    """Versions in the order in which they are tried: what needs more comes first."""
    return tuple(sorted(targets, key=lambda target: (-target.vector_bits, -len(needed_features(target)), target.cpu)))


def lower_versions(
    model_name: str, plans: Sequence[Plan], build_id: int, abi_hash: int, targets: Sequence[Target]
) -> str:
    """The LLVM IR of a library, as text; with one target that of a plain library."""
    if len(targets) == 1:
        return lower_plans(model_name, plans, build_id, abi_hash, targets[0])
    import llvmlite.binding as llvm

    llvm_module = llvm.parse_assembly(_choosing(model_name, plans, build_id, abi_hash, targets))
    for target in targets:
        llvm_module.link_in(llvm.parse_assembly(_version(plans, target)))
    for target in targets:
        for plan in plans:
            for ending in _ENDINGS:
                llvm_module.get_function(_versioned(plan.symbol, target, ending)).linkage = "internal"
    return _without_name(llvm_module)


def _version(plans: Sequence[Plan], target: Target) -> str:
    """The functions of all plans for one processor, which need not ask again."""
    module = Module()
    own = [plan._replace(symbol=_versioned(plan.symbol, target, "")) for plan in plans]
    lower_all(module, own, target._replace(asks_processor=False))
    attributes = f'nounwind "target-cpu"="{target.cpu}" "target-features"="{target.features}"'
    return module.text((f'target triple = "{target.triple}"', ""), (f"attributes #0 = {{ {attributes} }}",))


def _choosing(
    model_name: str, plans: Sequence[Plan], build_id: int, abi_hash: int, targets: Sequence[Target]
) -> str:
    """The functions that the world calls.  All run on any processor of the family."""
    module = Module(shown(targets[0]))
    for plan in plans:
        sizes = ["i64"] * len(plan.dims)
        pointers = ["ptr"] * (len(plan.arguments) + len(plan.results) + 2)
        _define_choice(module, plan.symbol, "", [*sizes, *pointers], targets)
        _define_choice(module, plan.symbol, _WORKSPACE, sizes, targets)
    function = Function(module)
    lacking = function.value(f"icmp eq i32 {version_here(function, targets)}, {UNFIT}")
    function.do(f"ret i32 {function.value(f'select i1 {lacking}, i32 {UNFIT_CPU}, i32 0')}")
    function.define(f"define {module.shown}i32 @{model_name}_set_num_threads(i32 %count) #1")
    _define_cpu(module, model_name, targets)
    define_constants(module, model_name, build_id, abi_hash)
    return module_text(module, targets[0], 'nounwind "target-cpu"="x86-64" "target-features"=""')


def _define_choice(module: Module, symbol: str, ending: str, types: list[str], targets: Sequence[Target]) -> None:
    """A jump to the version; on a processor that is fit for none, the status or the size that says so."""
    function = Function(module)
    kind = "i64" if ending == _WORKSPACE else "i32"
    parameters = ", ".join(f"{type_} %a{number}" for number, type_ in enumerate(types))
    found = version_here(function, targets)
    for number, target in enumerate(targets, FIRST):
        name = _versioned(symbol, target, ending)
        module.declare(f"declare {kind} @{name}({', '.join(types)})")
        branch = function.open_branch(function.value(f"icmp eq i32 {found}, {number}"))
        result = function.value(f"musttail call {kind} @{name}({parameters})")
        function.leave_branch(branch, kind, result)
    if ending == _WORKSPACE:
        function.do("ret i64 -1")
    else:
        function.do(f"%fault = getelementptr i8, ptr %a{len(types) - 1}, i64 0")
        function.do(f"ret i32 {raise_fault(function, UNFIT_CPU, 0, '0', '0', '')}")
    function.define(f"define {module.shown}{kind} @{symbol}{ending}({parameters}) #1")


def _define_cpu(module: Module, model_name: str, targets: Sequence[Target]) -> None:
    """The name of the version that runs here, NULL where none does."""
    function = Function(module)
    found, name = version_here(function, targets), "null"
    for number, target in enumerate(targets, FIRST):
        is_this = function.value(f"icmp eq i32 {found}, {number}")
        text = module.private_bytes(target.cpu.encode() + b"\0")
        name = function.value(f"select i1 {is_this}, ptr {text}, ptr {name}")
    function.do(f"ret ptr {name}")
    function.define(f"define {module.shown}ptr @{model_name}_cpu() #1")


def _versioned(symbol: str, target: Target, ending: str) -> str:
    """How the function of a version is called: its plan's symbol, then what `lower_plan` puts after it."""
    return f"{symbol}.{target.cpu}{ending}"


def _without_name(llvm_module: Any) -> str:
    """The module's text without the comment and the line that name its file."""
    lines = str(llvm_module).split("\n")
    return "\n".join(line for line in lines if not line.startswith(("; ModuleID", "source_filename")))
