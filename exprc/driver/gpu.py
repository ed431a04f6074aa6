"""What of a model can be lowered for a GPU: the part of `exprc check --target ptx` that is its own.

Works on plans only, so that it tells what is refused without compiling anything.
"""

from __future__ import annotations

from exprc.driver.compilation import Compilation
from exprc.lower.ptx_launch import Launch, kernel_launches, refusal
from exprc.schedule.kernel import Kernel, Plan


def check_ptx(state: Compilation) -> str:
    """For each kernel its launches, or the form for which it is refused."""
    lines = ["GPU (ptx)"]
    for plan in state.plans:
        lines.append(f"  {plan.symbol}({', '.join(plan.dims)})")
        for kernel in plan.kernels:
            lines += [f"    {kernel.name}  {text}" for text in _describe(plan, kernel)]
    return "\n".join(lines) + "\n"


def _describe(plan: Plan, kernel: Kernel) -> list[str]:
    reason = refusal(kernel)
    if reason:
        return [f"refused: {reason}, which is not built for GPUs yet"]
    return [_launch(launch) for launch in kernel_launches(plan, kernel)]


def _launch(launch: Launch) -> str:
    shared = f", {launch.shared_bytes} B shared" if launch.shared else ""
    return f"{launch.name}, {launch.threads} threads a block{shared}"
