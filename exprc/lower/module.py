"""A library as one LLVM module: the functions of all plans and those that every library has."""

from __future__ import annotations

from collections.abc import Sequence

from exprc.lower.emit import Module
from exprc.lower.faults import status_function
from exprc.lower.function import lower_plan
from exprc.lower.target import Target
from exprc.schedule.kernel import Plan

IMPORTED_SYMBOLS = frozenset(("malloc", "free"))
LIBRARY_FUNCTIONS = ("status", "set_num_threads", "build_id", "abi_hash")


def lower_plans(model_name: str, plans: Sequence[Plan], build_id: int, abi_hash: int, target: Target) -> str:
    """The LLVM IR of a library, as text."""
    module = Module()
    for plan in plans:
        lower_plan(module, plan, target)
    module.define(status_function(module, f"{model_name}_status"))
    module.define(_constant_function("i32", f"{model_name}_set_num_threads", "i32 %count", 0))
    module.define(_constant_function("i64", f"{model_name}_build_id", "", build_id))
    module.define(_constant_function("i64", f"{model_name}_abi_hash", "", abi_hash))
    return module.text((f'target triple = "{target.triple}"', ""), ("attributes #0 = { nounwind }",))


def exported_symbols(model_name: str, plans: Sequence[Plan]) -> tuple[str, ...]:
    """The names that the library shows to the world, sorted."""
    own = [symbol for plan in plans for symbol in (plan.symbol, f"{plan.symbol}_workspace")]
    return tuple(sorted([*own, *(f"{model_name}_{name}" for name in LIBRARY_FUNCTIONS)]))


def _constant_function(kind: str, name: str, parameters: str, value: int) -> str:
    bits = int(kind[1:])
    signed = value - (1 << bits) if value >= 1 << (bits - 1) else value
    return f"define {kind} @{name}({parameters}) #0 {{\nentry:\n  ret {kind} {signed}\n}}\n"
