"""From kernels to LLVM IR and object code.  Knows no syntax."""

from exprc.lower.module import IMPORTED_SYMBOLS, exported_symbols, lower_plans
from exprc.lower.optimise import assembly, compile_object, load_in_process
from exprc.lower.processor import needed_features
from exprc.lower.target import Target, host_target, host_triple, known_triple, named_target
from exprc.lower.versions import best_first, lower_versions

__all__ = [
    "IMPORTED_SYMBOLS",
    "Target",
    "assembly",
    "best_first",
    "compile_object",
    "exported_symbols",
    "host_target",
    "host_triple",
    "known_triple",
    "load_in_process",
    "lower_plans",
    "lower_versions",
    "named_target",
    "needed_features",
]
