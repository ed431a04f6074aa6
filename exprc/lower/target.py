"""What differs between machines: triple, processor, features, and the vectors that the code is cut for.

Every target gives the same bits; these facts choose only how much is done at once.
"""

from __future__ import annotations

from typing import NamedTuple

from exprc.diagnostics import Diagnostic, KnownLimit

BASELINE = "x86-64-v3"
_X86 = ("x86_64", "amd64")
_WITHOUT_FMA = frozenset(("x86-64", "x86-64-v2", "generic"))
_WIDE = frozenset(
    (
        "x86-64-v4", "skylake-avx512", "cannonlake", "cascadelake", "cooperlake", "icelake-client", "icelake-server",
        "tigerlake", "rocketlake", "sapphirerapids", "emeraldrapids", "graniterapids", "znver4", "znver5",
    )
)  # fmt: skip


class Target(NamedTuple):
    """A machine to compile for.  `vector_bits` and `registers` are those of its vector registers.

    `kind` is `cpu` or `ptx`.  Libraries ask the processor for the features they need where `asks_processor`: on x86,
    if the compiler runs on it too, for only then is LLVM's assembler for the question at hand.
    """

    kind: str
    triple: str
    cpu: str
    features: str
    vector_bits: int
    registers: int
    asks_processor: bool = False

    @property
    def is_x86(self) -> bool:
        """Whether it is of the x86-64 family."""
        return self.triple.startswith(_X86)


def host_target() -> Target:
    """The machine that the compiler runs on."""
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    triple = llvm.get_process_triple()
    if triple.startswith(_X86) and not features.get("fma"):
        raise _no_fma("this machine's processor")
    wide = all(features.get(name) for name in ("avx512f", "avx512bw", "avx512dq", "avx512vl"))
    name, asks = llvm.get_host_cpu_name(), triple.startswith(_X86)
    return Target("cpu", triple, name, features.flatten(), *_vectors(triple, wide), asks)


def named_target(cpu: str = BASELINE, triple: str = "") -> Target:
    """A processor by LLVM's name, of the compiler's own system unless a triple is given."""
    import llvmlite.binding as llvm

    triple = triple or llvm.get_process_triple()
    if not triple.startswith(_X86):
        cpu = "generic" if cpu == BASELINE else cpu
    elif cpu in _WITHOUT_FMA:
        raise _no_fma(f"the processor {cpu}")
    asks = triple.startswith(_X86) and llvm.get_process_triple().startswith(_X86)
    return Target("cpu", triple, cpu, "", *_vectors(triple, cpu in _WIDE), asks)


def _vectors(triple: str, wide: bool) -> tuple[int, int]:
    """Bits of a vector register and their number."""
    if triple.startswith(_X86):
        return (512, 32) if wide else (256, 16)
    return 128, 32


def _no_fma(what: str) -> KnownLimit:
    text = f"{what} has no fused multiply-add, which libraries need"
    return KnownLimit(Diagnostic("E0602", text, help=(f"choose {BASELINE} or a later processor",)))
