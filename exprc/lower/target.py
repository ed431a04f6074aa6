"""What differs between machines: triple, processor, features, and the vectors that the code is cut for.

Owns which systems and processors there are.  Every target gives the same bits; these facts choose only how much is
done at once.
"""

from __future__ import annotations

from typing import NamedTuple

from exprc.diagnostics import Diagnostic, KnownLimit, UserError
from exprc.spelling import nearest

NATIVE, BASELINE = "native", "x86-64-v3"
TRIPLES = (
    "x86_64-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
    "riscv64-unknown-linux-gnu",
    "x86_64-apple-macosx11.0.0",
    "arm64-apple-macosx11.0.0",
    "x86_64-pc-windows-msvc",
    "x86_64-pc-windows-gnu",
    "aarch64-pc-windows-msvc",
)
_ARCHITECTURES = {
    "x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64", "riscv64": "riscv64",
    "riscv64gc": "riscv64",
}  # fmt: skip
LINUX, MACOS, WINDOWS = "linux", "macos", "windows"
_SYSTEMS = {
    "linux": LINUX, "darwin": MACOS, "macos": MACOS, "windows": WINDOWS, "win32": WINDOWS, "mingw": WINDOWS,
}  # fmt: skip
_ENVIRONMENTS = {LINUX: ("", "gnu", "musl"), MACOS: ("",), WINDOWS: ("", "msvc", "gnu", "gnullvm")}
# The processors that can be named, the first being what every machine of the family has.
_PROCESSORS = {
    ("x86_64", ""): (BASELINE, "x86-64-v4"),
    ("aarch64", ""): ("generic",),
    ("aarch64", MACOS): ("apple-m1",),
    ("riscv64", ""): ("generic-rv64",),
}
_FEATURES = {"generic-rv64": "+m,+a,+f,+d,+c"}
_X86 = ("x86_64", "amd64")
_WITHOUT_FMA = ("x86-64", "x86-64-v2", "generic")
_WIDE = frozenset(
    (
        "x86-64-v4", "skylake-avx512", "cannonlake", "cascadelake", "cooperlake", "icelake-client", "icelake-server",
        "tigerlake", "rocketlake", "sapphirerapids", "emeraldrapids", "graniterapids", "znver4", "znver5",
    )
)  # fmt: skip

_HALVING = ("znver4",)  # 512 bits in two steps of 256


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

    @property
    def halves(self) -> bool:
        """Whether the processor does a whole vector in two halves, so that twice as many short ones cost the same."""
        return self.cpu in _HALVING and self.vector_bits == 512

    @property
    def is_windows(self) -> bool:
        """Whether libraries are DLLs."""
        return system_of(self.triple) == WINDOWS


def host_target() -> Target:
    """The machine that the compiler runs on."""
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    triple = host_triple()
    if triple.startswith(_X86) and not features.get("fma"):
        raise _no_fma("this machine's processor")
    wide = all(features.get(name) for name in ("avx512f", "avx512bw", "avx512dq", "avx512vl"))
    name, asks = llvm.get_host_cpu_name(), triple.startswith(_X86)
    return Target("cpu", triple, name, features.flatten(), *_vectors(triple, wide), asks)


def named_target(cpu: str = NATIVE, triple: str = "") -> Target:
    """A processor by its name, of the compiler's own system unless another is given.

    `native` is this machine's processor, and for another system the least that its machines have.
    """
    here = host_triple()
    triple = known_triple(triple) if triple else here
    if cpu == NATIVE and triple == here:
        return host_target()
    known = processors(triple)
    cpu = known[0] if cpu == NATIVE else cpu
    if triple.startswith(_X86) and cpu in _WITHOUT_FMA:
        raise _no_fma(f"the processor {cpu}")
    if cpu not in known:
        choice = ", ".join((NATIVE, *known))
        raise UserError(
            Diagnostic("E0603", f"there is no target processor `{cpu}` for {triple}", help=(f"use one of {choice}",))
        )
    asks = triple.startswith(_X86) and here.startswith(_X86)
    return Target("cpu", triple, cpu, _FEATURES.get(cpu, ""), *_vectors(triple, cpu in _WIDE), asks)


def processors(triple: str) -> tuple[str, ...]:
    """The processors of a known triple that can be named."""
    architecture = _architecture(triple)
    return _PROCESSORS.get((architecture, system_of(triple)), _PROCESSORS[architecture, ""])


def host_triple() -> str:
    """The compiler's own system, as `known_triple` writes it if that knows it."""
    import llvmlite.binding as llvm

    triple = str(llvm.get_process_triple())
    return _canonical(triple) or triple


def known_triple(text: str) -> str:
    """One of `TRIPLES` by any of its usual spellings: `x86_64-linux-gnu`, `arm64-apple-darwin`, …"""
    found = _canonical(text)
    if found:
        return found
    spellings = {one: one for one in TRIPLES} | {one.replace("-unknown", ""): one for one in TRIPLES}
    near = nearest(text, spellings)
    raise UserError(
        Diagnostic(
            "E0603",
            f"there is no target `{text}`",
            notes=(f"known are cpu (this machine), {', '.join(TRIPLES)}",),
            help=(f"did you mean `{spellings[near]}`?",) if near else (),
        )
    )


def _canonical(text: str) -> str | None:
    parts = text.lower().split("-")
    system, environment = system_of(text), parts[-1]
    is_bare = environment.startswith(tuple(_SYSTEMS))
    if parts[0] not in _ARCHITECTURES or not system or len(parts) > 4:
        return None
    if not is_bare and environment not in _ENVIRONMENTS[system]:
        return None
    flavour = "gnu" if system == WINDOWS and environment.startswith(("gnu", "mingw")) else "msvc"
    for triple in TRIPLES:
        fits = _architecture(triple) == _ARCHITECTURES[parts[0]] and system_of(triple) == system
        if fits and (system != WINDOWS or triple.endswith(flavour)):
            return triple
    return None


def _architecture(triple: str) -> str:
    return _ARCHITECTURES.get(triple.lower().partition("-")[0], "")


def system_of(triple: str) -> str:
    """linux, macos or windows; "" where the triple names none of them."""
    parts = triple.lower().split("-")[1:]
    return next((system for part in parts for name, system in _SYSTEMS.items() if part.startswith(name)), "")


def _vectors(triple: str, wide: bool) -> tuple[int, int]:
    """Bits of a vector register and their number."""
    if triple.startswith(_X86):
        return (512, 32) if wide else (256, 16)
    return 128, 32


def _no_fma(what: str) -> KnownLimit:
    text = f"{what} has no fused multiply-add, which libraries need"
    return KnownLimit(Diagnostic("E0602", text, help=(f"choose {BASELINE} or a later processor",)))
