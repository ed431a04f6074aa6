"""A library as one LLVM module: the functions of all plans and those that every library has."""

from __future__ import annotations

from collections.abc import Sequence

from exprc.lower.emit import Function, Module
from exprc.lower.faults import UNFIT_CPU, status_function
from exprc.lower.function import KernelCall, lower_plan
from exprc.lower.outline import outline
from exprc.lower.processor import unfit
from exprc.lower.target import Target
from exprc.schedule.kernel import Plan

IMPORTED_SYMBOLS = frozenset(("malloc", "free"))
LIBRARY_FUNCTIONS = ("status", "set_num_threads", "build_id", "abi_hash", "cpu")
# Of code that runs before the processor is known to be fit.
ANY_PROCESSOR = 'attributes #1 = { nounwind "target-cpu"="x86-64" "target-features"="" }'


def lower_plans(model_name: str, plans: Sequence[Plan], build_id: int, abi_hash: int, target: Target) -> str:
    """The LLVM IR of a library, as text."""
    module = Module(shown(target))
    lower_all(module, plans, target)
    _define_set_num_threads(module, model_name, target)
    _define_cpu(module, model_name, target)
    define_constants(module, model_name, build_id, abi_hash)
    return module_text(module, target, "nounwind")


def lower_all(module: Module, plans: Sequence[Plan], target: Target) -> None:
    """The functions of the plans."""
    known: dict[int, KernelCall] = {}
    for plan in outline(plans):
        lower_plan(module, plan, target, known)


def define_constants(module: Module, model_name: str, build_id: int, abi_hash: int) -> None:
    """What is the same in every version of the code."""
    module.define(status_function(module, f"{model_name}_status"))
    _define_constant(module, f"{model_name}_build_id", build_id)
    _define_constant(module, f"{model_name}_abi_hash", abi_hash)


def module_text(module: Module, target: Target, attributes: str) -> str:
    """The whole module; the attributes are those of all functions that the processor is fit for."""
    if target.triple.endswith("-msvc"):
        # Objects that compute with floats ask for this name, which is otherwise the C library's.
        module.constant("@_fltused = global i32 0")
    head = (f'target triple = "{target.triple}"', "")
    return module.text(head, (f"attributes #0 = {{ {attributes} }}", ANY_PROCESSOR))


def shown(target: Target) -> str:
    """What stands before the type of a function that the library shows."""
    return "dllexport " if target.is_windows else ""


def exported_symbols(model_name: str, plans: Sequence[Plan]) -> tuple[str, ...]:
    """The names that the library shows to the world, sorted."""
    own = [symbol for plan in plans for symbol in (plan.symbol, f"{plan.symbol}_workspace")]
    return tuple(sorted([*own, *(f"{model_name}_{name}" for name in LIBRARY_FUNCTIONS)]))


def _define_set_num_threads(module: Module, model_name: str, target: Target) -> None:
    """One thread for now; the status tells whether the processor is fit."""
    function = Function(module)
    lacking = unfit(function, target)
    status = function.value(f"select i1 {lacking}, i32 {UNFIT_CPU}, i32 0") if lacking else "0"
    function.do(f"ret i32 {status}")
    function.define(f"define {module.shown}i32 @{model_name}_set_num_threads(i32 %count) #0")


def _define_cpu(module: Module, model_name: str, target: Target) -> None:
    """What the code was made for; NULL on a processor that is not fit for it."""
    function = Function(module)
    lacking = unfit(function, target)
    name = module.private_bytes(target.cpu.encode() + b"\0")
    function.do(f"ret ptr {function.value(f'select i1 {lacking}, ptr null, ptr {name}') if lacking else name}")
    function.define(f"define {module.shown}ptr @{model_name}_cpu() #0")


def _define_constant(module: Module, name: str, value: int) -> None:
    signed = value - (1 << 64) if value >> 63 else value
    module.define(f"define {module.shown}i64 @{name}() #0 {{\nentry:\n  ret i64 {signed}\n}}\n")
