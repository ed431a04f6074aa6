"""The target that the options name."""

from __future__ import annotations

from exprc.diagnostics import Diagnostic, KnownLimit, UserError
from exprc.driver.options import Options
from exprc.lower.target import Target, host_target, named_target

CPUS = ("native", "x86-64-v3", "x86-64-v4")


def target_of(options: Options) -> Target:
    """The machine to compile for."""
    if options.target == "ptx":
        raise KnownLimit(Diagnostic("E0602", "`--target ptx`: models are not built for GPUs yet"))
    if options.target != "cpu":
        raise KnownLimit(Diagnostic("E0602", f"`--target {options.target}`: other systems are not built for yet"))
    if options.cpu not in CPUS:
        known = (f"use one of {', '.join(CPUS)}",)
        raise UserError(Diagnostic("E0603", f"there is no target processor `{options.cpu}`", help=known))
    return host_target() if options.cpu == "native" else named_target(options.cpu)


def target_text(options: Options) -> str:
    """The target as one word that tells all code generation depends on."""
    target = target_of(options)
    return f"{target.triple} {target.cpu} {target.features}"
