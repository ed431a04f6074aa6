"""From kernels to LLVM IR and object code.  Knows no syntax."""

from exprc.lower.module import IMPORTED_SYMBOLS, exported_symbols, lower_plans
from exprc.lower.optimise import assembly, compile_object, load_in_process
from exprc.lower.processor import needed_features
from exprc.lower.target import Target, host_target, named_target

__all__ = [
    "IMPORTED_SYMBOLS",
    "Target",
    "assembly",
    "compile_object",
    "exported_symbols",
    "host_target",
    "load_in_process",
    "lower_plans",
    "named_target",
    "needed_features",
]
