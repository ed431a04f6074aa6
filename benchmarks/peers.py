"""What is measured against what: the peers, their packages, and the environment of their processes."""

from __future__ import annotations

from typing import NamedTuple


class Peer(NamedTuple):
    """A way to compute a workload from Python.

    `package` is what has to be importable, `function` the name of what a workload's file has for it.
    """

    name: str
    package: str
    function: str


OWN = "exprc"
PEERS = (
    Peer(OWN, "numpy", "PROGRAM"),
    Peer("NumPy", "numpy", "numpy"),
    Peer("Numba", "numba", "numba"),
    Peer("JAX", "jax", "jax"),
    Peer("PyTorch", "torch", "torch"),
    Peer("torch.compile", "torch", "torch"),
    Peer("PyTensor", "pytensor", "pytensor"),
    Peer("CasADi", "casadi", "casadi"),
)
PACKAGES = ("numpy", "scipy", "numba", "jax", "jaxlib", "torch", "pytensor", "casadi")

# Set on some machines for the sake of old builds of OpenBLAS; they make a current NumPy slow.
UNSET = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


def by_name(name: str) -> Peer:
    """A peer by its name."""
    return next(peer for peer in PEERS if peer.name == name)


def settings(threads: int) -> dict[str, str]:
    """What every peer's process is told by its environment, so that none has more threads than it may."""
    one = {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"} if threads == 1 else {}
    counts = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "NPROC")
    return {
        **dict.fromkeys(counts, str(threads)),
        **one,
        "TORCHINDUCTOR_COMPILE_THREADS": str(threads),
        "JAX_PLATFORMS": "cpu",
        "JAX_ENABLE_X64": "1",
        "JAX_CPU_ENABLE_ASYNC_DISPATCH": "0",
    }


def environment(base: dict[str, str], threads: int) -> dict[str, str]:
    """The environment of a peer's process.

    torch.compile keeps on disk what it has compiled; with one thread, where first calls are told, it must not.
    """
    kept = {name: value for name, value in base.items() if name not in UNSET}
    fresh = {"TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"} if threads == 1 else {}
    return {**kept, **settings(threads), **fresh}
