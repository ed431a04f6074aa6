"""What is measured against what: the peers, their packages, and the environment in which every one has one thread."""

from __future__ import annotations

from typing import NamedTuple

READING = "reading"  # no peer: what it takes to read the inputs once


class Peer(NamedTuple):
    """A way to compute a workload.

    `package` is what has to be importable; `binds` says whether the data can be handed over before the calls, else
    both ways of calling are the same and measured once.
    """

    name: str
    package: str
    binds: bool = True


PEERS = (
    Peer("exprc", "numpy"),
    Peer("NumPy", "numpy", binds=False),
    Peer("Numba", "numba", binds=False),
    Peer("JAX", "jax"),
    Peer("PyTorch", "torch"),
    Peer("torch.compile", "torch"),
    Peer("PyTensor", "pytensor"),
    Peer("CasADi", "casadi"),
    Peer(READING, "numpy", binds=False),
)

ONE_THREAD = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "NPROC": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    "JAX_PLATFORMS": "cpu",
    "JAX_ENABLE_X64": "1",
    "JAX_CPU_ENABLE_ASYNC_DISPATCH": "0",
}

# Set on some machines for the sake of old builds of OpenBLAS; they make a current NumPy slow.
UNSET = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


def environment(base: dict[str, str]) -> dict[str, str]:
    """The environment of a peer's process."""
    return {**{name: value for name, value in base.items() if name not in UNSET}, **ONE_THREAD}
