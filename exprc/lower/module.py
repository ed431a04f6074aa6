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
LIBRARY_FUNCTIONS = ("status", "set_num_threads", "build_id", "abi_hash")


def lower_plans(model_name: str, plans: Sequence[Plan], build_id: int, abi_hash: int, target: Target) -> str:
    """The LLVM IR of a library, as text."""
    module = Module()
    known: dict[int, KernelCall] = {}
    for plan in outline(plans):
        lower_plan(module, plan, target, known)
    module.define(status_function(module, f"{model_name}_status"))
    _define_set_num_threads(module, model_name, target)
    module.define(_constant_function(f"{model_name}_build_id", build_id))
    module.define(_constant_function(f"{model_name}_abi_hash", abi_hash))
    # The first holds for all functions; the second for code that runs before the processor is known to be fit.
    attributes = (
        "attributes #0 = { nounwind }",
        'attributes #1 = { nounwind "target-cpu"="x86-64" "target-features"="" }',
    )
    return module.text((f'target triple = "{target.triple}"', ""), attributes)


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
    function.define(f"define i32 @{model_name}_set_num_threads(i32 %count) #0")


def _constant_function(name: str, value: int) -> str:
    return f"define i64 @{name}() #0 {{\nentry:\n  ret i64 {value - (1 << 64) if value >> 63 else value}\n}}\n"
