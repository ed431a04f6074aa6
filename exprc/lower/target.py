"""What differs between machines: triple, processor, features, and the vectors that the code is cut for.

Every target gives the same bits; these facts choose only how much is done at once.
"""

from __future__ import annotations

from typing import NamedTuple

BASELINE = "x86-64-v3"
_WIDE = ("x86-64-v4",)


class Target(NamedTuple):
    """A machine to compile for.  `vector_bits` and `registers` are those of its vector registers."""

    kind: str  # cpu
    triple: str
    cpu: str
    features: str
    vector_bits: int
    registers: int


def host_target() -> Target:
    """The machine that the compiler runs on."""
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    triple = llvm.get_process_triple()
    wide = bool(features.get("avx512f"))
    return Target("cpu", triple, llvm.get_host_cpu_name(), features.flatten(), *_vectors(triple, wide))


def named_target(cpu: str = BASELINE, triple: str = "") -> Target:
    """A processor by LLVM's name, of the compiler's own system unless a triple is given."""
    import llvmlite.binding as llvm

    triple = triple or llvm.get_process_triple()
    if not triple.startswith(("x86_64", "amd64")):
        cpu = "generic" if cpu in ("", BASELINE) else cpu
    return Target("cpu", triple, cpu, "", *_vectors(triple, cpu in _WIDE))


def _vectors(triple: str, wide: bool) -> tuple[int, int]:
    """Bits of a vector register and their number."""
    if triple.startswith(("x86_64", "amd64")):
        return (512, 32) if wide else (256, 16)
    return 128, 32
